"""The handle of a report: awaited by many, cancelled alone."""

from __future__ import annotations

import asyncio
import traceback

import anyio
import anyio.lowlevel
import pytest

from reports_async import (
    Accepted,
    Finished,
    JobCancelled,
    JobStatus,
    Progressed,
    ReportFailed,
    Reserved,
    Stopped,
    Timeouts,
)
from reports_async.stores import MemoryStore
from reports_async.testing import ScaledClock, Simulator, SimulatorTransport

pytestmark = pytest.mark.anyio


@pytest.fixture
def simulator():
    return Simulator(rows=20, generation=600)


async def until(job, kind):
    async for event in job.events():
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind}")


async def test_own_handle(new_client, simulator):
    """
    Each `request_report` returns a handle of its own, joined to another's request or not.
    """
    async with new_client() as client:
        first, second = client.request_report("A"), client.request_report("A")
        reports = [await first, await second]

    assert first is not second
    assert reports[0] == reports[1]
    assert 1 == simulator.creates()


async def test_awaited_by_many(new_client, simulator):
    """
    A job is awaited any number of times, from any number of tasks.
    """
    found = []

    async def wait(job):
        found.append(await job)

    async with new_client() as client, anyio.create_task_group() as group:
        job = client.request_report("A")
        for _ in range(3):
            group.start_soon(wait, job)
        found += [await job, await job]

    assert 5 == len(found)
    assert 1 == len(set(found))
    assert 1 == simulator.count("file")


async def test_error_for_many(new_client, simulator):
    """
    Everyone who awaits a failed job gets its error, and nobody else's traceback.
    """
    simulator.fail_generation("A")
    depths = []
    async with new_client() as client:
        job = client.request_report("A")
        for _ in range(3):
            with pytest.raises(ReportFailed) as excinfo:
                await job
            depths.append(len(traceback.extract_tb(excinfo.value.__traceback__)))

    assert 1 == len(set(depths))


async def test_one_waiter_gives_up(new_client, simulator):
    """
    Cancelling one who waits leaves the others, and the job.
    """
    found = []

    async def wait(job):
        found.append(await job)

    async with new_client() as client, anyio.create_task_group() as group:
        job = client.request_report("A")
        group.start_soon(wait, job)
        with anyio.move_on_after(100) as scope:
            await job
        found.append(await job)

    assert scope.cancelled_caught
    assert 2 == len(found)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_native_cancel(new_client, simulator, anyio_backend):
    """
    A native asyncio cancellation of one who waits leaves the others, too.
    """
    simulator.generation("A", 600)
    clock = ScaledClock(10_000)
    async with new_client(clock=clock, transport=SimulatorTransport(simulator, clock)) as client:
        job = client.request_report("A")
        tasks = [asyncio.ensure_future(job) for _ in range(3)]
        await until(job, Accepted)
        tasks[0].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        report = await asyncio.wait_for(job, 60)

    assert isinstance(done[0], asyncio.CancelledError)
    assert [report, report] == done[1:]


async def test_cancel(new_client, simulator):
    """
    `cancel` stops that handle only; its request goes on for those who share it.
    """
    async with new_client() as client:
        job, other = client.request_report("A"), client.request_report("A")
        await until(other, Accepted)
        await until(job, Accepted)
        job.cancel()
        with pytest.raises(JobCancelled, match="the job was cancelled; resume it by its") as info:
            await job
        report = await other

    assert job.request_id == info.value.request_id == report.request_id
    assert 1 == simulator.creates()


async def test_cancel_at_once(new_client, simulator):
    """
    A job that is cancelled before it began sends nothing.
    """
    async with new_client() as client:
        job = client.request_report("A")
        job.cancel(reason="changed my mind")
        assert job.done
        with pytest.raises(JobCancelled, match="A: changed my mind; ask for it again") as excinfo:
            await job

    assert excinfo.value.request_id is None
    assert () == simulator.calls


