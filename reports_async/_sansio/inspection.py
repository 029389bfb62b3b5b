"""
When to look at one request, where each look at it has a price.

The answer is the best schedule of looks for a price in seconds: the expected wait from READY to the
next look, plus the price times the expected number of looks, is least. It is found backwards (each
look goes where what it costs, and what comes after it, is least) over moments which lie close where
much becomes ready. A higher price means fewer looks; `plan` sets it to what the tokens allow.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from .generation import STEP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .generation import Generation

POINTS: Final = 48
"""Into how many shares of equal chance the moments divide the time."""

PRICES: Final = tuple(2.0 ** (step / 2.0) for step in range(-2, 25))
"""The prices of a look that are told apart, in seconds."""

GAP: Final = 4
"""Cells from one moment to the next that are few enough: what is ready in between can wait."""

NEVER: Final = 1e-6
"""A chance that is not worth a look at any price."""


class Inspection:
    """The schedules of looks at requests that take as long as *generation* says."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._reached = [0.0, *generation.reached]
        self._cells = _moments(self._reached)
        self._tables: dict[int, tuple[Sequence[float], Sequence[int]]] = {}

    def due(self, seen: float, price: int) -> float | None:
        """
        Return the age at which to look next at a request that was not ready at the age of *seen*.

        Args:
            seen: When it was last looked at, in seconds since its submission.
            price: The index of the price in `PRICES`.

        None where all that is known lies behind.
        """
        first = self._first(seen, price)
        return None if first is None else self._cells[first] * STEP

    def ahead(self, seen: float, price: int) -> list[tuple[float, float]]:
        """Return the ages of all looks to come, each with the chance that it will be made."""
        looks: list[tuple[float, float]] = []
        here = self._first(seen, price)
        if here is None:
            return looks
        _, following = self._table(price)
        left = waiting = 1.0 - self._generation.ready_between(0.0, seen)
        while here < len(self._cells):
            cell = self._cells[here]
            looks.append((cell * STEP, waiting / left))
            waiting, here = max(0.0, 1.0 - self._reached[cell]), following[here]
        return looks

    def _first(self, seen: float, price: int) -> int | None:
        """Return the moment of the next look: its number."""
        reached = self._generation.ready_between(0.0, seen)
        first = bisect_right(self._cells, seen / STEP)
        if 1.0 - reached <= NEVER or first == len(self._cells):
            return None
        costs, _ = self._table(price)
        return self._best(reached, first, len(self._cells) - 1, costs)

    def _table(self, price: int) -> tuple[Sequence[float], Sequence[int]]:
        """
        Return, for a look at each moment, what it costs and which is the next.

        The cost is that of all that is found by it and later, as if it had been waited for since
        the submission: what was found before is too much in it, and `_best` takes that off.
        """
        if price not in self._tables:
            cells, last = self._cells, len(self._cells) - 1
            costs = [cell * STEP * self._reached[cell] for cell in cells]
            following = [len(cells)] * len(cells)
            for here in range(last - 1, -1, -1):
                reached = self._reached[cells[here]]
                # The later the last look, the later the next: the search need not go further.
                last = self._best(reached, here + 1, last, costs)
                costs[here] += costs[last] - reached * cells[last] * STEP
                costs[here] += PRICES[price] * (1.0 - reached)
                following[here] = last
            self._tables[price] = costs, following
        return self._tables[price]

    def _best(self, reached: float, first: int, last: int, costs: Sequence[float]) -> int:
        """Return the next moment, from *first* to *last*, if so many are *reached* by the last."""
        cells, found = self._cells, reached * STEP
        least, best = float("inf"), first
        for there in range(first, last + 1):
            cost = costs[there] - found * cells[there]
            if cost < least:
                least, best = cost, there
        return best

    def __repr__(self) -> str:
        return f"<Inspection at {len(self._cells)} moments, {len(self._tables)} prices>"


def _moments(reached: Sequence[float]) -> list[int]:
    """
    Return the cells at whose ends a look may be.

    Each a share of the chance after the last; in long gaps between, at distances that double: what
    is a little later than all others of its kind must not wait for the next kind.
    """
    cells, share = [0], 1.0 / POINTS
    for cell in range(1, len(reached)):
        if reached[cell] - reached[cells[-1]] >= share or (
            reached[cell] > 1.0 - NEVER >= reached[cell - 1]
        ):
            cells.append(cell)
    moments = set(cells)
    for cell, following in pairwise(cells[1:]):
        distance = 1
        while following - cell > max(GAP, distance):
            moments.add(cell + distance)
            distance *= 2
    return sorted(moments)


# As many as a busy account has types; the tables of a type that is gone are forgotten.
@lru_cache(maxsize=256)
def inspection(generation: Generation) -> Inspection:
    """Return the schedules for *generation*, made once."""
    return Inspection(generation)
