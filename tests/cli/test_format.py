"""Tests of how numbers, times and tables are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from reports_async.cli import _format


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "00:00"), (59.9, "00:59"), (2700, "45:00"), (3600, "1:00:00"), (-5, "00:00")],
)
def test_duration(seconds, expected):
    """
    A duration has hours only when it is that long, and is never negative.
    """
    assert expected == _format.duration(seconds)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (12_345_678, "12.3 MB"), (5e15, "5000.0 TB")],
)
def test_size(count, expected):
    """
    Bytes are written in the largest decimal unit that leaves a number above one.
    """
    assert expected == _format.size(count)


@pytest.mark.parametrize(
    ("received", "total", "expected"),
    [
        (1_000_000, 40_100_000, "1.0 of 40.1 MB"),
        (5, 100, "5 of 100 B"),
        (2_500_000, None, "2.5 MB"),
    ],
)
def test_part(received, total, expected):
    """
    What has come is written in the unit of the whole, where the whole is known.
    """
    assert expected == _format.part(received, total)


def test_instants_in_utc():
    """
    Stamps are UTC whatever zone they come in; an unknown instant has a word of its own.
    """
    noon = datetime(2026, 1, 5, 12, tzinfo=timezone(timedelta(hours=-6)))

    assert "2026-01-05 18:00:00Z" == _format.stamp(noon)
    assert "2026-01-05T18:00:00Z" == _format.iso(noon)
    assert "-" == _format.stamp(None)
    assert _format.iso(None) is None


def test_local_time():
    """
    The time of day is the machine's own.
    """
    noon = datetime(2026, 1, 5, 12, tzinfo=UTC)

    assert f"{noon.astimezone():%H:%M:%S}" == _format.local(noon)


def test_one_line():
    """
    A message of many lines becomes one; an error without a message tells its name.
    """
    assert "a b" == _format.one_line(ValueError("a\n  b"))
    assert "ValueError" == _format.one_line(ValueError())


def test_table():
    """
    Columns are as wide as their widest cell, and lines have no blanks at their ends.
    """
    lines = _format.table(("A", "B"), [("long one", "x"), ("y", "")])

    assert ["A         B", "long one  x", "y"] == list(lines)
