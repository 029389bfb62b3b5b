"""A store that is slow: creates go out, one for each record; who waits for it comes to an end."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial

import anyio
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from reports_async import (
    Accepted,
    Credentials,
    ReportsClient,
    ReportsPool,
    StoreError,
    Timeouts,
)
from reports_async.stores import MemoryStore
from reports_async.testing import LoopClock, Simulator, SimulatorTransport

pytestmark = pytest.mark.anyio

TYPES = ("A", "B", "C")
ENDLESS = Timeouts(generation=None)


class SlowStore(MemoryStore):
    """
    A store that does one thing at a time, and takes long for each: so many seconds, in turn.
    """

    def __init__(self, delays, *, before=True):
        super().__init__()
        self._delays, self._before = list(delays), before
        self._lock = anyio.Lock()
        self.calls = 0

    async def _slowly(self, call):
        async with self._lock:
            delay = self._delays[self.calls % len(self._delays)]
            self.calls += 1
            await anyio.sleep(delay if self._before else 0)
            value = await call()
            await anyio.sleep(0 if self._before else delay)
            return value

    async def reserve(self, record, *, now):
        return await self._slowly(partial(super().reserve, record, now=now))

    async def claim(self, key, *, owner, now, lease):
        return await self._slowly(partial(super().claim, key, owner=owner, now=now, lease=lease))

    async def save(self, record, *, now):
        await self._slowly(partial(super().save, record, now=now))

    async def delete(self, key):
        await self._slowly(partial(super().delete, key))

    async def records(self, account, *, now, report_type=None):
        reading = partial(super().records, account, now=now, report_type=report_type)
        return await self._slowly(reading)


@pytest.fixture
def simulator():
    return Simulator(rows=5, generation=86_400)


async def until_accepted(job):
    async for event in job.events():
        if isinstance(event, Accepted):
            return event
    return None


@pytest.mark.parametrize("delay", [5, 12, 30])
async def test_queue(new_client, simulator, delay):
    """
    Where the queue at the store is longer than a lease, it is worked off, without a step twice.
    """
    store = SlowStore([delay])
    async with new_client(market="us", store=store, timeouts=ENDLESS) as client:
        types = client.report_types
        jobs = [client.request_report(report_type) for report_type in types]
        with anyio.fail_after(7 * len(types) * delay):
            for job in jobs:
                assert "created" == (await until_accepted(job)).origin
        # The one more is the poller's, who reads what is known before it waits.
        assert store.calls <= 6 * len(types) + 1

    assert len(types) == simulator.creates() == simulator.count("create")


async def test_pool(simulator, clock, tmp_path):
    """
    The accounts of a pool, who share one store, do not keep each other from their creates.
    """
    store = SlowStore([1])
    async with ReportsPool(
        directory=tmp_path,
        store=store,
        transport=SimulatorTransport(simulator, clock),
        clock=clock,
    ) as pool:
        for number in range(20):
            client = pool.client(Credentials(f"id-{number}", "secret"))
            for report_type in client.report_types[:8]:
                client.request_report(report_type)
        await clock.sleep(7 * 160)

        assert 160 == simulator.creates() == simulator.count("create")


async def test_too_slow(new_client, simulator):
    """
    A store that takes the hour to get ready is told; nothing is sent, and the hour is given back.
    """
    async with new_client(store=SlowStore([700])) as client:
        with pytest.raises(StoreError, match="A: the store took 2100 s to get ready"):
            await client.fetch_report("A")
        assert [] == await client.jobs()

    assert 0 == simulator.count("create")


async def test_getting_slower(new_client, simulator):
    """
    Who was kept by the store for longer than foreseen renews the lease before the create goes out.
    """
    async with new_client(store=SlowStore([0, 0, 0, 0, 60, 1, 1])) as client:
        accepted = await until_accepted(client.request_report("A"))

    assert "created" == accepted.origin
    assert 1 == simulator.count("create")


class Stuck(MemoryStore):
    """
    A store whose first write of a record that is to be sent is on its way for long.
    """

    def __init__(self, clock, delay):
        super().__init__()
        self._clock, self._delay = clock, delay

    async def save(self, record, *, now):
        if record.sent_at is not None and record.request_id is None:
            delay, self._delay = self._delay, 0.0
            await self._clock.sleep(delay)
        await super().save(record, now=now)


@pytest.mark.parametrize("delay", [60, 200, 301, 1000])
async def test_written_over(new_client, simulator, clock, delay):
    """
    Whose write came so late that another has gone on meanwhile sends nothing, even if it is written
    over what that one knows.
    """
    store = Stuck(clock, delay)
    async with new_client(store=store) as slow, new_client(store=store) as quick:
        jobs = [slow.request_report("A")]
        await anyio.wait_all_tasks_blocked()
        jobs.append(quick.request_report("A"))
        found = [await until_accepted(job) for job in jobs]

    assert 1 == len({event.request_id for event in found})
    assert 1 == simulator.count("create")


async def play(simulator, asked, delays, directory, *, before):
    clock, store = LoopClock(), SlowStore(delays, before=before)
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                ReportsClient(
                    Credentials("id", "secret"),
                    market="mx",
                    directory=directory,
                    store=store,
                    transport=SimulatorTransport(simulator, clock),
                    timeouts=Timeouts(call=call, generation=None),
                    clock=clock,
                )
            )
            for call in (30, None)
        ]
        jobs = []
        for number, report_type, pause in asked:
            jobs.append(clients[number].request_report(report_type))
            await clock.sleep(pause)
        with anyio.fail_after(86_400):
            for job in jobs:
                assert await until_accepted(job) is not None


@settings(max_examples=40, deadline=None)
@given(
    asked=st.lists(
        st.tuples(st.integers(0, 1), st.sampled_from(TYPES), st.sampled_from([0, 1, 100])),
        min_size=1,
        max_size=6,
    ),
    delays=st.lists(st.sampled_from([0, 0, 0.1, 5, 20, 45, 90]), min_size=1, max_size=9),
    before=st.booleans(),
)
@example(asked=[(0, "A", 0), (1, "A", 0)], delays=[80], before=True)
@example(asked=[(0, "A", 0), (1, "A", 0), (0, "A", 0)], delays=[0, 0, 150], before=True)
def test_one_create(tmp_path_factory, asked, delays, before):
    """
    However long the store takes, two processes that share it send one create for what both want,
    and both get its request.
    """
    simulator = Simulator(generation=86_400)
    anyio.run(
        lambda: play(simulator, asked, delays, tmp_path_factory.getbasetemp(), before=before),
        backend="trio",
        backend_options={"clock": MockClock(autojump_threshold=0)},
    )

    assert len({report_type for _, report_type, _ in asked}) == simulator.creates()
    assert simulator.creates() == simulator.count("create")
    assert () == simulator.violations
