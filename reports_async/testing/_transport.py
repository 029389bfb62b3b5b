"""
The simulator in memory, as a transport: no socket, any event loop, virtual time if you like.

It behaves as real transports do: whatever breaks is a `TransportError`.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from io import BytesIO
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from reports_async._exceptions import TransportError
from reports_async._http import HTTPResponse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from reports_async._http import ByteStream, HTTPRequest
    from reports_async.abc import Clock

    from ._replies import Reply
    from ._simulator import Simulator


class SimulatorTransport:
    """
    Carry requests to a `Simulator` in the same process, on asyncio or trio.

    Args:
        simulator: Who answers.
        clock: The server's clock. Give it the client's for a shared time, or one of its own to
            let the two disagree.

    .. versionadded:: 0.1.0
    """

    def __init__(self, simulator: Simulator, clock: Clock) -> None:
        self.simulator = simulator
        self._clock = clock

    async def send(self, request: HTTPRequest, *, timeout: float | None) -> HTTPResponse:  # noqa: ASYNC109 -- the protocol's own argument
        """Return the whole reply, within *timeout* seconds of the event loop."""
        try:
            with anyio.fail_after(timeout):
                reply = await self._exchange(request)
                stream = _MemoryStream(reply, stall=None)
                # No bytes in a variable: an error on the way may be shown with them.
                body = BytesIO()
                while body.write(await stream.read()):
                    pass
        except TimeoutError as exc:
            raise TransportError(f"No answer within {timeout:g} s: {request!r}.") from exc
        return HTTPResponse(status=stream.status, headers=stream.headers, body=body.getvalue())

    @asynccontextmanager
    async def stream(
        self,
        request: HTTPRequest,
        *,
        timeout: float | None,  # noqa: ASYNC109 -- the protocol's own argument
        stall: float | None,
    ) -> AsyncGenerator[ByteStream]:
        """Open a reply whose body is read piece by piece."""
        try:
            with anyio.fail_after(timeout):
                reply = await self._exchange(request)
        except TimeoutError as exc:
            raise TransportError(f"No answer within {timeout:g} s: {request!r}.") from exc
        yield _MemoryStream(reply, stall=stall)

    async def aclose(self) -> None:
        """Do nothing: there is no connection to close."""
        await anyio.lowlevel.checkpoint()

    async def _exchange(self, request: HTTPRequest) -> Reply:
        await anyio.lowlevel.checkpoint()
        reply = self.simulator.handle(request, self._clock.now())
        if reply.refused:
            raise TransportError(f"The connection was reset: {request!r}.")
        await self._clock.sleep(reply.delay)
        if reply.silent:
            await anyio.sleep_forever()
        if reply.lost:
            raise TransportError(f"The connection broke before an answer came: {request!r}.")
        return reply

    def __repr__(self) -> str:
        return f"<SimulatorTransport to {self.simulator!r}>"


class _MemoryStream:
    """A body on its way, with the losses that the simulator was ordered to have."""

    def __init__(self, reply: Reply, *, stall: float | None) -> None:
        self.status = reply.status
        self.headers: Mapping[str, str] = {
            name.lower(): value for name, value in reply.headers.items()
        }
        self._reply = reply
        self._stall = stall
        self._chunks = reply.chunks()
        self._sent = 0

    async def read(self) -> bytes:
        """Return the next piece; ``b""`` at the end of a whole body."""
        await anyio.lowlevel.checkpoint()
        if self._sent == self._reply.stall_after:
            await self._wait()
        if self._sent == self._reply.cut_after:
            raise TransportError(f"The connection broke after {self._sent} bytes.")
        piece = next(self._chunks, b"")
        stops = (self._reply.cut_after, self._reply.stall_after)
        room = min((stop - self._sent for stop in stops if stop is not None), default=len(piece))
        piece = piece[:room]
        self._sent += len(piece)
        return piece

    async def _wait(self) -> None:
        try:
            with anyio.fail_after(self._stall):
                await anyio.sleep_forever()
        except TimeoutError as exc:
            raise TransportError(f"Nothing came for {self._stall:g} s.") from exc
