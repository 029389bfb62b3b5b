"""A process that dies at any step of a create: the next one goes on, and never breaks the hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from reports_async import Accepted, RequestLimitExceeded
from reports_async.stores import MemoryStore
from reports_async.testing import Simulator, SimulatorTransport

pytestmark = pytest.mark.anyio

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def simulator():
    return Simulator(rows=5, generation=60)


class Death(BaseException):
    """What no clean-up can do anything about: from then on, nothing reaches store or server."""


class Fate:
    """When it happens: at the n-th of all calls to store and create, before or after it acts."""

    def __init__(self, when, number):
        self.when, self.left, self.dead = when, number, False
        self.calls = []

    async def around(self, name, call):
        if self.dead:
            raise Death
        self.calls.append(name)
        self.left -= 1
        self._strike("before")
        result = await call()
        self._strike("after")
        return result

    def _strike(self, moment):
        if self.left == 0 and self.when == moment:
            self.dead = True
            raise Death


class MortalStore:
    def __init__(self, store, fate):
        self._store, self._fate = store, fate

    def __getattr__(self, name):
        async def call(*args, **kwargs):
            method = getattr(self._store, name)
            return await self._fate.around(name, lambda: method(*args, **kwargs))

        return call

    async def aclose(self):
        pass


class MortalTransport(SimulatorTransport):
    def __init__(self, simulator, clock, fate):
        super().__init__(simulator, clock)
        self._fate = fate

    async def send(self, request, *, timeout):
        send = super().send
        name = "create" if request.method == "POST" and "reportType" in request.url else "call"
        return await self._fate.around(name, lambda: send(request, timeout=timeout))


async def until(job, kind):
    async for event in job.events():
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind}")


def gaps(simulator):
    times = [request.submitted_at for request in simulator.requests]
    return [later - earlier for earlier, later in pairwise(times)]


async def live(new_client, simulator, clock, store, fate):
    """Fetch a report, and die on the way."""
    try:
        async with new_client(
            store=MortalStore(store, fate), transport=MortalTransport(simulator, clock, fate)
        ) as client:
            await client.fetch_report("A")
    except BaseExceptionGroup:
        # An ordinary end would be an ordinary group.
        assert fate.dead


STEPS = ["records", "reserve", "call", "claim", "records", "save", "create", "save"]


@pytest.mark.parametrize("number", range(1, len(STEPS) + 1))
@pytest.mark.parametrize("when", ["before", "after"])
async def test_dies(new_client, simulator, clock, when, number):
    """
    Whoever asks for the same afterwards gets it: found, or made, but never made twice in an hour.
    """
    store, fate = MemoryStore(), Fate(when, number)
    await live(new_client, simulator, clock, store, fate)
    async with new_client(store=store) as client:
        report = await client.fetch_report("A")

    assert STEPS[:number] == fate.calls
    assert 1 == simulator.creates() == len(simulator.requests)
    assert 0 == simulator.count("create", 429)
    assert simulator.requests[0].request_id == report.request_id
    assert report.submitted_at < START + 8 * MINUTE


@pytest.mark.parametrize("number", range(2, len(STEPS) + 1))
async def test_others_wait(new_client, simulator, clock, number):
    """
    Whoever asks for something else of the type waits for the dead one's hour.
    """
    store, fate = MemoryStore(), Fate("after", number)
    await live(new_client, simulator, clock, store, fate)
    async with new_client(store=store) as client:
        with pytest.raises(RequestLimitExceeded) as excinfo:
            await client.fetch_report("A", version="v2", on_limit="raise")
        accepted = await until(client.request_report("A", version="v2"), Accepted)

    assert START + HOUR <= excinfo.value.retry_at < START + HOUR + MINUTE
    assert START + HOUR <= accepted.submitted_at < START + HOUR + MINUTE
    assert all(gap >= HOUR for gap in gaps(simulator))
    assert 0 == simulator.count("create", 429)


async def test_lease(new_client, simulator, clock):
    """
    A dead process holds nobody up for longer than its lease of a minute and a half.
    """
    store, fate = MemoryStore(), Fate("after", STEPS.index("reserve") + 1)
    await live(new_client, simulator, clock, store, fate)
    async with new_client(store=store) as client:
        accepted = await until(client.request_report("A"), Accepted)

    assert START + MINUTE < accepted.submitted_at < START + 2 * MINUTE


async def test_reservation_of_an_hour_ago(new_client, simulator, clock):
    """
    A reservation that nothing was sent under is given back when its hour is over.
    """
    store, fate = MemoryStore(), Fate("after", STEPS.index("reserve") + 1)
    await live(new_client, simulator, clock, store, fate)
    clock.jump(3700)
    async with new_client(store=store) as client:
        await until(client.request_report("A"), Accepted)
        records = await client.jobs()

    assert [simulator.requests[0].request_id] == [record.request_id for record in records]


async def test_dies_while_waiting(new_client, simulator, clock):
    """
    A request whose process died while it waited is joined by the next one.
    """
    store, fate = MemoryStore(), Fate("before", len(STEPS) + 1)
    await live(new_client, simulator, clock, store, fate)
    async with new_client(store=store) as client:
        job = client.request_report("A")
        accepted = await until(job, Accepted)
        report = await job

    assert "joined" == accepted.origin
    assert simulator.requests[0].request_id == report.request_id
    assert 1 == simulator.creates()
