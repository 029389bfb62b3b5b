"""
What a run shows while it works, and what it leaves on stdout: paths, or one JSON object a report.

Progress goes to stderr, results go to stdout. Errors are one line each.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, Self

import click
from rich.console import Console

from ._display import Board, LiveDisplay
from ._exits import code_of, message
from ._format import duration, iso, local, table

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from reports_async._exceptions import ReportsError
    from reports_async._models import Report
    from reports_async.abc import Clock

    from ._progress import Row

FOOTER = "Ctrl-C stops the waiting, not the requests: each can be resumed by its id."


class Reporter(Protocol):
    """Tells the user how a run goes, from entering to leaving."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(self, *exc_info: object) -> None:
        """End, on whatever way; the terminal is as it was."""
        ...

    def step(self, row: Row, words: str) -> None:
        """Tell a step of one report."""
        ...

    def ended(self, row: Row) -> None:
        """Tell that one report is there, or failed."""
        ...

    def refresh(self) -> None:
        """Draw the present, where there is a picture."""
        ...


def report_object(report: Report) -> dict[str, Any]:
    """Return a report for machines."""
    return {
        "report_type": report.report_type,
        "version": report.version,
        "request_id": report.request_id,
        "path": str(report.path),
        "size": report.size,
        "submitted_at": iso(report.submitted_at),
        "generated_at": iso(report.generated_at),
        "expires_at": iso(report.expires_at),
    }


def error_object(error: ReportsError, row: Row | None = None) -> dict[str, Any]:
    """Return an error for machines; `retry_at` only where one is known."""
    found: dict[str, Any] = {
        "report_type": error.report_type or (row and row.report_type) or None,
        "request_id": error.request_id or (row and row.request_id),
        "error": message(error),
        "error_type": type(error).__name__,
        "exit_code": int(code_of(error)),
    }
    if (retry_at := getattr(error, "retry_at", None)) is not None:
        found["retry_at"] = iso(retry_at)
    return found


def emit(document: dict[str, Any]) -> None:
    """Write one JSON object as one line on stdout."""
    click.echo(json.dumps(document))


def complain(error: ReportsError) -> None:
    """Write an error as one line on stderr."""
    click.echo(f"Error: {message(error)}", err=True)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, nothing: str) -> None:
    """Write aligned columns on stdout; without rows, say so on stderr."""
    if not rows:
        click.echo(nothing, err=True)
        return
    for line in table(header, rows):
        click.echo(line)


class _Quiet:
    """Nothing in between."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None: ...

    def step(self, row: Row, words: str) -> None: ...

    def ended(self, row: Row) -> None:
        if row.report is not None:
            click.echo(str(row.report.path))
        if row.error is not None:
            complain(row.error)

    def refresh(self) -> None: ...


class JSONLines(_Quiet):
    """One object per report, as it ends; nothing in between."""

    def ended(self, row: Row) -> None:
        if row.report is not None:
            emit(report_object(row.report))
        if row.error is not None:
            emit(error_object(row.error, row))


class PlainLines(_Quiet):
    """
    One line per step, for logs and pipes.

    Each begins with the time of day; on a fast clock, where that is nobody's, with the time since
    the start.
    """

    def __init__(self, clock: Clock, *, fast: bool) -> None:
        self._clock = clock
        self._start = clock.now() if fast else None

    def step(self, row: Row, words: str) -> None:
        now = self._clock.now()
        if self._start is None:
            when = local(now)
        else:
            when = f"+{duration((now - self._start).total_seconds())}"
        click.echo(f"{when} {row.report_type}: {words}", err=True)


class LiveBoard(_Quiet):
    """The live display on stderr; results and errors below it, when it is over."""

    def __init__(self, board: Board, console: Console) -> None:
        self._rows: Sequence[Row] = board.rows
        self._display = LiveDisplay(board, console)

    def __enter__(self) -> Self:
        self._display.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._display.__exit__(*exc_info)
        for row in self._rows:
            super().ended(row)

    def ended(self, row: Row) -> None:  # noqa: ARG002 -- the board reads the row itself
        self.refresh()

    def refresh(self) -> None:
        self._display.refresh()


class Steadfast:
    """
    A reporter that no report depends on: where nobody reads on, or a disk is full, it falls silent.

    `lost` is what kept it from writing, if anything did.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self.lost: OSError | None = None

    def __enter__(self) -> Self:
        with self._silently():
            self._reporter.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        with self._silently():
            self._reporter.__exit__(*exc_info)

    def step(self, row: Row, words: str) -> None:
        if self.lost is None:
            with self._silently():
                self._reporter.step(row, words)

    def ended(self, row: Row) -> None:
        # Whoever does not read the steps may read the results.
        with self._silently():
            self._reporter.ended(row)

    def refresh(self) -> None:
        if self.lost is None:
            with self._silently():
                self._reporter.refresh()

    @contextmanager
    def _silently(self) -> Generator[None]:
        try:
            yield
        except OSError as exc:
            self.lost = self.lost or exc


def make_reporter(
    rows: Sequence[Row],
    *,
    clock: Clock,
    fast: bool,
    as_json: bool,
    plain: bool = False,
    tick: Callable[[], float] = time.monotonic,
) -> Reporter:
    """Return the reporter that fits what stderr is, and what was asked for."""
    if as_json:
        return JSONLines()
    console = Console(file=sys.stderr, highlight=False)
    if plain or not console.is_terminal or console.is_dumb_terminal:
        return PlainLines(clock, fast=fast)
    return LiveBoard(Board(rows=rows, clock=clock, tick=tick, fast=fast, footer=FOOTER), console)
