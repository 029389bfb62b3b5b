"""
One poller for all waiting jobs of an account: records in a table, not a loop each.

`_sansio.plan` decides which look to make and when; this room only obeys, tells each watch what was
seen, and learns from it how long reports take; what others who share the store have seen counts as
well. It never downloads and never writes records.
"""

from __future__ import annotations

import logging
import math
import random
from collections import Counter
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from ._exceptions import APIError, ReportsError, TransportError
from ._hearsay import ENDS, Hearsay
from ._models import RequestStatus
from ._overview import Overview
from ._sansio import plan
from ._sansio.endpoints import Endpoint
from ._sansio.inspection import PRICES
from ._sansio.precedents import Precedent
from ._sansio.telemetry import Planned
from ._setbacks import Setbacks
from ._watches import Watch, Watches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ._api import Api
    from ._models import DownloadLink, ReportRequest
    from ._quota import Gate
    from ._sansio.backoff import PollSchedule
    from ._sansio.history import History
    from ._tasks import Tasks
    from .abc import Clock

logger = logging.getLogger("reports_async")

LAST: Final = 60.0
"""Seconds that the look may take that is made at a request whose time is over."""

STUCK: Final = 60.0
"""Seconds after which a look that is not answered keeps others from looking no more."""

ALARMS: Final = 3
"""Looks that are made at a request for webhooks which told nothing new."""


