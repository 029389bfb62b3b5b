"""A loopback server that does over a real socket what each test scripts, well or badly."""

from __future__ import annotations

import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.abc
import pytest
from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    Script = Callable[["Peer"], Awaitable[None]]
    Serve = Callable[[Script], AbstractAsyncContextManager["Loopback"]]


@define(eq=False)
class Loopback:
    """What the server has seen."""

    url: str
    requests: list[str] = field(factory=list)
    connections: int = 0
    asked: anyio.Event = field(factory=anyio.Event)
    left: anyio.Event = field(factory=anyio.Event)


@define(eq=False)
class Peer:
    """One connection of a client, seen from the server."""

    server: Loopback
    _stream: anyio.abc.SocketStream
    _buffer: bytes = b""

    async def request(self) -> str:
        """Read one request, head and body."""
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += await self._stream.receive()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        length = 0
        for line in head.decode().split("\r\n")[1:]:
            name, _, value = line.partition(":")
            if name.lower() == "content-length":
                length = int(value)
        while len(self._buffer) < length:
            self._buffer += await self._stream.receive()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        request = f"{head.decode()}\r\n\r\n{body.decode()}"
        self.server.requests.append(request)
        self.server.asked.set()
        return request

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            await self._stream.send(piece)

    async def silence(self) -> None:
        """Say nothing until the client leaves."""
        while True:
            await self._stream.receive()

    async def reset(self) -> None:
        """Drop the connection as a crashed host does: with a RST."""
        raw = self._stream.extra(anyio.abc.SocketAttribute.raw_socket)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@asynccontextmanager
async def _serve(script: Script) -> AsyncIterator[Loopback]:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    server = Loopback(url=f"http://127.0.0.1:{port}")

    async def connection(stream: anyio.abc.SocketStream) -> None:
        server.connections += 1
        try:
            async with stream:
                await script(Peer(server=server, stream=stream))
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            server.left.set()

    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, connection)
        yield server
        group.cancel_scope.cancel()


@pytest.fixture
def serve() -> Serve:
    return _serve
