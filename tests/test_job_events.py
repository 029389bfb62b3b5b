"""The events of a job: every step in order, for early and late listeners."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from reports_async import (
    Accepted,
    Downloaded,
    Downloading,
    Errored,
    Finished,
    Gone,
    JobStatus,
    LimitOver,
    Linked,
    Linking,
    Progressed,
    ReportExpired,
    Reserved,
    Retrying,
    Stopped,
    Waiting,
)
from reports_async.testing import Simulator

pytestmark = pytest.mark.anyio


@pytest.fixture
def simulator():
    return Simulator(rows=20, generation=600)


async def until(job, kind):
    async for event in job.events():
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind}")


async def test_events(new_client, simulator):
    """
    Events tell every step in order, and late listeners the newest of looks that saw the same.
    """
    early = []

    async def listen(job):
        early.extend([event async for event in job.events()])

    async with new_client() as client, anyio.create_task_group() as group:
        job = client.request_report("A")
        group.start_soon(listen, job)
        report = await job
    late = [event async for event in job.events()]

    kinds = [type(event) for event in late]
    looks = [event for event in early if isinstance(event, Progressed)]
    newest = {event.raw_status: event for event in looks}.values()
    assert len(looks) > len(newest)
    assert late == [event for event in early if event not in looks or event in newest]
    assert [Reserved, Accepted] == kinds[:2]
    assert [Finished, Linking, Linked, Downloading, Downloaded] == kinds[-5:]
    assert {Progressed} == set(kinds[2:-5])
    assert report == late[-1].report
    assert {report.request_id} == {event.request_id for event in late[1:]}
    assert sorted(event.at for event in late) == [event.at for event in late]


async def test_progress(new_client, simulator):
    """
    A look that finds a report not ready tells the API's own word, and the age of the request.
    """
    simulator.statuses("A", ["RECEIVED", "THINKING"])
    async with new_client() as client:
        job = client.request_report("A")
        await job
        started = (await until(job, Accepted)).submitted_at
        told = [event async for event in job.events() if isinstance(event, Progressed)]

    assert ["RECEIVED", "THINKING"] == [event.raw_status for event in told][:2]
    assert 50 < told[0].elapsed == (told[0].at - started).total_seconds()


@pytest.mark.parametrize(
    ("order", "kind", "status"),
    [
        ("fail_generation", Errored, JobStatus.FAILED),
        ("never_ready", LimitOver, JobStatus.TIMED_OUT),
    ],
)
async def test_last_event_tells_the_error(new_client, simulator, order, kind, status):
    """
    A job that fails has a last event, which carries the error that awaiting it raises.
    """
    getattr(simulator, order)("A")
    async with new_client() as client:
        job = client.request_report("A")
        events = [event async for event in job.events()]
        with pytest.raises(type(events[-1].error)) as excinfo:
            await job
        records = await client.jobs()

    assert kind is type(events[-1])
    assert events[-1].error is excinfo.value
    assert status is job.status is records[0].status
    assert str(excinfo.value) == records[0].error


async def test_gone(new_client, simulator, clock):
    """
    A request that the server forgets while it is waited for has expired.
    """
    simulator.never_ready("A")
    async with new_client() as client:
        job = client.request_report("A")
        await until(job, Progressed)
        await clock.sleep(600)
        simulator.forget(job.request_id)
        with pytest.raises(ReportExpired, match="kept 30 days") as excinfo:
            await job
        events = [event async for event in job.events()]

    assert Gone is type(events[-1])
    assert JobStatus.EXPIRED is job.status
    assert ("A", job.request_id) == (excinfo.value.report_type, excinfo.value.request_id)


async def test_waiting_is_told(new_client, simulator):
    """
    A job that waits for its hour tells when it opens.
    """
    async with new_client() as client:
        await client.fetch_report("A")
        job = client.request_report("A")
        event = await until(job, Waiting)
        assert JobStatus.PENDING is job.status
        accepted = await until(job, Accepted)

    assert event.until <= accepted.submitted_at


async def test_retrying(new_client, simulator):
    """
    A download that breaks off tells why it goes on, without the link's secret.
    """
    simulator.fail("file", "cut")
    async with new_client() as client:
        job = client.request_report("A")
        event = await until(job, Retrying)
        report = await job

    assert "broke off" in event.reason
    assert "sig=" not in event.reason
    assert report.size == report.path.stat().st_size


async def test_retried_by_the_same_link(new_client, simulator, clock):
    """
    A download that breaks off goes on by its link at once, before those that wait for links.
    """
    names = [f"TYPE_{number:02}" for number in range(24)]
    seconds = []

    async def follow(client, name):
        job = client.request_report(name)
        seen = [event async for event in job.events()]
        broke = [event.at for event in seen if isinstance(event, Retrying)]
        seconds.extend((seen[-1].at - at).total_seconds() for at in broke)

    async with new_client() as client, anyio.create_task_group() as group:
        for name in names:
            simulator.generation(name, 60)
            group.start_soon(follow, client, name)
        while simulator.count("link") < 20:
            await clock.sleep(5)
        simulator.fail("file", "cut")

    assert len(names) == simulator.count("link")
    assert 1 == len(seconds)
    assert seconds[0] < 10


@pytest.mark.parametrize("kind", [Progressed, Finished])
async def test_cancelled_by_a_listener(new_client, kind):
    """
    A handle that is cancelled when another of the same request hears of a look hears no more.
    """
    async with new_client() as client:
        jobs = [client.request_report("A") for _ in range(2)]

        def cancel_others(told, event):
            if isinstance(event, kind):
                for job in jobs:
                    if job is not told:
                        job.cancel()

        client.on_event(cancel_others)
        first, second = [[event async for event in job.events()] for job in jobs]

    ends = {Downloaded, Stopped}
    assert ends == {type(events[-1]) for events in (first, second)}
    assert set() == ends & {type(event) for event in first[:-1] + second[:-1]}
