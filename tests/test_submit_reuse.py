"""Two requests for the same thing: what is young enough is reused; rule 2."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from reports_async import (
    Accepted,
    EnumFilter,
    Filters,
    Progressed,
)
from reports_async.abc import HTTPResponse
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


async def test_max_age_from_the_store(new_client, simulator):
    """
    With `max_age` an identical report that is young enough is reused: no call is made.
    """
    async with new_client() as client:
        report = await client.fetch_report("A")
        calls = len(simulator.calls)
        again = await client.fetch_report("A", max_age=timedelta(hours=12))
        report.path.unlink()
        anew = await client.fetch_report("A", max_age=86400)

    assert report == again == anew
    assert ["link", "file"] == [call.endpoint for call in simulator.calls[calls:]]


async def test_max_age_joins_nothing_old(new_client, simulator, clock):
    """
    What is older than `max_age` is not reused.
    """
    async with new_client() as client:
        report = await client.fetch_report("A")
        await clock.sleep(7200)
        again = await client.fetch_report("A", max_age=3600)

    assert report.request_id != again.request_id


async def test_max_age_running(new_client, simulator):
    """
    A request that is still running is reused as well, even if `fresh` keeps it from being joined.
    """
    async with new_client() as client:
        first = client.request_report("A")
        await until(first, Progressed)
        second = client.request_report("A", max_age=600, fresh=True)
        assert "reused" == await origin(second)
        assert await first == await second


async def test_max_age_from_the_list(new_client, simulator, clock):
    """
    What the store does not know, the server's own list does: no create call, no quota.
    """
    simulator.add_request("A", START - timedelta(hours=7), status="READY")
    young = simulator.add_request("A", START - timedelta(hours=5), status="READY")
    simulator.add_request("A", START - timedelta(hours=1), status="ERROR")
    simulator.add_request("A", START - timedelta(minutes=90), version="v2", status="READY")
    simulator.add_request("A", START - timedelta(minutes=95), payload={"excludeColumns": ["SKU"]})
    async with new_client() as client:
        job = client.request_report("A", max_age=timedelta(hours=6))
        assert "reused" == await origin(job)
        report = await job

    assert young == report.request_id
    assert START - timedelta(hours=5) == report.submitted_at
    assert (0, 1) == (simulator.creates(), simulator.count("list"))


async def test_max_age_too_old_in_the_list(new_client, simulator):
    """
    What is older than `max_age` in the list is not taken either.
    """
    old = simulator.add_request("A", START - timedelta(hours=7), status="READY")
    async with new_client() as client:
        report = await client.fetch_report("A", max_age=timedelta(hours=6))

    assert old != report.request_id
    assert 1 == simulator.creates()


async def test_max_age_payload(new_client, simulator):
    """
    A list entry is identical to a filtered report only when its payload says so.
    """
    simulator.add_request("A", START - timedelta(hours=1), status="READY")
    payload = {"rowFilters": [{"type": "enumFilter", "columnName": "SKU", "values": ["1", "2"]}]}
    same = simulator.add_request("A", START - timedelta(hours=2), status="READY", payload=payload)
    filters = Filters(rows=[EnumFilter("SKU", ["2", "1"])])
    async with new_client() as client:
        report = await client.fetch_report("A", max_age=86400, filters=filters)

    assert same == report.request_id


@pytest.mark.parametrize("simulator", [Rules(echo_payload=False)], indirect=True, ids=["silent"])
async def test_max_age_own_filters(new_client, simulator):
    """
    A list that hides the filters does not hide those of our own requests from us.
    """
    store = MemoryStore()
    async with new_client(store=store) as client:
        filtered = await client.fetch_report("A", filters=FILTERS)
        whole = await client.fetch_report("A", max_age=86400)

    assert filtered.request_id != whole.request_id
    assert "GTIN" not in filtered.path.read_text().partition("\n")[0]
    assert 2 == simulator.creates()


@pytest.mark.parametrize(
    "simulator", [Rules(max_page_limit=2, empty_page=True)], indirect=True, ids=["pages"]
)
async def test_max_age_pages(new_client, simulator):
    """
    All pages are read as far as they are young enough, and no further.
    """
    for number in range(20):
        simulator.add_request("A", START - timedelta(hours=2 + number), version="v2")
    young = simulator.add_request("A", START - timedelta(hours=6, minutes=30), status="READY")
    async with new_client() as client:
        report = await client.fetch_report("A", max_age=timedelta(hours=8))
        found = simulator.count("list")
        await client.fetch_report("A", max_age=timedelta(hours=5), fresh=True)

    assert young == report.request_id
    assert 3 == found


@pytest.mark.parametrize(
    "simulator", [Rules(max_page_limit=1, repeat_cursor=True)], indirect=True, ids=["repeats"]
)
async def test_max_age_repeated_cursor(new_client, simulator):
    """
    A cursor that comes back ends the list.
    """
    for number in range(3):
        simulator.add_request("A", START - timedelta(hours=2 + number), version="v2")
    async with new_client() as client:
        job = client.request_report("A", max_age=timedelta(days=1))
        assert "created" == await origin(job)

    assert 3 == simulator.count("list")


class Repeating(SimulatorTransport):
    """Its lists have one page, again and again, under a new cursor each time."""

    pages = 0

    async def send(self, request, *, timeout):
        if request.method == "GET" and "/reportRequests" in request.url:
            self.pages += 1
            entry = {
                "requestId": "R1",
                "requestStatus": "ERROR",
                "requestSubmissionDate": self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
                "reportType": "A",
                "reportVersion": "v1",
            }
            body = {"requests": [entry], "nextCursor": f"page={self.pages + 1}"}
            return HTTPResponse(status=200, headers={}, body=json.dumps(body).encode())
        return await super().send(request, timeout=timeout)


async def test_max_age_one_page_for_ever(new_client, simulator, clock):
    """
    A list that shows the same page under ever new cursors ends where it shows nothing new.
    """
    transport = Repeating(simulator, clock)
    async with new_client(transport=transport) as client:
        found = await origin(client.request_report("A", max_age=3600))

    assert "created" == found
    assert 2 == transport.pages


async def test_max_age_spent_budget(new_client, simulator, clock):
    """
    A list that is refused because others spent the budget is waited for, not given up.
    """
    young = simulator.add_request("A", START - timedelta(hours=5), status="READY")
    simulator.fail("list", 429, times=2)
    async with new_client() as client:
        report = await client.fetch_report("A", max_age=86400)

    assert young == report.request_id
    assert 300 < clock.monotonic() < 900


async def test_max_age_endless_refusals(new_client, simulator, clock):
    """
    A list that is refused again and again is told: a create that may not be needed is not made.
    """
    simulator.fail("list", 429, times=10)
    async with new_client() as client:
        with pytest.raises(Exception, match="the API allows no call now"):
            await client.fetch_report("A", max_age=86400)

    assert (0, 4) == (simulator.creates(), simulator.count("list"))
    assert 0 == simulator.count("create")
