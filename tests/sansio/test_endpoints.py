"""The calls as they look on the wire."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports_async._credentials import Credentials
from reports_async._exceptions import InvalidArgument
from reports_async._filters import EnumFilter, Filters, MultiValueFilter, RangeFilter
from reports_async._models import RequestStatus
from reports_async._sansio.endpoints import (
    Call,
    Endpoint,
    ListQuery,
    Site,
    create_body,
    create_call,
    link_call,
    list_call,
    next_page_call,
    same_filters,
    signed,
    status_call,
    token_call,
)

if TYPE_CHECKING:
    import random

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SITE = Site(base_url="https://api.example", headers={"WM_MARKET": "mx"}, channel_type="channel-1")
COMMON = {
    "Accept": "application/json",
    "WM_SVC.NAME": "Walmart Marketplace",
    "WM_MARKET": "mx",
    "WM_CONSUMER.CHANNEL.TYPE": "channel-1",
}
ID = "16cfe1dd-8a28-4da7-9239-141a41f12bc1"


def query_of(call: Call) -> dict[str, list[str]]:
    """Return the query of a call, read as a server reads it."""
    return parse_qs(urlsplit(call.request.url).query, strict_parsing=True)


def test_token_call() -> None:
    """The token call is a form with the key pair in Basic authentication, complete as it is."""
    call = token_call(SITE, Credentials("me", "se:cret"), correlation_id="c-1")

    assert (Endpoint.TOKEN, "POST") == (call.endpoint, call.request.method)
    assert "https://api.example/v3/token" == call.request.url
    assert b"grant_type=client_credentials" == call.request.body
    assert {
        **COMMON,
        "Authorization": "Basic " + base64.b64encode(b"me:se:cret").decode(),
        "Content-Type": "application/x-www-form-urlencoded",
        "WM_QOS.CORRELATION_ID": "c-1",
    } == call.request.headers


def test_create_call() -> None:
    """A create has type and version in the query and a JSON body, never an empty one."""
    call = create_call(SITE, report_type="ITEM_MX", version="v1", body="{}")

    assert (Endpoint.CREATE, "POST") == (call.endpoint, call.request.method)
    assert (
        "https://api.example/v3/reports/reportRequests?reportType=ITEM_MX&reportVersion=v1"
        == call.request.url
    )
    assert b"{}" == call.request.body
    assert {**COMMON, "Content-Type": "application/json"} == call.request.headers
    assert ("ITEM_MX", None) == (call.report_type, call.request_id)


@pytest.mark.parametrize(("report_type", "version"), [("", "v1"), ("ITEM", ""), ("A B", "v1")])
def test_create_call_of_nothing(report_type: str, version: str) -> None:
    """Type and version are both required, and words."""
    with pytest.raises(InvalidArgument):
        create_call(SITE, report_type=report_type, version=version, body="{}")


def test_list_call_of_everything() -> None:
    """All filters are optional: without any there is no query at all."""
    call = list_call(SITE, ListQuery())

    assert (Endpoint.LIST, "GET", b"") == (call.endpoint, call.request.method, call.request.body)
    assert "https://api.example/v3/reports/reportRequests" == call.request.url
    assert COMMON == call.request.headers


def test_list_call_with_all_filters() -> None:
    """Each filter goes out under the API's name for it; fractions of seconds widen the query."""
    after = datetime(2026, 2, 28, 6, 0, 0, 500_000, tzinfo=timezone(timedelta(hours=-6)))
    call = list_call(
        SITE,
        ListQuery(
            report_type="ITEM_MX",
            request_id=ID,
            status=RequestStatus.READY,
            submitted_after=after,
            submitted_before=after,
            limit=50,
        ),
    )

    assert {
        "reportType": ["ITEM_MX"],
        "requestId": [ID],
        "requestStatus": ["READY"],
        "requestSubmissionStartDate": ["2026-02-28T12:00:00Z"],
        "requestSubmissionEndDate": ["2026-02-28T12:00:01Z"],
        "limit": ["50"],
    } == query_of(call)
    assert ("ITEM_MX", ID) == (call.report_type, call.request_id)


def test_status_alone_is_a_legal_filter() -> None:
    """The list can be asked for one status and nothing else."""
    call = list_call(SITE, ListQuery(status="READY"))

    assert call.request.url.endswith("/v3/reports/reportRequests?requestStatus=READY")


@pytest.mark.parametrize("status", ["SUBMITTED", "UNKNOWN", "ready", "", RequestStatus.SUBMITTED])
def test_status_that_is_no_filter(status: Any) -> None:
    """The API filters by four statuses; others are refused before a call is spent."""
    with pytest.raises(InvalidArgument, match="status must be one of RECEIVED, INPROGRESS"):
        ListQuery(status=status)


