"""
Connections that a thread reads from by the handful, plain or encrypted.

A socket wakes its reader for every packet, and OpenSSL asks a socket twice for every record of
16 KiB. Here the system lets packets gather before it wakes anyone, and OpenSSL finds its records in
memory. Knows nothing of HTTP beyond what `http.client` takes for a socket.
"""

from __future__ import annotations

import io
import socket
import ssl
from contextlib import suppress
from typing import Any, Final

from attrs import define, field

# As many bytes may gather before the reader is woken.
_MANY: Final = 128 * 1024
# As many are taken from the socket at a time.
_HANDFUL: Final = 256 * 1024
# How long they may gather, in seconds.
_MOMENT: Final = 0.005


@define(eq=False, repr=False)
class Wire:
    """
    A plain connection. One thread at a time uses it; `cut` may come from any other.

    Args:
        stall: How long to wait for more, in seconds; None: until `cut`.
    """

    _socket: socket.socket
    stall: float | None = None
    _gathers: int = field(default=1, init=False)

    def receive(self, buffer: memoryview, wanted: int) -> int:
        """
        Wait a moment for as many bytes as are wanted, then for any; return how many came.

        Args:
            buffer: Where they go.
            wanted: No more are awaited; 0 bytes are the end.

        Raises:
            OSError: The connection broke, or nothing came; a `TimeoutError` then.
        """
        self._gather(min(wanted, _MANY))
        self._socket.settimeout(_MOMENT)
        try:
            return self._socket.recv_into(buffer)
        except TimeoutError as exc:
            if exc.errno is not None:
                # The system gave the connection up. It says so once, and then that this is the end.
                raise
            self._gather(1)
            self._socket.settimeout(self.stall)
            return self._socket.recv_into(buffer)

    def _gather(self, size: int) -> None:
        if size != self._gathers:
            self._gathers = size
            # Windows has no such thing: there the reader wakes more often.
            with suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        self._socket.settimeout(self.stall)
        self._socket.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return a reader of what comes. It may read ahead, up to `io.DEFAULT_BUFFER_SIZE`."""
        return io.BufferedReader(_Raw(self))

    def close(self) -> None:
        """Do nothing: `http.client` is done with a connection before its body is read."""

    def cut(self) -> None:
        """End the connection; whoever waits for it comes back. Never blocks."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Let go of the socket."""
        self._socket.close()


@define(eq=False, repr=False)
class EncryptedWire(Wire):
    """The same in TLS. A connection that ends without a farewell has ended all the same."""

    _tls: ssl.SSLObject = field(init=False)
    _came: ssl.MemoryBIO = field(factory=ssl.MemoryBIO, init=False)
    _goes: ssl.MemoryBIO = field(factory=ssl.MemoryBIO, init=False)
    _handful: memoryview = field(init=False)
    _broke: ssl.SSLError | None = field(default=None, init=False)

    def shake_hands(self, context: ssl.SSLContext, host: str) -> None:
        """
        Agree on keys with a host that proves its name.

        Raises:
            OSError: It does not, or the connection broke.
        """
        self._handful = memoryview(bytearray(_HANDFUL))
        self._tls = context.wrap_bio(self._came, self._goes, server_hostname=host)
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._exchange(1)
            else:
                self._flush()
                return

    def receive(self, buffer: memoryview, wanted: int) -> int:
        """Return what there is, as `Wire` does."""
        while True:
            try:
                return self._decrypted(buffer)
            except ssl.SSLWantReadError:
                self._exchange(wanted)
            except ssl.SSLEOFError:
                return 0

    def _decrypted(self, buffer: memoryview) -> int:
        if self._broke is not None:
            raise self._broke
        came = size = self._read(buffer)
        try:
            while came and size < len(buffer):
                came = self._read(buffer[size:])
                size += came
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as exc:
            # What came before is good.
            self._broke = exc
        return size

    def _read(self, buffer: memoryview) -> int:
        size: Any = self._tls.read(len(buffer), buffer)
        return int(size)

    def _exchange(self, wanted: int) -> None:
        """Send what TLS has to say, and wait for more."""
        self._flush()
        size = super().receive(self._handful, wanted)
        if size:
            self._came.write(self._handful[:size])
        else:
            self._came.write_eof()

    def _flush(self) -> None:
        if self._goes.pending:
            super().sendall(self._goes.read())

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        self._tls.write(data)
        self._flush()


class _Raw(io.RawIOBase):
    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        return self._wire.receive(memoryview(buffer), 1)
