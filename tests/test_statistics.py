"""What a client has done: events for listeners, figures, and the poller's decisions in the log."""

from __future__ import annotations

import copy
import logging
import pickle
import re
from datetime import timedelta

import anyio
import pytest
from attrs.exceptions import FrozenInstanceError

from reports_async import (
    CallEnded,
    Downloaded,
    JobCancelled,
    JobEvent,
    PhaseEnded,
    Planned,
    Progressed,
    ReportFailed,
    RequestLimitExceeded,
    Timeouts,
    Waits,
)
from reports_async._hub import Hub
from reports_async._statistics import Tally

pytestmark = pytest.mark.anyio

LINE = re.compile(
    r"(list|status|no look), \d+ waiting, \d+ tokens left, (next in \d+ s|none to come)"
)


async def test_calls(new_client, simulator):
    """
    Calls are counted by endpoint, as the server counts them, and none is refused.
    """
    async with new_client() as client:
        async for _ in client.fetch_reports(["A", "B", "C"]):
            pass
        found = client.statistics()

    endpoints = {call.endpoint for call in simulator.calls} - {"file"}
    assert {name: simulator.count(name) for name in endpoints} == found.calls
    assert {} == found.refused
    assert (3, 0, 0, 0) == (found.saved, found.failed, found.cancelled, found.waiting)


async def test_tokens(new_client):
    """
    Tokens left are those of now: the published figure first, refilled as time goes by.
    """
    async with new_client() as client:
        assert {"list": 20, "status": 20, "link": 20} == client.statistics().tokens
        await client.fetch_report("A")
        spent = client.statistics().tokens["link"]
        await anyio.sleep(180)

        assert 19 == spent
        assert 20 == client.statistics().tokens["link"]


async def test_waits(new_client, simulator):
    """
    Each wait is told on its own: quota, generation, lag after READY, link, download.
    """
    async with new_client() as client:
        await client.fetch_report("A")
        await client.fetch_report("A")
        found = client.statistics()

    assert 1 == found.quota.count
    assert 600 < found.quota.mean == found.quota.longest < 3600
    assert 2 == found.generation.count
    assert found.lag.longest < found.generation.longest
    assert 0 < found.lag.mean <= found.lag.longest < 120
    assert (2, 2) == (found.link.count, found.download.count)


async def test_failures(new_client, simulator):
    """
    A failed job, a cancelled one and one that still waits are told apart.
    """
    simulator.fail_generation("BAD")
    async with new_client() as client:
        with pytest.raises(ReportFailed):
            await client.fetch_report("BAD")
        stopped = client.request_report("STOPPED")
        await anyio.sleep(60)
        stopped.cancel()
        with pytest.raises(JobCancelled):
            await stopped
        client.request_report("WAITING")
        await anyio.sleep(60)
        found = client.statistics()

    assert (0, 1, 1, 1) == (found.saved, found.failed, found.cancelled, found.waiting)
    assert 0 == found.generation.count


async def test_refused(new_client, simulator, clock):
    """
    A 429 is counted where it was met.
    """
    async with new_client() as client:
        await clock.sleep(0)
        simulator.add_request("A", clock.now(), src="API")
        with pytest.raises(RequestLimitExceeded):
            await client.fetch_report("A", on_limit="raise")

        assert {"create": 1} == client.statistics().refused


def test_nothing_yet():
    """
    A client that has done nothing has statistics too, and nobody can change them.
    """
    found = Tally().statistics(tokens={"list": 20}, waiting=0)

    assert Waits() == found.lag
    assert {} == found.calls
    with pytest.raises(FrozenInstanceError):
        found.saved = 1
    with pytest.raises(TypeError):
        found.tokens["list"] = 0


def test_copies():
    """
    Statistics can be sent to another process, copied, compared and put into a set.
    """
    found = Tally().statistics(tokens={"list": 20}, waiting=3)
    copies = [pickle.loads(pickle.dumps(found)), copy.deepcopy(found)]

    assert [found, found] == copies
    assert {found} == {*copies}
    with pytest.raises(TypeError):
        copies[0].tokens["list"] = 0


