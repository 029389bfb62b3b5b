"""
How a job ends badly: the errors about a request, and the event that each one is.

Every message says what happened, to which request, and what to do next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports_async._exceptions import (
    JobCancelled,
    ReportExpired,
    ReportFailed,
    ReportNotReady,
    ReportsError,
    ReportTimedOut,
    RequestLimitExceeded,
    RequestNotFound,
    TransportError,
)
from reports_async._models import RequestStatus

from .events import Errored, Gone, LimitOver, Stopped

if TYPE_CHECKING:
    from datetime import datetime

    from reports_async._models import ReportRequest

    from .events import JobEvent


def subject(report_type: str | None) -> str:
    """Return how a message begins: with the type, or without where it is not known."""
    return report_type or "The report"


def hour_taken(report_type: str, *, opening: datetime, waited: bool) -> RequestLimitExceeded:
    """Return the error for an hour that is not waited for, or was *waited* for to the limit."""
    way = "allow a longer wait by Timeouts(quota=...)" if waited else "with on_limit='wait'"
    return RequestLimitExceeded(
        f"{report_type}: its hour is taken (one request per report type per hour); it opens at "
        f"{opening:%Y-%m-%d %H:%M:%S} UTC. Ask again then, or {way}.",
        retry_at=opening,
        report_type=report_type,
    )


def lost(report_type: str) -> TransportError:
    """Return the error for a create without an answer, whose request is not listed."""
    return TransportError(
        f"{report_type}: the create call had no answer, and the server's list does not "
        "show its request. The hour stays reserved; asking again goes on looking for it.",
        report_type=report_type,
    )


def failed(request: ReportRequest, *, report_type: str = "") -> ReportFailed:
    """Return the error for a request that the server ended with ERROR; it may know the type."""
    known = report_type or request.report_type
    why = f" ({request.description})" if request.description else ""
    return ReportFailed(
        f"{subject(known)}: the server ended request {request.request_id} with ERROR{why}. "
        "A new request can be made when the hour of the type opens.",
        report_type=known,
        request_id=request.request_id,
    )


def without_link(request: ReportRequest) -> ReportNotReady:
    """Return the error for a request that has no download link yet, and is not waited for."""
    if request.status is RequestStatus.READY:
        state, advice = "READY, but", "Ask again in a minute, or fetch it with resume_report"
    else:
        state, advice = f"{request.raw_status}, not READY; it", "Wait for it with resume_report"
    return ReportNotReady(
        f"Request {request.request_id} is {state} has no link yet. {advice}.",
        report_type=request.report_type,
        request_id=request.request_id,
    )


def expired(request_id: str, *, report_type: str | None) -> ReportExpired:
    """Return the error for a request that the server has no longer."""
    return ReportExpired(
        f"{subject(report_type)}: the server has no request {request_id} any more; "
        "requests and files are kept 30 days. Make a new request.",
        report_type=report_type or None,
        request_id=request_id,
    )


def not_ready(request_id: str, *, report_type: str, waited: float) -> ReportTimedOut:
    """Return the error for a request that was not READY within the generation limit."""
    return ReportTimedOut(
        f"{subject(report_type)}: request {request_id} was not READY after {waited:.0f} s. "
        "It goes on at the server: resume it by its id, or allow a longer "
        "Timeouts(generation=...).",
        limit="generation",
        waited=waited,
        report_type=report_type or None,
        request_id=request_id,
    )


def no_link(request_id: str, *, report_type: str, waited: float) -> ReportTimedOut:
    """Return the error for a link that did not come within the link limit."""
    return ReportTimedOut(
        f"{subject(report_type)}: request {request_id} got no download link within "
        f"Timeouts(link=...), given up after {waited:.0f} s. The report is kept 30 days: resume it "
        "by its id.",
        limit="link",
        waited=waited,
        report_type=report_type or None,
        request_id=request_id,
    )


def cancelled(request_id: str | None, *, report_type: str, reason: str) -> JobCancelled:
    """Return the error for a handle that was cancelled, or whose client was closed."""
    how = f"resume it by its id, {request_id}" if request_id else "ask for it again to go on"
    return JobCancelled(
        f"{subject(report_type)}: {reason}; {how}.",
        report_type=report_type or None,
        request_id=request_id,
    )


def told(error: Exception, *, report_type: str, request_id: str | None, known: bool) -> Exception:
    """
    Return an error as a job tells it: about its request.

    A request that the server does not know, and we do (*known*), is too old.
    """
    if isinstance(error, RequestNotFound) and known:
        gone = expired(request_id or "?", report_type=report_type)
        gone.__cause__ = error
        return gone
    if isinstance(error, ReportsError):
        error.report_type = error.report_type or report_type or None
        error.request_id = error.request_id or request_id
    return error


def last_event(
    error: Exception, *, at: datetime, report_type: str, request_id: str | None
) -> JobEvent:
    """Return the event that tells of a job's end by *error*."""
    if not isinstance(error, ReportsError):
        # A defect or a disk error: the event type promises a ReportsError, awaiting raises it raw.
        wrapped = ReportsError(f"{subject(report_type)}: {error!r}", request_id=request_id)
        wrapped.__cause__ = error
        error = wrapped
    kind: type[Errored | Gone | LimitOver | Stopped] = Stopped
    if isinstance(error, ReportFailed):
        kind = Errored
    elif isinstance(error, ReportExpired):
        kind = Gone
    elif isinstance(error, ReportTimedOut):
        kind = LimitOver
    return kind(at=at, report_type=report_type, request_id=request_id, error=error)
