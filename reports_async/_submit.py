"""
From a wish to a request id: join, reuse, reserve, create; or find what became of a lost create.

The order is the contract of "two requests for the same thing". A create whose outcome is unknown is
never sent again blindly: the server's list is asked first.
"""

from __future__ import annotations

import logging
import random
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

import anyio
import anyio.lowlevel
from attrs import define, evolve

from ._exceptions import (
    APIError,
    RateLimited,
    ServerError,
    StoreError,
    TransportError,
)
from ._listing import Listing
from ._models import RETENTION, JobRecord
from ._sansio import endings, matching, window
from ._sansio.backoff import retry_delay
from ._sansio.events import Accepted, Reserved, Uncertain, Waiting
from ._tasks import shielded

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from datetime import datetime
    from typing import Any

    from ._api import Api
    from ._models import ReportRequest, Timeouts, Wish
    from ._quota import Gate
    from ._sansio.events import JobEvent
    from .abc import Clock

    Step = Callable[[], Coroutine[Any, Any, JobRecord | None]]

Origin = Literal["created", "joined", "reused", "adopted"]

logger = logging.getLogger("reports_async")

SEARCH: Final = 300.0
"""Seconds for which a lost create is looked for at least: the server's list may lag."""

SLICE: Final = 60.0
"""No sleep for an hour's opening is longer: after a suspend or a clock change we look again."""

MOST_LOOKS: Final = 60
"""Looks for a lost create before the caller is told: two hours' worth of tokens."""

LOOK_AGAIN: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds between looks at a record that another task or process works on; the last repeats."""


TURNS: Final = 8
"""Creates at once: more would hold up each other's steps at the store until their leases end."""


@define(eq=False, kw_only=True)
class _Search:
    """How far the search for a lost create has come."""

    began: float
    cause: APIError | TransportError | None
    resent: bool = False
    proven: bool = False
    over: bool = False
    found: JobRecord | None = None


class Submitter:
    """Gets request ids, for one account."""

    def __init__(self, api: Api, gate: Gate, *, clock: Clock, timeouts: Timeouts) -> None:
        self.api = api
        self.gate = gate
        self.clock = clock
        self.timeouts = timeouts
        self.turns = anyio.Semaphore(TURNS)

    async def submit(self, wish: Wish, *, tell: Callable[[JobEvent], None]) -> JobRecord:
        """
        Return the record of a request for *wish*, with its id.

        Raises:
            RequestLimitExceeded: The hour is taken, and the wish or the quota limit says not to
                wait for it (any longer).
            APIError, TransportError: The request could not be made, or nobody knows whether it
                was; then the reservation stays, and the next try asks the server's list first.
        """
        return await _Submission(self, wish, tell).run()


