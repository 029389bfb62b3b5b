"""
What it costs not to know where the times lie: no earlier reports, and in each run times elsewhere.

A distribution that is drawn by chance and not told is, for who plans, the mixture of all that it
may be. So the least mean lag of the mixture is the least that any schedule has on average over all
of them, and who knows which one it is has the average of theirs. How often the one is the other is
what no plan can do without.

That holds for a report alone, and where each type has times of its own. Where all types share
theirs, a report tells of the others. With two exact times in all there is no more to be seen than
with two reports, and none of these is seen sooner than one alone, on which all calls are spent.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

from attrs import frozen
from bound import least
from bound_single import least_single
from polling import ours

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from polling import Run


@frozen
class Around:
    """Log-normal around a time."""

    middle: float

    def __call__(self, rng: random.Random) -> float:
        return rng.lognormvariate(math.log(self.middle), 0.3)

    @classmethod
    def anywhere(cls, rng: random.Random) -> Around:
        return cls(rng.uniform(480.0, 1920.0))

    @classmethod
    def places(cls) -> Sequence[Around]:
        return [cls(480.0 + 360.0 * (number + 0.5)) for number in range(4)]


@frozen
class Either:
    """One of two times."""

    one: float
    other: float

    def __call__(self, rng: random.Random) -> float:
        return rng.choice((self.one, self.other))

    @classmethod
    def anywhere(cls, rng: random.Random) -> Either:
        return cls(rng.uniform(300.0, 2700.0), rng.uniform(300.0, 2700.0))

    @classmethod
    def places(cls) -> Sequence[Either]:
        # About halfway between two moments of `bound`, and just before one of `bound_single`.
        return [cls(606.5, 1806.5), cls(1206.5, 2406.5)]


Shape = type[Around] | type[Either]

TWO_TIMES = "one of two times, each 5 to 45 min"
SHAPES: dict[str, Shape] = {"log-normal around 8 to 32 min": Around, TWO_TIMES: Either}


@frozen
class Mixture:
    """What a shape is for who does not know where it lies."""

    shape: Shape

    def __call__(self, rng: random.Random) -> float:
        return self.shape.anywhere(rng)(rng)


@frozen(kw_only=True)
class Unplaced:
    """
    A line of the table.

    Args:
        times: Which of `SHAPES`.
        jobs: How many reports are asked for at once.
        rules: The simulator's.
        shared: All types have the same times, which all calls tell of.
    """

    times: str
    jobs: int
    rules: dict[str, Any]
    shared: bool

    @property
    def bounds(self) -> Iterator[tuple[Any, int]]:
        """What to compute: first for who does not know, then for who knows each of some places."""
        shape = SHAPES[self.times]
        jobs = 1 if self.shared else self.jobs
        yield Mixture(shape), jobs
        yield from ((place, self.jobs) for place in shape.places())

    def run(self, seed: int) -> Run:
        """Run the client in virtual time."""
        shape = SHAPES[self.times]
        draw = shape.anywhere(random.Random(seed)) if self.shared else Mixture(shape)
        return ours(draw, self.jobs, seed, history=0, shared=False, rules=self.rules)

    def least(self, which: tuple[Any, int]) -> float:
        """Compute one of `bounds`."""
        draw, jobs = which
        return least_single(draw, jobs) if "strict_list" in self.rules else least(draw, jobs)
