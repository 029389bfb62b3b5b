"""What a client makes of webhooks that come together, are false, or come before their time."""

from __future__ import annotations

import anyio
import pytest

from reports_async import Accepted, Downloads, TransportError
from reports_async.testing import Rules, Simulator, SimulatorTransport

pytestmark = pytest.mark.anyio


async def accepted(client, count):
    """Ask for so many reports; return their jobs when all requests are made."""
    jobs = [client.request_report(f"T{number}") for number in range(count)]
    for job in jobs:
        async for step in job.events():
            if isinstance(step, Accepted):
                break
    return jobs


def tell(client, jobs):
    for job in jobs:
        client.notify({"payload": {"requestId": job.request_id, "requestStatus": "READY"}})


@pytest.mark.parametrize("count", [20, 27, 40])
async def test_all_at_once(new_client, clock, count):
    """
    However many webhooks come together, no call is refused, each link is one call, and all reports
    are seen to be ready within seconds.
    """
    simulator = Simulator(generation=600, rows=1)
    transport = SimulatorTransport(simulator, clock)
    async with new_client(transport=transport, market="us") as client:
        jobs = await accepted(client, count)
        await anyio.sleep(601)
        tell(client, jobs)
        for job in jobs:
            await job
        assert {} == client.statistics().refused
        assert client.statistics().lag.longest < 5

    assert count == simulator.count("link")


async def test_no_link_waits_for_a_place(new_client, clock):
    """
    A link is asked for when the file can be fetched soon, or it would expire in the queue.
    """
    simulator = Simulator(generation=600, rows=1, rules=Rules(link_lifetime=900))
    simulator.delay("file", 20, times=100)
    transport = SimulatorTransport(simulator, clock)
    async with new_client(
        transport=transport, market="us", downloads=Downloads(at_once=1)
    ) as client:
        jobs = await accepted(client, 12)
        await anyio.sleep(601)
        tell(client, jobs)
        for job in jobs:
            await job
        # Two that were just asking may come before it.
        assert client.statistics().download.longest < 61

    assert 12 == simulator.count("link")


async def test_false_ones_spend_no_links(new_client, simulator, clock):
    """
    Once a READY was false, others are looked at until one comes true; then they are believed.
    """
    for number in range(12):
        simulator.generation(f"T{number}", 1200)
    simulator.generation("T12", 2000)
    async with new_client(market="us") as client:
        jobs = await accepted(client, 13)
        await anyio.sleep(300)
        for job in jobs:
            tell(client, [job])
            await anyio.sleep(1)
        assert 1 == simulator.count("link")

        await clock.sleep(1201 - clock.monotonic())
        tell(client, jobs[:1])
        for job in jobs[:12]:
            await job
        assert 13 == simulator.count("link")

        await clock.sleep(2001 - clock.monotonic())
        looks = simulator.count("list") + simulator.count("status")
        tell(client, jobs[12:])
        await jobs[12]
        assert looks == simulator.count("list") + simulator.count("status")


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_before_the_first_job(new_client, simulator, anyio_backend):
    """
    What a webhook tells between the opening of a client and its first job is kept: no look is made.
    """
    simulator.generation("ITEM", 0)
    async with new_client(market="us") as client:
        request = await client.create_request("ITEM")
        client.notify({"payload": {"requestId": request.request_id, "requestStatus": "READY"}})
        report = await client.resume_report(request.request_id)

    assert report.request_id == request.request_id
    assert ["token", "create", "link", "file"] == [call.endpoint for call in simulator.calls]


class Cut(SimulatorTransport):
    """A way to the server that is cut for a while."""

    cut = False

    async def send(self, request, *, timeout):
        if self.cut:
            raise TransportError("The cable is cut.")
        return await super().send(request, timeout=timeout)


@pytest.mark.parametrize(("pause", "longest"), [(1, 20), (20, 40)])
async def test_told_in_an_outage(new_client, clock, pause, longest):
    """
    What was told while nothing could be asked is looked at again soon, and is not forgotten.
    """
    simulator = Simulator(generation=1500, rows=1)
    transport = Cut(simulator, clock)
    async with new_client(transport=transport, market="us") as client:
        jobs = await accepted(client, 5)
        await anyio.sleep(1501)
        transport.cut = True
        tell(client, jobs)
        await anyio.sleep(pause)
        transport.cut = False
        for job in jobs:
            await job
        assert client.statistics().lag.longest < longest
