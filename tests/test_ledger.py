"""A store that fails, behind the patience of the client: an id that the server gave is kept."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import anyio
import pytest
from attrs import evolve

from reports_async import (
    JobRecord,
    JobStatus,
    MemoryStore,
    ReportJob,
    StoreError,
    Timeouts,
    Uncertain,
    Waiting,
)
from reports_async._ledger import Ledger
from reports_async.testing import Simulator

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)


class ShakyStore(MemoryStore):
    """
    A store that is down when it is told so.
    """

    def __init__(self):
        super().__init__()
        self.down = False
        self.closed = False

    def check(self):
        if self.down:
            raise StoreError("The server of the store does not answer.")

    async def reserve(self, record, *, now):
        self.check()
        return await super().reserve(record, now=now)

    async def claim(self, key, *, owner, now, lease):
        self.check()
        return await super().claim(key, owner=owner, now=now, lease=lease)

    async def save(self, record, *, now):
        self.check()
        await super().save(record, now=now)

    async def delete(self, key):
        self.check()
        await super().delete(key)

    async def records(self, account, *, now, report_type=None):
        self.check()
        return await super().records(account, now=now, report_type=report_type)

    async def aclose(self):
        self.closed = True


@pytest.fixture
def store():
    return ShakyStore()


@pytest.fixture
async def ledger(store, clock):
    """
    A ledger whose background work runs until the test is over.
    """
    ledger = Ledger(store, clock=clock)
    async with anyio.create_task_group() as group:
        ledger.start = group.start_soon
        yield ledger
        group.cancel_scope.cancel()


@pytest.fixture
def simulator():
    return Simulator(rows=5, generation=900)


def make(clock, key="a", **changes):
    now = clock.now()
    record = JobRecord(
        key=key,
        account="acme",
        report_type="ITEM_MX",
        version="v1",
        reserved_at=now,
        holds_until=now + HOUR,
        request_id="R1",
    )
    return evolve(record, **changes)


async def records(store, clock, **filters):
    return list(await store.records("acme", now=clock.now(), **filters))


# -- the room itself ------------------------------------------------------------------------------


async def test_without_trouble(ledger, store, clock):
    """
    Where nothing fails, everything goes through at once.
    """
    record = make(clock, request_id=None)

    assert record == await ledger.reserve(record, now=clock.now())
    assert await ledger.claim("a", owner="me", now=clock.now(), lease=90)
    await ledger.save(evolve(record, request_id="R1"), now=clock.now())
    assert ["R1"] == [one.request_id for one in await records(store, clock)]
    await ledger.delete("a")
    assert [] == await records(ledger, clock)
    await ledger.aclose()
    assert store.closed


async def test_nothing_is_promised(ledger, store, clock):
    """
    What must be remembered before something is sent fails with the store.
    """
    record = make(clock, request_id=None)
    store.down = True

    with pytest.raises(StoreError):
        await ledger.reserve(record, now=clock.now())
    with pytest.raises(StoreError):
        await ledger.claim("a", owner="me", now=clock.now(), lease=90)
    with pytest.raises(StoreError):
        await ledger.save(record, now=clock.now())


async def test_ids_are_kept(ledger, store, clock, caplog):
    """
    A record with an id is written when the store is back; until then it is told of from memory.
    """
    record = make(clock)
    store.down = True
    await ledger.save(record, now=clock.now())
    later = evolve(record, status=JobStatus.READY)
    await ledger.save(later, now=clock.now())
    await ledger.save(make(clock, "b", account="other"), now=clock.now())
    await clock.sleep(20)
    store.down = False

    assert "request R1 could not be written down; it is kept in memory" in caplog.text
    assert [later] == await records(ledger, clock)
    assert [] == await records(ledger, clock, report_type="ITEM")
    assert [] == await records(store, clock)
    await clock.sleep(65)
    assert [later] == await records(store, clock) == await records(ledger, clock)
    assert "<Ledger over <MemoryStore 2 records>, 0 records to write>" == repr(ledger)


async def test_a_later_word_counts(ledger, store, clock):
    """
    What is written meanwhile is not undone by what waited.
    """
    store.down = True
    await ledger.save(make(clock), now=clock.now())
    store.down = False
    saved = make(clock, status=JobStatus.SAVED)
    await ledger.save(saved, now=clock.now())
    await clock.sleep(100)

    assert [saved] == await records(store, clock)


async def test_changed_while_it_was_written(ledger, store, clock):
    """
    What changes while it is being written is written again.
    """
    store.down = True
    await ledger.save(make(clock), now=clock.now())
    write, newer = store.save, make(clock, status=JobStatus.READY)

    async def save(record, *, now):
        store.save = write
        store.down = True
        await ledger.save(newer, now=now)
        store.down = False
        await write(record, now=now)

    store.save = save
    store.down = False
    await clock.sleep(100)

    assert [newer] == await records(store, clock)


async def test_ours_stays_ours(ledger, store, clock, caplog):
    """
    Who has a record keeps it while the store is down; nobody else gets it.
    """
    record = make(clock, request_id=None)
    await ledger.reserve(record, now=clock.now())
    theirs = evolve(
        record, key="b", report_type="ITEM", owner="you", lease_until=clock.now() + HOUR
    )
    await store.reserve(theirs, now=clock.now())
    assert not await ledger.claim("b", owner="me", now=clock.now(), lease=90)
    store.down = True

    assert await ledger.claim("a", owner="me", now=clock.now(), lease=90)
    with pytest.raises(StoreError):
        await ledger.claim("b", owner="me", now=clock.now(), lease=90)
    assert "The store is down, the work goes on" in caplog.text


async def test_an_hour_that_cannot_be_given_back(ledger, store, clock, caplog):
    """
    An hour that cannot be given back is told; it ends by itself.
    """
    await ledger.reserve(make(clock, request_id=None), now=clock.now())
    store.down = True
    await ledger.delete("a")

    assert "An hour could not be given back" in caplog.text


class ForeignStore(ShakyStore):
    """
    A store that raises its driver's errors.
    """

    def check(self):
        if self.down:
            raise KeyError("driver")

    async def aclose(self):
        await super().aclose()
        self.check()


@pytest.mark.parametrize("store", [ForeignStore()])
async def test_foreign_errors(ledger, store, clock):
    """
    Whatever a store raises is a `StoreError`, with the cause chained.
    """
    record = make(clock, request_id=None)
    store.down = True

    for call in (
        partial(ledger.reserve, record, now=clock.now()),
        partial(ledger.claim, "a", owner="me", now=clock.now(), lease=90),
        partial(ledger.save, record, now=clock.now()),
        partial(ledger.records, "acme", now=clock.now()),
        ledger.aclose,
    ):
        with pytest.raises(StoreError, match="failed with KeyError") as excinfo:
            await call()
        assert isinstance(excinfo.value.__cause__, KeyError)
    await ledger.delete("a")


@pytest.mark.parametrize("store", [ForeignStore()])
async def test_foreign_errors_lose_no_id(ledger, store, clock):
    """
    Nor does such an error end the tries to write what waits.
    """
    store.down = True
    await ledger.save(make(clock), now=clock.now())
    await clock.sleep(200)
    store.down = False
    await clock.sleep(65)

    assert ["R1"] == [one.request_id for one in await records(store, clock)]


async def test_closed_though_cancelled(store, clock):
    """
    The store is closed even where the last try to write what waits is given up.
    """

    async def save(record, *, now):
        await anyio.sleep_forever()

    ledger = Ledger(store, clock=clock)
    store.down = True
    await ledger.save(make(clock), now=clock.now())
    store.save = save
    with anyio.move_on_after(5):
        await ledger.aclose()

    assert store.closed


async def test_closed_too_early(store, clock, caplog):
    """
    What was never written when the client closes is told with its id.
    """
    ledger = Ledger(store, clock=clock)
    store.down = True
    await ledger.save(make(clock), now=clock.now())
    await ledger.aclose()

    assert "request R1 was never written down, the store is still down. Resume it" in caplog.text
    assert store.closed


async def test_written_at_the_end(store, clock):
    """
    A store that is back when the client closes gets what waited for it.
    """
    ledger = Ledger(store, clock=clock)
    record = make(clock)
    store.down = True
    await ledger.save(record, now=clock.now())
    store.down = False
    await ledger.aclose()

    assert [record] == await records(store, clock)


# -- through the client ---------------------------------------------------------------------------


async def reach(job: ReportJob, kind):
    async for event in job.events():
        if isinstance(event, kind):
            return
    raise AssertionError(f"no {kind}")


async def test_down_at_the_start(new_client, store, simulator):
    """
    A store that is down at the start is one clear error, and nothing is sent.
    """
    store.down = True
    async with new_client(store=store) as client:
        with pytest.raises(StoreError, match="does not answer") as excinfo:
            await client.fetch_report("ITEM_MX")
        with pytest.raises(StoreError):
            await client.jobs()
        with pytest.raises(StoreError):
            await client.resume_report("R1")

    assert "ITEM_MX" == excinfo.value.report_type
    assert () == simulator.calls


async def test_down_when_the_create_is_answered(new_client, store, simulator, clock):
    """
    The id that comes while the store is down is kept, used, and written when the store is back.
    """
    async with new_client(store=store) as client:
        job = client.request_report("ITEM_MX")
        simulator.delay("create", 5)
        await clock.sleep(2)
        store.down = True
        await clock.sleep(300)
        assert job.request_id is not None
        store.down = False
        await clock.sleep(100)
        [record] = await store.records(client._account, now=clock.now())
        assert (job.request_id, JobStatus.RECEIVED) == (record.request_id, record.status)
        report = await job

    assert simulator.digest(report.request_id)
    assert 1 == simulator.creates()


async def test_down_during_the_wait(new_client, store, simulator, clock, caplog):
    """
    A store that dies while the report is made costs nothing: the file comes, the user is told.
    """
    async with new_client(store=store) as client:
        job = client.request_report("ITEM_MX")
        await clock.sleep(60)
        store.down = True
        report = await job
        assert report.path.exists()
        assert "could not be written down" in caplog.text
        store.down = False
        await clock.sleep(100)
        [record] = await client.jobs()

    assert (JobStatus.SAVED, str(report.path)) == (record.status, record.path)


async def test_down_while_the_hour_is_waited_for(new_client, store, simulator, clock, caplog):
    """
    A store that dies while an hour is waited for does not end the wait.
    """
    simulator.add_request("ITEM_MX", clock.now() - 40 * timedelta(minutes=1))
    async with new_client(store=store) as client:
        job = client.request_report("ITEM_MX")
        await reach(job, Waiting)
        store.down = True
        await clock.sleep(600)
        assert not job.done
        store.down = False
        report = await job

    assert "does not answer" in caplog.text
    assert report.path.exists()
    assert 1 == simulator.creates()
    assert 1 == simulator.count("create", 429)


async def test_down_while_a_lost_create_is_looked_for(new_client, store, simulator, clock):
    """
    A store that dies while a lost create is looked for does not end the search.
    """
    simulator.fail("create", "lose")
    simulator.fail("list", 503, times=3)
    async with new_client(store=store, timeouts=Timeouts(generation=None)) as client:
        job = client.request_report("ITEM_MX")
        await reach(job, Uncertain)
        store.down = True
        await clock.sleep(400)
        store.down = False
        report = await job

    assert report.path.exists()
    assert 1 == simulator.creates()
