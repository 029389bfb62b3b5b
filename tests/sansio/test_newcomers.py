"""What is believed of types that were never seen, while others become ready."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports_async._sansio.generation import CELLS, STEP, even
from reports_async._sansio.newcomers import newcomers

WINDOW = 2700.0
END = CELLS * STEP
ALIKE = [1150.0 + 10.0 * number for number in range(12)]
QUICK = [350.0 + 80.0 * number for number in range(6)]
EVEN = [300.0 + 92.0 * number for number in range(26)]

TOOK = st.lists(st.floats(0.0, END, exclude_max=True), max_size=40)
WAITED = st.lists(st.floats(0.0, 2.0 * END), max_size=40)


def believed(start, end, *, took=(), waited=()):
    return newcomers(WINDOW, took, waited).ready_between(start, end)


@given(took=TOOK, waited=WAITED)
def test_belief(took, waited):
    """
    Whatever was seen, a belief adds up to one, in whatever order it was seen.
    """
    masses = newcomers(WINDOW, took, waited).mass

    assert min(masses) >= 0.0
    assert 1.0 == pytest.approx(sum(masses))
    assert list(masses) == pytest.approx(list(newcomers(WINDOW, took[::-1], waited[::-1]).mass))


@given(window=st.floats(STEP, 100 * 365 * 86_400.0), took=TOOK)
def test_any_window(window, took):
    """
    Whatever the window, what lies off the grid is believed of nobody: no few cells stand for it.
    """
    masses = newcomers(window, took, []).mass

    assert 1.0 == pytest.approx(sum(masses))


@pytest.mark.parametrize("hours", [4, 7, 8, 24 * 7])
def test_a_long_window(hours):
    """
    A common time that lies off the grid is not looked for at its end.
    """
    assert newcomers(hours * 3600.0, [], []).ready_between(0.0, END - 600.0) > 0.8


def test_nothing_seen():
    """
    Before anything was seen, the documented window is believed for the most part.
    """
    assert believed(300.0, WINDOW) > 0.85


def test_alike():
    """
    Where reports took about the same time, others are believed to.
    """
    assert believed(1000.0, 1400.0, took=ALIKE) > 0.7
    assert even(WINDOW).ready_between(1000.0, 1400.0) < 0.25


def test_however_alike():
    """
    However alike reports were, any other may take any time, as half of them do where some did.
    """
    alike = newcomers(WINDOW, ALIKE * 4, [])
    half = newcomers(WINDOW, [*ALIKE, *EVEN[::2]], [])

    assert alike.ready_between(0.0, WINDOW) - alike.ready_between(0.0, 1700.0) > 0.02
    assert half.ready_between(0.0, WINDOW) - half.ready_between(0.0, 1700.0) > 0.15


def test_not_ready_yet():
    """
    Where many are not ready yet, the quick ones do not speak for all.
    """
    alone = believed(300.0, 830.0, took=QUICK)
    beside = believed(300.0, 830.0, took=QUICK, waited=[830.0] * 20)

    assert alone > 0.5
    assert beside < 0.3


def test_any_time():
    """
    Where reports took all kinds of times, the documented window is believed.
    """
    for end in range(300, 2700, 300):
        expected = even(WINDOW).ready_between(0.0, end)
        assert expected == pytest.approx(believed(0.0, end, took=EVEN), abs=0.03)


def test_long_wait():
    """
    Where others are waited for longer than the window, late reports are believed in.
    """
    assert believed(0.0, WINDOW, waited=[2700.0] * 5) < believed(0.0, WINDOW) - 0.01
