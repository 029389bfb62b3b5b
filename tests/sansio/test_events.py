"""What a webhook's body tells."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports_async._sansio.events import notified_ready, notified_request

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
