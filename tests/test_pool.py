"""Many accounts in one process, over one transport and one store."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from reports_async import (
    Accepted,
    Credentials,
    Downloads,
    InvalidArgument,
    JobCancelled,
    MemoryStore,
    ReportsPool,
    StoreError,
    WebhookError,
)
from reports_async.testing import LoopClock, Simulator, SimulatorTransport
from reports_async.webhooks import Receiver

pytestmark = pytest.mark.anyio

ASYNCIO = pytest.mark.parametrize("anyio_backend", ["asyncio"])


class CountedTransport(SimulatorTransport):
    """Counts how often it is closed."""

    closed = 0

    async def aclose(self):
        self.closed += 1
        await super().aclose()


class CountedStore(MemoryStore):
    """Counts how often it is closed."""

    __slots__ = ("closed",)

    async def aclose(self):
        self.closed = getattr(self, "closed", 0) + 1


@pytest.fixture
def store():
    return CountedStore()


@pytest.fixture
def transport(simulator, clock):
    return CountedTransport(simulator, clock)


@pytest.fixture
def new_pool(transport, store, clock, tmp_path):
    def make(**arguments):
        defaults = {
            "market": "mx",
            "directory": tmp_path,
            "transport": transport,
            "store": store,
            "clock": clock,
        }
        return ReportsPool(**{**defaults, **arguments})

    return make


def account(number):
    return Credentials(f"seller-{number}", "secret")


async def test_many_accounts(new_pool, simulator, transport, store):
    """
    Each account has its own hour and its own budgets; transport and store are shared, closed once.
    """
    async with new_pool() as pool:
        paths = set()

        async def fetch(number):
            report = await pool.client(account(number)).fetch_report("ITEM_MX")
            paths.add(report.path)

        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(fetch, number)

        assert 5 == len(paths) == simulator.creates("ITEM_MX")
        assert {1} == {pool.client(account(n)).statistics().calls["link"] for n in range(5)}
        assert "<ReportsPool market mx, 5 clients>" == repr(pool)
        assert 0 == transport.closed

    assert 1 == transport.closed
    assert 1 == store.closed
    assert "<ReportsPool market mx, closed>" == repr(pool)


class WatchedTransport(SimulatorTransport):
    """Counts the bodies that are on their way."""

    open = most = 0

    @asynccontextmanager
    async def stream(self, *args, **kwargs):
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            async with super().stream(*args, **kwargs) as stream:
                await anyio.lowlevel.checkpoint()
                yield stream
        finally:
            self.open -= 1


@pytest.mark.parametrize("at_once", [1, 2])
async def test_downloads_at_once(new_pool, simulator, clock, tmp_path, at_once):
    """
    So many files come at the same time as the pool allows, whoever's they are.
    """
    transport = WatchedTransport(simulator, clock)
    options = Downloads(at_once=at_once, unpack=False)
    request_id = simulator.add_request("ITEM_MX", clock.now(), status="READY")
    found = []

    async def fetch(client):
        found.append(await client.resume_report(request_id))

    async with (
        new_pool(transport=transport, downloads=options) as pool,
        anyio.create_task_group() as group,
    ):
        for number in range(6):
            group.start_soon(fetch, pool.client(account(number), directory=tmp_path / str(number)))

    assert at_once == transport.most
    assert {".zip"} == {report.path.suffix for report in found}


async def test_a_seller_without_links(new_pool, simulator, clock, tmp_path):
    """
    A seller whose links are used up keeps no other from downloading.
    """
    waited = []

    async def fetch(client, report_type):
        await client.fetch_report(report_type)
        waited.append((report_type, clock.monotonic()))

    async with new_pool(market="us") as pool, anyio.create_task_group() as group:
        busy, quiet = (
            pool.client(account(number), directory=tmp_path / str(number)) for number in range(2)
        )
        for number in range(27):
            simulator.generation(f"TYPE_{number}", 60)
            group.start_soon(fetch, busy, f"TYPE_{number}")
        await clock.sleep(300.0)
        assert len(waited) < 27
        simulator.generation("ITEM", 60)
        group.start_soon(fetch, quiet, "ITEM")

    done = dict(waited)
    assert done["ITEM"] < 600 < max(done.values())


async def test_one_client_each(new_pool):
    """
    An account has one client, however often it is asked for; a market of its own has another.
    """
    async with new_pool() as pool:
        client = pool.client(account(1))

        assert client is pool.client(account(1))
        assert client is pool.client(account(1), market="mx")
        assert client is not pool.client(account(1), market="us")
        async with client as same:
            assert client is same
        assert client is pool.client(account(1))
        assert [] == await client.jobs()


async def test_other_settings(new_pool, tmp_path):
    """
    A client of an account is not another's because other settings are asked for.
    """
    async with new_pool() as pool:
        pool.client(account(1))

        for settings in ({"directory": tmp_path / "b"}, {"channel_type": "c"}):
            with pytest.raises(InvalidArgument, match="seller-1 in market mx already"):
                pool.client(account(1), **settings)
        with pytest.raises(InvalidArgument, match="seller-1"):
            pool.client(Credentials("seller-1", "another"))


async def test_one_directory_in_other_words(new_pool, tmp_path, monkeypatch):
    """
    A directory is the same however it is written: as text or path, relative or absolute.
    """
    monkeypatch.chdir(tmp_path)
    async with new_pool() as pool:
        client = pool.client(account(1), directory="a")

        assert client is pool.client(account(1), directory=Path("a"))
        assert client is pool.client(account(1), directory=tmp_path / "a")
        assert client is pool.client(account(1), directory="./a/")


async def test_closing_one(new_pool, transport):
    """
    A client that is closed leaves the others and the transport alone, and is made anew if asked.
    """
    async with new_pool() as pool:
        client = pool.client(account(1))
        job, other = client.request_report("A"), pool.client(account(2)).request_report("A")
        async for event in job.events():
            if isinstance(event, Accepted):
                await client.aclose()
        with pytest.raises(JobCancelled):
            await job
        with pytest.raises(RuntimeError, match="closed"):
            client.request_report("A")
        await other
        assert client is not pool.client(account(1))
        await pool.client(account(1)).resume_report(job.request_id)

        found = pool.statistics()

    assert (2, 1, 0) == (found.saved, found.cancelled, found.waiting)
    assert 1 == transport.closed


async def test_closing_all(new_pool):
    """
    Closing the pool ends all waiting, of all accounts; closing it twice is no error.
    """
    async with new_pool() as pool:
        jobs = [pool.client(account(number)).request_report("A") for number in range(3)]
        await anyio.sleep(60)
        assert 3 == pool.statistics().waiting
    await pool.aclose()

    for job in jobs:
        with pytest.raises(JobCancelled, match="its client was closed"):
            await job
    with pytest.raises(RuntimeError, match="This ReportsPool is closed"):
        pool.client(account(1))
    with pytest.raises(RuntimeError, match="This ReportsPool is closed"):
        await pool.__aenter__()


async def test_statistics(new_pool, simulator):
    """
    The pool's statistics are those of all its clients, closed ones included.
    """
    events = []
    async with new_pool() as pool:
        pool.on_event(lambda job, event: events.append(event))
        first, second = pool.client(account(1)), pool.client(account(2))
        await first.fetch_report("A")
        await second.fetch_report("A")
        tokens = [client.statistics().tokens["link"] for client in (first, second)]
        assert sum(tokens) == pool.statistics().tokens["link"]
        await first.aclose()
        found = pool.statistics()

    endpoints = {call.endpoint for call in simulator.calls} - {"file"}
    assert {name: simulator.count(name) for name in endpoints} == found.calls
    assert 2 == found.saved == found.lag.count
    assert tokens[1] == found.tokens["link"]
    assert events


async def test_shared_hour(new_pool, store):
    """
    All clients use the pool's store: its hours and leases, what is given back, and its failures.
    """
    async with new_pool() as pool:
        client = pool.client(account(1))
        await client.fetch_report("A")
        (record,) = await client.jobs()
        stored = await store.records(record.account, now=record.reserved_at)

        assert [record] == list(stored)
        assert repr(store) in repr(client._store)
        assert repr(pool._transport) == repr(client._transport)


async def test_given_back(new_pool, simulator):
    """
    A create that was refused gives the hour back to the shared store.
    """
    simulator.fail("create", 400)
    async with new_pool() as pool:
        client = pool.client(account(1))
        with pytest.raises(Exception, match="A"):
            await client.fetch_report("A")

        assert [] == await client.jobs()


async def test_transport_is_closed_at_any_rate(new_pool, transport, store):
    """
    A store that cannot be closed keeps nothing else open.
    """

    class Broken(CountedStore):
        async def aclose(self):
            raise StoreError("down")

    with pytest.raises(StoreError):
        async with new_pool(store=Broken()):
            pass

    assert 1 == transport.closed


async def test_notify(new_pool, simulator, clock):
    """
    A pool hands a webhook to the account whose report it is, and to no other's budget.
    """
    simulator.generation("A", 30)
    async with new_pool() as pool:
        receiver = Receiver(pool, verify=None)
        jobs = [pool.client(account(number)).request_report("A") for number in range(2)]
        pool.client(account(2))
        last = pool.client(account(3)).request_report("B")
        for job in [*jobs, last]:
            async for event in job.events():
                if isinstance(event, Accepted):
                    break
        await clock.sleep(31)
        source = {"eventType": "REPORT_STATUS", "eventId": "E1"}
        body = {"source": source, "payload": {"requestId": jobs[1].request_id}}
        receiver.receive({}, json.dumps(body).encode())
        await jobs[1]
        looks = [pool.client(account(number)).statistics().calls for number in range(3)]
        assert clock.monotonic() < 40
        with pytest.raises(WebhookError, match="JSON object, not list"):
            pool.notify([])

    assert not looks[0].keys() & {"list", "status", "link"}
    assert 1 == looks[1]["link"]
    assert {} == looks[2]


async def test_a_client_that_is_closed_twice(new_pool):
    """
    To close a client again closes no other that has taken its place.
    """
    async with new_pool() as pool:
        first = pool.client(account(1))
        await first.aclose()
        second = pool.client(account(1))
        await first.aclose()

        assert first is not second
        assert second is pool.client(account(1))
        assert [] == await second.jobs()


async def test_closed_clients_are_forgotten(new_pool):
    """
    A pool keeps no client that was closed.
    """
    async with new_pool() as pool:
        for number in range(3):
            await pool.client(account(number)).aclose()
        kept = pool.client(account(3))

        assert "<ReportsPool market mx, 1 clients>" == repr(pool)
        assert kept is pool.client(account(3))


@pytest.mark.parametrize(
    ("name", "value"), [("downloads", 2), ("schedule", 60), ("timeouts", 60), ("base_url", "x")]
)
async def test_arguments(new_pool, name, value):
    """
    A pool's settings are checked when it is made, a key pair when its client is asked for.
    """
    with pytest.raises(InvalidArgument, match=f"^{name} "):
        new_pool(**{name: value})
    async with new_pool() as pool:
        with pytest.raises(InvalidArgument, match="credentials must be"):
            pool.client("id")


async def test_open_first_on_trio(new_pool):
    """
    On trio the pool must be opened.
    """
    pool = new_pool()
    with pytest.raises(RuntimeError, match="on trio, open it first"):
        pool.client(account(1))
    async with pool:
        assert 0 == pool.statistics().waiting


async def test_open_twice(new_pool):
    """
    A pool that is open is not opened a second time: the inner block would close it for both.
    """
    async with new_pool() as pool:
        with pytest.raises(RuntimeError, match="open already"):
            await pool.__aenter__()


@ASYNCIO
async def test_any_task_on_asyncio(tmp_path):
    """
    On asyncio the pool needs no opening, and can be closed in another task.
    """
    clock = LoopClock()
    simulator = Simulator(generation=0.01)
    pool = ReportsPool(
        directory=tmp_path, transport=SimulatorTransport(simulator, clock), clock=clock
    )
    await asyncio.create_task(pool.__aenter__())
    job = pool.client(account(1)).request_report("A")
    async for event in job.events():
        if isinstance(event, Accepted):
            break
    await asyncio.create_task(pool.aclose())

    with pytest.raises(JobCancelled):
        await job


def test_defaults():
    """
    A pool can be made anywhere, with nothing.
    """
    pool = ReportsPool()

    assert "<ReportsPool market us, 0 clients>" == repr(pool)
