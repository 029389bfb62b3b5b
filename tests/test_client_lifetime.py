"""Opening, closing and everything in between: where a client belongs, and what it leaves behind."""

from __future__ import annotations

import asyncio
import gc
from datetime import timedelta
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from reports_async import (
    Credentials,
    JobCancelled,
    Progressed,
    ReportsClient,
    TransportError,
)
from reports_async.stores import MemoryStore
from reports_async.testing import (
    LoopClock,
    ScaledClock,
    Simulator,
    SimulatorServer,
    SimulatorTransport,
)
from reports_async.transports import AiohttpTransport

pytestmark = pytest.mark.anyio

on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"])


@pytest.fixture
def simulator():
    return Simulator(rows=20, generation=300)


@pytest.fixture
def fast():
    """An hour in a third of a second, for event loops without virtual time."""
    return ScaledClock(10_000)


@pytest.fixture
def fast_client(new_client, simulator, fast):
    def make(**arguments):
        return new_client(clock=fast, transport=SimulatorTransport(simulator, fast), **arguments)

    return make


class Watched(MemoryStore):
    """A store that knows whether it was closed."""

    closed = 0

    async def aclose(self):
        self.closed += 1


@on_asyncio
async def test_opened_here_closed_there(fast_client, anyio_backend):
    """
    A client may be opened in one task and closed in another, as web frameworks do.
    """
    client = fast_client()
    await asyncio.create_task(client.__aenter__())
    report = await asyncio.create_task(client.fetch_report("ITEM_MX"))
    await asyncio.create_task(client.__aexit__(None, None, None))

    assert report.path.exists()


@on_asyncio
async def test_never_entered(fast_client, anyio_backend):
    """
    A client needs no `async with`: it opens itself, and `aclose` closes it.
    """
    client = fast_client()

    report = await client.fetch_report("ITEM_MX")
    await client.aclose()

    assert report.path.exists()


@on_asyncio
async def test_no_task_is_left(fast_client, simulator, anyio_backend):
    """
    After closing, no task of the client runs, whatever it was doing.
    """
    before = asyncio.all_tasks()
    simulator.never_ready("B")
    client = fast_client()
    jobs = [client.request_report(name) for name in ("A", "B", "B")]
    await jobs[0]
    await client.aclose()

    assert before == asyncio.all_tasks()


@on_asyncio
async def test_nothing_is_left_open(new_client, simulator, fast, anyio_backend):
    """
    A closed client has closed its connections: no ResourceWarning comes after it.
    """
    async with SimulatorServer(simulator, clock=fast) as server:
        client = ReportsClient(
            Credentials("id", "secret"),
            base_url=server.url,
            clock=fast,
            directory=new_client()._directory,
        )
        await client.fetch_report("ITEM")
        await client.aclose()
        del client
        gc.collect()

    assert () == simulator.violations


class BreakingTransport(SimulatorTransport):
    """Whose closing breaks off what is on its way, as that of sockets does."""

    closed: anyio.Event

    async def send(self, request, *, timeout):
        async with anyio.create_task_group() as tasks:

            async def end():
                await self.closed.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(end)
            response = await super().send(request, timeout=timeout)
            tasks.cancel_scope.cancel()
            return response
        raise TransportError("The connection was closed.")

    async def aclose(self):
        self.closed.set()


@on_asyncio
async def test_closed_twice_at_once(new_client, simulator, fast, anyio_backend):
    """
    Two that close a client at the same time both wait until the create on its way has an id.
    """
    simulator.delay("create", 600)
    transport, store = BreakingTransport(simulator, fast), MemoryStore()
    transport.closed = anyio.Event()
    async with new_client(transport=transport, store=store, clock=fast) as client:
        client.request_report("A")
        while not simulator.requests:
            await anyio.lowlevel.checkpoint()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.aclose)
            tasks.start_soon(client.aclose)

    (record,) = await store.records(client._account, now=fast.now())
    assert simulator.requests[0].request_id == record.request_id


async def test_closing_tells_waiters(new_client, simulator):
    """
    Who awaits a job when its client is closed gets `JobCancelled`, with the id to resume it by.
    """
    simulator.never_ready("ITEM_MX")
    client = new_client()
    errors = []

    async def wait(job):
        with pytest.raises(
            JobCancelled, match="its client was closed; resume it by its id"
        ) as info:
            await job
        errors.append(info.value)

    async with anyio.create_task_group() as group, client:
        job = client.request_report("ITEM_MX")
        group.start_soon(wait, job)
        group.start_soon(wait, job)
        async for event in job.events():
            if isinstance(event, Progressed):
                break

    assert [simulator.requests[0].request_id] * 2 == [error.request_id for error in errors]
    assert "ITEM_MX" == errors[0].report_type


async def test_closing_during_create(new_client, simulator):
    """
    A create call that is on its way when the client is closed still tells its id.
    """
    simulator.delay("create", 20)
    async with new_client() as client:
        job = client.request_report("ITEM_MX")
        while not simulator.requests:
            await anyio.lowlevel.checkpoint()
    with pytest.raises(JobCancelled) as excinfo:
        await job

    assert simulator.requests[0].request_id == excinfo.value.request_id == job.request_id


async def test_close_twice(new_client):
    """
    Closing twice is no error, and closing closes store and transport.
    """
    store = Watched()
    client = new_client(store=store)
    async with client:
        await client.aclose()
    await client.aclose()

    assert store.closed
    assert "<ReportsClient market mx, closed>" == repr(client)


async def test_store_closes_whatever_breaks(new_client):
    """
    A transport that cannot be closed does not keep the store open.
    """
    store = Watched()
    client = new_client(store=store)

    async def broken():
        raise TransportError("no")

    client._transport.aclose = broken
    with pytest.raises(TransportError, match="no"):
        await client.aclose()

    assert 1 == store.closed


