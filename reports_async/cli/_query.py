"""Commands that only look: list, status and jobs. They request nothing and write no file."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from reports_async._models import RETENTION, RequestStatus
from reports_async._sansio.endpoints import STATUS_FILTERS

from . import _options as options
from ._exits import TABLE
from ._format import iso, stamp
from ._reporters import emit, print_table
from ._run import run
from ._session import open_session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports_async._models import JobRecord, ReportRequest

    from ._options import Connection
    from ._session import Session

# For the difference between the clocks, and for what is submitted while we ask.
MARGIN: Final = timedelta(minutes=5)

LONGEST_UNASKED: Final = 50
"""Requests that `list` shows unasked: five calls, of about twenty that an hour has."""


def _request_object(request: ReportRequest) -> dict[str, Any]:
    return {
        "request_id": request.request_id,
        "report_type": request.report_type,
        "version": request.version,
        "status": request.raw_status,
        "submitted_at": iso(request.submitted_at),
        "generated_at": iso(request.generated_at),
        "expires_at": iso(request.expires_at),
        "source": request.source,
        "description": request.description,
    }


@click.command("list", epilog=TABLE)
@click.option(
    "--type",
    "report_type",
    metavar="TYPE",
    shell_complete=options.complete_types,
    help="Only this report type.",
)
@click.option(
    "--status", type=click.Choice(STATUS_FILTERS, case_sensitive=False), help="Only these."
)
@click.option(
    "--after",
    metavar="TIME",
    callback=options.moment,
    help="Submitted after: 2026-01-31, 2026-01-31T08:00Z, or 2h for two hours ago.",
)
@click.option("--before", metavar="TIME", callback=options.moment, help="Submitted before.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=LONGEST_UNASKED,
    show_default=True,
    help="Show at most so many.",
)
@click.option("--all", "everything", is_flag=True, help="Show all; long lists cost many calls.")
@options.as_json
@options.connection
def list_command(
    connection: Connection, /, *, limit: int, everything: bool, as_json: bool, **filters: Any
) -> None:
    """
    Show the requests of the last 30 days that the server has, newest first, times in UTC.

    Those made in Seller Center, by a schedule or by other programs are among them. Each call
    brings about ten requests, and there are about twenty calls an hour.
    """
    most = None if everything else limit
    found, more = run(partial(_list, connection, most, **filters))
    if as_json:
        for request in found:
            emit(_request_object(request))
        return
    header = ("SUBMITTED", "TYPE", "VERSION", "STATUS", "SOURCE", "REQUEST ID")
    print_table(
        header,
        [
            (
                stamp(request.submitted_at),
                request.report_type or "-",
                request.version or "-",
                request.raw_status,
                request.source or "-",
                request.request_id,
            )
            for request in found
        ],
        nothing="The server has no such requests.",
    )
    if more:
        click.echo(f"There are more than {limit}: see --limit and --all.", err=True)


async def _list(
    connection: Connection,
    most: int | None,
    *,
    report_type: str | None,
    status: str | None,
    after: datetime | timedelta | None,
    before: datetime | timedelta | None,
) -> tuple[list[ReportRequest], bool]:
    found: list[ReportRequest] = []
    async with open_session(connection) as session:
        client = await session.client(connection.market_of(report_type))
        since, until = _dates(session, after, before)
        async for request in client.list_requests(
            report_type=report_type,
            status=None if status is None else RequestStatus(status),
            submitted_after=since,
            submitted_before=until,
        ):
            if most is not None and len(found) == most:
                return found, True
            found.append(request)
    return found, False


def _dates(
    session: Session, after: datetime | timedelta | None, before: datetime | timedelta | None
) -> tuple[datetime | None, datetime | None]:
    # "Start or end date missing" is an error, and so is a "start date older than 30 days".
    if after is None and before is None:
        return None, None
    now = session.clock.now()
    # A simulator's fast clock may be days away from ours.
    after = after or RETENTION - MARGIN
    before = before or (-RETENTION if session.connection.speed else -MARGIN)
    return (
        now - after if isinstance(after, timedelta) else after,
        now - before if isinstance(before, timedelta) else before,
    )


@click.command("status", epilog=TABLE)
@click.argument("request_id", metavar="ID")
@options.as_json
@options.connection
def status_command(connection: Connection, /, request_id: str, *, as_json: bool) -> None:
    """Show one request, by its id."""
    request = run(partial(_status, connection, request_id))
    document = _request_object(request)
    if as_json:
        emit(document)
        return
    width = max(map(len, document))
    for name, value in document.items():
        if value is not None:
            click.echo(f"{name.replace('_', ' ').ljust(width)}  {value}")


async def _status(connection: Connection, request_id: str) -> ReportRequest:
    async with open_session(connection) as session:
        client = await session.client(await session.market_of(request_id))
        return await client.get_request(request_id)


@click.command("jobs", epilog=TABLE)
@options.as_json
@options.connection
def jobs_command(connection: Connection, /, *, as_json: bool) -> None:
    """
    Show the requests that this machine remembers, newest first, times in UTC.

    Nothing is asked of the server.
    """
    records = run(partial(_jobs, connection))
    if as_json:
        for record in records:
            emit(_record_object(record))
        return
    header = ("SUBMITTED", "TYPE", "VERSION", "STATUS", "REQUEST ID", "FILE OR ERROR")
    print_table(
        header,
        [
            (
                stamp(record.submitted_at or record.reserved_at),
                record.report_type,
                record.version,
                record.status,
                record.request_id or "-",
                record.error or record.path or "-",
            )
            for record in records
        ],
        nothing="This machine remembers no requests of this account.",
    )


async def _jobs(connection: Connection) -> Sequence[JobRecord]:
    async with open_session(connection) as session:
        return [record for _, record in await session.records()]


def _record_object(record: JobRecord) -> dict[str, Any]:
    return {
        "report_type": record.report_type,
        "version": record.version,
        "status": record.status,
        "request_id": record.request_id,
        "reserved_at": iso(record.reserved_at),
        "submitted_at": iso(record.submitted_at),
        "generated_at": iso(record.generated_at),
        "hour_opens_at": iso(record.holds_until),
        "path": record.path,
        "error": record.error,
        "foreign": record.foreign,
    }
