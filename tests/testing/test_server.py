"""Tests of the simulator on real sockets, called with aiohttp and with bare connections."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import socket
import zipfile
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio
import pytest
import trio

from reports_async._exceptions import InvalidArgument, ReportsError
from reports_async.testing import (
    LoopClock,
    Rules,
    ScaledClock,
    SimulatedCall,
    Simulator,
    SimulatorServer,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """
    Run on asyncio: aiohttp.web knows no other.
    """
    return "asyncio"


@pytest.fixture
async def session() -> AsyncGenerator[aiohttp.ClientSession]:
    # No cookies: they are bait.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


@pytest.fixture
async def server(caller: Any) -> AsyncGenerator[SimulatorServer]:
    """
    Serve the caller's simulator; the caller writes requests to it.
    """
    clock = LoopClock(caller.now)
    async with SimulatorServer(caller.simulator, clock=clock) as server:
        caller.base = server.url
        yield server


async def send(session: aiohttp.ClientSession, request: Any) -> tuple[int, bytes]:
    async with session.request(
        request.method, request.url, headers=request.headers, data=request.body or None
    ) as response:
        return response.status, await response.read()


async def test_whole_job(
    caller: Any, server: SimulatorServer, session: aiohttp.ClientSession
) -> None:
    """
    A report can be requested, waited for and downloaded over real sockets.
    """
    caller.simulator.generation("ITEM_MX", 0)
    _, body = await send(session, caller.login_request())
    caller.token = json.loads(body)["access_token"]
    path = "reportRequests?reportType=ITEM_MX&reportVersion=v1"
    status, body = await send(session, caller.api_request("POST", path, body=b"{}"))
    assert 200 == status, body
    request_id = json.loads(body)["requestId"]
    status, body = await send(session, caller.api_request("GET", f"reportRequests/{request_id}"))
    assert (200, "READY") == (status, json.loads(body)["requestStatus"])
    _, body = await send(
        session, caller.api_request("GET", f"downloadReport?requestId={request_id}")
    )
    url = json.loads(body)["downloadURL"]

    assert url.startswith(server.file_url)
    async with session.get(url, headers={"Range": "bytes=0-1"}) as response:
        assert (206, b"PK") == (response.status, await response.read())
    async with session.get(url) as response:
        file = zipfile.ZipFile(io.BytesIO(await response.read()))
    csv = file.read(file.namelist()[0])
    assert caller.simulator.digest(request_id) == hashlib.sha256(csv).hexdigest()
    assert () == caller.simulator.violations


async def test_hosts(server: SimulatorServer) -> None:
    """
    The API and the files have hosts that differ in name and port.
    """
    assert server.url.startswith("http://127.0.0.1:")
    assert server.file_url.startswith("http://localhost:")
    assert server.url.rpartition(":")[2] != server.file_url.rpartition(":")[2]
    assert server.file_url == server.simulator.file_base_url
    assert f"<SimulatorServer at {server.url}, files at {server.file_url}>" == repr(server)


async def test_same_host(session: aiohttp.ClientSession) -> None:
    """
    Where the rules say so, links lead to the API's own host and port.
    """
    simulator = Simulator(rules=Rules(same_host=True))
    async with SimulatorServer(simulator) as server:
        assert server.url == simulator.file_base_url
        async with session.get(f"{server.url}/v3/reports/getReport/x/y.zip") as response:
            assert 403 == response.status


async def test_long_report(
    caller: Any, server: SimulatorServer, session: aiohttp.ClientSession
) -> None:
    """
    A long report is streamed, while the API goes on answering.
    """
    caller.simulator.rows("ITEM_MX", 30_000)
    caller.simulator.generation("ITEM_MX", 0)
    request_id = caller.made()
    url = caller.url(request_id)

    async with session.get(url) as response:
        first = await response.content.readany()
        status, _ = await send(session, caller.login_request())
        body = first + await response.read()

    assert 200 == status
    assert int(response.headers["Content-Length"]) == len(body)
    file = zipfile.ZipFile(io.BytesIO(body))
    digest = hashlib.sha256(file.read(file.namelist()[0])).hexdigest()
    assert caller.simulator.digest(request_id) == digest


async def test_no_length(session: aiohttp.ClientSession) -> None:
    """
    A file without a declared length comes in chunks, whole.
    """
    simulator = Simulator(rules=Rules(send_length=False))
    async with SimulatorServer(simulator, clock=ScaledClock(60)) as server:
        path, _ = _link(simulator, server)
        async with session.get(server.file_url + path) as response:
            body = await response.read()

    assert "chunked" == response.headers["Transfer-Encoding"]
    assert zipfile.is_zipfile(io.BytesIO(body))


def _link(simulator: Simulator, server: SimulatorServer) -> tuple[str, str]:
    now = server._clock.now()
    request_id = simulator.add_request("ITEM_MX", now, status="READY")
    path, _ = simulator._core.links.sign(simulator.requests[-1], now=now)
    return path, request_id


@pytest.mark.parametrize("answer", ["refuse", "lose"])
async def test_broken_connection(
    caller: Any, server: SimulatorServer, session: aiohttp.ClientSession, answer: Any
) -> None:
    """
    A refused or lost call breaks the connection without an answer; only the lost one was made.
    """
    caller.login()
    caller.simulator.fail("create", answer)
    path = "reportRequests?reportType=ITEM_MX&reportVersion=v1"

    with pytest.raises((aiohttp.ServerDisconnectedError, ConnectionError, aiohttp.ClientOSError)):
        await send(session, caller.api_request("POST", path, body=b"{}"))

    assert (answer == "lose") == bool(caller.simulator.creates("ITEM_MX"))


@pytest.mark.parametrize(
    ("fault", "came"),
    [({"answer": "cut", "at": 4}, b"0123"), ({"answer": "length"}, b"0123456789")],
)
async def test_cut(
    caller: Any,
    server: SimulatorServer,
    session: aiohttp.ClientSession,
    fault: dict[str, Any],
    came: bytes,
) -> None:
    """
    A body that breaks off, or is too short, comes as far as it does; then the connection ends.
    """
    caller.simulator.raw_file("ITEM_MX", b"0123456789")
    caller.simulator.generation("ITEM_MX", 0)
    caller.simulator.fail("file", fault["answer"], at=fault.get("at"))
    url = caller.url(caller.made())

    async with session.get(url) as response:
        assert came == await response.content.readexactly(len(came))
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.content.read()


async def test_cut_in_a_long_report(
    caller: Any, server: SimulatorServer, session: aiohttp.ClientSession
) -> None:
    """
    A long report breaks off to the byte.
    """
    caller.simulator.rows("ITEM_MX", 30_000)
    caller.simulator.generation("ITEM_MX", 0)
    caller.simulator.fail("file", "cut", at=1_000_001)
    url = caller.url(caller.made())

    async with session.get(url) as response:
        assert 1_000_001 == len(await response.content.readexactly(1_000_001))
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.content.read()


async def test_restart_of_the_file_host(
    caller: Any, server: SimulatorServer, session: aiohttp.ClientSession
) -> None:
    """
    The file host can be restarted in the middle: what it sends breaks off, the API goes on, and the
    same links lead to the same files.
    """
    caller.simulator.generation("ITEM_MX", 0)
    caller.simulator.fail("file", "stall", at=1000)
    url = caller.url(caller.made())

    async with session.get(url) as response:
        await response.content.readexactly(1000)
        await server.restart_files()
        with pytest.raises(aiohttp.ClientError):
            await response.content.read()
    async with session.get(url, headers={"Range": "bytes=0-1"}) as response:
        assert (206, b"PK") == (response.status, await response.read())
    assert 200 == (await send(session, caller.login_request()))[0]


async def test_restart_of_nothing() -> None:
    """
    A server that does not run is not restarted either.
    """
    with pytest.raises(ReportsError, match="not running"):
        await SimulatorServer(Simulator()).restart_files()


async def test_hanging_answer_ends_with_the_server(
    caller: Any, session: aiohttp.ClientSession
) -> None:
    """
    An answer that never comes does not keep the server from closing.
    """
    caller.simulator.fail("token", "hang")
    told = anyio.Event()

    async def ask() -> None:
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await send(session, caller.login_request())

    with anyio.fail_after(30):
        async with (
            anyio.create_task_group() as group,
            SimulatorServer(
                caller.simulator, clock=LoopClock(caller.now), on_call=lambda _: told.set()
            ) as server,
        ):
            caller.base = server.url
            group.start_soon(ask)
            await told.wait()


async def test_stalled_body_ends_with_the_server(
    caller: Any, session: aiohttp.ClientSession
) -> None:
    """
    A body that stops comes that far, and does not keep the server from closing.
    """
    caller.simulator.raw_file("ITEM_MX", b"0123456789")
    caller.simulator.generation("ITEM_MX", 0)
    caller.simulator.fail("file", "stall", at=3)
    with anyio.fail_after(30):
        async with SimulatorServer(caller.simulator, clock=LoopClock(caller.now)):
            response = await session.get(caller.url(caller.made()))
            assert b"012" == await response.content.readexactly(3)
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.content.read()
        response.close()


async def test_caller_who_leaves(caller: Any, session: aiohttp.ClientSession) -> None:
    """
    A caller who leaves before the answer disturbs nobody.
    """
    caller.simulator.fail("token", "hang")
    told = anyio.Event()
    clock = LoopClock(caller.now)
    async with SimulatorServer(
        caller.simulator, clock=clock, on_call=lambda _: told.set()
    ) as server:
        caller.base = server.url
        async with anyio.create_task_group() as group:
            group.start_soon(send, session, caller.login_request())
            await told.wait()
            group.cancel_scope.cancel()

        status, _ = await send(session, caller.login_request())

    assert 200 == status


async def test_delay(caller: Any, session: aiohttp.ClientSession) -> None:
    """
    A late answer is late by the server's clock.
    """
    caller.simulator.delay("token", 3600)
    clock = ScaledClock(100_000, start=caller.now)
    async with SimulatorServer(caller.simulator, clock=clock) as server:
        caller.base = server.url
        status, _ = await send(session, caller.login_request())

    assert 200 == status
    assert 3600 <= clock.monotonic()


async def test_on_call(caller: Any, session: aiohttp.ClientSession) -> None:
    """
    Each call is told as it is answered.
    """
    calls: list[SimulatedCall] = []
    async with SimulatorServer(caller.simulator, on_call=calls.append) as server:
        async with session.get(f"{server.url}/nowhere") as response:
            assert 404 == response.status
        async with session.get(f"{server.file_url}/nowhere") as response:
            assert 403 == response.status

    assert [("other", 404), ("file", 403)] == [(call.endpoint, call.status) for call in calls]
    # Without a clock of its own, the server goes by the machine's.
    age = datetime.now(UTC) - parsedate_to_datetime(response.headers["Date"])
    assert timedelta(0) <= age <= timedelta(minutes=1)


async def test_old_http(server: SimulatorServer) -> None:
    """
    A caller that speaks HTTP/1.0 over a bare connection is answered, too.
    """
    port = int(server.url.rpartition(":")[2])
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(b"GET /nowhere HTTP/1.0\r\n\r\n")
        answer = b"".join([piece async for piece in stream])

    assert b" 404 Not Found\r\n" in answer


async def test_port_in_use() -> None:
    """
    A port that is in use is told by its number, and the other one is given back.
    """
    async with SimulatorServer(Simulator()) as server:
        taken = int(server.url.rpartition(":")[2])
        second = SimulatorServer(Simulator(), port=taken)
        with pytest.raises(ReportsError, match=rf"Port {taken} of 127\.0\.0\.1 is in use: choose"):
            async with second:
                pytest.fail("the port is in use")

    assert "<SimulatorServer not running>" == repr(second)
    with pytest.raises(ReportsError, match="not running"):
        assert second.file_url


async def test_unknown_address() -> None:
    """
    An address that is not this machine's cannot be listened on, and the error says so.
    """
    with pytest.raises(ReportsError, match=r"cannot listen on port 0 of 192\.0\.2\.1"):
        async with SimulatorServer(Simulator(), host="192.0.2.1"):
            pytest.fail("the address is another's")


@pytest.mark.parametrize(
    ("host", "url", "file_url"),
    [
        ("0.0.0.0", "http://127.0.0.1:", "http://localhost:"),
        ("localhost", "http://localhost:", "http://localhost:"),
    ],
)
async def test_addresses(host: str, url: str, file_url: str) -> None:
    """
    A server that listens everywhere tells an address that can be called.
    """
    async with SimulatorServer(Simulator(), host=host) as server:
        assert server.url.startswith(url)
        assert server.file_url.startswith(file_url)


async def test_chosen_ports() -> None:
    """
    Both ports may be chosen.
    """
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        port, file_port = one.getsockname()[1], other.getsockname()[1]

    async with SimulatorServer(Simulator(), port=port, file_port=file_port) as server:
        assert (f"http://127.0.0.1:{port}", f"http://localhost:{file_port}") == (
            server.url,
            server.file_url,
        )


@pytest.mark.parametrize("name", ["port", "file_port"])
def test_wrong_ports(name: str) -> None:
    """
    A number that is no port is refused by name.
    """
    with pytest.raises(InvalidArgument, match=f"^{name} must be from 0 to 65535"):
        SimulatorServer(Simulator(), **{name: 65536})  # type: ignore[arg-type]  # built by name


def test_not_running() -> None:
    """
    A server has no addresses before and after it runs.
    """
    server = SimulatorServer(Simulator())
    for name in ("url", "file_url"):
        with pytest.raises(ReportsError, match="not running"):
            getattr(server, name)

    async def run() -> None:
        async with server:
            assert server.url

    asyncio.run(run())
    with pytest.raises(ReportsError, match="not running"):
        assert server.url


def test_trio() -> None:
    """
    On trio, the error says what to use instead.
    """

    async def run() -> None:
        async with SimulatorServer(Simulator()):
            pytest.fail("trio is not supported")

    with pytest.raises(ReportsError, match="on trio, use SimulatorTransport"):
        trio.run(run)
