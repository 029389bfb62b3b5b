"""Replies: every spelling is read, and nothing but errors of the tree comes out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports_async._credentials import Credentials
from reports_async._exceptions import (
    APIError,
    AuthenticationError,
    InvalidRequest,
    RequestNotFound,
    ServerError,
)
from reports_async._http import HTTPResponse
from reports_async._models import RequestStatus
from reports_async._sansio.endpoints import (
    Call,
    ListQuery,
    Site,
    create_call,
    link_call,
    list_call,
    same_filters,
    status_call,
    token_call,
)
from reports_async._sansio.replies import (
    parse_created,
    parse_link,
    parse_page,
    parse_status,
    parse_token,
    request_status,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SITE = Site(base_url="https://api.example")
ID = "16cfe1dd-8a28-4da7-9239-141a41f12bc1"
URL = "https://files.example/a/ItemReport_1_2026.zip?sv=2021-08-06&sig=Yj0gCrM%2B%3D"
TOKEN = token_call(SITE, Credentials("me", "s3cret"), correlation_id="c-1")
CREATE = create_call(SITE, report_type="ITEM_MX", version="v1", body="{}")
LIST = list_call(SITE, ListQuery())
STATUS = status_call(SITE, ID)
LINK = link_call(SITE, ID)
SUBMITTED = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
GENERATED = datetime(2026, 3, 1, 12, 31, 5, tzinfo=UTC)

ENTRY: dict[str, Any] = {
    "requestId": ID,
    "requestStatus": "READY",
    "requestSubmissionDate": "2026-03-01T12:00:00Z",
    "reportType": "ITEM_MX",
    "reportVersion": "v1",
    "reportGenerationDate": "2026-03-01T12:31:05.000Z",
    "src": "API",
}


def ok(value: Any) -> HTTPResponse:
    """Return a 200 with a JSON body."""
    return HTTPResponse(status=200, body=json.dumps(value).encode())


def without(*names: str, **changes: Any) -> dict[str, Any]:
    """Return the entry without some fields, and with others changed."""
    return {name: value for name, value in {**ENTRY, **changes}.items() if name not in names}


def is_malformed(call: Call, parse: Callable[[Call, HTTPResponse], object], value: Any) -> str:
    """Return the message of the error that such a reply makes."""
    with pytest.raises(ServerError) as excinfo:
        parse(call, ok(value))

    assert (200, "MALFORMED_REPLY") == (excinfo.value.status, excinfo.value.code)
    return str(excinfo.value)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("RECEIVED", RequestStatus.RECEIVED),
        ("SUBMITTED", RequestStatus.SUBMITTED),
        ("INPROGRESS", RequestStatus.INPROGRESS),
        ("READY", RequestStatus.READY),
        ("ERROR", RequestStatus.ERROR),
        (" ready ", RequestStatus.READY),
        ("IN_PROGRESS", RequestStatus.INPROGRESS),
        ("UNKNOWN", RequestStatus.UNKNOWN),
        ("COMPLETED", RequestStatus.UNKNOWN),
        ("", RequestStatus.UNKNOWN),
        (None, RequestStatus.UNKNOWN),
        (3, RequestStatus.UNKNOWN),
    ],
)
def test_request_status(word: object, status: RequestStatus) -> None:
    """The API's words are known; one that it invents tomorrow is UNKNOWN."""
    assert status is request_status(word)


# Token


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"expires_in": 900}, 900.0),
        ({"expires_in": "450"}, 450.0),
        ({}, 900.0),
        ({"expires_in": 10**30}, 86400.0),
    ],
)
def test_token(fields: dict[str, Any], seconds: float) -> None:
    """A token lives as long as the reply says, 15 minutes where it does not."""
    token = parse_token(TOKEN, ok({"access_token": "t0ken", "token_type": "Bearer", **fields}))

    assert ("t0ken", seconds) == (token.value, token.expires_in)
    assert "t0ken" not in repr(token)


@pytest.mark.parametrize(
    "lifetime", [0, -1, "soon", None, "nan", [], pytest.param(10**400, id="huge")]
)
def test_token_without_a_lifetime(lifetime: Any) -> None:
    """A lifetime that is none makes the reply malformed, and the message has no token in it."""
    message = is_malformed(TOKEN, parse_token, {"access_token": "t0ken", "expires_in": lifetime})

    assert "expires_in" in message
    assert "t0ken" not in message


