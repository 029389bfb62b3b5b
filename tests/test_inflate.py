"""An archive is unpacked while it comes."""

from __future__ import annotations

import errno
import gzip
import io
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports_async import _inflate
from reports_async._inflate import DAMAGE, GzipStream, NotNow, ZipStream

TEXT = b"\xef\xbb\xbfSKU,PRICE\r\n" + b'A1,"1\n2"\r\n' * 5000


class Pipe(io.BytesIO):
    """What cannot be gone back in: the sizes stand behind the data."""

    def seekable(self):
        return False

    def tell(self):
        raise OSError(errno.ESPIPE, "Illegal seek")


def zipped(*contents, method=zipfile.ZIP_DEFLATED, pipe=False):
    file = Pipe() if pipe else io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for number, content in enumerate(contents or [TEXT]):
            archive.writestr(f"{number}.csv", content)
    return file.getvalue()


def fed(stream, body, step):
    pieces = []
    for place in range(0, len(body), step):
        pieces += stream.feed(body[place : place + step])
    return b"".join(pieces)


@pytest.mark.parametrize("step", [1, 29, 1000, 10**6])
@pytest.mark.parametrize(
    "body",
    [zipped(), zipped(pipe=True), zipped(method=zipfile.ZIP_STORED), zipped(TEXT, b"two")],
    ids=["deflated", "sizes behind", "stored", "two files"],
)
def test_zip(body, step):
    """The first file comes out, however the bytes come in, and agrees with the directory."""
    stream = ZipStream()

    assert TEXT == fed(stream, body, step)
    info = zipfile.ZipFile(io.BytesIO(body)).infolist()[0]
    assert stream.made().is_member(info)


@pytest.mark.parametrize("body", [zipped(), zipped(method=zipfile.ZIP_STORED)])
def test_zip_too_short(body):
    """Before the file's end was seen, nothing was made."""
    stream = ZipStream()
    fed(stream, body[: len(body) // 3], 100)

    assert stream.made() is None
    assert ZipStream().made() is None


def test_not_now():
    """What can only be unpacked when all of it is there is left alone."""
    with pytest.raises(NotNow):
        list(ZipStream().feed(zipped(method=zipfile.ZIP_BZIP2)))


@pytest.mark.parametrize("step", [1, 1000, 10**6])
@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(TEXT),
        gzip.compress(TEXT[:100]) + gzip.compress(b"") + gzip.compress(TEXT[100:]),
        gzip.compress(TEXT[:100]) + b"\0" * 7 + gzip.compress(TEXT[100:]) + b"\0" * 1000,
    ],
    ids=["one", "three", "padded"],
)
def test_gzip(body, step):
    """All members come out, and the zeros between and behind them do not."""
    stream = GzipStream()

    assert TEXT == fed(stream, body, step)
    made = stream.made()
    assert (len(body), len(TEXT), None) == (made.packed, made.size, made.member)


def test_gzip_too_short():
    """A member without its end is not made."""
    stream = GzipStream()
    fed(stream, gzip.compress(TEXT)[:-1], 1000)

    assert stream.made() is None
    assert GzipStream().made() is None


@pytest.mark.parametrize("place", [0, 100, -8, -4])
def test_damage(place):
    """A damaged gzip is an error, wherever the damage is."""
    text = bytes(range(256)) * 20
    body = bytearray(gzip.compress(text))
    body[place : place + 3] = b"\xff\xff\xff"

    with pytest.raises(DAMAGE):
        fed(GzipStream(), bytes(body), 100)


@pytest.mark.parametrize("codec", [zlib, _inflate._CODEC], ids=["zlib", "installed"])
@given(content=st.binary(max_size=3000), step=st.integers(1, 200), times=st.integers(1, 50))
def test_any_codec(codec, content, step, times):
    """The standard library's zlib does as well as a faster one."""
    content *= times
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_inflate, "_CODEC", codec)
        patch.setattr(_inflate, "PIECE", 100)
        stream = ZipStream()

        assert content == fed(stream, zipped(content), step)
        assert stream.made() is not None
        assert content == fed(GzipStream(), gzip.compress(content), step)


def test_small_pieces(monkeypatch):
    """However much a block unpacks to, it comes in pieces."""
    monkeypatch.setattr(_inflate, "PIECE", 1000)
    sizes = [len(piece) for piece in ZipStream().feed(zipped(bytes(10**6)))]

    assert 1000 == max(sizes)
    assert 10**6 == sum(sizes)
