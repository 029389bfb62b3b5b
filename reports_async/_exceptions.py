"""
The error tree: what happened, to which report, and what comes next.

Every error that this library raises on purpose is a `ReportsError`. One that knows the request
carries its id: with the id the caller can always go on (`ReportsClient.resume_report`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from datetime import datetime


def _restore(cls: type[ReportsError], args: tuple[Any, ...], state: dict[str, Any]) -> ReportsError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ReportsError(Exception):
    """
    Anything that `reports_async` raises on purpose.

    `report_type` and `request_id` are given when they are known.
    """

    def __init__(
        self, message: str, *, report_type: str | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.report_type = report_type
        self.request_id = request_id

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword arguments do not survive BaseException's own pickling, and errors do travel
        # between processes (task queues, process pools).
        return _restore, (type(self), self.args, self.__dict__)


class InvalidArgument(ReportsError, ValueError):
    """An argument breaks a rule; nothing was sent. The message names the argument and the rule."""


class JobCancelled(ReportsError):
    """
    The handle was cancelled, or its client closed, before the report was there.

    The request goes on at the server: resume it by `request_id` where that is known.
    """


class TransportError(ReportsError):
    """No answer came: connection refused, reset, timed out, or the name did not resolve."""


@frozen(kw_only=True)
class ErrorDetail:
    """One entry of an error body, whichever of its shapes it had."""

    code: str = ""
    description: str = ""
    field: str | None = None


class APIError(ReportsError):
    """
    The API answered with an error.

    `status` is the HTTP status, `code` the first error code (or ``HTTP_<status>`` where the body
    has none), `errors` all entries, `correlation_id` what Walmart's support asks for.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str,
        errors: tuple[ErrorDetail, ...] = (),
        correlation_id: str | None = None,
        report_type: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, report_type=report_type, request_id=request_id)
        self.status = status
        self.code = code
        self.errors = errors
        self.correlation_id = correlation_id


class AuthenticationError(APIError):
    """
    The credentials were refused, or the token made from them, a new one as well.

    Refused credentials are not tried again; only a report that is waited for goes on until three
    looks in a row were refused.
    """


class InvalidRequest(APIError):
    """The API refused the request as it stands (400, 406, 415...): sending it again is no use."""


class RequestNotFound(APIError):
    """No such request: the id is wrong, older than 30 days, or another seller's."""


class RateLimited(APIError):
    """
    The call budget is spent or, on a plain create, the hour of the type taken.

    `retry_at` is when to try again, as far as the API told.
    """

    def __init__(self, message: str, *, retry_at: datetime | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.retry_at = retry_at


class ServerError(APIError):
    """The API failed (5xx). Worth trying again later."""


class RequestLimitExceeded(ReportsError):
    """
    The hour of this report type is taken: one request per type per hour (the API's first rule).

    `retry_at` is when the hour opens.
    """

    def __init__(self, message: str, *, retry_at: datetime, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.retry_at = retry_at


class ReportFailed(ReportsError):
    """The server ended the request with ERROR. A new request may fare better in an hour."""


class ReportNotReady(ReportsError):
    """
    The request has no download link yet, and was not to be waited for.

    .. versionadded:: 0.1.0
    """


class ReportTimedOut(ReportsError, TimeoutError):
    """
    A limit of `Timeouts` is over; the request itself lives on and can be resumed by its id.

    `limit` names it (``"generation"`` or ``"link"``), `waited` says how long, in seconds.
    """

    def __init__(self, message: str, *, limit: str, waited: float, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.limit = limit
        self.waited = waited


class ReportExpired(ReportsError):
    """The request or its file is gone: Walmart keeps them for 30 days."""


class DownloadError(ReportsError):
    """The file could not be had. Nothing was left under its real name."""


class LinkExpired(DownloadError):
    """The file host refused the link's signature: it has expired."""


class TruncatedDownload(DownloadError):
    """The body ended before its declared length, or before the end of the archive."""


class BadArchive(DownloadError):
    """The whole body came, but is not a readable report: damaged, hostile, or not a report."""


class WebhookError(ReportsError):
    """
    A webhook call was refused: too large, not JSON, or not signed as agreed.

    `status` is the HTTP status to answer it with.
    """

    def __init__(self, message: str, *, status: int = 400, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.status = status


class StoreError(ReportsError):
    """The store cannot be used. Nothing was sent that it could not remember."""
