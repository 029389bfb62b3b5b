"""Bad stores through the public face: one clear error and nothing sent, or the wait goes on."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import subprocess
from contextlib import closing, suppress
from datetime import timedelta

import anyio
import pytest

from reports_async import (
    Credentials,
    JobStatus,
    ReportsClient,
    SQLiteStore,
    StoreError,
    stores,
)
from reports_async.testing import ScaledClock, Simulator, SimulatorTransport

pytestmark = pytest.mark.anyio

SPEED = 600.0


@pytest.fixture
def simulator():
    return Simulator(rows=5, generation=900)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.sqlite3"


async def refused(new_client, simulator, store):
    """The error that each use of a store ends with; nothing may have been sent."""
    async with new_client(store=store) as client:
        with pytest.raises(StoreError) as excinfo:
            await client.fetch_report("ITEM_MX")
        with pytest.raises(StoreError):
            await client.jobs()

    assert () == simulator.calls
    message = str(excinfo.value)
    assert "\n" not in message
    return message


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


# -- a file that cannot be used -------------------------------------------------------------------


async def test_not_sqlite(new_client, simulator, path):
    """
    A file that is no SQLite database is told before anything is sent.
    """
    path.write_text("Dear diary")

    message = await refused(new_client, simulator, SQLiteStore(path))

    assert "is not a SQLite database. Choose another path" in message
    assert "Dear diary" == path.read_text()


async def test_newer_schema(new_client, simulator, path):
    """
    A file of a newer version is told before anything is sent.
    """
    async with new_client(store=SQLiteStore(path)) as client:
        assert [] == await client.jobs()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")

    message = await refused(new_client, simulator, SQLiteStore(path))

    assert "was made by a newer reports-async" in message
    assert "Upgrade reports-async or choose another path" in message


@pytest.fixture
def disk(tmp_path):
    """
    A disk of 256 KiB.
    """
    place = tmp_path / "disk"
    place.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    try:
        subprocess.run(mounting, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a disk can be mounted by root only, on Linux")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place):
    with suppress(OSError), (place / "filler").open("wb", buffering=0) as file:
        while file.write(bytes(1024)):
            pass


def freeze(place):
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)


async def test_read_only(new_client, simulator, disk):
    """
    A file that cannot be written is told before anything is sent.
    """
    async with new_client(store=SQLiteStore(disk / "store.sqlite3")) as client:
        assert [] == await client.jobs()
    freeze(disk)

    async with new_client(store=SQLiteStore(disk / "store.sqlite3")) as client:
        with pytest.raises(StoreError, match=r"cannot be (written|opened)\. Check the permissions"):
            await client.fetch_report("ITEM_MX")

    assert () == simulator.calls


async def test_full_disk_at_the_start(new_client, simulator, disk):
    """
    A disk that is full is told before anything is sent.
    """
    fill(disk)

    message = await refused(new_client, simulator, SQLiteStore(disk / "store.sqlite3"))

    assert "cannot grow, the disk is full. Free some space" in message


async def test_full_disk_during_the_wait(new_client, simulator, disk, clock, caplog):
    """
    A disk that gets full during the wait costs nothing: what waits is written when there is room.
    """
    store = SQLiteStore(disk / "store.sqlite3")
    async with new_client(store=store) as client:
        simulator.delay("create", 5)
        job = client.request_report("ITEM_MX")
        await clock.sleep(2)
        fill(disk)
        report = await job
        assert "could not be written down" in caplog.text
        (disk / "filler").unlink()
        await clock.sleep(100)

    async with new_client(store=store) as client:
        [record] = await client.jobs()
    assert (JobStatus.SAVED, report.request_id) == (record.status, record.request_id)
    assert simulator.digest(report.request_id) == digest(report.path)


async def test_corrupt_record(new_client, simulator, path, caplog):
    """
    A record that cannot be read is skipped with a warning; its hour is kept, others go on.
    """
    async with new_client(store=SQLiteStore(path)) as client:
        await client.fetch_report("ITEM_MX")
        await client.fetch_report("INVENTORY_MX")
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE job SET body = '{' WHERE report_type = 'ITEM_MX'")
        database.commit()

    async with new_client(store=SQLiteStore(path)) as client:
        [record] = await client.jobs()
        report = await client.fetch_report("ITEM_MX")

    assert "INVENTORY_MX" == record.report_type
    assert "Skipped record" in caplog.text
    assert report.path.exists()
    assert 0 == simulator.count("create", 429)


async def test_records_are_pruned(new_client, simulator, path, clock):
    """
    Records are kept 30 days, and are gone with the next reservation.
    """
    async with new_client(store=SQLiteStore(path)) as client:
        await client.fetch_report("ITEM_MX")
        await clock.sleep(timedelta(days=29).total_seconds())
        assert ["ITEM_MX"] == [record.report_type for record in await client.jobs()]
        await clock.sleep(timedelta(days=2).total_seconds())
        assert [] == await client.jobs()
        await client.fetch_report("INVENTORY_MX")
    with closing(sqlite3.connect(path)) as database:
        found = database.execute("SELECT report_type FROM job").fetchall()

    assert [("INVENTORY_MX",)] == found


# -- servers that are down ------------------------------------------------------------------------


KINDS = {"redis": "RedisStore", "postgres": "PostgresStore"}
DRIVERS = {"redis": "redis", "postgres": "psycopg"}


@pytest.fixture(params=KINDS)
def kind(request):
    pytest.importorskip(DRIVERS[request.param])
    return request.param


@pytest.fixture
def own_server(request, kind):
    """
    A running server of one's own.
    """
    server = request.getfixturevalue({"redis": "own_valkey", "postgres": "own_postgres"}[kind])
    server.start()
    return server


def make_store(kind, url):
    return getattr(stores, KINDS[kind])(url, clock="caller")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_no_server(simulator, kind, tmp_path):
    """
    A server of the store that is down at the start is told in one line, and nothing is sent.
    """
    url = f"{'redis' if kind == 'redis' else 'postgresql'}://me:s3cret@127.0.0.1:9/0"

    def new_client(**arguments):
        clock = ScaledClock(SPEED)
        return ReportsClient(
            Credentials("id", "secret"),
            market="mx",
            directory=tmp_path,
            transport=SimulatorTransport(simulator, clock),
            clock=clock,
            **arguments,
        )

    message = await refused(new_client, simulator, make_store(kind, url))

    assert "127.0.0.1:9" in message
    assert "cannot be used" in message
    assert "s3cret" not in message


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_server_dies_during_the_wait(simulator, kind, own_server, tmp_path, caplog):
    """
    A server that dies during the wait, and comes back later, has the whole record in the end.
    """
    caplog.set_level(logging.INFO)
    clock = ScaledClock(SPEED)
    async with ReportsClient(
        Credentials("id", "secret"),
        market="mx",
        directory=tmp_path,
        transport=SimulatorTransport(simulator, clock),
        store=make_store(kind, own_server.url),
        clock=clock,
    ) as client:
        job = client.request_report("ITEM_MX")
        async for event in job.events():
            if event.request_id is not None:
                break
        await anyio.to_thread.run_sync(own_server.stop)
        report = await job
        assert "could not be written down" in caplog.text
        await anyio.to_thread.run_sync(own_server.start)
        with anyio.fail_after(30):
            while "is written now" not in caplog.text:
                await clock.sleep(1)

    store = make_store(kind, own_server.url)
    [record] = await store.records(client._account, now=clock.now())
    await store.aclose()
    assert (JobStatus.SAVED, report.request_id) == (record.status, record.request_id)
    assert simulator.digest(report.request_id) == digest(report.path)
    assert 1 == simulator.creates()
