"""
Which look to make next, and when: for all waiting requests of an account, under its budgets.

Theory of operation. A look costs a token; a report that is ready waits for the next look at it. So
looks belong where reports become ready, and every token should be spent by the time the last one
does. Two rules say it all:

A *shared* look (a list, or the status of a request that waits alone) sees everything. With looks at
a rate r(t), the mean wait is the integral of f(t) / 2r(t), where f is the density of becoming
ready; under a fixed number of looks that is least for r proportional to the root of f. The factor
is the largest that never runs out of tokens: the tightest of the budgets up to each moment ahead.
Where few are left and that comes seldom, status calls look at one after the other in between.

A *single* look (a status or a list of one type, where the server lists no other way) sees one
request. There each request has the schedule of looks that is best for it at a price per look, as
`inspection` finds it; the price is the least at which all of them together never need a token that
is not there, up to when the buckets overflow: what is spent until then takes nothing from later.
What is left over then pays for the price below it for some. A full bucket, which would lose its
refill, gives a look away: to the likeliest.

`pricing` finds the price; `generation` tells f, `budget` the tokens; the poller obeys.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from .budget import LEAST
from .endpoints import Endpoint
from .generation import CELLS, STEP
from .inspection import PRICES, inspection
from .pricing import COUNTED, Kind, priced

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

FEW: Final = 4
"""So many may be looked at one by one where lists of all come seldom."""

EVEN: Final = 1.05
"""How long one of few is not looked at, at most: so many times what lies between two lists if all
that the budget pays for are spread over the documented window."""

LONG: Final = 1.3
"""Where many wait, a gap between two lists that is up to so many times as long is cut to the same:
nobody should wait much longer than others for a small gain. A longer one is meant. The more other
programs take, the less is cut, and nothing where pages are short: the tokens may not be there."""

EXPECTED: Final = 0.3
"""How many must be expected to become ready in such a gap: where nobody is, it harms nobody."""

LIKELY: Final = 0.1
"""The least chance of being ready that is worth a look at one of several."""

SAFETY: Final = 300.0
"""Seconds between looks for what no webhook has told, where webhooks work; less if `cap` is."""

JITTER: Final = 0.03
"""The share of a gap that chance may add or take."""

SOON: Final = 0.5
"""Seconds that are not worth another sleep: a plan made anew is a little later each time."""


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
    """
    A look to make now, or None; and the seconds until the plan is to be made anew.

    `price` is that of single looks, an index; the next plan begins its search there.
    """

    look: Look | None
    wait: float
    price: int = len(PRICES) // 2


@frozen(kw_only=True)
class Means:
    """
    What a plan is made with, at `now` (monotonic seconds, the budgets' time).

    Args:
        now: The present.
        budgets: Of list and status.
        schedule: `first` and `cap` bound the time between two looks at a request.
        strict: The server lists one type at a time only.
        pages: How many calls a list of all that wait costs, on average over all to come.
        price: What the last plan said.
        failing: Lists have failed again and again.
        trusted: Webhooks have proved to work: looks are for safety only, `SAFETY` seconds apart.
        jitter: From -1 to 1, drawn anew for each look: clients that start together drift apart.
    """

    now: float
    budgets: Mapping[Endpoint, Bucket]
    schedule: PollSchedule
    strict: bool = False
    pages: float = 1.0
    price: int = len(PRICES) // 2
    failing: bool = False
    trusted: bool = False
    jitter: float = 0.0

    @property
    def shortest(self) -> float:
        """Seconds that lie between two looks at least, unless something says that it moved."""
        first, cap = self.schedule.first, self.schedule.cap
        return max(first, min(cap, SAFETY)) if self.trusted else first


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
        plans.append(_single(listed, means, endpoints=(Endpoint.LIST, Endpoint.STATUS)))
    elif listed:
        shared = _shared(listed, means)
        plans.append(shared)
        lists = means.budgets[Endpoint.LIST]
        spent = lists.wait(means.now, calls=int(means.pages)) > means.schedule.first
        if spent or means.failing:
            # What the lists had is spent, by others perhaps, or they fail: status calls must do.
            plans.append(_single(listed, means, endpoints=(Endpoint.STATUS,)))
        elif 1 < len(listed) <= FEW and shared.wait > means.schedule.first:
            plans += _in_turn(listed, means)
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
    even = _even(means)
    if not alone and pages == 1.0 and even < gap < even * _long(buckets[0]):
        gap = even if _expected(waiting, ahead=even - since) >= EXPECTED else gap
    gap *= 1.0 + JITTER * means.jitter
    gap = min(max(gap, means.shortest), means.schedule.cap)
    left = gap - since if gap - since > SOON else 0.0
    if since >= means.shortest and any(one.contended and one.full(now) for one in buckets):
        left = 0.0  # the token is another's in a moment
    delay = max(left, min(bucket.wait(now, calls=int(pages)) for bucket in buckets))
    if alone and _fuller(means, endpoints, now + delay) is Endpoint.STATUS:
        return _when(delay, _status(waiting[0]))
    only = waiting[0].report_type if alone else None
    return _when(delay, Look(endpoint=Endpoint.LIST, report_type=only))


def _in_turn(waiting: Sequence[Waiting], means: Means) -> list[Plan]:
    """
    Return a look at the one that was not looked at for longest, of those likely to be ready then.

    What becomes likely later waits for the list.
    """
    pace = max(_even(means), means.shortest)
    token = means.budgets[Endpoint.STATUS].wait(means.now)
    plans: list[Plan] = []
    for job in sorted(waiting, key=lambda one: one.quiet, reverse=True):
        left = pace - job.quiet
        delay = max(left if left > SOON else 0.0, token)
        if job.generation.ready_between(job.seen, job.age + delay) >= LIKELY:
            plans.append(_when(delay, _status(job)))
    return plans[:1]


def _expected(waiting: Sequence[Waiting], *, ahead: float) -> float:
    """Return how many are expected to be ready in so many seconds."""
    # Those that are alike to the second are asked for once, as in `_intensity`.
    alike = Counter((one.generation, round(one.seen), round(one.age)) for one in waiting)
    return sum(
        count * generation.ready_between(seen, age + ahead)
        for (generation, seen, age), count in alike.items()
    )


def _even(means: Means) -> float:
    """Return the seconds between two lists that are spread over the window."""
    window, lists = means.schedule.window, means.budgets[Endpoint.LIST]
    return EVEN * window / (lists.capacity + window * lists.rate)


def _long(lists: Bucket) -> float:
    """Return `LONG` where all of the refill is ours, down to one where the least share is."""
    ours = (lists.rate * lists.interval - LEAST) / (1.0 - LEAST)
    return 1.0 + (LONG - 1.0) * ours


def _gap(
    waiting: Sequence[Waiting], buckets: Sequence[Bucket], *, now: float, since: float, pages: float
) -> float:
    """Return the seconds from the last look, *since* seconds ago, to the next."""
    tokens = sum(bucket.usable(now) for bucket in buckets) / pages
    rate = sum(bucket.rate for bucket in buckets) / pages
    if len(buckets) > 1 and any(bucket.spare for bucket in buckets):
        # What others take is noticed late: who waits alone would find no token at the end.
        rate *= COUNTED
    cells = _intensity(waiting, since)
    gap = _next(cells, tokens, rate, gains_from=since)
    if all(bucket.full(now) for bucket in buckets):
        # A full bucket gains nothing until the next look.
        gap = _next(cells, tokens, rate, gains_from=max(gap, since))
    return gap


def _single(waiting: Sequence[Waiting], means: Means, *, endpoints: Sequence[Endpoint]) -> Plan:
    now = means.now
    buckets = {endpoint: means.budgets[endpoint].at(now) for endpoint in endpoints}
    rate = sum(bucket.rate for bucket in buckets.values())
    price, cheaper = priced(
        [Kind.of(job.generation, job.seen, job.age) for job in waiting],
        means.price,
        tokens=sum(one.usable(now) for one in buckets.values()),
        rate=rate,
        capacity=sum(one.capacity for one in buckets.values()),
    )
    delay = min(bucket.wait(now) for bucket in buckets.values())
    if delay > 0.0:
        return Plan(look=None, wait=delay, price=price)
    turn = len(waiting) / rate
    left, best = min(
        (
            (_due_in(job, price - (number < cheaper), means, turn), job)
            for number, job in enumerate(waiting)
        ),
        key=lambda item: item[0],
    )
    full = min(bucket.full_in(now) for bucket in buckets.values())
    if left > 0.0 and full <= 0.0:
        likely = [job for job in waiting if job.quiet >= means.shortest - SOON and job.chance > 0.0]
        if likely:
            left, best = 0.0, max(likely, key=lambda job: job.chance)
        full = means.schedule.first
    if left > 0.0:
        return Plan(look=None, wait=max(min(left, full), SOON), price=price)
    endpoint = _fuller(means, endpoints, now)
    if endpoint is Endpoint.STATUS:
        return Plan(look=_status(best), wait=0.0, price=price)
    look = Look(endpoint=endpoint, report_type=best.report_type)
    return Plan(look=look, wait=0.0, price=price)


def _fuller(means: Means, endpoints: Sequence[Endpoint], now: float) -> Endpoint:
    """Return the endpoint that has a call at *now*: one to lose, or else the most tokens."""

    def left(endpoint: Endpoint) -> tuple[bool, bool, float]:
        bucket = means.budgets[endpoint]
        return bucket.available(now) > 0, bucket.full(now), bucket.at(now).tokens

    return max(reversed(endpoints), key=left)


def _due_in(job: Waiting, price: int, means: Means, turn: float) -> float:
    """
    Return the seconds until the next look at a request, below zero if it is late.

    Later than nearly all of its kind, it is looked at in the schedule's own pace at least, as far
    as the refill pays for that: it gives each request a look every *turn* seconds.
    """
    age = inspection(job.generation).due(job.seen, price)
    due = math.inf if age is None else age - job.age
    if age is None or job.age > job.generation.quantile(RIPE):
        due = min(due, max(means.schedule.next_delay(job.age), turn) - job.quiet)
    return max(due, means.shortest - SOON - job.quiet)


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
