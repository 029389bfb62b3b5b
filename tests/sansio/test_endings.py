"""How a job ends badly."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from attrs import evolve

from reports_async import (
    ReportExpired,
    ReportFailed,
    ReportRequest,
    ReportsError,
    ReportTimedOut,
    RequestNotFound,
    RequestStatus,
    TransportError,
)
from reports_async._sansio import endings
from reports_async._sansio.events import Errored, Gone, LimitOver, Stopped

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def failed_request(description=None):
    return ReportRequest(
        request_id="R1", status=RequestStatus.ERROR, raw_status="ERROR", description=description
    )


def last_event(error):
    return endings.last_event(error, at=NOW, report_type="ITEM_MX", request_id="R1")


FAILED = endings.failed(failed_request(), report_type="ITEM_MX")
EXPIRED = endings.expired("R1", report_type="ITEM_MX")
NOT_READY = endings.not_ready("R1", report_type="ITEM_MX", waited=5400.2)
NO_LINK = endings.no_link("R1", report_type="ITEM_MX", waited=7200.0)
CANCELLED = endings.cancelled("R1", report_type="ITEM_MX", reason="the job was cancelled")


@pytest.mark.parametrize("error", [FAILED, EXPIRED, NOT_READY, NO_LINK, CANCELLED])
def test_identified(error):
    """
    Every ending names its report and its request, in its message and as attributes.
    """
    assert ("ITEM_MX", "R1") == (error.report_type, error.request_id)
    assert "ITEM_MX" in str(error)
    assert "R1" in str(error)


def test_failed():
    """
    A failure tells the server's reason where it gave one, and when to try again.
    """
    told = endings.failed(failed_request("Data error"), report_type="ITEM_MX")

    assert "with ERROR (Data error). A new request" in str(told)
    assert "with ERROR. A new request" in str(FAILED)


def test_expired():
    """
    An expired request is to be made anew.
    """
    assert "Make a new request" in str(EXPIRED)


def test_timed_out():
    """
    A limit that is over says which, how long was waited, and that the request can be resumed.
    """
    assert ("generation", 5400.2) == (NOT_READY.limit, NOT_READY.waited)
    assert ("link", 7200.0) == (NO_LINK.limit, NO_LINK.waited)
    assert "after 5400 s" in str(NOT_READY)
    assert "resume it by its id" in str(NOT_READY)
    assert "resume it by its id" in str(NO_LINK)
    assert isinstance(NOT_READY, TimeoutError)


def test_cancelled():
    """
    A cancelled job can be resumed by its id, or asked for again while it has none.
    """
    early = endings.cancelled(None, report_type="", reason="its client was closed")

    assert "ITEM_MX: the job was cancelled; resume it by its id, R1." == str(CANCELLED)
    assert "the report: its client was closed; ask for it again to go on." == str(early).lower()
    assert (None, None) == (early.report_type, early.request_id)


@pytest.mark.parametrize(
    "error",
    [
        endings.failed(failed_request()),
        endings.expired("R1", report_type=""),
        endings.not_ready("R1", report_type="", waited=5400.2),
        endings.no_link("R1", report_type="", waited=7200.0),
        endings.cancelled("R1", report_type="", reason="the job was cancelled"),
    ],
)
def test_unnamed(error):
    """
    Where the type of a report is not known, a message says so little, and invents none.
    """
    assert str(error).startswith("The report: ")
    assert (None, "R1") == (error.report_type, error.request_id)


def test_failed_of_a_known_type():
    """
    Where only the server names the type of what failed, that is its name.
    """
    error = endings.failed(evolve(failed_request(), report_type="ITEM_MX"))

    assert "ITEM_MX" == error.report_type
    assert str(error).startswith("ITEM_MX: the server ended request R1")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("INPROGRESS", "is INPROGRESS, not READY; it has no link yet. Wait for it with"),
        ("READY", "is READY, but has no link yet. Ask again in a minute, or fetch it with"),
    ],
)
def test_without_link(word, message):
    """
    A request without a link is to be waited for; how long depends on whether it is READY.
    """
    request = evolve(failed_request(), status=RequestStatus(word), raw_status=word)

    assert f"Request R1 {message} resume_report." == str(endings.without_link(request))


def told(error, *, known=True):
    return endings.told(error, report_type="ITEM_MX", request_id="R1", known=known)


def test_told_of_an_unknown_request():
    """
    A request that we know and the server does not has expired; one that nobody knows has not.
    """
    error = RequestNotFound("not there", status=404, code="CONTENT_NOT_FOUND")

    gone = told(error)
    assert isinstance(gone, ReportExpired)
    assert ("ITEM_MX", "R1") == (gone.report_type, gone.request_id)
    assert error is gone.__cause__
    assert error is told(error, known=False)


def test_told_of_which_request():
    """
    An error is told with its report and request, unless it knows better; a defect as it is.
    """
    plain, knowing = ReportsError("oh"), ReportsError("oh", report_type="CPA", request_id="R2")
    defect = ValueError("oh")

    assert ("ITEM_MX", "R1") == (told(plain).report_type, told(plain).request_id)
    assert ("CPA", "R2") == (told(knowing).report_type, told(knowing).request_id)
    assert defect is told(defect)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FAILED, Errored),
        (EXPIRED, Gone),
        (NOT_READY, LimitOver),
        (NO_LINK, LimitOver),
        (CANCELLED, Stopped),
        (TransportError("no answer"), Stopped),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_last_event(error, kind):
    """
    Each ending has its event, and the event carries the very error that awaiting raises.
    """
    event = last_event(error)

    assert kind(at=NOW, report_type="ITEM_MX", request_id="R1", error=error) == event
    assert error is event.error


def test_last_event_of_a_defect():
    """
    An error that is none of ours is told as one of ours, with the cause.
    """
    defect = ValueError("no such thing")

    event = last_event(defect)

    assert isinstance(event, Stopped)
    assert type(event.error) is ReportsError
    assert defect is event.error.__cause__
    assert "ITEM_MX: ValueError('no such thing')" == str(event.error)
    assert "R1" == event.error.request_id


def test_kinds():
    """
    The endings are of the classes that users catch.
    """
    assert [ReportFailed, ReportExpired, ReportTimedOut] == [
        type(error) for error in (FAILED, EXPIRED, NOT_READY)
    ]
