"""Tests of following jobs and of what a run leaves on its two streams."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import sys
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import anyio
import pytest
from rich.console import Console

from reports_async._exceptions import ReportsError, ReportTimedOut, TransportError
from reports_async._models import Report
from reports_async._sansio import events as ev
from reports_async.cli import _reporters, _work
from reports_async.cli._display import Board
from reports_async.cli._exits import Exit
from reports_async.cli._options import Connection
from reports_async.cli._progress import Row
from reports_async.cli._work import Work

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)


class StillClock:
    def now(self):
        return NOW


def report(name):
    return Report(
        path=Path(f"{name}.csv"),
        report_type=name,
        version="v1",
        request_id=f"r-{name}",
        submitted_at=NOW,
        generated_at=None,
        expires_at=NOW + timedelta(days=30),
        size=1,
    )


class FakeJob:
    """A job that is over: its events, then its outcome."""

    request_id = None

    def __init__(self, name, outcome, *, market="us"):
        self.report_type = name
        self.outcome = outcome
        self.market = market

    async def events(self):
        stamp = {"at": NOW, "report_type": self.report_type}
        request_id = f"r-{self.report_type}"
        yield ev.Reserved(**stamp)
        yield ev.Accepted(**stamp, request_id=request_id, origin="created", submitted_at=NOW)
        yield ev.JobEvent(**stamp)

    def __await__(self):
        yield from anyio.lowlevel.checkpoint().__await__()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def run(*jobs, **options):
    work = Work(connection=Connection(), directory=Path(), **options)

    async def main():
        await work.follow([(job.market, job) for job in jobs], StillClock())

    return work.run(main)


def test_a_good_run(capsys):
    """
    Steps go to stderr with the time of day, paths to stdout.
    """
    assert Exit.DONE is run(FakeJob("ITEM", report("ITEM")))

    output, errors = capsys.readouterr()
    assert "ITEM.csv\n" == output
    assert re.fullmatch(
        r"\d\d:00:00 ITEM: sending the request\n\d\d:00:00 ITEM: requested, id r-ITEM\n", errors
    )


def test_a_bug_costs_one_report(capsys):
    """
    An unforeseen error of one job is told like the others, and costs no other report.
    """
    code = run(FakeJob("ITEM", ZeroDivisionError("oh")), FakeJob("CPA", report("CPA")))

    output, errors = capsys.readouterr()
    assert (Exit.FAILED, "CPA.csv\n") == (code, output)
    assert "Error: ITEM: ZeroDivisionError('oh')\n" in errors


@pytest.mark.parametrize(
    "error",
    [
        ReportTimedOut("late", limit="link", waited=1.0, request_id="r-ITEM"),
        TransportError("broken", request_id="r-ITEM"),
    ],
)
def test_what_can_go_on(capsys, error):
    """
    Where only our waiting ended, the line that goes on is told, unless the simulator was ours.
    """
    run(FakeJob("ITEM", error))
    run(FakeJob("ITEM", error), resumable=False)

    errors = capsys.readouterr().err
    assert 1 == errors.count("  reports-async download r-ITEM --directory .\n")
    assert 2 == errors.count("Error: ")


def test_what_can_go_on_in_several_markets(capsys):
    """
    There is one line for each market, which names it unless it is taken anyway.
    """
    names = {"ITEM": "us", "ITEM_MX": "mx", "CPA": "us"}
    late = {name: TransportError("broken", request_id=f"r-{name}") for name in names}
    run(*(FakeJob(name, late[name], market=market) for name, market in names.items()))

    assert capsys.readouterr().err.endswith(
        "Go on with:\n"
        "  reports-async download r-ITEM r-CPA --directory .\n"
        "  reports-async download r-ITEM_MX --market mx --directory .\n"
    )


class Full(StringIO):
    """A stream that cannot be written: the disk is full, or nobody reads on."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    def write(self, _text):
        raise OSError(self.number, os.strerror(self.number))


class Followed(FakeJob):
    """A job that knows whether it was followed to its end."""

    done = False

    def __await__(self):
        found = yield from super().__await__()
        self.done = True
        return found


@pytest.mark.parametrize("options", [{}, {"as_json": True}])
@pytest.mark.parametrize(
    ("number", "error", "message"),
    [
        (errno.EPIPE, BrokenPipeError, "Broken pipe"),
        (errno.ENOSPC, ReportsError, "could not be told: .*No space left"),
    ],
)
def test_nobody_reads_on(monkeypatch, options, number, error, message):
    """
    Where the results cannot be told, all reports are fetched all the same; then it is an error.
    """
    monkeypatch.setattr(sys, "stdout", Full(number))
    jobs = [Followed(name, report(name)) for name in ("ITEM", "CPA", "PROMO")]

    with pytest.raises(error, match=message):
        run(*jobs, **options)

    assert [True, True, True] == [job.done for job in jobs]


