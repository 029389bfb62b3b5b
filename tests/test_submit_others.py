"""The hour that another program has used: when it opens, by whichever clock; rule 4, first half."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
import anyio.lowlevel
import pytest
from attrs import evolve

from reports_async import Accepted, Filters, InvalidRequest, RequestLimitExceeded, Timeouts, Waiting
from reports_async.stores import MemoryStore
from reports_async.testing import LoopClock, Rules, Simulator, SimulatorTransport

pytestmark = pytest.mark.anyio

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
AGO = timedelta(minutes=20)
SKEWS = [timedelta(hours=-1), timedelta(0), timedelta(minutes=7), timedelta(hours=1)]


@pytest.fixture
def simulator(request):
    return Simulator(rows=5, generation=60, rules=getattr(request, "param", Rules()))


async def until(job, kind):
    async for event in job.events():
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind}")


def near(expected, actual):
    return abs(expected - actual) < timedelta(minutes=2)


class Silent(SimulatorTransport):
    """A server that never sends a Date."""

    async def send(self, request, *, timeout):
        response = await super().send(request, timeout=timeout)
        headers = {name: value for name, value in response.headers.items() if name != "date"}
        return evolve(response, headers=headers)


@pytest.mark.parametrize("skew", SKEWS, ids=str)
async def test_raise(new_client, simulator, skew):
    """
    A 429 on create means another program's request: the list tells when the hour opens.
    """
    simulator.add_request("A", START + skew - AGO)
    transport = SimulatorTransport(simulator, LoopClock(START + skew))
    async with new_client(transport=transport) as client:
        with pytest.raises(RequestLimitExceeded) as excinfo:
            await client.fetch_report("A", on_limit="raise")
        again = simulator.count("create")
        with pytest.raises(RequestLimitExceeded):
            await client.fetch_report("A", on_limit="raise")

    assert near(START - AGO + HOUR, excinfo.value.retry_at)
    assert again == simulator.count("create") == 1


@pytest.mark.parametrize("skew", SKEWS, ids=str)
async def test_wait(new_client, simulator, skew):
    """
    The wait is right within two minutes, however far the clocks are apart; no 429 is earned twice.
    """
    simulator.add_request("A", START + skew - AGO)
    transport = SimulatorTransport(simulator, LoopClock(START + skew))
    async with new_client(transport=transport) as client:
        job = client.request_report("A")
        waiting = await until(job, Waiting)
        accepted = await until(job, Accepted)

    assert near(START - AGO + HOUR, waiting.until)
    assert near(START - AGO + HOUR, accepted.submitted_at)
    assert (1, 1) == (simulator.creates(), simulator.count("create", 429))


@pytest.mark.parametrize("skew", SKEWS, ids=str)
async def test_no_date(new_client, simulator, clock, skew):
    """
    A server without a Date header tells its time by our own submissions.
    """
    transport = Silent(simulator, LoopClock(START + skew))
    async with new_client(transport=transport) as client:
        await until(client.request_report("OTHER"), Accepted)
        simulator.add_request("A", START + skew - AGO)
        with pytest.raises(RequestLimitExceeded) as excinfo:
            await client.fetch_report("A", on_limit="raise")

    assert near(START - AGO + HOUR, excinfo.value.retry_at)


async def test_slow_calls(new_client, simulator, clock):
    """
    Slow replies blur the server's clock: the wait is longer by the doubt, no second 429 is earned.
    """
    for endpoint in ("token", "create", "list"):
        simulator.delay(endpoint, 25, times=1)
    simulator.add_request("A", START - AGO)
    async with new_client() as client:
        await until(client.request_report("A"), Accepted)

    assert (1, 1) == (simulator.creates(), simulator.count("create", 429))


async def test_reuse(new_client, simulator):
    """
    With `on_limit="reuse"` another program's request is taken where it is the same.
    """
    request_id = simulator.add_request("A", START - AGO)
    async with new_client() as client:
        report = await client.fetch_report("A", on_limit="reuse")

    assert request_id == report.request_id
    assert 0 == simulator.creates()


@pytest.mark.parametrize(
    "other", [{"version": "v2"}, {"filters": Filters(exclude_columns=["SKU"])}], ids=str
)
async def test_reuse_only_the_same(new_client, simulator, other):
    """
    Another version or other filters are not the same: then the opening time is raised.
    """
    simulator.add_request("A", START - AGO)
    async with new_client() as client:
        with pytest.raises(RequestLimitExceeded) as excinfo:
            await client.fetch_report("A", on_limit="reuse", **other)

    assert near(START - AGO + HOUR, excinfo.value.retry_at)


async def test_not_joined(new_client, simulator):
    """
    Another program's request holds the hour; it is not joined by who wants a report of his own.
    """
    request_id = simulator.add_request("A", START - AGO)
    async with new_client() as client:
        report = await client.fetch_report("A")

    assert request_id != report.request_id
    assert 1 == simulator.creates()


@pytest.mark.parametrize("simulator", [Rules(list_lag=90)], indirect=True, ids=["lag"])
async def test_list_lags(new_client, simulator):
    """
    A list that does not show the request yet is asked again, at a growing distance.
    """
    simulator.add_request("A", START - timedelta(seconds=1))
    async with new_client() as client:
        job = client.request_report("A")
        accepted = await until(job, Accepted)

    assert near(START + HOUR, accepted.submitted_at)
    assert simulator.count("create", 429) < 6
    assert 1 == simulator.creates()


@pytest.mark.parametrize("simulator", [Rules(list_lag=7200)], indirect=True, ids=["lag"])
async def test_nobody_tells(new_client, simulator):
    """
    Where nobody tells, the worst is raised: an hour from now.
    """
    simulator.add_request("A", START - AGO)
    async with new_client() as client:
        with pytest.raises(RequestLimitExceeded) as excinfo:
            await client.fetch_report("A", on_limit="raise")
        records = await client.jobs()

    assert near(START + HOUR, excinfo.value.retry_at)
    assert [] == records


@pytest.mark.parametrize(
    "simulator", [Rules(list_lag=7200, hourly_retry_after=True)], indirect=True, ids=["told"]
)
async def test_the_refusal_tells(new_client, simulator):
    """
    A refusal that says when to come back is believed where the list is silent.
    """
    simulator.add_request("A", START - AGO)
    async with new_client() as client:
        with pytest.raises(RequestLimitExceeded) as excinfo:
            await client.fetch_report("A", on_limit="raise")

    assert near(START - AGO + HOUR, excinfo.value.retry_at)


@pytest.mark.parametrize("status", [500, 429, "refuse"])
async def test_no_list(new_client, simulator, status):
    """
    A list that cannot be had now is waited for; the hour is not lost meanwhile.
    """
    simulator.add_request("A", START - AGO)
    simulator.fail("list", status)
    async with new_client() as client:
        accepted = await until(client.request_report("A"), Accepted)

    assert near(START - AGO + HOUR, accepted.submitted_at)
    assert 1 == simulator.creates()


async def test_list_refused(new_client, simulator):
    """
    A list that is refused is told; the hour that was reserved for nothing is given back.
    """
    simulator.add_request("A", START - AGO)
    simulator.fail("list", 400)
    async with new_client() as client:
        with pytest.raises(InvalidRequest):
            await client.fetch_report("A")
        assert [] == await client.jobs()


async def test_cancelled_meanwhile(new_client, simulator):
    """
    Cancelled while the list is asked, a job leaves no reservation behind.
    """
    simulator.add_request("A", START - AGO)
    simulator.delay("list", 25)
    async with new_client() as client:
        job = client.request_report("A")
        while not simulator.count("list"):
            await anyio.lowlevel.checkpoint()
        job.cancel()
        await anyio.wait_all_tasks_blocked()
        assert job.done
        assert [] == await client.jobs()


async def test_own_hour_was_too_short(new_client, simulator, clock):
    """
    A clock that was set forward opens our own hour too early: the list corrects it.
    """
    async with new_client() as client:
        await until(client.request_report("A"), Accepted)
        clock.jump(3600)
        # The server's clock was not set: it counts on.
        client._transport._clock = Behind(clock)
        fresh = client.request_report("A", fresh=True)
        accepted = await until(fresh, Accepted)

    assert near(START + 2 * HOUR, accepted.submitted_at)
    assert (2, 1) == (simulator.creates(), simulator.count("create", 429))


class Behind:
    def __init__(self, clock):
        self._clock = clock
        self.monotonic, self.sleep = clock.monotonic, clock.sleep

    def now(self):
        return self._clock.now() - HOUR


async def test_limit_of_the_wait(new_client, simulator):
    """
    The quota limit covers the hour of others as well.
    """
    simulator.add_request("A", START - AGO)
    async with new_client(timeouts=Timeouts(quota=600)) as client:
        with pytest.raises(RequestLimitExceeded) as excinfo:
            await client.fetch_report("A")

    assert near(START - AGO + HOUR, excinfo.value.retry_at)


async def test_everyone_learns(new_client, simulator):
    """
    What one client found out about the hour, all who share the store know.
    """
    store = MemoryStore()
    simulator.add_request("A", START - AGO)
    for _ in range(3):
        async with new_client(store=store) as client:
            with pytest.raises(RequestLimitExceeded):
                await client.fetch_report("A", on_limit="raise")

    assert 1 == simulator.count("create")
