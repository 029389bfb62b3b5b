"""
The gate: one request per report type per hour, kept in the store for everyone who shares it.

Reserve before submit, confirm with the id after: a crash between the two costs an hour at worst,
the other order could break the rule. What the rule is says `_sansio.window`; this room only asks
the store.
"""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from attrs import evolve

from ._exceptions import StoreError
from ._models import RETENTION, JobRecord
from ._sansio import window
from ._sansio.lifecycle import of_request
from ._sansio.precedents import Precedents
from ._sansio.strictness import Strictness
from ._tasks import shielded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence
    from datetime import datetime

    from ._models import ReportRequest
    from ._sansio.history import History
    from ._sansio.skew import Skew
    from .abc import Clock, Store

Value = TypeVar("Value")

logger = logging.getLogger("reports_async")

LEASE = 90.0
"""Seconds after which a silent process is taken for dead. Renewed before every step."""

STEPS: Final = 8
"""Calls of the store, each as slow as the slowest of late, by which a lease is longer."""

RECENT: Final = 600.0
"""Seconds for which a slow call of the store is remembered."""

MARGIN = timedelta(seconds=2)
"""Added to an hour that only the server's clock tells: its dates have whole seconds."""

LONGEST_CALL = 300.0
"""Seconds for which a create call that is on its way holds the hour beyond the hour."""


