"""Tests of the exit codes: which error ends the program how."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reports_async import _exceptions as exc
from reports_async.cli import _exits
from reports_async.cli._exits import Exit

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
REFUSED = exc.AuthenticationError("No.", status=400, code="INVALID")

CODES = [
    (exc.ReportFailed("x"), Exit.FAILED),
    (exc.ReportExpired("x"), Exit.FAILED),
    (exc.TransportError("x"), Exit.FAILED),
    (exc.BadArchive("x"), Exit.FAILED),
    (exc.InvalidArgument("x"), Exit.USAGE),
    (_exits.CredentialsMissing("x"), Exit.CREDENTIALS),
    (REFUSED, Exit.CREDENTIALS),
    (_exits.Unwritable("x"), Exit.UNWRITABLE),
    (exc.StoreError("x"), Exit.UNWRITABLE),
    (exc.RequestLimitExceeded("x", retry_at=NOON), Exit.LATER),
    (exc.RateLimited("x", status=429, code="x"), Exit.LATER),
    (exc.ReportTimedOut("x", limit="link", waited=1.0), Exit.LATER),
    (_exits.Interrupted(), Exit.INTERRUPTED),
    (_exits.Interrupted(Exit.TERMINATED), Exit.TERMINATED),
]


@pytest.mark.parametrize(("error", "code"), CODES)
def test_code_of_each_error(error, code):
    """
    Every error has its exit code.
    """
    assert code is _exits.code_of(error)


def test_the_table_tells_them_all():
    """
    The help tells every code.
    """
    assert all(f"\n  {code.value} " in _exits.TABLE for code in Exit)


def test_code_of_a_run():
    """
    A run ends with what all its failures agree on.
    """
    late = exc.ReportTimedOut("x", limit="link", waited=1.0)

    assert Exit.DONE is _exits.summary([])
    assert Exit.LATER is _exits.summary([late, late])
    assert Exit.FAILED is _exits.summary([late, REFUSED])


def test_what_can_be_resumed():
    """
    A request with an id goes on where only our waiting ended, not where it itself did.
    """
    assert _exits.resumable(exc.ReportTimedOut("x", limit="link", waited=1.0, request_id="r"))
    assert _exits.resumable(exc.TransportError("x", request_id="r"))
    assert _exits.resumable(exc.ServerError("x", status=500, code="x", request_id="r"))
    assert not _exits.resumable(exc.TransportError("x"))
    assert not _exits.resumable(exc.ReportFailed("x", request_id="r"))


@pytest.mark.parametrize(
    "kind", [exc.DownloadError, exc.LinkExpired, exc.TruncatedDownload, exc.BadArchive]
)
def test_files_can_be_had_later(kind):
    """
    A file that could not be had whole does not end the request that it is of.
    """
    assert _exits.resumable(kind("x", request_id="r"))


def test_refused_credentials_name_the_variables():
    """
    Who is refused learns which variables to look at.
    """
    message = _exits.message(REFUSED)

    assert "No. Check WALMART_CLIENT_ID and WALMART_CLIENT_SECRET." == message