async def test_listener(new_client):
    """
    A listener hears a job's steps with its handle, its phases, and the account's calls and plans.
    """
    heard = []
    async with new_client() as client:
        leave = client.on_event(lambda job, event: heard.append((job, event)))
        job = client.request_report("A")
        await job
        leave()
        leave()
        told = len(heard)
        await client.fetch_report("B")

    assert told == len(heard)
    steps = [event for who, event in heard if isinstance(event, JobEvent) and who is job]
    assert isinstance(steps[-1], Downloaded)
    assert sum(isinstance(event, Progressed) for event in steps) > 2
    phases = [event.phase for who, event in heard if isinstance(event, PhaseEnded) and who is job]
    assert ["create", "generation", "lag", "link", "download"] == phases
    account = {type(event) for who, event in heard if who is None}
    assert {CallEnded, Planned} == account


async def test_bad_listener(new_client, caplog):
    """
    What a listener raises is logged, and stops neither the job nor the other listeners.
    """
    heard = []

    def broken(job, event):
        raise LookupError("a defect of mine")

    async with new_client() as client:
        client.on_event(broken)
        client.on_event(lambda job, event: heard.append(event))
        await client.fetch_report("A")

    assert any(isinstance(event, Downloaded) for event in heard)
    assert "a defect of mine" in caplog.text


async def test_calls_without_answer(new_client, simulator):
    """
    A call that had no answer is told without a status.
    """
    heard = []
    async with new_client() as client:
        client.on_event(lambda job, event: heard.append(event))
        simulator.fail("list", "lose")
        assert [] == [request async for request in client.list_requests()]

    lists = [event for event in heard if isinstance(event, CallEnded) and event.endpoint == "list"]
    assert [None, 200] == [call.status for call in lists]


async def test_decisions_in_the_log(new_client, caplog):
    """
    Each decision of the poller is one debug line.
    """
    caplog.set_level(logging.DEBUG, "reports_async")
    plans = []
    async with new_client(timeouts=Timeouts(generation=timedelta(hours=2))) as client:
        client.on_event(lambda job, event: plans.append(event))
        async for _ in client.fetch_reports(["A", "B"]):
            pass

    lines = [record.getMessage() for record in caplog.records]
    told = [line for line in lines if LINE.fullmatch(line)]
    assert [str(plan) for plan in plans if isinstance(plan, Planned)] == told
    assert {"list", "status", "no look"} >= {line.partition(",")[0] for line in told}
    assert any(line.startswith("list, 2 waiting, ") for line in told)


def test_one_listener_twice():
    """
    A listener that was added twice is told twice, and once after one of them has left.
    """
    hub, heard = Hub(), []

    def listener(job, event):
        heard.append(event)

    leave = hub.listen(listener)
    hub.listen(listener)
    hub.tell(None, "both")
    leave()
    leave()
    hub.tell(None, "one")

    assert ["both", "both", "one"] == heard


def test_leaving_while_being_told():
    """
    A listener may leave when it is told of something: the others are told all the same.
    """
    hub, heard = Hub(), []
    leave = hub.listen(lambda job, event: leave())
    hub.listen(lambda job, event: heard.append(event))

    hub.tell(None, "first")

    assert ["first"] == heard
    assert "<Hub of 1 listeners>" == repr(hub)


def test_reprs():
    """
    A hub says how many listen.
    """
    hub = Hub()
    hub.listen(print)

    assert "<Hub of 1 listeners>" == repr(hub)


async def test_each_look_is_told(new_client, simulator, clock):
    """
    Each look is told of when it was made, the last of all as well, and not when others begin.
    """
    heard = []
    async with new_client() as client:
        client.on_event(lambda _, event: heard.append(event))
        await client.fetch_report("A")
        assert "none to come" in str([event for event in heard if isinstance(event, Planned)][-1])
        await clock.sleep(1000)
        await client.fetch_report("B")

    looks = [(event.at, event.look) for event in heard if isinstance(event, Planned) and event.look]
    calls = [(call.at, call.endpoint) for call in simulator.calls]
    assert [call for call in calls if call[1] in ("list", "status")] == looks
