"""
An archive is unpacked while it comes, before its end is known.

Believes what the first bytes say, and reports what that made; whether it was right is for others to
decide when the whole archive is there. ISA-L does the work where there is a wheel of it: it is two
to three times as fast as zlib.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Final, Protocol

from attrs import define

from ._sansio.archive import Kind
from ._sansio.members import DEFLATED, Made, Member, first_member, header_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _codec() -> Any:
    """Return a module with the interface of `zlib`."""
    try:
        from isal import isal_zlib  # noqa: PLC0415 -- not every machine has a wheel of it
    except ImportError:  # pragma: no cover -- the suite runs where there is one
        return zlib
    return isal_zlib


_CODEC: Final = _codec()

DAMAGE: Final[tuple[type[Exception], ...]] = (zlib.error, _CODEC.error)
"""What a damaged stream raises: each library has an error of its own."""

# What comes out at a time: enough to be fast, and a bomb cannot fill the memory.
PIECE: Final = 1024 * 1024
_RAW: Final = -zlib.MAX_WBITS
_GZIP: Final = 16 + zlib.MAX_WBITS


class NotNow(Exception):
    """The archive cannot be unpacked before it is whole."""


class Inflater(Protocol):
    """What `zlib.decompressobj` returns, and its like elsewhere."""

    @property
    def eof(self) -> bool:
        """Tell whether the stream has ended."""
        ...

    @property
    def unconsumed_tail(self) -> bytes:
        """Return input that waits because the output was full."""
        ...

    @property
    def unused_data(self) -> bytes:
        """Return what came behind the end of the stream."""
        ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Return what comes out, at most *max_length* bytes."""
        ...


@define(eq=False)
class ZipStream:
    """The first file of a ZIP, whatever else is in it."""

    _head: bytes = b""
    _member: Member | None = None
    _inflater: Inflater | None = None
    _packed: int = 0
    _size: int = 0
    _crc: int = 0
    _ended: bool = False

    def feed(self, block: bytes) -> Iterator[bytes]:
        """Unpack the next bytes of the archive."""
        if self._member is None:
            self._head += block
            if len(self._head) < header_size(self._head):
                return
            block, self._head = self._begin(self._head), b""
        if self._ended:
            # The archive's other files, and its directory.
            return
        pieces = self._copy(block) if self._inflater is None else self._inflate(block)
        for piece in pieces:
            self._size += len(piece)
            self._crc = _CODEC.crc32(piece, self._crc)
            yield piece

    def made(self) -> Made | None:
        """Return what was made, once the file's end was seen."""
        if not self._ended:
            return None
        return Made(member=self._member, size=self._size, packed=self._packed, crc=self._crc)

    def _begin(self, head: bytes) -> bytes:
        self._member = first_member(head)
        if self._member is None:
            raise NotNow
        if self._member.method == DEFLATED:
            self._inflater = _decompressor(_RAW)
        return head[self._member.start :]

    def _copy(self, block: bytes) -> Iterator[bytes]:
        assert self._member is not None, "begun first"
        assert self._member.size is not None, "or it would not have begun"
        piece = block[: self._member.size - self._packed]
        self._packed += len(piece)
        self._ended = self._packed == self._member.size
        yield piece

    def _inflate(self, block: bytes) -> Iterator[bytes]:
        assert self._inflater is not None, "begun first"
        self._packed += len(block)
        yield from inflated(self._inflater, block)
        if self._inflater.eof:
            self._packed -= len(self._inflater.unused_data)
            self._ended = True


@define(eq=False)
class GzipStream:
    """A gzip of one or more members, with zeros behind them, as RFC 1952 and tapes allow."""

    _inflater: Inflater | None = None
    _packed: int = 0
    _size: int = 0

    def feed(self, block: bytes) -> Iterator[bytes]:
        """Unpack the next bytes of the archive."""
        self._packed += len(block)
        while True:
            inflater = self._inflater
            if inflater is None:
                # Padding; the archive itself began with its mark.
                block = block.lstrip(b"\0")
                if not block:
                    return
                inflater = _decompressor(_GZIP)
                self._inflater = inflater
            for piece in inflated(inflater, block):
                self._size += len(piece)
                yield piece
            if not inflater.eof:
                return
            block, self._inflater = inflater.unused_data, None

    def made(self) -> Made | None:
        """Return what was made, if the archive may end here."""
        if self._inflater is not None or not self._packed:
            return None
        return Made(member=None, size=self._size, packed=self._packed)


def _decompressor(wbits: int) -> Inflater:
    made: Inflater = _CODEC.decompressobj(wbits)
    return made


def inflated(inflater: Inflater, block: bytes) -> Iterator[bytes]:
    """Unpack a block piece by piece."""
    while True:
        piece = inflater.decompress(block, PIECE)
        if piece:
            yield piece
        block = inflater.unconsumed_tail
        # A full piece may mean that more lies ready though all of the block was taken.
        if inflater.eof or (not block and len(piece) < PIECE):
            return


STREAMS: Final[dict[Kind, Callable[[], ZipStream | GzipStream]]] = {
    Kind.ZIP: ZipStream,
    Kind.GZIP: GzipStream,
}
