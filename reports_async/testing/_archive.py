"""
How a report is packed: ZIP, gzip or plain, written as a stream.

`measure` runs through it once and remembers three numbers; nothing holds the file.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from typing import TYPE_CHECKING, Final

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ._rules import FileFormat

# Reports are a means to an end here: fast beats small.
_LEVEL: Final = 1
_MAX32: Final = 0xFFFFFFFF
_GZIP_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
# 2026-01-05 08:00 as MS-DOS writes it; a fixed time keeps the bytes the same.
_DOS_TIME: Final = 8 << 11
_DOS_DATE: Final = (2026 - 1980) << 9 | 1 << 5 | 5


@frozen(kw_only=True)
class Measure:
    """The size of a CSV, its CRC-32, and the size of its compressed data."""

    size: int
    crc: int
    deflated: int


def deflate(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Compress to a raw deflate stream."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    for block in blocks:
        yield packer.compress(block)
    yield packer.flush()


def measure(blocks: Iterable[bytes], *, file_format: FileFormat) -> Measure:
    """Run through a CSV once."""
    size = crc = deflated = 0

    def counted() -> Iterator[bytes]:
        nonlocal size, crc
        for block in blocks:
            size += len(block)
            crc = zlib.crc32(block, crc)
            yield block

    stream = counted() if file_format == "plain" else deflate(counted())
    for piece in stream:
        deflated += len(piece)
    return Measure(size=size, crc=crc, deflated=deflated)


@frozen(kw_only=True)
class Archive:
    """
    One report as a file: its head and tail, and the stream between them.

    Args:
        name: Of the CSV inside.
        measure: Of the same CSV.
        file_format: zip, gzip or plain.
        descriptor: The ZIP's sizes follow the data.
        zip64: Use the ZIP's large records even where small ones would do.
    """

    name: str
    measure: Measure
    file_format: FileFormat = "zip"
    descriptor: bool = True
    zip64: bool = False

    @property
    def size(self) -> int:
        """The bytes of the whole file."""
        return len(self._head()) + self.measure.deflated + len(self._tail())

    def stream(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Pack a CSV; pieces are not empty."""
        data = blocks if self.file_format == "plain" else deflate(blocks)
        return filter(None, itertools.chain((self._head(),), data, (self._tail(),)))

    def _head(self) -> bytes:
        if self.file_format == "zip":
            return self._local_header()
        return _GZIP_HEADER if self.file_format == "gzip" else b""

    def _tail(self) -> bytes:
        if self.file_format == "zip":
            return self._descriptor() + self._directory()
        if self.file_format == "gzip":
            return struct.pack("<LL", self.measure.crc, self.measure.size & _MAX32)
        return b""

    @property
    def _large(self) -> bool:
        return self.zip64 or max(self.measure.size, self.measure.deflated) >= _MAX32

    @property
    def _version(self) -> int:
        return 45 if self._large else 20

    @property
    def _flags(self) -> int:
        # Bit 11: the name is UTF-8. Bit 3: sizes come in the data descriptor.
        return 0x800 | (0x08 if self.descriptor else 0)

    def _sizes64(self, *numbers: int) -> bytes:
        return struct.pack(f"<HH{len(numbers)}Q", 1, 8 * len(numbers), *numbers)

    def _local_header(self) -> bytes:
        name = self.name.encode()
        told = Measure(size=0, crc=0, deflated=0) if self.descriptor else self.measure
        extra = self._sizes64(told.size, told.deflated) if self._large else b""
        sizes = (_MAX32, _MAX32) if self._large else (told.deflated, told.size)
        fields = struct.pack(
            "<4s5H3L2H",
            b"PK\x03\x04",
            self._version,
            self._flags,
            zlib.DEFLATED,
            _DOS_TIME,
            _DOS_DATE,
            told.crc,
            *sizes,
            len(name),
            len(extra),
        )
        return fields + name + extra

    def _descriptor(self) -> bytes:
        if not self.descriptor:
            return b""
        sizes = (self.measure.deflated, self.measure.size)
        return struct.pack(
            "<4sL2Q" if self._large else "<4s3L", b"PK\x07\x08", self.measure.crc, *sizes
        )

    def _directory(self) -> bytes:
        name = self.name.encode()
        offset = len(self._local_header()) + self.measure.deflated + len(self._descriptor())
        sizes = (_MAX32, _MAX32) if self._large else (self.measure.deflated, self.measure.size)
        extra = self._sizes64(self.measure.size, self.measure.deflated) if self._large else b""
        entry = struct.pack(
            "<4s6H3L5H2L",
            b"PK\x01\x02",
            self._version,
            self._version,
            self._flags,
            zlib.DEFLATED,
            _DOS_TIME,
            _DOS_DATE,
            self.measure.crc,
            *sizes,
            len(name),
            len(extra),
            0,
            0,
            0,
            0,
            0,
        )
        entry += name + extra
        return entry + self._end(len(entry), offset)

    def _end(self, length: int, offset: int) -> bytes:
        end64 = b""
        if self._large:
            end64 = struct.pack(
                "<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, length, offset
            ) + struct.pack("<4sLQL", b"PK\x06\x07", 0, offset + length, 1)
        place = _MAX32 if self._large else offset
        return end64 + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, length, place, 0)
