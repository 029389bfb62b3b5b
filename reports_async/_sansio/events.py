"""
What happens to a job: frozen values, told to progress displays and fed to the lifecycle.

A poll, a webhook and the reply to a create make the same events, so a late or repeated one needs
no special case: `lifecycle.step` looks it up like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attrs import frozen

if TYPE_CHECKING:
    from datetime import datetime

    from reports_async._exceptions import ReportsError
    from reports_async._models import Report


@frozen(kw_only=True)
class JobEvent:
    """A step of a job. `at` is by the client's clock; `request_id` is None until it is known."""

    at: datetime
    report_type: str
    request_id: str | None = None


@frozen(kw_only=True)
class Waiting(JobEvent):
    """The hour of the type is taken; it opens at `until`, by the client's clock."""

    until: datetime


@frozen(kw_only=True)
class Reserved(JobEvent):
    """The hour is ours; the create call comes next."""


@frozen(kw_only=True)
class Uncertain(JobEvent):
    """The create call had no answer: the server's list is asked what became of it."""

    reason: str


@frozen(kw_only=True)
class Accepted(JobEvent):
    """
    The request has an id.

    `origin` says how we came by it: ``created`` by this job; ``joined``, in flight already;
    ``reused``, made earlier (`max_age`, `on_limit`); ``adopted``, found in the server's list
    after a create without an answer; ``resumed`` by its id. `submitted_at` is by the client's
    clock.
    """

    origin: Literal["created", "joined", "reused", "adopted", "resumed"]
    submitted_at: datetime


@frozen(kw_only=True)
class Progressed(JobEvent):
    """A look found the request not ready. `elapsed` counts seconds since its submission."""

    raw_status: str
    elapsed: float


@frozen(kw_only=True)
class Finished(JobEvent):
    """The report is READY. `generated_at` is by the server's clock."""

    generated_at: datetime | None = None


@frozen(kw_only=True)
class Linking(JobEvent):
    """A download link is needed: asked for as soon as the call budget allows, again and again."""


@frozen(kw_only=True)
class Linked(JobEvent):
    """There is a link; the download begins, or goes on. The link itself is a secret."""


@frozen(kw_only=True)
class Downloading(JobEvent):
    """Bytes came: `received` so far, of `total` where the file host told it."""

    received: int
    total: int | None = None


@frozen(kw_only=True)
class Retrying(JobEvent):
    """A download broke, or its link expired; it goes on. `reason` is fit for display."""

    reason: str


@frozen(kw_only=True)
class Downloaded(JobEvent):
    """The file is whole, checked and under its real name. The last event of a good job."""

    report: Report


@frozen(kw_only=True)
class Errored(JobEvent):
    """The server ended the request with ERROR. The last event of the job."""

    error: ReportsError


@frozen(kw_only=True)
class LimitOver(JobEvent):
    """A limit of `Timeouts` is over. The last event of the job; the request lives on."""

    error: ReportsError


@frozen(kw_only=True)
class Gone(JobEvent):
    """The server no longer has the request or its file. The last event of the job."""

    error: ReportsError


@frozen(kw_only=True)
class Stopped(JobEvent):
    """
    The job ended without an answer about its request: refused, broken off or cancelled.

    The last event of the job; where there is a request id, it can be resumed.
    """

    error: ReportsError
