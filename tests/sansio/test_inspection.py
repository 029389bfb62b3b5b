"""When to look at one request, where each look at it has a price."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports_async._sansio.generation import CELLS, STEP, prior
from reports_async._sansio.history import History
from reports_async._sansio.inspection import PRICES, inspection

WINDOW = 2700.0
TIMES = st.lists(st.floats(0.0, 3600.0), min_size=1, max_size=30)


def learned(times):
    """What is believed of a type whose reports took so long."""
    history = History(2700.0)
    for number, time in enumerate(times):
        history.learn("ITEM", f"R{number}", time, at=float(number))
    return history.of("ITEM")


def price(seconds):
    """The index of the price that is nearest to that many seconds."""
    return min(range(len(PRICES)), key=lambda one: abs(PRICES[one] - seconds))


def schedule(generation, one):
    """All the looks at a request that is never ready."""
    looks, seen = [], 0.0
    while (due := inspection(generation).due(seen, one)) is not None:
        looks.append(due)
        seen = due
    return looks


def cost(generation, looks, seconds):
    """The expected wait, and the price of the expected looks, of any schedule."""
    total, last = 0.0, 0.0
    for end in looks:
        for cell in range(round(last / STEP), round(end / STEP)):
            total += generation.mass[cell] * (end - (cell + 0.5) * STEP)
        total += seconds * (1.0 - generation.ready_between(0.0, last))
        last = end
    return total


@given(times=TIMES, one=st.integers(0, len(PRICES) - 1))
def test_looks(times, one):
    """
    Looks follow each other until all that is known lies behind.
    """
    generation = learned(times)
    looks = schedule(generation, one)

    assert all(earlier < later for earlier, later in pairwise([0.0, *looks]))
    assert generation.ready_between(0.0, looks[-1]) > 1.0 - 1e-5
    assert inspection(generation).due(CELLS * STEP, one) is None
    assert inspection(generation).ahead(CELLS * STEP, one) == []


@given(times=TIMES, seen=st.floats(0.0, 4000.0))
def test_dearer_looks_are_fewer(times, seen):
    """
    The dearer a look, the fewer there are.
    """
    made = inspection(learned(times))
    at_all = [sum(chance for _, chance in made.ahead(seen, one)) for one in (0, 8, 16, 24)]

    for cheap, dear in pairwise(at_all):
        assert (cheap == 0.0) == (dear == 0.0)
        assert cheap >= dear - 1e-9
        assert dear == 0.0 or dear >= 1.0


@given(times=st.none() | TIMES, one=st.integers(4, len(PRICES) - 1), every=st.integers(1, 12))
def test_no_better_schedule(times, one, every):
    """
    No other choice among the moments at which a look may be has a lower cost.
    """
    generation = prior(WINDOW) if times is None else learned(times)
    moments = schedule(generation, 0)
    other = sorted({*moments[::every], moments[-1]})
    ours = schedule(generation, one)

    least = cost(generation, ours, PRICES[one])
    assert least <= cost(generation, other, PRICES[one]) * (1.0 + 1e-6)


def test_two_kinds():
    """
    Where reports take 2 or 40 minutes, no look is made in between unless it costs nearly nothing.
    """
    generation = learned([120.0] * 20 + [2400.0] * 20)
    first, second = schedule(generation, price(64.0))[:2]

    assert 105.0 <= first <= 180.0
    assert 2300.0 <= second <= 2460.0


def test_a_little_late():
    """
    What is a little later than all others of its kind is looked for soon, not with the next kind.
    """
    generation = learned([120.0] * 20 + [2400.0] * 20)
    first, second = schedule(generation, price(2.0))[:2]

    assert 105.0 <= first < second <= 240.0


@given(times=TIMES, seen=st.floats(0.0, 3600.0), one=st.integers(0, len(PRICES) - 1))
def test_all_ahead(times, seen, one):
    """
    The looks ahead are those that will be due one after the other, each as likely as it is needed.
    """
    generation = learned(times)
    ages, chances = [], []
    last = seen
    while (due := inspection(generation).due(last, one)) is not None:
        ages.append(due)
        chances.append(1.0 - generation.ready_between(seen, last))
        last = due

    ahead = inspection(generation).ahead(seen, one)

    assert ages == [age for age, _ in ahead]
    assert chances == pytest.approx([chance for _, chance in ahead], abs=1e-6)


def test_repr():
    """
    Its own words for a debugger.
    """
    made = inspection(learned([600.0]))
    made.due(0.0, 3)

    assert repr(made).startswith("<Inspection at ")
    assert repr(made).endswith(" moments, 1 prices>")
