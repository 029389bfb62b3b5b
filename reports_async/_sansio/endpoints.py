"""
The API's calls as plain requests: addresses, queries, headers, bodies.

Here it is written down what a call looks like on the wire, and nowhere else. Nothing is sent.
"""

from __future__ import annotations

import base64
import json
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, urlencode

from attrs import evolve, field, frozen

from reports_async._exceptions import InvalidArgument
from reports_async._filters import EnumFilter, Filters, RangeFilter, RowFilter
from reports_async._http import HTTPRequest
from reports_async._models import RETENTION, RequestStatus
from reports_async._secrets import Secret
from reports_async._validation import as_utc, checked_instant, checked_optional_word, one_of, word

from .instants import parse_instant, to_milliseconds, to_seconds
from .json_values import folded, is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from attrs import Attribute

    from reports_async._credentials import Credentials

_TOKEN: Final = "/v3/token"  # noqa: S105 -- the path of an endpoint, not a secret
_REQUESTS: Final = "/v3/reports/reportRequests"
_DOWNLOAD: Final = "/v3/reports/downloadReport"
_WEBHOOKS: Final = "/v3/webhooks/"

SERVICE_NAME: Final = "Walmart Marketplace"
"""What WM_SVC.NAME is unless a client is told otherwise."""

# What may stand in a query as it is (RFC 3986), "%" included: a cursor is quoted already.
_QUERY: Final = "%!$&'()*+,;=:@/?-._~"

# What a field says that is there and says nothing.
_NOTHING: Final[tuple[Any, ...]] = (None, "", [], {})

# "Filters: requestStatus (RECEIVED, INPROGRESS, READY, ERROR)": the seventh rule of the API.
STATUS_FILTERS: Final = ("RECEIVED", "INPROGRESS", "READY", "ERROR")

# How the fields of a payload may be spelled, folded.
_SYNONYMS: Final = MappingProxyType({"rowfiltertype": "type"})
_INSTANTS: Final = frozenset({"datastarttime", "dataendtime"})


class Endpoint(StrEnum):
    """What is called. Lists, statuses and links have a budget each, of the same name."""

    TOKEN = "token"  # noqa: S105 -- the name of an endpoint, not a secret
    CREATE = "create"
    LIST = "list"
    STATUS = "status"
    LINK = "link"
    WEBHOOKS = "webhooks"


def _header_value(_instance: Any, attribute: Attribute[Any], value: Any) -> None:
    if value is None:
        return
    # A header value that breaks the line would be a header of its own.
    if not (isinstance(value, str) and value.strip() and value.isprintable() and value.isascii()):
        raise InvalidArgument(f"{attribute.name} must be printable ASCII and not blank: {value!r}.")


@frozen(kw_only=True)
class Site:
    """
    Where the calls go, and what every one of them says.

    Args:
        base_url: Checked, without a slash at the end.
        headers: The market's.
        service_name: The value of WM_SVC.NAME.
        channel_type: The value of WM_CONSUMER.CHANNEL.TYPE, where the seller has one.
    """

    base_url: str
    headers: Mapping[str, str] = field(factory=dict[str, str], hash=False)
    service_name: str = field(default=SERVICE_NAME, validator=_header_value)
    channel_type: str | None = field(default=None, validator=_header_value)


@frozen(kw_only=True)
class Call:
    """
    A request, and what it is for: its replies and errors are read by that.

    `secrets` are in its body, and in no text that is made of its reply.
    """

    endpoint: Endpoint
    request: HTTPRequest
    report_type: str | None = None
    request_id: str | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)


def _status(value: RequestStatus | str | None) -> RequestStatus | None:
    if value is None:
        return None
    return RequestStatus(one_of(value, STATUS_FILTERS, name="status"))


def _limit(_instance: Any, _attribute: Attribute[int | None], value: Any) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise InvalidArgument(f"limit must be a number above zero, not {value!r}.")


