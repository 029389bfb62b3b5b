"""
The least mean lag that any schedule can have where each look sees one request only.

By Lagrangian duality. Say that a token has a price, which depends on the moment and on how many of
the requests are ready by then. At any such prices each request can be looked after for itself, and
be told how many of the others are ready, which a true schedule knows in part at best: the least of
its lag and of what its looks cost, less what the tokens that there are would fetch, is no more than
any schedule can reach that keeps to the budget. The prices that make this the most are sought by
gradients, over a minimum that is smoothed less and less; wherever the search ends, the bound holds,
as the last step is taken without smoothing.

To count tokens on average only, as `bound` does where a look sees all, is to let prices depend on
the moment alone. That is up to a fifth less for twelve requests: what they need together is chance,
and what is left when all are ready is of no use.

Moments lie at most `EVERY` seconds apart, closer where much becomes ready; so may two looks at one
request, unless they are told to leave as much time as a client's do.
"""

from __future__ import annotations

import random
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.stats import binom

if TYPE_CHECKING:
    from collections.abc import Callable

    Draw = Callable[[random.Random], float]
    Valued = tuple[float, np.ndarray]

EVERY = 30.0
QUANTILES = 34
ROUND = 2.5
HORIZON = 3300.0
SAMPLES = 400_000
BUCKETS = 2
CAPACITY = 20.0
RATE = BUCKETS / 180.0
SMOOTH = (0.3, 0.05, 0.01, 0.003)
STEPS = 300


@cache
def least_single(
    draw: Draw, jobs: int, *, share: float = 1.0, apart: float = 0.0, alone: float = 0.0
) -> float:
    """
    Return the least mean lag, in seconds.

    Args:
        draw: Draws a generation time.
        jobs: How many requests are made at once.
        share: Which share of the refill other programs leave.
        apart: The seconds that lie between two looks at one request, at least.
        alone: So many tokens of each bucket are never spent.
    """
    problem = _Problem(draw, jobs, share, apart, BUCKETS * (CAPACITY - alone))
    shape = problem.chances.shape
    # Prices that are hardly ever asked for must not be as stiff as the others.
    scale = np.sqrt(problem.chances + 1e-3)
    prices = np.full(shape, 50.0)
    for smooth in SMOOTH:

        def less(values: np.ndarray, smooth: float = smooth) -> Valued:
            value, gradient = problem.bound(values.reshape(shape) / scale, smooth)
            return -value, -(gradient / scale).ravel()

        found = minimize(
            less,
            (prices * scale).ravel(),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, None)] * prices.size,
            options={"maxiter": STEPS, "maxcor": 20},
        )
        prices = found.x.reshape(shape) / scale
    return problem.bound(prices, 0.0)[0]


