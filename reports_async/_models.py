"""
The values that users hold and rooms hand to each other. Frozen; they decide nothing.

Instants are aware UTC datetimes, durations seconds.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from attrs import field, frozen

from ._exceptions import InvalidArgument
from ._filters import Filters
from ._http import without_query
from ._rows import Row, rows
from ._secrets import Secret
from ._validation import (
    as_seconds,
    checked_flag,
    checked_optional_word,
    checked_seconds,
    checked_word,
    one_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OnLimit = Literal["wait", "raise", "reuse"]

# "Requests and files are kept 30 days": the API's third rule.
RETENTION: Final = timedelta(days=30)


class RequestStatus(StrEnum):
    """The API's status of a request. A word it invents tomorrow is UNKNOWN, and not terminal."""

    RECEIVED = "RECEIVED"
    SUBMITTED = "SUBMITTED"
    INPROGRESS = "INPROGRESS"
    READY = "READY"
    ERROR = "ERROR"
    UNKNOWN = "UNKNOWN"


class JobStatus(StrEnum):
    """
    Where a job stands, from the wait for its hour to the file on disk.

    The API's own words where it has one; `_sansio.lifecycle` holds the table of moves.
    """

    PENDING = "PENDING"
    RESERVED = "RESERVED"
    RECEIVED = "RECEIVED"
    INPROGRESS = "INPROGRESS"
    READY = "READY"
    SAVED = "SAVED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    EXPIRED = "EXPIRED"


@frozen(kw_only=True)
class Timeouts:
    """
    How long each wait may take: seconds or `timedelta`, None for no limit.

    Args:
        quota: For the hour of a report type to open (then `RequestLimitExceeded`).
        generation: For a request to become READY, from when a handle starts to wait (then
            `ReportTimedOut`). The API says 45 minutes; 52 have been seen.
        call: For one API call, and for the file host's headers, in real time.
        link: For the download link, budget waits included, from when it is this report's turn
            (then `ReportTimedOut`).
        stall: For a download to go on after its last byte, in real time; so long, too, it may bring
            less than a KiB a second.
    """

    quota: float | None = field(default=None, converter=as_seconds, validator=checked_seconds)
    generation: float | None = field(
        default=5400.0, converter=as_seconds, validator=checked_seconds
    )
    call: float | None = field(default=30.0, converter=as_seconds, validator=checked_seconds)
    link: float | None = field(default=7200.0, converter=as_seconds, validator=checked_seconds)
    stall: float | None = field(default=60.0, converter=as_seconds, validator=checked_seconds)


def as_path(value: str | os.PathLike[str] | None) -> Path | None:
    """Return the path of a file to write; None stays None."""
    if value is None:
        return None
    try:
        name: object = os.fspath(value)
    except TypeError:
        name = ""
    if not isinstance(name, str) or not name or name.endswith(("/", os.sep)):  # pyright: ignore[reportUnnecessaryIsInstance]  # users are not always typed
        raise InvalidArgument(f"path must name a file, but is {value!r}.")
    return Path(name)


@frozen(kw_only=True)
class ReportSpec:
    """
    One report that is wanted: the arguments of `ReportsClient.fetch_report` as a value.

    Args:
        report_type: The API's name of the type, e.g. ``ITEM_MX``.
        version: e.g. ``v1``; None is the newest that is known for the type.
        filters: What it shall contain; None for everything.
        max_age: Take an identical report of that age or younger instead of a new one.
        on_limit: What to do while the hour of the type is taken: wait, raise or reuse.
        fresh: Never join an identical request that is in flight.
        path: The file to write, over what stands there, be it another report's that had the same
            path; None names it in the client's directory.
    """

    report_type: str = field(kw_only=False, validator=checked_word)
    version: str | None = field(default=None, validator=checked_optional_word)
    filters: Filters | None = None
    max_age: float | None = field(default=None, converter=as_seconds, validator=checked_seconds)
    on_limit: OnLimit = "wait"
    fresh: bool = field(default=False, validator=checked_flag)
    path: Path | None = field(default=None, converter=as_path)

    def __attrs_post_init__(self) -> None:
        one_of(self.on_limit, ("wait", "raise", "reuse"), name="on_limit")
        if self.filters is not None and not isinstance(self.filters, Filters):  # pyright: ignore[reportUnnecessaryIsInstance]  # users are not always typed
            raise InvalidArgument(f"filters must be a Filters value, not {self.filters!r}.")


