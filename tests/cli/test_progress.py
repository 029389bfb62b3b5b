"""Tests of what a row makes of a job's events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reports_async._exceptions import ReportFailed
from reports_async._models import Report
from reports_async._sansio import events as ev
from reports_async.cli._progress import Phase, Row

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)
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


def stamp(minutes: float = 0, request_id: str | None = None):
    return {
        "at": NOW + timedelta(minutes=minutes),
        "report_type": "ITEM",
        "request_id": request_id,
    }


def accepted(origin: ev.Accepted | str = "created"):
    return ev.Accepted(**stamp(request_id="r-1"), origin=origin, submitted_at=NOW)


STEPS = [
    (
        ev.Waiting(**stamp(), until=NOW + timedelta(minutes=12)),
        Phase.WAITING,
        "the hour of this type is taken; it opens in 12:00",
    ),
    (ev.Reserved(**stamp()), Phase.REQUESTING, "sending the request"),
    (
        ev.Uncertain(**stamp(), reason="reset"),
        Phase.CHECKING,
        "no answer to the request: reset; asking the server's list what became of it",
    ),
    (accepted(), Phase.GENERATING, "requested, id r-1"),
    (accepted("joined"), Phase.GENERATING, "joined a request in flight, id r-1"),
    (accepted("reused"), Phase.GENERATING, "using an earlier request, id r-1"),
    (accepted("adopted"), Phase.GENERATING, "found the request in the server's list, id r-1"),
    (accepted("resumed"), Phase.GENERATING, "going on with the request, id r-1"),
    (
        ev.Progressed(**stamp(2), raw_status="INPROGRESS", elapsed=120.0),
        Phase.GENERATING,
        "INPROGRESS after 02:00",
    ),
    (ev.Finished(**stamp(44)), Phase.READY, "ready"),
    (ev.Downloading(**stamp(), received=0, total=2000), Phase.DOWNLOADING, "downloading 2.0 kB"),
    (ev.Downloading(**stamp(), received=0), Phase.DOWNLOADING, "downloading"),
    (ev.Retrying(**stamp(), reason="reset"), Phase.INTERRUPTED, "interrupted: reset"),
    (ev.Linking(**stamp()), Phase.STARTING, None),
    (ev.Linked(**stamp()), Phase.STARTING, None),
    (ev.Downloaded(**stamp(), report=REPORT), Phase.SAVED, "saved, 1.2 MB"),
]


@pytest.mark.parametrize(("event", "phase", "words"), STEPS)
def test_each_step(event, phase, words):
    """
    Each step has its phase and its words.
    """
    row = Row("ITEM")

    assert words == row.apply(event, tick=0.0)
    assert phase is row.phase


@pytest.mark.parametrize("kind", [ev.Errored, ev.LimitOver, ev.Gone, ev.Stopped])
def test_ends_without_a_report(kind):
    """
    The last event of a bad job leaves its error and its id, and says nothing: the error is told.
    """
    row = Row("ITEM")
    error = ReportFailed("no", request_id="r-1")

    assert row.apply(kind(**stamp(), error=error), tick=0.0) is None
    assert (Phase.FAILED, error, "r-1") == (row.phase, row.error, row.request_id)
    assert row.phase.over


def test_an_event_of_tomorrow():
    """
    An event that this version does not know changes nothing.
    """
    row = Row("ITEM")

    assert row.apply(ev.JobEvent(**stamp()), tick=0.0) is None
    assert Phase.STARTING is row.phase


def test_the_same_status_is_told_once():
    """
    A look that finds what the last one found says nothing new.
    """
    row = Row("ITEM")
    looks = [ev.Progressed(**stamp(i), raw_status="INPROGRESS", elapsed=60.0 * i) for i in (1, 6)]

    assert ["INPROGRESS after 01:00", None] == [row.apply(look, tick=0.0) for look in looks]


def test_type_of_a_resumed_job():
    """
    A resumed job learns its type from its events, and keeps it when one has none.
    """
    row = Row("", "r-1")
    row.apply(accepted("resumed"), tick=0.0)
    row.apply(ev.Reserved(at=NOW, report_type=""), tick=0.0)

    assert ("ITEM", "r-1") == (row.report_type, row.request_id)


def test_how_long_it_took():
    """
    Readiness is told by the age of the request.
    """
    row = Row("ITEM")
    row.apply(accepted(), tick=0.0)

    assert "ready after 44:00" == row.apply(ev.Finished(**stamp(44)), tick=0.0)
    assert 3600 == row.elapsed(NOW + timedelta(hours=1))


def test_rate_of_the_last_moments():
    """
    The rate counts the last three seconds of real time, and a retry starts it anew.
    """
    row = Row("ITEM")
    rates = [row.rate()]
    for tick, received in [(0.0, 0), (0.01, 5), (1.0, 100), (2.0, 300), (4.5, 800)]:
        row.apply(ev.Downloading(**stamp(), received=received, total=1000), tick=tick)
        rates.append(row.rate())

    assert [None, None, None, 100.0, 150.0, 200.0] == rates
    row.apply(ev.Retrying(**stamp(), reason="reset"), tick=5.0)
    assert row.rate() is None


def test_no_rate_without_time():
    """
    Bytes that came at one moment have no rate.
    """
    row = Row("ITEM")
    row._samples.extend([(1.0, 0), (1.0, 10)])

    assert row.rate() is None


def told(row, *events):
    return [(row.apply(event, tick=0.0), row.note) for event in events]


def broken_off():
    row = Row("ITEM", "r-1")
    row.apply(ev.Downloading(**stamp(), received=412_000_000, total=1_000_000_000), tick=0.0)
    row.apply(ev.Retrying(**stamp(), reason="reset"), tick=0.0)
    return row


def test_going_on():
    """
    Where a broken download went on is told, and stays until it breaks again.
    """
    came = [
        ev.Downloading(**stamp(), received=size, total=1_000_000_000)
        for size in (413_000_000, 500_000_000)
    ]

    assert [
        ("going on at 412.0 MB", "went on at 412.0 MB"),
        (None, "went on at 412.0 MB"),
    ] == told(broken_off(), *came)


def test_starting_again():
    """
    So is that it started again, where the host cannot go on.
    """
    came = ev.Downloading(**stamp(), received=1, total=1_000_000_000)

    assert [("starting again", "started again")] == told(broken_off(), came)


def test_new_link():
    """
    A link that has expired on the way is told, and the one in its place.
    """
    events = [
        ev.Retrying(**stamp(), reason="expired"),
        ev.Linking(**stamp()),
        ev.Linked(**stamp()),
    ]

    assert [
        ("interrupted: expired", "expired"),
        ("asking for a new link", "asking for a new link"),
        ("there is a new link", "there is a new link"),
    ] == told(broken_off(), *events)


def test_expired_before_the_first_byte():
    """
    Nothing that had begun was interrupted where a link has expired before it was used.
    """
    row = Row("ITEM", "r-1")
    row.apply(ev.Retrying(**stamp(), reason="expired"), tick=0.0)
    came = ev.Downloading(**stamp(), received=1, total=2000)

    assert [("downloading 2.0 kB", "")] == told(row, came)
    assert 0 == row.interruptions


@pytest.mark.parametrize(
    ("interruptions", "new_links", "note"),
    [
        (0, 0, ""),
        (0, 1, "1 new link"),
        (1, 0, "1 interruption"),
        (2, 3, "2 interruptions, 3 new links"),
    ],
)
def test_what_was_lived_through(interruptions, new_links, note):
    """
    At the end it is told what the download has lived through.
    """
    row = Row("ITEM", interruptions=interruptions, new_links=new_links, note="started again")
    row.finish(REPORT)

    assert note == row.note
