"""How long reports take: the prior, bells around what was seen, and what is asked of both."""

from __future__ import annotations

from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports_async._sansio.generation import (
    CELLS,
    NARROW,
    STEP,
    Generation,
    bandwidths,
    bells,
    even,
    prior,
)

WINDOW = 2700.0
END = CELLS * STEP

times = st.floats(min_value=0.0, max_value=2 * END)


@pytest.mark.parametrize("believed", [prior, even])
def test_before_any_report_was_seen(believed):
    """
    Beforehand the documented window is believed in: early reports are rare, and so are later ones.
    """
    belief = believed(WINDOW)

    assert 0.9 < belief.ready_between(300.0, WINDOW) < 1.0
    assert belief.ready_between(0.0, 300.0) < 0.04
    assert 2600.0 < belief.quantile(0.98) <= WINDOW + 150
    assert 1.0 == pytest.approx(belief.ready_between(0.0, END))


def test_prior():
    """
    Most reports are believed to take about 20 minutes, and any time remains likely.
    """
    belief = prior(WINDOW)
    shares = [
        belief.ready_between(0.0, start + 600.0) - belief.ready_between(0.0, start)
        for start in (300.0, 900.0, 1500.0, 2100.0)
    ]

    assert 0.3 < max(shares) == shares[1] < 0.4
    assert min(shares) > 0.1


def test_even():
    """
    After the first minutes any time in the window is as likely as another.
    """
    belief = even(WINDOW)
    shares = [
        belief.ready_between(0.0, start + 600.0) - belief.ready_between(0.0, start)
        for start in (300.0, 900.0, 1500.0, 2100.0)
    ]

    assert max(shares) == pytest.approx(min(shares))


@given(taken=st.lists(st.floats(min_value=0.0, max_value=END, exclude_max=True), max_size=20))
def test_bells(taken):
    """
    A bell has the mass of one, but for what lies off the grid.
    """
    masses = bells(taken)

    assert CELLS == len(masses)
    assert min(masses) >= 0.0
    assert bool(taken) == (sum(masses) > 0.0)
    assert sum(masses) <= len(taken) + 1e-6


def test_bells_among_others():
    """
    The more neighbours a report has, of whatever type, the narrower is its bell.
    """
    others = [600.0 + number for number in range(20)]
    alone, among = bells([600.0]), bells([600.0], widths=bandwidths(others))

    assert max(among) > max(alone)
    assert 1.0 == pytest.approx(sum(among))


def test_ends_of_a_kind():
    """
    The bells at the ends of a kind are as wide as the others; one of no kind has a wide one.
    """
    normal = NormalDist(600.0, 60.0)
    kind = [normal.inv_cdf((number + 0.5) / 20) for number in range(20)]

    widths = bandwidths([*kind, 3000.0, *(time + 3000.0 for time in kind)])

    inner = widths[kind[10]]
    assert 20.0 < inner < 45.0
    assert widths[kind[0]] < 1.5 * inner
    assert widths[kind[-1]] < 1.5 * inner
    assert widths[3000.0] > 5.0 * inner


def test_few_of_a_kind():
    """
    Few reports tell too little of their kind: each has a bell as wide as its nearest one is far.
    """
    widths = bandwidths([600.0, 700.0, 900.0])

    assert widths[600.0] == widths[700.0]
    assert 2.0 * widths[700.0] == pytest.approx(widths[900.0])


def test_nearly_the_same():
    """
    A report that took a cell longer than many equal ones is of their kind.
    """
    widths = bandwidths([600.0] * 40 + [620.0])

    assert {600.0: NARROW, 620.0: NARROW} == widths


@given(taken=st.lists(st.floats(min_value=0.0, max_value=END, exclude_max=True), min_size=1))
def test_bandwidths(taken):
    """
    Every report has its bell, of some width, in whatever order they come.
    """
    widths = bandwidths(taken)

    assert set(taken) == set(widths)
    assert min(widths.values()) >= NARROW
    assert widths == bandwidths(sorted(taken, reverse=True))


def test_past_everything():
    """
    After the last cell nothing is known: any time is as good as another.
    """
    belief = prior(WINDOW)

    assert 1 == len(set(belief.weights(END + 60.0)))
    assert 0.0 == belief.ready_between(END, END + 60.0)
    assert END == Generation((0.0,) * CELLS).quantile(0.5)


@given(elapsed=st.floats(min_value=0.0, max_value=END - STEP))
def test_weights_add_up(elapsed):
    """
    What is left of a distribution adds up to one, whatever has passed.
    """
    weights = prior(WINDOW).weights(elapsed)

    assert 1.0 == pytest.approx(sum(weights))
    assert min(weights) >= 0.0


@given(start=times, middle=times, end=times)
def test_chances(start, middle, end):
    """
    A chance lies between none and certain, and grows with the time that is given.
    """
    start, middle, end = sorted((start, middle, end))
    belief = prior(WINDOW)

    assert 0.0 <= belief.ready_between(start, middle) <= belief.ready_between(start, end) <= 1.0
