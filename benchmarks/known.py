"""
The plan for lists that want a type, alone: no client, no server.

It is made with the distribution that is drawn from, or with what the client reads from earlier
reports of each type: what it does worse with these, its history has not told it. Or without earlier
reports, by who is told that all types are log-normal around one time, and how far, but not which:
what it has seen tells that as well as can be.
"""

from __future__ import annotations

import random
import statistics
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

import attrs
import numpy as np
from polling import DISTRIBUTIONS
from scipy.stats import norm

from reports_async import PollSchedule
from reports_async._sansio.budget import CAPACITY, INTERVAL, Bucket
from reports_async._sansio.endpoints import Endpoint
from reports_async._sansio.generation import CELLS, STEP, Generation
from reports_async._sansio.history import History
from reports_async._sansio.plan import Means, Waiting, plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from polling import Draw

    Learn = Callable[[Sequence[float], Sequence[float]], Generation]

TOLD, READ, UNPLACED = (
    "the distribution known",
    "from {} earlier reports",
    "no earlier report, log-normal known, but not around what",
)
SAMPLES = 400_000
SCHEDULE = PollSchedule()
# What a time may be that all are around, in seconds, and how far: as in `unplaced`.
PLACES = np.linspace(480.0, 1920.0, 97)
SPREAD = 0.3


@cache
def known(draw: Draw, samples: int = SAMPLES) -> Generation:
    """Return a distribution that is drawn from as the plan knows it."""
    rng = random.Random(0)
    cells = Counter(int(draw(rng) / STEP) for _ in range(samples))
    return Generation(tuple(cells[cell] / samples for cell in range(CELLS)))


def believed(how: str, times: str, jobs: int, seed: int, earlier: int) -> list[Generation]:
    """Return what each of *jobs* types is believed to take, by one of the ways above."""
    draw, rng = DISTRIBUTIONS[times], random.Random(seed + 10_000)
    if how == TOLD:
        return [known(draw)] * jobs
    taken = [[draw(rng) for _ in range(earlier)] for _ in range(jobs)]
    history = History(SCHEDULE.window)
    for number, one in enumerate(taken):
        for count, seconds in enumerate(one):
            history.learn(f"R{number}", f"{number}-{count}", seconds, at=float(count))
    return [history.of(f"R{number}") for number in range(jobs)]


@cache
def placed() -> np.ndarray:
    """Return the masses for each of `PLACES`, one a row."""
    edges = np.arange(1, CELLS) * STEP
    reached = norm.cdf(np.log(edges / PLACES[:, None]) / SPREAD)
    return np.diff(reached, prepend=0.0, append=1.0)


def learned(took: Sequence[float], waited: Sequence[float]) -> Generation:
    """
    Return what is to be expected of who knows all but the place.

    Args:
        took: How long those took that are ready, in seconds.
        waited: How long each of the others was seen not to be ready.
    """
    masses = placed()
    left = 1.0 - np.cumsum(masses, axis=1) + masses
    logs = np.zeros(len(PLACES))
    for likely, seen in ((masses, took), (left, waited)):
        cells = (np.asarray(seen) / STEP).astype(int).clip(0, CELLS - 1)
        logs += np.log(np.maximum(likely[:, cells], 1e-12)).sum(axis=1)
    odds = np.exp(logs - logs.max())
    return Generation((odds @ masses / odds.sum()).tolist())


def planned(how: str, times: str, jobs: int, earlier: int, seed: int) -> float:
    """
    Return the mean lag, in seconds, of `alone`.

    Args:
        how: How it is believed what reports take.
        times: Which of `DISTRIBUTIONS`.
        jobs: How many reports are asked for at once, each of a type of its own.
        earlier: How many earlier reports of each there are.
        seed: Of what is drawn.
    """
    draw, rng = DISTRIBUTIONS[times], random.Random(seed)
    taken = [draw(rng) for _ in range(jobs)]
    if how == UNPLACED:
        return alone(taken, [learned([], [])] * jobs, learn=learned)
    return alone(taken, believed(how, times, jobs, seed, earlier))


def alone(
    taken: Sequence[float], beliefs: Sequence[Generation], *, learn: Learn | None = None
) -> float:
    """
    Return the mean lag, in seconds, when each look goes where the plan says.

    Args:
        taken: How long each report takes.
        beliefs: How long each is believed to take.
        learn: What is believed of all after a look, by what was seen.
    """
    ready = {f"R{number}": seconds for number, seconds in enumerate(taken)}
    full = Bucket(capacity=CAPACITY, interval=INTERVAL, tokens=CAPACITY)
    means = Means(
        now=0.0,
        budgets=dict.fromkeys((Endpoint.LIST, Endpoint.STATUS), full),
        schedule=SCHEDULE,
        strict=True,
    )
    waiting = {
        name: Waiting(request_id=name, report_type=name, age=0.0, generation=generation)
        for name, generation in zip(ready, beliefs, strict=True)
    }
    lags: list[float] = []
    took: list[float] = []
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
                took.append(ready[name])
                del waiting[name]
            else:
                waiting[name] = attrs.evolve(waiting[name], seen=now, tried=now)
            if learn is not None:
                belief = learn(took, [one.seen for one in waiting.values()])
                waiting = {
                    name: attrs.evolve(one, generation=belief) for name, one in waiting.items()
                }
    return statistics.mean(lags)
