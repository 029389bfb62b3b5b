"""
The least mean lag that any schedule of looks can have, knowing the distribution but not the draws.

A linear program over all schedules at once, chance ones included. Its unknowns are how likely a
request, while it is not seen READY, is looked at in moment j when the last look at it was in moment
i. A list sees every request for one token, a status one; `bound_single` is for lists that see one.
Tokens are counted on average over what may happen, where the truth has to keep to them each time,
and moments lie on a grid of 15 s, the shortest time between two looks of a client. So the truth is
a little worse than what is printed here.
"""

from __future__ import annotations

import random
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen
from scipy.optimize import linprog
from scipy.sparse import coo_array, diags_array, eye_array, hstack, vstack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Draw = Callable[[random.Random], float]

STEP = 15.0
HORIZON = 3300.0
MOMENTS = int(HORIZON / STEP)
CAPACITY = 20.0
INTERVAL = 180.0
SAMPLES = 400_000

# From each moment to each later one: the last look, the next one.
LAST, NEXT = np.triu_indices(MOMENTS + 1, 1)


@cache
def least(
    draw: Draw, jobs: int, *, share: float = 1.0, both: bool = False, alone: float = 0.0
) -> float:
    """
    Return the least mean lag, in seconds.

    Args:
        draw: Draws a generation time.
        jobs: How many reports are asked for at once.
        share: Which share of the refill other programs leave.
        both: Status calls are made beside the lists of all, at the price of more calls.
        alone: So many tokens of each bucket are never spent.
    """
    times = Times.of(draw)
    # A list of all is made whether a certain request waits or not; a look at that one is not.
    always, waiting = np.ones_like(times.waiting), jobs * times.waiting
    if jobs == 1:
        looks = [Looks(always, buckets=2, share=share)]
    else:
        looks = [Looks(always, buckets=1, share=share), Looks(waiting, buckets=1, share=share)]
        looks = looks if both else looks[:1]
    return _solve(looks, [times], [1.0], capacity=CAPACITY - alone)


@cache
def blind(draws: tuple[Draw, ...]) -> float:
    """
    Return how far any schedule for one report must be from the least lag of one of *draws*.

    As a ratio; it does not know which of them it faces, and learns nothing until the report's end.
    """
    every = [Times.of(draw) for draw in draws]
    bounds = [least(draw, 1) for draw in draws]
    looks = Looks(np.ones_like(every[0].waiting), buckets=2, share=1.0)
    return _solve([looks], every, bounds)


@frozen(eq=False)
class Times:
    """
    What a distribution means for a step from the last look to the next.

    Args:
        lag: The expected wait of what becomes ready in between.
        waiting: The chance that the request was not ready at the last look.
    """

    lag: np.ndarray
    waiting: np.ndarray

    @classmethod
    def of(cls, draw: Draw) -> Times:
        rng = random.Random(0)
        times = np.sort([draw(rng) for _ in range(SAMPLES)])
        times = times[(times > 0.0) & (times < HORIZON)]
        edges = np.arange(MOMENTS + 1) * STEP
        upto = np.searchsorted(times, edges)
        below = upto / len(times)
        moment = np.concatenate([[0.0], np.cumsum(times)])[upto] / len(times)
        lag = edges[NEXT] * (below[NEXT] - below[LAST]) - (moment[NEXT] - moment[LAST])
        return cls(lag, 1.0 - below[LAST])


@frozen(eq=False)
class Looks:
    """One kind of look: what each step costs in tokens, and the buckets that these come from."""

    tokens: np.ndarray
    buckets: int
    share: float


def _solve(
    kinds: Sequence[Looks],
    every: Sequence[Times],
    bounds: Sequence[float],
    *,
    capacity: float = CAPACITY,
) -> float:
    """Minimise the largest ratio of a lag to its bound, over how often each step is made."""
    steps, count = len(LAST), len(kinds)
    numbers = np.arange(steps)
    ones = np.ones(steps)
    shape = (MOMENTS + 1, steps)
    arrivals = coo_array((ones, (NEXT, numbers)), shape=shape).tocsr()
    flow = (coo_array((ones, (LAST, numbers)), shape=shape).tocsr() - arrivals)[:MOMENTS]
    start = np.zeros(MOMENTS)
    start[0] = 1.0

    # The unknowns: the steps of each kind, the levels of its buckets, and the ratio.
    levels = MOMENTS + 1
    width = count * (steps + levels) + 1

    def padded(blocks: dict[int, Any], rows: int) -> Any:
        """Put blocks at their columns into a matrix as wide as all unknowns."""
        parts, at = [], 0
        for column, block in sorted(blocks.items()):
            parts += [coo_array((rows, column - at)), block]
            at = column + block.shape[1]
        return hstack([*parts, coo_array((rows, width - at))]).tocsr()

    equal = padded({number * steps: flow for number in range(count)}, MOMENTS)
    less, most = [], []
    ahead = diags_array([-1.0, 1.0], offsets=[0, 1], shape=(MOMENTS, levels))
    for number, kind in enumerate(kinds):
        used = arrivals.multiply(kind.tokens).tocsr()
        level = count * steps + number * levels
        less += [
            padded({number * steps: used[:MOMENTS], level: ahead}, MOMENTS),
            padded({number * steps: used, level: -eye_array(levels)}, levels),
        ]
        most += [
            np.full(MOMENTS, kind.buckets * kind.share * STEP / INTERVAL),
            np.zeros(levels),
        ]
    for times, bound in zip(every, bounds, strict=True):
        lag = coo_array(times.lag[None, :] / bound)
        blocks: dict[int, Any] = {number * steps: lag for number in range(count)}
        less.append(padded({**blocks, width - 1: coo_array([[-1.0]])}, 1))
        most.append(np.zeros(1))

    full = [(0.0, capacity * kind.buckets) for kind in kinds for _ in range(levels)]
    found = linprog(
        np.eye(1, width, width - 1)[0],
        A_ub=vstack(less),
        b_ub=np.concatenate(most),
        A_eq=equal,
        b_eq=start,
        bounds=[*[(0.0, None)] * (count * steps), *full, (0.0, None)],
        method="highs",
    )
    return float(found.fun)
