"""
Which look to make next, and when: for all waiting requests of an account, under its budgets.

Theory of operation. A look costs a token; a report that is ready waits for the next look at it. So
looks belong where reports become ready, and every token should be spent by the time the last one
does. Two rules say it all:

A *shared* look (a list, or the status of a request that waits alone) sees everything. With looks at
a rate r(t), the mean wait is the integral of f(t) / 2r(t), where f is the density of becoming
ready; under a fixed number of looks that is least for r proportional to the root of f. The factor
is the largest that never runs out of tokens: the tightest of the budgets up to each moment ahead.

A *single* look (a status or a list of one type, where the server lists no other way) sees one
request, and succeeds with the chance p that it became ready since its last look. Each report costs
1/p looks, so looks are made when the best p reaches what can be afforded: the number waiting over
the tokens to come; or when a full bucket would lose its refill.

`generation` tells f, `budget` the tokens; the poller obeys.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from .endpoints import Endpoint
from .generation import CELLS, STEP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .backoff import PollSchedule
    from .budget import Bucket
    from .generation import Generation

UNSEEN_LIMIT: Final = 2
"""After so many lists without it, a request is asked for by its id: lists may lag or be cut."""

TAIL: Final = 4.0 / 3.0
"""Tokens are counted until this multiple of the time by which nearly all reports are ready."""

RIPE: Final = 0.98
"""What "nearly all" means."""

CERTAIN: Final = 0.95
"""A chance that is always worth a look."""

JITTER: Final = 0.05
"""The share of a gap that chance may add or take."""

SOON: Final = 0.5
"""Seconds that are not worth another sleep: a plan made anew is a little later each time."""

GLIMPSE: Final = 5.0
"""Seconds after which the single rule is asked again: its chances grow with time."""


@frozen(kw_only=True)
class Waiting:
    """
    A request that is waited for, as of now.

    Args:
        request_id, report_type: What it is.
        age: Seconds since its submission.
        seen: Its age when it was last seen not to be ready; 0.0 before that.
        tried: Its age at the last look, whether that succeeded or not; 0.0 before the first.
        generation: How long such reports take.
        urgent: Something says that it moved: look at once.
        unseen: How many lists in a row have not shown it.
    """

    request_id: str
    report_type: str
    age: float
    generation: Generation = field(repr=False)
    seen: float = 0.0
    tried: float = 0.0
    urgent: bool = False
    unseen: int = 0

    @property
    def chance(self) -> float:
        """The chance that it has become ready since it was last seen."""
        return self.generation.ready_between(self.seen, self.age)

    @property
    def quiet(self) -> float:
        """Seconds since the last look at it, or its submission."""
        return max(0.0, self.age - self.tried)


@frozen(kw_only=True)
class Look:
    """One look: a list (of one type where `report_type` is given), or one request's status."""

    endpoint: Endpoint
    report_type: str | None = None
    request_id: str | None = None


@frozen(kw_only=True)
class Plan:
    """A look to make now, or None; and the seconds until the plan is to be made anew."""

    look: Look | None
    wait: float


@frozen(kw_only=True)
class Means:
    """
    What a plan is made with, at `now` (monotonic seconds, the budgets' time).

    Args:
        now: The present.
        budgets: Of list and status.
        schedule: `first` and `cap` bound the time between two looks at a request.
        strict: The server lists one type at a time only.
        pages: How many calls a list of all that wait costs on average.
        trusted: Webhooks have proved to work: looks are for safety only, `schedule.cap` apart.
        jitter: From -1 to 1, drawn anew for each look: clients that start together drift apart.
    """

    now: float
    budgets: Mapping[Endpoint, Bucket]
    schedule: PollSchedule
    strict: bool = False
    pages: float = 1.0
    trusted: bool = False
    jitter: float = 0.0

    @property
    def shortest(self) -> float:
        """Seconds that lie between two looks at least, unless something says that it moved."""
        return self.schedule.cap if self.trusted else self.schedule.first


def plan(waiting: Sequence[Waiting], means: Means) -> Plan:
    """Return what to do now for *waiting*, of which there is at least one."""
    urgent = [job for job in waiting if job.urgent]
    if urgent:
        return _at_once(urgent, means)
    hidden = [job for job in waiting if job.unseen >= UNSEEN_LIMIT]
    listed = [job for job in waiting if job.unseen < UNSEEN_LIMIT]
    plans: list[Plan] = []
    if hidden:
        plans.append(_single(hidden, means, endpoints=(Endpoint.STATUS,)))
    if listed and means.strict and len(listed) > 1:
        plans.append(_single(listed, means, endpoints=(Endpoint.STATUS, Endpoint.LIST)))
    elif listed:
        plans.append(_shared(listed, means))
        lists = means.budgets[Endpoint.LIST]
        if lists.wait(means.now, calls=int(means.pages)) > max(
            means.schedule.cap, means.pages * lists.interval
        ):
            # Others have spent what the lists had: status calls must do.
            plans.append(_single(listed, means, endpoints=(Endpoint.STATUS,)))
    return min(plans, key=lambda one: one.wait)


def _at_once(urgent: Sequence[Waiting], means: Means) -> Plan:
    job = max(urgent, key=lambda one: one.quiet)
    lists, statuses = (
        means.budgets[endpoint].wait(means.now) for endpoint in (Endpoint.LIST, Endpoint.STATUS)
    )
    shared = len(urgent) > 1 and not means.strict
    if job.unseen < UNSEEN_LIMIT and (lists < statuses or (shared and lists == statuses)):
        only = None if shared else job.report_type
        return _when(lists, Look(endpoint=Endpoint.LIST, report_type=only))
    return _when(statuses, _status(job))


