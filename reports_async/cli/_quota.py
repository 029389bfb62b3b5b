"""
The command quota: when does each report type's hour open, as far as can be known.

Known are this machine's reservations and the server's list, which has other programs' requests too.
It only looks; who may request is decided by the store, when a report is requested.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click
from attrs import frozen

from reports_async._exceptions import InvalidRequest
from reports_async._sansio.window import PERIOD

from . import _options as options
from ._exits import TABLE
from ._format import duration, iso, local
from ._reporters import emit, print_table
from ._run import run
from ._session import open_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

    from reports_async._client import ReportsClient
    from reports_async._models import JobRecord, ReportRequest
    from reports_async.abc import Clock

    from ._options import Connection

HOUR: Final = timedelta(seconds=PERIOD)


@frozen(kw_only=True)
class Hour:
    """The hour of a type: when it opens, by our clock, and who took it. None: it is open."""

    report_type: str
    opens_at: datetime | None = None
    taken_by: str = ""


@click.command("quota", epilog=TABLE)
@click.argument("types", metavar="[TYPE...]", nargs=-1, shell_complete=options.complete_types)
@options.as_json
@options.connection
def quota_command(connection: Connection, /, types: tuple[str, ...], *, as_json: bool) -> None:
    """
    Show when the hour of each report type opens: one request per type per hour.

    Asks this machine's store and the server's list, where other programs' requests are too.
    Without TYPE, shows the types that are not open.
    """
    hours, now = run(partial(_quota, connection, types))
    if as_json:
        for hour in hours:
            emit(_hour_object(hour, now))
        return
    fast = connection.speed is not None
    rows = [(hour.report_type, _words(hour, now, fast=fast), hour.taken_by) for hour in hours]
    print_table(("TYPE", "HOUR", "TAKEN BY"), rows, nothing="Every type's hour is open.")


def _words(hour: Hour, now: datetime, *, fast: bool) -> str:
    if hour.opens_at is None:
        return "open"
    # On a fast clock the time of day is nobody's.
    at = "" if fast else f", at {local(hour.opens_at)}"
    return f"opens in {duration((hour.opens_at - now).total_seconds())}{at}"


def _hour_object(hour: Hour, now: datetime) -> dict[str, Any]:
    left = 0.0 if hour.opens_at is None else (hour.opens_at - now).total_seconds()
    return {
        "report_type": hour.report_type,
        "open": hour.opens_at is None,
        "opens_at": iso(hour.opens_at),
        "opens_in": round(left),
        "taken_by": hour.taken_by or None,
    }


async def _quota(connection: Connection, types: Iterable[str]) -> tuple[list[Hour], datetime]:
    wanted = list(dict.fromkeys(types))
    async with open_session(connection) as session:
        client = await session.client(connection.market_of(wanted[0] if wanted else None))
        records = await client.jobs()
        known = wanted or sorted({record.report_type for record in records})
        entries = [entry async for entry in _recent(client, session.clock, known)]
        now = session.clock.now()
        taken = [*_of_entries(entries, client), *_of_records(records)]
    return pick(taken, wanted, now), now


def pick(taken: Iterable[Hour], wanted: Sequence[str], now: datetime) -> list[Hour]:
    """Return the hours that were asked for; without any, those that are not open."""
    hours = {name: Hour(report_type=name) for name in wanted}
    ahead = [hour for hour in taken if hour.opens_at is not None and hour.opens_at > now]
    # Sorted, so that the last word on a type is the latest opening.
    for hour in sorted(ahead, key=lambda hour: hour.opens_at or now):
        hours[hour.report_type] = hour
    return [hours[name] for name in wanted or sorted(hours)]


async def _recent(
    client: ReportsClient, clock: Clock, types: Iterable[str]
) -> AsyncIterator[ReportRequest]:
    """Iterate the server's requests of the last hour: one list for all, where it gives that."""
    try:
        async for entry in _last_hour(client, clock, None):
            yield entry
    except InvalidRequest:
        # "The US and supplier specs call reportType required": then type by type.
        for report_type in types:
            async for entry in _last_hour(client, clock, report_type):
                yield entry


async def _last_hour(
    client: ReportsClient, clock: Clock, report_type: str | None
) -> AsyncIterator[ReportRequest]:
    async for entry in client.list_requests(report_type=report_type):
        opens_at = _opening(entry, client)
        if opens_at is not None and opens_at < clock.now():
            return  # newest first: the rest would only cost calls
        yield entry


def _opening(entry: ReportRequest, client: ReportsClient) -> datetime | None:
    return None if entry.submitted_at is None else client.local_time(entry.submitted_at) + HOUR


def _of_entries(entries: Iterable[ReportRequest], client: ReportsClient) -> Iterator[Hour]:
    for entry in entries:
        yield Hour(
            report_type=entry.report_type or "?",
            opens_at=_opening(entry, client),
            taken_by=entry.request_id,
        )


def _of_records(records: Iterable[JobRecord]) -> Iterator[Hour]:
    for record in records:
        taken_by = record.request_id or "this machine; nobody knows the request's id yet"
        yield Hour(report_type=record.report_type, opens_at=record.holds_until, taken_by=taken_by)
