"""Whether a webhook call is genuine, and what it tells."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
import pickle
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports_async import InvalidArgument, WebhookError
from reports_async._sansio.notifications import (
    LARGEST,
    BasicAuth,
    Hmac,
    OAuth,
    OAuthServer,
    check_size,
    notified_ready,
    notified_request,
    parse_notification,
    verified,
)

BODY = json.dumps(
    {
        "source": {"eventType": "REPORT_STATUS", "eventId": "E1"},
        "payload": {"requestId": "R1", "requestStatus": "READY"},
    }
).encode()
DIGEST = hmac.new(b"key", BODY, hashlib.sha256).digest()


def basic(pair: str) -> str:
    return base64.b64encode(pair.encode()).decode()


@pytest.mark.parametrize("value", [basic("u:päss"), f"Basic {basic('u:päss')}"])
def test_basic(value):
    """
    BASIC_AUTH is the Base64 of user and password, as specified, or as HTTP has it.
    """
    assert BasicAuth("u", "päss").admits({"authorization": value}, b"")


@pytest.mark.parametrize(
    "value", ["", "u:päss", basic("u:other"), f"Bearer {basic('u:päss')}", "é\udcff"]
)
def test_basic_refused(value):
    """
    Any other value of the header, and none, is refused.
    """
    assert not BasicAuth("u", "päss").admits({"authorization": value}, b"")
    assert not BasicAuth("u", "päss").admits({}, b"")


@pytest.mark.parametrize(
    "value", [DIGEST.hex(), DIGEST.hex().upper(), base64.b64encode(DIGEST).decode()]
)
def test_hmac(value):
    """
    HMAC is the SHA-256 of the body under the secret, in hex or Base64.
    """
    assert Hmac("key").admits({"authorization": value}, BODY)


@pytest.mark.parametrize("value", ["", DIGEST.hex()[:-1], "0" * 64, "é\udcff"])
def test_hmac_refused(value):
    """
    Another signature, another body and another secret are refused.
    """
    assert not Hmac("key").admits({"authorization": value}, BODY)
    assert not Hmac("key").admits({"authorization": DIGEST.hex()}, BODY + b" ")
    assert not Hmac("other").admits({"authorization": DIGEST.hex()}, BODY)


def test_oauth():
    """
    OAUTH bears one of the tokens that are good now.
    """
    both = OAuth(["old", "new"])

    assert OAuth("new").admits({"authorization": "Bearer new"}, b"")
    assert both.admits({"authorization": "bearer old"}, b"")
    assert not both.admits({"authorization": "Bearer other"}, b"")
    assert not both.admits({}, b"")


@pytest.mark.parametrize("make", [lambda header: Hmac("key", header=header)])
def test_header(make):
    """
    The header's name is the subscription's, in whatever case it arrives.
    """
    headers = {"X-SIGNATURE": DIGEST.hex()}

    assert "R1" == verified(headers, BODY, verify=make("x-Signature")).request_id
    with pytest.raises(WebhookError):
        verified(headers, BODY, verify=make("Authorization"))


@pytest.mark.parametrize(
    "auth",
    [
        BasicAuth("user", "s3cret"),
        Hmac("s3cret"),
        OAuth("s3cret"),
        OAuthServer(url="https://a.example", client_id="user", client_secret="s3cret"),
    ],
)
def test_secrets_are_hidden(auth):
    """
    No secret shows in a repr, and none is pickled; a copy in the same process is harmless.
    """
    assert "s3cret" not in repr(auth)
    assert auth == copy.deepcopy(auth)
    with pytest.raises(TypeError):
        pickle.dumps(auth)


@pytest.mark.parametrize(
    "make",
    [
        lambda: BasicAuth("", "p"),
        lambda: BasicAuth("u", b"s3cret"),
        lambda: Hmac(" "),
        lambda: Hmac("s3cret", header="X Y"),
        lambda: Hmac("s3cret", header=None),
        OAuth,
        lambda: OAuth([]),
        lambda: OAuth(["ok", b"s3cret"]),
        lambda: OAuthServer(url="https://a.example", client_id="c", client_secret=""),
    ],
)
def test_bad_arguments(make):
    """
    What cannot be right is refused when it is made, without showing a secret.
    """
    with pytest.raises((InvalidArgument, TypeError)) as excinfo:
        make()

    assert "s3cret" not in str(excinfo.value)


@pytest.mark.parametrize(
    ("auth", "details"),
    [
        (
            BasicAuth("u", "p"),
            {
                "authMethod": "BASIC_AUTH",
                "userName": "u",
                "password": "p",
                "authHeaderName": "Authorization",
            },
        ),
        (
            Hmac("k", header="X-Sign"),
            {"authMethod": "HMAC", "clientSecret": "k", "authHeaderName": "X-Sign"},
        ),
        (
            OAuthServer(url="https://a.example", client_id="c", client_secret="s"),
            {
                "authMethod": "OAUTH",
                "authUrl": "https://a.example",
                "clientId": "c",
                "clientSecret": "s",
                "authHeaderName": "Authorization",
            },
        ),
    ],
)
def test_details(auth, details):
    """
    A subscription says of an authentication what the specification asks for.
    """
    assert details == auth.details()


def test_notification():
    """
    A report's event tells its id, its type and its request.
    """
    notification = parse_notification(BODY)

    assert notification.about_report
    assert ("REPORT_STATUS", "E1", "R1") == (
        notification.event_type,
        notification.event_id,
        notification.request_id,
    )
    assert "READY" not in repr(notification)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"source": [], "payload": 7},
        {"source": {"eventType": "PO_CREATED"}, "payload": {"requestId": "R1"}},
        {"source": {"eventType": 7}, "payload": {"requestId": "R1"}},
        {"source": {"eventType": "REPORT_STATUS"}},
        {"source": {"eventType": "REPORT_STATUS"}, "payload": {"requestId": "R" * 201}},
        {"source": {"eventType": "REPORT_STATUS"}, "payload": {"requestId": "a\ud800"}},
    ],
)
def test_about_no_report(event):
    """
    Other events, and those that name no possible request, are read and tell of no report.
    """
    assert not parse_notification(json.dumps(event).encode()).about_report


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b"[]", b"7", b"\xff\xfe", b"[" * 60_000, b'{"a":' * 99 + b"1"]
)
def test_not_json(body):
    """
    A body that is no JSON object is refused with 400, and not shown.
    """
    with pytest.raises(WebhookError) as excinfo:
        verified({}, body, verify=None)

    assert 400 == excinfo.value.status
    assert "nonsense" not in str(excinfo.value)
    assert excinfo.value.__cause__ is None


def test_order_of_checks():
    """
    Size goes first, then the signature: a stranger's text is never parsed.
    """
    with pytest.raises(WebhookError) as large:
        verified({}, b"x" * (LARGEST + 1), verify=Hmac("key"))
    with pytest.raises(WebhookError) as unsigned:
        verified({}, b"nonsense", verify=Hmac("key"))

    assert 413 == large.value.status
    assert 401 == unsigned.value.status


def test_size():
    """
    A size up to the limit passes, and so does one that is not known.
    """
    check_size(None, limit=10)
    check_size(10, limit=10)
    with pytest.raises(WebhookError):
        check_size(11, limit=10)


@given(st.binary(max_size=200), st.text(max_size=80))
def test_any_bytes(body, value):
    """
    Whatever comes is taken or refused with a status, never anything else.
    """
    for verify in (BasicAuth("u", "p"), Hmac("k"), OAuth("t"), None):
        try:
            verified({"Authorization": value}, body, verify=verify)
        except WebhookError as error:
            assert error.status in (400, 401)  # noqa: PT017 -- not every input is refused


# -- which request it tells of ---------------------------------------------------------------------

NAMES = st.sampled_from(["payload", "requestId", "source"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


def test_told():
    """
    A notification tells which request to look at.
    """
    event = {
        "source": {"eventType": "REPORT_STATUS", "eventId": "E1"},
        "payload": {"partnerId": 7, "requestId": "R1", "requestStatus": "READY"},
    }

    assert "R1" == notified_request(event)
    assert "R1" == notified_request(
        MappingProxyType({"payload": MappingProxyType({"requestId": "R1"})})
    )


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"requestId": "R1"},
        {"payload": None},
        {"payload": "R1"},
        {"payload": ["requestId"]},
        {"payload": {}},
        {"payload": {"requestId": None}},
        {"payload": {"requestId": 7}},
        {"payload": {"requestId": ""}},
    ],
)
def test_not_told(event):
    """
    A body of any other shape tells nothing, and breaks nothing.
    """
    assert notified_request(event) is None


@given(st.dictionaries(NAMES, JSON, max_size=3))
def test_any_body(event):
    """
    Whatever JSON comes, the answer is an id or nothing.
    """
    found = notified_request(event)

    assert found is None or found == event["payload"]["requestId"]


@pytest.mark.parametrize(
    ("event", "ready"),
    [
        ({"payload": {"requestStatus": "READY"}}, True),
        ({"payload": {"requestStatus": "ERROR"}}, False),
        ({"payload": {}}, False),
        ({"payload": ["READY"]}, False),
        ({}, False),
    ],
)
def test_notified_ready(event, ready):
    """
    A webhook's word is READY, or it is not worth a link call.
    """
    assert ready is notified_ready(event)
