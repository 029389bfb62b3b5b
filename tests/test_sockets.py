"""The whole way over real sockets: both transports, a server of its own, clocks that disagree."""

from __future__ import annotations

import asyncio
import gc
import hashlib
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from reports_async import (
    Accepted,
    Credentials,
    Downloading,
    ReportsClient,
    RequestLimitExceeded,
    Timeouts,
    Waiting,
    transports,
)
from reports_async.testing import Rules, ScaledClock, Simulator, SimulatorServer

pytestmark = pytest.mark.anyio

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
SPEED = 1000
# The machine may pause for a second: that is less than two minutes even so.
UNHURRIED = 100
MINUTE = timedelta(minutes=1)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(params=["AiohttpTransport", "HttpxTransport"])
def transport(request):
    if request.param == "HttpxTransport":
        pytest.importorskip("httpx")
    return getattr(transports, request.param)()


@pytest.fixture
def simulator(request):
    return Simulator(rows=500, generation=300, rules=getattr(request, "param", Rules()))


@pytest.fixture
def skew():
    """How far the server's clock is ahead of the client's."""
    return timedelta(minutes=7)


@pytest.fixture
def speed():
    return SPEED


@pytest.fixture
async def server(simulator, skew, speed):
    async with SimulatorServer(simulator, clock=ScaledClock(speed, start=START + skew)) as server:
        yield server


@pytest.fixture
async def client(server, transport, speed, tmp_path):
    async with ReportsClient(
        Credentials("id", "secret"),
        market="mx",
        base_url=server.url,
        transport=transport,
        directory=tmp_path,
        clock=ScaledClock(speed, start=START),
        timeouts=Timeouts(generation=36_000),
    ) as client:
        yield client


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def until(job, kind):
    async for event in job.events():
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind}")


async def test_three_at_once(client, simulator, tmp_path):
    """
    Three types at once, each a whole and verified file; no secret went where it must not.
    """
    names = ["ITEM_MX", "INVENTORY_MX", "NEW"]

    reports = [report async for report in client.fetch_reports(names)]

    assert sorted(names) == sorted(report.report_type for report in reports)
    for report in reports:
        assert simulator.digest(report.request_id) == digest(report.path)
        assert report.path.stat().st_size == report.size
    assert 3 == len(list(tmp_path.iterdir()))
    # Cookies, tokens at the file host, correlation ids used twice: the simulator notes them all.
    assert () == simulator.violations


@pytest.mark.parametrize("speed", [UNHURRIED])
@pytest.mark.parametrize("simulator", [Rules(token_lifetime=100)], indirect=True, ids=["short"])
async def test_token_expires(client, simulator):
    """
    The token is renewed before it ends, as often as a wait needs.
    """
    report = await client.fetch_report("ITEM_MX")

    assert simulator.digest(report.request_id) == digest(report.path)
    assert simulator.count("token") > 2


async def test_token_dies_early(client, simulator):
    """
    A token that the server forgets is renewed, and the call repeated.
    """
    job = client.request_report("ITEM_MX")
    await until(job, Accepted)
    simulator.expire_token()
    report = await job

    assert simulator.digest(report.request_id) == digest(report.path)
    assert 2 <= simulator.count("token")
    assert 1 == simulator.creates()


@pytest.mark.parametrize("answer", ["lose", "refuse"])
async def test_reply_is_lost(client, simulator, answer):
    """
    A create whose connection breaks makes one request, whether the server had acted or not.
    """
    simulator.fail("create", answer)

    job = client.request_report("ITEM_MX")
    accepted = await until(job, Accepted)
    report = await job

    assert ("adopted" if answer == "lose" else "created") == accepted.origin
    assert 1 == simulator.creates()
    assert simulator.digest(report.request_id) == digest(report.path)


async def test_server_hangs(server, simulator, transport, tmp_path):
    """
    An answer that never comes is given up by the wall clock; what was made is found.
    """
    simulator.fail("create", "hang")
    async with ReportsClient(
        Credentials("id", "secret"),
        base_url=server.url,
        transport=transport,
        directory=tmp_path,
        clock=ScaledClock(SPEED, start=START),
        timeouts=Timeouts(call=0.3),
    ) as client:
        accepted = await until(client.request_report("ITEM"), Accepted)

    assert "adopted" == accepted.origin
    assert 1 == simulator.creates()


@pytest.mark.parametrize("speed", [UNHURRIED])
@pytest.mark.parametrize("skew", [timedelta(hours=-1), timedelta(minutes=7), timedelta(hours=1)])
async def test_clocks_disagree(client, simulator, skew):
    """
    Another program's hour opens when it does by the server's clock, within two minutes of ours.
    """
    simulator.add_request("ITEM_MX", START + skew - 57 * MINUTE)

    with pytest.raises(RequestLimitExceeded) as excinfo:
        await client.fetch_report("ITEM_MX", on_limit="raise")
    job = client.request_report("ITEM_MX")
    waiting = await until(job, Waiting)
    accepted = await until(job, Accepted)

    for instant in (excinfo.value.retry_at, waiting.until, accepted.submitted_at):
        assert abs(START + 3 * MINUTE - instant) < 2 * MINUTE
    assert 1 == simulator.creates()
    assert 1 == simulator.count("create", 429)


async def test_download_trouble(client, simulator):
    """
    A download that breaks goes on, with a fresh link where the old one has expired.
    """
    simulator.fail("file", "cut", 403, "corrupt")

    report = await client.fetch_report("ITEM_MX")

    assert simulator.digest(report.request_id) == digest(report.path)
    assert () == simulator.violations


async def test_redirect(client, simulator, server):
    """
    A redirect of the file host is followed, without any header of Walmart's.
    """
    simulator.fail("file", "redirect")

    report = await client.fetch_report("ITEM_MX")

    assert simulator.digest(report.request_id) == digest(report.path)
    assert (1, 1) == (simulator.count("file", 302), simulator.count("file", 200))
    assert () == simulator.violations


async def test_no_proxy(monkeypatch, server, simulator, tmp_path):
    """
    Proxies of the environment are not used: none may see the token, unless the caller says so.
    """
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with ReportsClient(
        Credentials("id", "secret"),
        base_url=server.url,
        directory=tmp_path,
        clock=ScaledClock(SPEED, start=START),
    ) as client:
        report = await client.fetch_report("ITEM")

    assert simulator.digest(report.request_id) == digest(report.path)


async def test_nothing_remains(server, simulator, transport, tmp_path):
    """
    A client that is closed in the middle of everything leaves no task, no file, no connection.
    """
    simulator.fail("file", "stall", at=100)
    client = ReportsClient(
        Credentials("id", "secret"),
        base_url=server.url,
        transport=transport,
        directory=tmp_path,
        clock=ScaledClock(SPEED, start=START),
    )
    jobs = [client.request_report(name) for name in ("A", "B", "C")]
    async with anyio.create_task_group() as group:
        for job in jobs:
            group.start_soon(until, job, Downloading)
    working = own_tasks()
    await client.aclose()
    del client, transport
    gc.collect()

    assert working
    assert set() == own_tasks()
    assert all(job.done for job in jobs)
    assert [] == [path.name for path in tmp_path.iterdir() if path.suffix == ".part"]


def own_tasks():
    """The server has tasks, too: those of the client come from one place."""
    return {task for task in asyncio.all_tasks() if "reports_async/_tasks.py" in repr(task)}