class Poller:
    """Looks at all watched requests, under one budget, until nobody watches."""

    def __init__(
        self,
        api: Api,
        *,
        gate: Gate,
        clock: Clock,
        tasks: Tasks,
        schedule: PollSchedule,
        history: History,
        places: Callable[[], float],
    ) -> None:
        self._api = api
        self._clock = clock
        self._tasks = tasks
        self._schedule = schedule
        self._history = history
        self._precedents = gate.precedents
        self._watches = Watches(clock=clock, history=history)
        self._overview = Overview(
            api,
            clock=clock,
            watches=self._watches,
            history=history,
            strictness=gate.strictness,
            saw=partial(self._saw, listed=True),
        )
        self._hearsay = Hearsay(
            api,
            gate,
            clock=clock,
            tasks=tasks,
            watches=self._watches,
            saw=self._saw,
            hurry=self.hurry,
            places=places,
        )
        self._running = False
        self._looking = False
        self._began = -math.inf
        self._hurried: set[str] = set()
        # How many looks at a request were made for a webhook.
        self._prompted: Counter[str] = Counter()
        self._jitter = 0.0
        self._price = len(PRICES) // 2
        self._looked: Endpoint | None = None
        self._nap: anyio.CancelScope | None = None
        self._acquainted = False
        # Whether the last look succeeded.
        self._well = True
        self._setbacks = Setbacks(
            clock=clock, watches=self._watches, list_refused=self._overview.refused
        )
        # Those whose time is over, but for one more look.
        self._last = frozenset[Watch]()
        # Whether webhooks come true; found out again by each end of a request.
        self._trusted = False

    def watch(self, watch: Watch) -> None:
        """Start to look after a request."""
        self._watches.add(watch)
        if (ready := self._hearsay.heard(watch.request_id)) is not None:
            self.hurry(watch.request_id, ready=ready)
        if self._running:
            self._wake()
        else:
            self._running = True
            self._tasks.start(self._run)

    def unwatch(self, watch: Watch) -> None:
        """Stop to look after it; one that is not watched is no error."""
        self._last -= {watch}
        if watch in self._watches:
            self._watches.remove(watch)
            self._wake()

    def hurry(self, request_id: str, *, ready: bool = False) -> None:
        """
        Look at a request at once, if or when it is watched: something says that it moved.

        Where it is said to be *ready*, its link is asked for instead, if there are some to spare.
        """
        if not self._watches.of(request_id):
            self._hearsay.keep(request_id, ready=ready)
            return
        if ready and self._hearsay.ask(request_id):
            return
        if self._prompted[request_id] >= ALARMS:
            return
        for watch in self._watches.of(request_id):
            watch.look_now = watch.notified = True
            if self._looking:
                # The look that is under way may have been answered before whatever moved.
                self._hurried.add(request_id)
        self._wake()

    def link_of(self, request_id: str) -> DownloadLink | None:
        """Hand over the link that a request's READY came with, if it did."""
        return self._hearsay.link_of(request_id)

    async def _run(self) -> None:
        try:
            if not self._acquainted:
                # What the store tells of other types speaks for these as well.
                self._acquainted = True
                await self._hearsay.read()
            while self._watches:
                self._end_overdue()
                await self._sleep(self._proceed())
            self._hearsay.end()
            self._prompted.clear()
            self._setbacks.end()
        except Exception as exc:
            # A defect in the plan, or in a clock: as one in a look, it must not be hidden by a
            # wait for ever.
            logger.exception("%r broke", self._watches)
            self._lose(self._watches, exc)
        finally:
            self._running = False

    def _end_overdue(self) -> None:
        # A hair of tolerance: no clock can sleep for what rounding leaves.
        now = self._clock.monotonic() + 1e-6
        while (watch := self._watches.overdue(now)) is not None:
            if watch in self._last or not self._is_stale(watch, now):
                self._end([watch])
            else:
                # Nobody knows what it is now: the machine may have slept for an hour.
                self._last |= {watch}
                watch.deadline, watch.look_now = now + LAST, True
                self._watches.add(watch)

    def _is_stale(self, watch: Watch, now: float) -> bool:
        """Tell whether a look would tell more of it than the last one did, and can be made."""
        tried = -math.inf if watch.tried_at is None else watch.tried_at
        looks = (Endpoint.LIST, Endpoint.STATUS)
        return now - tried >= self._schedule.first and any(map(self._affords, looks))

    def _end(self, overdue: Iterable[Watch]) -> None:
        for watch in overdue:
            self._last -= {watch}
            self._watches.remove(watch)
            watch.tell(None)

    def _proceed(self) -> float | None:
        """Start the look that is due, if any; return the seconds until the next plan."""
        if self._looking or not self._watches:
            return None
        made = self._plan()
        self._announce(made)
        if made is None:
            return None
        if (look := made.look) is None:
            return made.wait
        self._looking, self._began = True, self._clock.monotonic()
        self._tasks.start(lambda: self._make(look))
        return None

    def _announce(self, made: plan.Plan | None) -> None:
        if self._looked is None and (made is None or made.look is not None):
            return  # as it was told: this is "next"
        look, self._looked = self._looked, None
        tokens = self._api.budgets[look or Endpoint.LIST].available(self._clock.monotonic())
        left = None if made is None else made.wait
        planned = Planned(
            at=self._clock.now(), look=look, waiting=len(self._watches), tokens=tokens, next_in=left
        )
        logger.debug("%s", planned)
        self._api.hub.tell(None, planned)

    def _plan(self) -> plan.Plan | None:
        """Return what to do; None where others look after all that is waited for."""
        strict, theirs = self._overview.wants_type, self._hearsay.theirs
        waiting = [
            one
            for one in self._watches.waiting(unlistable=self._overview.unlistable, strict=strict)
            if one.urgent or one.request_id not in theirs
        ]
        if not waiting:
            return None
        means = plan.Means(
            now=self._clock.monotonic(),
            budgets=self._api.budgets,
            schedule=self._schedule,
            strict=strict,
            pages=self._overview.forecast(len(waiting)),
            failing=self._setbacks.lists_fail,
            trusted=self._trusted,
            jitter=self._jitter,
            price=self._price,
        )
        made = plan.plan(waiting, means)
        self._price = made.price
        return made

    async def _sleep(self, seconds: float | None) -> None:
        if (end := self._watches.next_end()) is not None:
            left = max(0.0, end - self._clock.monotonic())
            seconds = left if seconds is None else min(left, seconds)
        with anyio.CancelScope() as self._nap:
            seconds = math.inf if seconds is None else seconds
            while self._watches and (pause := self._hearsay.due_in()) < seconds:
                await self._clock.sleep(pause)
                seconds -= pause
                theirs = self._hearsay.theirs
                stuck = self._looking and self._clock.monotonic() - self._began > STUCK
                await self._hearsay.read(well=self._well and not stuck)
                if theirs != self._hearsay.theirs:
                    seconds = 0.0  # what is to be looked at here is planned anew
            if seconds < math.inf:
                await self._clock.sleep(max(0.0, seconds))
            elif self._watches:
                await anyio.sleep_forever()
        self._nap = None

    def _wake(self) -> None:
        if self._nap is not None:
            self._nap.cancel()

    async def _make(self, look: plan.Look) -> None:
        covered = self._covered(look)
        if not covered or not self._affords(look.endpoint):
            # Who was to be looked at has left, or somebody was quicker to spend the call.
            try:
                await self._clock.sleep(plan.SOON)
            finally:
                self._looking = False
                self._wake()
            return
        well = False
        told = [watch for watch in covered if watch.notified]
        try:
            await self._look(look, covered, told)
            well = True
        except (APIError, TransportError) as exc:
            self._lose(self._setbacks.weigh(look, exc), exc)
            if told:
                self._tasks.start(lambda: self._remind(told))
        except Exception as exc:
            # A defect, here or in a transport: a job that waits for ever would hide it.
            logger.exception("%r broke", look)
            self._lose(self._watches, exc)
        finally:
            self._looking, self._well = False, well
            # Drawn once for each look: a plan made anew must not come to another end.
            self._jitter = random.uniform(-1.0, 1.0)  # noqa: S311 -- spread, not secrecy
            self._looked = look.endpoint
            self._end(self._last.intersection(covered))
            if not self._watches:
                self._announce(None)
            self._wake()

    async def _look(self, look: plan.Look, covered: Sequence[Watch], told: Sequence[Watch]) -> None:
        now = self._clock.monotonic()
        self._hurried.clear()
        self._prompted.update({watch.request_id for watch in told})
        for watch in covered:
            watch.excused = bool(told) or watch.tried_at is None
            watch.announced, watch.notified = watch.notified, False
            watch.look_now = False
            watch.tried_at = now
        if look.endpoint is Endpoint.STATUS:
            assert look.request_id is not None
            self._saw([await self._api.status(look.request_id, tries=1)])
        else:
            await self._overview.read(look.report_type)
            self._hurry_unseen(told)  # it was cut before it came to them
        self._setbacks.over(look)

    async def _remind(self, told: Sequence[Watch]) -> None:
        """Look again, after a while, at what webhooks told of: the look at it has failed."""
        await self._clock.sleep(self._schedule.first)
        self._hurry_unseen(told)

    def _hurry_unseen(self, told: Sequence[Watch]) -> None:
        for watch in told:
            if not watch.answered:
                self.hurry(watch.request_id)

    def _affords(self, endpoint: Endpoint) -> bool:
        return self._api.budgets[endpoint].wait(self._clock.monotonic()) <= 0.0

    def _saw(self, requests: Iterable[ReportRequest], *, listed: bool = False) -> None:
        now = self._clock.monotonic()
        for request in requests:
            if request.report_type and request.submitted_at and request.generated_at:
                took = (request.generated_at - request.submitted_at).total_seconds()
                at = request.submitted_at.timestamp()
                news = self._history.learn(request.report_type, request.request_id, took, at=at)
                if news and not self._watches.of(request.request_id):
                    # Of what is watched here the store tells anyway.
                    self._precedents.note(
                        Precedent(request.report_type, request.request_id, took, at)
                    )
            self._overview.note(request)
            self._setbacks.seen(request.request_id)
            for watch in self._watches.of(request.request_id):
                # Whom only its status shows, the next list that does not is enough.
                watch.unseen = 0 if listed else min(watch.unseen, 1)
                watch.seen_at = now
                watch.started = request.status is RequestStatus.INPROGRESS
                watch.look_now = request.request_id in self._hurried
                if request.status in ENDS:
                    del self._prompted[request.request_id]
                    self._weigh(watch)
                watch.tell(request)

    def _weigh(self, watch: Watch) -> None:
        """Learn from the end of a request whether webhooks tell of such."""
        if watch.announced or watch.notified:
            self._trusted = True
            self._hearsay.believe()
        elif not watch.excused:
            # A look for safety found what no webhook told. A first look says nothing: the webhook
            # may have come before it. Nor does one for another request: it may be on its way.
            self._trusted = False

    def _covered(self, look: plan.Look) -> Sequence[Watch]:
        if look.request_id is not None:
            return self._watches.of(look.request_id)
        return self._watches.of_type(look.report_type)

    def _lose(self, watches: Iterable[Watch], error: Exception) -> None:
        for watch in watches:
            self._watches.remove(watch)
            # Copies, because each job writes its own request id into its error.
            own = error
            if isinstance(error, ReportsError):
                own = copy(error)
                own.__cause__ = error.__cause__
            watch.tell(own)

    def __repr__(self) -> str:
        if not self._watches:
            return "<Poller 0 waiting, nothing to do>"
        made = self._plan()
        then = "others look" if made is None else f"next in {made.wait:.0f} s"
        return f"<Poller {len(self._watches)} waiting, {then}>"