@pytest.mark.parametrize("value", [None, "", " ", "a b", "a\r\nX: y", "ñ", True, {}])
def test_no_token(value: Any) -> None:
    """What cannot be a header is no token."""
    assert "access_token" in is_malformed(TOKEN, parse_token, {"access_token": value})


@pytest.mark.parametrize("status", [400, 401, 403])
def test_refused_credentials(status: int) -> None:
    """Bad credentials answer 400, 401 or 403: one error for all."""
    with pytest.raises(AuthenticationError, match="Check the client id and secret"):
        parse_token(TOKEN, HTTPResponse(status=status))


# Create


def test_created() -> None:
    """A created request has id, status and submission date."""
    request = parse_created(CREATE, ok(without("reportGenerationDate", requestStatus="RECEIVED")))

    assert ID == request.request_id
    assert (RequestStatus.RECEIVED, "RECEIVED") == (request.status, request.raw_status)
    assert (SUBMITTED, None) == (request.submitted_at, request.generated_at)
    assert ("ITEM_MX", "v1", "API") == (request.report_type, request.version, request.source)


def test_created_in_other_spelling() -> None:
    """requestID is read as well; what the reply leaves out is known from the call."""
    request = parse_created(CREATE, ok({"requestID": 17}))

    assert ("17", "ITEM_MX", None) == (request.request_id, request.report_type, request.version)
    assert (RequestStatus.UNKNOWN, "", None) == (
        request.status,
        request.raw_status,
        request.submitted_at,
    )


@pytest.mark.parametrize("status", [200, 201, 202])
def test_created_with_any_success(status: int) -> None:
    """Any 2xx is a success."""
    response = HTTPResponse(status=status, body=json.dumps(ENTRY).encode())

    assert ID == parse_created(CREATE, response).request_id


@pytest.mark.parametrize(
    "value", [{}, {"requestId": ""}, {"requestId": "a b"}, {"requestId": "x" * 201}, [], None, "a"]
)
def test_created_without_an_id(value: Any) -> None:
    """A success without an id is of no use: nobody knows what was made."""
    assert "look at the list" in is_malformed(CREATE, parse_created, value)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"\xff", b"[" * 100_000])
def test_created_without_json(body: bytes) -> None:
    """A success whose body is not JSON is malformed, and the body is not dragged along."""
    with pytest.raises(ServerError, match="it is not JSON") as excinfo:
        parse_created(CREATE, HTTPResponse(status=200, body=body))

    assert "MALFORMED_REPLY" == excinfo.value.code
    assert excinfo.value.__cause__ is excinfo.value.__context__ is None


# Status


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T12:00:00Z",
        "2026-03-01T12:00:00",
        "2026-03-01T12:00:00.000Z",
        "2026-03-01T12:00:00.000",
        "2026-03-01T06:00:00-06:00",
    ],
)
def test_dates_in_every_spelling(text: str) -> None:
    """A date is read with and without zone and milliseconds, as UTC."""
    request = parse_status(STATUS, ok(without(requestSubmissionDate=text)))

    assert SUBMITTED == request.submitted_at
    assert GENERATED == request.generated_at


def test_unknown_word_as_status() -> None:
    """A word that is not listed is kept, and is no error."""
    request = parse_status(STATUS, ok(without(requestStatus="PAUSED")))

    assert (RequestStatus.UNKNOWN, "PAUSED") == (request.status, request.raw_status)


def test_status_of_the_request_that_was_asked_for() -> None:
    """A reply may leave out the id, or write it in capitals."""
    assert ID == parse_status(STATUS, ok(without("requestId"))).request_id
    assert ID == parse_status(STATUS, ok(without(requestId=ID.upper()))).request_id


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (without("requestStatus"), "no requestStatus"),
        (without(requestId="another"), "about another request"),
        ([ENTRY], "no JSON object"),
    ],
)
def test_malformed_status(value: Any, reason: str) -> None:
    """A reply without a status, or about another request, must not move a job."""
    assert reason in is_malformed(STATUS, parse_status, value)


def test_status_without_any_id() -> None:
    """Without an id in call and reply it is nobody's status."""
    assert "no requestId" in is_malformed(LIST, parse_status, without("requestId"))


def test_payload_and_description() -> None:
    """A payload is kept as it is, and an error's description for people."""
    payload = {"excludeColumns": ["SKU"]}
    request = parse_status(STATUS, ok(without(payload=payload, errorDescription="No data.")))

    assert payload == request.payload
    assert "No data." == request.description
    assert same_filters('{"excludeColumns":["SKU"]}', request.payload)


