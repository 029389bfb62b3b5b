"""
What a look at one request costs, in seconds of waiting: the least that keeps to the tokens.

The higher the price, the fewer looks the schedules of `inspection` ask for. How many all requests
need by when is expected from how long they take, and it is chance: some tokens are left for more.
At a lower price all that are alike would be looked at once more; as many of them have that price as
there are tokens for.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING, Final

from attrs import frozen

from .generation import STEP
from .inspection import PRICES, inspection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .generation import Generation

    Looks = list[tuple[float, float]]

COUNTED: Final = 0.8
"""The share of the tokens to come that is counted on: others may take some, and a token that is
there is worth more than one that is to come."""

MARGIN: Final = 0.5
"""For how many standard deviations more than is expected tokens are left."""


@frozen
class Kind:
    """Requests that take as long as `generation` says; `seen` and `age` in cells of the grid."""

    generation: Generation
    seen: int
    age: int

    @classmethod
    def of(cls, generation: Generation, seen: float, age: float) -> Kind:
        """Return the kind of a request that was last looked at when it was *seen* seconds old."""
        return cls(generation, round(seen / STEP), round(age / STEP))

    def ahead(self, price: int) -> Looks:
        """Return the seconds until each look at one of them, and the chance that it is made."""
        ages = inspection(self.generation).ahead(self.seen * STEP, price)
        return [
            (max(0.0, age - self.age * STEP), chance)
            for age, chance in ages or [(self.age * STEP, 1.0)]
        ]


def priced(
    waiting: Sequence[Kind], price: int, *, tokens: float, rate: float, capacity: float
) -> tuple[int, int]:
    """
    Return the least price at which there are tokens when needed, an index of `PRICES`.

    And how many of *waiting*, from the first on, can have the price below it.

    Args:
        waiting: Of each request its kind.
        price: Where the search begins.
        tokens: There are now.
        rate: How many come, a second.
        capacity: How many there can be.
    """
    kinds = list(dict.fromkeys(waiting))
    numbers = {kind: number for number, kind in enumerate(kinds)}
    order = [numbers[kind] for kind in waiting]
    known: dict[tuple[int, int], Looks] = {}

    def enough(price: int, cheaper: int = 0) -> bool:
        needed: list[tuple[int, Looks]] = []
        for some, one in ((order[:cheaper], price - 1), (order[cheaper:], price)):
            for number, count in Counter(some).items():
                if (number, one) not in known:
                    known[number, one] = kinds[number].ahead(one)
                needed.append((count, known[number, one]))
        return lasts(needed, tokens=tokens, rate=rate * COUNTED, capacity=capacity)

    while price > 0 and enough(price - 1):
        price -= 1
    while price < len(PRICES) - 1 and not enough(price):
        price += 1
    if price == 0:
        return price, 0
    some = range(1, len(waiting))
    return price, bisect_left(some, True, key=lambda cheaper: not enough(price, cheaper))


def lasts(
    needed: Sequence[tuple[int, Looks]],
    *,
    tokens: float,
    rate: float,
    capacity: float,
) -> bool:
    """
    Tell whether no token is missing before some are lost: those would do for the rest.

    Args:
        needed: Of each kind how many requests there are, and the looks at one, as `Kind.ahead`
            returns them.
        tokens: There are now.
        rate: How many come, a second.
        capacity: How many there can be.
    """
    # Who needs a look has needed all before it: the square of their number grows by odd numbers.
    steps = sorted(
        (at, chance, 2 * before + 1, count, kind)
        for kind, (count, looks) in enumerate(needed)
        for before, (at, chance) in enumerate(looks)
    )
    means = [0.0] * len(needed)
    now = variance = margin = 0.0
    for at, chance, odd, count, kind in steps:
        tokens += (at - now) * rate
        if tokens - margin >= capacity and at > now:
            return True
        mean = means[kind]
        variance += count * chance * (odd - 2.0 * mean - chance)
        margin = MARGIN * math.sqrt(max(variance, 0.0))
        means[kind], tokens, now = mean + chance, tokens - count * chance, at
        if tokens < margin:
            return False
    return True
