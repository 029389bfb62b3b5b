"""A create call without an answer: found in the list, never sent again blindly; rule 4."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import anyio
import anyio.lowlevel
import pytest

from reports_async import (
    Accepted,
    EnumFilter,
    Filters,
    InvalidRequest,
    JobStatus,
    Reserved,
    Timeouts,
    TransportError,
    Uncertain,
    Waiting,
)
from reports_async.stores import MemoryStore
from reports_async.testing import LoopClock, Rules, Simulator, SimulatorTransport

pytestmark = pytest.mark.anyio

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)

ACTED = ["lose", "hang", "cut", "html", "empty"]
ERRORS = [500, 502, 503, 504, 520, 408]


@pytest.fixture
def simulator(request):
    return Simulator(rows=5, generation=60, rules=getattr(request, "param", Rules()))


async def until(job, kind):
    async for event in job.events():
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind}")


def gaps(simulator):
    times = [request.submitted_at for request in simulator.requests]
    return [later - earlier for earlier, later in pairwise(times)]


# -- the server has acted -----------------------------------------------------------------------


@pytest.mark.parametrize("answer", ACTED + ERRORS)
async def test_adopted(new_client, simulator, answer):
    """
    Whatever befell the reply, the request is found in the list; no second create goes out.
    """
    simulator.fail("create", answer, after_acting=True)
    async with new_client() as client:
        job = client.request_report("A")
        accepted = await until(job, Accepted)
        report = await job

    assert "adopted" == accepted.origin
    assert simulator.requests[0].request_id == report.request_id
    assert 1 == simulator.count("create") == len(simulator.requests)
    assert accepted.submitted_at < START + MINUTE


async def test_late_reply(new_client, simulator):
    """
    A reply that comes after the limit of a call is a lost one: its request is found.
    """
    simulator.delay("create", 45)
    async with new_client(timeouts=Timeouts(call=20)) as client:
        job = client.request_report("A")
        uncertain = await until(job, Uncertain)
        accepted = await until(job, Accepted)

    assert "No answer within 20 s" in uncertain.reason
    assert "adopted" == accepted.origin
    assert 1 == simulator.count("create")


@pytest.mark.parametrize(
    "simulator",
    [Rules(list_lag=lag) for lag in (20, 120, 290)],
    indirect=True,
    ids=["20 s", "2 minutes", "5 minutes"],
)
async def test_list_lags(new_client, simulator):
    """
    The list may lag for minutes: it is asked for at least five of them before anything else.
    """
    simulator.fail("create", "lose")
    async with new_client() as client:
        job = client.request_report("A")
        accepted = await until(job, Accepted)
        await job

    assert "adopted" == accepted.origin
    assert 1 == simulator.count("create")
    assert 0 == simulator.count("list", 429)


@pytest.mark.parametrize("simulator", [Rules(list_lag=900)], indirect=True, ids=["15 minutes"])
async def test_list_lags_longer(new_client, simulator):
    """
    If it lags for longer, one create more goes out, and its 429 proves that the first was made.
    """
    simulator.fail("create", "lose")
    async with new_client() as client:
        job = client.request_report("A")
        accepted = await until(job, Accepted)
        await job

    assert "adopted" == accepted.origin
    assert (1, 1, 2) == (
        simulator.creates(),
        simulator.count("create", 429),
        simulator.count("create"),
    )


@pytest.mark.parametrize("skew", [timedelta(hours=-1), timedelta(hours=1)], ids=str)
async def test_clocks_apart(new_client, simulator, skew):
    """
    What is new is told by the server's clock, however far it is from ours.
    """
    simulator.add_request("A", START + skew - timedelta(hours=2))
    simulator.fail("create", "lose")
    transport = SimulatorTransport(simulator, LoopClock(START + skew))
    async with new_client(transport=transport) as client:
        job = client.request_report("A")
        accepted = await until(job, Accepted)
        fresh = await until(client.request_report("A", fresh=True), Accepted)

    assert "adopted" == accepted.origin
    assert abs(accepted.submitted_at - START) < MINUTE
    assert HOUR <= gaps(simulator)[-1] < HOUR + MINUTE
    assert fresh.submitted_at > accepted.submitted_at
    assert 0 == simulator.count("create", 429)


async def test_who_else_waits(new_client, simulator):
    """
    Those who joined wait for what the search finds; others wait for the hour.
    """
    simulator.fail("create", "hang")
    async with new_client() as client:
        first = client.request_report("A")
        await until(first, Reserved)
        joined, other = client.request_report("A"), client.request_report("A", version="v2")
        reports = [await first, await joined, await other]

    assert reports[0] == reports[1]
    assert reports[0].request_id != reports[2].request_id
    assert HOUR <= gaps(simulator)[0]
    assert 0 == simulator.count("create", 429)


async def test_filters_tell(new_client, simulator):
    """
    Where the list tells the filters, a request with others is not taken for ours.
    """
    filters = Filters(rows=[EnumFilter("SKU", ["1"])])
    simulator.fail("create", "lose")
    async with new_client() as client:
        job = client.request_report("A", filters=filters)
        while not simulator.requests:
            await anyio.lowlevel.checkpoint()
        simulator.add_request("A", START, src="API", payload={"excludeColumns": ["SKU"]})
        report = await job

    assert simulator.requests[0].request_id == report.request_id


@pytest.mark.parametrize("fault", [500, 429, "refuse"])
async def test_list_fails(new_client, simulator, fault):
    """
    A list that cannot be had now proves nothing: it is asked again.
    """
    simulator.fail("create", "lose")
    simulator.fail("list", fault, times=4)
    async with new_client() as client:
        job = client.request_report("A")
        accepted = await until(job, Accepted)

    assert "adopted" == accepted.origin
    assert 1 == simulator.count("create")


# -- the server has not acted -------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["refuse", *ERRORS])
async def test_surely_absent(new_client, simulator, answer):
    """
    What is surely absent is sent once more, five minutes later, under the same reservation.
    """
    simulator.fail("create", answer)
    async with new_client() as client:
        job = client.request_report("A")
        accepted = await until(job, Accepted)
        events = [event async for event in job.events()]

    assert "created" == accepted.origin
    assert (1, 2) == (simulator.creates(), simulator.count("create"))
    assert START + 5 * MINUTE <= accepted.submitted_at < START + 8 * MINUTE
    assert 1 == sum(isinstance(event, Reserved) for event in events)


async def test_second_is_lost_too(new_client, simulator):
    """
    A second create without an answer is looked for in the same way, and found.
    """
    simulator.fail("create", "refuse", "lose")
    async with new_client() as client:
        accepted = await until(client.request_report("A"), Accepted)

    assert "adopted" == accepted.origin
    assert (1, 2) == (simulator.creates(), simulator.count("create"))


async def test_hour_of_the_second(new_client, simulator, clock):
    """
    The hour counts from the second create, if that is the one that was made.
    """
    simulator.fail("create", "refuse", "lose")
    async with new_client() as client:
        job = client.request_report("A")
        while not simulator.requests:
            await clock.sleep(1)
        job.cancel()
        other = client.request_report("A", version="v2")
        await until(other, Accepted)

    assert HOUR <= gaps(simulator)[0]
    assert 0 == simulator.count("create", 429)


async def test_given_up(new_client, simulator):
    """
    After a second create without a trace the caller is told; the hour stays reserved, and asking
    again goes on where this ended.
    """
    simulator.fail("create", "refuse", 503)
    async with new_client() as client:
        with pytest.raises(TransportError, match="had no answer, and the server's list") as info:
            await client.fetch_report("A")
        records = await client.jobs()
        job = client.request_report("A")
        accepted = await until(job, Accepted)

    assert "A" == info.value.report_type
    assert info.value.__cause__ is not None
    assert [(JobStatus.RESERVED, None)] == [(one.status, one.request_id) for one in records]
    assert "created" == accepted.origin
    assert (1, 3) == (simulator.creates(), simulator.count("create"))


@pytest.mark.parametrize("simulator", [Rules(list_lag=90_000)], indirect=True, ids=["never"])
async def test_proven_but_never_listed(new_client, simulator):
    """
    A request that was surely made and is never listed is looked for until its hour is over.
    """
    simulator.fail("create", "lose")
    async with new_client() as client:
        accepted = await until(client.request_report("A"), Accepted)

    assert "created" == accepted.origin
    assert HOUR <= gaps(simulator)[0]
    assert (2, 1) == (simulator.creates(), simulator.count("create", 429))


async def test_no_list_at_all(new_client, simulator, clock):
    """
    Without the list nothing is known: after about an hour of looking the caller is told so.
    """
    simulator.fail("create", "lose")
    simulator.fail("list", 500, times=1000)
    async with new_client() as client:
        with pytest.raises(TransportError, match="The hour stays reserved"):
            await client.fetch_report("A")

    assert 1 == simulator.count("create")
    assert 1800 < clock.monotonic()


async def test_second_is_refused(new_client, simulator):
    """
    A second create that is definitely refused gives the hour back.
    """
    simulator.fail("create", "refuse", 400)
    async with new_client() as client:
        with pytest.raises(InvalidRequest):
            await client.fetch_report("A")
        assert [] == await client.jobs()


# -- somebody else has acted --------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["refuse", 500])
async def test_hour_taken_meanwhile(new_client, simulator, answer):
    """
    A request of Seller Center is not taken for ours: its hour is waited for.
    """
    simulator.fail("create", answer)
    async with new_client() as client:
        job = client.request_report("A")
        await until(job, Uncertain)
        simulator.add_request("A", START + timedelta(seconds=1), src="SC")
        waiting = await until(job, Waiting)
        accepted = await until(job, Accepted)

    assert abs(START + HOUR - waiting.until) < MINUTE
    assert "created" == accepted.origin
    assert HOUR <= gaps(simulator)[0]
    assert (1, 0) == (simulator.creates(), simulator.count("create", 429))


async def test_lost_refusal(new_client, simulator):
    """
    A 429 may be lost, too: then the list tells whose hour it is.
    """
    simulator.add_request("A", START - 20 * MINUTE)
    simulator.fail("create", "lose")
    async with new_client() as client:
        accepted = await until(client.request_report("A"), Accepted)

    assert abs(START + 40 * MINUTE - accepted.submitted_at) < MINUTE
    assert (1, 2) == (simulator.creates(), simulator.count("create"))


# -- who searches -------------------------------------------------------------------------------


async def test_searcher_is_cancelled(new_client, simulator):
    """
    When who searches is cancelled, who waits beside it goes on as soon as its lease is over.
    """
    simulator.fail("create", "lose")
    simulator.fail("list", 500, times=3)
    async with new_client() as client:
        first = client.request_report("A")
        await until(first, Uncertain)
        second = client.request_report("A")
        first.cancel()
        accepted = await until(second, Accepted)

    assert "adopted" == accepted.origin
    assert accepted.at < START + 4 * MINUTE
    assert 1 == simulator.count("create")


async def test_given_back_late(new_client, simulator, clock):
    """
    A reservation whose hour ended during the search is given back: its second create is a new one.
    """
    simulator.fail("create", "refuse")
    store = MemoryStore()
    async with new_client(store=store) as client:
        job = client.request_report("A")
        await until(job, Uncertain)
        job.cancel()
        await clock.sleep(3500)
        job = client.request_report("A")
        accepted = await until(job, Accepted)
        events = [event async for event in job.events()]

    assert "created" == accepted.origin
    assert 2 == simulator.count("create")
    assert 1 == sum(isinstance(event, Reserved) for event in events)
