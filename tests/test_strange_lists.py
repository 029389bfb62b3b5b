"""Lists that hide what waits: by a filter, a clock or a whim of the server; clocks set back."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs, urlsplit

import anyio
import pytest
from attrs import evolve

from reports_async import Accepted, MemoryStore, SQLiteStore, TransportError
from reports_async.abc import HTTPResponse
from reports_async.testing import LoopClock, Rules, Simulator, SimulatorTransport

pytestmark = pytest.mark.anyio

MANY = 27
TYPES = [f"TYPE_{number:02}" for number in range(MANY)]


class Strange(SimulatorTransport):
    """A server whose lists and dates are changed on their way."""

    date_off: float | None = None

    def listed(self, query, body):
        """Change the body of a list."""

    async def send(self, request, *, timeout):
        response = await super().send(request, timeout=timeout)
        headers = dict(response.headers)
        if self.date_off is not None:
            headers = {name: value for name, value in headers.items() if name.lower() != "date"}
            then = self._clock.now() + timedelta(seconds=self.date_off)
            headers["date"] = format_datetime(then.replace(microsecond=0), usegmt=True)
        url = urlsplit(request.url)
        if request.method == "GET" and url.path.endswith("/reportRequests") and response.body:
            body = json.loads(response.body)
            if "requests" in body:
                self.listed(parse_qs(url.query), body)
                headers.pop("Content-Length", None)
                response = evolve(response, body=json.dumps(body).encode())
        return evolve(response, headers=headers)


class Hiding(Strange):
    """Its lists of READY requests are empty."""

    def listed(self, query, body):
        if query.get("requestStatus") == ["READY"]:
            body["requests"], body["totalCount"] = [], 0
            body.pop("nextCursor", None)


class Empty(Strange):
    """All its lists are."""

    def listed(self, query, body):
        body["requests"], body["totalCount"] = [], 0
        body.pop("nextCursor", None)


def spread(simulator):
    """Let the reports be ready one after the other, 5 to 44 minutes after they are asked for."""
    for number, name in enumerate(TYPES):
        simulator.generation(name, 300 + 90 * number)


async def lags(client, simulator, clock, types=TYPES):
    """Fetch all; return the seconds from READY until each was there."""
    found = []
    async for report in client.fetch_reports(types):
        [request] = [one for one in simulator.requests if one.request_id == report.request_id]
        found.append((clock.now() - request.ready_at).total_seconds())
    return found


@pytest.mark.parametrize("off", [-3600, -600, 200, 900, 3600])
async def test_a_date_that_is_off(new_client, clock, off):
    """
    Where `Date` is another than the dates in the lists, those count: nothing is hidden.
    """
    simulator = Simulator(rows=1)
    spread(simulator)
    transport = Strange(simulator, clock)
    transport.date_off = off
    async with new_client(transport=transport) as client:
        found = await lags(client, simulator, clock)

    assert MANY == len(found)
    assert max(found) < 200
    assert [] == [call for call in simulator.calls if call.status == 429]


async def test_lists_of_ready_requests_that_are_empty(new_client, clock):
    """
    Where none of those that should be READY is listed as such, all are looked at.
    """
    simulator = Simulator(rows=1)
    spread(simulator)
    async with new_client(transport=Hiding(simulator, clock)) as client:
        found = await lags(client, simulator, clock)

    assert MANY == len(found)
    assert sum(found) / MANY < 300
    assert max(found) < 900


class Counting(Strange):
    """Counts the pages of lists of all."""

    whole = 0

    def listed(self, query, body):
        self.whole += "requestStatus" not in query


async def test_slow_reports(new_client, clock):
    """
    Where reports are slow, that lists of READY requests are empty is doubted once or twice.
    """
    simulator = Simulator(rows=1, generation=2600)
    transport = Counting(simulator, clock)
    async with new_client(transport=transport) as client:
        assert MANY == len(await lags(client, simulator, clock))

    assert transport.whole <= 6  # pages, three of a list


async def test_lists_that_are_empty(new_client, clock):
    """
    Where no list shows anything, their own status calls find them, and most lists are spared.
    """
    simulator = Simulator(rows=1)
    spread(simulator)
    async with new_client(transport=Empty(simulator, clock)) as client:
        found = await lags(client, simulator, clock)

    assert MANY == len(found)
    assert simulator.count("status") > simulator.count("list")


class Failing(SimulatorTransport):
    """Its lists fail, with a status and for so many calls."""

    status: int | None = 500  # None: the connection is reset
    calls = math.inf
    full = 0

    async def send(self, request, *, timeout):
        if request.method == "GET" and urlsplit(request.url).path.endswith("/reportRequests"):
            self.full += "limit=100" in request.url
            if self.calls > 0:
                self.calls -= 1
                if self.status is None:
                    raise TransportError("The connection was reset.")
                return HTTPResponse(status=self.status, headers={}, body=b"<html>no</html>")
        return await super().send(request, timeout=timeout)


@pytest.mark.parametrize("status", [500, 404, None])
@pytest.mark.parametrize(("count", "longest"), [(3, 300), (MANY, 5400)])
async def test_lists_that_fail(new_client, clock, status, count, longest):
    """
    Where lists fail for ever, whatever a gateway says of it, status calls are made beside them.
    """
    simulator = Simulator(rows=1)
    spread(simulator)
    transport = Failing(simulator, clock)
    transport.status = status
    async with new_client(transport=transport) as client:
        found = await lags(client, simulator, clock, TYPES[:count])
        assert not client._gate.strictness.wants_type(clock.now())

    assert count == len(found)
    assert max(found) < longest


@pytest.mark.parametrize("status", [400, 404, 405])
async def test_lists_that_are_refused_for_a_while(new_client, clock, tmp_path, status):
    """
    A list that is refused twice, without a word of why, is asked as before an hour later.
    """
    simulator = Simulator(rows=1)
    spread(simulator)
    transport = Failing(simulator, clock)
    transport.status, transport.calls = status, 2
    path = tmp_path / "requests.sqlite3"
    async with new_client(transport=transport, store=SQLiteStore(path)) as client:
        assert MANY == len(await lags(client, simulator, clock))
        await clock.sleep(7200)
        before, transport.full = len(simulator.calls), 0
        assert MANY == len(await lags(client, simulator, clock))
        lists = [call for call in simulator.calls[before:] if call.endpoint == "list"]
    async with new_client(transport=transport, store=SQLiteStore(path)) as client:
        assert not client._gate.strictness.wants_type(clock.now())

    assert lists
    assert {None} == {call.report_type for call in lists}
    assert transport.full


async def test_types_that_were_not_listed_for_a_while(new_client, clock):
    """
    Types whose own lists were refused are asked for again by these an hour later.
    """
    simulator = Simulator(rows=1, rules=Rules(strict_list=True), generation=900)
    async with new_client(transport=SimulatorTransport(simulator, clock), market="us") as client:
        simulator.fail("list", 400, times=9)
        async for _ in client.fetch_reports(TYPES[:3]):
            pass
        simulator.heal()
        before = len(simulator.calls)
        await clock.sleep(7200)
        async for _ in client.fetch_reports(TYPES[:3]):
            pass

    lists = {call.report_type for call in simulator.calls[before:] if call.endpoint == "list"}
    assert lists >= set(TYPES[:3])


class HidingOne(Strange):
    """Its lists of READY requests leave one out."""

    hidden = ""

    def listed(self, query, body):
        if query.get("requestStatus") == ["READY"]:
            left = [one for one in body["requests"] if one["requestId"] != self.hidden]
            body["totalCount"] -= len(body["requests"]) - len(left)
            body["requests"] = left


async def test_one_that_is_never_listed_as_ready(new_client, clock):
    """
    A request that should be READY, and is on no list of these, is asked for by its id.
    """
    simulator = Simulator(rows=1)
    spread(simulator)
    simulator.generation(TYPES[-1], 600)
    transport = HidingOne(simulator, clock)
    async with new_client(transport=transport) as client:
        for number in range(20):
            client._history.learn(TYPES[-1], f"R{number}", 590.0 + number, at=float(number))
        jobs = [client.request_report(name) for name in TYPES]
        for job in jobs:
            async for event in job.events():
                if isinstance(event, Accepted):
                    break
        transport.hidden = jobs[-1].request_id
        await jobs[-1]
        found = clock.monotonic()

    assert 600 < found < 1500


@pytest.mark.parametrize("seconds", [150, 3600])
@pytest.mark.parametrize("names", [TYPES[:1], TYPES[:5], TYPES])
async def test_a_clock_that_is_set_back(new_client, names, seconds):
    """
    What waits becomes no younger when the client's clock is set back.
    """
    ours, theirs = LoopClock(), LoopClock()
    simulator = Simulator(rows=1)
    spread(simulator)
    done = []
    async with (
        new_client(clock=ours, transport=SimulatorTransport(simulator, theirs)) as client,
        anyio.create_task_group() as group,
    ):

        async def fetch(name):
            report = await client.fetch_report(name)
            [request] = [one for one in simulator.requests if one.request_id == report.request_id]
            done.append((theirs.now() - request.ready_at).total_seconds())

        for name in names:
            group.start_soon(fetch, name)
        await ours.sleep(60)
        ours.jump(-seconds)

    assert len(names) == len(done)
    assert max(done) < 200


async def test_a_request_of_a_machine_that_is_ahead(new_client, clock):
    """
    What a machine requested whose clock is an hour ahead is looked at by another in time.
    """
    simulator, store = Simulator(rows=1), MemoryStore()
    simulator.generation("A", 600)
    ahead = LoopClock(start=clock.now() + timedelta(hours=1))
    async with new_client(
        clock=ahead, transport=SimulatorTransport(simulator, clock), store=store
    ) as first:
        job = first.request_report("A")
        async for event in job.events():
            if isinstance(event, Accepted):
                break
        await first.aclose()
    async with new_client(
        clock=clock, transport=SimulatorTransport(simulator, clock), store=store
    ) as second:
        await second.fetch_report("A")

    assert 1 == simulator.creates()
    assert clock.monotonic() < 800