@frozen(kw_only=True)
class ListQuery:
    """
    Which requests to list; nothing given means all of the last 30 days.

    Args:
        report_type: Those of this type.
        request_id: The one with this id.
        status: RECEIVED, INPROGRESS, READY or ERROR; the API filters by no other.
        submitted_after: Those submitted then or later; together with *submitted_before*.
        submitted_before: Those submitted then or earlier.
        limit: How many to a page. The API may give fewer: believe the answer's own limit.
    """

    report_type: str | None = field(default=None, validator=checked_optional_word)
    request_id: str | None = field(default=None, validator=checked_optional_word)
    status: RequestStatus | None = field(default=None, converter=_status)
    submitted_after: datetime | None = field(
        default=None, converter=as_utc, validator=checked_instant
    )
    submitted_before: datetime | None = field(
        default=None, converter=as_utc, validator=checked_instant
    )
    limit: int | None = field(default=None, validator=_limit)

    def check(self, *, now: datetime) -> None:
        """
        Hold the dates against the API's rules, so that no call is spent on a certain refusal.

        Raises:
            InvalidArgument: "Start or end date missing", "start date older than 30 days", or the
                start lies after the end.
        """
        after, before = self.submitted_after, self.submitted_before
        if after is None and before is None:
            return
        if after is None or before is None:
            missing = "submitted_after" if after is None else "submitted_before"
            raise InvalidArgument(
                f"{missing} is missing: the API wants both submitted_after and submitted_before."
            )
        if after > before:
            raise InvalidArgument("submitted_after must not be later than submitted_before.")
        if after < now - RETENTION:
            raise InvalidArgument(
                "submitted_after must not be older than 30 days: the API keeps requests no longer."
            )


def token_call(site: Site, credentials: Credentials, *, correlation_id: str) -> Call:
    """Return the call for an access token. It is complete: it carries no token itself."""
    headers = {
        **_headers(site),
        "Authorization": _basic(credentials),
        "Content-Type": "application/x-www-form-urlencoded",
        "WM_QOS.CORRELATION_ID": correlation_id,
    }
    request = HTTPRequest(
        method="POST",
        url=site.base_url + _TOKEN,
        headers=headers,
        body=b"grant_type=client_credentials",
    )
    return Call(endpoint=Endpoint.TOKEN, request=request)


def create_call(site: Site, *, report_type: str, version: str, body: str) -> Call:
    """
    Return the call that makes a request. Not idempotent: it must not be sent twice blindly.

    "reportType and reportVersion, both required", in the query; a JSON object as the body always.
    """
    word(report_type, name="report_type")
    word(version, name="version")
    request = HTTPRequest(
        method="POST",
        url=_url(site, _REQUESTS, {"reportType": report_type, "reportVersion": version}),
        headers={**_headers(site), "Content-Type": "application/json"},
        body=body.encode(),
    )
    return Call(endpoint=Endpoint.CREATE, request=request, report_type=report_type)


def list_call(site: Site, query: ListQuery) -> Call:
    """Return the call for the first page of the requests. Fractions of seconds widen the query."""
    after, before = query.submitted_after, query.submitted_before
    wanted: dict[str, str | None] = {
        "reportType": query.report_type,
        "requestId": query.request_id,
        "requestStatus": query.status,
        "requestSubmissionStartDate": None if after is None else to_seconds(after),
        "requestSubmissionEndDate": None if before is None else to_seconds(before, up=True),
        "limit": None if query.limit is None else str(query.limit),
    }
    parameters = {name: value for name, value in wanted.items() if value}
    return Call(
        endpoint=Endpoint.LIST,
        request=_get(site, _url(site, _REQUESTS, parameters)),
        report_type=query.report_type,
        request_id=query.request_id,
    )


def next_page_call(site: Site, cursor: str) -> Call:
    """
    Return the call for a further page: the cursor is the whole query, raw.

    "Use this value as query, and pass nothing else." Only the query: whatever the cursor says,
    host and path stay ours.
    """
    query = quote(cursor.removeprefix("?"), safe=_QUERY, errors="replace")
    asked = dict(parse_qsl(query))
    return Call(
        endpoint=Endpoint.LIST,
        request=_get(site, f"{site.base_url}{_REQUESTS}?{query}"),
        report_type=asked.get("reportType"),
        request_id=asked.get("requestId"),
    )


def status_call(site: Site, request_id: str) -> Call:
    """Return the call for the status of a request."""
    word(request_id, name="request_id")
    if not request_id.strip("."):
        # Dot segments are taken out of a path, even quoted: this would be another endpoint.
        raise InvalidArgument(f"request_id must not be made of dots: {request_id!r}.")
    url = f"{site.base_url}{_REQUESTS}/{quote(request_id, safe='')}"
    return Call(endpoint=Endpoint.STATUS, request=_get(site, url), request_id=request_id)


def link_call(site: Site, request_id: str) -> Call:
    """Return the call for the download link of a request. One of 20 an hour."""
    word(request_id, name="request_id")
    url = _url(site, _DOWNLOAD, {"requestId": request_id})
    return Call(endpoint=Endpoint.LINK, request=_get(site, url), request_id=request_id)


