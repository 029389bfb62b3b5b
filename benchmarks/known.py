"""
The plan for lists that want a type, alone: no client, no server, and the distribution is known.

What a client with a history does worse than this, the history has not told it.
"""

from __future__ import annotations

import random
import statistics
from collections import Counter
from functools import cache

import attrs
from polling import DISTRIBUTIONS

from reports_async import PollSchedule
from reports_async._sansio.budget import CAPACITY, INTERVAL, Bucket
from reports_async._sansio.endpoints import Endpoint
from reports_async._sansio.generation import CELLS, STEP, Generation
from reports_async._sansio.plan import Means, Waiting, plan

SAMPLES = 400_000
SCHEDULE = PollSchedule()


@cache
def known(times: str) -> Generation:
    """Return one of `DISTRIBUTIONS` as the plan knows it."""
    draw, rng = DISTRIBUTIONS[times], random.Random(0)
    cells = Counter(int(draw(rng) / STEP) for _ in range(SAMPLES))
    return Generation(tuple(cells[cell] / SAMPLES for cell in range(CELLS)))


def planned(times: str, jobs: int, seed: int) -> float:
    """
    Return the mean lag, in seconds, when each look goes where the plan says.

    Args:
        times: Which of `DISTRIBUTIONS`.
        jobs: How many reports are asked for at once.
        seed: Of what is drawn.
    """
    draw, rng = DISTRIBUTIONS[times], random.Random(seed)
    ready = {f"R{number}": draw(rng) for number in range(jobs)}
    full = Bucket(capacity=CAPACITY, interval=INTERVAL, tokens=CAPACITY)
    means = Means(
        now=0.0,
        budgets=dict.fromkeys((Endpoint.LIST, Endpoint.STATUS), full),
        schedule=SCHEDULE,
        strict=True,
    )
    waiting = {
        name: Waiting(request_id=name, report_type=name, age=0.0, generation=known(times))
        for name in ready
    }
    lags: list[float] = []
    while waiting:
        now = means.now
        found = plan([attrs.evolve(one, age=now) for one in waiting.values()], means)
        means = attrs.evolve(means, price=found.price, now=now + found.wait)
        if found.look is not None:
            name, endpoint = found.look.report_type or "", found.look.endpoint
            spent = means.budgets[endpoint].spend(now)
            means = attrs.evolve(means, budgets={**means.budgets, endpoint: spent})
            if ready[name] <= now:
                lags.append(now - ready[name])
                del waiting[name]
            else:
                waiting[name] = attrs.evolve(waiting[name], seen=now, tried=now)
    return statistics.mean(lags)
