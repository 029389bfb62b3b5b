"""Commands that leave files: fetch, download and resume. `_work` follows their jobs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from attrs import frozen

from reports_async._models import RETENTION, Timeouts
from reports_async._sansio.lifecycle import TERMINAL

from . import _options as options
from ._exits import TABLE, Exit
from ._session import open_session
from ._simulate import LEAST_ROWS, simulated
from ._work import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    from reports_async._client import ReportsClient
    from reports_async._job import ReportJob
    from reports_async._models import JobRecord, OnLimit

    from ._options import Connection
    from ._session import Session

# "Generation takes up to 45 minutes"; longer has been seen.
PATIENCE: Final = "90m"

_directory = click.option(
    "--directory",
    "-d",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    metavar="DIR",
    help="Where the files go; made if it is not there. Without it, the current directory.",
)
_json = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object per report on stdout, nothing else."
)
_timeout = click.option(
    "--timeout",
    metavar="TIME",
    default=PATIENCE,
    show_default=True,
    callback=options.limit,
    help="How long a report may take to be generated: 90m, 2h, or none for no limit.",
)


@frozen(kw_only=True)
class _Wish:
    """What `fetch` asks for, for each type alike."""

    types: tuple[str, ...]
    version: str | None
    max_age: float | None
    on_limit: OnLimit
    fresh: bool


@click.command("fetch", epilog=TABLE)
@click.argument(
    "types", metavar="TYPE...", nargs=-1, required=True, shell_complete=options.complete_types
)
@click.option("--version", metavar="V", help="The report version, e.g. v1; else the newest known.")
@_directory
@click.option(
    "--max-age",
    metavar="TIME",
    callback=options.duration,
    help="Take a report of that age or younger, if there is one, and make no request: 6h, 2d.",
)
@click.option(
    "--on-limit",
    type=click.Choice(("wait", "raise", "reuse")),
    default="wait",
    show_default=True,
    help="While the hour of a type is taken: wait, fail at once, or take what took it.",
)
@click.option("--fresh", is_flag=True, help="Do not join the same request where one is in flight.")
@_timeout
@_json
@click.option("--simulate", is_flag=True, help="Try it out: against a simulator inside, fast.")
@click.option(
    "--rows",
    type=click.IntRange(min=LEAST_ROWS),
    metavar="N",
    help=f"With --simulate: rows of a report, {LEAST_ROWS} at least.",
)
@options.connection
def fetch_command(
    connection: Connection,
    /,
    *,
    directory: Path,
    timeout: float | None,
    as_json: bool,
    simulate: bool,
    rows: int | None,
    **wish: Any,
) -> Exit:
    """
    Request reports, wait for them, download, check and unpack them.

    Several types are fetched at the same time. The paths of the CSV files go to stdout, one a
    line; progress goes to stderr. A report takes up to 45 minutes, and each type can be
    requested once an hour: the program waits as long as it must.

    \b
      reports-async fetch ITEM_MX INVENTORY_MX --directory reports
      reports-async fetch ITEM --max-age 6h
      reports-async fetch ITEM_MX --simulate
    """  # noqa: D301 -- that character is click's mark for lines that are not to be rewrapped
    if simulate and connection.base_url is not None:
        raise click.UsageError("--simulate brings its own API: leave out --base-url.")
    if rows is not None and not simulate:
        raise click.UsageError("--rows is for --simulate.")
    timeouts = Timeouts(generation=timeout)
    session: Callable[[Connection], AbstractAsyncContextManager[Session]]
    if simulate:
        connection = connection.faster()
        session = partial(simulated, directory=directory, timeouts=timeouts, rows=rows)
    else:
        session = partial(open_session, directory=directory, timeouts=timeouts)
    work = Work(connection=connection, directory=directory, as_json=as_json, resumable=not simulate)
    return work.run(partial(_fetch, work, session(connection), _Wish(**wish)))


async def _fetch(work: Work, opening: AbstractAsyncContextManager[Session], wish: _Wish) -> None:
    async with opening as session:
        jobs: list[tuple[str, ReportJob]] = []
        for report_type in dict.fromkeys(wish.types):
            market = session.connection.market_of(report_type)
            client = await session.client(market)
            job = client.request_report(
                report_type,
                version=wish.version,
                max_age=wish.max_age,
                on_limit=wish.on_limit,
                fresh=wish.fresh,
            )
            jobs.append((market, job))
        await work.follow(jobs, session.clock)


@click.command("download", epilog=TABLE)
@click.argument("request_ids", metavar="ID...", nargs=-1, required=True)
@_directory
@_timeout
@_json
@options.connection
def download_command(
    connection: Connection,
    /,
    *,
    request_ids: tuple[str, ...],
    directory: Path,
    timeout: float | None,
    as_json: bool,
) -> Exit:
    """
    Go on with requests made earlier, by anyone, up to 30 days ago.

    Waits until they are ready if need be, then downloads, checks and unpacks them. Costs no
    quota: no new request is made.
    """
    work = Work(connection=connection, directory=directory, as_json=as_json)
    opening = open_session(connection, directory=directory, timeouts=Timeouts(generation=timeout))
    return work.run(partial(_download, work, opening, request_ids))


async def _download(
    work: Work, opening: AbstractAsyncContextManager[Session], request_ids: Iterable[str]
) -> None:
    async with opening as session:
        jobs: list[tuple[str, ReportJob]] = []
        for request_id in dict.fromkeys(request_ids):
            market = await session.market_of(request_id)
            client = await session.client(market)
            jobs.append((market, client.resume_report(request_id)))
        await work.follow(jobs, session.clock)


@click.command("resume", epilog=TABLE)
@_directory
@_timeout
@_json
@options.connection
def resume_command(
    connection: Connection, /, *, directory: Path, timeout: float | None, as_json: bool
) -> Exit:
    """
    Go on with all requests of this machine that were not finished.

    After a crash, a restart or Ctrl-C. Nothing to do is no error.
    """
    work = Work(connection=connection, directory=directory, as_json=as_json)
    opening = open_session(connection, directory=directory, timeouts=Timeouts(generation=timeout))
    return work.run(partial(_resume, work, opening))


async def _resume(work: Work, opening: AbstractAsyncContextManager[Session]) -> None:
    async with opening as session:
        jobs = [
            (market, _go_on(await session.client(market), record))
            for market, record in reversed(await session.records())
            if _unfinished(record, session)
        ]
        if not jobs:
            click.echo("Nothing to do: no request of this machine is unfinished.", err=True)
        await work.follow(jobs, session.clock)


def _unfinished(record: JobRecord, session: Session) -> bool:
    if record.foreign or record.status in TERMINAL:
        return False
    if record.request_id is not None:
        return True
    # Not made, or nobody knows: asking for the same again finds out, as long as it is in flight.
    # Only one without filters can be asked for again from here.
    limit = session.timeouts.generation or RETENTION.total_seconds()
    age = (session.clock.now() - record.reserved_at).total_seconds()
    return record.filters == "{}" and age < limit


def _go_on(client: ReportsClient, record: JobRecord) -> ReportJob:
    if record.request_id is None:
        return client.request_report(record.report_type, version=record.version)
    return client.resume_report(record.request_id)
