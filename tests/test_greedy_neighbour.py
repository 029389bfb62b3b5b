"""Beside a loop that spends whatever call comes: what is waited for is seen all the same."""

from __future__ import annotations

import random
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

import anyio
import pytest

from reports_async import Credentials, RateLimited
from reports_async._api import Api
from reports_async._sansio.endpoints import ListQuery, Site
from reports_async.abc import HTTPResponse
from reports_async.testing import Rules, Simulator, SimulatorTransport

pytestmark = pytest.mark.anyio


class Loop:
    """
    A program that calls every so often, whatever it is told: as many do.

    `every` is in seconds; a call takes up to half a second more. `kinds` are list, status and link.
    """

    def __init__(self, simulator, clock, *, kinds, every):
        self._api = Api(
            Site(base_url="https://api.example"),
            Credentials("id", "secret"),
            transport=SimulatorTransport(simulator, clock),
            clock=clock,
            call_timeout=30.0,
        )
        self._clock = clock
        self._kinds = kinds
        self._every = every

    async def run(self, *, task_status):
        chance = random.Random(0)
        made = await self._api.create(report_type="OTHER", version="v1", body="{}")
        calls = {
            "list": lambda: self._api.page(ListQuery(report_type="OTHER"), tries=1),
            "status": lambda: self._api.status(made.request_id, tries=1),
            "link": lambda: self._api.link(made.request_id, tries=1),
        }
        task_status.started()
        while True:
            for kind in self._kinds:
                with suppress(RateLimited):
                    await calls[kind]()
            await self._clock.sleep(self._every + chance.uniform(0.1, 0.6))


class Noted(SimulatorTransport):
    """It notes the queries of all lists."""

    def __init__(self, simulator, clock):
        super().__init__(simulator, clock)
        self.lists = []

    async def send(self, request, *, timeout):
        url = urlsplit(request.url)
        if request.method == "GET" and url.path.endswith("/reportRequests"):
            self.lists.append(parse_qs(url.query))
            return await self.listed(request, timeout=timeout)
        return await super().send(request, timeout=timeout)

    async def listed(self, request, *, timeout):
        """Answer a list."""
        return await super().send(request, timeout=timeout)


class Forgetful(Noted):
    """Its pages are there for the moment only: a list that is gone on with is refused."""

    async def listed(self, request, *, timeout):
        if "page" in self.lists[-1]:
            return HTTPResponse(status=400, headers={}, body=b"{}")
        return await super().listed(request, timeout=timeout)


async def play(new_client, simulator, clock, *, types, **options):
    """Fetch all beside a loop; return the seconds from READY to each file, and our 429s."""
    lags = []
    client = new_client(market="us", transport=SimulatorTransport(simulator, clock))
    async with client, anyio.create_task_group() as tasks:
        await tasks.start(Loop(simulator, clock, **options).run)
        async for report in client.fetch_reports(types):
            [request] = [one for one in simulator.requests if one.request_id == report.request_id]
            lags.append((clock.now() - request.ready_at).total_seconds())
        tasks.cancel_scope.cancel()
    return lags, sum(client.statistics().refused.values())


@pytest.mark.parametrize("every", [10, 30, 60])
@pytest.mark.parametrize("generation", [900, 2640])
async def test_looks_taken(new_client, clock, every, generation):
    """
    Whoever spends all lists and statuses leaves the look that is made just as its token comes.
    """
    simulator = Simulator(generation=generation, rows=1)

    lags, refused = await play(
        new_client, simulator, clock, types=["ITEM"], kinds=["list", "status"], every=every
    )

    assert 1 == len(lags)
    assert max(lags) < 750
    assert refused <= 6


TYPES = [f"TYPE_{number:02}" for number in range(27)]


@pytest.mark.parametrize("page", [10, 100])
async def test_looks_taken_from_many(new_client, clock, page):
    """
    Beside a loop 27 that are asked for at once are all seen by lists, page after page.
    """
    simulator = Simulator(rules=Rules(max_page_limit=page), rows=1)
    for number, name in enumerate(TYPES):
        simulator.generation(name, 300 + 90 * number)

    lags, refused = await play(
        new_client, simulator, clock, types=TYPES, kinds=["list", "status"], every=30
    )

    assert 27 == len(lags)
    assert sum(lags) / 27 < 700
    assert refused <= 6


@pytest.mark.parametrize("server", [Noted, Forgetful])
async def test_one_page_at_a_time(new_client, clock, server):
    """
    Where one page is all that the budget has, the next look is at the next, or begins anew.
    """
    simulator = Simulator(
        generation=600, rules=Rules(max_page_limit=2, budget=1, refill=60.0), rows=1
    )
    transport = server(simulator, clock)
    async with new_client(market="us", transport=transport) as client:
        found = [one async for one in client.fetch_reports(TYPES[:9])]

    assert 9 == len(found)
    numbers = [at for at, query in enumerate(transport.lists) if "page" in query]
    assert len(numbers) >= 2
    for at in numbers[:-1]:
        # Refused or not, what is asked for is as narrow as before.
        assert {"limit", "requestStatus"} <= set(transport.lists[at + 1])


@pytest.mark.parametrize("every", [10, 30, 60])
async def test_links_taken(new_client, clock, every):
    """
    Beside a loop that spends all links each is had as its token comes, and hardly one is refused.
    """
    simulator = Simulator(generation=2640, rows=1)

    lags, refused = await play(
        new_client, simulator, clock, types=TYPES[:5], kinds=["link"], every=every
    )

    assert 5 == len(lags)
    assert max(lags) < 5 * 180 + 60
    assert refused <= 3
