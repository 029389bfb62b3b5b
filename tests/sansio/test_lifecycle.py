"""The life of a request is the table, and the table keeps its promises."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports_async._exceptions import ReportFailed
from reports_async._models import JobStatus, Report, RequestStatus
from reports_async._sansio import events
from reports_async._sansio.events import JobEvent
from reports_async._sansio.lifecycle import TERMINAL, TRANSITIONS, of_request, step

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
COMMON: dict[str, Any] = {"at": AT, "report_type": "ITEM_MX", "request_id": "id-1"}
ERROR = ReportFailed("no")
REPORT = Report(
    path=Path("report.csv"),
    report_type="ITEM_MX",
    version="v1",
    request_id="id-1",
    submitted_at=AT,
    generated_at=AT,
    expires_at=AT,
    size=1,
)
EVENTS: dict[str, JobEvent] = {
    type(event).__name__: event
    for event in (
        events.Waiting(until=AT, **COMMON),
        events.Reserved(**COMMON),
        events.Uncertain(reason="timeout", **COMMON),
        events.Accepted(origin="created", submitted_at=AT, **COMMON),
        events.Progressed(raw_status="INPROGRESS", elapsed=60.0, **COMMON),
        events.Finished(generated_at=AT, **COMMON),
        events.Linking(**COMMON),
        events.Linked(**COMMON),
        events.Downloading(received=1, **COMMON),
        events.Retrying(reason="it broke", **COMMON),
        events.Downloaded(report=REPORT, **COMMON),
        events.Errored(error=ERROR, **COMMON),
        events.LimitOver(error=ERROR, **COMMON),
        events.Gone(error=ERROR, **COMMON),
        events.Stopped(error=ERROR, **COMMON),
    )
}


def test_all_events_are_tested() -> None:
    """The list above has every event there is."""
    known = {
        kind.__name__
        for kind in vars(events).values()
        if isinstance(kind, type) and issubclass(kind, JobEvent) and kind is not JobEvent
    }

    assert known == set(EVENTS)


def test_every_status_has_its_place() -> None:
    """The table has a line for each status."""
    assert set(JobStatus) == set(TRANSITIONS)


# The whole table once more, as words: status, then event > status.
EXPECTED = {
    "PENDING": "Reserved>RESERVED Accepted>RECEIVED",
    "RESERVED": "Accepted>RECEIVED",
    "RECEIVED": "Progressed>INPROGRESS Finished>READY Downloaded>SAVED Errored>FAILED "
    "LimitOver>TIMED_OUT Gone>EXPIRED",
    "INPROGRESS": "Finished>READY Downloaded>SAVED Errored>FAILED LimitOver>TIMED_OUT Gone>EXPIRED",
    "READY": "Downloaded>SAVED Errored>FAILED LimitOver>TIMED_OUT Gone>EXPIRED",
    "TIMED_OUT": "Accepted>RECEIVED Progressed>INPROGRESS Finished>READY Downloaded>SAVED "
    "Errored>FAILED Gone>EXPIRED",
    "SAVED": "",
    "FAILED": "",
    "EXPIRED": "",
}


@pytest.mark.parametrize("status", JobStatus)
@pytest.mark.parametrize("name", EVENTS)
def test_step(status: JobStatus, name: str) -> None:
    """An event moves a status as the table says, and otherwise not at all."""
    moves = dict(move.split(">") for move in EXPECTED[status].split())

    assert moves.get(name, status) == step(status, EVENTS[name])


def test_a_good_life() -> None:
    """A job goes from its wait to its file."""
    status = JobStatus.PENDING
    path = [status]
    for name in ("Waiting", "Reserved", "Accepted", "Progressed", "Progressed", "Finished"):
        status = step(status, EVENTS[name])
        path.append(status)

    assert "PENDING PENDING RESERVED RECEIVED INPROGRESS INPROGRESS READY" == " ".join(path)
    assert JobStatus.SAVED is step(status, EVENTS["Downloaded"])


@given(
    st.sampled_from(JobStatus),
    st.lists(st.sampled_from(list(EVENTS.values())), max_size=12),
    st.lists(st.sampled_from(list(EVENTS.values())), max_size=12),
)
@settings(deadline=None)
def test_terminal_statuses_absorb(
    status: JobStatus, before: list[JobEvent], after: list[JobEvent]
) -> None:
    """Once a status is terminal, nothing that comes late moves it."""
    for event in before:
        status = step(status, event)
    end = status
    for event in after:
        end = step(end, event)

    if status in TERMINAL:
        assert status is end


@given(st.sampled_from(JobStatus), st.sampled_from(list(EVENTS.values())))
@settings(deadline=None)
def test_repeated_events_are_harmless(status: JobStatus, event: JobEvent) -> None:
    """The same event twice, as from a poll and a webhook, is the same as once."""
    once = step(status, event)

    assert once is step(once, event)


def test_terminal() -> None:
    """Terminal are the statuses that have no way out; a limit of ours is none of them."""
    assert {status for status, moves in TRANSITIONS.items() if not moves} == TERMINAL
    assert JobStatus.TIMED_OUT not in TERMINAL


@pytest.mark.parametrize(
    ("word", "status"),
    [
        (RequestStatus.RECEIVED, JobStatus.RECEIVED),
        (RequestStatus.SUBMITTED, JobStatus.RECEIVED),
        (RequestStatus.INPROGRESS, JobStatus.INPROGRESS),
        (RequestStatus.READY, JobStatus.READY),
        (RequestStatus.ERROR, JobStatus.FAILED),
        (RequestStatus.UNKNOWN, JobStatus.INPROGRESS),
    ],
)
def test_words_of_the_api(word: RequestStatus, status: JobStatus) -> None:
    """Each of the API's words stands for a status; an unknown one is not terminal."""
    assert status is of_request(word)


def test_all_words_are_known() -> None:
    """No word of the API is without a status."""
    assert set(JobStatus) >= {of_request(word) for word in RequestStatus}
