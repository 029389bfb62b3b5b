"""The error tree: one root, attributes that survive a pickle."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reports_async import _exceptions
from reports_async._exceptions import (
    APIError,
    AuthenticationError,
    BadArchive,
    DownloadError,
    ErrorDetail,
    InvalidArgument,
    InvalidRequest,
    JobCancelled,
    LinkExpired,
    RateLimited,
    ReportExpired,
    ReportFailed,
    ReportNotReady,
    ReportsError,
    ReportTimedOut,
    RequestLimitExceeded,
    RequestNotFound,
    ServerError,
    StoreError,
    TransportError,
    TruncatedDownload,
    WebhookError,
)

README = Path(__file__).parents[1] / "README.md"
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
KNOWN: dict[str, Any] = {"report_type": "ITEM_MX", "request_id": "id-1"}
API: dict[str, Any] = {
    **KNOWN,
    "status": 400,
    "code": "INVALID_REQUEST_PARAM",
    "errors": (ErrorDetail(code="INVALID_REQUEST_PARAM", description="no", field="reportType"),),
    "correlation_id": "c-1",
}
ERRORS: list[ReportsError] = [
    ReportsError("what happened", **KNOWN),
    *(
        kind("what happened", **KNOWN)
        for kind in (
            InvalidArgument,
            JobCancelled,
            TransportError,
            ReportFailed,
            ReportExpired,
            DownloadError,
            LinkExpired,
            TruncatedDownload,
            BadArchive,
            WebhookError,
            StoreError,
            ReportNotReady,
        )
    ),
    *(
        kind("what happened", **API)
        for kind in (APIError, AuthenticationError, InvalidRequest, RequestNotFound, ServerError)
    ),
    RateLimited("what happened", retry_at=AT, **API),
    RequestLimitExceeded("what happened", retry_at=AT, **KNOWN),
    ReportTimedOut("what happened", limit="generation", waited=5400.0, **KNOWN),
]


def test_all_errors_are_tested() -> None:
    """The list above has every class of the tree."""
    tree = {
        kind
        for kind in vars(_exceptions).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    }

    assert tree == {type(error) for error in ERRORS}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_error(error: ReportsError) -> None:
    """Every error is a ReportsError, and carries type and id."""
    assert "what happened" == str(error)
    assert ("ITEM_MX", "id-1") == (error.report_type, error.request_id)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_errors_travel(error: ReportsError, protocol: int) -> None:
    """An error arrives in another process as it left, with all it carries."""
    error.add_note("seen by a worker")
    arrived = pickle.loads(pickle.dumps(error, protocol))

    assert type(error) is type(arrived)
    assert (str(error), error.args, vars(error)) == (str(arrived), arrived.args, vars(arrived))


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_are_copied(error: ReportsError) -> None:
    """A copy carries the same."""
    copied = copy.copy(error)

    assert (type(error), str(error), vars(error)) == (type(copied), str(copied), vars(copied))


@pytest.mark.parametrize(
    ("kind", "parent"),
    [
        (InvalidArgument, ValueError),
        (ReportTimedOut, TimeoutError),
        (AuthenticationError, APIError),
        (InvalidRequest, APIError),
        (RequestNotFound, APIError),
        (RateLimited, APIError),
        (ServerError, APIError),
        (LinkExpired, DownloadError),
        (TruncatedDownload, DownloadError),
        (BadArchive, DownloadError),
    ],
)
def test_the_tree(kind: type[ReportsError], parent: type[Exception]) -> None:
    """An error can be caught by what it is."""
    assert issubclass(kind, parent)


def test_defaults() -> None:
    """What is not known is None."""
    assert (None, None) == (ReportsError("x").report_type, ReportsError("x").request_id)
    bare = RateLimited("x", status=429, code="HTTP_429")
    assert (None, (), None) == (bare.retry_at, bare.errors, bare.correlation_id)
    assert ("", "", None) == (ErrorDetail().code, ErrorDetail().description, ErrorDetail().field)


def test_what_api_errors_carry() -> None:
    """An error of the API carries status, code, all entries and the correlation id."""
    error = APIError("x", **API)

    assert (400, "INVALID_REQUEST_PARAM", "c-1") == (error.status, error.code, error.correlation_id)
    assert "reportType" == error.errors[0].field


def test_what_the_waits_carry() -> None:
    """An error about time says when to come back, or how long it took."""
    timed_out = ReportTimedOut("x", limit="link", waited=7200.0)

    assert AT == RequestLimitExceeded("x", retry_at=AT).retry_at
    assert ("link", 7200.0) == (timed_out.limit, timed_out.waited)


def test_errors_in_a_group() -> None:
    """Several failures can be raised together and told apart."""
    group = ExceptionGroup("two reports failed", [ReportFailed("a"), ReportExpired("b")])
    failed, rest = group.split(ReportFailed)

    assert ["a"] == [str(error) for error in (failed.exceptions if failed else ())]
    assert ["b"] == [str(error) for error in (rest.exceptions if rest else ())]


def test_every_error_is_explained() -> None:
    """The README's table says of every error what it means and what to do."""
    table = README.read_text("utf-8").partition("| error |")[2].partition("\n\n")[0]

    assert [] == [type(error) for error in ERRORS[1:] if f"`{type(error).__name__}`" not in table]
