"""
How long reports take, as a distribution: of a type, and of all of which nothing is known yet.

Answers one question for the plan: given that a request is not ready yet, when will it be? Times are
seconds since submission, on a grid; nothing here knows of tokens or calls. `history` makes the
distribution of a type from what was seen.
"""

from __future__ import annotations

import math
from array import array
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

STEP: Final = 15.0
"""Seconds of one cell of the grid."""

CELLS: Final = 480
"""Cells of the grid: two hours. What takes longer is looked for at a constant pace."""

NEIGHBOURS: Final = 5
"""One in so many of the reports of a type are the neighbours of each."""

KIND: Final = 4.0
"""A report whose neighbours are so many times as far as theirs is not one of their kind."""

NARROW: Final = 4.0
"""The least width of a bell, in seconds: a cell blurs what is narrower anyway."""

NOTHING: Final = 1e-7
"""What is left of a distribution by rounding alone."""

EARLY: Final = 1.0 / 9.0
"""Before that share of the window reports are rarely ready."""

USUAL: Final = 0.42
"""The likeliest time before any report was seen: 19 minutes of a window of 45."""

SPREAD: Final = 0.35
"""How far most are believed to be from it: the standard deviation of the logarithm."""

PREFERRED: Final = 2.5
"""How much likelier it is than others: by so many times the chance of these."""

FAR: Final = 5.0
"""The standard deviations beyond which there is nothing of a bell: a millionth is not."""


def _trimmed(mass: Iterable[float]) -> Sequence[float]:
    # As short and as narrow as will do: a thousand accounts have twenty types each.
    cells = array("f", mass)
    while cells and not cells[-1]:
        cells.pop()
    return array("f", cells)


@frozen(eq=False)
class Generation:
    """
    A distribution of generation times: the mass of each cell of the grid, adding up to one.

    Made by `prior`, or by a `History`. What is not in `mass` has none.
    """

    mass: Sequence[float] = field(repr=False, converter=_trimmed)

    @property
    def cells(self) -> list[float]:
        """The mass of every cell of the grid."""
        return [*self.mass, *[0.0] * (CELLS - len(self.mass))]

    @property
    def reached(self) -> Iterator[float]:
        """The mass up to the end of each cell, as far as it grows."""
        return accumulate(self.mass)

    def weights(self, elapsed: float) -> list[float]:
        """
        Return the masses from *elapsed* seconds on, given that it is not ready yet.

        The first cell is the rest of the one that *elapsed* lies in. Past the grid: even.
        """
        cell = int(elapsed / STEP)
        rest = list(self.mass[cell:]) or [0.0]
        rest[0] *= 1.0 - (elapsed / STEP - cell)
        total = sum(rest)
        if total <= 0.0:
            return [1.0 / CELLS] * CELLS
        return [mass / total for mass in rest]

    def ready_between(self, start: float, end: float) -> float:
        """Return the chance of being ready by *end*, given that it was not at *start*."""
        before, after = self._before(start), self._before(end)
        # Later than anything that is known, up to rounding: no moment is better than another.
        return (after - before) / (1.0 - before) if before < 1.0 - NOTHING else 0.0

    def quantile(self, share: float) -> float:
        """Return the time by which that share of reports is ready."""
        for cell, reached in enumerate(self.reached):
            if reached >= share:
                return (cell + 1) * STEP
        return CELLS * STEP

    def _before(self, elapsed: float) -> float:
        cell = min(max(elapsed, 0.0) / STEP, float(len(self.mass)))
        whole = int(cell)
        part = self.mass[whole] * (cell - whole) if whole < len(self.mass) else 0.0
        return min(1.0, sum(self.mass[:whole]) + part)


# One for all accounts of a process, not a copy each.
@lru_cache(maxsize=8)
def prior(window: float) -> Generation:
    """
    Return what is believed before any report was seen: ready within *window*, rarely later.

    Most of them in its middle, though nothing says so: who expects that and is wrong waits little
    longer, as looks at all times become a little rarer. There is no edge at the window's end, as
    few take longer than the API says: what is ready just before it is looked for just after it.
    """
    return _of_density(_usual, window)


