"""
Which file a ZIP begins with, read from its first bytes, and whether it can be unpacked as it comes.

A guess only: the directory at the archive's end decides, see `Made.is_member`.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from attrs import frozen

if TYPE_CHECKING:
    from zipfile import ZipInfo

STORED: Final = 0
DEFLATED: Final = 8

_ENCRYPTED: Final = 0x1
_SIZES_BEHIND: Final = 0x8
_UTF8: Final = 0x800
_ZIP64: Final = 0x0001
_IN_ZIP64: Final = 0xFFFFFFFF

# APPNOTE.TXT, section 4.3.7: mark, version, flags, method, time, date, CRC-32, two sizes, and the
# lengths of the name and of the extra fields that follow.
_HEADER: Final = Struct("<4sHHHHHIIIHH")
_FIELD: Final = Struct("<HH")
_SIZES: Final = Struct("<QQ")


@frozen(kw_only=True)
class Member:
    """The archive's first file. Its data begin at `start`; `size` is known of a stored one."""

    name: str
    start: int
    method: int
    size: int | None = None


@frozen(kw_only=True)
class Made:
    """
    What was unpacked while it came.

    Args:
        member: The file of a ZIP; None for a gzip.
        size: Bytes that came out.
        packed: Bytes of the archive that they were made of.
        crc: The CRC-32 of what came out; a gzip carries and checks its own.
    """

    member: Member | None
    size: int
    packed: int
    crc: int = 0

    def is_member(self, info: ZipInfo) -> bool:
        """Tell whether the archive's directory says the same of the file that it calls *info*."""
        return (
            self.member is not None
            and self.member.name == info.orig_filename
            and self.member.method == info.compress_type
            and (0, self.crc, self.size, self.packed)
            == (info.header_offset, info.CRC, info.file_size, info.compress_size)
        )


def header_size(head: bytes) -> int:
    """Return how many of the first bytes `first_member` wants to see; more once it saw some."""
    if len(head) < _HEADER.size:
        return _HEADER.size
    *_, name, extra = _HEADER.unpack_from(head)
    return _HEADER.size + int(name) + int(extra)


def first_member(head: bytes) -> Member | None:
    """Return the archive's first file; None where it cannot be unpacked before the rest is here."""
    mark, _, flags, method, _, _, _, packed, size, name_size, _ = _HEADER.unpack_from(head)
    if mark != b"PK\x03\x04" or flags & _ENCRYPTED:
        return None
    start = header_size(head)
    name_end = _HEADER.size + name_size
    name = head[_HEADER.size : name_end].decode("utf-8" if flags & _UTF8 else "cp437", "replace")
    if method == DEFLATED:
        return Member(name=name, start=start, method=method)
    # A stored file ends where its size says, and only there.
    if method != STORED or flags & _SIZES_BEHIND:
        return None
    if _IN_ZIP64 in (packed, size):
        size = _long_size(head[name_end:start])
    return None if size is None else Member(name=name, start=start, method=method, size=size)


def _long_size(extra: bytes) -> int | None:
    place = 0
    while place + _FIELD.size + _SIZES.size <= len(extra):
        tag, length = _FIELD.unpack_from(extra, place)
        place += _FIELD.size
        if tag == _ZIP64 and length >= _SIZES.size:
            return int(_SIZES.unpack_from(extra, place)[0])
        place += length
    return None
