"""Phases of a job, read off its events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from reports_async import ReportFailed
from reports_async._sansio import events
from reports_async._sansio.endpoints import Endpoint
from reports_async._sansio.skew import Skew
from reports_async._sansio.telemetry import PhaseEnded, Planned, phases

if TYPE_CHECKING:
    from reports_async._sansio.events import JobEvent

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def event(kind: str, seconds: float, **more: Any) -> JobEvent:
    fields: dict[str, dict[str, Any]] = {
        "Waiting": {"until": START},
        "Uncertain": {"reason": "timeout"},
        "Accepted": {"origin": "created", "submitted_at": START},
        "Progressed": {"raw_status": "INPROGRESS", "elapsed": 1.0},
        "Downloading": {"received": 1},
        "Retrying": {"reason": "reset"},
        "Downloaded": {"report": None},
        "Errored": {"error": ReportFailed("no")},
    }
    values = {**fields.get(kind, {}), **more}
    made: JobEvent = getattr(events, kind)(at=at(seconds), report_type="ITEM_MX", **values)
    return made


def told(steps: str, skew: Skew | None = None) -> list[str]:
    """The phases that a life such as ``Waiting 0, Reserved 5`` ends, in words."""
    past: list[JobEvent] = []
    words: list[str] = []
    for step in steps.split(", "):
        kind, seconds = step.split()
        past.append(event(kind, float(seconds)))
        found = phases(past, skew=skew or Skew())
        words += [f"{one.phase} {one.seconds:.0f}" for one in found]
    return words


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("Reserved 0, Accepted 1, Progressed 60, Finished 90", ["create 1", "generation 89"]),
        ("Waiting 0, Waiting 60, Reserved 100", ["quota 100"]),
        ("Waiting 0, Reserved 10, Waiting 11, Reserved 50", ["quota 10", "create 1", "quota 39"]),
        ("Waiting 0, Accepted 10", ["quota 10"]),
        ("Reserved 0, Uncertain 30, Accepted 90", ["create 90"]),
        ("Accepted 0, Progressed 1, Errored 9", ["generation 9"]),
        ("Finished 0, Linking 0, Linked 7, Downloading 8, Downloaded 9", ["link 7", "download 2"]),
        (
            "Linking 0, Linked 1, Retrying 3, Linking 4, Linked 6, Downloaded 7",
            ["link 1", "download 3", "link 2", "download 1"],
        ),
        ("Finished 0, Downloaded 1", []),
        ("Waiting 0, Stopped 5", ["quota 5"]),
        ("Accepted 100, Finished 0", ["generation 0"]),
    ],
)
def test_phases(steps: str, expected: list[str]) -> None:
    """A phase begins with the event that opens it, and ends with the next that is not neutral."""
    steps = steps.replace("Stopped", "Errored")

    assert expected == told(steps)


@pytest.mark.parametrize(
    ("generated", "offset", "expected"),
    [
        (70.0, 0.0, 20.0),
        (3670.0, 3600.0, 20.0),
        (90.5, 0.0, 0.0),
        (10.0, 0.0, None),
        (None, 0.0, None),
    ],
)
def test_lag(generated: float | None, offset: float, expected: float | None) -> None:
    """The lag counts from READY by our clock, and only where somebody waited for it."""
    moment = None if generated is None else at(generated)
    past = [event("Accepted", 50), event("Finished", 90, generated_at=moment)]

    found = {one.phase: one.seconds for one in phases(past, skew=Skew(offset=offset))}

    assert expected == found.get("lag")
    assert found["generation"] == 40.0


def test_error() -> None:
    """A phase that the end of the job broke off carries its error."""
    past = [event("Accepted", 0), event("Errored", 5)]

    (phase,) = phases(past, skew=Skew())

    assert isinstance(phase.error, ReportFailed)


def test_set_back() -> None:
    """A clock that was set back makes no phase last less than nothing."""
    phase = PhaseEnded(phase="link", began=at(5), ended=at(0), report_type="A")

    assert phase.seconds == 0.0


@pytest.mark.parametrize(
    ("look", "next_in", "expected"),
    [
        (Endpoint.LIST, 74.2, "list, 7 waiting, 12 tokens left, next in 74 s"),
        (None, 74.2, "no look, 7 waiting, 12 tokens left, next in 74 s"),
        (Endpoint.STATUS, None, "status, 7 waiting, 12 tokens left, none to come"),
    ],
)
def test_plan_in_words(look: Endpoint | None, next_in: float | None, expected: str) -> None:
    """A decision reads as one line."""
    assert expected == str(Planned(at=START, look=look, waiting=7, tokens=12, next_in=next_in))
