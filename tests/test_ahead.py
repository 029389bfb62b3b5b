"""A thread that unpacks while more comes, and what becomes of a body on its way."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import threading

import pytest

from reports_async._ahead import Ahead
from reports_async._inflate import GzipStream
from reports_async._intake import Intake
from reports_async._sansio.archive import Limits

TEXT = b"SKU\n" * 1000


class Sink(io.BytesIO):
    """A file whose content outlives its closing, and whose writing can be held up."""

    def __init__(self, error=None):
        super().__init__()
        self.content = b""
        self.free = threading.Event()
        self.free.set()
        self.reached = threading.Event()
        self.error = error

    def write(self, data):
        self.reached.set()
        assert self.free.wait(10)
        if self.error:
            raise self.error
        self.content += data
        return len(data)


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def start():
    started = []

    def make(sink, limits=Limits(), digest=None):  # noqa: B008 -- frozen
        started.append(Ahead(GzipStream(), sink, limits, digest))
        return started[-1]

    yield make
    for ahead in started:
        ahead.stop()


def test_ahead(start, sink):
    """What is fed comes out unpacked, and its digest with it."""
    digest = hashlib.sha256()
    ahead = start(sink, digest=digest)
    body = gzip.compress(TEXT, mtime=0)
    for place in range(0, len(body), 10):
        ahead.feed(body[place : place + 10])

    assert len(TEXT) == ahead.finish().size
    assert TEXT == sink.content
    assert hashlib.sha256(TEXT).hexdigest() == digest.hexdigest()
    assert "<Ahead over>" == repr(ahead)
    ahead.stop()
    assert sink.closed


@pytest.mark.parametrize("body", [b"\x1f\x8b damaged", gzip.compress(TEXT, mtime=0)[:-3]])
def test_nothing_made(start, sink, body):
    """A damaged archive, or a part of one, is no error here: nothing was made."""
    ahead = start(sink)
    ahead.feed(body)

    assert ahead.finish() is None
    ahead.feed(b"more")


def test_limits(start, sink):
    """An archive that grows too far is left to who has it all."""
    ahead = start(sink, limits=Limits(total=100))
    ahead.feed(gzip.compress(TEXT, mtime=0))

    assert ahead.finish() is None
    assert b"" == sink.content


def test_disk_full(start):
    """A disk that fails is told to who feeds next, and at the end."""
    ahead = start(Sink(OSError(errno.ENOSPC, "No space left")))
    ahead.feed(gzip.compress(TEXT, mtime=0))

    with pytest.raises(OSError, match="No space left"):
        ahead.finish()
    with pytest.raises(OSError, match="No space left"):
        ahead.feed(b"more")


def test_backpressure(start, sink):
    """Who feeds waits while too much waits already."""
    sink.free.clear()
    ahead = start(sink)
    body = gzip.compress(TEXT, mtime=0)
    done = threading.Event()

    def feed():
        for place in range(len(body)):
            ahead.feed(body[place : place + 1])
        done.set()

    ahead.feed(gzip.compress(TEXT, mtime=0))
    assert sink.reached.wait(10)
    feeder = threading.Thread(target=feed)
    feeder.start()
    with ahead._changed:
        assert ahead._changed.wait_for(lambda: len(ahead._waiting) == 4, timeout=10)
    assert not done.is_set()
    assert "<Ahead at work>" == repr(ahead)

    sink.free.set()
    feeder.join()
    assert 2 * len(TEXT) == ahead.finish().size


def test_stop(start, sink):
    """Stopped in the middle, it ends at its next piece and makes nothing."""
    sink.free.clear()
    ahead = start(sink)
    ahead.feed(gzip.compress(bytes(5 * 1024 * 1024), mtime=0))
    ahead.feed(gzip.compress(TEXT, mtime=0))
    assert sink.reached.wait(10)

    def free_when_told():
        with ahead._changed:
            assert ahead._changed.wait_for(lambda: ahead._over, timeout=10)
        sink.free.set()

    threading.Thread(target=free_when_told).start()
    ahead.stop()

    assert sink.closed
    assert len(sink.content) <= 1024 * 1024
    assert ahead.finish() is None


def intake(sink, *, keeps=True, sha256=True):
    return Intake(sink=lambda: sink, limits=Limits(), keeps=keeps, sha256=sha256)


@pytest.mark.parametrize("sha256", [True, False])
@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("body", [gzip.compress(TEXT, mtime=0), TEXT], ids=["gzip", "plain"])
@pytest.mark.parametrize("step", [1, 10**6])
def test_intake(sink, body, keeps, sha256, step):
    """An archive is unpacked and a digest is taken: of what will be kept."""
    taking = intake(sink, keeps=keeps, sha256=sha256)
    for place in range(0, len(body), step):
        taking.take([memoryview(body)[place : place + step]])
    made, digest = taking.finish()
    taking.stop()

    packed = body is not TEXT
    kept = TEXT if packed and keeps else body
    assert (len(TEXT) if packed else None) == (made and made.size)
    assert (hashlib.sha256(kept).hexdigest() if sha256 else None) == digest


def test_too_short_to_tell(sink):
    """Three bytes are nothing yet."""
    taking = intake(sink)
    taking.take([b"SKU"])

    assert (None, None) == taking.finish()
    taking.stop()
