"""
A reply that worker threads read by themselves, over a socket of its own.

A gigabyte that came through the event loop would keep it from its other work: here the loop sees
the connection being made, no more. Without a pool, a proxy or HTTP/2; asyncio only.
"""

from __future__ import annotations

import asyncio
import http.client
import io
import socket
import ssl
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import aiohappyeyeballs
from anyio import to_thread
from attrs import define, field
from yarl import URL

from ._shared import Translated, failure, joined_headers, limit, wire_headers, wire_url
from ._wire import EncryptedWire, Wire

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from reports_async._http import HTTPRequest

# What `read` returns at most.
_PIECE: Final = 256 * 1024
# As much is read at most beyond the headers.
_READ_AHEAD: Final = io.DEFAULT_BUFFER_SIZE


def default_context() -> ssl.SSLContext:
    """Return the system's idea of whom to trust. It reads files: not for the event loop."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _translated(request: HTTPRequest, *, before: str) -> Translated:
    return Translated(
        request=request,
        before=before,
        errors=(http.client.HTTPException, OSError),
        telltales=(http.client.InvalidURL, http.client.BadStatusLine, ValueError),
    )


@define(eq=False, repr=False)
class DirectReply:
    """One exchange. Threads read from it one at a time; `cut` may come from any other."""

    _request: HTTPRequest
    _stall: float | None
    _wire: Wire
    _response: http.client.HTTPResponse | None = field(default=None, init=False)
    _left: int | None = field(default=None, init=False)
    _begun: bool = field(default=False, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False)
    _is_cut: bool = field(default=False, init=False)

    @property
    def status(self) -> int:
        """Return the HTTP status."""
        return self._answer.status

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the headers; names are lower-case."""
        return joined_headers(self._answer.getheaders())

    @property
    def _answer(self) -> http.client.HTTPResponse:
        assert self._response is not None, "asked first"
        return self._response

    def ask(self, context: Callable[[], ssl.SSLContext]) -> None:
        """Send the request and wait for the headers. Blocks until then, or until `cut`."""
        with self._lock:
            url = _url(self._request)
            if isinstance(self._wire, EncryptedWire):
                self._wire.shake_hands(context(), url.raw_host or "")
            connection = http.client.HTTPConnection("")
            connection.sock = cast("socket.socket", self._wire)
            # Encoded already: a signature does not survive a second thought about its escapes.
            connection.putrequest(
                self._request.method, url.raw_path_qs, skip_host=True, skip_accept_encoding=True
            )
            connection.putheader("Host", url.host_port_subcomponent or "")
            for name, value in wire_headers(self._request).items():
                connection.putheader(name, value)
            connection.endheaders()
            self._response = connection.getresponse()
            self._left = self._response.length
            self._wire.stall = self._stall

    async def read(self) -> bytes:
        """Return the next piece; see `ByteStream`."""
        buffer = memoryview(bytearray(_PIECE))
        try:
            size = await to_thread.run_sync(self.readinto, buffer, abandon_on_cancel=True)
        except BaseException:
            self.cut()
            raise
        return bytes(buffer[:size])

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill the buffer with what comes soon; see `BlockingStream`."""
        with self._lock, _translated(self._request, before="the whole body"):
            try:
                return self._fill(buffer)
            except TimeoutError as exc:
                if exc.errno is not None:
                    # The system gave the connection up, whatever our limit is.
                    raise
                what = f"nothing more came within {self._stall:g} s"
                raise failure(self._request, what) from exc

    def _fill(self, buffer: memoryview) -> int:
        if self._is_cut:
            raise ConnectionAbortedError
        if self._answer.chunked:
            piece = self._answer.read1(len(buffer))
            buffer[: len(piece)] = piece
            return len(piece)
        if self._left is None:
            return self._some(buffer)
        if not self._left:
            return 0
        size = self._some(buffer[: self._left])
        if not size:
            raise http.client.IncompleteRead(b"", self._left)
        self._left -= size
        return size

    def _some(self, buffer: memoryview) -> int:
        if self._begun:
            return self._wire.receive(buffer, len(buffer))
        # What the headers' reader has read too much; after that nothing is between us and the wire.
        self._begun = True
        return self._answer.fp.readinto1(buffer[:_READ_AHEAD])

    def cut(self) -> None:
        """End the connection; whoever waits for it comes back. Never blocks."""
        self._is_cut = True
        self._wire.cut()

    def close(self) -> None:
        """End the connection and let go of the socket, when no thread reads from it any more."""
        self.cut()
        with self._lock:
            if self._response is not None:
                self._response.close()
            self._wire.release()


@asynccontextmanager
async def direct(
    request: HTTPRequest,
    *,
    context: Callable[[], ssl.SSLContext],
    timeout: float | None,  # noqa: ASYNC109 -- wall-clock seconds are the protocol's own words
    stall: float | None,
) -> AsyncGenerator[DirectReply]:
    """Open a reply whose body is read by threads; see `reports_async.abc.Transport`."""
    with limit(request, timeout, what="no reply came"), _translated(request, before="a reply"):
        reply = DirectReply(request, stall, await _connected(request))
        try:
            await to_thread.run_sync(reply.ask, context, abandon_on_cancel=True)
        except BaseException:
            reply.close()
            raise
    try:
        yield reply
    finally:
        reply.close()


def _url(request: HTTPRequest) -> URL:
    url = URL(wire_url(request.url), encoded=True)
    if url.scheme not in ("http", "https") or not url.raw_host:
        raise http.client.InvalidURL
    return url


async def _connected(request: HTTPRequest) -> Wire:
    url = _url(request)
    addresses: Any = await asyncio.get_running_loop().getaddrinfo(
        url.raw_host, url.port, type=socket.SOCK_STREAM
    )
    # A dual-stack host whose one half is dead costs a quarter of a second, as aiohttp has it.
    made: socket.socket = await aiohappyeyeballs.start_connection(  # pyright: ignore[reportUnknownMemberType]  # addresses of all families
        addresses, happy_eyeballs_delay=0.25, interleave=1
    )
    made.setblocking(True)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return (EncryptedWire if url.scheme == "https" else Wire)(made)
