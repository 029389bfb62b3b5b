"""What holds of `HttpxTransport` alone, on asyncio and trio, mostly without a socket."""

from __future__ import annotations

import sys

import pytest

from reports_async import transports
from reports_async._exceptions import TransportError
from reports_async._http import HTTPRequest

httpx = pytest.importorskip("httpx")
respx = pytest.importorskip("respx")

pytestmark = pytest.mark.anyio

FILE = HTTPRequest(method="GET", url="https://files.test/report?sig=a%2Bb")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param


@pytest.fixture
async def transport(anyio_backend):
    made = transports.HttpxTransport()
    yield made
    await made.aclose()


@pytest.fixture
def router():
    with respx.mock(assert_all_called=False) as made:
        yield made


def an_application(**extra):
    """A client with everything that must stay at home."""

    async def tell(message):
        pytest.fail("a hook of the application saw our exchange")

    return httpx.AsyncClient(
        auth=("the-application", "its-password"),
        headers={"X-Own": "1"},
        cookies={"session": "its-own"},
        params={"own": "1"},
        base_url="https://elsewhere.test/base/",
        follow_redirects=True,
        event_hooks={"request": [tell], "response": [tell]},
        trust_env=False,
        **extra,
    )


async def test_send(router, transport):
    """
    A reply is translated whole.
    """
    route = router.post("https://api.test/v3/token").respond(
        200, headers={"X-One": "1"}, content=b"{}"
    )

    response = await transport.send(
        HTTPRequest(
            method="POST", url="https://api.test/v3/token", headers={"A": "b"}, body=b"grant"
        ),
        timeout=30,
    )

    assert (200, b"{}") == (response.status, response.body)
    assert "1" == response.headers["x-one"]
    assert b"grant" == route.calls.last.request.content
    assert "b" == route.calls.last.request.headers["a"]


@pytest.mark.parametrize(
    "error", [httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError, httpx.ConnectTimeout]
)
async def test_errors(router, transport, error):
    """
    Every error of httpx is a TransportError, with the cause chained and the signature hidden.
    """
    router.get("https://files.test/report").mock(side_effect=error("it broke"))

    with pytest.raises(TransportError) as excinfo:
        await transport.send(FILE, timeout=30)

    assert (
        "GET https://files.test/report?...: "
        f"the exchange failed before a reply came ({error.__name__})."
    ) == str(excinfo.value)
    assert isinstance(excinfo.value.__cause__, error)


async def test_empty_pieces(transport, anyio_backend):
    """
    A piece of nothing is not taken for the end of the body.
    """

    class Body(httpx.AsyncByteStream):
        async def __aiter__(self):
            for piece in (b"", b"one", b"", b"two", b""):
                yield piece

    mock = httpx.MockTransport(lambda _request: httpx.Response(200, stream=Body()))
    async with httpx.AsyncClient(transport=mock) as client:
        shared = transports.HttpxTransport(client)
        async with shared.stream(FILE, timeout=30, stall=30) as reply:
            pieces = [await reply.read() for _ in range(3)]
        await shared.aclose()

    assert [b"one", b"two", b""] == pieces


async def test_nothing_of_the_client_travels(router, anyio_backend):
    """
    Authentication, headers, cookies, parameters, base address and hooks of a shared client stay.
    """
    route = router.get("https://files.test/report").respond(
        307, headers={"Location": "https://elsewhere.test/", "Set-Cookie": "theirs=1"}
    )
    async with an_application() as client:
        shared = transports.HttpxTransport(client)
        response = await shared.send(FILE, timeout=30)
        await shared.aclose()

        assert 307 == response.status
        assert {"session": "its-own"} == dict(client.cookies)
        assert not client.is_closed

    [call] = route.calls
    assert FILE.url == str(call.request.url)
    assert {"host", "user-agent", "accept-encoding"} == set(call.request.headers)


async def test_mounts_are_used(anyio_backend):
    """
    A shared client's way to a host, such as its proxy, is the one that is taken.
    """
    proxy = httpx.MockTransport(lambda _request: httpx.Response(200, content=b"by proxy"))
    async with an_application(mounts={"all://files.test": proxy}) as client:
        response = await transports.HttpxTransport(client=client).send(FILE, timeout=30)

    assert b"by proxy" == response.body


async def test_client_closed(anyio_backend):
    """
    A shared client that the application closed is the application's mistake, and told as one.
    """
    client = an_application()
    await client.aclose()
    shared = transports.HttpxTransport(client)

    with pytest.raises(RuntimeError, match="client of this HttpxTransport is closed"):
        await shared.send(FILE, timeout=30)

    assert "<HttpxTransport on a shared client's connections, open>" == repr(shared)


async def test_without_httpx(monkeypatch, anyio_backend):
    """
    Where httpx is missing, asking for its transport says what to install.
    """
    monkeypatch.setitem(sys.modules, "httpx", None)
    monkeypatch.delitem(sys.modules, "reports_async.transports._httpx", raising=False)

    with pytest.raises(ImportError, match=r'pip install "reports-async\[httpx\]"') as excinfo:
        transports.HttpxTransport  # noqa: B018 -- asking is what is tested

    assert "httpx" == excinfo.value.name


async def test_no_other_names(anyio_backend):
    """
    A name that is not there is reported as such.
    """
    with pytest.raises(AttributeError, match="no attribute 'CurlTransport'"):
        transports.CurlTransport  # noqa: B018 -- asking is what is tested