class _Problem:
    """The moments, what becomes ready by each, and the budget."""

    def __init__(self, draw: Draw, jobs: int, share: float, apart: float, capacity: float) -> None:
        rng = random.Random(0)
        times = np.sort([draw(rng) for _ in range(SAMPLES)])
        times = times[(times > 0.0) & (times < HORIZON)]
        dense = np.quantile(times, np.linspace(0.002, 0.998, QUANTILES))
        even = np.arange(0.0, HORIZON + 1.0, EVERY)
        self.moments = np.unique(np.round(np.concatenate([even, dense]) / ROUND) * ROUND)
        upto = np.searchsorted(times, self.moments)
        self.ready = upto / len(times)
        self.passed = np.concatenate([[0.0], np.cumsum(times)])[upto] / len(times)
        self.jobs = jobs
        self.capacity = capacity
        # Of each moment: which may have been that of the last look. There is none at the first.
        gaps = self.moments[:, None] - self.moments[None, :]
        self.free = (gaps >= apart) | (np.arange(len(self.moments)) == 0)
        self.refill = (RATE * share * np.diff(self.moments))[:, None]
        # The chances of each number that are ready at each moment, and from there to the next.
        self.chances = np.array([binom.pmf(np.arange(jobs + 1), jobs, one) for one in self.ready])
        self.others, self.all = self._chain(jobs - 1), self._chain(jobs)

    def _chain(self, count: int) -> np.ndarray:
        steps = np.zeros((len(self.moments) - 1, count + 1, count + 1))
        for moment, step in enumerate(steps):
            left = 1.0 - self.ready[moment]
            chance = (self.ready[moment + 1] - self.ready[moment]) / left if left > 0.0 else 1.0
            for number in range(count + 1):
                step[number, number:] = binom.pmf(
                    np.arange(count - number + 1), count - number, min(chance, 1.0)
                )
        return steps

    def bound(self, prices: np.ndarray, smooth: float) -> Valued:
        """Return the bound at *prices* (moment, number that are ready), and its gradient."""
        cost, dearer = self._cost(prices, smooth)
        worth, more = self._worth(prices, smooth)
        return cost - worth / self.jobs, dearer - more / self.jobs

    def _cost(self, prices: np.ndarray, smooth: float) -> Valued:
        """Return the least expected lag and price of one request: found backwards, in moments."""
        last = len(self.moments) - 1
        looked: list[np.ndarray] = [np.zeros((0, 0))] * (last + 1)
        # By the moment of the last look, and how many of the others are ready.
        ahead = np.zeros((last + 1, self.jobs))
        for now in range(last, 0, -1):
            became = self.ready[now] - self.ready[:now]
            lag = self.moments[now] * became - (self.passed[now] - self.passed[:now])
            look = (
                lag[:, None]
                + (1.0 - self.ready[now]) * prices[now, :-1]
                + became[:, None] * prices[now, 1:]
                + ahead[now]
            )
            look[~self.free[now, :now]] = np.inf
            best, looked[now] = look, np.ones_like(look)
            if now < last:
                width = smooth * np.maximum(1.0 - self.ready[:now], 1e-9)[:, None]
                best, looked[now] = _less(look, ahead[:now], width)
            ahead = best @ self.others[now - 1].T
        gradient = np.zeros_like(prices)
        reached = np.eye(1, self.jobs)
        for now in range(1, last + 1):
            reached = reached @ self.others[now - 1]
            looks = reached * looked[now]
            became = self.ready[now] - self.ready[:now]
            gradient[now, :-1] += looks.sum(0) * (1.0 - self.ready[now])
            gradient[now, 1:] += became @ looks
            reached = np.vstack([reached - looks, looks.sum(0)])
        return float(ahead[0, 0]), gradient

    def _worth(self, prices: np.ndarray, smooth: float) -> Valued:
        """Return what the tokens fetch: each is sold now or kept, as far as the bucket is wide."""
        later = np.einsum("tij,tj->ti", self.all, prices[1:])
        gain = later - prices[:-1]
        rise, slope = np.maximum(gain, 0.0), (gain > 0.0) * 1.0
        if smooth > 0.0:
            root = np.sqrt(gain**2 + smooth**2)
            rise, slope = 0.5 * (gain + root), 0.5 * (1.0 + gain / root)
        chances, spare = self.chances[:-1], self.capacity - self.refill
        value = self.capacity * prices[0, 0]
        value += (chances * (self.refill * later + spare * rise)).sum()
        gradient = np.zeros_like(prices)
        gradient[0, 0] = self.capacity
        weight = chances * (self.refill + spare * slope)
        gradient[1:] += np.einsum("ti,tij->tj", weight, self.all)
        gradient[:-1] -= chances * spare * slope
        return float(value), gradient


def _less(one: np.ndarray, other: np.ndarray, width: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the less of two, below it by about *width* where they are near; and how far *one*."""
    more = one - other
    if not width.any():
        return np.minimum(one, other), (more < 0.0) * 1.0
    share = 1.0 / (1.0 + np.exp(np.clip(more / width, -50.0, 50.0)))
    return np.minimum(one, other) - width * np.log1p(np.exp(-np.abs(more) / width)), share
