"""
Which request is the same as which: to join, to reuse, or to adopt after a lost reply.

Identity = account, type, version and filters. Records are of one account and type, newest first;
server entries are of one type. What to do about a match is `_submit`'s business.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from reports_async._models import JobStatus, RequestStatus

from .endpoints import same_filters
from .lifecycle import TERMINAL

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from reports_async._models import JobRecord, ReportRequest

FAILED: Final = frozenset({JobStatus.FAILED, JobStatus.EXPIRED})

TOLERANCE: Final = timedelta(minutes=2)
"""How far a submission date may lie before our create: whole seconds, and a guessed skew."""

OTHERS: Final = frozenset({"SC", "SCHEDULER"})
"""Who makes requests besides programs: people in Seller Center, and schedules."""


def in_flight(
    records: Iterable[JobRecord], *, version: str, filters: str, since: datetime
) -> JobRecord | None:
    """
    Return the newest identical request that can be joined, or None.

    In flight = not terminal, made through this store, and submitted after *since* (our clock); an
    older one goes on only when it is resumed by its id.
    """
    for record in records:
        if (
            not record.foreign
            and record.status not in TERMINAL
            and (record.version, record.filters) == (version, filters)
            and (record.received_at or record.reserved_at) > since
        ):
            return record
    return None


def reusable(
    records: Iterable[JobRecord], *, version: str, filters: str, since: datetime
) -> JobRecord | None:
    """Return the newest identical request, running or READY, submitted at *since* or later."""
    for record in records:
        if (
            record.request_id is not None
            and record.status not in FAILED
            and (record.version, record.filters) == (version, filters)
            and (record.received_at or record.reserved_at) >= since
        ):
            return record
    return None


def listed(
    entries: Iterable[ReportRequest], *, version: str, filters: str, since: datetime
) -> ReportRequest | None:
    """
    Return the newest entry of the server's list that is identical and not failed, or None.

    *since* is by the server's clock. Entries carry no filters, or a payload that tells them.
    """
    fits = [
        entry
        for entry in entries
        if entry.status is not RequestStatus.ERROR
        and entry.version == version
        and same_filters(filters, entry.payload)
        and entry.submitted_at is not None
        and entry.submitted_at >= since
    ]
    return _newest(fits)


def made_by(
    entries: Iterable[ReportRequest],
    *,
    known: AbstractSet[str],
    version: str,
    filters: str,
    sent_at: datetime,
) -> ReportRequest | None:
    """
    Return the request that a create without an answer has made, or None.

    It is of our version, its id is new to us, a program made it, and it was submitted since
    *sent_at* (server's clock). Where it carries a payload, that must be ours; where it carries none
    it still is ours: within the hour there is no other.
    """
    fits = [
        entry
        for entry in entries
        if entry.request_id not in known
        and (entry.source or "").upper() not in OTHERS
        and entry.version in (version, None)
        and (entry.payload is None or same_filters(filters, entry.payload))
        and (entry.submitted_at is None or entry.submitted_at >= sent_at - TOLERANCE)
    ]
    return _newest(fits)


def hour_holder(entries: Iterable[ReportRequest], *, since: datetime) -> ReportRequest | None:
    """Return the newest request of a type, submitted after *since* (server's clock), or None."""
    return _newest(
        [
            entry
            for entry in entries
            if entry.submitted_at is not None and entry.submitted_at > since
        ]
    )


def _newest(entries: list[ReportRequest]) -> ReportRequest | None:
    # Newest first is what the server does, but nobody promised it. Undated ones sort last.
    dated = sorted(
        entries, key=lambda entry: entry.submitted_at.timestamp() if entry.submitted_at else 0.0
    )
    return dated[-1] if dated else None
