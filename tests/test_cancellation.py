"""Cancelled at every step: no task, no unfinished file, no lost hour remains."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from itertools import pairwise

import anyio
import pytest
import trio

from reports_async import JobCancelled, Timeouts
from reports_async.stores import MemoryStore
from reports_async.testing import ScaledClock, Simulator, SimulatorTransport

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)


@pytest.fixture
def simulator():
    return Simulator(rows=5, generation=0)


class AtStep(trio.abc.Instrument):
    """Do something before the n-th step of any task from now on."""

    def __init__(self, number, action):
        self._left = number
        self._action = action

    def before_task_step(self, task):
        self._left -= 1
        if self._left == 0:
            self._action()

    @property
    def over(self):
        return self._left > 0

    def __enter__(self):
        trio.lowlevel.add_instrument(self)
        return self

    def __exit__(self, *_):
        trio.lowlevel.remove_instrument(self)


def unfinished(directory):
    return [path.name for path in directory.rglob("*.part")]


async def check(new_client, simulator, store, directory):
    """Afterwards the same report can be had, and the hourly rule was never broken."""
    async with new_client(store=store, directory=directory) as client:
        report = await client.fetch_report("A")
        records = await client.jobs()
    times = [request.submitted_at for request in simulator.requests]
    assert report.request_id == simulator.requests[-1].request_id
    assert [None] == [record.error for record in records[-1:]]
    assert all(later - earlier >= HOUR for earlier, later in pairwise(times))
    assert len(times) == simulator.creates() == len(records)
    assert 0 == simulator.count("create", 429)
    assert [] == unfinished(directory)


async def test_cancelled_at_every_step(new_client, clock, tmp_path):
    """
    However far it has come, a cancelled `fetch_report` leaves nothing unfinished and no hour lost.
    """
    number, over = 0, False
    while not over:
        number += 1
        simulator, store = Simulator(rows=5, generation=0), MemoryStore()
        directory = tmp_path / str(number)
        transport = SimulatorTransport(simulator, clock)
        arguments = {"store": store, "directory": directory, "transport": transport}
        async with new_client(**arguments) as client:
            with trio.CancelScope() as scope, AtStep(number, scope.cancel) as step:
                await client.fetch_report("A")
            over = step.over
            # Not only after closing: at once.
            assert [] == unfinished(directory)
        await check(partial(new_client, transport=transport), simulator, store, directory)

    assert number > 30


async def test_closed_at_every_step(new_client, clock, tmp_path):
    """
    However far its jobs have come, a cancelled client ends them and leaves nothing behind.
    """
    number, over = 0, False
    while not over:
        number += 1
        simulator, store = Simulator(rows=5, generation=0), MemoryStore()
        directory = tmp_path / str(number)
        transport = SimulatorTransport(simulator, clock)
        arguments = {"store": store, "directory": directory, "transport": transport}
        with trio.CancelScope() as scope:
            async with new_client(**arguments) as client:
                job = client.request_report("A")
                with AtStep(number, scope.cancel) as step:
                    await job
        over = step.over
        if scope.cancelled_caught:
            with suppress(JobCancelled):
                await job
            # Whatever was made is known to the handle: it can be resumed.
            made = [request.request_id for request in simulator.requests]
            assert made == [request_id for request_id in [job.request_id] if request_id]
        await check(partial(new_client, transport=transport), simulator, store, directory)

    assert number > 30


class Steps:
    """A store and a transport that do something at the n-th of all their calls."""

    def __init__(self, number, *, store, transport):
        self._left = number
        self.action = None
        self.store = _Stepping(store, self)
        self.transport = _Stepping(transport, self)

    @property
    def over(self):
        return self._left > 0

    async def __call__(self):
        self._left -= 1
        if self._left == 0:
            self.action()
            # What was asked to stop should have the time to.
            await asyncio.sleep(0)


class _Stepping:
    def __init__(self, inner, step):
        self._inner = inner
        self._step = step

    def __getattr__(self, name):
        async def call(*args, **kwargs):
            await self._step()
            return await getattr(self._inner, name)(*args, **kwargs)

        return call

    @asynccontextmanager
    async def stream(self, request, **kwargs):
        await self._step()
        async with self._inner.stream(request, **kwargs) as stream:
            yield _Body(stream, self._step)


class _Body:
    def __init__(self, stream, step):
        self.status, self.headers = stream.status, stream.headers
        self._stream, self._step = stream, step

    async def read(self):
        await self._step()
        return await self._stream.read()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_native_cancel(new_client, tmp_path, anyio_backend):
    """
    A native asyncio cancellation at every call to store, server and file host is no different.
    """
    number, over = 0, False
    tasks = asyncio.all_tasks()
    while not over:
        number += 1
        clock = ScaledClock(20_000)
        simulator, store = Simulator(rows=5, generation=0), MemoryStore()
        directory = tmp_path / str(number)
        transport = SimulatorTransport(simulator, clock)
        steps = Steps(number, store=store, transport=transport)
        fast = partial(new_client, clock=clock, timeouts=Timeouts(generation=None))
        async with fast(
            directory=directory, store=steps.store, transport=steps.transport
        ) as client:
            task = asyncio.create_task(client.fetch_report("A"))
            steps.action = task.cancel
            done, _ = await asyncio.wait([task])
            assert [] == unfinished(directory)
            assert task.cancelled() or next(iter(done)).result()
            over = steps.over
        assert tasks == asyncio.all_tasks()
        await check(partial(fast, transport=transport), simulator, store, directory)

    assert number > 10


class Stalled(SimulatorTransport):
    """A transport whose downloads stop in the middle, and tell so."""

    def __init__(self, simulator, clock):
        super().__init__(simulator, clock)
        self.stalled = anyio.Event()

    @asynccontextmanager
    async def stream(self, request, *, timeout, stall):
        async with super().stream(request, timeout=timeout, stall=stall) as stream:
            self._body = stream
            self.status, self.headers = stream.status, stream.headers
            yield self

    async def read(self):
        if self._body._sent:
            self.stalled.set()
            await anyio.sleep_forever()
        return await self._body.read()


async def test_unfinished_file(new_client, simulator, clock, tmp_path):
    """
    When a cancelled `fetch_report` returns, its unfinished file is gone.
    """
    transport = Stalled(simulator, clock)
    async with new_client(transport=transport) as client:
        async with anyio.create_task_group() as group:
            group.start_soon(client.fetch_report, "A")
            await transport.stalled.wait()
            during = unfinished(tmp_path)
            group.cancel_scope.cancel()
        after = unfinished(tmp_path)

    assert during
    assert [] == after


async def test_unfinished_files_of_many(new_client, simulator, clock, tmp_path):
    """
    When a cancelled `fetch_reports` has ended, its unfinished files are gone as well.
    """

    async def fetch():
        async for _ in client.fetch_reports(["A", "B"]):
            pass

    transport = Stalled(simulator, clock)
    async with new_client(transport=transport) as client:
        async with anyio.create_task_group() as group:
            group.start_soon(fetch)
            await transport.stalled.wait()
            during = unfinished(tmp_path)
            group.cancel_scope.cancel()
        after = unfinished(tmp_path)

    assert during
    assert [] == after
