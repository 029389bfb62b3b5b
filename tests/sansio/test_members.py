"""Which file a ZIP begins with, by its first bytes."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import pytest

from reports_async._sansio.members import Made, Member, first_member, header_size


def header(*, name=b"a.csv", flags=0, method=8, packed=5, size=7, extra=b"", mark=b"PK\3\4"):
    fixed = struct.pack(
        "<4sHHHHHIIIHH", mark, 20, flags, method, 0, 0, 0, packed, size, len(name), len(extra)
    )
    return fixed + name + extra


def test_header_size():
    """Thirty bytes tell how many are wanted in all."""
    head = header(extra=b"\0" * 9)

    assert 30 == header_size(b"") == header_size(head[:29])
    assert 44 == header_size(head[:30]) == len(head)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (header(), Member(name="a.csv", start=35, method=8)),
        (header(flags=8), Member(name="a.csv", start=35, method=8)),
        (header(name="ñ.csv".encode(), flags=0x800), Member(name="ñ.csv", start=36, method=8)),
        (header(name=b"\xa4.csv"), Member(name="ñ.csv", start=35, method=8)),
        (header(method=0), Member(name="a.csv", start=35, method=0, size=7)),
        (header(flags=1), None),
        (header(method=12), None),
        (header(method=0, flags=8), None),
        (header(mark=b"PK\5\6"), None),
    ],
    ids=[
        "deflated",
        "sizes behind",
        "utf-8",
        "cp437",
        "stored",
        "encrypted",
        "bzip2",
        "no size",
        "empty archive",
    ],
)
def test_first_member(head, expected):
    """The first file is told, unless it cannot be unpacked as it comes."""
    assert expected == first_member(head)


LONG = 5 * 2**32


@pytest.mark.parametrize(
    ("extra", "size"),
    [
        (struct.pack("<HHQQ", 1, 16, LONG, LONG), LONG),
        (struct.pack("<HHH", 7, 2, 9) + struct.pack("<HHQQ", 1, 16, LONG, LONG), LONG),
        (struct.pack("<HHQ", 1, 8, LONG) + b"\0" * 8, None),
        (b"", None),
    ],
)
def test_zip64(extra, size):
    """The size of a stored file of more than four gigabytes stands in an extra field."""
    found = first_member(header(method=0, packed=2**32 - 1, size=2**32 - 1, extra=extra))

    assert size == (found and found.size)


@pytest.fixture
def info():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"SKU\n" * 100)
    return zipfile.ZipFile(file).infolist()[0]


def made(info, **changes):
    member = Member(name="a.csv", start=35, method=8)
    known = {"packed": info.compress_size, "crc": zlib.crc32(b"SKU\n" * 100)}
    return Made(**{"member": member, "size": 400, **known, **changes})


def test_is_member(info):
    """What was unpacked is the directory's file if name, sizes and checksum agree."""
    assert made(info).is_member(info)


@pytest.mark.parametrize(
    "changes",
    [
        {"member": None},
        {"member": Member(name="b.csv", start=35, method=8)},
        {"member": Member(name="a.csv", start=35, method=0, size=400)},
        {"size": 401},
        {"packed": 1},
        {"crc": 1},
    ],
)
def test_is_not_member(info, changes):
    """A difference in any of them, and it is not."""
    assert not made(info, **changes).is_member(info)


def test_is_not_first(info):
    """A file that the directory finds elsewhere is another."""
    info.header_offset = 10

    assert not made(info).is_member(info)