@pytest.mark.parametrize("payload", [None, {}, [], ""])
def test_empty_payload(payload: Any) -> None:
    """An empty payload is none."""
    assert parse_status(STATUS, ok(without(payload=payload))).payload is None


@pytest.mark.parametrize("payload", ["all", [1], 3])
def test_payload_that_is_no_object(payload: Any) -> None:
    """A payload that cannot be read never passes for "no filters"."""
    request = parse_status(STATUS, ok(without(payload=payload)))

    assert not same_filters("{}", request.payload)


@pytest.mark.parametrize("status", [404])
def test_unknown_request(status: int) -> None:
    """An id that the API does not know is an error of its own."""
    with pytest.raises(RequestNotFound) as excinfo:
        parse_status(STATUS, HTTPResponse(status=status))

    assert ID == excinfo.value.request_id


# List


def test_page() -> None:
    """A page tells its requests and where it stands in the list."""
    cursor = "reportType=ITEM_MX&page=2&limit=10"
    page = parse_page(
        LIST,
        ok({"page": 1, "totalCount": 19, "limit": 10, "nextCursor": cursor, "requests": [ENTRY]}),
    )

    assert [ID] == [request.request_id for request in page.requests]
    assert (cursor, 10, 19) == (page.next_cursor, page.limit, page.total)


@pytest.mark.parametrize(
    "value",
    [
        {"requests": []},
        {"requests": [], "nextCursor": None},
        {"totalCount": 0},
        {"totalCount": "0", "requests": None, "nextCursor": " "},
    ],
)
def test_empty_page(value: Any) -> None:
    """A list without entries is empty, and the last page."""
    page = parse_page(LIST, ok(value))

    assert ((), None) == (page.requests, page.next_cursor)


def test_numbers_that_are_none() -> None:
    """Strange numbers around a list do not spoil it."""
    page = parse_page(
        LIST, ok({"page": -1, "totalCount": "many", "limit": 0, "nextCursor": 7, "requests": []})
    )

    assert (None, None, None) == (page.total, page.limit, page.next_cursor)


def test_entries_without_an_id() -> None:
    """An entry that cannot be used does not hide the others."""
    page = parse_page(LIST, ok({"requests": [{}, None, "text", without("requestId"), ENTRY]}))

    assert [ID] == [request.request_id for request in page.requests]


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"totalCount": 3},
        {"requests": {}},
        {"requests": "none"},
        {"totalCount": 0, "requests": "none"},
        {"requests": [{}, None]},
        [],
    ],
)
def test_malformed_page(value: Any) -> None:
    """A list that cannot be read must not pass for an empty one."""
    is_malformed(LIST, parse_page, value)


def test_refused_list() -> None:
    """A list that wants a report type is refused with 400: the caller falls back by that."""
    with pytest.raises(InvalidRequest) as excinfo:
        parse_page(LIST, HTTPResponse(status=400))

    assert 400 == excinfo.value.status


# Link


def test_link() -> None:
    """A READY request has a link and its end."""
    value = without(downloadURL=URL, downloadURLExpirationTime="2026-03-01T12:46:05Z")
    reply = parse_link(LINK, ok(value))

    assert RequestStatus.READY is reply.request.status
    assert reply.link is not None
    assert (URL, datetime(2026, 3, 1, 12, 46, 5, tzinfo=UTC)) == (
        reply.link.url,
        reply.link.expires_at,
    )
    assert "sig" not in repr(reply)


@pytest.mark.parametrize(
    "value",
    [
        {"downloadURL": URL, "downloadURLExpirationTime": "2026-03-01T12:46:05"},
        {"downloadUrl": URL, "downloadUrlExpirationTime": "2026-03-01T12:46:05.000Z"},
        {"downloadURLS": [URL], "downloadURLSExpirationTime": "2026-03-01T12:46:05Z"},
        {"downloadURLS": [URL, URL], "downloadURLExpirationTime": "2026-03-01T12:46:05Z"},
        {"downloadUrls": URL, "downloadURLExpirationTime": "2026-03-01T12:46:05Z"},
    ],
)
def test_link_in_every_spelling(value: dict[str, Any]) -> None:
    """A link alone, under any of its names, belongs to the request that was asked for."""
    reply = parse_link(LINK, ok(value))

    assert reply.link is not None
    assert URL == reply.link.url
    assert datetime(2026, 3, 1, 12, 46, 5, tzinfo=UTC) == reply.link.expires_at
    assert (ID, RequestStatus.READY, "READY") == (
        reply.request.request_id,
        reply.request.status,
        reply.request.raw_status,
    )


