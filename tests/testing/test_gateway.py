"""Tests of the API's front door: headers, credentials, tokens, budgets."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest

from reports_async.testing._gateway import Bucket

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports_async.testing import Reply

START = datetime(2026, 1, 5, 8, tzinfo=UTC)


def test_token(caller: Any) -> None:
    """
    Any pair of id and secret gets a bearer token for 15 minutes.
    """
    document = json.loads(caller.login().body)

    assert {"access_token", "token_type", "expires_in"} == document.keys()
    assert ("Bearer", 900) == (document["token_type"], document["expires_in"])
    assert 200 == caller.list().status


@pytest.mark.parametrize("status", [400, 401, 403])
def test_wrong_secret(caller_of: Any, status: int) -> None:
    """
    A secret that is not the one of the rules is refused, with the status that the rules say.
    """
    caller = caller_of(credentials={"id": "right"}, bad_credentials=status)

    assert status == caller.login("wrong").status
    assert 200 == caller.login("right").status


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Bearer abc",
        "Basic",
        "Basic !!",
        "Basic " + base64.b64encode(b"\xff\xfe").decode(),
        "Basic " + base64.b64encode(b"id").decode(),
        "Basic " + base64.b64encode(b"id:").decode(),
        "Basic " + base64.b64encode(b":secret").decode(),
    ],
)
def test_no_credentials(caller: Any, authorization: str | None) -> None:
    """
    A token call without an id and a secret is refused.
    """
    assert 400 == caller.login(headers={"Authorization": authorization}).status


def test_token_call(caller: Any) -> None:
    """
    The token call wants a form, and the grant type that the API knows.
    """
    assert 415 == caller.login(headers={"Content-Type": "application/json"}).status
    assert 400 == caller.login(grant_type="password").status


def test_token_expires(caller: Any, code: Callable[[Reply], str]) -> None:
    """
    A token works for its 15 minutes, and not a moment longer.
    """
    caller.login()
    caller.wait(899.9)
    assert 200 == caller.list().status

    caller.wait(0.1)
    reply = caller.list()

    assert (401, "UNAUTHORIZED") == (reply.status, code(reply))


def test_tokens_expired_by_order(caller: Any) -> None:
    """
    Tokens can be made useless at any time, and a new one works.
    """
    caller.login()
    caller.simulator.expire_token()
    assert 401 == caller.list().status

    caller.login()

    assert 200 == caller.list().status


def test_no_token(caller: Any) -> None:
    """
    A call without a token is refused.
    """
    assert 401 == caller.list(headers={"WM_SEC.ACCESS_TOKEN": None}).status


@pytest.mark.parametrize("name", ["WM_SVC.NAME", "WM_QOS.CORRELATION_ID"])
def test_needed_headers(caller: Any, code: Callable[[Reply], str], name: str) -> None:
    """
    Every call must carry the service name and a correlation id, the token call too.
    """
    for reply in (caller.login(headers={name: None}), caller.list(headers={name: " "})):
        assert (400, "MISSING_REQUEST_HEADER") == (reply.status, code(reply))
        assert name == json.loads(reply.body)["error"][0]["field"]


def test_channel_type(caller_of: Any, code: Callable[[Reply], str]) -> None:
    """
    The channel type is asked for where the rules say so.
    """
    caller = caller_of(channel_type=True)
    reply = caller.login()
    assert (400, "MISSING_REQUEST_HEADER") == (reply.status, code(reply))

    caller.usual["WM_CONSUMER.CHANNEL.TYPE"] = "some-uuid"

    assert 200 == caller.login().status
    assert 200 == caller.list().status


def test_market(caller_of: Any, code: Callable[[Reply], str]) -> None:
    """
    A market of the rules must be named on every call, the token call too.
    """
    caller = caller_of(market="mx", global_version="3.1")
    reply = caller.login()
    assert (400, "MISSING_REQUEST_HEADER") == (reply.status, code(reply))
    reply = caller.login(headers={"WM_MARKET": "cl"})
    assert (400, "INVALID_REQUEST_HEADER") == (reply.status, code(reply))

    caller.usual |= {"WM_MARKET": "mx", "WM_GLOBAL_VERSION": "3.1"}

    assert 200 == caller.login().status
    assert 200 == caller.list().status


def test_market_of_token(caller: Any, code: Callable[[Reply], str]) -> None:
    """
    Without a market of the rules, a token still serves only the market that it was made for.
    """
    caller.login(headers={"WM_MARKET": "mx"})
    reply = caller.list()
    assert (400, "INVALID_REQUEST_HEADER") == (reply.status, code(reply))

    assert 200 == caller.list(headers={"WM_MARKET": "mx"}).status


@pytest.mark.parametrize("accept", [None, "*/*", "application/xml"])
def test_accept(caller: Any, accept: str | None) -> None:
    """
    A call that does not ask for JSON by name is refused.
    """
    assert 406 == caller.list(headers={"Accept": accept}).status


def test_accept_xml(caller_of: Any) -> None:
    """
    Where the rules say so, a call that does not ask for JSON gets XML.
    """
    caller = caller_of(without_accept="xml")
    caller.create()

    reply = caller.list(headers={"Accept": None})

    assert (200, "application/xml") == (reply.status, reply.headers["Content-Type"])
    assert b"<requests><item><requestId>" in reply.body
    assert str(len(reply.body)) == reply.headers["Content-Length"]
    assert "x-current-token-count" in reply.headers


def test_correlation_ids(caller: Any) -> None:
    """
    A correlation id that is used twice, or is no UUID, is answered and noted.
    """
    fixed = {"WM_QOS.CORRELATION_ID": "3fa85f64-5717-4562-b3fc-2c963f66afa6"}
    for headers in (fixed, fixed, {"WM_QOS.CORRELATION_ID": "42"}):
        assert 200 == caller.list(headers=headers).status

    twice, wrong = caller.simulator.violations

    assert "used twice" in twice
    assert "'42' is not a UUID" in wrong


def test_correlation_ids_are_forgotten(caller: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Only so many correlation ids are remembered.
    """
    monkeypatch.setattr("reports_async.testing._gateway._REMEMBERED", 2)
    first = {"WM_QOS.CORRELATION_ID": "3fa85f64-5717-4562-b3fc-2c963f66afa6"}
    caller.list(headers=first)
    caller.list()
    caller.list()
    caller.list(headers=first)

    assert () == caller.simulator.violations


