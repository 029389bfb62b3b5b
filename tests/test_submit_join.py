"""Two requests for the same thing: what is in flight is joined; rule 1."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import anyio
import anyio.lowlevel
import pytest

from reports_async import (
    Accepted,
    Credentials,
    DownloadError,
    Filters,
    InvalidRequest,
    ReportFailed,
    ReportsClient,
    ReportTimedOut,
    RequestLimitExceeded,
    Timeouts,
)
from reports_async.stores import MemoryStore
from reports_async.testing import Rules, Simulator, SimulatorTransport

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


async def test_joined(new_client, simulator):
    """
    An identical request in flight is joined, also while its create call is on its way.
    """
    simulator.delay("create", 5)
    async with new_client() as client:
        jobs = [client.request_report("A", filters=FILTERS) for _ in range(2)]
        origins = {await origin(job) for job in jobs}
        late = client.request_report("A", filters=Filters(exclude_columns=["GTIN", "GTIN"]))
        origins.add(await origin(late))
        reports = {await job for job in [*jobs, late]}

    assert {"created", "joined"} == origins
    assert (1, 1) == (len(reports), simulator.creates())


async def test_joined_through_the_store(new_client, simulator, tmp_path):
    """
    Two clients that share a store make one request together, and each its own file.
    """
    store = MemoryStore()
    async with (
        new_client(store=store) as client,
        anyio.create_task_group() as group,
        new_client(store=store, directory=tmp_path / "other") as other,
    ):
        jobs = [client.request_report("A"), other.request_report("A")]
        reports = [await job for job in jobs]
        group.cancel_scope.cancel()

    assert 1 == simulator.creates()
    assert reports[0].request_id == reports[1].request_id
    assert reports[0].path != reports[1].path


@pytest.mark.parametrize(
    "other", [{"version": "v2"}, {"filters": FILTERS}, {"fresh": True}], ids=str
)
async def test_not_identical(new_client, simulator, other):
    """
    Another version, other filters or a fresh one are other requests: they wait for the hour.
    """
    async with new_client() as client:
        first = client.request_report("A")
        await until(first, Accepted)
        second = client.request_report("A", **other)
        reports = [await first, await second]

    assert 2 == len({report.request_id for report in reports})
    assert HOUR <= gaps(simulator)[0] < HOUR + timedelta(seconds=5)
    assert 0 == simulator.count("create", 429)


async def test_too_old_to_join(new_client, simulator, clock):
    """
    A request that is older than the generation limit is not joined; it goes on by resuming only.
    """
    simulator.never_ready("A")
    store = MemoryStore()
    async with new_client(store=store, timeouts=Timeouts(generation=3600)) as client:
        first = client.request_report("A")
        await until(first, Accepted)
        await clock.sleep(3590)
        joined = client.request_report("A")
        assert "joined" == await origin(joined)
        for job in (first, joined):
            with pytest.raises(ReportTimedOut):
                await job
        third = client.request_report("A")
        assert "created" == await origin(third)

    assert 2 == simulator.creates()


async def test_limit_runs_from_the_wait(new_client, simulator, clock):
    """
    The generation limit runs from when a handle starts to wait, not from the submission.
    """
    simulator.never_ready("A")
    async with new_client(timeouts=Timeouts(generation=3600)) as client:
        first = client.request_report("A")
        await until(first, Accepted)
        await clock.sleep(3000)
        began = clock.monotonic()
        with pytest.raises(ReportTimedOut) as excinfo:
            await client.fetch_report("A")
        waited = clock.monotonic() - began

    assert 3600 == excinfo.value.waited == pytest.approx(waited)
    assert 1 == simulator.creates()


@pytest.mark.parametrize("order", ["generation", "fail_generation"])
async def test_ended_is_not_joined(new_client, simulator, order):
    """
    A request that has ended, well or badly, is not joined.
    """
    simulator.generation("A", 60)
    if order == "fail_generation":
        simulator.fail_generation("A")
    async with new_client() as client:
        first = client.request_report("A")
        with suppress(ReportFailed):
            await first
        second = client.request_report("A")
        assert "created" == await origin(second)

    assert HOUR <= gaps(simulator)[0]


@pytest.mark.parametrize("market", ["global-ca", "mx"])
async def test_other_country(new_client, simulator, market):
    """
    One key pair may serve several countries: a report of one is not the other's.
    """
    store = MemoryStore()
    async with (
        new_client(store=store, market="us") as home,
        new_client(store=store, market=market) as away,
    ):
        reports = {(await client.fetch_report("ITEM")).request_id for client in (home, away)}
        markets = {record.market for record in await away.jobs()}

    assert (2, 2) == (len(reports), simulator.creates())
    assert {market} == markets


async def test_other_account(new_client, simulator, clock, tmp_path):
    """
    Another account has hours and requests of its own, in the same store as well.
    """
    store = MemoryStore()
    other = ReportsClient(
        Credentials("other", "secret"),
        market="mx",
        directory=tmp_path,
        store=store,
        transport=SimulatorTransport(simulator, clock),
        clock=clock,
    )
    async with new_client(store=store) as client, other:
        jobs = [client.request_report("A"), other.request_report("A")]
        origins = [await origin(job) for job in jobs]

    assert ["created", "created"] == origins
    assert clock.monotonic() < 1


async def test_joined_to_a_refused_one(new_client, simulator):
    """
    Who joined a request that was then refused makes its own, and gets its own answer.
    """
    simulator.delay("token", 5)
    simulator.fail("create", 400)
    async with new_client() as client:
        jobs = [client.request_report("A") for _ in range(2)]
        outcomes = []
        for job in jobs:
            try:
                outcomes.append(await job)
            except InvalidRequest as exc:
                outcomes.append(exc)

    assert 1 == sum(isinstance(outcome, InvalidRequest) for outcome in outcomes)
    assert 1 == simulator.creates()


async def test_unfinished_download_is_joined(new_client, simulator):
    """
    A report that is READY and could not be saved is still in flight: asking again fetches it.
    """
    simulator.fail("file", 404, times=2)
    async with new_client() as client:
        with pytest.raises(DownloadError):
            await client.fetch_report("A")
        simulator.heal()
        report = await client.fetch_report("A")

    assert report.path.exists()
    assert 1 == simulator.creates()


async def test_no_patience(new_client, simulator):
    """
    A generation limit of zero is no missing limit: nothing in flight is young enough to be joined.
    """
    async with new_client() as client:
        first = client.request_report("A")
        await until(first, Accepted)
        async with new_client(store=client._store, timeouts=Timeouts(generation=0)) as other:
            with pytest.raises(RequestLimitExceeded):
                await other.fetch_report("A", on_limit="raise")