@pytest.mark.parametrize("limit", [0, -1, True, "10", 2.5])
def test_limit_that_is_none(limit: Any) -> None:
    """A page has at least one entry."""
    with pytest.raises(InvalidArgument, match="limit must be a number above zero"):
        ListQuery(limit=limit)


@pytest.mark.parametrize("name", ["report_type", "request_id"])
def test_blank_filters(name: str) -> None:
    """A blank filter is refused: it would list everything."""
    with pytest.raises(InvalidArgument, match=name):
        ListQuery(**{name: " "})  # type: ignore[arg-type]  # any of the two


@pytest.mark.parametrize("name", ["submitted_after", "submitted_before"])
def test_dates_without_a_zone(name: str) -> None:
    """A naive date is refused by name: nobody knows its zone."""
    with pytest.raises(InvalidArgument, match=f"{name} must be timezone-aware"):
        ListQuery(**{name: datetime(2026, 3, 1)})  # type: ignore[arg-type]  # noqa: DTZ001 -- that is the point


def test_dates_that_keep_the_rules() -> None:
    """No dates, and two dates of the last 30 days in their order, pass."""
    ListQuery().check(now=NOW)
    ListQuery(submitted_after=NOW - timedelta(days=30), submitted_before=NOW).check(now=NOW)
    ListQuery(submitted_after=NOW, submitted_before=NOW).check(now=NOW)


@pytest.mark.parametrize(
    ("after", "before", "rule"),
    [
        (NOW, None, "submitted_before is missing"),
        (None, NOW, "submitted_after is missing"),
        (NOW, NOW - timedelta(seconds=1), "submitted_after must not be later"),
        (NOW - timedelta(days=30, seconds=1), NOW, "submitted_after must not be older than 30"),
    ],
)
def test_dates_that_break_a_rule(
    after: datetime | None, before: datetime | None, rule: str
) -> None:
    """A certain refusal is told before the call, with the argument and the rule."""
    with pytest.raises(InvalidArgument, match=rule):
        ListQuery(submitted_after=after, submitted_before=before).check(now=NOW)


@pytest.mark.parametrize("mark", ["", "?"])
def test_next_page_call(mark: str) -> None:
    """A cursor is the whole query, sent raw, with nothing else."""
    cursor = "reportType=ITEM&requestSubmissionStartDate=2021-08-20T10:52:59Z&page=2&limit=10"
    call = next_page_call(SITE, mark + cursor)

    assert f"https://api.example/v3/reports/reportRequests?{cursor}" == call.request.url
    assert (Endpoint.LIST, "GET") == (call.endpoint, call.request.method)
    assert COMMON == call.request.headers
    assert ("ITEM", None) == (call.report_type, call.request_id)


def test_a_quoted_cursor_stays_as_it_is() -> None:
    """What the server has quoted is not quoted again."""
    call = next_page_call(SITE, "requestId=a%2Fb&page=2")

    assert call.request.url.endswith("?requestId=a%2Fb&page=2")
    assert "a/b" == call.request_id


@given(
    st.text()
    | st.sampled_from(
        [
            "https://evil.example/?a=b",
            "//evil.example",
            "/../../v3/token",
            "@evil.example",
            "#top",
            "a=b\r\nX: y",
            "a=\ud800",
            "??a",
        ]
    )
)
@settings(deadline=None)
def test_any_cursor(cursor: str) -> None:
    """Whatever a cursor says, host and path stay ours, and the address is one line of ASCII."""
    url = next_page_call(SITE, cursor).request.url
    parts = urlsplit(url)

    assert ("https", "api.example", "/v3/reports/reportRequests", "") == (
        parts.scheme,
        parts.netloc,
        parts.path,
        parts.fragment,
    )
    assert url.isascii()
    assert url.isprintable()


def test_status_call() -> None:
    """The id is part of the path."""
    call = status_call(SITE, ID)

    assert (Endpoint.STATUS, "GET") == (call.endpoint, call.request.method)
    assert f"https://api.example/v3/reports/reportRequests/{ID}" == call.request.url
    assert COMMON == call.request.headers
    assert ID == call.request_id


@pytest.mark.parametrize("request_id", ["a/../../token", "a?b=c", "a#b", "%2e%2e", "ñ"])
def test_status_call_with_a_strange_id(request_id: str) -> None:
    """An id cannot leave its place in the path."""
    call = status_call(SITE, request_id)
    path = urlsplit(call.request.url).path

    assert call.request.url == f"https://api.example{path}"
    assert 5 == len(path.split("/"))
    assert path.isascii()


@pytest.mark.parametrize("request_id", [".", "..", "", " ", "a b", "a\n", None])
def test_status_call_without_an_id(request_id: Any) -> None:
    """What cannot be an id is refused: the path would lead somewhere else."""
    with pytest.raises(InvalidArgument, match="request_id"):
        status_call(SITE, request_id)