def test_nobody_reads_the_steps(monkeypatch, capsys):
    """
    Where the steps cannot be told, the results are, and what can go on is no second error.
    """
    late = TransportError("broken", request_id="r-CPA")
    monkeypatch.setattr(sys, "stderr", Full(errno.ENOSPC))

    with pytest.raises(ReportsError, match="could not be told"):
        run(FakeJob("ITEM", report("ITEM")), FakeJob("CPA", late))

    assert "ITEM.csv\n" == capsys.readouterr().out


class Broken:
    """A display that cannot be drawn."""

    def __init__(self):
        self.drawn = 0

    def __enter__(self):
        return self

    def __exit__(self, *_exc_info): ...

    def step(self, row, words): ...

    def ended(self, row): ...

    def refresh(self):
        self.drawn += 1
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_a_picture_that_nobody_sees(monkeypatch):
    """
    A display that cannot be drawn is not drawn again, and costs no report.
    """
    display = Broken()
    monkeypatch.setattr(_work, "make_reporter", lambda *_args, **_options: display)
    monkeypatch.setattr(_work, "REFRESH", 0.0)
    job = Followed("ITEM", report("ITEM"))

    with pytest.raises(BrokenPipeError):
        run(job)

    assert (1, True) == (display.drawn, job.done)


class StoppedJob(FakeJob):
    """A job during which somebody presses Ctrl-C."""

    async def events(self):
        yield ev.Reserved(at=NOW, report_type=self.report_type)
        os.kill(os.getpid(), signal.SIGINT)
        await anyio.sleep_forever()


def test_stopped(capsys):
    """
    Ctrl-C is told in plain words; what is late already is among what can go on.
    """
    late = ReportTimedOut("late", limit="link", waited=1.0, request_id="r-CPA")
    code = run(FakeJob("CPA", late), StoppedJob("ITEM", None))

    errors = capsys.readouterr().err
    assert Exit.INTERRUPTED is code
    assert "Interrupted.\n" in errors
    assert "  reports-async download r-CPA --directory .\n" in errors
    assert errors.endswith("Without a request id so far: ITEM. Fetch again.\n")


def test_stopped_with_its_simulator(capsys):
    """
    The requests of the inner simulator end with it: there is nothing to go on with.
    """
    assert Exit.INTERRUPTED is run(StoppedJob("ITEM", None), resumable=False)
    assert capsys.readouterr().err.endswith("its requests are gone with it.\n")


def test_stopped_for_machines(capsys):
    """
    With --json, an interruption is an error object for each report that is not there.
    """
    assert Exit.INTERRUPTED is run(StoppedJob("ITEM", None), as_json=True)
    assert "Interrupted" == json.loads(capsys.readouterr().out)["error_type"]


def test_the_live_board():
    """
    On a terminal the board is drawn while reports are under way, and results come below it.
    """
    file = StringIO()
    row = Row("ITEM")
    console = Console(file=file, width=80, force_terminal=True, color_system=None)
    board = Board(rows=[row], clock=StillClock(), tick=lambda: 0.0)
    with _reporters.LiveBoard(board, console) as reporter:
        reporter.step(row, "words that the board does not need")
        row.finish(report("ITEM"))
        reporter.ended(row)
        during = file.getvalue()

    assert "starting" in during
    assert "saved" in during
    assert "words" not in during


@pytest.mark.parametrize(
    ("terminal", "term", "options", "kind"),
    [
        (True, "xterm", {}, _reporters.LiveBoard),
        (True, "dumb", {}, _reporters.PlainLines),
        (False, "xterm", {}, _reporters.PlainLines),
        (True, "xterm", {"plain": True}, _reporters.PlainLines),
        (True, "xterm", {"as_json": True}, _reporters.JSONLines),
    ],
)
def test_which_reporter(monkeypatch, terminal, term, options, kind):
    """
    The board is for terminals that can draw it, and for runs that do not log.
    """
    file = StringIO()
    file.isatty = lambda: terminal
    monkeypatch.setattr("sys.stderr", file)
    monkeypatch.setenv("TERM", term)
    chosen = {"as_json": False, **options}

    reporter = _reporters.make_reporter([], clock=StillClock(), fast=False, **chosen)

    assert kind is type(reporter)


def test_frames_are_calm():
    """
    The board is drawn eight times a second.
    """
    assert 1 / 8 == _work.REFRESH
