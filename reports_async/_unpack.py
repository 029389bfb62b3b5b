"""
An archive becomes the file that it holds, block by block, in a worker thread.

Checks CRC, sizes and the end of the archive; `_sansio.archive` decides which file is the report.
Opens and names no files: source and sink are handed in.
"""

from __future__ import annotations

import errno
import gzip
import zlib
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from ._exceptions import BadArchive, TruncatedDownload
from ._sansio.archive import HEAD, TAIL, Kind, check_end, choose, kind

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ._sansio.archive import Limits
    from ._sansio.members import Made

BLOCK: Final = 1024 * 1024

_ENCRYPTED: Final = 0x1


def head_of(source: BinaryIO) -> bytes:
    """Return the first bytes, as many as `_sansio.archive` wants to see."""
    source.seek(0)
    return source.read(HEAD)


def unpack(source: BinaryIO, sink: BinaryIO, *, limits: Limits, check: Callable[[], None]) -> None:
    """
    Write what *source* (a ZIP or gzip) holds into *sink*, byte for byte.

    Args:
        source: Open for reading, anywhere.
        sink: Open for writing.
        limits: How far it may grow.
        check: Called between blocks; raises to stop.

    Raises:
        TruncatedDownload: The archive ends too early.
        BadArchive: It is damaged, hostile, or not one report.
    """
    is_zip = kind(head_of(source)) is Kind.ZIP
    packed = source.seek(0, 2)
    unpacked = 0
    blocks = _zip_blocks(source, packed, limits) if is_zip else _gzip_blocks(source)
    with closing(blocks):
        for block in blocks:
            check()
            unpacked += len(block)
            limits.check(unpacked, packed=packed)
            sink.write(block)


def agrees(source: BinaryIO, made: Made, *, limits: Limits) -> bool:
    """
    Tell whether what was made of an archive while it came is what the whole archive holds.

    False may also mean that the archive is bad: `unpack` says so, and why.
    """
    packed = source.seek(0, 2)
    try:
        limits.check(made.size, packed=packed)
        if made.member is None:
            return made.packed == packed
        with _damage_told("ZIP"):
            _check_end(source, packed)
            with ZipFile(source) as archive:
                return made.is_member(_report_in(archive, packed, limits))
    except (BadArchive, TruncatedDownload):
        return False


def _zip_blocks(source: BinaryIO, packed: int, limits: Limits) -> Generator[bytes]:
    _check_end(source, packed)
    with _damage_told("ZIP"), ZipFile(source) as archive:
        member = _report_in(archive, packed, limits)
        size = 0
        with archive.open(member) as file:
            while block := file.read(BLOCK):
                size += len(block)
                yield block
        if size != member.file_size:
            raise BadArchive(f"The archive's file has {size} bytes, not {member.file_size}.")


def _check_end(source: BinaryIO, packed: int) -> None:
    source.seek(max(0, packed - TAIL))
    check_end(source.read(TAIL))


def _report_in(archive: ZipFile, packed: int, limits: Limits) -> ZipInfo:
    # The central directory: sizes in the local headers may be zero.
    members = archive.infolist()
    member = members[choose([info.filename for info in members])]
    _check_member(member)
    limits.check(member.file_size, packed=packed)
    return member


def _check_member(member: ZipInfo) -> None:
    if member.flag_bits & _ENCRYPTED:
        raise BadArchive("The archive's file is encrypted.")
    if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise BadArchive(f"The archive's file is packed by method {member.compress_type}, unknown.")


def _gzip_blocks(source: BinaryIO) -> Generator[bytes]:
    source.seek(0)
    with _damage_told("gzip"), gzip.GzipFile(fileobj=source, mode="rb") as file:
        while block := file.read(BLOCK):
            yield block


@contextmanager
def _damage_told(name: str) -> Generator[None]:
    """Translate what damaged archives make the standard library raise."""
    try:
        yield
    except EOFError as exc:
        raise TruncatedDownload(f"The {name} archive ends too early.") from exc
    except (gzip.BadGzipFile, BadZipFile, zlib.error) as exc:
        raise BadArchive(f"The {name} archive is damaged: {exc}.") from exc
    except (NotImplementedError, OverflowError, ValueError) as exc:
        raise BadArchive(f"The {name} archive is not readable: {exc}.") from exc
    except OSError as exc:
        if exc.errno != errno.EINVAL:
            raise
        # A seek to before the file's beginning: an offset in the archive is wrong.
        raise BadArchive(f"The {name} archive is damaged: an offset is wrong.") from exc