async def test_cancel_during_create(new_client, simulator, clock):
    """
    Cancelled while its create call is on its way, a job ends with the id that the reply tells.
    """
    simulator.delay("create", 10)
    async with new_client() as client:
        job = client.request_report("A")
        while not simulator.requests:
            await anyio.lowlevel.checkpoint()
        job.cancel()
        assert not job.done
        with pytest.raises(JobCancelled) as excinfo:
            await job
        looks = simulator.count("status") + simulator.count("list")
        records = await client.jobs()
        await clock.sleep(7200)

    assert simulator.requests[0].request_id == excinfo.value.request_id
    assert [excinfo.value.request_id] == [record.request_id for record in records]
    assert looks == simulator.count("status") + simulator.count("list") == 0
    assert [Reserved, Accepted, Stopped] == [type(event) for event in job._feed.past]


async def test_cancel_again(new_client, simulator):
    """
    Cancelling twice, or after the end, changes nothing.
    """
    async with new_client() as client:
        job = client.request_report("A")
        report = await job
        job.cancel()
        assert report == await job

        lost = client.request_report("B")
        await until(lost, Progressed)
        lost.cancel(reason="first")
        lost.cancel(reason="second")
        with pytest.raises(JobCancelled, match="first"):
            await lost


async def test_properties(new_client, simulator):
    """
    A handle tells its type at once, its id when there is one, and where it stands.
    """
    simulator.generation("A", 300)
    async with new_client() as client:
        job = client.request_report("A")
        seen = [(job.report_type, job.request_id, job.status, job.done)]
        texts = [repr(job)]
        await until(job, Accepted)
        seen.append((job.report_type, job.request_id is None, job.status, job.done))
        texts.append(repr(job))
        report = await job
        seen.append((job.report_type, job.request_id, job.status, job.done))

    assert ("A", None, JobStatus.PENDING, False) == seen[0]
    assert ("A", False, JobStatus.RECEIVED, False) == seen[1]
    assert ("A", report.request_id, JobStatus.SAVED, True) == seen[2]
    assert "<ReportJob A PENDING>" == texts[0]
    assert f"<ReportJob A RECEIVED request {report.request_id}>" == texts[1]


async def test_notify(new_client, simulator, clock):
    """
    A webhook makes the client look at once, whatever the pace; it proves nothing itself.
    """
    simulator.generation("A", 1000)
    async with new_client() as client:
        job = client.request_report("A")
        await until(job, Accepted)
        event = {"payload": {"requestId": job.request_id, "requestStatus": "READY"}}
        client.notify(event)
        early = await until(job, Progressed)
        await clock.sleep(1000 - clock.monotonic())
        client.notify(event)
        finished = await until(job, Finished)
        await job

    assert 1 > early.elapsed
    assert 1000 == pytest.approx((finished.at - early.at).total_seconds(), abs=1)


async def test_defect_is_told(new_client, simulator):
    """
    A defect in a transport ends the job with that very error, instead of waiting for ever.
    """
    async with new_client() as client:
        client._transport.stream = None
        job = client.request_report("A")
        with pytest.raises(TypeError):
            await job
        events = [event async for event in job.events()]

    assert Stopped is type(events[-1])
    assert isinstance(events[-1].error.__cause__, TypeError)


async def test_no_limit(new_client, simulator):
    """
    Without limits a job is waited for as long as it takes.
    """
    simulator.generation("A", 20_000)
    limits = Timeouts(quota=None, generation=None, call=None, link=None, stall=None)
    async with new_client(timeouts=limits) as client:
        report = await client.fetch_report("A")

    assert report.path.exists()


async def test_defect_of_a_store(new_client, simulator, caplog):
    """
    A store that raises what no store should is taken for one that is down: the job goes on.
    """

    class Broken(MemoryStore):
        async def save(self, record, *, now):
            if record.status in (JobStatus.READY, JobStatus.FAILED):
                raise ZeroDivisionError
            await super().save(record, now=now)

    simulator.fail_generation("B")
    async with new_client(store=Broken()) as client:
        report = await client.fetch_report("A")
        with pytest.raises(ReportFailed):
            await client.fetch_report("B")

    assert report.path.exists()
    assert 2 == caplog.text.count("could not be written down")
    assert "The store failed with ZeroDivisionError" in caplog.text


async def test_defect_at_the_end(new_client, simulator, caplog):
    """
    A defect where the last word is written down does not keep a job from ending with it.
    """
    simulator.fail_generation("B")
    async with new_client() as client:
        job = client.request_report("B")
        await until(job, Accepted)
        client._gate.note = None
        with pytest.raises(ReportFailed):
            await job

    assert 1 == sum(record.exc_info is not None for record in caplog.records)