def test_cookie(caller: Any) -> None:
    """
    Every answer sets a cookie, and a call that returns it is noted.
    """
    cookie = caller.login().headers["Set-Cookie"].partition(";")[0]

    assert 200 == caller.list(headers={"Cookie": cookie}).status
    assert ("A cookie was sent to the API: GET /v3/reports/reportRequests.",) == (
        caller.simulator.violations
    )


def test_date(caller: Any) -> None:
    """
    Every answer tells the time of the server.
    """
    caller.wait(3)

    assert "Mon, 05 Jan 2026 08:00:03 GMT" == caller.login().headers["Date"]


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ("list", "reportRequests"),
        ("status", "reportRequests/unknown"),
        ("link", "downloadReport?requestId=unknown"),
    ],
)
def test_budgets(caller: Any, code: Callable[[Reply], str], endpoint: str, path: str) -> None:
    """
    Each of the three calls may be made 20 times at once, then once in three minutes.
    """
    left = [caller.call("GET", path).headers["x-current-token-count"] for _ in range(20)]
    assert [str(number) for number in range(19, -1, -1)] == left

    refused = caller.call("GET", path)
    assert (429, "REQUEST_THRESHOLD_VIOLATED.GMP_GATEWAY_API") == (refused.status, code(refused))
    assert ("0", "180") == (
        refused.headers["x-current-token-count"],
        refused.headers["Retry-After"],
    )
    next_at = int(refused.headers["X-Next-Replenishment-Time"])
    assert START + timedelta(seconds=180) == datetime.fromtimestamp(next_at / 1000, UTC)

    caller.wait(179.9)
    assert 429 == caller.call("GET", path).status
    caller.wait(0.1)
    assert 429 != caller.call("GET", path).status
    assert 429 == caller.call("GET", path).status
    assert 2 + 1 == caller.simulator.count(endpoint, 429)


