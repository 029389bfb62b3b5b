"""One request per report type per hour: waited for, raised or reused; rule 3."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import anyio
import anyio.lowlevel
import pytest

from reports_async import (
    Accepted,
    AuthenticationError,
    Filters,
    InvalidRequest,
    ReportFailed,
    RequestLimitExceeded,
    Timeouts,
    TransportError,
    Waiting,
)
from reports_async.testing import Rules, Simulator

pytestmark = pytest.mark.anyio

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
FILTERS = Filters(exclude_columns=["GTIN"])


@pytest.fixture
def simulator(request):
    return Simulator(rows=5, generation=300, rules=getattr(request, "param", Rules()))


async def until(job, kind):
    async for event in job.events():
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind}")


async def origin(job):
    return (await until(job, Accepted)).origin


def gaps(simulator):
    times = [request.submitted_at for request in simulator.requests]
    return [later - earlier for earlier, later in pairwise(times)]


async def test_hour(new_client, simulator, clock):
    """
    A second request of a type waits until the hour opens, and goes out then.
    """
    simulator.generation("A", 60)
    async with new_client() as client:
        await client.fetch_report("A")
        job = client.request_report("A")
        waiting = await until(job, Waiting)
        await until(job, Accepted)

    assert START + HOUR == waiting.until
    assert HOUR <= gaps(simulator)[0] < HOUR + timedelta(seconds=2)
    assert 0 == simulator.count("create", 429)


async def test_hour_from_the_reply(new_client, simulator):
    """
    The hour counts from the arrival of the create's reply: late by its travel, never early.
    """
    simulator.delay("create", 20)
    async with new_client() as client:
        await until(client.request_report("A"), Accepted)
        with pytest.raises(RequestLimitExceeded) as excinfo:
            await client.fetch_report("A", fresh=True, on_limit="raise")

    assert START + HOUR + timedelta(seconds=20) == excinfo.value.retry_at


async def test_types_do_not_wait(new_client, simulator, clock):
    """
    Types do not wait for each other.
    """
    async with new_client() as client:
        jobs = [client.request_report(name) for name in ("A", "B", "C")]
        origins = [await origin(job) for job in jobs]

    assert ["created"] * 3 == origins
    assert clock.monotonic() < 1


async def test_raise(new_client, simulator, clock):
    """
    With `on_limit="raise"` a taken hour is told at once, with its opening time.
    """
    async with new_client() as client:
        await until(client.request_report("A"), Accepted)
        with pytest.raises(RequestLimitExceeded, match="one request per report type per") as info:
            await client.fetch_report("A", version="v2", on_limit="raise")

    assert ("A", START + HOUR) == (info.value.report_type, info.value.retry_at)
    assert clock.monotonic() < 1
    assert 1 == simulator.count("create")


async def test_raise_joins(new_client, simulator):
    """
    What is in flight is joined before anything is raised.
    """
    async with new_client() as client:
        await until(client.request_report("A"), Accepted)
        assert "joined" == await origin(client.request_report("A", on_limit="raise"))


async def test_reuse(new_client, simulator):
    """
    With `on_limit="reuse"` the request that holds the hour is taken, if it is the same.
    """
    simulator.generation("A", 60)
    async with new_client() as client:
        report = await client.fetch_report("A")
        again = client.request_report("A", on_limit="reuse")

        assert "reused" == await origin(again)
        assert report == await again
        for other in ({"version": "v2"}, {"filters": FILTERS}):
            with pytest.raises(RequestLimitExceeded):
                await client.fetch_report("A", on_limit="reuse", **other)

    assert 1 == simulator.count("create")


async def test_reuse_while_it_is_made(new_client, simulator):
    """
    The holder may still be on its way to its id: then that is waited for.
    """
    simulator.delay("create", 5)
    async with new_client() as client:
        first = client.request_report("A")
        while not simulator.requests:
            await anyio.lowlevel.checkpoint()
        second = client.request_report("A", on_limit="reuse", fresh=True)
        assert "joined" == await origin(second)
        assert await first == await second


async def test_reuse_not_failed(new_client, simulator):
    """
    A holder that has failed is not reused.
    """
    simulator.generation("A", 60)
    simulator.fail_generation("A")
    async with new_client() as client:
        with pytest.raises(ReportFailed):
            await client.fetch_report("A")
        with pytest.raises(RequestLimitExceeded):
            await client.fetch_report("A", on_limit="reuse")


async def test_reuse_after_the_hour(new_client, simulator, clock):
    """
    Nothing holds an hour that is over: a new request is made.
    """
    async with new_client() as client:
        report = await client.fetch_report("A")
        await clock.sleep(3600)
        again = await client.fetch_report("A", on_limit="reuse")

    assert report.request_id != again.request_id


async def test_quota_limit(new_client, simulator, clock):
    """
    The wait for the hour has a limit of its own; over it, the opening time is told.
    """
    async with new_client(timeouts=Timeouts(quota=1000)) as client:
        await until(client.request_report("A"), Accepted)
        with pytest.raises(
            RequestLimitExceeded, match=r"longer wait by Timeouts\(quota="
        ) as excinfo:
            await client.fetch_report("A", fresh=True)
        with pytest.raises(RequestLimitExceeded, match="or with on_limit='wait'"):
            await client.fetch_report("A", fresh=True, on_limit="raise")

    assert START + HOUR == excinfo.value.retry_at
    assert 1000 == pytest.approx(clock.monotonic())


async def test_quota_limit_not_reached(new_client, simulator):
    """
    A limit that is longer than the wait changes nothing.
    """
    async with new_client(timeouts=Timeouts(quota=timedelta(hours=2))) as client:
        await client.fetch_report("A")
        await client.fetch_report("A")

    assert 2 == simulator.creates()


async def test_clock_set_forward(new_client, simulator, clock):
    """
    A wait survives a clock that is set: it looks at least once a minute.
    """
    async with new_client() as client:
        await until(client.request_report("A"), Accepted)
        second = client.request_report("A", fresh=True)
        await until(second, Waiting)
        clock.jump(3000)
        await until(second, Accepted)

    assert clock.monotonic() < 700
    assert HOUR <= gaps(simulator)[0]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 415])
async def test_refused(new_client, simulator, clock, status):
    """
    A create that was definitely refused gives the hour back: nothing was made.
    """
    simulator.fail("create", status, times=2)
    async with new_client() as client:
        with pytest.raises((InvalidRequest, AuthenticationError)) as excinfo:
            await client.fetch_report("A")
        simulator.heal()
        records = await client.jobs()
        await until(client.request_report("A"), Accepted)

    assert ("A", status) == (excinfo.value.report_type, excinfo.value.status)
    assert [] == records
    assert clock.monotonic() < 1


@pytest.mark.parametrize(
    "simulator", [Rules(credentials={"id": "another"})], indirect=True, ids=["refused"]
)
async def test_bad_credentials(new_client, simulator):
    """
    Refused credentials give the hour back as well: the create call was never made.
    """
    async with new_client() as client:
        with pytest.raises(AuthenticationError):
            await client.fetch_report("A")
        records = await client.jobs()

    assert [] == records
    assert 0 == simulator.count("create")


async def test_no_token(new_client, simulator):
    """
    A token call that nobody answers is no create call: the hour is given back at once.
    """
    simulator.fail("token", "refuse", times=10)
    async with new_client() as client:
        with pytest.raises(TransportError):
            await client.fetch_report("A")
        records = await client.jobs()

    assert [] == records
    assert 0 == simulator.count("create")


async def test_waits_through_another_failure(new_client, simulator, clock):
    """
    An hour that is given back is taken by who waits for it, without waiting to its end.
    """
    simulator.fail("create", 400)
    simulator.delay("token", 20)
    async with new_client() as client:
        refused = client.request_report("A")
        await clock.sleep(1)
        waiting = client.request_report("A", version="v2")
        with pytest.raises(InvalidRequest):
            await refused
        accepted = await until(waiting, Accepted)

    assert START + timedelta(minutes=2) > accepted.submitted_at
