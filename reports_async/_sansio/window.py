"""
The hourly gate: "any time, one request per report type per hour" (the API's first rule).

Per account and type, whatever the version or filters. These functions are the specification of
`abc.Store`: each store carries them out in one atomic step and must agree with them. They know
nothing of statuses, and do not decide who waits or for how long.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from attrs import evolve

from reports_async._models import RETENTION

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from reports_async._models import JobRecord

PERIOD: Final = 3600.0
"""Seconds between two requests for one report type of one account."""

TOLERANCE: Final = 600.0
"""Seconds that a hold may exceed the period, e.g. for the create call that is still to be made."""


def horizon(*, now: datetime, limit: float = PERIOD) -> datetime:
    """
    Return the instant beyond which a stored end is a stray.

    Nobody reserves further ahead: the clock that said so has been set back since.
    """
    return now + timedelta(seconds=limit + TOLERANCE)


def holder(records: Iterable[JobRecord], *, now: datetime) -> JobRecord | None:
    """
    Return who holds the hour among the records of one account and type; None if it is open.

    Among several it is the one that holds longest. A `holds_until` that a clock set back has left
    too far ahead comes back as one period from *now*: the true end cannot be later than that, and
    a gate that is shut for years helps nobody.
    """
    best: tuple[datetime, str, JobRecord] | None = None
    for record in records:
        until = record.holds_until
        if until is not None and until > now:
            candidate = (until, record.key, record)
            best = candidate if best is None else max(best, candidate, key=lambda entry: entry[:2])
    if best is None:
        return None
    if best[0] > horizon(now=now):
        return evolve(best[2], holds_until=now + timedelta(seconds=PERIOD))
    return best[2]


def wait(record: JobRecord, *, now: datetime) -> float:
    """Return the seconds until a record's hour opens, from 0 to `PERIOD`; then look again."""
    if record.holds_until is None:
        return 0.0
    return min(max((record.holds_until - now).total_seconds(), 0.0), PERIOD)


def reserve(records: Iterable[JobRecord], record: JobRecord, *, now: datetime) -> JobRecord:
    """
    Return the record that holds the hour after *record* asked for it; the store writes that one.

    It is *record* itself where the hour was open. Asking again with the same key while it holds
    the hour gives what is stored, so a call whose outcome got lost may be repeated.
    """
    rivals = (
        other
        for other in records
        if (other.account, other.report_type) == (record.account, record.report_type)
    )
    return holder(rivals, now=now) or record


def claim(record: JobRecord, *, owner: str, now: datetime, lease: float) -> JobRecord | None:
    """
    Return the record as *owner* works on it for *lease* seconds; None if somebody else does.

    A lease that a clock set back has left too far ahead is over: its owner, if alive, learns so
    when it next renews.
    """
    until = record.lease_until
    if (
        record.owner in {None, owner}
        or until is None
        or until <= now
        or until > horizon(now=now, limit=max(lease, PERIOD))
    ):
        return evolve(record, owner=owner, lease_until=now + timedelta(seconds=lease))
    return None


def retained(record: JobRecord, *, now: datetime) -> bool:
    """Tell whether a record is young enough to be of use: the server forgets after 30 days."""
    return record.reserved_at + RETENTION > now
