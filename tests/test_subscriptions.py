"""Webhook subscriptions, through the client, against the simulator."""

from __future__ import annotations

import pytest

from reports_async import InvalidArgument, InvalidRequest, ServerError
from reports_async.webhooks import BasicAuth, Hmac, OAuth, OAuthServer, Subscription

pytestmark = pytest.mark.anyio

URL = "https://hooks.example/walmart"


async def test_life(new_client, simulator):
    """
    A subscription is made, listed, and ended.
    """
    async with new_client(market="us") as client:
        assert () == await client.subscriptions.list()
        made = await client.subscriptions.create(URL, auth=Hmac("very-secret"))
        (listed,) = await client.subscriptions.list(
            subscription_id=made.subscription_id,
            event_type="REPORT_STATUS",
            resource="REPORTS",
            status="ACTIVE",
        )
        assert () == await client.subscriptions.list(event_type="OTHER")
        await client.subscriptions.delete(made.subscription_id)
        assert () == await client.subscriptions.list()

    assert isinstance(made, Subscription)
    assert ("REPORT_STATUS", "V1", "REPORTS", "ACTIVE", URL) == (
        made.event_type,
        made.event_version,
        made.resource,
        made.status,
        made.event_url,
    )
    assert ("HMAC", "Authorization") == (listed.auth_method, listed.auth_header)
    assert "very-secret" not in repr(listed)
    assert () == simulator.violations


@pytest.mark.parametrize(
    "auth",
    [
        None,
        BasicAuth("user", "password"),
        Hmac("secret"),
        OAuthServer(url="https://a.example/token", client_id="w", client_secret="s"),
    ],
)
async def test_sample(new_client, simulator, auth):
    """
    A test of an address subscribes nothing, and returns what the server says.
    """
    async with new_client(market="us") as client:
        said = await client.subscriptions.test(URL, auth=auth, headers={"X-Mine": "1"})
        assert () == await client.subscriptions.list()

    assert "Eventurl successfully validated" == said


async def test_suppliers(new_client):
    """
    Suppliers subscribe to an event of their own; another one can be named.
    """
    async with new_client(market="suppliers") as client:
        made = await client.subscriptions.create(URL, auth=None)
        other = await client.subscriptions.create(
            URL, auth=None, event_type="PO_CREATED", event_version="V2", resource="ORDER"
        )
        orders = await client.subscriptions.list(resource="ORDER")

    assert "REPORT_STATUS_SUPPLIER" == made.event_type
    assert "PO_CREATED" == other.event_type
    assert ("V2", "ORDER") == (other.event_version, other.resource)
    assert [other.subscription_id] == [one.subscription_id for one in orders]
    assert "<Subscriptions of market suppliers>" == repr(client.subscriptions)


@pytest.mark.parametrize("market", ["mx", "ca", "cl"])
async def test_market_without(new_client, simulator, market):
    """
    Where a market has no webhooks, nothing is sent, and the error names those that have them.
    """
    async with new_client(market=market) as client:
        for asking in (
            client.subscriptions.list(),
            client.subscriptions.create(URL, auth=None),
            client.subscriptions.test(URL, auth=None),
            client.subscriptions.delete("S1"),
        ):
            with pytest.raises(InvalidArgument, match="us, suppliers, global-us"):
                await asking

    assert () == simulator.calls


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"auth": "hunter2"}, "auth must be BasicAuth, Hmac, OAuthServer or None"),
        ({"auth": OAuth("hunter2")}, "auth must be BasicAuth, Hmac, OAuthServer or None"),
        (
            {"auth": OAuthServer(url="http://a.example", client_id="w", client_secret="hunter2")},
            "auth.url must begin with https://",
        ),
        ({"auth": None, "headers": ["hunter2"]}, "headers must be a mapping"),
    ],
)
async def test_arguments(new_client, simulator, arguments, message):
    """
    What cannot be subscribed to is refused at once, without its secrets.
    """
    async with new_client(market="us") as client:
        for subscribe in (client.subscriptions.create, client.subscriptions.test):
            with pytest.raises(InvalidArgument, match=message) as caught:
                await subscribe(URL, **arguments)
            assert "hunter2" not in str(caught.value)

    assert () == simulator.calls


async def test_unknown(new_client):
    """
    To end what is not there is refused by the server, in words.
    """
    async with new_client(market="us") as client:
        with pytest.raises(InvalidRequest, match="no subscription S1"):
            await client.subscriptions.delete("S1")


async def test_made_once(new_client, simulator):
    """
    A create whose answer is lost is not sent again: there would be two.
    """
    simulator.fail("webhooks", 500, after_acting=True)
    async with new_client(market="us") as client:
        with pytest.raises(ServerError):
            await client.subscriptions.create(URL, auth=None)
        assert 1 == len(await client.subscriptions.list())


async def test_listed_patiently(new_client, simulator):
    """
    A list that fails is asked for again.
    """
    simulator.fail("webhooks", 503, times=2)
    async with new_client(market="us") as client:
        assert () == await client.subscriptions.list()


async def test_closed(new_client):
    """
    A closed client manages nothing.
    """
    client = new_client(market="us")
    await client.aclose()

    with pytest.raises(RuntimeError, match="closed"):
        await client.subscriptions.list()