@lru_cache(maxsize=8)
def even(window: float) -> Generation:
    """Return what is believed where nobody may wait much longer than others: any time alike."""
    return _of_density(_any, window)


def _of_density(density: Callable[[float], float], window: float) -> Generation:
    raw = [density((cell + 0.5) * STEP / window) for cell in range(CELLS)]
    total = sum(raw)
    return Generation([mass / total for mass in raw])


def _usual(time: float) -> float:
    """Return the relative density at *time*, in windows, where the middle is preferred."""
    off = math.log(time / USUAL) / SPREAD
    others = 0.6 if time < EARLY else 1.0
    return allowed(time) * (others + PREFERRED * math.exp(-0.5 * off * off))


def _any(time: float) -> float:
    """
    Return the relative density at *time*, in windows, where none is preferred.

    Rare looks at early ones cost the others nearly nothing, and find quick types.
    """
    return 0.3 if time < EARLY else allowed(time)


def allowed(time: float) -> float:
    """Return how likely *time*, in windows, is left by the API: 52 minutes of 45 have been seen."""
    ramp, late = 0.08, 1.5
    if time < 1.0 + ramp:
        return min(1.0, 1.0 - 0.98 * (time - 1.0) / ramp)
    return 0.02 if time < late else 0.0


def bells(times: Sequence[float], *, widths: Mapping[float, float] | None = None) -> list[float]:
    """
    Return what *times* suggest: a bell around each.

    Args:
        times: Seconds, each within the grid.
        widths: The `bandwidths` of all reports that these are some of; None where they are all.

    Of each cell of the grid; a bell has the mass of one, but for what of it lies off the grid.
    """
    widths = bandwidths(times) if widths is None else widths
    raw = [0.0] * CELLS
    for time in times:
        first, bell = _bell(time, widths[time])
        for cell, mass in enumerate(bell, start=first):
            raw[cell] += mass
    return raw


def bandwidths(times: Sequence[float]) -> dict[float, float]:
    """
    Return how wide the bell around each of *times* is: the standard deviation, in seconds.

    As wide as the neighbours are far: where reports take two minutes or forty, neither kind must
    blur the other. The first and the last of a kind, which have theirs on one side only, are as
    those are, or they would stretch it. Few reports which happen to be close prove little: each may
    vary by its share of a quarter.
    """
    ordered, count = sorted(times), len(times)
    nearest = min(-(-count // NEIGHBOURS), count - 1)
    around = list(_around(ordered, nearest))
    far = [distance for distance, _ in around]
    widths: dict[float, float] = {}
    for time, (own, first) in zip(ordered, around, strict=True):
        theirs = sorted(far[first : first + nearest + 1])[(nearest + 1) // 2]
        distance = theirs if own <= KIND * max(theirs, STEP / 2.0) else own
        least = max(NARROW, time / (4.0 * count))
        widths[time] = max(least, 2.0 * distance / math.pow(count, 0.2))
    return widths


def _around(ordered: Sequence[float], nearest: int) -> Iterator[tuple[float, int]]:
    """Iterate how far the *nearest* neighbours of each are, and the first of them and it."""
    first = 0

    def far(number: int, first: int) -> float:
        return max(ordered[number] - ordered[first], ordered[first + nearest] - ordered[number])

    for number in range(len(ordered)):
        # The later one is, the later its neighbours begin.
        first, last = max(first, number - nearest), min(number, len(ordered) - 1 - nearest)
        while first < last and far(number, first + 1) <= far(number, first):
            first += 1
        yield far(number, first), first


def _bell(center: float, width: float) -> tuple[int, list[float]]:
    """Return a normal distribution: the first cell that has a part of it, and the masses."""
    first = max(0, int((center - FAR * width) / STEP))
    last = min(CELLS, int((center + FAR * width) / STEP) + 1)
    scale = 1.0 / (width * math.sqrt(2.0))
    edges = [math.erf((cell * STEP - center) * scale) for cell in range(first, last + 1)]
    return first, [0.5 * (second - first) for first, second in pairwise(edges)]
