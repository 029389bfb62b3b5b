r"""
The life of a request, as a table.

Theory of operation: `TRANSITIONS` says for each status which events move it, and where to. An
event that a status does not list changes nothing: polls overlap with webhooks, replies arrive
late, two processes watch one request, so a repeated or overtaken event is normal and harmless.

Statuses only move forward. FAILED and EXPIRED absorb: the server's word is final, and so does
SAVED: the file is ours. TIMED_OUT does not: a limit of ours ended the wait, the request lives on,
and a resumed one may still finish.

    PENDING -> RESERVED -> RECEIVED -> INPROGRESS -> READY -> SAVED
                                  \-> FAILED, TIMED_OUT, EXPIRED
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reports_async._models import JobStatus, RequestStatus

from .events import (
    Accepted,
    Downloaded,
    Errored,
    Finished,
    Gone,
    JobEvent,
    LimitOver,
    Progressed,
    Reserved,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_S = JobStatus

_ENDS: Final[Mapping[type[JobEvent], JobStatus]] = {
    Errored: _S.FAILED,
    LimitOver: _S.TIMED_OUT,
    Gone: _S.EXPIRED,
}

TRANSITIONS: Final[Mapping[JobStatus, Mapping[type[JobEvent], JobStatus]]] = {
    _S.PENDING: {Reserved: _S.RESERVED, Accepted: _S.RECEIVED},
    _S.RESERVED: {Accepted: _S.RECEIVED},
    _S.RECEIVED: {
        Progressed: _S.INPROGRESS,
        Finished: _S.READY,
        Downloaded: _S.SAVED,
        **_ENDS,
    },
    _S.INPROGRESS: {Finished: _S.READY, Downloaded: _S.SAVED, **_ENDS},
    _S.READY: {Downloaded: _S.SAVED, **_ENDS},
    _S.TIMED_OUT: {
        Accepted: _S.RECEIVED,
        Progressed: _S.INPROGRESS,
        Finished: _S.READY,
        Downloaded: _S.SAVED,
        Errored: _S.FAILED,
        Gone: _S.EXPIRED,
    },
    _S.SAVED: {},
    _S.FAILED: {},
    _S.EXPIRED: {},
}

TERMINAL: Final = frozenset({_S.SAVED, _S.FAILED, _S.EXPIRED})
"""Statuses after which nothing happens to the request."""

_WORDS: Final[Mapping[RequestStatus, JobStatus]] = {
    RequestStatus.RECEIVED: _S.RECEIVED,
    RequestStatus.SUBMITTED: _S.RECEIVED,
    RequestStatus.INPROGRESS: _S.INPROGRESS,
    RequestStatus.READY: _S.READY,
    RequestStatus.ERROR: _S.FAILED,
    # An unlisted word is not terminal and must not crash a wait.
    RequestStatus.UNKNOWN: _S.INPROGRESS,
}


def step(status: JobStatus, event: JobEvent) -> JobStatus:
    """Return the status after the event: the table's, or the same where it has no entry."""
    return TRANSITIONS[status].get(type(event), status)


def of_request(status: RequestStatus) -> JobStatus:
    """Return the job status that the API's word stands for."""
    return _WORDS[status]
