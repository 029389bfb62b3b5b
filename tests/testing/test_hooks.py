"""The simulator's webhook subscriptions, and the notifications that it would send."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from reports_async import InvalidArgument
from reports_async.abc import HTTPRequest
from reports_async.testing import Simulator

NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
API = "https://api.example"
EVENT = {
    "eventType": "REPORT_STATUS",
    "eventVersion": "V1",
    "resourceName": "REPORTS",
    "eventUrl": "https://hooks.example/walmart",
    "status": "ACTIVE",
}


class Caller:
    """
    Makes calls as an account of a market.
    """

    def __init__(self, simulator, *, account="id", **headers):
        self._simulator = simulator
        self._headers = {
            "Accept": "application/json",
            "WM_SVC.NAME": "tests",
            "Content-Type": "application/json",
            **headers,
        }
        pair = base64.b64encode(f"{account}:secret".encode()).decode()
        form = {
            "Authorization": f"Basic {pair}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        _, token = self("POST", "/v3/token", b"grant_type=client_credentials", **form)
        self._headers["WM_SEC.ACCESS_TOKEN"] = token["access_token"]

    def __call__(self, method, path, body=b"", **headers):
        request = HTTPRequest(
            method=method,
            url=API + path,
            headers={**self._headers, "WM_QOS.CORRELATION_ID": str(uuid.uuid4()), **headers},
            body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        )
        reply = self._simulator.handle(request, NOW)
        return reply.status, json.loads(reply.body)

    def subscribe(self, **changes):
        status, document = self(
            "POST", "/v3/webhooks/subscriptions", {"events": [{**EVENT, **changes}]}
        )
        assert 200 == status
        return document["events"][0]


@pytest.fixture
def simulator():
    return Simulator(generation=60)


@pytest.fixture
def call(simulator):
    return Caller(simulator)


def test_accounts(simulator, call):
    """
    An account sees and ends its own subscriptions only.
    """
    name = call.subscribe()["subscriptionId"]
    other = Caller(simulator, account="another")

    assert (200, {"events": []}) == other("GET", "/v3/webhooks/subscriptions")
    assert 404 == other("DELETE", f"/v3/webhooks/subscriptions/{name}")[0]
    assert 200 == call("DELETE", f"/v3/webhooks/subscriptions/{name}")[0]
    assert (200, {"events": []}) == call("GET", "/v3/webhooks/subscriptions")


@pytest.mark.parametrize("market", ["mx", "ca", "cl"])
def test_markets(simulator, market):
    """
    Markets without webhooks refuse every call.
    """
    status, document = Caller(simulator, WM_MARKET=market)("GET", "/v3/webhooks/subscriptions")

    assert 404 == status
    assert "not available in this market" in document["error"][0]["description"]


@pytest.mark.parametrize(
    "body",
    [
        b"nonsense",
        [],
        {},
        {"events": {}},
        {"events": []},
        {"events": [7]},
        {"events": [{**EVENT, "eventUrl": ""}]},
        {"events": [{**EVENT, "authDetails": []}]},
        {"events": [{**EVENT, "authDetails": {"authMethod": "MAGIC"}}]},
        {"events": [{**EVENT, "authDetails": {"authMethod": "HMAC", "authHeaderName": "X"}}]},
    ],
)
def test_refused(call, body):
    """
    What is not as specified is refused, and nothing is made.
    """
    assert 400 == call("POST", "/v3/webhooks/subscriptions", body)[0]
    assert (200, {"events": []}) == call("GET", "/v3/webhooks/subscriptions")


def test_content_type(call):
    """
    A body must say that it is JSON.
    """
    headers = {"Content-Type": "text/plain"}

    assert 415 == call("POST", "/v3/webhooks/test", EVENT, **headers)[0]


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/v3/webhooks/subscriptions"), ("GET", "/v3/webhooks/eventTypes")],
)
def test_unknown_calls(simulator, call, method, path):
    """
    There are no other calls.
    """
    assert 404 == call(method, path)[0]
    assert "webhooks" == simulator.last_call.endpoint


def test_sample(call):
    """
    A test call is answered as if the sample had been taken.
    """
    assert (200, {"message": "Eventurl successfully validated"}) == call(
        "POST", "/v3/webhooks/test", EVENT
    )


@pytest.mark.parametrize(
    ("kind", "partner"), [("REPORT_STATUS", "partnerId"), ("REPORT_STATUS_SUPPLIER", "vendorId")]
)
def test_notification(simulator, call, kind, partner):
    """
    A notification tells what the server knows of the request, with milliseconds and no link.
    """
    call.subscribe(eventType=kind, headers={"X-Mine": "1"})
    request_id = simulator.add_request("ITEM", NOW)

    (notice,) = simulator.notifications(request_id, NOW + timedelta(seconds=90))

    assert ("POST", EVENT["eventUrl"]) == (notice.method, notice.url)
    assert {"Content-Type": "application/json", "X-Mine": "1"} == notice.headers
    document = json.loads(notice.body)
    assert [kind, "2026-01-05T08:01:30.000Z"] == [
        document["source"]["eventType"],
        document["source"]["eventTime"],
    ]
    assert document["source"]["eventId"]
    assert {
        partner: "10000000359",
        "requestId": request_id,
        "requestStatus": "READY",
        "requestSubmissionDate": "2026-01-05T08:00:00.000Z",
        "reportGenerationDate": "2026-01-05T08:01:00.000Z",
        "reportType": "ITEM",
        "reportVersion": "v1",
    } == document["payload"]


def test_proofs(simulator, call):
    """
    Each subscription is told in the way that it asked for.
    """
    header = {"authHeaderName": "X-Proof"}
    for details in (
        {"authMethod": "BASIC_AUTH", "userName": "u", "password": "p", **header},
        {"authMethod": "HMAC", "clientSecret": "k", **header},
        {
            "authMethod": "OAUTH",
            "authUrl": "https://a.example",
            "clientId": "c",
            "clientSecret": "t",
            **header,
        },
    ):
        call.subscribe(authDetails=details)
    request_id = simulator.add_request("ITEM", NOW)

    basic, signed, bearer = simulator.notifications(request_id, NOW)

    assert "dTpw" == basic.headers["X-Proof"]
    assert hmac.new(b"k", signed.body, hashlib.sha256).hexdigest() == signed.headers["X-Proof"]
    assert "Bearer t" == bearer.headers["X-Proof"]
    assert "reportGenerationDate" not in json.loads(basic.body)["payload"]


def test_nobody_is_told(simulator, call):
    """
    Other events, paused subscriptions and other accounts are not told.
    """
    call.subscribe(eventType="PO_CREATED")
    call.subscribe(status="INACTIVE")
    call.subscribe()
    another = simulator.add_request("ITEM", NOW, account="another")
    own = simulator.add_request("ITEM", NOW, account="id")

    assert () == simulator.notifications(another, NOW)
    assert 1 == len(simulator.notifications(own, NOW))


def test_unknown_request(simulator):
    """
    There is nothing to tell of a request that is not there.
    """
    with pytest.raises(InvalidArgument, match="no request"):
        simulator.notifications("R1", NOW)