def test_link_without_an_end() -> None:
    """Where the end of a link is not told, it is not known."""
    reply = parse_link(LINK, ok({"downloadURL": URL}))

    assert reply.link is not None
    assert reply.link.expires_at is None


# The four ways in which a download fails, as the overview page lists them.


@pytest.mark.parametrize("word", ["RECEIVED", "SUBMITTED", "INPROGRESS"])
@pytest.mark.parametrize("fields", [{}, {"downloadURL": None}, {"downloadURL": ""}])
def test_link_of_a_request_that_is_not_ready(word: str, fields: dict[str, Any]) -> None:
    """Not ready is a 200 without a link."""
    reply = parse_link(LINK, ok(without(requestStatus=word, **fields)))

    assert (word, None) == (reply.request.raw_status, reply.link)


def test_link_of_a_failed_request() -> None:
    """A system or data error is a 200 without a link and with ERROR."""
    reply = parse_link(LINK, ok(without(requestStatus="ERROR", downloadURLS=[])))

    assert (RequestStatus.ERROR, None) == (reply.request.status, reply.link)


@pytest.mark.parametrize("cause", ["The request has expired.", "The id is wrong."])
def test_link_of_an_expired_or_unknown_request(cause: str) -> None:
    """Expired and wrong ids are 404, both of them lost."""
    body = {"error": [{"code": "CONTENT_NOT_FOUND", "description": cause}]}
    with pytest.raises(RequestNotFound, match=cause) as excinfo:
        parse_link(LINK, HTTPResponse(status=404, body=json.dumps(body).encode()))

    assert (404, "CONTENT_NOT_FOUND", ID) == (
        excinfo.value.status,
        excinfo.value.code,
        excinfo.value.request_id,
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({}, "neither a link nor a status"),
        (without(requestId="another", downloadURL=URL), "about another request"),
        ({"downloadURL": "files.example/a.zip?sig=SECRET"}, "not an address"),
        ({"downloadURL": "ftp://files.example/a.zip?sig=SECRET"}, "not an address"),
        ({"downloadURL": "https://?sig=SECRET"}, "not an address"),
        ({"downloadURL": "https://[::1?sig=SECRET"}, "not an address"),
        ({"downloadURL": "https://files.example/a b?sig=SECRET"}, "not an address"),
        ({"downloadURL": {"sig": "SECRET"}}, "not an address"),
        ({"downloadURLS": [URL, URL + "SECRET"]}, "several links"),
    ],
)
def test_malformed_link(value: Any, reason: str) -> None:
    """What is no link is an error that does not repeat it."""
    message = is_malformed(LINK, parse_link, value)

    assert reason in message
    assert "SECRET" not in message


# Anything

PARSERS: list[tuple[Call, Callable[[Call, HTTPResponse], object]]] = [
    (TOKEN, parse_token),
    (CREATE, parse_created),
    (STATUS, parse_status),
    (LIST, parse_page),
    (LINK, parse_link),
]
NAMES = [
    "access_token",
    "expires_in",
    "requestId",
    "requestID",
    "requestStatus",
    "requests",
    "nextCursor",
    "downloadURL",
    "downloadURLS",
    "downloadURLExpirationTime",
    "payload",
    "error",
    "code",
]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from([ID, URL, "READY", "9999-12-31T23:59:59Z", "https://[", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=12,
)
BODIES = st.binary() | VALUES.map(lambda value: json.dumps(value).encode())


@given(st.sampled_from(PARSERS), st.sampled_from([200, 204, 302, 400, 404, 429, 500]), BODIES)
@settings(deadline=None, max_examples=400)
def test_any_reply(
    parser: tuple[Call, Callable[[Call, HTTPResponse], object]], status: int, body: bytes
) -> None:
    """Whatever the bytes are, the answer is a value or an error of the tree."""
    call, parse = parser
    outcome: Any
    try:
        outcome = parse(call, HTTPResponse(status=status, body=body))
    except APIError as exc:
        outcome = exc

    assert repr(outcome).isprintable()
    assert status in (200, 204) or status == outcome.status