class _Submission:
    """
    One wish on its way to a request id.

    A step returns the record, or None for "look again from the start": what is true of the hour
    and of other requests may have changed meanwhile.
    """

    def __init__(self, room: Submitter, wish: Wish, tell: Callable[[JobEvent], None]) -> None:
        self._api = room.api
        self._gate = room.gate
        self._clock = room.clock
        self._timeouts = room.timeouts
        self._turns = room.turns
        self._wish = wish
        self._tell = tell
        self._list = Listing(room.api, room.gate, clock=room.clock, wish=wish)
        self._started = room.clock.monotonic()
        self._refusals = 0
        self._told_until: datetime | None = None

    async def run(self) -> JobRecord:
        record = await self._same(first=True)
        while record is None:
            try:
                record = await self._make() or await self._same(first=False)
            except StoreError as exc:
                limit, waited = self._timeouts.quota, self._clock.monotonic() - self._started
                if self._told_until is None or (limit is not None and waited >= limit):
                    raise
                # It died during the wait for the hour: the wait goes on.
                logger.warning("%s: %s", self._wish.report_type, exc)
                await self._clock.sleep(SLICE)
        return record

    # -- rules 1 and 2: join what is in flight, reuse what is young enough ------------------------

    async def _same(self, *, first: bool) -> JobRecord | None:
        wish = self._wish
        records = await self._gate.records(wish.report_type)
        record = self._in_flight(records)
        if record is not None:
            return await self._join(record)
        if wish.max_age is None:
            return None
        since = self._clock.now() - timedelta(seconds=wish.max_age)
        record = matching.reusable(records, version=wish.version, filters=wish.filters, since=since)
        if record is None and first:
            record = await self._list.young(since)
        return None if record is None else self._accept(record, "reused")

    def _in_flight(self, records: Sequence[JobRecord]) -> JobRecord | None:
        wish, limit = self._wish, self._timeouts.generation
        if wish.fresh:
            return None
        since = self._clock.now() - (RETENTION if limit is None else timedelta(seconds=limit))
        return matching.in_flight(records, version=wish.version, filters=wish.filters, since=since)

    async def _join(self, record: JobRecord) -> JobRecord | None:
        pauses = iter(LOOK_AGAIN)
        while record.request_id is None:
            # Where nobody works on it any more, its process died, or its task was cancelled.
            worked_on = record.lease_until is not None and record.lease_until > self._clock.now()
            ours = not worked_on and await self._gate.claim(record, owner=self._wish.owner)
            current = await self._gate.current(record)
            if current is None:
                return None
            record = current
            if record.request_id is None:
                if ours:
                    return await self._take_over(record)
                await self._clock.sleep(next(pauses, LOOK_AGAIN[-1]))
        return self._accept(record, "joined")

    async def _take_over(self, record: JobRecord) -> JobRecord | None:
        if record.sent_at is not None:
            return await self._search(record, cause=None)
        if self._gate.wait(record) > 0:
            step = await self._create(record)
            return step if isinstance(step, JobRecord) else await step()
        # Surely never sent, and its hour is over.
        await self._give_back(record)
        return None

    # -- rule 3: reserve the hour, then create ----------------------------------------------------

    async def _make(self) -> JobRecord | None:
        wish = self._wish
        async with self._turns:
            # Shielded: a reservation that was made must be known to us, to be given back.
            reserving = self._gate.reserve(
                report_type=wish.report_type,
                version=wish.version,
                filters=wish.filters,
                owner=wish.owner,
            )
            record, granted = await shielded(reserving)
            if granted:
                self._tell(Reserved(at=record.reserved_at, report_type=wish.report_type))
                step = await self._create(record)
            else:
                step = partial(self._taken, record)
        return step if isinstance(step, JobRecord) else await step()

    async def _taken(self, holder: JobRecord) -> JobRecord | None:
        wish = self._wish
        if self._in_flight([holder]):
            return None  # another was quicker by a moment: it is there to be joined now
        same = (holder.version, holder.filters) == (wish.version, wish.filters)
        if wish.on_limit == "reuse" and same and holder.status not in matching.FAILED:
            if holder.request_id is None:
                return await self._join(holder)
            return self._accept(holder, "reused")
        await self._wait(self._gate.opening(holder))
        return None

    async def _wait(self, opening: datetime, *, certain: bool = True) -> None:
        now, limit = self._clock.now(), self._timeouts.quota
        left = max((opening - now).total_seconds(), 0.0)
        waited = self._clock.monotonic() - self._started
        waits = self._wish.on_limit == "wait"
        if not waits or (limit is not None and waited >= limit):
            opening = opening if certain else now + timedelta(seconds=window.PERIOD)
            raise endings.hour_taken(self._wish.report_type, opening=opening, waited=waits)
        if self._told_until is None or abs(opening - self._told_until) > timedelta(seconds=1):
            self._told_until = opening
            self._tell(Waiting(at=now, report_type=self._wish.report_type, until=opening))
        if limit is not None:
            left = min(left, limit - waited)
        # In slices: a suspended machine, a changed clock, or an hour given back move the opening.
        await self._clock.sleep(min(left, SLICE))

    async def _create(self, record: JobRecord) -> JobRecord | Step:
        """Send the create; return what to do where that makes no request of ours."""
        try:
            # First, so that what follows is one call, and its failure is about the create.
            await self._api.authorize()
            sending = await self._sending(record)
            # The last moment at which nothing was sent.
            await anyio.lowlevel.checkpoint_if_cancelled()
        except BaseException:
            await shielded(self._give_back(record))
            raise
        if sending is None:
            # That took longer than our lease: somebody else has gone on.
            return partial(self._join, record)
        try:
            return await self._send(sending)
        except (TransportError, ServerError) as exc:
            return partial(self._search, sending, cause=exc)
        except RateLimited as exc:
            return partial(self._used_by_others, sending, exc)

    async def _sending(self, record: JobRecord) -> JobRecord | None:
        return await self._gate.to_send(record, owner=self._wish.owner, within=self._timeouts.call)

    async def _send(self, record: JobRecord) -> JobRecord:
        # Shielded: once the call is out, its reply must be written down, whoever lost interest.
        return self._accept(await shielded(self._exchange(record)), "created")

    async def _exchange(self, record: JobRecord) -> JobRecord:
        try:
            request = await self._api.create(
                report_type=record.report_type, version=record.version, body=self._wish.filters
            )
        except (TransportError, ServerError, RateLimited):
            raise
        except APIError:
            # Definitely refused: nothing was made, the hour is given back.
            await self._give_back(record)
            raise
        return await self._gate.confirm(record, request)

    async def _mine(self, record: JobRecord) -> JobRecord | None:
        return await self._gate.mine(record, owner=self._wish.owner)

    async def _give_back(self, record: JobRecord) -> None:
        await self._gate.give_back(record, owner=self._wish.owner)

    # -- rule 4: the hour that others used, and the create whose reply was lost -------------------

    async def _used_by_others(self, record: JobRecord, refusal: RateLimited) -> JobRecord | None:
        """Find out when the hour opens that another program has used; wait where nobody tells."""
        if (mine := await self._mine(record)) is None:
            # Who has gone on with the record meanwhile has made what took the hour.
            return await self._join(record)
        try:
            # Nothing was made by this call: whoever takes over has nothing to look for.
            await self._gate.save(evolve(mine, sent_at=None))
            entries = await self._list.newest()
            told = entries is not None and await self._list.remember_holder(entries)
        finally:
            # Only after the other one is written down: the hour stays shut.
            await shielded(self._give_back(record))
        if told:
            return None
        self._refusals += 1
        delay = retry_delay(self._refusals, jitter=random.random(), base=15.0, cap=600.0)  # noqa: S311 -- spread, not secrecy
        now = self._clock.now()
        opening = refusal.retry_at or now + timedelta(seconds=delay)
        opening = min(opening, now + timedelta(seconds=window.PERIOD))
        await self._wait(opening, certain=refusal.retry_at is not None)
        return None

    async def _search(
        self, record: JobRecord, *, cause: APIError | TransportError | None
    ) -> JobRecord | None:
        """
        Find what a create without an answer has made; send it once more if it surely made nothing.

        Returns None where it made nothing and the hour is not ours: then all starts again.
        """
        self._tell(
            Uncertain(
                at=self._clock.now(),
                report_type=record.report_type,
                reason="its process ended" if cause is None else str(cause),
            )
        )
        search = _Search(began=self._clock.monotonic(), cause=cause)
        for attempt in range(MOST_LOOKS):
            if await self._mine(record) is None:
                # The budget kept us for longer than a lease: somebody else has gone on.
                return await self._join(record)
            try:
                await self._look_for(record, search)
            except StoreError as exc:
                # Which of the list's requests are others' cannot be known now.
                logger.warning("%s: %s", record.report_type, exc)
            if search.over:
                return search.found
            delay = retry_delay(attempt, jitter=random.random(), base=4.0, cap=60.0)  # noqa: S311 -- spread, not secrecy
            await self._clock.sleep(delay)
        raise endings.lost(record.report_type) from search.cause

    async def _look_for(self, record: JobRecord, search: _Search) -> None:
        entries = await self._list.newest()
        if entries is None:
            return
        assert record.sent_at is not None
        found = await self._list.adopt(record, entries, sent_at=record.sent_at)
        if found is not None:
            search.found, search.over = self._accept(found, "adopted"), True
        elif self._clock.monotonic() - search.began >= SEARCH:
            # Surely absent.
            if search.resent and not search.proven:
                raise endings.lost(record.report_type) from search.cause
            if await self._is_not_ours(record, entries):
                search.over = True
            elif not search.resent:
                search.found = await self._resend(record, search)
                search.over = search.found is not None

    async def _is_not_ours(self, record: JobRecord, entries: Sequence[ReportRequest]) -> bool:
        """Give the hour back where another's request turns out to hold it, or it is over."""
        if await self._list.remember_holder(entries) or not self._gate.wait(record):
            await shielded(self._give_back(record))
            return True
        return False

    async def _resend(self, record: JobRecord, search: _Search) -> JobRecord | None:
        """Send one create more, under the same reservation; None where that made nothing."""
        if await self._sending(record) is None:
            return None
        search.resent, search.began = True, self._clock.monotonic()
        try:
            return await self._send(record)
        except RateLimited:
            # The hour is used: the first create was made after all, and will be listed.
            search.proven = True
        except (TransportError, ServerError) as exc:
            search.cause = exc
        return None

    def _accept(self, record: JobRecord, origin: Origin) -> JobRecord:
        self._tell(
            Accepted(
                at=(origin == "created" and record.received_at) or self._clock.now(),
                report_type=record.report_type,
                request_id=record.request_id,
                origin=origin,
                submitted_at=record.received_at or record.reserved_at,
            )
        )
        return record