def _shared(waiting: Sequence[Waiting], means: Means) -> Plan:
    now, alone = means.now, len(waiting) == 1
    # A request alone is seen by either call, so its tokens are those of both.
    endpoints = (Endpoint.LIST, Endpoint.STATUS) if alone else (Endpoint.LIST,)
    pages = 1.0 if alone else means.pages
    buckets = [means.budgets[endpoint] for endpoint in endpoints]
    since = max(job.quiet for job in waiting)
    gap = _gap(waiting, buckets, now=now, since=since, pages=pages)
    if all(job.age > TAIL * job.generation.quantile(RIPE) for job in waiting):
        # Later than anything that is known: the schedule's own pace.
        gap = means.schedule.next_delay(min(job.age for job in waiting))
    gap *= 1.0 + JITTER * means.jitter
    gap = min(max(gap, means.shortest), means.schedule.cap)
    left = gap - since if gap - since > SOON else 0.0
    delay = max(left, min(bucket.wait(now, calls=int(pages)) for bucket in buckets))
    lists, statuses = (
        means.budgets[endpoint].at(now + max(delay, 0.0)).tokens
        for endpoint in (Endpoint.LIST, Endpoint.STATUS)
    )
    if alone and statuses >= lists:
        return _when(delay, _status(waiting[0]))
    only = waiting[0].report_type if alone else None
    return _when(delay, Look(endpoint=Endpoint.LIST, report_type=only))


def _gap(
    waiting: Sequence[Waiting], buckets: Sequence[Bucket], *, now: float, since: float, pages: float
) -> float:
    """Return the seconds from the last look, *since* seconds ago, to the next."""
    tokens = sum(bucket.at(now).tokens for bucket in buckets) / pages
    rate = sum(bucket.rate for bucket in buckets) / pages
    cells = _intensity(waiting, since)
    gap = _next(cells, tokens, rate, gains_from=since)
    if all(bucket.full(now) for bucket in buckets):
        # A full bucket gains nothing until the next look.
        gap = _next(cells, tokens, rate, gains_from=max(gap, since))
    return gap


def _single(waiting: Sequence[Waiting], means: Means, *, endpoints: Sequence[Endpoint]) -> Plan:
    now, schedule = means.now, means.schedule
    buckets = {endpoint: means.budgets[endpoint] for endpoint in endpoints}
    delay = min(bucket.wait(now) for bucket in buckets.values())
    if delay > 0.0:
        return Plan(look=None, wait=delay)
    ready = [job for job in waiting if job.quiet >= means.shortest - SOON]
    if not ready:
        return Plan(look=None, wait=min(means.shortest - job.quiet for job in waiting))
    best = max(ready, key=lambda job: job.chance)
    rate = sum(bucket.rate for bucket in buckets.values())
    ahead = max(TAIL * job.generation.quantile(RIPE) - job.age for job in waiting)
    tokens = sum(bucket.at(now).tokens for bucket in buckets.values()) + max(0.0, ahead) * rate
    losing = any(bucket.full(now) for bucket in buckets.values())
    # The ceiling holds as far as the refill alone pays for it, also past all that is known.
    quietest = max(ready, key=lambda job: job.quiet)
    overdue = quietest.quiet >= max(schedule.cap, len(waiting) / rate)
    best = quietest if overdue else best
    enough = min(len(waiting) / max(tokens, 1.0), CERTAIN)
    if best.chance < enough and not (losing and best.chance > 0.0) and not overdue:
        return Plan(look=None, wait=GLIMPSE)
    endpoint = max(endpoints, key=lambda one: buckets[one].at(now).tokens)
    if endpoint is Endpoint.STATUS:
        return Plan(look=_status(best), wait=0.0)
    return Plan(look=Look(endpoint=endpoint, report_type=best.report_type), wait=0.0)


def _status(job: Waiting) -> Look:
    return Look(endpoint=Endpoint.STATUS, report_type=job.report_type, request_id=job.request_id)


def _when(delay: float, look: Look) -> Plan:
    return Plan(look=look, wait=0.0) if delay <= 0.0 else Plan(look=None, wait=delay)


def _intensity(waiting: Sequence[Waiting], since: float) -> list[float]:
    """Return the root of the density of becoming ready, cell by cell from *since* seconds ago."""
    density = [0.0] * CELLS
    # Requests of one type and age are alike: a thousand of them cost as much as one.
    groups = Counter((job.generation, round((job.age - since) / STEP)) for job in waiting)
    for (generation, cell), count in groups.items():
        weights = generation.weights(max(0, cell) * STEP)
        for ahead, mass in enumerate(weights, start=max(0, -cell)):
            if ahead >= CELLS:
                break
            density[ahead] += count * mass
    return [math.sqrt(mass) for mass in density]


def _next(cells: Sequence[float], tokens: float, rate: float, *, gains_from: float = 0.0) -> float:
    """Return the seconds until the next look: where the scaled intensity adds up to one."""
    factor, total = math.inf, 0.0
    for number, cell in enumerate(cells, start=1):
        total += cell
        if total > 0.0:
            gained = max(0.0, number * STEP - gains_from) * rate
            factor = min(factor, max(tokens + gained, 0.0) / total)
    passed = 0.0
    for number, cell in enumerate(cells):
        part = factor * cell
        if passed + part >= 1.0:
            return (number + (1.0 - passed) / part) * STEP
        passed += part
    return len(cells) * STEP
