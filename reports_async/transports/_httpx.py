"""
A transport for applications that have httpx, on asyncio and trio.

It talks to httpx's own transports, one floor below `httpx.AsyncClient`: the client would log every
address with its query at INFO (a signed link is a secret), keep cookies and call hooks.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

import anyio
import httpx
from attrs import define, field

from reports_async._sansio.links import scrubbed

from ._shared import Translated, joined_headers, limit, whole, wire_headers, wire_url

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from reports_async._http import ByteStream, HTTPRequest, HTTPResponse


# httpcore logs the headers of all replies at DEBUG, and where a redirect leads may be signed. Of
# our own exchanges it shows no queries; those of the application are none of our business.
_TALKATIVE: Final = ("httpcore.http11", "httpcore.http2")
_ours: ContextVar[bool] = ContextVar("_ours", default=False)


def _discreet(record: logging.LogRecord) -> bool:
    if _ours.get():
        record.msg, record.args = scrubbed(record.getMessage()), ()
    return True


def _translated(request: HTTPRequest, *, before: str) -> Translated:
    return Translated(
        request=request,
        before=before,
        errors=(httpx.HTTPError, httpx.StreamError, OSError),
        telltales=(httpx.LocalProtocolError, httpx.InvalidURL, ValueError),
    )


@define(eq=False, repr=False)
class _Reply:
    _pieces: AsyncIterator[bytes]
    _request: HTTPRequest
    _stall: float | None
    status: int
    headers: Mapping[str, str]

    async def read(self) -> bytes:
        with (
            limit(self._request, self._stall, what="nothing more came"),
            _translated(self._request, before="the whole body"),
        ):
            async for piece in self._pieces:
                if piece:
                    return piece
            return b""


async def _leave(response: httpx.Response, pieces: AsyncIterator[bytes]) -> None:
    with anyio.CancelScope(shield=True):
        # Closing the outermost of httpx's nested generators leaves the inner ones to the garbage
        # collector, of which trio complains. A cancellation ends them all.
        with anyio.CancelScope() as scope, suppress(httpx.HTTPError, httpx.StreamError):
            scope.cancel()
            async for _ in pieces:
                pass
        await response.aclose()


@define(eq=False, repr=False)
class HttpxTransport:
    """
    Carry requests with httpx.

    Args:
        client: An application's client whose connections and proxies to share. Its cookies,
            headers, authentication, base URL, redirects, hooks and timeouts are not used. It is
            never closed, and must outlive this transport. None makes a pool of our own.

    .. versionadded:: 0.1.0
    """

    _client: httpx.AsyncClient | None = field(default=None, alias="client")
    _own: httpx.AsyncHTTPTransport | None = field(default=None, init=False)
    _closed: bool = field(default=False, init=False)

    async def send(
        self,
        request: HTTPRequest,
        *,
        timeout: float | None,  # noqa: ASYNC109 -- wall-clock seconds are the protocol's own words
    ) -> HTTPResponse:
        """Return the whole reply; see `reports_async.abc.Transport`."""
        return await whole(self.stream(request, timeout=None, stall=None), request, timeout=timeout)

    @asynccontextmanager
    async def stream(
        self,
        request: HTTPRequest,
        *,
        timeout: float | None,  # noqa: ASYNC109 -- wall-clock seconds are the protocol's own words
        stall: float | None,
    ) -> AsyncGenerator[ByteStream]:
        """Open a reply whose body is read piece by piece; see `reports_async.abc.Transport`."""
        with limit(request, timeout, what="no reply came"), _translated(request, before="a reply"):
            response = await self._exchange(
                httpx.Request(
                    request.method,
                    wire_url(request.url),
                    headers=wire_headers(request),
                    content=request.body,
                )
            )
        # The stream itself, not `Response.aiter_raw`: that one refuses the ready replies of mocks.
        assert isinstance(response.stream, httpx.AsyncByteStream)
        pieces = aiter(response.stream)
        try:
            yield _Reply(
                pieces,
                request,
                stall,
                response.status_code,
                joined_headers(response.headers.multi_items()),
            )
        finally:
            await _leave(response, pieces)

    async def aclose(self) -> None:
        """Close what this transport opened; a shared client stays open."""
        self._closed = True
        if self._own is not None:
            await self._own.aclose()

    async def _exchange(self, wire: httpx.Request) -> httpx.Response:
        # A frame of its own, because an httpx request shows its address: errors lose this frame.
        for name in _TALKATIVE:
            logging.getLogger(name).addFilter(_discreet)  # once: it knows its filters
        outer = _ours.set(True)
        try:
            return await self._carrier(wire.url).handle_async_request(wire)
        finally:
            _ours.reset(outer)

    def _carrier(self, url: httpx.URL) -> httpx.AsyncBaseTransport:
        if self._closed:
            raise RuntimeError("This HttpxTransport is closed; make a new one.")
        if self._client is not None:
            if self._client.is_closed:
                raise RuntimeError("The client of this HttpxTransport is closed.")
            # The only way to a client's connections that does not lead through its log and hooks.
            return self._client._transport_for_url(url)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        if self._own is None:
            self._own = httpx.AsyncHTTPTransport(trust_env=False)
        return self._own

    def __repr__(self) -> str:
        pool = "its own connections" if self._client is None else "a shared client's connections"
        return f"<HttpxTransport on {pool}, {'closed' if self._closed else 'open'}>"