def webhook_call(
    site: Site,
    method: str,
    path: str,
    *,
    parameters: Mapping[str, str] | None = None,
    document: Mapping[str, Any] | None = None,
    secrets: tuple[str, ...] = (),
) -> Call:
    """Return a call to a *path* below ``/v3/webhooks/``; `subscriptions` knows which there are."""
    headers, body = _headers(site), b""
    if document is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(document).encode()
    url = _url(site, _WEBHOOKS + path, parameters or {})
    request = HTTPRequest(method=method, url=url, headers=headers, body=body)
    return Call(endpoint=Endpoint.WEBHOOKS, request=request, secrets=secrets)


def signed(call: Call, *, token: str, correlation_id: str) -> HTTPRequest:
    """Return the request with the access token and an id of its own: "a fresh UUID each call"."""
    headers = {
        **call.request.headers,
        "WM_SEC.ACCESS_TOKEN": token,
        "WM_QOS.CORRELATION_ID": correlation_id,
    }
    return evolve(call.request, headers=headers)


def create_body(filters: Filters | None) -> str:
    """
    Return the create body, in canonical JSON: also the identity of the filters.

    Rows, columns and values are sets: neither their order nor a repetition makes another report.
    """
    if filters is None:
        return "{}"
    start, end = filters.data_start, filters.data_end
    return _canonical(
        {
            "rowFilters": [_row(row) for row in filters.rows],
            "excludeColumns": list(filters.exclude_columns),
            "includeColumns": list(filters.include_columns),
            "dataStartTime": start and to_milliseconds(start),
            "dataEndTime": end and to_milliseconds(end),
            "dateGranularity": filters.granularity,
        }
    )


def same_filters(body: str, payload: Mapping[str, Any] | None) -> bool:
    """
    Whether the payload of a server's entry asks for the same as a create body.

    No payload asks for everything. What a payload says beyond our knowledge makes it different.
    """
    return _canonical(_meaning(json.loads(body))) == _canonical(_meaning(dict(payload or {})))


def _basic(credentials: Credentials) -> Secret:
    pair = f"{credentials.client_id}:{credentials.client_secret}".encode()
    return Secret(f"Basic {base64.b64encode(pair).decode()}")


def _headers(site: Site) -> dict[str, str]:
    headers = {"Accept": "application/json", "WM_SVC.NAME": site.service_name, **site.headers}
    if site.channel_type is not None:
        # "MISSING_REQUEST_HEADER, e.g. the channel type": some accounts need it.
        headers["WM_CONSUMER.CHANNEL.TYPE"] = site.channel_type
    return headers


def _url(site: Site, path: str, parameters: Mapping[str, str]) -> str:
    query = urlencode(parameters, quote_via=quote)
    return f"{site.base_url}{path}" + (f"?{query}" if query else "")


def _get(site: Site, url: str) -> HTTPRequest:
    return HTTPRequest(method="GET", url=url, headers=_headers(site))


def _row(row: RowFilter) -> dict[str, Any]:
    if isinstance(row, RangeFilter):
        return {
            "type": "rangeFilter",
            "columnName": row.column,
            "from": row.start,
            "to": row.end,
        }
    kind = "enumFilter" if isinstance(row, EnumFilter) else "multiValueFilter"
    return {"type": kind, "columnName": row.column, "values": list(row.values)}


def _canonical(data: Any) -> str:
    return _text(_tidied(data))


def _text(data: Any) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def _tidied(value: Any) -> Any:
    """Leave out what says nothing, and put sets in one order."""
    if is_object(value):
        pairs = ((name, _tidied(inner)) for name, inner in value.items())
        return {name: inner for name, inner in pairs if inner not in _NOTHING}
    if is_array(value):
        # By their own text, so that anything that JSON can hold has a place in the order.
        items = {_text(item): item for item in map(_tidied, value) if item not in _NOTHING}
        return [items[text] for text in sorted(items)]
    return value


def _meaning(value: Any, *, name: str = "") -> Any:
    """Undo what servers spell in their own ways: case of names, instants, numbers as text."""
    if is_object(value):
        # Walmart's own specification calls the type of a range filter rowFilterType as well.
        named = ((_SYNONYMS.get(key, key), inner) for key, inner in folded(value).items())
        return {key: _meaning(inner, name=key) for key, inner in named}
    if is_array(value):
        return [_meaning(item) for item in value]
    if name in _INSTANTS and (at := parse_instant(value)):
        return to_milliseconds(at)
    return value if value is None else str(value)
