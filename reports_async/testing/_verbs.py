"""
The four calls of the Reports API, answered by its published rules.

Who calls, and whether the budget allows it, was decided before (`_gateway`).
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from attrs import define

from reports_async._filters import GRANULARITIES
from reports_async._models import RETENTION

from ._ledger import Standing
from ._replies import JSON, Refusal, Reply, json_reply, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ._filehost import Links
    from ._gateway import Call, Gateway
    from ._ledger import Ledger, SimulatedRequest
    from ._rules import Rules

_FILTER_STATUSES: Final = ("RECEIVED", "INPROGRESS", "READY", "ERROR")
_LIST_FILTERS: Final = (
    "reportType",
    "reportVersion",
    "requestId",
    "requestStatus",
    "requestSubmissionStartDate",
    "requestSubmissionEndDate",
    "src",
)
_VERSION: Final = re.compile(r"v[1-9][0-9]*")
_WIRE_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
# "Production wanted milliseconds" in the dates of the body, and only there.
_BODY_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_PAGE_LIMIT: Final = 10


def _missing(name: str) -> Refusal:
    return Refusal(
        400, f"The parameter {name} is missing.", code="MISSING_REQUEST_PARAM", field=name
    )


def _content(description: str, field: str | None = None) -> Refusal:
    return Refusal(400, description, code="INVALID_REQUEST_CONTENT", field=field)


def _not_found(request_id: str) -> Refusal:
    # "The id is wrong, expired, or another seller's": one answer for all three.
    return Refusal(404, f"There is no request {request_id}.", field="requestId")


@define(eq=False)
class Verbs:
    """What each call does, for an account."""

    rules: Rules
    ledger: Ledger
    links: Links
    gateway: Gateway
    file_base_url: Callable[[], str]

    def create(self, call: Call, account: str) -> Reply:
        """Make a new request, one per type and hour."""
        report_type = call.parameter("reportType")
        version = call.parameter("reportVersion")
        if report_type is None:
            raise _missing("reportType")
        if version is None:
            raise _missing("reportVersion")
        known = self.rules.report_types
        if known is not None and report_type not in known:
            raise Refusal(400, f"There is no report type {report_type}.", field="reportType")
        if not _VERSION.fullmatch(version):
            raise Refusal(400, f"There is no version {version}.", field="reportVersion")
        payload = self._payload(call)
        self._check_hour(account, report_type, call.now)
        request_id = self.ledger.add(
            report_type,
            version=version,
            submitted_at=call.now,
            payload=payload,
            source="API",
            account=account,
        )
        document = self._entry(self.ledger.get(request_id), Standing(self.rules.first_status))
        del document["requestId"], document["src"]
        return json_reply({self.rules.id_field: request_id, **document})

    def _check_hour(self, account: str, report_type: str, now: datetime) -> None:
        opens_at = self.ledger.hour_opens(account, report_type)
        if opens_at is not None and now < opens_at:
            wait = (
                self.gateway.retry_after(opens_at, now) if self.rules.hourly_retry_after else None
            )
            raise Refusal(
                429, f"One request per hour: {report_type} was requested before.", headers=wait
            )

    def _payload(self, call: Call) -> Mapping[str, Any]:
        # Production answered 415 to a create without a body.
        kind = call.headers.get("content-type", "").lower()
        if not call.body or not kind.startswith(JSON):
            raise Refusal(415, "Send a JSON object as the body, {} at least.", field="Content-Type")
        try:
            payload = json.loads(call.body)
        except ValueError as exc:
            raise _content(f"The body is not JSON: {exc}.") from exc
        if not isinstance(payload, dict):
            raise _content("The body must be a JSON object.")
        document: dict[str, Any] = payload  # pyright: ignore[reportUnknownVariableType]  # keys of JSON objects are strings
        _check_payload(document, suppliers=self.rules.suppliers)
        return document

    def status(self, call: Call, account: str) -> Reply:
        """Tell how one request stands."""
        request_id = call.path.rpartition("/")[2]
        request = self._find(call, account, request_id)
        standing = self.ledger.look(request_id, now=call.now)
        document = self._entry(request, standing)
        if self.rules.submitted and standing.word == "RECEIVED":
            document["requestStatus"] = "SUBMITTED"
        return json_reply(document)

    def link(self, call: Call, account: str) -> Reply:
        """Give a signed address of the file."""
        request_id = call.parameter("requestId")
        if request_id is None:
            raise _missing("requestId")
        request = self._find(call, account, request_id)
        standing = self.ledger.settled(request_id, now=call.now)
        document = self._entry(request, standing)
        if standing.word == "READY":
            address, expires_at = self.links.sign(request, now=call.now)
            document |= self._link_fields(self.file_base_url() + address, expires_at)
        elif self.rules.unready_link == "error":
            raise Refusal(
                400, f"The report {request_id} is {standing.word}, not READY.", field="requestId"
            )
        return json_reply(document)

    def _link_fields(self, url: str, expires_at: datetime) -> dict[str, Any]:
        until = timestamp(expires_at, self.rules.times)
        if self.rules.link_fields == "downloadURLS":
            return {"downloadURLS": [url], "downloadURLExpirationTime": until}
        name = self.rules.link_fields
        return {name: url, f"{name}ExpirationTime": until}

    def _find(self, call: Call, account: str, request_id: str) -> SimulatedRequest:
        request = self.ledger.find(account, request_id, now=call.now)
        if request is None:
            raise _not_found(request_id)
        return request

    def _entry(self, request: SimulatedRequest, standing: Standing) -> dict[str, Any]:
        document: dict[str, Any] = {
            "requestId": request.request_id,
            "requestStatus": standing.word,
            "requestSubmissionDate": timestamp(request.submitted_at, self.rules.times),
            "reportType": request.report_type,
            "reportVersion": request.version,
            "src": request.source,
        }
        if request.payload and self.rules.echo_payload:
            document["payload"] = request.payload
        if standing.generated_at is not None:
            document["reportGenerationDate"] = timestamp(standing.generated_at, self.rules.times)
        return document

    def list(self, call: Call, account: str) -> Reply:
        """List the requests of the last 30 days, newest first, page by page."""
        filters = {name: call.parameter(name) for name in _LIST_FILTERS}
        if self.rules.strict_list and filters["reportType"] is None:
            raise _missing("reportType")
        limit = min(_number(call, "limit", _PAGE_LIMIT), self.rules.max_page_limit)
        page = _number(call, "page", 1)
        found = self._matching(call, account, filters)
        first = (page - 1) * limit
        document: dict[str, Any] = {
            "page": page,
            "totalCount": len(found),
            "limit": limit,
            "requests": found[first : first + limit],
        }
        next_page = self._next_page(page, shown=first + limit, total=len(found))
        if next_page is not None:
            # A whole query string: "append it raw and send nothing else".
            words = [f"{name}={quote(value, safe=':')}" for name, value in filters.items() if value]
            document["nextCursor"] = "&".join([*words, f"page={next_page}", f"limit={limit}"])
        return json_reply(document)

    def _next_page(self, page: int, *, shown: int, total: int) -> int | None:
        if shown < total or (self.rules.empty_page and shown == total):
            return page + 1
        # "The same cursor has come back twice".
        return page if self.rules.repeat_cursor and page > 1 else None

    def _matching(
        self, call: Call, account: str, filters: Mapping[str, str | None]
    ) -> Sequence[dict[str, Any]]:
        start, end = self._dates(filters, call.now)
        status = filters["requestStatus"]
        if status is not None and status not in _FILTER_STATUSES:
            raise Refusal(400, f"There is no status {status}.", field="requestStatus")
        found: list[dict[str, Any]] = []
        for request in self.ledger.visible(account, now=call.now):
            told = request.submitted_at.replace(microsecond=0)
            if start <= told <= end and _has(request, filters):
                standing = self.ledger.look(request.request_id, now=call.now)
                if status in (None, standing.word):
                    found.append(self._entry(request, standing))
        return found

    def _dates(self, filters: Mapping[str, str | None], now: datetime) -> tuple[datetime, datetime]:
        names = ("requestSubmissionStartDate", "requestSubmissionEndDate")
        start, end = (_wire_time(filters[name], name) for name in names)
        if self.rules.paired_dates and (start is None) != (end is None):
            name = names[start is not None]
            raise Refusal(400, f"The parameter {name} is missing: give both dates.", field=name)
        if start is not None and start < now - RETENTION:
            raise Refusal(400, "The start date is older than 30 days.", field=names[0])
        if start is not None and end is not None and end < start:
            raise Refusal(400, "The end date lies before the start date.", field=names[1])
        return start or datetime.min.replace(tzinfo=UTC), end or now + timedelta(days=1)


def _has(request: SimulatedRequest, filters: Mapping[str, str | None]) -> bool:
    values = {
        "reportType": request.report_type,
        "reportVersion": request.version,
        "requestId": request.request_id,
        "src": request.source,
    }
    return all(filters[name] in (None, value) for name, value in values.items())


def _wire_time(text: str | None, name: str) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, _WIRE_TIME).replace(tzinfo=UTC)
    except ValueError as exc:
        raise Refusal(
            400, f"Bad date format: {name} must be YYYY-MM-DDTHH:mm:ssZ.", field=name
        ) from exc


def _number(call: Call, name: str, default: int) -> int:
    text = call.parameter(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not int(text):
        raise Refusal(400, f"{name} must be a number above zero.", field=name)
    return int(text)


def _check_payload(payload: Mapping[str, Any], *, suppliers: bool | None) -> None:
    columns = {"excludeColumns": suppliers is not True, "includeColumns": suppliers is not False}
    for name, known in columns.items():
        if name in payload:
            if not known:
                raise _content(f"There is no field {name} in this market.", name)
            _check_strings(payload[name], name)
    filters = payload.get("rowFilters", [])
    if not isinstance(filters, list):
        raise _content("rowFilters must be a list.", "rowFilters")
    entries: list[Any] = filters  # pyright: ignore[reportUnknownVariableType]  # any JSON
    for entry in entries:
        _check_row_filter(entry)
    _check_body_dates(payload)
    granularity = payload.get("dateGranularity", GRANULARITIES[0])
    if granularity not in GRANULARITIES:
        raise _content(
            f"{granularity!r} is not one of {', '.join(GRANULARITIES)}.", "dateGranularity"
        )


def _check_strings(value: Any, name: str) -> None:
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):  # pyright: ignore[reportUnknownVariableType]  # any JSON
        raise _content(f"{name} must be a list of strings, and not empty.", name)


def _check_row_filter(entry: Any) -> None:
    if not isinstance(entry, dict) or not isinstance(entry.get("columnName"), str):  # pyright: ignore[reportUnknownMemberType]  # any JSON
        raise _content("A row filter must be an object with a columnName.", "rowFilters")
    document: dict[str, Any] = entry  # pyright: ignore[reportUnknownVariableType]  # keys of JSON objects are strings
    kind = document.get("type")
    if kind in ("enumFilter", "multiValueFilter"):
        _check_strings(document.get("values"), "rowFilters.values")
    elif kind != "rangeFilter":
        raise _content(f"There is no row filter of the type {kind!r}.", "rowFilters.type")
    elif not {"from", "to"} & document.keys():
        raise _content("A rangeFilter needs from, to or both.", "rowFilters")


def _check_body_dates(payload: Mapping[str, Any]) -> None:
    names = ("dataStartTime", "dataEndTime")
    given = [str(payload[name]) for name in names if name in payload]
    if len(given) == 1:
        name = next(name for name in names if name not in payload)
        raise Refusal(400, f"{name} is missing: give both dates.", field=name)
    if not all(map(_BODY_TIME.fullmatch, given)):
        raise Refusal(
            400, "Bad date format: dates must be YYYY-MM-DDTHH:mm:ss.SSSZ.", field=names[0]
        )
    # Of this format, the order of the texts is the order of the times.
    if given != sorted(given):
        raise Refusal(400, "dataStartTime must not be later than dataEndTime.", field=names[0])