def test_link_call() -> None:
    """The id is in the query, quoted."""
    call = link_call(SITE, "a&b=c")

    assert (Endpoint.LINK, "GET") == (call.endpoint, call.request.method)
    assert "https://api.example/v3/reports/downloadReport?requestId=a%26b%3Dc" == call.request.url
    assert COMMON == call.request.headers
    assert "a&b=c" == call.request_id


def test_link_call_without_an_id() -> None:
    """A blank id is refused."""
    with pytest.raises(InvalidArgument, match="request_id"):
        link_call(SITE, "")


def test_signed() -> None:
    """Signing adds the token and a correlation id, and changes nothing else."""
    call = create_call(SITE, report_type="ITEM_MX", version="v1", body="{}")
    request = signed(call, token="t0ken", correlation_id="c-2")

    assert {
        **call.request.headers,
        "WM_SEC.ACCESS_TOKEN": "t0ken",
        "WM_QOS.CORRELATION_ID": "c-2",
    } == request.headers
    assert (call.request.method, call.request.url, call.request.body) == (
        request.method,
        request.url,
        request.body,
    )
    assert "WM_SEC.ACCESS_TOKEN" not in call.request.headers


def test_reprs_show_no_secret() -> None:
    """Neither the key pair nor the token is in the repr of a call."""
    token = token_call(SITE, Credentials("me", "secret"), correlation_id="c")
    request = signed(status_call(SITE, ID), token="t0ken", correlation_id="c")

    assert "Authorization" not in repr(token)
    assert base64.b64encode(b"me:secret").decode() not in repr(token)
    assert "t0ken" not in repr(request)


def test_site_without_a_channel_type() -> None:
    """The channel type is sent where it is configured, and only there."""
    call = list_call(Site(base_url="https://api.example", service_name="My Service"), ListQuery())

    assert {"Accept": "application/json", "WM_SVC.NAME": "My Service"} == call.request.headers


@pytest.mark.parametrize("name", ["service_name", "channel_type"])
@pytest.mark.parametrize("value", ["", " ", "a\r\nX: y", "ñ", 5])
def test_site_with_values_that_are_no_headers(name: str, value: Any) -> None:
    """A value that could not be a header, or would be two, is refused by name."""
    with pytest.raises(InvalidArgument, match=name):
        Site(base_url="https://api.example", **{name: value})


FULL = Filters(
    rows=[
        RangeFilter("Price", start="10", end="100"),
        RangeFilter("Offer Start Date", start="2020-03-16"),
        EnumFilter("Publish Status", ["PUBLISHED", "UNPUBLISHED"]),
        MultiValueFilter("brand", ["FELIX LECHEF"]),
    ],
    exclude_columns=["Shelf Name", "Average Rating"],
    data_start=datetime(2024, 8, 10, 14, 11, 24, tzinfo=timezone(timedelta(hours=-6))),
    data_end=datetime(2024, 9, 10, 20, 11, 24, tzinfo=UTC),
    granularity="DAILY",
)


def test_create_body() -> None:
    """Filters are written under the API's names, dates with milliseconds."""
    assert {
        "rowFilters": [
            {"type": "rangeFilter", "columnName": "Offer Start Date", "from": "2020-03-16"},
            {"type": "rangeFilter", "columnName": "Price", "from": "10", "to": "100"},
            {
                "type": "enumFilter",
                "columnName": "Publish Status",
                "values": ["PUBLISHED", "UNPUBLISHED"],
            },
            {"type": "multiValueFilter", "columnName": "brand", "values": ["FELIX LECHEF"]},
        ],
        "excludeColumns": ["Average Rating", "Shelf Name"],
        "dataStartTime": "2024-08-10T20:11:24.000Z",
        "dataEndTime": "2024-09-10T20:11:24.000Z",
        "dateGranularity": "DAILY",
    } == json.loads(create_body(FULL))


def test_create_body_is_canonical_json() -> None:
    """The body is the identity of the filters: sorted, without spaces, in ASCII."""
    filters = Filters(include_columns=["Season Year", "Año"])

    assert '{"includeColumns":["A\\u00f1o","Season Year"]}' == create_body(filters)


@pytest.mark.parametrize("filters", [None, Filters()])
def test_create_body_of_everything(filters: Filters | None) -> None:
    """No filters are an empty object, not an empty body."""
    assert "{}" == create_body(filters)


