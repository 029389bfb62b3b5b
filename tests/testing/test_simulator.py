"""Tests of the simulator's face: pure, deterministic, and telling."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from reports_async._exceptions import InvalidArgument
from reports_async.testing import Rules, SimulatedCall, Simulator

START = datetime(2026, 1, 5, 8, tzinfo=UTC)


def test_same_seed(caller_of: Any) -> None:
    """
    The same calls get the same answers from simulators of the same seed.
    """
    one, other = caller_of(), caller_of()
    for caller in (one, other):
        caller.usual["WM_QOS.CORRELATION_ID"] = "3fa85f64-5717-4562-b3fc-2c963f66afa6"

    assert one.login() == other.login()
    assert one.create() == other.create()
    assert one.list() == other.list()


def test_calls(caller: Any) -> None:
    """
    Every call is logged with its time, endpoint, status and what it was about.
    """
    assert caller.simulator.last_call is None
    request_id = caller.ready()
    caller.fetch(caller.url(request_id))
    caller.simulator.fail("status", "lose")
    caller.status(request_id)

    assert [
        ("token", 200, None, None),
        ("create", 200, "ITEM_MX", None),
        ("link", 200, "ITEM_MX", request_id),
        ("file", 200, "ITEM_MX", request_id),
        ("status", 0, "ITEM_MX", request_id),
    ] == [
        (call.endpoint, call.status, call.report_type, call.request_id)
        for call in caller.simulator.calls
    ]
    assert START == caller.simulator.calls[0].at
    assert caller.simulator.calls[-1] == caller.simulator.last_call


def test_call_in_a_line() -> None:
    """
    A call is told in one line.
    """
    call = SimulatedCall(at=START, endpoint="create", status=429, report_type="ITEM_MX")

    assert "08:00:00 create 429 ITEM_MX" == str(call)
    assert "08:00:00 token no answer" == str(SimulatedCall(at=START, endpoint="token", status=0))


def test_log_is_bounded(caller: Any) -> None:
    """
    Only the latest calls are kept, but all are counted.
    """
    caller.simulator._core.log.calls = type(caller.simulator._core.log.calls)(maxlen=3)
    for _ in range(5):
        caller.list()

    assert 3 == len(caller.simulator.calls)
    assert (5, 5, 0) == (
        caller.simulator.count("list"),
        caller.simulator.count("list", 200),
        caller.simulator.count("list", 429),
    )


def test_repr(caller: Any) -> None:
    """
    The repr tells the state in words.
    """
    caller.create()
    caller.simulator.fail("file", 500)

    assert "<Simulator 1 requests, 2 calls, 1 faults to come, 0 violations>" == repr(
        caller.simulator
    )


def test_rules() -> None:
    """
    The rules can be read.
    """
    rules = Rules(budgets=False)

    assert rules is Simulator(rules=rules).rules
    assert Rules() == Simulator().rules


def test_naive_now(caller: Any) -> None:
    """
    An instant without a time zone is refused.
    """
    with pytest.raises(InvalidArgument, match="now must be timezone-aware"):
        caller.simulator.handle(caller.login_request(), START.replace(tzinfo=None))


@pytest.mark.parametrize("method", ["csv", "digest", "forget"])
def test_unknown_request(caller: Any, method: str) -> None:
    """
    Asking about a request that was never made is a mistake of the test.
    """
    with pytest.raises(InvalidArgument, match="The simulator has no request 'unknown'"):
        getattr(caller.simulator, method)("unknown")


def test_secrets_stay_out_of_reprs(caller: Any) -> None:
    """
    Replies do not show tokens or links in their reprs.
    """
    login = caller.login()
    link = caller.link(caller.ready())

    assert caller.token not in repr(login)
    assert "sig=" not in repr(link)
