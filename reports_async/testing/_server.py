"""
The simulator on real sockets: the API on one port, the host of the files on another.

For clients in any language, and for tests of real transports. It needs asyncio.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Final, Self

import anyio
import anyio.to_thread
from aiohttp import web

from reports_async._clock import SystemClock
from reports_async._exceptions import InvalidArgument, ReportsError
from reports_async._http import HTTPRequest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from types import TracebackType

    from reports_async.abc import Clock

    from ._dispatch import SimulatedCall
    from ._replies import Reply
    from ._simulator import Simulator

_ANYWHERE: Final = ("0.0.0.0", "")  # noqa: S104 -- compared with, not bound to
_PORTS: Final = 65535
# Linger on, for zero seconds: closing sends a reset, as a broken connection does.
_RESET: Final = struct.pack("ii", 1, 0)


class SimulatorServer:
    """
    Serve a `Simulator`: ``async with SimulatorServer(simulator) as server: server.url``.

    Signed links lead to `file_url`, which is another host than that of `url`, by name and port.

    Args:
        simulator: Who answers.
        clock: The server's clock; None is the machine's. A `ScaledClock` makes its hours short.
        host: The address to listen on.
        port: Of the API; 0 takes any that is free.
        file_port: Of the files; 0 takes any that is free.
        on_call: Is told of each call, when it is answered.

    .. versionadded:: 0.1.0
    """

    def __init__(
        self,
        simulator: Simulator,
        *,
        clock: Clock | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        file_port: int = 0,
        on_call: Callable[[SimulatedCall], None] | None = None,
    ) -> None:
        for name, number in (("port", port), ("file_port", file_port)):
            if not 0 <= number <= _PORTS:
                raise InvalidArgument(f"{name} must be from 0 to {_PORTS}, but is {number!r}.")
        self.simulator = simulator
        self._clock = clock or SystemClock()
        self._host = host
        self._ports = port, file_port
        self._on_call = on_call
        self._url = ""
        self._file_url = ""
        self._stack = AsyncExitStack()
        self._runners: dict[bool, web.ServerRunner] = {}
        self._serving: dict[asyncio.Task[object], bool] = {}

    @property
    def url(self) -> str:
        """
        The API's address: scheme, host and port.

        Raises:
            ReportsError: The server is not running.
        """
        return self._running(self._url)

    @property
    def file_url(self) -> str:
        """
        The file host's address: scheme, host and port.

        Raises:
            ReportsError: The server is not running.
        """
        return self._running(self._file_url)

    def _running(self, url: str) -> str:
        if not url:
            raise ReportsError("The simulator is not running: enter it with 'async with' first.")
        return url

    async def __aenter__(self) -> Self:
        """
        Bind both ports.

        Raises:
            ReportsError: A port is in use, or the event loop is not asyncio's.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError as exc:
            raise ReportsError(
                "SimulatorServer needs asyncio; on trio, use SimulatorTransport."
            ) from exc
        async with AsyncExitStack() as stack:
            port, file_port = self._ports
            # The names differ too, so that no client takes the two for one host.
            name = "127.0.0.1" if self._host in _ANYWHERE else self._host
            other = "localhost" if name == "127.0.0.1" else name
            file_port = await self._listen(stack, file_port, files=True)
            port = await self._listen(stack, port, files=False)
            self._stack = stack.pop_all()
        self._url, self._file_url = f"http://{name}:{port}", f"http://{other}:{file_port}"
        same = self.simulator.rules.same_host
        self.simulator.file_base_url = self._url if same else self._file_url
        return self

    async def restart_files(self, *, down: float = 0.0) -> None:
        """
        Break off what the file host sends, refuse connections for a while, and listen again.

        Args:
            down: Seconds by the server's clock.

        Raises:
            ReportsError: The server is not running, or another took the port meanwhile.
        """
        port = int(self.file_url.rpartition(":")[2])
        await self._stop(files=True)
        await self._clock.sleep(down)
        await self._start(port, files=True)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close both ports and every connection, however slow an answer was meant to be."""
        self._url = self._file_url = ""
        await self._stack.aclose()

    async def _listen(self, stack: AsyncExitStack, port: int, *, files: bool) -> int:
        stack.push_async_callback(self._stop, files=files)
        return await self._start(port, files=files)

    async def _stop(self, *, files: bool) -> None:
        for task, about_files in self._serving.items():
            if about_files == files:
                task.cancel()
        await self._runners[files].cleanup()

    async def _start(self, port: int, *, files: bool) -> int:
        handler = partial(self._serve, files=files)
        server = web.Server(handler, access_log=None, handler_cancellation=True)
        runner = self._runners[files] = web.ServerRunner(server, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, port).start()
        except OSError as exc:
            raise ReportsError(_why(exc, self._host, port)) from exc
        bound: int = runner.addresses[0][1]
        return bound

    async def _serve(self, request: web.BaseRequest, *, files: bool) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self._serving[task] = files
        try:
            return await self._answer(request, files=files)
        finally:
            del self._serving[task]

    async def _answer(self, request: web.BaseRequest, *, files: bool) -> web.StreamResponse:
        asked = HTTPRequest(
            method=request.method,
            url=(self._file_url if files else self._url) + request.raw_path,
            headers=dict(request.headers),
            body=await request.read(),
        )
        if files:
            # Measuring a long report takes seconds, and other calls must not wait for it.
            await anyio.to_thread.run_sync(self.simulator.prepare, asked, abandon_on_cancel=True)
        reply = self.simulator.handle(asked, self._clock.now())
        if self._on_call is not None and self.simulator.last_call is not None:
            self._on_call(self.simulator.last_call)
        if not reply.refused:
            await self._clock.sleep(reply.delay)
        if reply.silent:
            await anyio.sleep_forever()
        if reply.refused or reply.lost:
            return _reset(request)
        return await self._send(request, reply)

    async def _send(self, request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
        response = web.StreamResponse(status=reply.status, headers=reply.headers)
        await response.prepare(request)
        sent = 0
        async for piece in _pieces(reply):
            await response.write(piece)
            sent += len(piece)
        if sent == reply.stall_after:
            await anyio.sleep_forever()
        if sent == reply.cut_after:
            # Closing, not resetting: what was written so far arrives, then the end.
            _transport(request).close()
        return response

    def __repr__(self) -> str:
        if not self._url:
            return "<SimulatorServer not running>"
        return f"<SimulatorServer at {self._url}, files at {self._file_url}>"


async def _pieces(reply: Reply) -> AsyncGenerator[bytes]:
    stops = [stop for stop in (reply.cut_after, reply.stall_after) if stop is not None]
    room = min(stops, default=None)
    chunks = reply.chunks()
    while room is None or room > 0:
        if reply.source is None:
            chunk = next(chunks, b"")
        else:
            # A block of a long report is made and packed in a thread.
            chunk = await anyio.to_thread.run_sync(next, chunks, b"", abandon_on_cancel=True)
        if not chunk:
            return
        if room is not None:
            chunk = chunk[:room]
            room -= len(chunk)
        yield chunk


def _reset(request: web.BaseRequest) -> web.StreamResponse:
    transport = _transport(request)
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
    # Nobody reads this: aiohttp wants an answer to every request.
    return web.Response(status=500)


def _transport(request: web.BaseRequest) -> asyncio.Transport:
    # There is one: when a caller leaves, aiohttp cancels the task that would answer.
    assert request.transport is not None
    return request.transport


def _why(exc: OSError, host: str, port: int) -> str:
    if exc.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is in use: choose another, or 0 for any that is free."
    return f"The simulator cannot listen on port {port} of {host}: {exc.strerror or exc}."
