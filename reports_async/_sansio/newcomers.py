"""
What is believed of types that were never seen, while others that are waited for become ready.

Reports may take any time in the documented window; or half of them, or nearly all, about the same
time, early or late in it. Each of these suppositions foretells what is seen: how long those took
that are ready, and that those which are waited for are not. The better it did, the more it counts.
To explain the latter as well is what keeps the quick ones, which are seen first, from speaking for
all.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from functools import lru_cache
from itertools import accumulate, pairwise, product
from typing import TYPE_CHECKING, Final

from attrs import frozen

from .generation import CELLS, STEP, Generation, allowed, even

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ANY: Final = 0.5
"""How much is given beforehand to the supposition that there is no common time."""

COMMON: Final = (0.5, 0.95)
"""The shares of reports that a common time is supposed for; the others may take any."""

MIDDLES: Final = (0.06, 0.1, 0.15, 0.2, 0.27, 0.36, 0.45, 0.55, 0.67, 0.8, 0.95)
"""The common times that are supposed: medians, in windows."""

SPREADS: Final = (0.15, 0.3, 0.5)
"""How far reports are supposed to be from them: standard deviations of the logarithm."""

ALIKE: Final = 0.7
"""What one report proves, of what it would if none shared its fate with others: those that are made
together by one server do, at times."""

LIKELY: Final = 1e-12
"""No report is believed to be less likely than that."""

ON_GRID: Final = 0.01
"""A common time of which less lies on the grid is none that could be told there."""

HEARD: Final = 1e-3
"""What counts for less than that is left out."""


@frozen(eq=False)
class _Supposition:
    """The masses of the grid's cells, and logarithms: of the chance before, and of what is seen."""

    mass: Sequence[float]
    before: float
    ready: Sequence[float]
    waiting: Sequence[float]

    @classmethod
    def of(cls, mass: Sequence[float], chance: float) -> _Supposition:
        reached = [0.0, *accumulate(mass)]
        return cls(
            mass=array("d", mass),
            before=math.log(chance),
            ready=array("d", (math.log(max(one, LIKELY)) for one in mass)),
            waiting=array("d", (math.log(max(1.0 - one, LIKELY)) for one in reached)),
        )

    def foretold(self, took: Mapping[int, int], waited: Mapping[int, int]) -> float:
        seen = sum(self.ready[cell] * count for cell, count in took.items())
        seen += sum(self.waiting[one] * count for one, count in waited.items())
        return self.before + ALIKE * seen


def newcomers(window: float, took: Iterable[float], waited: Iterable[float]) -> Generation:
    """
    Return what is believed of a type that was never seen.

    Args:
        window: The documented time within which reports are ready, in seconds.
        took: How long reports of other types took, in seconds, each within the grid.
        waited: How long others of such types were seen not to be ready, in seconds.
    """
    ready = Counter(int(time / STEP) for time in took)
    waiting = Counter(min(int(time / STEP), CELLS) for time in waited)
    supposed = _suppositions(window)
    logs = [one.foretold(ready, waiting) for one in supposed]
    blend = [0.0] * CELLS
    for supposition, log in zip(supposed, logs, strict=True):
        chance = math.exp(log - max(logs))
        if chance > HEARD:
            blend = [
                cell + chance * mass for cell, mass in zip(blend, supposition.mass, strict=True)
            ]
    total = sum(blend)
    return Generation([cell / total for cell in blend])


@lru_cache(maxsize=8)
def _suppositions(window: float) -> Sequence[_Supposition]:
    any_time = even(window).cells
    made = [_Supposition.of(any_time, ANY)]
    chance = (1.0 - ANY) / (len(COMMON) * len(MIDDLES) * len(SPREADS))
    for share, middle, spread in product(COMMON, MIDDLES, SPREADS):
        common = _common(middle * window, spread, window)
        if (total := sum(common)) < ON_GRID:
            continue
        mass = [
            share * one / total + (1.0 - share) * other
            for one, other in zip(common, any_time, strict=True)
        ]
        made.append(_Supposition.of(mass, chance))
    return made


def _common(middle: float, spread: float, window: float) -> list[float]:
    """Return a log-normal distribution, as far as the documented window and the grid go."""
    edges = [
        math.erf(math.log(cell * STEP / middle) / (spread * math.sqrt(2.0)))
        for cell in range(1, CELLS + 1)
    ]
    return [
        0.5 * (after - before) * allowed((cell + 0.5) * STEP / window)
        for cell, (before, after) in enumerate(pairwise([-1.0, *edges]))
    ]
