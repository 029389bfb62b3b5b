"""Going on with a request by its id: after a limit, another process's, another program's."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from reports_async import (
    Accepted,
    Downloads,
    JobStatus,
    RateLimited,
    ReportExpired,
    ReportFailed,
    ReportTimedOut,
    RequestNotFound,
    Timeouts,
    Waiting,
)
from reports_async.stores import MemoryStore
from reports_async.testing import Rules, Simulator, SimulatorTransport

pytestmark = pytest.mark.anyio

START = datetime(2026, 1, 5, 8, tzinfo=UTC)


@pytest.fixture
def simulator():
    return Simulator(rows=20, generation=600)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def test_after_time_out(new_client, simulator):
    """
    What timed out goes on at the server: resumed by the error's id, it succeeds.
    """
    simulator.generation("A", 6000)
    async with new_client() as client:
        with pytest.raises(ReportTimedOut) as excinfo:
            await client.fetch_report("A")
        report = await client.resume_report(excinfo.value.request_id)

    assert simulator.digest(report.request_id) == digest(report.path)
    assert 1 == simulator.creates()


async def test_by_another_process(new_client, simulator):
    """
    A request is resumed with nothing but its id, and nothing is requested anew.
    """
    async with new_client() as first:
        job = first.request_report("A")
        async for event in job.events():
            if isinstance(event, Accepted):
                break
    async with new_client() as second:
        resumed = second.resume_report(job.request_id)
        before = resumed.report_type
        report = await resumed
        events = [event async for event in resumed.events()]

    assert ("", "A") == (before, resumed.report_type)
    assert simulator.digest(job.request_id) == digest(report.path)
    assert ("resumed", START) == (events[0].origin, report.submitted_at)
    assert 1 == simulator.creates()


async def test_of_another_program(new_client, simulator, clock):
    """
    A request made in Seller Center is fetched by its id, 29 days later as well.
    """
    clock.now()
    request_id = simulator.add_request("ITEM_MX", START - timedelta(days=29), version="v2")
    async with new_client() as client:
        report = await client.resume_report(request_id)

    assert ("ITEM_MX", "v2") == (report.report_type, report.version)
    assert START + timedelta(days=1) == report.expires_at
    assert 0 == simulator.creates()


async def test_same_store(new_client, simulator):
    """
    What the store remembers needs no status call: a READY request is fetched at once.
    """
    store = MemoryStore()
    async with new_client(store=store) as client:
        report = await client.fetch_report("A")
        report.path.unlink()
        looks = simulator.count("status") + simulator.count("list")
        again = await client.resume_report(report.request_id)

    assert report == again
    assert looks == simulator.count("status") + simulator.count("list")
    assert 2 == simulator.count("file")


@pytest.mark.parametrize("remembered", [True, False])
async def test_file_is_there(new_client, simulator, remembered):
    """
    A file that is there already for this id is not fetched again: no link is asked for.
    """
    store = MemoryStore()
    async with new_client(store=store) as client:
        report = await client.fetch_report("A")
    async with new_client(store=store if remembered else None) as client:
        again = await client.resume_report(report.request_id)

    assert report == again
    assert (1, 1) == (simulator.count("link"), simulator.count("file"))


async def test_other_path(new_client, simulator, tmp_path):
    """
    A path of the caller's gets the file, unless the store knows that it holds that very report.
    """
    target = tmp_path / "mine.csv"
    target.write_text("something else")
    async with new_client() as client:
        report = await client.fetch_report("A")
        mine = await client.resume_report(report.request_id, path=target)
        again = await client.resume_report(report.request_id, path=str(target))

    assert target == mine.path == again.path
    assert digest(report.path) == digest(target)
    assert 2 == simulator.count("file")


async def test_a_path_that_another_has_had_since(new_client, simulator, tmp_path):
    """
    What another request has written to a path is not taken for the first one's report.
    """
    target = tmp_path / "latest.csv"
    async with new_client() as client:
        first = await client.fetch_report("A", path=target)
        wanted = digest(target)
        await client.fetch_report("B", path=target)
        assert wanted != digest(target)
        again = await client.resume_report(first.request_id, path=target)

    assert first == again
    assert wanted == digest(target)


async def test_a_path_in_another_form(new_client, simulator, tmp_path):
    """
    An archive that was kept as it came is not taken for the report in it.
    """
    target, store = tmp_path / "latest", MemoryStore()
    async with new_client(store=store, downloads=Downloads(unpack=False)) as client:
        packed = await client.fetch_report("A", path=target)
    async with new_client(store=store) as client:
        report = await client.resume_report(packed.request_id, path=target)

    assert simulator.digest(report.request_id) == digest(target)
    assert 20 == len(list(report.rows()))


async def test_two_at_once(new_client, simulator):
    """
    Two handles of one request look together and download once.
    """
    async with new_client() as client:
        job = client.request_report("A")
        async for event in job.events():
            if isinstance(event, Accepted):
                break
        resumed = client.resume_report(job.request_id)
        assert await job == await resumed

    assert (1, 1) == (simulator.count("link"), simulator.count("file"))


async def test_unknown_id(new_client, simulator):
    """
    An id that neither store nor server know is not found.
    """
    async with new_client() as client:
        with pytest.raises(RequestNotFound) as excinfo:
            await client.resume_report("no-such-id")

    assert "no-such-id" == excinfo.value.request_id
    assert 1 == simulator.count("status")


async def test_expired(new_client, simulator, clock):
    """
    After 30 days a request that we knew has expired.
    """
    store = MemoryStore()
    async with new_client(store=store) as client:
        report = await client.fetch_report("A")
        report.path.unlink()
        await clock.sleep(timedelta(days=30).total_seconds())
        with pytest.raises(ReportExpired, match="kept 30 days") as excinfo:
            await client.resume_report(report.request_id)

    assert report.request_id == excinfo.value.request_id
    assert isinstance(excinfo.value.__cause__, RequestNotFound)


async def test_forgotten_by_the_server(new_client, simulator):
    """
    A request that we know and the server does not has expired, READY or not.
    """
    simulator.generation("A", 60)
    simulator.never_ready("B")
    async with new_client(timeouts=Timeouts(generation=600)) as client:
        ready = await client.fetch_report("A")
        ready.path.unlink()
        with pytest.raises(ReportTimedOut) as excinfo:
            await client.fetch_report("B")
        for request in simulator.requests:
            simulator.forget(request.request_id)
        for request_id in (ready.request_id, excinfo.value.request_id):
            with pytest.raises(ReportExpired):
                await client.resume_report(request_id)
        statuses = {record.report_type: record.status for record in await client.jobs()}

    assert {"A": JobStatus.EXPIRED, "B": JobStatus.EXPIRED} == statuses


async def test_failed_before(new_client, simulator, clock):
    """
    A request that ended with ERROR is told so at once.
    """
    request_id = simulator.add_request("A", START - timedelta(days=1), status="ERROR")
    async with new_client() as client:
        with pytest.raises(ReportFailed) as excinfo:
            await client.resume_report(request_id)

    assert ("A", request_id) == (excinfo.value.report_type, excinfo.value.request_id)
    assert 0 == clock.monotonic()


async def test_by_who_held_the_hour(new_client, simulator, clock):
    """
    Another program's request that held the hour can be resumed; who waits makes one of its own.
    """
    request_id = simulator.add_request("A", START - timedelta(minutes=30))
    async with new_client() as client:
        job = client.request_report("A")
        async for event in job.events():
            if isinstance(event, Waiting):
                break
        report = await client.resume_report(request_id)
        await job

    assert request_id == report.request_id
    assert 1 == simulator.creates()


def others(simulator, clock, count):
    """Let another program have made so many requests, all READY; return their ids."""
    then = clock.now() - timedelta(hours=2)
    return [simulator.add_request(f"T{i}", then, status="READY") for i in range(count)]


async def everything(client, ids):
    for job in [client.resume_report(name) for name in ids]:
        assert (await job).request_id == job.request_id


@pytest.mark.parametrize(("strict", "looks"), [(False, 5), (True, 28)], ids=["open", "strict"])
async def test_more_than_there_are_calls_for(new_client, clock, strict, looks):
    """
    More unknown ids than there are status calls are read off the list; where that wants a type,
    their calls are waited for. None is refused.
    """
    simulator = Simulator(rules=Rules(strict_list=strict), rows=1)
    ids = others(simulator, clock, 27)
    async with new_client(transport=SimulatorTransport(simulator, clock)) as client:
        await everything(client, ids)
        assert {} == client.statistics().refused

    assert simulator.count("status") + simulator.count("list") <= looks


async def test_not_on_the_list(new_client, simulator, clock):
    """
    What the first pages of the list do not show is asked for by its id; the list is read once.
    """
    old = others(simulator, clock, 22)
    for number in range(120):
        simulator.add_request(f"N{number}", clock.now() - timedelta(hours=1), status="READY")
    async with new_client() as client:
        await everything(client, old)
        assert {} == client.statistics().refused

    assert 1 == simulator.count("list")
    assert 22 == simulator.count("status")


async def test_refused_for_the_budget(new_client, simulator, clock):
    """
    A status call that is refused because another program took the last one is waited for, thrice.
    """
    first, second = others(simulator, clock, 2)
    async with new_client() as client:
        simulator.fail("status", *[429] * 3)
        assert first == (await client.resume_report(first)).request_id
        simulator.fail("status", *[429] * 4)
        with pytest.raises(RateLimited) as excinfo:
            await client.resume_report(second)

    assert second == excinfo.value.request_id


async def test_the_same_twice(new_client, simulator, clock):
    """
    Two handles for one of many ids both have it.
    """
    ids = others(simulator, clock, 24)
    async with new_client() as client:
        await everything(client, [*ids, *ids])
        assert {} == client.statistics().refused
        assert "<Recall, 0 requests are asked for>" == repr(client._open().recall)

    assert simulator.count("list") <= 3
