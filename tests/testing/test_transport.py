"""Tests of the simulator in memory: both event loops, and breaking as real transports do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from trio.testing import MockClock

from reports_async._exceptions import TransportError
from reports_async._http import HTTPRequest
from reports_async.testing import LoopClock, SimulatorTransport

if TYPE_CHECKING:
    from reports_async.abc import ByteStream, Transport

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """
    Run on asyncio in real time, and on trio in virtual time.
    """
    if request.param == "trio":
        return "trio", {"clock": MockClock(autojump_threshold=0)}
    return "asyncio"


@pytest.fixture
def transport(caller: Any) -> Transport:
    return SimulatorTransport(caller.simulator, LoopClock(caller.now))


async def whole(stream: ByteStream) -> bytes:
    body = b""
    while piece := await stream.read():
        body += piece
    return body


def get(url: str) -> HTTPRequest:
    return HTTPRequest(method="GET", url=url)


async def test_send(caller: Any, transport: Transport) -> None:
    """
    A call is answered whole, with lower-case header names.
    """
    response = await transport.send(caller.login_request(), timeout=30)

    assert 200 == response.status
    assert "application/json" == response.headers["content-type"]
    assert b"access_token" in response.body
    await transport.aclose()
    assert repr(transport).startswith("<SimulatorTransport to <Simulator 0 requests, 1 calls")


async def test_stream(caller: Any, transport: Transport) -> None:
    """
    A file is read piece by piece, and is what the simulator says it is.
    """
    caller.simulator.rows("ITEM_MX", 5000)
    url = caller.url(caller.ready())
    expected = b"".join(caller.fetch(url).chunks())

    async with transport.stream(get(url), timeout=30, stall=60) as stream:
        assert (200, str(len(expected))) == (stream.status, stream.headers["content-length"])
        assert expected == await whole(stream)
        assert b"" == await stream.read()


async def test_every_call_is_a_checkpoint(caller: Any, transport: Transport) -> None:
    """
    Sending, reading and closing give way to other tasks, and can be cancelled.
    """
    url = caller.url(caller.ready())
    async with transport.stream(get(url), timeout=30, stall=60) as stream:
        for act in (
            lambda: transport.send(caller.login_request(), timeout=30),
            stream.read,
            transport.aclose,
        ):
            with anyio.CancelScope() as scope:
                scope.cancel()
                await act()
            assert scope.cancelled_caught


async def test_refused(caller: Any, transport: Transport) -> None:
    """
    A refused connection is a transport error, and nothing has happened.
    """
    caller.simulator.fail("token", "refuse")

    with pytest.raises(TransportError, match="reset"):
        await transport.send(caller.login_request(), timeout=30)


async def test_lost(caller: Any, transport: Transport) -> None:
    """
    A lost answer is a transport error, and the request was made.
    """
    caller.simulator.fail("create", "lose")
    caller.login()
    path = "reportRequests?reportType=A&reportVersion=v1"

    with pytest.raises(TransportError, match="broke before an answer came"):
        await transport.send(caller.api_request("POST", path, body=b"{}"), timeout=30)
    assert 1 == caller.simulator.creates("A")


@pytest.mark.parametrize("anyio_backend", ["trio"], indirect=True)
async def test_delay(caller: Any, transport: Transport) -> None:
    """
    A late answer comes late, by the clock; too late for the timeout, it is a transport error.
    """
    caller.simulator.delay("token", 20, times=2)
    before = anyio.current_time()

    assert 200 == (await transport.send(caller.login_request(), timeout=30)).status
    assert 20 == anyio.current_time() - before
    with pytest.raises(TransportError, match="No answer within 10 s"):
        await transport.send(caller.login_request(), timeout=10)
    assert 30 == anyio.current_time() - before


@pytest.mark.parametrize("anyio_backend", ["trio"], indirect=True)
async def test_hang(caller: Any, transport: Transport) -> None:
    """
    An answer that never comes ends with the timeout, for calls and for files.
    """
    url = caller.url(caller.ready())
    caller.simulator.fail("token", "hang")
    caller.simulator.fail("file", "hang")

    with pytest.raises(TransportError, match="No answer within 30 s"):
        await transport.send(caller.login_request(), timeout=30)
    with pytest.raises(TransportError, match="No answer within 5 s"):
        async with transport.stream(get(url), timeout=5, stall=60):
            pytest.fail("no answer can come")


@pytest.mark.parametrize("anyio_backend", ["trio"], indirect=True)
async def test_stall(caller: Any, transport: Transport) -> None:
    """
    A body that stops is a transport error when the stall limit is over, after what came before.
    """
    caller.simulator.raw_file("ITEM_MX", b"0123456789")
    caller.simulator.fail("file", "stall", at=4)
    url = caller.url(caller.ready())

    async with transport.stream(get(url), timeout=30, stall=60) as stream:
        assert b"0123" == await stream.read()
        before = anyio.current_time()
        with pytest.raises(TransportError, match="Nothing came for 60 s"):
            await stream.read()
    assert 60 == anyio.current_time() - before


@pytest.mark.parametrize(
    ("fault", "came", "message"),
    [
        ({"answer": "cut", "at": 4}, b"0123", "broke after 4 bytes"),
        ({"answer": "cut", "at": 0}, b"", "broke after 0 bytes"),
        ({"answer": "length"}, b"0123456789", "broke after 10 bytes"),
    ],
)
async def test_broken_body(
    caller: Any, transport: Transport, fault: dict[str, Any], came: bytes, message: str
) -> None:
    """
    A body that breaks off is a transport error, after what came before.
    """
    caller.simulator.raw_file("ITEM_MX", b"0123456789")
    caller.simulator.fail("file", fault["answer"], at=fault.get("at"))
    url = caller.url(caller.ready())

    async with transport.stream(get(url), timeout=30, stall=60) as stream:
        if came:
            assert came == await stream.read()
        with pytest.raises(TransportError, match=message):
            await stream.read()


async def test_cut_behind_the_end(caller: Any, transport: Transport) -> None:
    """
    A break that was ordered behind the end of the body never comes.
    """
    caller.simulator.raw_file("ITEM_MX", b"0123456789")
    caller.simulator.fail("file", "cut", at=99)

    response = await transport.send(get(caller.url(caller.ready())), timeout=None)

    assert b"0123456789" == response.body


async def test_short_body(caller: Any, transport: Transport) -> None:
    """
    A body that agrees with its length is whole, as far as a transport can tell.
    """
    caller.simulator.raw_file("ITEM_MX", b"0123456789")
    caller.simulator.fail("file", "short", at=4)

    assert b"0123" == (await transport.send(get(caller.url(caller.ready())), timeout=30)).body


async def test_two_clocks(caller: Any) -> None:
    """
    The server's clock may be another than the client's.
    """
    server = LoopClock(caller.now)
    server.jump(7200)
    transport = SimulatorTransport(caller.simulator, server)

    response = await transport.send(caller.login_request(), timeout=30)

    assert response.headers["date"].startswith("Mon, 05 Jan 2026 10:00:0")