async def test_use_after_close(new_client, simulator):
    """
    A closed client says so, whatever it is asked for.
    """
    client = new_client()
    async with client:
        pass
    uses = [
        lambda: client.request_report("A"),
        lambda: client.resume_report("id"),
        lambda: client.fetch_reports(["A"]),
        client.list_requests,
    ]
    for use in uses:
        with pytest.raises(RuntimeError, match="This ReportsClient is closed"):
            use()
    for use in (client.fetch_report, client.create_request, client.get_request):
        with pytest.raises(RuntimeError, match="This ReportsClient is closed"):
            await use("A")
    with pytest.raises(RuntimeError, match="This ReportsClient is closed"):
        await client.__aenter__()

    client.notify({"payload": {"requestId": "id"}})
    assert () == simulator.calls


async def test_trio_wants_it_open(new_client):
    """
    On trio a client that was not opened says how to.
    """
    client = new_client()
    with pytest.raises(RuntimeError, match="on trio, open it first: 'async with"):
        client.request_report("ITEM_MX")
    await client.aclose()


async def test_open_twice(new_client):
    """
    A client that is open is not opened a second time: the inner block would close it for both.
    """
    async with new_client() as client:
        with pytest.raises(RuntimeError, match="is open already"):
            await client.__aenter__()
        assert [] == await client.jobs()


def test_two_event_loops(fast_client, fast, simulator):
    """
    A client belongs to one event loop; in another it says so before anything is sent, and closes.
    """
    client = fast_client()
    job = None

    async def first():
        nonlocal job
        await client.get_request(simulator.add_request("ITEM", fast.now()))
        job = client.request_report("ITEM")

    async def second():
        for use in (
            lambda: client.fetch_report("BUYBOX"),
            lambda: client.get_request("R1"),
            client.__aenter__,
            client.jobs,
            lambda: job,
        ):
            with pytest.raises(RuntimeError, match=r"in another event loop.*make one inside each"):
                await use()
        for refused in (lambda: client.fetch_reports(["ITEM"]), job.events):
            with pytest.raises(RuntimeError, match="in another event loop"):
                refused()
        await client.aclose()

    asyncio.run(first())
    asked = len(simulator.calls)
    client.notify({"payload": {"requestId": "R1"}})
    with pytest.raises(RuntimeError, match="A thread without a loop asks by"):
        client.request_report("ITEM")  # where no loop runs
    asyncio.run(second())

    assert asked == len(simulator.calls)


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_trio_wants_another_transport(new_client, anyio_backend):
    """
    The default transport is for asyncio: on trio it says so, and which one to take.
    """
    async with new_client(transport=AiohttpTransport(), base_url="http://127.0.0.1:1") as client:
        with pytest.raises(RuntimeError, match=r"works on asyncio only.*HttpxTransport\(\)"):
            await client.fetch_report("ITEM_MX")
        (record,) = await client.jobs() or (None,)

    assert record is None


def test_no_event_loop(new_client, tmp_path):
    """
    Outside of an event loop a client says where it can be used.
    """
    client = ReportsClient(Credentials("id", "secret"), directory=tmp_path)

    with pytest.raises(RuntimeError, match="inside a running event loop"):
        client.request_report("ITEM_MX")


@on_asyncio
async def test_repr(fast_client, anyio_backend):
    """
    Its repr tells market and jobs, and no secret.
    """
    async with fast_client(market="global-us") as client:
        before = repr(client)
        job = client.request_report("A")
        during = repr(client)
        await job

    assert "<ReportsClient market global-us, 0 jobs>" == before
    assert "<ReportsClient market global-us, 1 jobs>" == during


def test_defaults(tmp_path, monkeypatch):
    """
    Without arguments a client keeps to the US market, the machine's clock and this directory.
    """
    monkeypatch.chdir(tmp_path)

    client = ReportsClient(Credentials("id", "secret"))

    assert "<ReportsClient market us, 0 jobs>" == repr(client)
    assert Path() == client._directory
    assert abs(client._clock.now() - client.local_time(client._clock.now())) < timedelta(seconds=1)


async def test_outer_cancel(new_client, simulator):
    """
    A cancelled scope around the whole client ends all its jobs, and the client closes.
    """
    simulator.never_ready("ITEM_MX")
    with anyio.CancelScope() as scope:
        async with new_client() as client:
            job = client.request_report("ITEM_MX")
            async for event in job.events():
                if isinstance(event, Progressed):
                    scope.cancel()
    with pytest.raises(JobCancelled):
        await job

    assert scope.cancelled_caught
    assert LoopClock is type(client._clock)


async def test_a_plain_create_that_nobody_waits_for(new_client, simulator, clock):
    """
    Whoever is cancelled while a plain create is on its way loses no request: the store has it.
    """
    simulator.delay("create", 20)
    async with new_client() as client:
        with anyio.move_on_after(1):
            await client.create_request("A")
        assert clock.monotonic() == pytest.approx(1)
        await clock.sleep(30)
        (record,) = await client.jobs()

    assert simulator.requests[0].request_id == record.request_id


@on_asyncio
async def test_a_plain_create_that_is_cancelled_natively(fast_client, simulator, anyio_backend):
    """
    The same where asyncio itself cancels the task, and the client is closed at once.
    """
    simulator.delay("create", 600)
    store = MemoryStore()
    async with fast_client(store=store) as client:
        task = asyncio.create_task(client.create_request("A"))
        while not simulator.requests:
            await anyio.lowlevel.checkpoint()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        account = client._account

    (record,) = await store.records(account, now=simulator.requests[0].submitted_at)
    assert simulator.requests[0].request_id == record.request_id
