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
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from attrs import frozen

from .generation import CELLS, STEP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .generation import Generation

POINTS: Final = 48
"""Into how many shares of equal chance the moments divide the time."""

PRICES: Final = tuple(2.0 ** (step / 2.0) for step in range(-2, 25))
"""The prices of a look that are told apart, in seconds."""

NEVER: Final = 1e-6
"""A chance that is not worth a look at any price."""


@frozen
class Next:
    """The next look: the age at which it is due, and how many looks there will be on average."""

    due: float
    looks: float


class Inspection:
    """The schedules of looks at requests that take as long as *generation* says."""

    def __init__(self, generation: Generation) -> None:
        self._reached = [0.0, *accumulate(generation.mass)]
        self._moment = [
            0.0,
            *accumulate((cell + 0.5) * STEP * mass for cell, mass in enumerate(generation.mass)),
        ]
        self._cells = _moments(self._reached)
        self._tables: dict[int, tuple[Sequence[float], Sequence[float]]] = {}

    def next(self, seen: float, price: int) -> Next | None:
        """
        Return the next look at a request that was not ready at the age of *seen* seconds.

        Args:
            seen: When it was last looked at.
            price: The index of the price in `PRICES`.

        None where all that is known lies behind.
        """
        values, looks = self._table(price)
        reached, moment = self._at(seen)
        left = 1.0 - reached
        first = bisect_right(self._cells, seen / STEP)
        if left <= NEVER or first == len(self._cells):
            return None
        _, best = self._best(reached, moment, first, values, len(self._cells) - 1)
        cell = self._cells[best]
        share = max(0.0, 1.0 - self._reached[cell]) / left
        return Next(due=cell * STEP, looks=1.0 + share * looks[best])

    def _at(self, age: float) -> tuple[float, float]:
        cell = min(max(age, 0.0) / STEP, float(CELLS))
        whole = min(int(cell), CELLS - 1)
        part = (cell - whole) * (self._reached[whole + 1] - self._reached[whole])
        middle = (whole + (cell - whole) / 2.0) * STEP
        return self._reached[whole] + part, self._moment[whole] + part * middle

    def _table(self, price: int) -> tuple[Sequence[float], Sequence[float]]:
        """Return, for a last look at each moment, what comes after: its cost, its looks."""
        if price not in self._tables:
            cells = self._cells
            values, looks = [0.0] * len(cells), [0.0] * len(cells)
            last = len(cells) - 1
            for here in range(len(cells) - 2, -1, -1):
                reached, moment = self._reached[cells[here]], self._moment[cells[here]]
                # The later the last look, the later the next: the search need not go further.
                cost, last = self._best(reached, moment, here + 1, values, last)
                left = 1.0 - reached
                values[here] = cost + PRICES[price] * left
                share = (1.0 - self._reached[cells[last]]) / left if left > NEVER else 0.0
                looks[here] = 1.0 + share * looks[last]
            self._tables[price] = values, looks
        return self._tables[price]

    def _best(
        self, reached: float, moment: float, first: int, values: Sequence[float], last: int
    ) -> tuple[float, int]:
        least, best = float("inf"), first
        for there in range(first, last + 1):
            cell = self._cells[there]
            wait = cell * STEP * (self._reached[cell] - reached) - (self._moment[cell] - moment)
            cost = wait + values[there]
            if cost < least:
                least, best = cost, there
        return least, best

    def __repr__(self) -> str:
        return f"<Inspection at {len(self._cells)} moments, {len(self._tables)} prices>"


def _moments(reached: Sequence[float]) -> list[int]:
    """Return the cells at whose ends a look may be, each a share of the chance after the last."""
    cells, share = [0], 1.0 / POINTS
    for cell in range(1, len(reached)):
        if reached[cell] - reached[cells[-1]] >= share or (
            reached[cell] > 1.0 - NEVER >= reached[cell - 1]
        ):
            cells.append(cell)
    return cells


# As many as a busy account has types; the tables of a type that is gone are forgotten.
@lru_cache(maxsize=256)
def inspection(generation: Generation) -> Inspection:
    """Return the schedules for *generation*, made once."""
    return Inspection(generation)
