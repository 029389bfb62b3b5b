"""What a look costs: the least that keeps to the tokens, whatever chance brings."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports_async._sansio.history import History
from reports_async._sansio.inspection import PRICES
from reports_async._sansio.pricing import MARGIN, Kind, lasts, priced

SURE = [(10.0, 1.0)]


def kind(*times, age=0.0):
    """Requests of a type whose reports took so long."""
    history = History(2700.0)
    for number, time in enumerate(times):
        history.learn("ITEM", f"R{number}", time, at=float(number))
    return Kind.of(history.of("ITEM"), 0.0, age)


def enough(tokens, *needed, rate=0.0, capacity=40.0):
    return lasts(needed, tokens=tokens, rate=rate, capacity=capacity)


def test_sure_looks():
    """
    What is needed for sure must be there, and no more.
    """
    assert enough(5.0, (5, SURE))
    assert not enough(4.9, (5, SURE))


def test_what_comes():
    """
    Tokens that come before they are needed count.
    """
    assert enough(4.0, (5, SURE), rate=0.1)
    assert not enough(4.0, (5, [(9.0, 1.0)]), rate=0.1)


def test_before_an_overflow():
    """
    What is needed after the buckets overflowed is paid for by what they lost.
    """
    assert enough(39.0, (1000, [(1000.0, 1.0)]), rate=0.1)
    assert not enough(39.0, (1000, [(5.0, 1.0)]), rate=0.1)


@given(
    count=st.integers(1, 30),
    shares=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6),
)
def test_margin(count, shares):
    """
    Where it is chance how many looks are needed, tokens are left for a standard deviation more.
    """
    chances = list(itertools.accumulate([1.0, *shares], lambda one, other: one * other))
    looks = [(10.0 * number, chance) for number, chance in enumerate(chances, start=1)]
    # So many looks are made at one request, each number as likely as this.
    numbers = [one - other for one, other in itertools.pairwise([*chances, 0.0])]
    mean = sum(number * chance for number, chance in enumerate(numbers, start=1))
    square = sum(number**2 * chance for number, chance in enumerate(numbers, start=1))
    deviation = math.sqrt(max(count * (square - mean**2), 0.0))

    least = count * mean + MARGIN * deviation

    assert enough(least + 1e-3, (count, looks), capacity=math.inf)
    assert not enough(least - 1e-3, (count, looks), capacity=math.inf)


def test_kinds():
    """
    Kinds that need their looks at the same time share the tokens.
    """
    assert enough(8.0, (5, SURE), (3, SURE))
    assert not enough(7.9, (5, SURE), (3, SURE))


def test_some_cheaper():
    """
    Of requests that are alike, some have a lower price: the more, the more tokens there are.
    """
    alike = [kind(600.0, 640.0, 680.0, 1500.0, 1600.0)] * 27
    found = [
        priced(alike, 10, tokens=float(one), rate=0.01, capacity=40.0) for one in range(15, 35)
    ]

    # The pairs are in the order of their expense: a lower price, or more that have it.
    expense = [(-price, cheaper) for price, cheaper in found]
    assert sorted(expense) == expense
    assert len(set(expense)) > len({price for price, _ in found})


@given(
    times=st.lists(st.floats(0.0, 6000.0), max_size=8),
    jobs=st.integers(1, 30),
    tokens=st.floats(-2.0, 40.0),
    begin=st.integers(0, len(PRICES) - 1),
)
def test_any_price(times, jobs, tokens, begin):
    """
    Whatever is known, and wherever the search begins, the price is one that there is.
    """
    alike = [kind(*times)] * jobs

    price, cheaper = priced(alike, begin, tokens=tokens, rate=0.01, capacity=40.0)

    assert 0 <= price < len(PRICES)
    assert 0 <= cheaper < jobs
    assert not (price == 0 and cheaper)


@pytest.mark.parametrize("tokens", [-5.0, 0.0])
def test_no_tokens(tokens):
    """
    Without tokens the price is the highest, and nobody has a lower one.
    """
    alike = [kind(600.0, 640.0)] * 3

    assert (len(PRICES) - 1, 0) == priced(alike, 0, tokens=tokens, rate=0.0, capacity=40.0)
