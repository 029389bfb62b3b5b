"""
What it costs not to know where the times lie: no earlier reports, and in each run times elsewhere.

A distribution that is drawn by chance and not told is, for who plans, the mixture of all that it
may be. So the least mean lag of the mixture is the least that any schedule has on average over all
of them. How far that is above the lag of who knows which one it is, is what no plan can do without.

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
from known import alone, known
from polling import ours

if TYPE_CHECKING:
    from polling import Run

SAMPLES = 20_000


@frozen
class Around:
    """Log-normal around a time."""

    middle: float

    def __call__(self, rng: random.Random) -> float:
        return rng.lognormvariate(math.log(self.middle), 0.3)

    @classmethod
    def anywhere(cls, rng: random.Random) -> Around:
        return cls(rng.uniform(480.0, 1920.0))


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
    def shape(self) -> Shape:
        return SHAPES[self.times]

    @property
    def strict(self) -> bool:
        return "strict_list" in self.rules

    def run(self, seed: int) -> Run:
        """Run the client in virtual time."""
        draw = self.shape.anywhere(random.Random(seed)) if self.shared else Mixture(self.shape)
        return ours(draw, self.jobs, seed, history=0, shared=False, rules=self.rules)

    def least(self) -> float:
        """Compute the least mean lag of who does not know where the times lie, in seconds."""
        find = least_single if self.strict else least
        return find(Mixture(self.shape), 1 if self.shared else self.jobs)

    def knowing(self, seed: int) -> float:
        """
        Return a mean lag of who knows where, in seconds.

        The least where all types share their times; otherwise that of the plan alone, which the
        least can only be below.
        """
        rng = random.Random(seed)
        if not self.strict:
            return least(self.shape.anywhere(rng), self.jobs)
        places = [self.shape.anywhere(rng) for _ in range(self.jobs)]
        return alone([place(rng) for place in places], [known(one, SAMPLES) for one in places])
