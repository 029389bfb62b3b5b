"""Budget headers that are missing, absurd or contradictory, and clocks an hour apart."""

from __future__ import annotations

import math
from datetime import timedelta

import anyio
import anyio.lowlevel
import pytest
from attrs import evolve

from reports_async.testing import LoopClock, Simulator, SimulatorTransport

pytestmark = pytest.mark.anyio

COUNT = "x-current-token-count"
NEXT = "x-next-replenishment-time"
OTHER = "x-next-replenish-time"
AFTER = "retry-after"
TOLD = {COUNT, NEXT, OTHER, AFTER}

SOME = 5
LATE = timedelta(minutes=20)
AN_HOUR_AHEAD = 1_767_603_600_000 + 3_600_000
A_DAY_AHEAD = 1_767_603_600_000 + 22 * 3_600_000
A_YEAR_AHEAD = 1_767_603_600_000 + 365 * 86_400_000
NEW_YEAR = "Fri, 01 Jan 2027 00:00:00 GMT"

HEADERS = {
    "missing": {},
    "negative": {COUNT: "-7", NEXT: "-1"},
    "no numbers": {COUNT: "many", NEXT: "soon", AFTER: "later"},
    "huge": {COUNT: "9" * 40, NEXT: "9" * 40},
    "a year ahead": {COUNT: "0", NEXT: str(A_YEAR_AHEAD), AFTER: str(365 * 86_400)},
    "none left, the next was there": {COUNT: "0", NEXT: "0"},
    "all left, the next in an hour": {COUNT: "20", NEXT: str(AN_HOUR_AHEAD)},
    "two that differ": {COUNT: "3", NEXT: "0", OTHER: str(A_YEAR_AHEAD)},
    "not a count": {COUNT: "2.5", NEXT: "2026-13-45T99:00:00Z"},
    "a day ahead": {COUNT: "0", NEXT: str(A_DAY_AHEAD)},
    "a million left": {COUNT: "1000000"},
    "a million left, for ever": {COUNT: "1000000", NEXT: "9999-12-31T23:59:59Z"},
    "until a date": {COUNT: "0", AFTER: NEW_YEAR},
    "until a day ahead": {COUNT: "0", AFTER: str(80_000)},
}


class Lying(SimulatorTransport):
    """
    A server that tells its own things of the budgets, for so many replies, perhaps without a Date.
    """

    told: dict[str, str]
    times = math.inf
    dated = True

    async def send(self, request, *, timeout):
        response = await super().send(request, timeout=timeout)
        told = {name.lower(): value for name, value in response.headers.items()}
        if not self.dated:
            told.pop("date", None)
        if self.times > 0:
            self.times -= COUNT in told
            told = {name: value for name, value in told.items() if name not in TOLD} | self.told
        return evolve(response, headers=told)


async def fetch_some(client, simulator, *, clock):
    """
    Fetch reports; return how long after READY the last one was there, and the refusals.
    """
    for number in range(SOME):
        simulator.generation(f"TYPE_{number}", 400 + 300 * number)
    late = timedelta()
    async for report in client.fetch_reports([f"TYPE_{number}" for number in range(SOME)]):
        [request] = [one for one in simulator.requests if one.request_id == report.request_id]
        late = max(late, clock.now() - request.ready_at)
    return late, [call for call in simulator.calls if call.status == 429]


@pytest.mark.parametrize("times", [1, 3, math.inf], ids=["once", "some", "always"])
@pytest.mark.parametrize("dated", [True, False], ids=["date", "no date"])
@pytest.mark.parametrize("told", HEADERS.values(), ids=HEADERS)
async def test_headers(new_client, clock, told, dated, times):
    """
    Whatever the headers say, reports come, without a refusal and not hours late.
    """
    simulator = Simulator(rows=1)
    transport = Lying(simulator, clock)
    transport.told, transport.dated, transport.times = told, dated, times
    async with new_client(market="us", transport=transport) as client:
        late, refused = await fetch_some(client, simulator, clock=clock)

    assert late < LATE
    assert [] == refused


@pytest.mark.parametrize("hours", [-1, 1])
async def test_clocks_an_hour_apart(new_client, clock, hours):
    """
    A server whose clock is an hour off makes nobody late.
    """
    simulator = Simulator(rows=1)
    theirs = LoopClock(start=clock.now() + timedelta(hours=hours))
    theirs.now()
    await anyio.lowlevel.checkpoint()
    async with new_client(market="us", transport=SimulatorTransport(simulator, theirs)) as client:
        late, refused = await fetch_some(client, simulator, clock=theirs)

    assert late < LATE
    assert [] == refused
