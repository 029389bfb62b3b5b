"""How long reports take: the prior, what real ones teach, and what is asked of both."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports_async._sansio.generation import (
    CELLS,
    SAMPLES,
    STEP,
    Generation,
    History,
    learned,
    prior,
)

WINDOW = 2700.0
END = CELLS * STEP

times = st.floats(min_value=0.0, max_value=2 * END)


def test_prior():
    """
    The prior believes in the documented window, and leaves a little for later.
    """
    belief = prior(WINDOW)

    assert 0.9 < belief.ready_between(300.0, WINDOW) < 1.0
    assert belief.ready_between(0.0, 300.0) < 0.04
    assert 2600.0 < belief.quantile(0.98) <= WINDOW + 150
    assert 1.0 == pytest.approx(belief.ready_between(0.0, END))


def test_learned():
    """
    A few real reports outweigh the prior.
    """
    belief = learned([1180.0, 1210.0, 1195.0, 1230.0, 1205.0, 1190.0], window=WINDOW)

    assert belief.ready_between(1000.0, 1400.0) > 0.8
    assert belief.ready_between(0.0, 1000.0) < 0.1


def test_two_modes():
    """
    Two far modes are not blurred into one.
    """
    early = [120.0 + number for number in range(10)]
    late = [2400.0 + number for number in range(10)]

    belief = learned([*early, *late], window=WINDOW)

    assert belief.ready_between(0.0, 300.0) > 0.4
    assert belief.ready_between(600.0, 2000.0) < 0.1


def test_a_narrow_mode_beside_a_wide_one():
    """
    Reports that come within seconds of each other stay so, whatever others of their type do.
    """
    early = [120.0 + number for number in range(20)]
    late = [2000.0 + 40.0 * number for number in range(20)]

    belief = learned([*early, *late], window=WINDOW)

    assert belief.ready_between(105.0, 165.0) / belief.ready_between(0.0, 600.0) > 0.85


def test_two_reports_by_chance():
    """
    Two reports that took equally long do not prove that all do.
    """
    belief = learned([1200.0, 1200.0], window=WINDOW)

    assert belief.ready_between(0.0, 1050.0) > 0.1


@pytest.mark.parametrize("useless", [[], [-5.0], [END + 1.0]])
def test_nothing_to_learn(useless):
    """
    Times that cannot be teach nothing: the prior holds.
    """
    assert prior(WINDOW).mass == learned(useless, window=WINDOW).mass


def test_one_report():
    """
    One report is believed a little.
    """
    belief = learned([600.0], window=WINDOW)

    assert belief.ready_between(300.0, 900.0) > prior(WINDOW).ready_between(300.0, 900.0)


def test_past_everything():
    """
    After the last cell nothing is known: any time is as good as another.
    """
    belief = prior(WINDOW)

    assert 1 == len(set(belief.weights(END + 60.0)))
    assert 0.0 == belief.ready_between(END, END + 60.0)
    assert END == Generation((0.0,) * CELLS).quantile(0.5)


@given(elapsed=st.floats(min_value=0.0, max_value=END - STEP), taken=st.lists(times, max_size=20))
def test_weights_add_up(elapsed, taken):
    """
    What is left of a distribution adds up to one, whatever has passed.
    """
    weights = learned(taken, window=WINDOW).weights(elapsed)

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


def test_history():
    """
    A history knows each type for itself, and each report once.
    """
    history = History(WINDOW)
    history.learn("ITEM", "r1", 600.0)
    history.learn("ITEM", "r1", 2000.0)
    history.learn("ITEM", "r2", -1.0)

    assert "<History 1 reports of 1 types>" == repr(history)
    assert learned([600.0], window=WINDOW).mass == history.of("ITEM").mass
    assert history.of("ITEM") is history.of("ITEM")
    assert prior(WINDOW).mass == history.of("BUYBOX").mass


def test_history_forgets():
    """
    Of a type only the newest reports count.
    """
    history = History(WINDOW)
    for number in range(SAMPLES + 5):
        history.learn("ITEM", f"r{number}", 600.0 if number < 5 else 1200.0)

    assert learned([1200.0] * SAMPLES, window=WINDOW).mass == history.of("ITEM").mass
