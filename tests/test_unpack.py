"""An archive becomes the file that it holds, or an error that says what is wrong with it."""

from __future__ import annotations

import errno
import gzip
import io
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports_async._exceptions import BadArchive, TruncatedDownload
from reports_async._sansio.archive import Limits
from reports_async._unpack import unpack

TEXT = b"\xef\xbb\xbfSKU,PRICE\r\n" + b'A1,"1\n2"\r\n' * 5000


def zipped(content=TEXT, name="ITEM_MX.csv", method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def streamed():
    """Return a ZIP whose local header has no sizes: they stand behind the data."""

    class Pipe(io.BytesIO):
        def seekable(self):
            return False

        def tell(self):
            raise OSError(errno.ESPIPE, "Illegal seek")

    file = Pipe()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ITEM_MX.csv", TEXT)
    return file.getvalue()


def unpacked(body, *, limits=Limits(), check=lambda: None):  # noqa: B008 -- frozen
    sink = io.BytesIO()
    unpack(io.BytesIO(body), sink, limits=limits, check=check)
    return sink.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        zipped(),
        zipped(method=zipfile.ZIP_STORED),
        streamed(),
        gzip.compress(TEXT),
        gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:]) + b"\0" * 7,
    ],
    ids=["zip", "stored", "data descriptor", "gzip", "gzip in two members"],
)
def test_unpack(body):
    """What comes out is byte for byte what the archive held."""
    assert TEXT == unpacked(body)


@pytest.mark.parametrize("body", [zipped(b""), gzip.compress(b"")])
def test_empty_file(body):
    """An empty file is a file."""
    assert b"" == unpacked(body)


@given(st.binary())
def test_any_content(content):
    """Bytes go through as they are."""
    assert content == unpacked(zipped(content)) == unpacked(gzip.compress(content))


def patched(body, mark, offset, value):
    """Write a value behind a mark of the archive's directory."""
    place = body.index(mark) + offset
    return body[:place] + value + body[place + len(value) :]


CENTRAL, LOCAL = b"PK\x01\x02", b"PK\x03\x04"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (patched(zipped(), CENTRAL, 16, b"\0\0\0\0"), "Bad CRC-32"),
        (patched(zipped(), CENTRAL, 8, b"\1\0"), "encrypted"),
        (zipped(method=zipfile.ZIP_BZIP2), "packed by method 12"),
        (patched(zipped(), CENTRAL, 24, struct.pack("<I", len(TEXT) - 1)), "Bad CRC-32"),
        (patched(zipped(), CENTRAL, 24, struct.pack("<I", len(TEXT) + 1)), f"not {len(TEXT) + 1}"),
        (patched(zipped(), LOCAL, 100, b"\xff" * 40), "damaged"),
        (patched(zipped(), CENTRAL, 0, b"PK\0\0"), "damaged"),
        (patched(zipped(), CENTRAL, 6, b"\xff\0"), "not readable"),
        (patched(zipped(), b"PK\5\6", 12, struct.pack("<I", 10**6)), "damaged"),
        (zipped(name=".hidden.csv"), "holds nothing"),
        (gzip.compress(TEXT)[:-5] + b"\0" * 5, "damaged"),
        (gzip.compress(TEXT) + b"garbage", "damaged"),
        (patched(gzip.compress(TEXT), b"\x1f\x8b", 30, b"\xff" * 40), "damaged"),
    ],
)
def test_bad_archives(body, told):
    """A damaged or foreign archive is refused, and the message says why."""
    with pytest.raises(BadArchive, match=told):
        unpacked(body)


@pytest.mark.parametrize("body", [zipped()[:-1], zipped()[:50], gzip.compress(TEXT)[:-1]])
def test_truncated(body):
    """An archive that ends too early is told from a damaged one."""
    with pytest.raises(TruncatedDownload):
        unpacked(body)


@pytest.mark.parametrize("cut", [slice(40), slice(-1)])
def test_truncated_within(cut):
    """A ZIP whose directory is whole but whose file breaks off is refused."""
    body = zipped(method=zipfile.ZIP_STORED)
    start = body.index(CENTRAL)

    with pytest.raises((BadArchive, TruncatedDownload)):
        unpacked(body[:start][cut] + body[start:])


SMALL = [zipped(b"SKU\nA1\n"), gzip.compress(b"SKU\nA1\n", mtime=0)]


@given(st.sampled_from(SMALL), st.data())
def test_damage(body, data):
    """No damage makes anything but the right file or a `DownloadError`."""
    place = data.draw(st.integers(4, len(body) - 1))
    damage = data.draw(st.binary(min_size=1, max_size=8))

    try:
        content = unpacked(body[:place] + damage + body[place + len(damage) :])
    except (BadArchive, TruncatedDownload):
        return
    assert content in (b"SKU\nA1\n", b"")


def test_bomb():
    """An archive that grows too far is stopped on the way, and a ZIP that says so at once."""
    zeros = bytes(3 * 1024 * 1024)
    limits = Limits(ratio=10, floor=1024)

    with pytest.raises(BadArchive, match="10 times its size"):
        unpacked(gzip.compress(zeros), limits=limits)
    with pytest.raises(BadArchive, match="10 times its size"):
        unpacked(zipped(zeros), limits=limits)


def test_check():
    """Unpacking can be stopped between blocks."""
    calls = iter([None, KeyError()])

    def check():
        if error := next(calls):
            raise error

    with pytest.raises(KeyError):
        unpacked(zipped(bytes(5 * 1024 * 1024)), check=check)
    assert [] == list(calls)


class Broken(io.BytesIO):
    """A disk that fails once the directory is read."""

    def __init__(self, body, error):
        super().__init__(body)
        self.error = error

    def read(self, size=-1):
        if self.tell() < 10 and size == 30:
            raise OSError(self.error, "broken")
        return super().read(size)


def test_disk_error():
    """An error of the disk is not taken for damage of the archive; an impossible offset is."""
    with pytest.raises(OSError, match="broken"):
        unpack(Broken(zipped(), errno.EIO), io.BytesIO(), limits=Limits(), check=lambda: None)
    with pytest.raises(BadArchive, match="an offset is wrong"):
        unpack(Broken(zipped(), errno.EINVAL), io.BytesIO(), limits=Limits(), check=lambda: None)