TEXTS = st.text(min_size=1, max_size=8).filter(lambda text: bool(text.strip()))
LISTS = st.lists(TEXTS, max_size=4)
ROWS = st.lists(
    st.builds(EnumFilter, TEXTS, st.lists(TEXTS, min_size=1, max_size=4))
    | st.builds(MultiValueFilter, TEXTS, st.lists(TEXTS, min_size=1, max_size=4))
    | st.builds(lambda column, start: RangeFilter(column, start=start), TEXTS, TEXTS),
    max_size=4,
)
DATES = st.none() | st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001 -- hypothesis adds the zone
    datetime(2100, 1, 1),  # noqa: DTZ001 -- hypothesis adds the zone
    timezones=st.just(UTC),
)
FILTERS = st.builds(
    lambda rows, exclude, include, start, granularity: Filters(
        rows=rows,
        exclude_columns=exclude,
        include_columns=include,
        data_start=start,
        data_end=start,
        granularity=granularity,
    ),
    ROWS,
    LISTS,
    LISTS,
    DATES,
    st.sampled_from([None, "DAILY", "WEEKLY"]),
)


def shuffled(row: EnumFilter | MultiValueFilter | RangeFilter, chance: random.Random) -> Any:
    """Return the same row filter with its values in another order."""
    if isinstance(row, RangeFilter):
        return row
    return type(row)(row.column, chance.sample(row.values, len(row.values)))


@given(FILTERS, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_order_and_repetition_do_not_matter(filters: Filters, chance: random.Random) -> None:
    """Equal filters in another order have the same body, byte for byte."""
    rows = [shuffled(row, chance) for row in (*filters.rows, *filters.rows)]
    chance.shuffle(rows)
    columns = filters.exclude_columns
    other = Filters(
        rows=rows,
        exclude_columns=chance.sample(columns, len(columns)),
        include_columns=reversed(filters.include_columns * 2),
        data_start=filters.data_start,
        data_end=filters.data_end,
        granularity=filters.granularity,
    )

    assert create_body(filters) == create_body(other)


@given(FILTERS, FILTERS)
@settings(deadline=None)
def test_bodies_tell_filters_apart(one: Filters, other: Filters) -> None:
    """A server that repeats a body says the same filters; two bodies are the same or are not."""
    body, payload = create_body(one), json.loads(create_body(other))

    assert same_filters(body, json.loads(body))
    assert (body == create_body(other)) is same_filters(body, payload)


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        {"rowFilters": [], "excludeColumns": None, "dateGranularity": ""},
        {"rowFilters": [None, {}]},
    ],
)
def test_no_payload_is_everything(payload: dict[str, Any] | None) -> None:
    """A server that tells of no filters, or of empty ones, means everything."""
    assert same_filters("{}", payload)
    assert not same_filters(create_body(FULL), payload)


def test_a_payload_in_other_words() -> None:
    """Order, case of names, other spellings of an instant and of a number mean the same."""
    payload = {
        "rowfilters": [
            {"columnName": "brand", "values": ["FELIX LECHEF"], "type": "multiValueFilter"},
            {"rowFilterType": "rangeFilter", "columnName": "Price", "from": 10, "to": 100},
            {
                "type": "rangeFilter",
                "columnName": "Offer Start Date",
                "from": "2020-03-16",
                "to": None,
            },
            {
                "type": "enumFilter",
                "columnName": "Publish Status",
                "values": ["UNPUBLISHED", "PUBLISHED"],
            },
        ],
        "excludeColumns": ["Shelf Name", "Average Rating"],
        "includeColumns": [],
        "dataStartTime": "2024-08-10T20:11:24Z",
        "dataEndTime": "2024-09-10T20:11:24",
        "dateGranularity": "DAILY",
    }

    assert same_filters(create_body(FULL), payload)


@pytest.mark.parametrize(
    "payload",
    [
        {"excludeColumns": ["SKU"]},
        {"rowFilters": [{"type": "enumFilter", "columnName": "SKU", "values": ["2"]}]},
        {"rowFilters": [{"type": "multiValueFilter", "columnName": "SKU", "values": ["1"]}]},
        {"rowFilters": [{"type": "enumFilter", "columnName": "SKU", "values": ["1", "2"]}]},
        {
            "rowFilters": [{"type": "enumFilter", "columnName": "SKU", "values": ["1"]}],
            "somethingNew": True,
        },
        {"dataStartTime": "not a date"},
        {"payload": "anything"},
    ],
)
def test_a_payload_that_asks_for_something_else(payload: dict[str, Any]) -> None:
    """Any other filter, even one that we do not know, makes another report."""
    assert not same_filters(create_body(Filters(rows=[EnumFilter("SKU", ["1"])])), payload)
    assert not same_filters("{}", payload)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5) | st.sampled_from(["rowFilters", "type"]), JSON))
@settings(deadline=None)
def test_any_payload(payload: dict[str, Any]) -> None:
    """Whatever a payload says, comparing it does not fail."""
    assert same_filters("{}", payload) in (True, False)


def test_a_nested_payload_is_compared_quickly() -> None:
    """Nesting costs no more than its length: a hostile payload cannot stop the client."""
    nested = json.loads("[" * 60 + "1" + "]" * 60)

    assert not same_filters("{}", {"rowFilters": nested})
