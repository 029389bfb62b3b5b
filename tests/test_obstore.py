"""Reports into object stores: whole, or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import io
import sys
from contextlib import asynccontextmanager

import anyio
import pytest

from reports_async import BadArchive, InvalidArgument
from reports_async._opened import ReportStream

pytest.importorskip("obstore")

from obstore.store import LocalStore, MemoryStore

from reports_async.obstore import StoredReport, put_report

pytestmark = pytest.mark.anyio

NAME = "reports/item.csv"
SIZE = 30_000_000


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def ready(anyio_backend, simulator, clock):
    return simulator.add_request("ITEM_MX", clock.now(), status="READY")


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path / "bucket", mkdir=True)


def objects(tmp_path):
    return [path.name for path in (tmp_path / "bucket").rglob("*") if path.is_file()]


async def read(store, name):
    return bytes(await (await store.get_async(name)).bytes_async())


@pytest.fixture(params=["memory", "local"])
def anywhere(request, store):
    return MemoryStore() if request.param == "memory" else store


async def test_put_report(new_client, simulator, ready, anywhere, tmp_path):
    """
    The object is the CSV, and is told of; nothing stays in the client's directory.
    """
    simulator.rows("ITEM_MX", 50_000)
    async with new_client(directory=tmp_path / "files") as client:
        stored = await put_report(client, ready, anywhere, NAME, sha256=True)

    content = await read(anywhere, NAME)
    assert simulator.digest(ready) == stored.sha256 == hashlib.sha256(content).hexdigest()
    assert (NAME, ready, len(content)) == (stored.path, stored.request_id, stored.size)
    assert stored.e_tag
    assert [] == list((tmp_path / "files").iterdir())


async def test_archive(new_client, ready, store, tmp_path):
    """
    The archive can be stored as it came, in parts of any size.
    """
    async with new_client(directory=tmp_path) as client:
        await put_report(client, ready, store, NAME, unpack=False, part_size=1_000, parts_at_once=1)

    assert (await read(store, NAME)).startswith(b"PK")


async def test_empty_report(new_client, simulator, ready, tmp_path):
    """
    A report without a byte is an object without a byte.
    """
    simulator.content("ITEM_MX", b"")
    store = MemoryStore()
    async with new_client(directory=tmp_path) as client:
        stored = await put_report(client, ready, store, NAME)

    assert (0, b"") == (stored.size, await read(store, NAME))


async def test_damaged_report(new_client, simulator, ready, store, tmp_path):
    """
    A report that cannot be had whole leaves the store as it was.
    """
    await store.put_async(NAME, b"yesterday's")
    simulator.fail("file", "corrupt", "corrupt", "corrupt")
    async with new_client(directory=tmp_path) as client:
        with pytest.raises(BadArchive):
            await put_report(client, ready, store, NAME)

    assert b"yesterday's" == await read(store, NAME)
    assert ["item.csv"] == objects(tmp_path)


async def test_no_name(new_client, ready, tmp_path):
    """
    An object has a name.
    """
    async with new_client(directory=tmp_path) as client:
        with pytest.raises(InvalidArgument, match="must name an object"):
            await put_report(client, ready, MemoryStore(), "")


async def test_store_that_fails(new_client, ready, store, tmp_path):
    """
    A store that fails is told as it says it, and nothing stays behind.
    """
    await store.put_async("reports", b"an object where a directory would be")
    async with new_client(directory=tmp_path / "files") as client:
        with pytest.raises(Exception, match="reports"):
            await put_report(client, ready, store, NAME)

    assert ["reports"] == objects(tmp_path)
    assert [] == list((tmp_path / "files").iterdir())


class Broken(io.BytesIO):
    """A file whose disk dies near its end."""

    def read(self, size=-1):
        if self.tell() > SIZE * 0.9:
            raise OSError("Input/output error")
        return super().read(size)


class Stuck(ReportStream):
    """A stream that comes to no end."""

    async def __aiter__(self):
        async for block in super().__aiter__():
            yield block
        self.waits.set()
        await anyio.sleep_forever()


class FakeClient:
    """Opens a stream that it was given."""

    def __init__(self, stream):
        self.stream = stream

    @asynccontextmanager
    async def open_report(self, request_id, **options):
        yield self.stream


async def test_broken_off(store, tmp_path):
    """
    An upload that breaks off near its end leaves no object.
    """
    client = FakeClient(ReportStream(Broken(bytes(SIZE)), SIZE))
    with pytest.raises(OSError, match="Input/output error"):
        await put_report(client, "r-1", store, NAME)

    assert [] == objects(tmp_path)


async def test_cancelled(store, tmp_path):
    """
    An upload that is cancelled leaves no object.
    """
    stream = Stuck(io.BytesIO(bytes(SIZE)), SIZE)
    stream.waits = anyio.Event()
    task = asyncio.create_task(put_report(FakeClient(stream), "r-1", store, NAME))
    await stream.waits.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert [] == [name for name in objects(tmp_path) if name == "item.csv"]


def test_value():
    """
    What is stored is a value.
    """
    assert StoredReport(path="a", request_id="r", size=1) == StoredReport(
        path="a", request_id="r", size=1
    )


def test_without_the_extra(monkeypatch):
    """
    Without obstore the module says what to install.
    """
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.delitem(sys.modules, "reports_async.obstore")

    with pytest.raises(ImportError, match=r'pip install "reports-async\[obstore\]"'):
        importlib.import_module("reports_async.obstore")
