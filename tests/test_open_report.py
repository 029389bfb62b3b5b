"""A report as a stream of bytes, for those who pass it on."""

from __future__ import annotations

import asyncio
import hashlib
import threading

import anyio.to_thread
import pytest

from reports_async import (
    BadArchive,
    DownloadError,
    Downloads,
    InvalidArgument,
    ReportFailed,
    ReportNotReady,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ready(anyio_backend, simulator, clock):
    return simulator.add_request("ITEM_MX", clock.now(), status="READY")


def content(simulator, request_id):
    return b"".join(simulator.csv(request_id))


async def test_open_report(new_client, simulator, ready, tmp_path):
    """The stream is the CSV, checked before its first byte, and leaves nothing behind."""
    expected = content(simulator, ready)
    async with new_client(directory=tmp_path) as client:
        async with client.open_report(ready, sha256=True) as stream:
            assert f"<ReportStream of {len(expected)} bytes>" == repr(stream)
            assert (len(expected), hashlib.sha256(expected).hexdigest()) == (
                stream.size,
                stream.sha256,
            )
            assert expected[:3] == await stream.read(3)
            assert expected[3:] == b"".join([block async for block in stream])
            assert b"" == await stream.read()
        assert [] == list(tmp_path.iterdir())


async def test_open_archive(new_client, simulator, ready, tmp_path):
    """The archive can be passed on as it came."""
    async with (
        new_client(directory=tmp_path) as client,
        client.open_report(ready, unpack=False) as stream,
    ):
        assert b"PK" == await stream.read(2)


class Counted:
    """A room that counts who is in it, and who was."""

    entered = inside = 0

    def __enter__(self):
        self.entered += 1
        self.inside += 1

    def __exit__(self, *_):
        self.inside -= 1


async def test_room(new_client, ready, tmp_path):
    """While a stream is read, a loop that computes all the time lets workers go on."""
    async with new_client(directory=tmp_path) as client:
        room = client._downloader.courtesy = Counted()
        async with client.open_report(ready) as stream:
            before = room.entered
            await stream.read()
            assert (before + 1, 0) == (room.entered, room.inside)


async def test_left_early(new_client, ready, tmp_path):
    """A reader that leaves early, or fails, leaves nothing behind."""
    async with new_client(directory=tmp_path) as client:
        with pytest.raises(ZeroDivisionError):
            async with client.open_report(ready):
                raise ZeroDivisionError
        assert [] == list(tmp_path.iterdir())


async def read_all(client, request_id):
    async with client.open_report(request_id) as stream:
        return b"".join([block async for block in stream])


class LateThread:
    """The n-th thread of a task begins its work only after the task was cancelled and has ended."""

    def __init__(self, number, monkeypatch):
        self._left = number
        self._run_sync = anyio.to_thread.run_sync
        self._free = threading.Event()
        self._ended = threading.Event()
        self.task = None
        monkeypatch.setattr(anyio.to_thread, "run_sync", self.run_sync)

    @property
    def over(self):
        return self._left > 0

    async def run_sync(self, work, *args, **options):
        self._left -= self.task is asyncio.current_task()
        if self._left:
            return await self._run_sync(work, *args, **options)
        self._left = -1
        return await self._run_sync(self._late, work, *args, **options)

    def _late(self, work, *args):
        self.task.get_loop().call_soon_threadsafe(self.task.cancel)
        self._free.wait()
        try:
            return work(*args)
        finally:
            self._ended.set()

    def go_on(self):
        self._free.set()
        self._ended.wait()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_cancelled_natively(new_client, ready, tmp_path, monkeypatch, anyio_backend):
    """A native asyncio cancellation leaves nothing behind, even by a thread that works on."""
    number, over = 0, False
    while not over:
        number += 1
        async with new_client(directory=tmp_path) as client:
            with monkeypatch.context() as patch:
                thread = LateThread(number, patch)
                thread.task = asyncio.create_task(read_all(client, ready))
                await asyncio.wait([thread.task])
                over = thread.over
                if not over:
                    assert thread.task.cancelled()
                    thread.go_on()
        assert [] == list(tmp_path.iterdir())

    assert number > 4


async def test_no_directory(new_client, ready, tmp_path):
    """A directory that cannot be used any more is an error about the report, with what to do."""
    directory = tmp_path / "reports"
    async with new_client(directory=directory) as client:
        directory.rmdir()
        directory.touch()
        with pytest.raises(DownloadError, match="A file stands where the directory") as excinfo:
            await read_all(client, ready)

    assert ready == excinfo.value.request_id


async def test_bad_report(new_client, simulator, ready, tmp_path):
    """A damaged file is an error before anything was passed on."""
    simulator.fail("file", "corrupt", "corrupt", "corrupt")
    async with new_client(directory=tmp_path) as client:
        with pytest.raises(BadArchive, match="The report of request") as excinfo:
            async with client.open_report(ready):
                pytest.fail("it was opened")
        assert (None, ready) == (excinfo.value.report_type, excinfo.value.request_id)
        assert [] == list(tmp_path.iterdir())


async def test_failed_report(new_client, simulator, clock, tmp_path):
    """A request that failed has no file."""
    failed = simulator.add_request("ITEM_MX", clock.now(), status="ERROR")
    async with new_client(directory=tmp_path) as client:
        with pytest.raises(ReportFailed):
            async with client.open_report(failed):
                pytest.fail("it was opened")
        with pytest.raises(InvalidArgument, match="request_id"):
            async with client.open_report(""):
                pytest.fail("it was opened")


async def test_not_ready(new_client, simulator, clock, tmp_path):
    """A request that is not READY is no report yet: that is told at once, for one link call."""
    request_id = simulator.add_request("ITEM_MX", clock.now())
    async with new_client(directory=tmp_path) as client:
        with pytest.raises(ReportNotReady, match="not READY; it has no link yet") as excinfo:
            async with client.open_report(request_id):
                pytest.fail("it was opened")
        assert [] == list(tmp_path.iterdir())

    assert request_id == excinfo.value.request_id
    assert (0.0, 1) == (clock.monotonic(), simulator.count("link"))


async def test_options(new_client, simulator, ready, tmp_path):
    """A client can keep the archives, and tell their digests."""
    options = Downloads(unpack=False, sha256=True)
    async with new_client(directory=tmp_path, downloads=options) as client:
        report = await client.resume_report(ready)

    assert (".zip", [report.path]) == (report.path.suffix, list(tmp_path.iterdir()))
    with pytest.raises(InvalidArgument, match=r"\.zip is kept as an archive: unpack it first"):
        next(report.rows())
    assert hashlib.sha256(report.path.read_bytes()).hexdigest() == report.sha256


@pytest.mark.parametrize("at_once", [0, -1, True, "4", None])
def test_at_once(at_once):
    """At least one file comes at a time."""
    with pytest.raises(InvalidArgument, match="at_once must be a number from 1 up"):
        Downloads(at_once=at_once)
