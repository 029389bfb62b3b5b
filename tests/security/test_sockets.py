"""Real sockets: nothing secret in what the libraries below us raise, log and leave in frames."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from reports_async import ReportsClient, Timeouts
from reports_async.testing import ScaledClock, SimulatorServer
from reports_async.transports import AiohttpTransport

pytestmark = pytest.mark.anyio

SPEED = 20_000.0

PLACES = (
    "http://127.0.0.1:9/report.zip",
    "https://127.0.0.1:{port}/report.zip",
    "http://127.0.0.1:{port}/v3/report.zip",
    f"https://{'x' * 70}.invalid/report.zip",
    "https://127.0.0.1:99999/report.zip",
    "/v3/reports/elsewhere.zip",
)
FAULTS = [
    ("file", None),
    *(("token", answer) for answer in ("lose", "cut")),
    *(("status", answer) for answer in ("refuse", "hang")),
    *(("link", answer) for answer in ("cut", "stall")),
    *(("file", answer) for answer in (403, "refuse", "lose", "hang", "cut", "stall", *PLACES)),
]


def transports():
    made = [pytest.param(AiohttpTransport, id="aiohttp")]
    with suppress(ImportError):
        from reports_async.transports import HttpxTransport  # noqa: PLC0415 -- an extra

        made.append(pytest.param(HttpxTransport, id="httpx"))
    return made


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def clock():
    return ScaledClock(SPEED)


@pytest.fixture
def simulator(watched):
    return watched(rows=2000)


@pytest.fixture
async def server(simulator, clock):
    asyncio.get_running_loop().set_debug(True)
    async with SimulatorServer(simulator, clock=clock) as server:
        yield server


@pytest.fixture(params=transports())
def client(request, server, credentials, clock, tmp_path):
    return ReportsClient(
        credentials,
        market="mx",
        base_url=server.url,
        directory=tmp_path,
        transport=request.param(),
        clock=clock,
        # A pause of the machine while it connects would leave asyncio a socket that nobody closes.
        timeouts=Timeouts(quota=3600, generation=7200, link=3600, call=0.4, stall=0.1),
    )


@pytest.mark.parametrize(("endpoint", "answer"), FAULTS)
async def test_faults(run, server, client, clock, endpoint, answer):  # noqa: PLR0917 -- fixtures
    """
    Whatever breaks on the way, nothing that can be seen of it is secret.
    """
    simulator = server.simulator
    request_id = simulator.add_request("ITEM", clock.now(), status="READY", account="id")
    if answer in PLACES:
        place = answer.replace("{port}", server.url.rpartition(":")[2])
        simulator.fail(endpoint, "redirect", times=50, to=f"{place}?{run.needles.query}")
    elif answer is not None:
        simulator.fail(endpoint, answer, times=12 if answer in ("hang", "stall") else 50)

    async with client:
        if endpoint == "file":
            await run.fetch(client)
        else:
            await run.call(client, request_id)
        run.look_around()

    # A body that stalls is gone on with, so often as it brings something.
    assert run.errors or answer in (None, "stall")
    assert [] == run.leaks()


@pytest.mark.parametrize("endpoint", ["token", "status", "link", "file"])
async def test_cancelled(run, simulator, client, clock, endpoint):
    """
    A cancellation in the midst of a call leads into no frame that shows anything secret.
    """
    request_id = simulator.add_request("ITEM", clock.now(), status="READY", account="id")
    asked = asyncio.Event()

    def on_call():
        if simulator.last_call is not None and simulator.last_call.endpoint == endpoint:
            asked.set()

    simulator.on_call = on_call
    simulator.fail(endpoint, "stall" if endpoint == "file" else "hang", times=50)

    async def work():
        if endpoint == "file":
            await client.resume_report(request_id)
        elif endpoint == "link":
            await client.get_download_url(request_id)
        else:
            await client.get_request(request_id)

    async with client:
        task = asyncio.create_task(work())
        await asked.wait()
        run.look_around()
        task.cancel()
        with suppress(asyncio.CancelledError), run.step():
            await task
        run.look_around()

    assert [asyncio.CancelledError] == [type(error) for error in run.errors]
    assert [] == run.leaks()
