"""The last call of a budget, and the last look before a limit."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from reports_async import ReportTimedOut, Timeouts, TransportError
from reports_async.testing import LoopClock, Simulator, SimulatorTransport

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("seed", range(4))
async def test_one_call_and_two_who_want_it(new_client, clock, seed):
    """
    The poller and those who read the list for `max_age` wait for the same calls; none is refused.
    """
    simulator = Simulator(rows=1, seed=seed)
    async with new_client(transport=SimulatorTransport(simulator, clock), market="us") as client:
        jobs = [client.request_report(f"WAITING_{number}") for number in range(12)]
        await clock.sleep(300)
        jobs += [client.request_report(f"YOUNG_{number}", max_age=3600) for number in range(25)]
        for job in jobs:
            await job
        assert {} == client.statistics().refused


def looks(simulator):
    return [call.at for call in simulator.calls if call.endpoint in ("list", "status")]


async def fetched_with_trust(client, simulator, clock, **times):
    """Let a webhook come true, so that looks are for safety only; then fetch others."""
    simulator.generation("TOLD", 500)
    job = client.request_report("TOLD")
    await clock.sleep(501)
    client.notify({"payload": {"requestId": job.request_id, "requestStatus": "READY"}})
    await job
    await clock.sleep(4000)
    for name, seconds in times.items():
        simulator.generation(name, seconds)
    return [client.request_report(name) for name in times]


@pytest.mark.parametrize("count", [1, 5])
async def test_a_look_before_the_end(new_client, simulator, clock, count):
    """
    A limit ends no wait for what has become ready since the last look.
    """
    limits = Timeouts(generation=1000)
    async with new_client(timeouts=limits, market="us") as client:
        times = {f"TYPE_{number}": 980 for number in range(count)}
        for job in await fetched_with_trust(client, simulator, clock, **times):
            report = await job
            assert timedelta(seconds=980) == report.generated_at - report.submitted_at


async def test_no_look_in_vain_before_the_end(new_client, simulator, clock):
    """
    Where the last look was a moment ago, the limit needs no other; it ends the wait when it is due.
    """
    async with new_client(timeouts=Timeouts(generation=1000), market="us") as client:
        (job,) = await fetched_with_trust(client, simulator, clock, LATE=2000)
        began = clock.monotonic()
        await clock.sleep(995)
        client.notify({"payload": {"requestId": job.request_id}})
        await clock.sleep(2)
        before = len(looks(simulator))
        with pytest.raises(ReportTimedOut, match="not READY after 1000 s"):
            await job

    assert before == len(looks(simulator))
    assert 1000 == pytest.approx(clock.monotonic() - began, abs=1)


@pytest.mark.parametrize(("answer", "after"), [("refuse", 1000), ("hang", 1060)])
async def test_a_last_look_that_fails(new_client, simulator, clock, answer, after):
    """
    Where the last look gets no answer, the wait is over all the same, a minute later at most.
    """

    class Slow(SimulatorTransport):
        ill = False

        async def send(self, request, *, timeout):
            if self.ill and answer == "hang":
                await anyio.sleep(600)
            if self.ill:
                raise TransportError("Nobody answers.")
            return await super().send(request, timeout=timeout)

    transport = Slow(simulator, clock)
    limits = Timeouts(generation=1000)
    async with new_client(timeouts=limits, market="us", transport=transport) as client:
        (job,) = await fetched_with_trust(client, simulator, clock, LATE=2000)
        began = clock.monotonic()
        await clock.sleep(990)
        transport.ill = True
        with pytest.raises(ReportTimedOut):
            await job

    assert after == pytest.approx(clock.monotonic() - began, abs=1)


class Sleepy(LoopClock):
    """The clock of a machine that can be suspended: the wall's time goes on, its own does not."""

    slept = 0.0

    def now(self):
        return super().now() + timedelta(seconds=self.slept)


async def test_after_a_sleep(new_client, simulator):
    """
    When the machine wakes up, all are looked at with the next plan: they may be ready for hours.
    """
    clock = Sleepy()
    for number in range(8):
        simulator.generation(f"TYPE_{number}", 1200)
    async with new_client(
        clock=clock, transport=SimulatorTransport(simulator, clock), market="us"
    ) as client:
        jobs = [client.request_report(f"TYPE_{number}") for number in range(8)]
        await clock.sleep(600)
        clock.slept = 7200.0
        woken = clock.monotonic()
        for job in jobs:
            await job

    assert clock.monotonic() - woken < 120
