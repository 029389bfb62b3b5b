"""
A request and a reply as plain values: what the wire rooms write and transports carry.

Their reprs tell method, address and status only: headers hold the token, bodies the secret, and the
query of a signed link is a secret too.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 -- attrs resolves it for its users
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit, urlunsplit

from attrs import field, frozen


def without_query(url: str) -> str:
    """Return the URL with its query hidden: signatures live there."""
    try:
        parts = urlsplit(url)
    except ValueError:
        # Addresses come from servers and arguments, and this one goes into an error about it.
        return "<unreadable URL>"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "..." if parts.query else "", ""))


@frozen(kw_only=True)
class HTTPRequest:
    """One HTTP request, complete: a transport adds nothing but what HTTP itself needs."""

    method: str
    url: str = field(repr=without_query)
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    body: bytes = field(default=b"", repr=False)


@frozen(kw_only=True)
class HTTPResponse:
    """One whole HTTP reply. Header names are lower-case; the body is as sent."""

    status: int
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    body: bytes = field(default=b"", repr=False)


class ByteStream(Protocol):
    """A reply whose body is still coming: read it chunk by chunk, in order, once."""

    @property
    def status(self) -> int:
        """Return the HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the headers; names are lower-case."""
        ...

    async def read(self) -> bytes:
        """
        Return the next piece, of any size above zero; ``b""`` is the end of a whole body.

        Raises:
            TransportError: The connection broke, or ended before the declared length.
        """
        ...


@runtime_checkable
class BlockingStream(Protocol):
    """
    A reply that worker threads read by themselves; a `ByteStream` may be one as well.

    A large file then costs the event loop nothing.
    """

    def readinto(self, buffer: memoryview, /) -> int:
        """
        Wait for bytes, put them into the buffer, return how many; 0 is the end of a whole body.

        Raises:
            TransportError: The connection broke, ended too early, or was cut.
        """
        ...

    def cut(self) -> None:
        """End the connection; a thread that waits in `readinto` comes back. Never blocks."""
        ...
