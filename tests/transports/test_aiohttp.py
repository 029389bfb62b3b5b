"""What holds of `AiohttpTransport` alone: an application's session lends connections, no more."""

from __future__ import annotations

import aiohttp
import pytest
from yarl import URL

from reports_async._exceptions import TransportError
from reports_async._http import HTTPRequest
from reports_async.transports import AiohttpTransport

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def session(anyio_backend):
    async def tell(request, handler):
        pytest.fail("a middleware of the application saw our request")

    jar = aiohttp.CookieJar(unsafe=True)
    jar.update_cookies({"session": "the-application's"}, URL("http://127.0.0.1/"))
    async with aiohttp.ClientSession(
        cookie_jar=jar,
        headers={"Authorization": "Bearer the-application's", "X-Own": "1"},
        raise_for_status=True,
        middlewares=[tell],
    ) as made:
        yield made


def replies(*bodies: bytes):
    async def script(peer):
        for body in bodies:
            await peer.request()
            head = (
                f"HTTP/1.1 403 Forbidden\r\nSet-Cookie: theirs=1; Path=/\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            await peer.send(head.encode() + body)

    return script


async def test_nothing_of_the_session_travels(serve, session):
    """
    Cookies, headers and authentication of a shared session are not sent.
    """
    transport = AiohttpTransport(session)
    async with serve(replies(b"")) as server:
        response = await transport.send(HTTPRequest(method="GET", url=server.url), timeout=30)
    await transport.aclose()

    assert 403 == response.status
    assert "the-application's" not in server.requests[0]
    assert "x-own" not in server.requests[0].lower()


async def test_nothing_of_ours_stays(serve, session):
    """
    A shared session keeps its own cookies, gets none of ours, and stays open.
    """
    transport = AiohttpTransport(session)
    async with serve(replies(b"")) as server:
        await transport.send(HTTPRequest(method="GET", url=server.url), timeout=30)
    await transport.aclose()

    assert {"session"} == {cookie.key for cookie in session.cookie_jar}
    assert not session.closed
    assert session.connector is not None
    assert not session.connector.closed


async def test_connections_are_shared(serve, session):
    """
    Two transports of one session use the same connection, one after the other.
    """
    first, second = AiohttpTransport(session), AiohttpTransport(session)
    async with serve(replies(b"a", b"b")) as server:
        request = HTTPRequest(method="GET", url=server.url)
        bodies = [(await each.send(request, timeout=30)).body for each in (first, second)]
    await first.aclose()
    await second.aclose()

    assert [b"a", b"b"] == bodies
    assert 1 == server.connections


@pytest.mark.parametrize("used", [True, False])
async def test_session_closed(serve, session, used):
    """
    A shared session that the application closed is the application's mistake, and told as one.
    """
    transport = AiohttpTransport(session)
    async with serve(replies(b"")) as server:
        request = HTTPRequest(method="GET", url=server.url)
        if used:
            await transport.send(request, timeout=30)
        await session.close()
        with pytest.raises(RuntimeError, match="session of this AiohttpTransport is closed"):
            await transport.send(request, timeout=30)
    await transport.aclose()


async def test_repr(session):
    """
    A transport on a shared session says so.
    """
    transport = AiohttpTransport(session=session)

    assert "<AiohttpTransport on a shared session's connections, open>" == repr(transport)


def test_made_anywhere():
    """
    A transport can be made where no event loop runs.
    """
    assert "<AiohttpTransport on its own connections, open>" == repr(AiohttpTransport())


async def test_unresolved_name(session):
    """
    A name that does not resolve is an error with its cause chained.
    """

    class Nowhere(aiohttp.abc.AbstractResolver):
        async def resolve(self, host, port=0, family=0):
            raise OSError(f"no address for {host}")

        async def close(self):
            pass

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=Nowhere())) as lost:
        transport = AiohttpTransport(lost)
        with pytest.raises(TransportError, match="ClientConnectorDNSError") as excinfo:
            await transport.send(HTTPRequest(method="GET", url="https://nowhere.test/"), timeout=30)
        await transport.aclose()

    assert isinstance(excinfo.value.__cause__, aiohttp.ClientConnectorDNSError)
