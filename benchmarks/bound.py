"""
The least mean lag that any schedule of shared looks can have, knowing the distribution of times.

Dynamic programming over the moments of looks and the level of the token bucket, on a grid: the cost
of a gap from a to b is the integral of f(t) (b - t). A grid makes it a little worse than the truth
would be, never better by more than its step.
"""

from __future__ import annotations

import random
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

STEP = 20.0  # seconds
HORIZON = 3600.0
CAPACITY = 20
INTERVAL = 180.0
SAMPLES = 200_000


@cache
def shared_bound(draw: Callable[[random.Random], float], *, alone: bool) -> float:
    """
    Return the least mean lag, in seconds.

    Args:
        draw: Draws a generation time.
        alone: A request alone is seen by list and status calls: both buckets are its own.
    """
    buckets = 2 if alone else 1
    rng = random.Random(0)
    times = np.array([draw(rng) for _ in range(SAMPLES)])
    times = times[(times > 0) & (times < HORIZON)]
    cells = int(HORIZON / STEP)
    mass, _ = np.histogram(times, bins=cells, range=(0.0, HORIZON))
    density = mass / mass.sum()
    middle = (np.arange(cells) + 0.5) * STEP
    below = np.concatenate([[0.0], np.cumsum(density)])
    moment = np.concatenate([[0.0], np.cumsum(density * middle)])
    # tokens in units of what one step brings
    unit = round(INTERVAL / STEP / buckets) if buckets == 1 else INTERVAL / STEP / buckets
    per_token = round(INTERVAL / STEP) if buckets == 1 else int(unit * 2)
    gain = 1 if buckets == 1 else 2
    full = CAPACITY * buckets * per_token
    last = int(np.max(np.nonzero(density)[0])) + 1
    # value[level] at grid point i: the least cost of what becomes ready after i
    value = np.full((cells + 1, full + 1), np.inf)
    value[last:, :] = 0.0
    levels = np.arange(full + 1)
    for here in range(last - 1, -1, -1):
        best = np.full(full + 1, np.inf)
        for there in range(here + 1, last + 1):
            edge = there * STEP
            cost = edge * (below[there] - below[here]) - (moment[there] - moment[here])
            reached = np.minimum(levels + gain * (there - here), full)
            able = reached >= per_token
            after = np.where(able, value[there, np.maximum(reached - per_token, 0)], np.inf)
            best = np.minimum(best, cost + after)
        value[here] = best
    return float(value[0, full])
