"""Replies that worker threads read by themselves."""

from __future__ import annotations

import asyncio
import errno
import ssl
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from reports_async._exceptions import TransportError
from reports_async._http import BlockingStream, HTTPRequest
from reports_async.transports import AiohttpTransport
from reports_async.transports._direct import default_context
from reports_async.transports._wire import EncryptedWire

pytestmark = pytest.mark.anyio

# A certificate of localhost that nobody else trusts, and its key; good for a hundred years.
LOCALHOST = Path(__file__).with_name("localhost.pem")
BODY = bytes(range(256)) * 4000


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def transport(anyio_backend):
    made = AiohttpTransport(ssl_context=ssl.create_default_context(cafile=LOCALHOST))
    yield made
    await made.aclose()


@asynccontextmanager
async def encrypted(reply, *, after=None):
    """Serve one reply over TLS."""

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        if after is not None:
            await after.wait()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(LOCALHOST)
    server = await asyncio.start_server(serve, "127.0.0.1", ssl=context)
    async with server:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}/a.zip"


def whole(body=BODY):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def opened(transport, url, *, timeout=30.0, stall=30.0):
    return transport.stream(HTTPRequest(method="GET", url=url), timeout=timeout, stall=stall)


async def threaded(reply):
    """Read all of a reply in a thread."""
    body = bytearray()
    buffer = memoryview(bytearray(100_000))

    def read():
        while size := reply.readinto(buffer):
            body.extend(buffer[:size])

    await to_thread.run_sync(read)
    return bytes(body)


async def test_encrypted(transport):
    """A thread reads what was encrypted, and the end of it."""
    async with encrypted(whole()) as url, opened(transport, url) as reply:
        assert isinstance(reply, BlockingStream)
        assert BODY == await threaded(reply)


async def test_api_calls_trust_alike(transport):
    """API calls go by the same trust."""
    async with encrypted(whole(b"{}")) as url:
        reply = await transport.send(HTTPRequest(method="GET", url=url), timeout=30)

    assert b"{}" == reply.body


async def test_untrusted():
    """A host that the system does not trust is not talked to."""
    transport = AiohttpTransport()
    async with encrypted(whole()) as url:
        with pytest.raises(TransportError, match="SSLCertVerificationError"):
            async with opened(transport, url):
                pytest.fail("it was opened")
    await transport.aclose()


def test_default_context():
    """Trust is checked by default."""
    assert ssl.CERT_REQUIRED == default_context().verify_mode


async def test_hanging_handshake(transport):
    """A host that accepts and then says nothing is given up."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        with pytest.raises(TransportError, match=r"no reply came within 0\.05 s"):
            async with opened(transport, f"https://localhost:{port}/", timeout=0.05):
                pytest.fail("it was opened")


async def test_closed_under_way(transport):
    """A transport that is closed ends what still comes."""
    done = asyncio.Event()
    async with encrypted(whole()[:-10], after=done) as url, opened(transport, url) as reply:
        await reply.read()
        await transport.aclose()
        with pytest.raises(TransportError, match="before the whole body came"):
            await threaded(reply)
        with pytest.raises(TransportError, match="before the whole body came"):
            await reply.read()
        done.set()


async def test_cancelled_read(transport):
    """A read that is cancelled cuts the connection: its thread comes back."""
    done = asyncio.Event()
    async with encrypted(whole(b"hello")[:-1], after=done) as url, opened(transport, url) as reply:
        assert b"hell" == await reply.read()
        with anyio.move_on_after(0.01) as scope:
            await reply.read()
        assert scope.cancelled_caught
        with pytest.raises(TransportError):
            await reply.read()
        done.set()


async def test_broken_off(transport):
    """What came before a break is handed over first."""
    async with encrypted(whole()[:1000]) as url, opened(transport, url) as reply:
        body = await reply.read()
        with pytest.raises(TransportError, match="IncompleteRead"):
            await reply.read()
    assert whole()[:1000].endswith(b"\r\n\r\n" + body)


@pytest.mark.parametrize("stall", [None, 60.0])
async def test_given_up(transport, monkeypatch, stall):
    """A connection that the system gives up has broken, with a limit of ours and without."""

    def given_up(*_args):
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    async with encrypted(whole()) as url, opened(transport, url, stall=stall) as reply:
        await reply.read()
        monkeypatch.setattr(EncryptedWire, "receive", given_up)
        with pytest.raises(TransportError, match=r"before the whole body came \(TimeoutError\)"):
            await reply.read()


@pytest.mark.parametrize("url", ["ftp://localhost/a.zip", "https:///a.zip"])
async def test_no_web_address(transport, url):
    """What is no address of a web server is not connected to."""
    with pytest.raises(TransportError, match="InvalidURL"):
        async with opened(transport, url):
            pytest.fail("it was opened")


async def test_no_length(transport):
    """A body without a length ends with its connection."""
    async with (
        encrypted(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + BODY) as url,
        opened(transport, url) as reply,
    ):
        assert BODY == await threaded(reply)


async def test_with_a_body(transport):
    """A request that carries a body goes over the pool."""
    async with encrypted(whole()) as url:
        request = HTTPRequest(method="POST", url=url, body=b"{}")
        async with transport.stream(request, timeout=30, stall=30) as reply:
            assert not isinstance(reply, BlockingStream)


async def test_cut_before_the_handshake(transport):
    """What is cut between two steps goes no further."""
    async with encrypted(whole()) as url:

        def context():
            [reply] = cut
            reply.cut()
            return ssl.create_default_context(cafile=LOCALHOST)

        from reports_async.transports import _direct  # noqa: PLC0415 -- only here

        request = HTTPRequest(method="GET", url=url)
        cut = [_direct.DirectReply(request, 30.0, await _direct._connected(request))]
        with pytest.raises(OSError):
            await to_thread.run_sync(cut[0].ask, context)
        cut[0].close()
