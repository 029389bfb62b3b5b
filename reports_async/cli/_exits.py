"""How the program ends: its exit codes, and which error ends it how."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

from reports_async._credentials import ID_VARIABLE, SECRET_VARIABLE
from reports_async._exceptions import (
    AuthenticationError,
    DownloadError,
    InvalidArgument,
    RateLimited,
    ReportsError,
    ReportTimedOut,
    RequestLimitExceeded,
    ServerError,
    StoreError,
    TransportError,
)

from ._format import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable


class Exit(IntEnum):
    """The exit codes; `TABLE` tells them in words."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CREDENTIALS = 3
    UNWRITABLE = 4
    LATER = 5
    INTERRUPTED = 130
    TERMINATED = 143


TABLE: Final = """\
\b
Exit codes:
  0    done
  1    a report failed, or the API could not be reached
  2    the command line is wrong
  3    no credentials, or they were refused
  4    the directory, or the local store, cannot be written
  5    try again or resume later: the hour is taken, or a time limit is over
  130  stopped by Ctrl-C; the requests live on and can be resumed
  143  stopped by SIGTERM; likewise
"""


class CredentialsMissing(ReportsError):
    """The environment holds no credentials, or bad ones."""


class Unwritable(ReportsError):
    """The directory cannot be written. Nothing was sent."""


class Interrupted(ReportsError):
    """The user, or the system, stopped the program by a signal."""

    def __init__(self, code: Exit = Exit.INTERRUPTED) -> None:
        super().__init__("Interrupted." if code is Exit.INTERRUPTED else "Terminated.")
        self.code = code


def message(error: ReportsError) -> str:
    """Return an error as one line, with what to do about it here."""
    advice = ""
    if isinstance(error, AuthenticationError):
        advice = f" Check {ID_VARIABLE} and {SECRET_VARIABLE}."
    return one_line(error) + advice


def code_of(error: ReportsError) -> Exit:
    """Return the exit code that an error stands for."""
    match error:
        case Interrupted():
            return error.code
        case CredentialsMissing() | AuthenticationError():
            return Exit.CREDENTIALS
        case Unwritable() | StoreError():
            return Exit.UNWRITABLE
        case InvalidArgument():
            return Exit.USAGE
        case RequestLimitExceeded() | RateLimited() | ReportTimedOut():
            return Exit.LATER
        case _:
            return Exit.FAILED


def resumable(error: ReportsError) -> bool:
    """Whether going on with the request by its id is what to do next."""
    return error.request_id is not None and (
        code_of(error) is Exit.LATER
        or isinstance(error, DownloadError | ServerError | TransportError)
    )


def summary(errors: Iterable[ReportsError]) -> Exit:
    """Return the exit code of a run: what all failures agree on, and else FAILED."""
    codes = {code_of(error) for error in errors}
    match len(codes):
        case 0:
            return Exit.DONE
        case 1:
            return codes.pop()
        case _:
            return Exit.FAILED
