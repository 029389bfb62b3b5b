"""Tests of the four calls: each published rule, and each switch for what is not sure."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports_async.testing import Reply

START = datetime(2026, 1, 5, 8, tzinfo=UTC)


def parsed(reply: Reply) -> dict[str, Any]:
    assert 200 == reply.status, reply.body
    document: dict[str, Any] = json.loads(reply.body)
    return document


def ids(reply: Reply) -> list[str]:
    return [entry["requestId"] for entry in parsed(reply)["requests"]]


# create


def test_create(caller: Any) -> None:
    """
    A create answers with an id, a status and the time of submission in whole seconds.
    """
    caller.wait(0.75)
    document = parsed(caller.create())

    request_id = document.pop("requestId")
    assert {
        "requestStatus": "RECEIVED",
        "requestSubmissionDate": "2026-01-05T08:00:00Z",
        "reportType": "ITEM_MX",
        "reportVersion": "v1",
    } == document
    (request,) = caller.simulator.requests
    assert (request_id, "API", "id") == (request.request_id, request.source, request.account)
    assert (1, 1, 0) == (
        caller.simulator.creates(),
        caller.simulator.creates("ITEM_MX"),
        caller.simulator.creates("ITEM"),
    )


@pytest.mark.parametrize(
    ("path", "expected", "name"),
    [
        ("reportRequests", "MISSING_REQUEST_PARAM", "reportType"),
        ("reportRequests?reportType=&reportVersion=v1", "MISSING_REQUEST_PARAM", "reportType"),
        ("reportRequests?reportType=ITEM_MX", "MISSING_REQUEST_PARAM", "reportVersion"),
        (
            "reportRequests?reportType=ITEM_MX&reportVersion=1",
            "INVALID_REQUEST_PARAM",
            "reportVersion",
        ),
        (
            "reportRequests?reportType=A&reportType=B&reportVersion=v1",
            "INVALID_REQUEST_PARAM",
            "reportType",
        ),
        ("reportRequests?reportType=NONE&reportVersion=v1", "INVALID_REQUEST_PARAM", "reportType"),
    ],
)
def test_create_parameters(
    caller_of: Any, code: Callable[[Reply], str], path: str, expected: str, name: str
) -> None:
    """
    Type and version are both needed, in the query, once, and such as the rules know.
    """
    caller = caller_of(report_types={"ITEM_MX"})

    reply = caller.call("POST", path, body=b'{"reportType": "ITEM_MX", "reportVersion": "v1"}')

    assert (400, expected) == (reply.status, code(reply))
    assert name == json.loads(reply.body)["error"][0]["field"]
    assert 0 == caller.simulator.creates()


@pytest.mark.parametrize(
    ("body", "kind"), [(b"", "application/json"), (b"{}", None), (b"{}", "text/plain")]
)
def test_create_body(caller: Any, body: bytes, kind: str | None) -> None:
    """
    A create without a JSON body is refused.
    """
    path = "reportRequests?reportType=ITEM_MX&reportVersion=v1"

    assert 415 == caller.call("POST", path, body=body, headers={"Content-Type": kind}).status


@pytest.mark.parametrize("body", [b"[]", b"{", b"null"])
def test_create_json(caller: Any, code: Callable[[Reply], str], body: bytes) -> None:
    """
    The body of a create must be a JSON object.
    """
    reply = caller.call("POST", "reportRequests?reportType=A&reportVersion=v1", body=body)

    assert (400, "INVALID_REQUEST_CONTENT") == (reply.status, code(reply))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"excludeColumns": ["SKU"]},
        {"includeColumns": ["SKU", "GTIN"]},
        {"rowFilters": [{"type": "enumFilter", "columnName": "A", "values": ["x"]}]},
        {"rowFilters": [{"type": "multiValueFilter", "columnName": "A", "values": ["x"]}]},
        {"rowFilters": [{"type": "rangeFilter", "columnName": "A", "to": "3"}]},
        {"dataStartTime": "2026-01-01T00:00:00.000Z", "dataEndTime": "2026-01-02T00:00:00.000Z"},
        {"dateGranularity": "WEEKLY", "unknown": 1},
    ],
)
def test_good_filters(caller: Any, body: dict[str, Any]) -> None:
    """
    Filters as the documents write them are taken, and repeated in every answer.
    """
    request_id = caller.made(body=body)

    assert (body or None) == parsed(caller.status(request_id)).get("payload")
    assert (body or None) == parsed(caller.list())["requests"][0].get("payload")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"excludeColumns": "SKU"}, "INVALID_REQUEST_CONTENT"),
        ({"excludeColumns": []}, "INVALID_REQUEST_CONTENT"),
        ({"includeColumns": [1]}, "INVALID_REQUEST_CONTENT"),
        ({"rowFilters": {}}, "INVALID_REQUEST_CONTENT"),
        ({"rowFilters": ["x"]}, "INVALID_REQUEST_CONTENT"),
        ({"rowFilters": [{"type": "enumFilter"}]}, "INVALID_REQUEST_CONTENT"),
        ({"rowFilters": [{"type": "enumFilter", "columnName": "A"}]}, "INVALID_REQUEST_CONTENT"),
        ({"rowFilters": [{"type": "rangeFilter", "columnName": "A"}]}, "INVALID_REQUEST_CONTENT"),
        ({"rowFilters": [{"type": "someFilter", "columnName": "A"}]}, "INVALID_REQUEST_CONTENT"),
        ({"dateGranularity": "YEARLY"}, "INVALID_REQUEST_CONTENT"),
        ({"dataStartTime": "2026-01-01T00:00:00.000Z"}, "INVALID_REQUEST_PARAM"),
        ({"dataEndTime": "2026-01-01T00:00:00.000Z"}, "INVALID_REQUEST_PARAM"),
        (
            {"dataStartTime": "2026-01-01T00:00:00Z", "dataEndTime": "2026-01-02T00:00:00Z"},
            "INVALID_REQUEST_PARAM",
        ),
        (
            {
                "dataStartTime": "2026-01-02T00:00:00.000Z",
                "dataEndTime": "2026-01-01T00:00:00.000Z",
            },
            "INVALID_REQUEST_PARAM",
        ),
    ],
)
def test_bad_filters(
    caller: Any, code: Callable[[Reply], str], body: dict[str, Any], expected: str
) -> None:
    """
    Filters that the documents do not know are refused, and take no hour.
    """
    reply = caller.create(body=body)

    assert (400, expected) == (reply.status, code(reply))
    assert 200 == caller.create().status


def test_suppliers(caller_of: Any) -> None:
    """
    Where the rules say who is who, suppliers name columns to keep, sellers those to leave out.
    """
    kept, left_out = {"includeColumns": ["SKU"]}, {"excludeColumns": ["SKU"]}
    supplier, seller = caller_of(suppliers=True), caller_of(suppliers=False)

    assert (200, 400) == (supplier.create(body=kept).status, seller.create(body=kept).status)
    assert (400, 200) == (
        supplier.create(body=left_out).status,
        seller.create(body=left_out).status,
    )


def test_hour(caller: Any, code: Callable[[Reply], str]) -> None:
    """
    A type has one request per hour; the second is refused without an id until the hour is over.
    """
    caller.made()
    caller.wait(3599.999)
    caller.login()
    reply = caller.create()
    assert (429, "REQUEST_THRESHOLD_VIOLATED.GMP_GATEWAY_API") == (reply.status, code(reply))
    assert "requestId" not in reply.body.decode()
    assert "Retry-After" not in reply.headers

    caller.wait(0.001)

    assert 200 == caller.create().status
    assert 2 == caller.simulator.creates("ITEM_MX")


def test_hour_counts_from_the_accepted_one(caller: Any) -> None:
    """
    A refused request does not make the hour longer.
    """
    caller.made()
    caller.wait(1800)
    caller.login()
    assert 429 == caller.create().status
    caller.wait(1800)
    caller.login()

    assert 200 == caller.create().status


def test_hour_per_type_and_account(caller: Any) -> None:
    """
    Other types and other accounts have hours of their own; versions and filters do not.
    """
    caller.made("ITEM_MX")
    caller.made("INVENTORY_MX")
    assert 429 == caller.create("ITEM_MX", version="v2").status
    assert 429 == caller.create("ITEM_MX", body={"excludeColumns": ["SKU"]}).status

    caller.client_id = "other"
    caller.login()

    assert 200 == caller.create("ITEM_MX").status


def test_hour_of_other_programs(caller_of: Any) -> None:
    """
    A request from elsewhere takes the hour too, and the rules may tell when it opens.
    """
    caller = caller_of(hourly_retry_after=True)
    caller.simulator.add_request("ITEM_MX", START - timedelta(minutes=20))
    caller.simulator.add_request("ITEM_MX", START - timedelta(minutes=40), src="Scheduler")

    reply = caller.create()

    assert (429, "2400") == (reply.status, reply.headers["Retry-After"])


def test_create_switches(caller_of: Any) -> None:
    """
    The reply to a create may use another name, word or time, and leave out the body.
    """
    caller = caller_of(
        id_field="requestID", first_status="INPROGRESS", times="millis", echo_payload=False
    )
    caller.wait(0.25)

    document = parsed(caller.create(body={"excludeColumns": ["SKU"]}))

    assert {
        "requestID",
        "requestStatus",
        "requestSubmissionDate",
        "reportType",
        "reportVersion",
    } == (document.keys())
    assert ("INPROGRESS", "2026-01-05T08:00:00.250Z") == (
        document["requestStatus"],
        document["requestSubmissionDate"],
    )
    assert "INPROGRESS" == parsed(caller.status(document["requestID"]))["requestStatus"]


def test_naive_times(caller_of: Any) -> None:
    """
    Times may come without their zone.
    """
    assert (
        "2026-01-05T08:00:00" == parsed(caller_of(times="naive").create())["requestSubmissionDate"]
    )


# status


def test_status(caller: Any) -> None:
    """
    A request goes from RECEIVED over INPROGRESS to READY, which tells when the file was made.
    """
    request_id = caller.made()
    caller.simulator.generation("ITEM_MX", 600.5)
    told: list[tuple[str, str | None]] = []
    for wait in (0, 60, 540, 0.5):
        caller.wait(wait)
        document = parsed(caller.status(request_id))
        told.append((document["requestStatus"], document.get("reportGenerationDate")))

    assert [
        ("RECEIVED", None),
        ("INPROGRESS", None),
        ("INPROGRESS", None),
        ("READY", "2026-01-05T08:10:00Z"),
    ] == told
    assert "API" == document["src"]


def test_submitted(caller_of: Any) -> None:
    """
    A status may say SUBMITTED where the list, which does not know the word, says RECEIVED.
    """
    caller = caller_of(submitted=True)
    request_id = caller.made()

    assert "SUBMITTED" == parsed(caller.status(request_id))["requestStatus"]
    assert [request_id] == ids(caller.list("requestStatus=RECEIVED"))


def test_not_found(caller: Any, code: Callable[[Reply], str]) -> None:
    """
    A request that is unknown, older than 30 days or another seller's is not found, all alike.
    """
    old = caller.simulator.add_request("A", START - timedelta(days=30, seconds=1))
    others = caller.simulator.add_request("B", START, account="other")
    forgotten = caller.made()
    caller.simulator.forget(forgotten)

    for request_id in ("unknown", old, others, forgotten):
        for reply in (caller.status(request_id), caller.link(request_id)):
            assert (404, "CONTENT_NOT_FOUND") == (reply.status, code(reply))
    assert [] == ids(caller.list())


def test_kept_thirty_days(caller: Any) -> None:
    """
    A request and its file are there for 30 days.
    """
    request_id = caller.simulator.add_request("A", START - timedelta(days=30), status="READY")

    assert "READY" == parsed(caller.status(request_id))["requestStatus"]
    assert 200 == caller.fetch(caller.url(request_id)).status


# link


def test_link(caller: Any) -> None:
    """
    A READY request has a signed link to another host, for 15 to 18 minutes.
    """
    request_id = caller.ready()

    document = parsed(caller.link(request_id))

    assert document["downloadURL"].startswith(
        f"https://files.simulator.invalid/v3/reports/getReport/{request_id}/ItemMxReport_"
    )
    until = datetime.strptime(document["downloadURLExpirationTime"], "%Y-%m-%dT%H:%M:%S%z")
    assert timedelta(seconds=899) <= until - caller.now <= timedelta(seconds=1080)


@pytest.mark.parametrize("name", ["downloadUrl", "downloadURLS"])
def test_link_names(caller_of: Any, name: str) -> None:
    """
    The link comes under the other names that were seen.
    """
    caller = caller_of(link_fields=name)
    document = parsed(caller.link(caller.ready()))

    value = document[name]
    assert "https://files.simulator.invalid/" in (value[0] if isinstance(value, list) else value)
    assert "downloadURL" not in document
    assert any(key.endswith("ExpirationTime") for key in document)


def test_unready_link(caller: Any) -> None:
    """
    A request that is not ready, or failed, has no link, and says how it stands.
    """
    request_id = caller.made()
    early = parsed(caller.link(request_id))
    failed = caller.simulator.add_request("OTHER", START, status="ERROR")
    late = parsed(caller.link(failed))

    assert ("RECEIVED", "ERROR") == (early["requestStatus"], late["requestStatus"])
    assert "downloadURL" not in {*early, *late}


def test_unready_link_refused(caller_of: Any) -> None:
    """
    Where the rules say so, a link that is asked for too early is an error.
    """
    caller = caller_of(unready_link="error")

    assert 400 == caller.link(caller.made()).status
    assert 200 == caller.link(caller.ready("OTHER")).status


def test_link_without_id(caller: Any, code: Callable[[Reply], str]) -> None:
    """
    A link call without a request id is refused.
    """
    reply = caller.call("GET", "downloadReport")

    assert (400, "MISSING_REQUEST_PARAM") == (reply.status, code(reply))


# list


def many(caller: Any, number: int) -> list[str]:
    """
    Add requests, one a minute; newest first.
    """
    made = [
        caller.simulator.add_request(f"TYPE_{place % 2}", START - timedelta(minutes=number - place))
        for place in range(number)
    ]
    return made[::-1]


def test_list_pages(caller: Any) -> None:
    """
    A list shows ten requests a page, newest first; its cursor is a whole query for the next.
    """
    expected = many(caller, 23)
    found: list[str] = []
    query, sizes = "", []
    while True:
        document = parsed(caller.list(query))
        found += [entry["requestId"] for entry in document["requests"]]
        sizes.append((document["page"], document["totalCount"], document["limit"]))
        if "nextCursor" not in document:
            break
        query = document["nextCursor"]

    assert expected == found
    assert [(1, 23, 10), (2, 23, 10), (3, 23, 10)] == sizes
    assert "page=3&limit=10" == query


def test_list_order(caller: Any) -> None:
    """
    Of two requests of the same instant, the later one comes first.
    """
    first = caller.simulator.add_request("A", START)
    second = caller.simulator.add_request("B", START)

    assert [second, first] == ids(caller.list())


def test_cursor_keeps_the_filters(caller: Any) -> None:
    """
    A cursor repeats the filters of the first page, dates and all.
    """
    caller.simulator.never_ready("TYPE_1")
    expected = many(caller, 30)[::2]
    dates = (
        "requestSubmissionStartDate=2026-01-05T00:00:00Z"
        "&requestSubmissionEndDate=2026-01-05T09:00:00Z"
    )
    document = parsed(caller.list(f"reportType=TYPE_1&requestStatus=INPROGRESS&{dates}"))

    assert (
        f"reportType=TYPE_1&requestStatus=INPROGRESS&{dates}&page=2&limit=10"
        == (document["nextCursor"])
    )
    assert expected[10:] == ids(caller.list(document["nextCursor"]))


def test_cursor_as_a_parameter(caller: Any) -> None:
    """
    A cursor that is passed as a parameter is ignored: the first page comes again.
    """
    expected = many(caller, 12)
    cursor = parsed(caller.list())["nextCursor"]

    assert expected[:10] == ids(caller.list(f"nextCursor={quote(cursor, safe='')}"))


def test_page_limit(caller_of: Any) -> None:
    """
    A longer page is given up to what the rules allow, and the answer says what was given.
    """
    short, long = caller_of(), caller_of(max_page_limit=15)
    expected = [many(caller, 20) for caller in (short, long)]

    assert (10, expected[0][:10]) == (
        parsed(short.list("limit=200"))["limit"],
        ids(short.list("limit=200")),
    )
    assert (15, expected[1][:15]) == (
        parsed(long.list("limit=200"))["limit"],
        ids(long.list("limit=200")),
    )
    assert "page=2&limit=5" == parsed(long.list("limit=5"))["nextCursor"]


def test_repeated_cursor(caller_of: Any) -> None:
    """
    The last page may tell the cursor that led to it; a single page has none.
    """
    caller = caller_of(repeat_cursor=True)
    many(caller, 5)
    assert "nextCursor" not in parsed(caller.list())
    many(caller, 10)
    cursor = parsed(caller.list())["nextCursor"]

    assert cursor == parsed(caller.list(cursor))["nextCursor"]


def test_empty_page(caller_of: Any) -> None:
    """
    A full last page may be followed by an empty one.
    """
    caller = caller_of(empty_page=True)
    many(caller, 10)
    cursor = parsed(caller.list())["nextCursor"]

    last = parsed(caller.list(cursor))

    assert ([], True) == (last["requests"], "nextCursor" not in last)


def test_list_filters(caller: Any) -> None:
    """
    Type, version, id, status and source each narrow the list, alone or together.
    """
    mine = caller.made("ITEM_MX", version="v2")
    ready = caller.simulator.add_request("ITEM_MX", START, status="READY", src="SC")
    failed = caller.simulator.add_request("OTHER", START, status="ERROR", src="Scheduler")

    assert [failed, ready, mine] == ids(caller.list())
    for query, expected in {
        "reportType=ITEM_MX": [ready, mine],
        "reportVersion=v2": [mine],
        f"requestId={failed}": [failed],
        "requestStatus=READY": [ready],
        "requestStatus=ERROR": [failed],
        "requestStatus=RECEIVED": [mine],
        "requestStatus=INPROGRESS": [],
        "src=SC": [ready],
        "reportType=ITEM_MX&requestStatus=RECEIVED": [mine],
        f"requestId={mine}&reportType=OTHER": [],
    }.items():
        assert expected == ids(caller.list(query)), query


def test_list_entries(caller: Any) -> None:
    """
    An entry of the list says where the request came from.
    """
    caller.simulator.add_request("A", START, status="READY", payload={"excludeColumns": ["x"]})

    (entry,) = parsed(caller.list())["requests"]

    assert ("SC", {"excludeColumns": ["x"]}, "2026-01-05T08:00:00Z") == (
        entry["src"],
        entry["payload"],
        entry["reportGenerationDate"],
    )


def test_list_dates(caller: Any) -> None:
    """
    Both dates are inclusive, and compared with what the answers tell: whole seconds.
    """
    caller.wait(100.9)
    request_id = caller.made()
    second = "2026-01-05T08:01:40Z"
    query = "requestSubmissionStartDate={}&requestSubmissionEndDate={}"

    assert [request_id] == ids(caller.list(query.format(second, second)))
    assert [] == ids(caller.list(query.format("2026-01-05T08:01:41Z", "2026-01-06T00:00:00Z")))
    assert [] == ids(caller.list(query.format("2026-01-05T00:00:00Z", "2026-01-05T08:01:39Z")))


@pytest.mark.parametrize(
    "query",
    [
        "requestSubmissionStartDate=2026-01-05T00:00:00Z",
        "requestSubmissionEndDate=2026-01-05T00:00:00Z",
        "requestSubmissionStartDate=2026-01-05&requestSubmissionEndDate=2026-01-06",
        "requestSubmissionStartDate=2025-12-06T07:59:59Z&requestSubmissionEndDate=2026-01-06T00:00:00Z",
        "requestSubmissionStartDate=2026-01-05T00:00:01Z&requestSubmissionEndDate=2026-01-05T00:00:00Z",
        "requestStatus=SUBMITTED",
        "page=0",
        "limit=ten",
        "limit=%C2%B2",
        "limit=-1",
    ],
)
def test_bad_list(caller: Any, code: Callable[[Reply], str], query: str) -> None:
    """
    Dates that are incomplete, badly written, too old or in disorder, and odd words, are refused.
    """
    reply = caller.list(query)

    assert (400, "INVALID_REQUEST_PARAM") == (reply.status, code(reply))


def test_single_dates(caller_of: Any) -> None:
    """
    One date alone is enough where the rules say so.
    """
    caller = caller_of(paired_dates=False)
    old, new = many(caller, 2)[::-1]

    assert [new] == ids(caller.list("requestSubmissionStartDate=2026-01-05T07:58:30Z"))
    assert [old] == ids(caller.list("requestSubmissionEndDate=2026-01-05T07:58:30Z"))


def test_strict_list(caller_of: Any, code: Callable[[Reply], str]) -> None:
    """
    A list without a type is refused where the rules say so.
    """
    caller = caller_of(strict_list=True)
    reply = caller.list("requestStatus=READY")
    assert (400, "MISSING_REQUEST_PARAM") == (reply.status, code(reply))

    assert 200 == caller.list("reportType=ITEM_MX").status


def test_list_lag(caller_of: Any) -> None:
    """
    A new request is seen by nobody before the lag is over, and its hour is taken all the same.
    """
    caller = caller_of(list_lag=90)
    request_id = caller.made()
    caller.wait(89)
    assert [] == ids(caller.list())
    assert 404 == caller.status(request_id).status
    assert 429 == caller.create().status

    caller.wait(1)

    assert [request_id] == ids(caller.list())
    assert 200 == caller.status(request_id).status