class Gate:
    """
    The hours of one account: taken, confirmed, given back, or found taken by others.

    `strictness` and `precedents` are what its records tell of the server's list, and of what that
    told; and what will be told to them.
    """

    def __init__(
        self,
        store: Store,
        *,
        account: str,
        clock: Clock,
        history: History,
        market: str | None = None,
    ) -> None:
        self._store = store
        self._account = account
        self._market = market
        self._clock = clock
        self._history = history
        self._slowest, self._slowest_at = 0.0, 0.0
        self.strictness = Strictness()
        self.precedents = Precedents()

    @property
    def lease(self) -> float:
        """
        Seconds for which who works on a record keeps it.

        The slower the store, the longer: what waits in its queue must not lose its lease there, or
        all who wait would claim again and again, and be that queue.
        """
        return min(LEASE + STEPS * self._slowest, window.PERIOD)

    async def _timed(self, call: Awaitable[Value]) -> Value:
        began = self._clock.monotonic()
        value = await call
        now = self._clock.monotonic()
        if now - began >= self._slowest or now - self._slowest_at > RECENT:
            self._slowest, self._slowest_at = now - began, now
        return value

    async def records(self, report_type: str | None = None) -> Sequence[JobRecord]:
        """Return what is remembered, newest first; learn what it tells of the server."""
        now = self._clock.now()
        reading = self._store.records(self._account, now=now, report_type=report_type)
        records = await self._timed(reading)
        for record in records:
            self.strictness.learn(record.list_refused_at, now=now)
            for one in self.precedents.read(record.others_took):
                self._history.learn(one.report_type, one.request_id, one.seconds, at=one.at)
            if record.request_id and record.submitted_at and record.generated_at:
                took = (record.generated_at - record.submitted_at).total_seconds()
                at = record.submitted_at.timestamp()
                self._history.learn(record.report_type, record.request_id, took, at=at)
        return records

    async def find(self, request_id: str) -> JobRecord | None:
        """Return the record of a request, if it is remembered."""
        return _of(request_id, await self.records())

    async def knew(self, request_id: str) -> bool:
        """Tell whether a request was remembered that is too old by now: the server forgot it."""
        then = self._clock.now() - RETENTION
        return _of(request_id, await self._store.records(self._account, now=then)) is not None

    async def reserve(
        self, *, report_type: str, version: str, filters: str, owner: str
    ) -> tuple[JobRecord, bool]:
        """Take the hour of a type. Returns who holds it now, and whether that is the new record."""
        now = self._clock.now()
        record = JobRecord(
            key=str(uuid.uuid4()),
            account=self._account,
            market=self._market,
            report_type=report_type,
            version=version,
            filters=filters,
            reserved_at=now,
            holds_until=now + timedelta(seconds=window.PERIOD),
            owner=owner,
            lease_until=now + timedelta(seconds=self.lease),
        )
        holder = await self._timed(self._store.reserve(record, now=now))
        return holder, holder.key == record.key

    async def claim(self, record: JobRecord, *, owner: str, within: float = 0.0) -> bool:
        """Become, or stay, the one who works on a record, for a lease and *within* seconds."""
        now, lease = self._clock.now(), self.lease + within
        return await self._timed(self._store.claim(record.key, owner=owner, now=now, lease=lease))

    async def current(self, record: JobRecord) -> JobRecord | None:
        """Return a record as it stands by now, if it is still there."""
        records = await self.records(record.report_type)
        return next((one for one in records if one.key == record.key), None)

    async def mine(
        self, record: JobRecord, *, owner: str, within: float | None = 0.0
    ) -> JobRecord | None:
        """
        Claim a record and return it as it stands; None where another has gone on with it.

        The lease outlives a call that ends *within* so many seconds; None is as long as any.
        """
        longest = LONGEST_CALL if within is None else min(within, LONGEST_CALL)
        if not await self.claim(record, owner=owner, within=longest):
            return None
        try:
            current = await self.current(record)
        except StoreError:
            return record  # what needs the store fails by itself
        # Our lease may have ended, and another's after it: then the id is there by now.
        return current if current is not None and current.request_id is None else None

    async def give_back(self, record: JobRecord, *, owner: str) -> None:
        """Give the hour back, unless another has gone on with the record."""
        try:
            if await self.mine(record, owner=owner) is not None:
                await self.release(record)
        except StoreError as exc:
            logger.warning("%s: its hour cannot be given back: %s", record.report_type, exc)

    async def sending(self, record: JobRecord, *, within: float | None) -> JobRecord:
        """
        Write down that the create call goes out now: from here on, something may have been made.

        Its hour may begin at any moment until the call is over, within so many seconds. A first
        time of sending stays: what is looked for may be as old as that.
        """
        now = self._clock.now()
        longest = LONGEST_CALL if within is None else min(within, LONGEST_CALL)
        sent = evolve(
            record,
            sent_at=record.sent_at or now,
            holds_until=now + timedelta(seconds=window.PERIOD + longest),
        )
        await self.save(sent)
        return sent

    async def to_send(
        self, record: JobRecord, *, owner: str, within: float | None
    ) -> JobRecord | None:
        """
        Write down that the create goes out now, with a lease that outlives the call.

        None where another has gone on with the record.

        Raises:
            StoreError: Too slow: the hour would be half over. Nothing may be sent.
        """
        start = began = self._clock.monotonic()
        lease = self.lease
        mine = await self.mine(record, owner=owner, within=within)
        if mine is None or mine.sent_at != record.sent_at:
            return None
        sent = await shielded(self.sending(mine, within=within))
        while (now := self._clock.monotonic()) - began > lease / 2:
            if now - start > window.PERIOD / 2:
                raise StoreError(
                    f"{record.report_type}: the store took {now - start:.0f} s to get ready for "
                    "its create call. That was not sent: ask again when the store is quicker.",
                    report_type=record.report_type,
                )
            # Our lease may have ended before that was written. Who claimed the record meanwhile
            # did not see it, and may have sent; what that one wrote, we may have written over.
            current = await self.current(sent)
            kept = current is not None and current.owner == owner
            began, lease = self._clock.monotonic(), self.lease
            if not kept or await self.mine(sent, owner=owner, within=within) is None:
                return None
        return sent

    async def confirm(self, record: JobRecord, request: ReportRequest) -> JobRecord:
        """Write the id down. The hour counts from the reply's arrival: never too early."""
        now = self._clock.now()
        return await self._confirmed(
            record, request, since=now, until=now + timedelta(seconds=window.PERIOD)
        )

    async def adopt(self, record: JobRecord, request: ReportRequest, *, skew: Skew) -> JobRecord:
        """Write the id down that the server's list told; the hour counts from its submission."""
        submitted = self._clock.now()
        if request.submitted_at is not None:
            submitted = skew.to_local(request.submitted_at)
        until = _opening(submitted, skew)
        return await self._confirmed(record, request, since=submitted, until=until)

    async def _confirmed(
        self, record: JobRecord, request: ReportRequest, *, since: datetime, until: datetime
    ) -> JobRecord:
        confirmed = evolve(
            record,
            status=of_request(request.status),
            request_id=request.request_id,
            submitted_at=request.submitted_at,
            received_at=since,
            generated_at=request.generated_at,
            holds_until=until,
        )
        await self.save(confirmed)
        return confirmed

    async def release(self, record: JobRecord) -> None:
        """Give the hour back: surely nothing was made."""
        await self._store.delete(record.key)

    async def save(self, record: JobRecord) -> None:
        """Write a record down."""
        await self._timed(self._store.save(record, now=self._clock.now()))

    async def note(self, record: JobRecord) -> JobRecord:
        """
        Write down how a request goes on, and what was learned of the server's list meanwhile.

        Returns what was written.

        Its hour may have been corrected since *record*.
        """
        try:
            stored = await self.current(record)
        except StoreError:
            stored = None  # a store that is down keeps nobody from going on
        if stored is not None:
            record = evolve(record, holds_until=stored.holds_until, others_took=stored.others_took)
        told = self.precedents.told(record.others_took)
        record = evolve(record, list_refused_at=self.strictness.refused_at, others_took=told)
        try:
            await self.save(record)
        except BaseException:
            self.precedents.untold(told)
            raise
        return record

    async def remember(
        self,
        request: ReportRequest,
        *,
        report_type: str,
        version: str,
        filters: str | None,
        skew: Skew,
        foreign: bool,
    ) -> JobRecord:
        """
        Write down a request that the server told of: one of another program, or one resumed.

        It holds the hour from its submission by the server's clock.
        """
        now = self._clock.now()
        submitted = now if request.submitted_at is None else skew.to_local(request.submitted_at)
        record = JobRecord(
            key=f"request:{request.request_id}",
            account=self._account,
            market=self._market,
            report_type=report_type,
            version=version,
            filters=filters,
            status=of_request(request.status),
            reserved_at=submitted,
            holds_until=_opening(submitted, skew),
            sent_at=submitted,
            request_id=request.request_id,
            submitted_at=request.submitted_at,
            received_at=submitted,
            generated_at=request.generated_at,
            foreign=foreign,
        )
        await self.save(record)
        return record

    async def extend(self, record: JobRecord, request: ReportRequest, *, skew: Skew) -> None:
        """Correct the hour of a record by the submission date that the server tells."""
        if request.submitted_at is not None:
            opening = _opening(skew.to_local(request.submitted_at), skew)
            await self.save(evolve(record, holds_until=opening))

    def wait(self, record: JobRecord) -> float:
        """Return the seconds until the hour that *record* holds opens."""
        return window.wait(record, now=self._clock.now())

    def opening(self, record: JobRecord) -> datetime:
        """Return when the hour that *record* holds opens, by our clock."""
        return self._clock.now() + timedelta(seconds=self.wait(record))


def _opening(submitted: datetime, skew: Skew) -> datetime:
    # Where the clocks leave a doubt, the later end: an early request is a refused one.
    return submitted + timedelta(seconds=window.PERIOD + skew.within) + MARGIN


def _of(request_id: str, records: Sequence[JobRecord]) -> JobRecord | None:
    return next((record for record in records if record.request_id == request_id), None)
