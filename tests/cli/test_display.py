"""Tests of the picture: what is drawn of each phase, at each size of terminal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from reports_async._exceptions import ReportFailed
from reports_async._models import Report
from reports_async.cli._display import ASCII, UNICODE, Board, LiveDisplay
from reports_async.cli._format import local
from reports_async.cli._progress import Phase, Row

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)
LATER = NOW + timedelta(minutes=20)
REPORT = Report(
    path=Path("item.csv"),
    report_type="ITEM",
    version="v1",
    request_id="r-1",
    submitted_at=NOW,
    generated_at=None,
    expires_at=NOW + timedelta(days=30),
    size=1_200_000,
)


class StillClock:
    def now(self):
        return NOW


def board(*rows, **options):
    return Board(rows=rows, clock=StillClock(), tick=lambda: 0.25, **options)


def lines(picture, *, width=80, height=40, encoding="utf-8"):
    file = StringIO()
    console = Console(file=file, width=width, height=height, force_terminal=True)
    options = console.options
    options.encoding = encoding
    drawn = console.render_lines(picture, options, pad=False)
    return ["".join(segment.text for segment in line).rstrip() for line in drawn]


def generating(minutes, **more):
    return Row(
        "ITEM",
        "r-1",
        phase=Phase.GENERATING,
        submitted_at=NOW - timedelta(minutes=minutes),
        **more,
    )


ROWS = [
    (Row("ITEM"), "◦ ITEM          starting", ""),
    (
        Row("ITEM", phase=Phase.WAITING, until=LATER),
        "◦ ITEM          waiting      opens in 20:00",
        f"one request per type per hour: this one is taken until {local(LATER)}",
    ),
    (Row("ITEM", phase=Phase.REQUESTING), "⠹ ITEM          requesting", ""),
    (
        Row("ITEM", phase=Phase.CHECKING, note="no answer to the request: reset"),
        "⠹ ITEM          checking",
        "no answer to the request: reset",
    ),
    (generating(20), "⠹ ITEM          generating   20:00 of 45:00", "r-1"),
    (
        generating(20, note="joined a request in flight"),
        "⠹ ITEM          generating   20:00 of 45:00",
        "r-1  joined a request in flight",
    ),
    (
        generating(51),
        "⠹ ITEM          generating   51:00 of 45:00",
        "r-1  longer than usual; still waiting",
    ),
    (Row("ITEM", "r-1", phase=Phase.READY), "⠹ ITEM          ready", "r-1"),
    (
        Row("ITEM", "r-1", phase=Phase.DOWNLOADING, received=1_000_000, total=2_000_000),
        "⠹ ITEM          downloading  1.0 of 2.0 MB",
        "r-1",
    ),
    (
        Row("ITEM", "r-1", phase=Phase.DOWNLOADING, received=1_000_000),
        "⠹ ITEM          downloading  1.0 MB",
        "r-1",
    ),
    (
        Row("ITEM", "r-1", phase=Phase.INTERRUPTED, received=1, total=4, note="reset"),
        "⠹ ITEM          interrupted  1 of 4 B",
        "r-1  reset",
    ),
    (
        Row("ITEM", "r-1", phase=Phase.SAVED, report=REPORT, took=2700.0),
        "✓ ITEM          saved        1.2 MB",
        "r-1  ready after 45:00",
    ),
    (
        Row("ITEM", "r-1", phase=Phase.SAVED, report=REPORT),
        "✓ ITEM          saved        1.2 MB",
        "r-1",
    ),
    (
        Row("ITEM", "r-1", phase=Phase.FAILED, error=ReportFailed("It\nfailed.")),
        "✗ ITEM          failed",
        "It failed.",
    ),
]


@pytest.mark.parametrize(("row", "main", "detail"), ROWS)
def test_each_phase(row, main, detail):
    """
    Each phase has a line with its numbers and a line of small print.
    """
    first, second = lines(board(row))

    assert main == first.partition("━")[0].partition("╺")[0].rstrip()
    assert detail == second.strip()


def test_rate_in_the_small_print():
    """
    A download tells its rate as soon as it has one.
    """
    row = Row("ITEM", "r-1", phase=Phase.DOWNLOADING, received=2_000_000)
    row._samples.extend([(0.0, 0), (1.0, 2_000_000)])

    assert "  r-1  2.0 MB/s" == lines(board(row))[1]


def test_no_time_of_day_on_a_fast_clock():
    """
    On a fast clock the opening of the hour is told as a duration only.
    """
    row = Row("ITEM", phase=Phase.WAITING, until=LATER)

    assert "  one request per type per hour: this one is taken" == lines(board(row, fast=True))[1]


@pytest.mark.parametrize("width", [50, 60, 80, 100, 120])
def test_widths(width):
    """
    Nothing is wider than the terminal; the numbers stay whole, the bar gives way.
    """
    row = generating(20)
    row.report_type = "SEARCH_INSIGHTS_PERF_REPORT"
    drawn = lines(board(row, footer="Advice that is long. " * 8), width=width)

    assert width >= max(map(len, drawn))
    assert 3 == len(drawn)
    assert "20:00 of 45:00" in drawn[0]
    assert (width >= 80) is ("━" in drawn[0])


@pytest.mark.parametrize(
    ("row", "done"),
    [
        (Row("ITEM"), 0),
        (Row("ITEM", phase=Phase.WAITING, until=NOW + timedelta(minutes=30)), 20),
        (generating(22.5), 20),
        (generating(500), 40),
        (Row("ITEM", phase=Phase.DOWNLOADING, received=1, total=4), 10),
        (Row("ITEM", phase=Phase.INTERRUPTED, received=1, total=4), 10),
        (Row("ITEM", phase=Phase.DOWNLOADING, received=1), 0),
        (Row("ITEM", phase=Phase.READY), 40),
    ],
)
def test_bars(row, done):
    """
    The bar shows the part of the hour, of the 45 minutes, or of the file that is over.
    """
    # Without colours, what is not done is not drawn.
    console = Console(file=StringIO(), width=100, force_terminal=True, color_system=None)
    line = console.render_lines(board(row))[0]

    assert done == "".join(segment.text for segment in line).count("━")


def test_ascii_terminals():
    """
    A terminal without Unicode gets marks and bars that it can show.
    """
    drawn = lines(board(generating(20)), encoding="ascii")

    assert drawn[0].startswith(f"{ASCII.spinner[2]} ITEM")
    assert "\n".join(drawn).isascii()


def test_low_terminals():
    """
    Where it is low, the small print goes first, then the reports that only wait, then the done.
    """
    rows = [
        Row("SAVED", phase=Phase.SAVED, report=REPORT),
        Row("WAITING", phase=Phase.WAITING, until=LATER),
        generating(20),
        Row("FAILED", phase=Phase.FAILED),
    ]

    def names(height):
        return [line.split()[1] for line in lines(board(*rows), height=height)]

    assert 8 == len(lines(board(*rows), height=11))
    assert ["SAVED", "WAITING", "ITEM", "FAILED"] == names(7)
    assert ["WAITING", "ITEM", "FAILED", "1"] == names(6)
    assert ["ITEM", "FAILED", "2"] == names(5)


def test_the_last_frame():
    """
    Leaving draws everything once more, without advice and without a spinner that stands.
    """
    file = StringIO()
    console = Console(file=file, width=80, height=5, force_terminal=True, color_system=None)
    picture = board(generating(20), Row("CPA"), Row("BUYBOX"), footer="Advice.")

    with LiveDisplay(picture, console) as display:
        display.refresh()
        during = file.getvalue()
        file.truncate(file.seek(0))
    last = file.getvalue()

    assert "Advice." in during
    assert UNICODE.spinner[2] in during
    assert "Advice." not in last
    assert UNICODE.spinner[2] not in last
    assert "BUYBOX" in last
    assert "\x1b[?25h" in last
