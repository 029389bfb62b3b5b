"""The calls and replies of webhook subscriptions."""

from __future__ import annotations

import json

import pytest

from reports_async import APIError, InvalidArgument, InvalidRequest, ServerError
from reports_async._http import HTTPResponse
from reports_async._sansio import subscriptions
from reports_async._sansio.endpoints import Site
from reports_async._sansio.notifications import BasicAuth, Hmac, OAuthServer
from reports_async._sansio.subscriptions import Query, Target

SITE = Site(base_url="https://api.example")
URL = "https://hooks.example/walmart?key=s3cret"


def target(**changes):
    return Target(**{"event_url": URL, "event_type": "REPORT_STATUS", "auth": None, **changes})


def reply(document, status=200):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return HTTPResponse(status=status, body=body)


def test_list_call():
    """
    A list asks for what is given, and for nothing else.
    """
    every = subscriptions.list_call(SITE, Query()).request
    some = subscriptions.list_call(
        SITE,
        Query(subscription_id="S1", event_type="A&B", resource="R", status="ACTIVE"),
    ).request

    assert ("GET", "https://api.example/v3/webhooks/subscriptions") == (every.method, every.url)
    assert (
        "https://api.example/v3/webhooks/subscriptions"
        "?subscriptionId=S1&eventType=A%26B&resourceName=R&status=ACTIVE"
    ) == some.url


def test_create_call():
    """
    A subscription is one active event with its authentication and its headers.
    """
    request = subscriptions.create_call(
        SITE, target(auth=Hmac("key"), headers={"X-Mine": "1"})
    ).request

    assert ("POST", "https://api.example/v3/webhooks/subscriptions") == (
        request.method,
        request.url,
    )
    assert "application/json" == request.headers["Content-Type"]
    assert {
        "events": [
            {
                "eventType": "REPORT_STATUS",
                "eventVersion": "V1",
                "resourceName": "REPORTS",
                "eventUrl": URL,
                "authDetails": {
                    "authMethod": "HMAC",
                    "clientSecret": "key",
                    "authHeaderName": "Authorization",
                },
                "headers": {"X-Mine": "1"},
                "status": "ACTIVE",
            }
        ]
    } == json.loads(request.body)


def test_test_call():
    """
    A test says the same of one address, without a status.
    """
    request = subscriptions.test_call(SITE, target()).request

    assert ("POST", "https://api.example/v3/webhooks/test") == (request.method, request.url)
    assert {
        "eventType": "REPORT_STATUS",
        "eventVersion": "V1",
        "resourceName": "REPORTS",
        "eventUrl": URL,
    } == json.loads(request.body)


def test_delete_call():
    """
    Deleting names the id in the path, quoted.
    """
    request = subscriptions.delete_call(SITE, "a/b").request

    assert ("DELETE", "https://api.example/v3/webhooks/subscriptions/a%2Fb") == (
        request.method,
        request.url,
    )
    assert b"" == request.body


@pytest.mark.parametrize("name", ["", "..", "a b"])
def test_delete_refused(name):
    """
    An id that would lead elsewhere is refused.
    """
    with pytest.raises(InvalidArgument):
        subscriptions.delete_call(SITE, name)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"event_url": "http://hooks.example/"}, "https"),
        ({"event_url": "ftp://hooks.example/"}, "absolute"),
        ({"event_url": "https:///path"}, "absolute"),
        ({"event_url": "https://[::1/"}, "absolute"),
        ({"event_url": ""}, "event_url"),
        ({"event_url": "https://a b/"}, "event_url"),
        ({"event_type": ""}, "event_type"),
        ({"headers": {"X-Mine": 1}}, "headers"),
    ],
)
def test_bad_target(changes, word):
    """
    An address that cannot be right is refused by name.
    """
    with pytest.raises(InvalidArgument, match=word):
        target(**changes)


def test_loopback_target():
    """
    On the machine itself http will do.
    """
    assert target(event_url="http://127.0.0.1:8080/walmart")


def test_bad_status():
    """
    Only the two statuses of the API can be asked for.
    """
    with pytest.raises(InvalidArgument, match="ACTIVE, INACTIVE"):
        Query(status="active")


