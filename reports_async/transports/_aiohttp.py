"""
The default transport: aiohttp, on asyncio.

Of an application's session it uses the connections only: its cookies, headers, authentication,
redirects, tracing and decoding stay at home, and ours never reach it.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Final

import aiohttp
from attrs import define, field
from yarl import URL

from ._direct import default_context, direct
from ._shared import Translated, joined_headers, limit, whole, wire_headers, wire_url

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Mapping
    from contextlib import AbstractAsyncContextManager

    from reports_async._http import ByteStream, HTTPRequest, HTTPResponse

    from ._direct import DirectReply

# Large pieces: a report is written to disk as it comes, and every piece costs a hop to a thread.
_READ_SIZE: Final = 1024 * 1024

_NO_LIMIT: Final = aiohttp.ClientTimeout(total=None, sock_connect=None)


async def _only_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    # aiohttp repeats a GET whose connection broke. A repeated call costs a token of the budget
    # (20 an hour), so it is not for a transport to decide.
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as exc:
        raise aiohttp.ClientConnectionError(str(exc)) from exc


def _translated(
    request: HTTPRequest, *, before: str, also: tuple[type[Exception], ...] = ()
) -> Translated:
    return Translated(
        request=request,
        before=before,
        errors=(aiohttp.ClientError, OSError, *also),
        telltales=(
            aiohttp.ClientResponseError,
            aiohttp.NonHttpUrlClientError,
            aiohttp.ServerTimeoutError,
            ValueError,
        ),
    )


# aiohttp's responses show their address and headers: no frame of ours has one in a variable.
@define(eq=False, repr=False)
class _Reply:
    _response: aiohttp.ClientResponse
    _request: HTTPRequest
    _stall: float | None

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        return joined_headers(self._response.headers.items())

    def close(self) -> None:
        # A connection whose body was read whole is back in the pool by now; others are cut.
        self._response.close()

    async def read(self) -> bytes:
        with (
            limit(self._request, self._stall, what="nothing more came"),
            # A RuntimeError is how aiohttp says that the session was closed meanwhile.
            _translated(self._request, before="the whole body", also=(RuntimeError,)),
        ):
            return await self._response.content.readany()


@define(eq=False, repr=False)
class AiohttpTransport:
    """
    Carry requests with aiohttp.

    Args:
        session: An application's session whose connection pool to share, with its limits, name
            resolution and TLS settings. It is never closed, and must outlive this transport. A
            proxy has to be part of its connector. None makes a pool of our own on first use, and
            files then come over sockets that worker threads read: twice as many bytes a second at
            once, and none of them over the event loop.
        ssl_context: Whom to trust, for connections of our own; None for those whom the system
            trusts.

    .. versionadded:: 0.1.0
    """

    _shared: aiohttp.ClientSession | None = field(default=None, alias="session")
    _tls: ssl.SSLContext | None = field(default=None, alias="ssl_context", kw_only=True)
    _session: aiohttp.ClientSession | None = field(default=None, init=False)
    _files: set[DirectReply] = field(factory=set["DirectReply"], init=False)
    _closed: bool = field(default=False, init=False)

    async def send(
        self,
        request: HTTPRequest,
        *,
        timeout: float | None,  # noqa: ASYNC109 -- wall-clock seconds are the protocol's own words
    ) -> HTTPResponse:
        """Return the whole reply; see `reports_async.abc.Transport`."""
        return await whole(self._pooled(request, within=None, stall=None), request, timeout=timeout)

    @asynccontextmanager
    async def stream(
        self,
        request: HTTPRequest,
        *,
        timeout: float | None,  # noqa: ASYNC109 -- wall-clock seconds are the protocol's own words
        stall: float | None,
    ) -> AsyncGenerator[ByteStream]:
        """Open a reply whose body is read piece by piece; see `reports_async.abc.Transport`."""
        if self._shared is not None or request.body:
            opening: AbstractAsyncContextManager[ByteStream] = self._pooled(
                request, within=timeout, stall=stall
            )
        else:
            opening = self._direct(request, within=timeout, stall=stall)
        async with opening as reply:
            yield reply

    @asynccontextmanager
    async def _direct(
        self, request: HTTPRequest, *, within: float | None, stall: float | None
    ) -> AsyncGenerator[DirectReply]:
        self._check_open()
        async with direct(request, context=self._context, timeout=within, stall=stall) as reply:
            self._files.add(reply)
            try:
                yield reply
            finally:
                self._files.discard(reply)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = default_context()
        return self._tls

    @asynccontextmanager
    async def _pooled(
        self, request: HTTPRequest, *, within: float | None, stall: float | None
    ) -> AsyncGenerator[ByteStream]:
        session = self._opened()
        with limit(request, within, what="no reply came"), _translated(request, before="a reply"):
            reply = _Reply(
                await session.request(
                    request.method,
                    # Encoded already: a signature does not survive a second thought about its
                    # escapes.
                    URL(wire_url(request.url), encoded=True),
                    headers=wire_headers(request),
                    data=request.body or None,
                    allow_redirects=False,
                ),
                request,
                stall,
            )
        with closing(reply):
            yield reply

    async def aclose(self) -> None:
        """Close what this transport opened; a shared session stays open."""
        self._closed = True
        for file in self._files:
            file.cut()
        if self._session is not None:
            await self._session.close()

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("This AiohttpTransport is closed; make a new one.")
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(
                "AiohttpTransport works on asyncio only. On trio, give the client "
                "transport=HttpxTransport() (extra httpx)."
            ) from None

    def _opened(self) -> aiohttp.ClientSession:
        self._check_open()
        if self._shared is not None and self._shared.closed:
            raise RuntimeError("The session of this AiohttpTransport is closed.")
        if self._session is None:
            # Not before the first request: aiohttp wants the running event loop.
            self._session = aiohttp.ClientSession(
                connector=self._connector(),
                connector_owner=self._shared is None,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Accept", "Content-Type"),
                auto_decompress=False,
                timeout=_NO_LIMIT,
                read_bufsize=_READ_SIZE,
                middlewares=(_only_once,),
            )
        return self._session

    def _connector(self) -> aiohttp.BaseConnector | None:
        if self._shared is not None:
            return self._shared.connector
        return None if self._tls is None else aiohttp.TCPConnector(ssl=self._tls)

    def __repr__(self) -> str:
        pool = "its own connections" if self._shared is None else "a shared session's connections"
        return f"<AiohttpTransport on {pool}, {'closed' if self._closed else 'open'}>"