def test_budgets_are_apart(caller: Any) -> None:
    """
    A spent budget leaves other endpoints and other accounts alone, and creates cost none.
    """
    for _ in range(21):
        reply = caller.list()
    assert 429 == reply.status

    assert 404 == caller.status("unknown").status
    assert "x-current-token-count" not in caller.create().headers
    caller.client_id = "other"
    caller.login()
    assert 200 == caller.list().status


def test_budgets_off(caller_of: Any) -> None:
    """
    Without budgets, calls are free and no header tells of any.
    """
    caller = caller_of(budgets=False)

    for _ in range(30):
        reply = caller.list()

    assert 200 == reply.status
    assert "x-current-token-count" not in reply.headers


@pytest.mark.parametrize(
    ("switch", "name", "value"),
    [
        ("ms", "X-Next-Replenishment-Time", "1767600181000"),
        ("iso", "X-Next-Replenishment-Time", "2026-01-05T08:03:00.500Z"),
        ("alternative", "x-next-replenish-time", "1767600181000"),
        ("none", "", ""),
    ],
)
def test_replenishment(caller_of: Any, switch: str, name: str, value: str) -> None:
    """
    When the next token comes is told in each of the ways that were seen, or not at all.
    """
    caller = caller_of(replenishment=switch)
    caller.wait(0.5)
    if switch in ("ms", "alternative"):
        # Fractions of a millisecond are rounded up: whoever comes back then is not too early.
        caller.wait(0.499999)

    headers = caller.list().headers

    told = {key: text for key, text in headers.items() if "replenish" in key.lower()}
    assert ({name: value} if name else {}) == told


def test_retry_after(caller_of: Any) -> None:
    """
    Retry-After is a date, or missing, where the rules say so; it is never too early.
    """
    dated, silent = (caller_of(retry_after=kind, budget=1) for kind in ("date", "none"))
    for caller in (dated, silent):
        caller.wait(0.25)
        caller.list()
    told = parsedate_to_datetime(dated.list().headers["Retry-After"])

    assert dated.now + timedelta(seconds=180) <= told <= dated.now + timedelta(seconds=182)
    assert "Retry-After" not in silent.list().headers


def test_bucket_after_the_clock_was_set_back() -> None:
    """
    A bucket whose clock was set back is empty, not negative.
    """
    bucket = Bucket(2, timedelta(seconds=10))
    assert bucket.take(START)

    assert 0 == bucket.left(START - timedelta(hours=1))
    assert START == Bucket(2, timedelta(seconds=10)).next_at(START)


@pytest.mark.parametrize(
    ("shape", "kind", "sign"),
    [
        ("error", "application/json", '"error": [{'),
        ("errors", "application/json", '"errors": [{'),
        ("problem", "application/problem+json", '"title": "UNAUTHORIZED"'),
        ("spring", "application/json", '"timestamp": "2026-01-05T08:00:00.000Z"'),
        ("xml", "application/xml", "<code>UNAUTHORIZED</code>"),
        ("html", "text/html; charset=utf-8", "<!DOCTYPE html>"),
    ],
)
def test_error_shapes(caller_of: Any, shape: str, kind: str, sign: str) -> None:
    """
    Errors come in every shape that was seen.
    """
    caller = caller_of(error_shape=shape)

    reply = caller.list(headers={"WM_SEC.ACCESS_TOKEN": "nonsense"})

    assert (401, kind) == (reply.status, reply.headers["Content-Type"])
    assert sign in reply.body.decode()


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("PUT", "/v3/reports/reportRequests"), ("GET", "/v3/reports/reportRequests/")],
)
def test_unknown_paths(caller: Any, method: str, path: str) -> None:
    """
    What the API does not have is not found.
    """
    reply = caller.simulator.handle(caller.request(method, path), caller.now)

    assert 404 == reply.status
    assert 1 == caller.simulator.count("other")
