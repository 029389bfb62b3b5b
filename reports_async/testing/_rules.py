"""
What the simulated server is like where Walmart's documents leave it open: one switch per doubt.

The rules that are not in doubt have no switch; they are enforced always.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

from attrs import field, frozen

from reports_async._exceptions import InvalidArgument
from reports_async._validation import as_seconds, checked_seconds, one_of, seconds

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from attrs import Attribute

ErrorShape = Literal["error", "errors", "problem", "xml", "spring", "html"]
FileFormat = Literal["zip", "gzip", "plain"]
TimeFormat = Literal["Z", "naive", "millis"]
LinkFields = Literal["downloadURL", "downloadUrl", "downloadURLS"]
Replenishment = Literal["ms", "iso", "alternative", "none"]
RetryAfter = Literal["seconds", "date", "none"]


def _among(choices: Any) -> Any:
    names: tuple[str, ...] = get_args(choices)

    def validate(_instance: Any, attribute: Attribute[str], value: str) -> None:
        one_of(value, names, name=attribute.name)

    return validate


def _positive(_instance: Any, attribute: Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not value > 0:
        raise InvalidArgument(f"{attribute.name} must be above zero, but is {value!r}.")


Duration = float | timedelta


def span(value: Duration | tuple[Duration, Duration], *, name: str) -> tuple[float, float]:
    """Return the bounds of a duration that is one number, or drawn between two."""
    low, high = value if isinstance(value, tuple) else (value, value)
    bounds = seconds(low, name=name), seconds(high, name=name)
    if bounds[1] < bounds[0]:
        raise InvalidArgument(f"{name} must go from the shorter to the longer, not {value!r}.")
    return bounds


def _as_span(value: Duration | tuple[Duration, Duration]) -> tuple[float, float]:
    return span(value, name="link_lifetime")


@frozen(kw_only=True)
class Rules:
    """
    What the simulated server is like where the documents are silent, or contradict each other.

    The defaults are what is documented, or else what was seen most. Durations are seconds or
    `timedelta`.

    Args:
        credentials: Client ids and their secrets; None takes any.
        bad_credentials: The status that answers wrong ones.
        market: The ``WM_MARKET`` that every call must carry, also the token call. None takes any,
            but the same on all calls of a token.
        global_version: The ``WM_GLOBAL_VERSION`` that every call must carry; None asks for none.
        channel_type: ``WM_CONSUMER.CHANNEL.TYPE`` must be there.
        suppliers: True knows ``includeColumns`` only, False ``excludeColumns`` only, None both.
        report_types: The types that exist; None takes any.
        first_status: What the reply to a create says.
        submitted: A status call says SUBMITTED where a list says RECEIVED.
        echo_payload: Replies repeat the body of the create call.
        id_field: How the reply to a create calls the id.
        times: Timestamps end in ``Z``, in nothing, or have milliseconds.
        link_fields: How the reply with the link calls it.
        unready_link: A link asked for too early (or of a failed request) is answered 200 without
            one, or with an error.
        error_shape: What error bodies look like.
        without_accept: What a call without ``Accept: application/json`` gets.
        strict_list: A list without ``reportType`` is refused.
        paired_dates: A list with only one of the two dates is refused.
        max_page_limit: The longest page that the parameter ``limit`` can ask for.
        repeat_cursor: The last page tells a cursor, the one that led to it.
        empty_page: A full last page is followed by an empty one.
        list_lag: How long a new request stays unseen by list, status and link.
        budgets: Status, link and list calls cost tokens.
        budget: How many tokens a bucket holds.
        refill: How long one token takes to come back.
        replenishment: How the time of the next token is told.
        retry_after: How a spent budget tells when to come back.
        hourly_retry_after: The hourly rule tells it as well.
        token_lifetime: How long an access token works.
        link_lifetime: How long a signed link works; a pair is drawn from.
        same_host: Links lead to the API's own host, as some do: `Simulator.file_base_url` is its
            address, and only the path tells a file.
        honour_range: The file host sends parts; if not, the whole file with 200.
        send_length: The file host declares the length.
        etag: The file host sends an ETag.
        last_modified: The file host sends Last-Modified.
        file_format: What a report comes in.
        descriptor: The ZIP's local header has zero sizes, the data descriptor the real ones.
        zip64: The ZIP uses the records for more than 4 GiB, needed or not.
        bom: The CSV starts with a byte order mark.

    .. versionadded:: 0.1.0
    """

    credentials: Mapping[str, str] | None = field(default=None, repr=False)
    bad_credentials: Literal[400, 401, 403] = 400
    market: str | None = None
    global_version: str | None = None
    channel_type: bool = False
    suppliers: bool | None = None
    report_types: Collection[str] | None = None
    first_status: Literal["RECEIVED", "INPROGRESS"] = field(
        default="RECEIVED", validator=_among(Literal["RECEIVED", "INPROGRESS"])
    )
    submitted: bool = False
    echo_payload: bool = True
    id_field: Literal["requestId", "requestID"] = field(
        default="requestId", validator=_among(Literal["requestId", "requestID"])
    )
    times: TimeFormat = field(default="Z", validator=_among(TimeFormat))
    link_fields: LinkFields = field(default="downloadURL", validator=_among(LinkFields))
    unready_link: Literal["without", "error"] = field(
        default="without", validator=_among(Literal["without", "error"])
    )
    error_shape: ErrorShape = field(default="error", validator=_among(ErrorShape))
    without_accept: Literal["refused", "xml"] = field(
        default="refused", validator=_among(Literal["refused", "xml"])
    )
    strict_list: bool = False
    paired_dates: bool = True
    max_page_limit: int = field(default=10, validator=_positive)
    repeat_cursor: bool = False
    empty_page: bool = False
    list_lag: float = field(default=0.0, converter=as_seconds, validator=checked_seconds)
    budgets: bool = True
    budget: int = field(default=20, validator=_positive)
    refill: float = field(
        default=180.0, converter=as_seconds, validator=[checked_seconds, _positive]
    )
    replenishment: Replenishment = field(default="ms", validator=_among(Replenishment))
    retry_after: RetryAfter = field(default="seconds", validator=_among(RetryAfter))
    hourly_retry_after: bool = False
    token_lifetime: float = field(default=900.0, converter=as_seconds, validator=checked_seconds)
    link_lifetime: tuple[float, float] = field(default=(900.0, 1080.0), converter=_as_span)
    same_host: bool = False
    honour_range: bool = True
    send_length: bool = True
    etag: bool = True
    last_modified: bool = True
    file_format: FileFormat = field(default="zip", validator=_among(FileFormat))
    descriptor: bool = True
    zip64: bool = False
    bom: bool = False

    def __attrs_post_init__(self) -> None:
        # A status outside the three would be no sign of wrong credentials.
        if self.bad_credentials not in (400, 401, 403):
            raise InvalidArgument(
                f"bad_credentials must be 400, 401 or 403, not {self.bad_credentials!r}."
            )