@frozen(kw_only=True)
class Wish:
    """
    A `ReportSpec` as it is submitted: identity and manners.

    `owner` is the handle's own name for leases.
    """

    report_type: str
    version: str
    filters: str
    max_age: float | None
    on_limit: OnLimit
    fresh: bool
    owner: str


@frozen(kw_only=True)
class ReportRequest:
    """A request as the API tells of it. `raw_status` is the API's own word for `status`."""

    request_id: str
    status: RequestStatus
    raw_status: str
    report_type: str | None = None
    version: str | None = None
    submitted_at: datetime | None = None
    generated_at: datetime | None = None
    source: str | None = None
    payload: Mapping[str, Any] | None = field(default=None, hash=False)
    description: str | None = None

    @property
    def expires_at(self) -> datetime | None:
        """When the server forgets it: 30 days after submission, by the server's clock."""
        return None if self.submitted_at is None else self.submitted_at + RETENTION


@frozen(kw_only=True)
class DownloadLink:
    """
    A signed address of the file. A secret: who has it has the file, and so it is not pickled.

    `expires_at` is by the server's clock, None where the API did not say.
    """

    url: str = field(converter=Secret, repr=without_query)
    expires_at: datetime | None = None

    def __str__(self) -> str:
        return without_query(self.url)


@frozen(kw_only=True)
class Report:
    """
    A report on disk, whole and checked.

    `size` counts the bytes of the file at `path`; the times are the server's. `sha256` is its
    digest, where `Downloads.sha256` asks for it.
    """

    path: Path
    report_type: str
    version: str
    request_id: str
    submitted_at: datetime
    generated_at: datetime | None
    expires_at: datetime
    size: int
    sha256: str | None = None

    def rows(self) -> Iterator[Row]:
        """
        Iterate the CSV as dictionaries, without loading it.

        The header names the keys, the last of the columns that share a name. A byte order mark and
        empty lines are dropped. A row that is longer than the header keeps its surplus out of the
        dictionary, a shorter one has empty strings. Columns are looked up without regard to case;
        see `Row`.

        Raises:
            InvalidArgument: The file is an archive, as `Downloads(unpack=False)` keeps it.
            UnicodeDecodeError: It is not UTF-8: read `path` in the encoding that it has.
            csv.Error: A field is longer than `csv.field_size_limit` allows, which is the process's.
        """
        return rows(self.path)


@frozen(kw_only=True, weakref_slot=False)  # 100,000 may wait
class JobRecord:
    """
    One request as a `Store` remembers it, from the reservation of its hour on.

    Args:
        key: Made by the client before anything is sent; the request id comes later.
        account: A digest of the client id, the API's host and the country, never a secret.
        market: That of the client that made it.
        filters: The create body in canonical JSON; ``{}`` for no filters, None where another
            program made the request and its filters are not known.
        owner: Who works on it, until `lease_until`; see `Store.claim`.
        holds_until: Until when it holds the hour of its type; None if it does not.
        sent_at: When the create call went out. Without it, surely nothing was sent.
        submitted_at: The server's time of submission, by the server's clock.
        received_at: The same moment by our clock.
        saved_as: What tells the file at `path`, as it was saved, from another that is there later.
        foreign: Another program made it. It holds the hour; it is never joined, only reused when
            the caller allows it.
        list_refused_at: When the server last refused a list without a type, by our clock; None
            where it was not seen to.
        others_took: How long requests of other programs took, of whatever type, as far as the
            server's list told it while this one was waited for: JSON, by type and request id the
            seconds and when it was submitted; None where it told nothing new.
    """

    key: str
    account: str
    market: str | None = None
    report_type: str
    version: str
    filters: str | None = "{}"
    status: JobStatus = JobStatus.RESERVED
    reserved_at: datetime
    holds_until: datetime | None = None
    owner: str | None = None
    lease_until: datetime | None = None
    sent_at: datetime | None = None
    request_id: str | None = None
    submitted_at: datetime | None = None
    received_at: datetime | None = None
    generated_at: datetime | None = None
    path: str | None = None
    saved_as: str | None = None
    error: str | None = None
    foreign: bool = False
    list_refused_at: datetime | None = None
    others_took: str | None = field(default=None, repr=False)
