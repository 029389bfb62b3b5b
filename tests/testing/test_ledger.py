"""Tests of the server's memory: generation times, scripted words, what is final."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reports_async._exceptions import InvalidArgument
from reports_async.testing import Simulator

START = datetime(2026, 1, 5, 8, tzinfo=UTC)


def words(caller: Any, request_id: str, looks: int) -> list[str]:
    return [json.loads(caller.status(request_id).body)["requestStatus"] for _ in range(looks)]


def test_generation_times() -> None:
    """
    Generation times are drawn between the two bounds, and are the same for the same seed.
    """

    def drawn(seed: int) -> list[float]:
        simulator = Simulator(seed=seed, generation=(300, 2700))
        for number in range(50):
            simulator.add_request(f"T{number}", START)
        return [
            (request.ready_at - START).total_seconds()
            for request in simulator.requests
            if request.ready_at
        ]

    times = drawn(1)

    assert 50 == len(set(times))
    assert 300 <= min(times) < 800
    assert 2200 < max(times) < 2700
    assert times == drawn(1) != drawn(2)


def test_fixed_generation() -> None:
    """
    One duration is the time that every report takes.
    """
    simulator = Simulator(generation=timedelta(minutes=10))
    simulator.add_request("A", START)

    assert START + timedelta(minutes=10) == simulator.requests[0].ready_at


def test_never_ready(caller: Any) -> None:
    """
    A report that never becomes ready stays INPROGRESS; others do not.
    """
    caller.simulator.never_ready("ITEM_MX")
    stuck, other = caller.made("ITEM_MX"), caller.made("OTHER")
    caller.wait(3600 * 24)
    caller.login()

    assert ["INPROGRESS"] == words(caller, stuck, 1)
    assert ["READY"] == words(caller, other, 1)


def test_order_for_one_request(caller: Any) -> None:
    """
    An order for one request goes before one for its type.
    """
    caller.simulator.never_ready("ITEM_MX")
    request_id = caller.made()
    caller.simulator.generation(request_id, 5)
    caller.wait(5)

    assert ["READY"] == words(caller, request_id, 1)


def test_failed_generation(caller: Any) -> None:
    """
    A report that is to fail ends in ERROR when it would have been READY, and stays there.
    """
    caller.simulator.fail_generation("ITEM_MX")
    request_id = caller.made()
    caller.simulator.generation("ITEM_MX", 100)
    assert ["RECEIVED"] == words(caller, request_id, 1)
    caller.wait(100)
    assert ["ERROR"] == words(caller, request_id, 1)

    caller.simulator.generation("ITEM_MX", 1000)

    assert ["ERROR"] == words(caller, request_id, 1)


def test_statuses(caller: Any) -> None:
    """
    Scripted words come one per look, unknown ones too; then the truth is told again.
    """
    caller.simulator.statuses("ITEM_MX", ["QUEUED", "INPROGRESS"])
    request_id = caller.made()

    assert ["QUEUED", "INPROGRESS", "RECEIVED"] == words(caller, request_id, 3)


def test_statuses_in_lists(caller: Any) -> None:
    """
    A list is a look as well, at those requests that its filters let through.
    """
    caller.simulator.statuses("ITEM_MX", ["ONE", "TWO"])
    request_id = caller.made()
    caller.list("reportType=OTHER")
    document = json.loads(caller.list().body)

    assert "ONE" == document["requests"][0]["requestStatus"]
    assert ["TWO"] == words(caller, request_id, 1)


def test_scripted_ready(caller: Any) -> None:
    """
    A scripted READY is true: the file is there, and the word is not taken back.
    """
    caller.simulator.statuses("ITEM_MX", ["INPROGRESS", "READY", "INPROGRESS"])
    request_id = caller.made()

    assert ["INPROGRESS", "READY", "READY"] == words(caller, request_id, 3)
    assert 200 == caller.fetch(caller.url(request_id)).status
    assert START == caller.simulator.requests[0].ready_at


def test_scripted_error(caller: Any) -> None:
    """
    A scripted ERROR is final.
    """
    caller.simulator.statuses("ITEM_MX", ["ERROR", "READY"])
    request_id = caller.made()

    assert ["ERROR", "ERROR"] == words(caller, request_id, 2)


def test_foreign_requests(caller: Any) -> None:
    """
    Another program's request goes the usual way, or stays at what was asked for.
    """
    simulator = caller.simulator
    usual = simulator.add_request("A", START - timedelta(hours=1))
    stuck = simulator.add_request("B", START - timedelta(hours=1), status="INPROGRESS")
    failed = simulator.add_request("C", START - timedelta(hours=1), status="ERROR")

    assert ["READY", "INPROGRESS", "ERROR"] == [
        words(caller, request_id, 1)[0] for request_id in (usual, stuck, failed)
    ]
    assert 0 == simulator.creates()
    assert ["SC", None] == [simulator.requests[0].source, simulator.requests[0].account]


def test_foreign_arguments(caller: Any) -> None:
    """
    A foreign request needs a type, an aware time, and a status that it can stay at.
    """
    add = caller.simulator.add_request

    with pytest.raises(InvalidArgument, match="report_type must not be empty"):
        add("", START)
    with pytest.raises(InvalidArgument, match="submitted_at must be timezone-aware"):
        add("A", START.replace(tzinfo=None))
    with pytest.raises(InvalidArgument, match="status must be one of READY, ERROR, INPROGRESS"):
        add("A", START, status="RECEIVED")
    assert () == caller.simulator.requests