ENTRY = {
    "eventType": "REPORT_STATUS",
    "subscriptionId": "S1",
    "partnerId": "100",
    "eventVersion": "V1",
    "resourceName": "REPORTS",
    "eventUrl": URL,
    "headers": {"X-Mine": "s3cret"},
    "authDetails": {"authHeaderName": "X-Auth", "authMethod": "BASIC_AUTH", "password": "s3cret"},
    "status": "ACTIVE",
}


@pytest.mark.parametrize(
    "document",
    [
        {"events": [ENTRY]},
        {"event": [ENTRY]},
        {"events": [{"event": [ENTRY]}]},
        {"events": [ENTRY, {"eventType": "A"}, 7, None]},
    ],
)
def test_parse_list(document):
    """
    A list is read as the specification writes it, and as its examples do; secrets are left out.
    """
    call = subscriptions.list_call(SITE, Query())

    (found,) = subscriptions.parse_list(call, reply(document))

    assert ("S1", "REPORT_STATUS", URL, "ACTIVE") == (
        found.subscription_id,
        found.event_type,
        found.event_url,
        found.status,
    )
    assert ("V1", "REPORTS", "100", "BASIC_AUTH", "X-Auth") == (
        found.event_version,
        found.resource,
        found.partner_id,
        found.auth_method,
        found.auth_header,
    )
    assert "s3cret" not in repr(found)


def test_parse_bare():
    """
    What a subscription does not tell is None.
    """
    call = subscriptions.create_call(SITE, target())

    found = subscriptions.parse_created(call, reply({"subscriptionId": "S1"}))

    assert "S1" == found.subscription_id
    assert {None} == {
        found.event_url,
        found.status,
        found.event_version,
        found.resource,
        found.partner_id,
        found.auth_method,
        found.auth_header,
    }
    assert "event_url=None" in repr(found)


def test_parse_empty():
    """
    An empty list is no subscriptions; a reply without a list is no answer.
    """
    call = subscriptions.list_call(SITE, Query())

    assert () == subscriptions.parse_list(call, reply({"events": []}))
    with pytest.raises(ServerError, match="no list of events"):
        subscriptions.parse_list(call, reply({"page": 1}))


def test_parse_created_nothing():
    """
    A reply to a create without an id is of no use.
    """
    call = subscriptions.create_call(SITE, target())

    with pytest.raises(ServerError, match="no subscriptionId"):
        subscriptions.parse_created(call, reply({"events": []}))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"message": "Eventurl successfully validated"}, "Eventurl successfully validated"),
        ({}, ""),
        ([], ""),
        (b"", ""),
        (b"<ok/>", ""),
    ],
)
def test_parse_done(body, said):
    """
    A test or a deletion is done when its status says so; the message is a courtesy.
    """
    assert said == subscriptions.parse_done(subscriptions.delete_call(SITE, "S1"), reply(body))


@pytest.mark.parametrize(
    "auth",
    [
        None,
        Hmac("s3cret"),
        BasicAuth("u", "s3cret"),
        OAuthServer(url="https://a.example", client_id="c", client_secret="s3cret"),
    ],
)
def test_errors_show_no_secret(auth):
    """
    A server that repeats a secret in its error does not get it into ours.
    """
    call = subscriptions.test_call(SITE, target(auth=auth, headers={"X-Mine": "s3cret"}))
    refusal = reply({"errors": [{"code": "BAD", "message": "what is s3cret?"}]}, status=400)

    with pytest.raises(InvalidRequest, match="Webhook subscription") as excinfo:
        subscriptions.parse_done(call, refusal)

    assert "s3cret" not in str(excinfo.value)
    assert "s3cret" not in repr(call)
    assert isinstance(excinfo.value, APIError)


@pytest.mark.parametrize("market", ["mx", "ca", "cl", "global-mx", "global-ca", "global-cl"])
def test_markets_without(market):
    """
    A market without webhooks is refused; the message names those that have them.
    """
    with pytest.raises(
        InvalidArgument, match=f"{market} has no webhooks.*us, suppliers, global-us"
    ):
        subscriptions.check_market(market)


@pytest.mark.parametrize(
    ("market", "event"),
    [
        ("us", "REPORT_STATUS"),
        ("global-us", "REPORT_STATUS"),
        ("suppliers", "REPORT_STATUS_SUPPLIER"),
    ],
)
def test_markets_with(market, event):
    """
    Sellers and suppliers have an event each.
    """
    subscriptions.check_market(market)

    assert event == subscriptions.event_type_of(market)
