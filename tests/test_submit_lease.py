"""Who works on a reservation: one at a time, and what was slow finds out what the others did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
import pytest

from reports_async import (
    Accepted,
    AuthenticationError,
    JobCancelled,
    RequestLimitExceeded,
    StoreError,
    Timeouts,
    Uncertain,
    Waiting,
)
from reports_async.stores import MemoryStore
from reports_async.testing import Rules, Simulator, SimulatorTransport

pytestmark = pytest.mark.anyio

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
PATIENT = Timeouts(call=None)


@pytest.fixture
def simulator(request):
    return Simulator(rows=5, generation=60, rules=getattr(request, "param", Rules()))


async def until(job, kind):
    async for event in job.events():
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind}")


class SlowLists(SimulatorTransport):
    """A transport whose list calls take long, from a time on, as often as told."""

    def __init__(self, simulator, clock, *, delay, start=0.0, times=1):
        super().__init__(simulator, clock)
        self._delay, self._start, self._times = delay, start, times

    async def send(self, request, *, timeout):
        response = await super().send(request, timeout=timeout)
        listing = request.method == "GET" and "reportRequests?" in request.url
        if listing and self._times and self._clock.monotonic() >= self._start:
            self._times -= 1
            await self._clock.sleep(self._delay)
        return response


class Failing(MemoryStore):
    """A store that can be down."""

    down = False

    async def reserve(self, record, *, now):
        self._check()
        return await super().reserve(record, now=now)

    async def claim(self, key, *, owner, now, lease):
        self._check()
        return await super().claim(key, owner=owner, now=now, lease=lease)

    async def save(self, record, *, now):
        self._check()
        await super().save(record, now=now)

    async def records(self, account, *, now, report_type=None):
        self._check()
        return await super().records(account, now=now, report_type=report_type)

    def _check(self):
        if self.down:
            raise StoreError("The store is down.")


async def race(new_client, transport=None):
    """Two clients of one store ask for the same; the first one is the slow one."""
    store = MemoryStore()
    first = {"transport": transport} if transport else {}
    async with (
        new_client(store=store, timeouts=PATIENT, **first) as slow,
        new_client(store=store, timeouts=PATIENT) as quick,
    ):
        jobs = [slow.request_report("A")]
        await anyio.wait_all_tasks_blocked()
        jobs.append(quick.request_report("A"))
        found = [await until(job, Accepted) for job in reversed(jobs)]
        records = await slow.jobs()
    assert 1 == len({event.request_id for event in found}) == len(records)
    return found


@pytest.mark.parametrize("delay", [120, 600])
async def test_slow_token(new_client, simulator, delay):
    """
    Who waited for its token beyond its lease finds that another has gone on, and joins it.
    """
    simulator.delay("token", delay)

    quick, slow = await race(new_client)

    assert ("created", "joined") == (quick.origin, slow.origin)
    assert START + timedelta(seconds=100) > quick.at
    assert 1 == simulator.count("create")


async def test_failed_token(new_client, simulator):
    """
    Who fails after its lease does not give back what another has taken over.
    """
    simulator.delay("token", 120)
    store = MemoryStore()
    async with (
        new_client(store=store, timeouts=PATIENT) as slow,
        new_client(store=store, timeouts=PATIENT) as quick,
    ):
        slow._api._auth._fetch = refused(slow._api._auth._fetch)
        job = slow.request_report("A")
        await anyio.wait_all_tasks_blocked()
        accepted = await until(quick.request_report("A"), Accepted)
        with pytest.raises(AuthenticationError):
            await job
        records = await quick.jobs()
        with pytest.raises(RequestLimitExceeded):
            await quick.fetch_report("A", version="v2", on_limit="raise")

    assert [accepted.request_id] == [record.request_id for record in records]


def refused(fetch):
    async def call():
        await fetch()
        raise AuthenticationError("refused", status=401, code="UNAUTHORIZED")

    return call


@pytest.mark.parametrize("simulator", [Rules(list_lag=60)], indirect=True, ids=["lag"])
@pytest.mark.parametrize("delay", [200, 900])
async def test_slow_search(new_client, simulator, clock, delay):
    """
    Who searches beyond its lease finds that another has found it; nothing is thrown away.
    """
    simulator.fail("create", "lose")

    quick, slow = await race(new_client, SlowLists(simulator, clock, delay=delay))

    assert ("adopted", "joined") == (quick.origin, slow.origin)
    assert 1 == simulator.count("create")


async def test_slow_before_the_second_create(new_client, simulator, clock):
    """
    Only who holds the lease sends the second create.
    """
    simulator.fail("create", "refuse")

    await race(new_client, SlowLists(simulator, clock, delay=200, start=300))

    assert (1, 2) == (simulator.creates(), simulator.count("create"))


async def test_given_back_meanwhile(new_client, simulator):
    """
    Who joined a reservation that is then given back starts from the beginning.
    """
    simulator.delay("token", 30)
    simulator.fail("create", 403, 403)
    store = MemoryStore()
    async with new_client(store=store, timeouts=PATIENT) as client:
        jobs = [client.request_report("A") for _ in range(3)]
        errors = []
        for job in jobs:
            try:
                await job
            except AuthenticationError as exc:
                errors.append(exc)

    assert 2 == len(errors)
    assert 1 == simulator.creates()


async def test_store_dies_during_the_wait(new_client, simulator, clock):
    """
    A store that is down for a while does not end the wait for the hour.
    """
    store = Failing()
    async with new_client(store=store) as client:
        await client.fetch_report("A")
        job = client.request_report("A")
        await until(job, Waiting)
        store.down = True
        await clock.sleep(900)
        store.down = False
        accepted = await until(job, Accepted)

    assert START + HOUR <= accepted.submitted_at < START + HOUR + timedelta(minutes=2)


async def test_store_stays_down(new_client, simulator, clock):
    """
    The quota limit ends that wait, too.
    """
    store = Failing()
    async with new_client(store=store, timeouts=Timeouts(quota=600)) as client:
        await client.fetch_report("A")
        job = client.request_report("A")
        await until(job, Waiting)
        store.down = True
        with pytest.raises(StoreError):
            await job
        store.down = False

    assert clock.monotonic() < 1000


async def test_store_is_down(new_client, simulator):
    """
    A store that is down at the beginning is told at once: nothing is sent that it cannot remember.
    """
    store = Failing()
    store.down = True
    async with new_client(store=store) as client:
        with pytest.raises(StoreError, match="The store is down"):
            await client.fetch_report("A")
        store.down = False

    assert () == simulator.calls


async def test_store_dies_before_the_create(new_client, simulator):
    """
    Nothing is sent that the store cannot remember.
    """
    store = Failing()
    simulator.delay("token", 10)
    async with new_client(store=store) as client:
        job = client.request_report("A")
        await anyio.wait_all_tasks_blocked()
        store.down = True
        with pytest.raises(StoreError):
            await job
        store.down = False

    assert 0 == simulator.count("create")


async def test_store_dies_during_the_search(new_client, simulator, clock):
    """
    A search outlives a store that is down for a while.
    """
    simulator.fail("create", "lose")
    store = Failing()
    async with new_client(store=store) as client:
        job = client.request_report("A")
        await until(job, Uncertain)
        store.down = True
        await clock.sleep(100)
        store.down = False
        accepted = await until(job, Accepted)

    assert "adopted" == accepted.origin
    assert 1 == simulator.count("create")


async def test_cancelled_just_before(new_client, simulator):
    """
    A job that is cancelled before its create call is out makes none, and gives the hour back.
    """

    class Slow(MemoryStore):
        async def save(self, record, *, now):
            if record.sent_at is not None:
                saving.set()
                await anyio.wait_all_tasks_blocked()
            await super().save(record, now=now)

    saving = anyio.Event()
    async with new_client(store=Slow()) as client:
        job = client.request_report("A")
        await saving.wait()
        job.cancel()
        with pytest.raises(JobCancelled):
            await job
        records = await client.jobs()

    assert [] == records
    assert 0 == simulator.count("create")


class SlowSaves(MemoryStore):
    """A store that takes long to write what has no id yet."""

    def __init__(self, clock, delay):
        super().__init__()
        self._clock, self._delay = clock, delay

    async def save(self, record, *, now):
        await super().save(record, now=now)
        if record.request_id is None:
            delay, self._delay = self._delay, 0.0
            await self._clock.sleep(delay)


@pytest.mark.parametrize(
    ("delay", "origins"), [(60, ("created", "joined")), (200, ("joined", "created"))]
)
async def test_slow_store(new_client, simulator, clock, delay, origins):
    """
    A create goes out with a lease that lasts: who was kept for too long renews it, or joins.
    """
    store = SlowSaves(clock, delay)
    async with new_client(store=store) as slow, new_client(store=store) as quick:
        jobs = [slow.request_report("A")]
        await anyio.wait_all_tasks_blocked()
        jobs.append(quick.request_report("A"))
        found = [await until(job, Accepted) for job in jobs]

    assert 1 == len({event.request_id for event in found})
    assert 1 == simulator.count("create")
    assert origins == tuple(event.origin for event in found)


class LateCreate(SimulatorTransport):
    """A transport whose first create is on its way for longer than any lease."""

    late = True

    async def send(self, request, *, timeout):
        if self.late and request.method == "POST" and "reportRequests?" in request.url:
            self.late = False
            await self._clock.sleep(1000)
        return await super().send(request, timeout=timeout)


async def test_late_create(new_client, simulator, clock):
    """
    Who is refused because another has gone on with the very record joins what that one has made.
    """
    quick, slow = await race(new_client, LateCreate(simulator, clock))

    assert ("created", "joined") == (quick.origin, slow.origin)
    assert 1 == simulator.count("create", 429)
