"""
Follow jobs to their ends while a reporter tells of them, and say how the run ended.

Shared by the commands that leave files: fetch, download and resume.
"""

from __future__ import annotations

import errno
import shlex
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import anyio
import click
from attrs import define, field

from reports_async._exceptions import ReportsError

from ._exits import Exit, Interrupted, resumable, summary
from ._progress import Row
from ._reporters import Steadfast, emit, error_object, make_reporter
from ._run import run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from pathlib import Path

    from reports_async._job import ReportJob
    from reports_async.abc import Clock

    from ._options import Connection
    from ._reporters import Reporter

REFRESH: Final = 0.125  # seconds between two frames


@define(eq=False, kw_only=True)
class Work:
    """
    One run: its reports, how to show them, and how another run can go on with them.

    `resumable` is False where the requests end with the program (the inner simulator's). `lost` is
    what kept the run from telling how it went.
    """

    connection: Connection
    directory: Path
    as_json: bool = False
    resumable: bool = True
    rows: list[Row] = field(factory=list[Row])
    lost: OSError | None = field(default=None, init=False)

    def run(self, main: Callable[[], Awaitable[None]]) -> Exit:
        """
        Run *main*, which calls `follow`; a signal ends it, and the requests are told.

        Raises:
            BrokenPipeError, ReportsError: The reports are done, but that could not be told.
        """
        try:
            run(main)
        except Interrupted as stop:
            self._tell_interrupted(stop)
            return stop.code
        if self.resumable and not self.as_json:
            self._advise(self._to_go_on())
        if self.lost is not None:
            if self.lost.errno == errno.EPIPE:
                raise self.lost  # nobody reads on: click ends the program without a word
            raise ReportsError(f"What became of the reports could not be told: {self.lost}.")
        return summary(row.error for row in self.rows if row.error is not None)

    async def follow(self, jobs: Sequence[tuple[str, ReportJob]], clock: Clock) -> None:
        """Wait for all jobs, given with their markets; a failing one stops or hides no other."""
        self.rows = [
            Row(job.report_type or "", job.request_id, market=market) for market, job in jobs
        ]
        reporter = Steadfast(
            make_reporter(
                self.rows,
                clock=clock,
                fast=self.connection.speed is not None,
                as_json=self.as_json,
                plain=self.connection.verbose,
            )
        )
        with reporter:
            async with anyio.create_task_group() as group:
                for row, (_, job) in zip(self.rows, jobs, strict=True):
                    group.start_soon(_follow, row, job, reporter)
                group.start_soon(_draw, self.rows, reporter)
        self.lost = reporter.lost

    def _tell_interrupted(self, stop: Interrupted) -> None:
        left = [row for row in self.rows if not row.phase.over]
        if self.as_json:
            for row in left:
                emit(error_object(stop, row))
            return
        _say(str(stop))
        if not self.resumable:
            _say("The simulator ends here; its requests are gone with it.")
            return
        self._advise([*self._to_go_on(), *((row.market, row.request_id) for row in left)])
        if names := [row.report_type for row in left if row.request_id is None]:
            _say(f"Without a request id so far: {', '.join(names)}. Fetch again.")

    def _to_go_on(self) -> list[tuple[str, str | None]]:
        return [
            (row.market, row.error.request_id)
            for row in self.rows
            if row.error is not None and resumable(row.error)
        ]

    def _advise(self, requests: Iterable[tuple[str, str | None]]) -> None:
        known: dict[str, list[str]] = {}
        for market, request_id in requests:
            if request_id is not None:
                known.setdefault(market, []).append(request_id)
        if known:
            _say("The requests live on for 30 days. Go on with:")
        for market, request_ids in known.items():
            options = self.connection.to(market).arguments()
            command = ["reports-async", "download", *request_ids, *options]
            command += ["--directory", str(self.directory)]
            _say(f"  {shlex.join(command)}")


def _say(line: str) -> None:
    with suppress(OSError):
        click.echo(line, err=True)


async def _follow(row: Row, job: ReportJob, reporter: Reporter) -> None:
    async for event in job.events():
        words = row.apply(event, tick=time.monotonic())
        if words is not None:
            reporter.step(row, words)
    try:
        row.finish(await job)
    except ReportsError as error:
        row.fail(error)
    except Exception as error:  # noqa: BLE001 -- one job's bug must not cost the others their files
        row.fail(ReportsError(f"{row.report_type}: {error!r}", request_id=row.request_id))
    reporter.ended(row)


async def _draw(rows: Sequence[Row], reporter: Reporter) -> None:
    while not all(row.phase.over for row in rows):
        reporter.refresh()
        await anyio.sleep(REFRESH)
