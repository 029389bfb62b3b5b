"""What only the store in a SQLite file does: files, damage, versions, locks."""

from __future__ import annotations

import sqlite3
import stat
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from attrs import evolve

from reports_async._exceptions import InvalidArgument, StoreError
from reports_async._models import JobRecord
from reports_async.stores import SQLiteStore, _sqlite

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

RECORD = JobRecord(
    key="a",
    account="acme",
    report_type="ITEM_MX",
    version="v1",
    reserved_at=NOW,
    holds_until=NOW + timedelta(hours=1),
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def sql(path: Path) -> Callable[..., list[Any]]:
    """Return what runs a statement on the file behind the store's back."""

    def run(statement: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            return connection.execute(statement, values).fetchall()

    return run


async def test_the_file_is_its_owners(tmp_path: Path) -> None:
    """The file is made when it is first used, readable by its owner only, with its directory."""
    path = tmp_path / "new" / "deep" / "store.db"
    store = SQLiteStore(path)
    assert not path.parent.exists()

    await store.reserve(RECORD, now=NOW)

    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


async def test_nothing_stays_open(path: Path) -> None:
    """Between calls no journal lies about: the file alone is the whole store."""
    store = SQLiteStore(path)

    await store.reserve(RECORD, now=NOW)

    assert [path] == list(path.parent.iterdir())
    assert repr(store) == f"<SQLiteStore '{path}'>"


def test_first_use_by_many_threads(path: Path) -> None:
    """Threads with loops of their own may all be the first, on one store; one has the hour."""
    store = SQLiteStore(path)
    start = threading.Barrier(8)
    winners: list[str] = []

    async def ask(number: int) -> None:
        winner = await store.reserve(evolve(RECORD, key=f"{number}"), now=NOW)
        winners.append(winner.key)

    def run(number: int) -> None:
        start.wait()
        anyio.run(ask, number, backend="asyncio" if number % 2 else "trio")

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 8 == len(winners)
    assert 1 == len(set(winners))


@pytest.mark.parametrize("path", ["", ":memory:", "a\0b"])
def test_not_a_file(path: str) -> None:
    """A path that names no file is refused at once."""
    with pytest.raises(InvalidArgument, match=r"path must be that of a file.* use MemoryStore\(\)"):
        SQLiteStore(path)


async def test_relative_path_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path goes from where the program was when it made the store."""
    monkeypatch.chdir(tmp_path)
    store = SQLiteStore("store.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")

    await store.delete("a")

    assert (tmp_path / "store.db").exists()


async def seed(path: Path) -> None:
    await SQLiteStore(path).reserve(RECORD, now=NOW)


def fails(path: Path) -> str:
    with pytest.raises(StoreError) as excinfo:
        anyio.run(seed, path)
    assert "\n" not in str(excinfo.value)
    return str(excinfo.value)


def test_a_directory(tmp_path: Path) -> None:
    """A directory in place of the file is told, with what to do."""
    message = fails(tmp_path)

    assert f"The store {tmp_path} cannot be opened. Check the permissions" in message


def test_a_file_in_place_of_the_directory(path: Path) -> None:
    """A file in place of the directory is told, with what to do."""
    path.touch()

    message = fails(path / "store.db")

    assert f"The store {path}/store.db cannot be used: File exists. Choose another path" in message


def test_not_sqlite(path: Path) -> None:
    """A file that is no SQLite database is told, and left as it is."""
    path.write_bytes(b"Dear diary, " * 100)

    message = fails(path)

    assert f"The store {path} is not a SQLite database. Choose another path" in message
    assert b"Dear diary, " * 100 == path.read_bytes()


@pytest.mark.parametrize("version", [0, 1, 7])
def test_another_programs_database(path: Path, sql: Callable[..., list[Any]], version: int) -> None:
    """A SQLite database of another program is told, and left as it is."""
    sql("CREATE TABLE diary (entry)")
    sql(f"PRAGMA user_version = {version}")

    message = fails(path)

    assert f"The file {path} is another program's SQLite database." in message
    assert [("diary",)] == sql("SELECT name FROM sqlite_master")


def test_newer_schema(path: Path, sql: Callable[..., list[Any]]) -> None:
    """A store of a newer version is told, and left as it is."""
    anyio.run(seed, path)
    sql("PRAGMA user_version = 99")

    message = fails(path)

    assert "made by a newer reports-async (schema 99, this one knows 1). Upgrade" in message


async def test_older_schema(
    path: Path, sql: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store of an older version is brought up to date and keeps what it knows."""
    await SQLiteStore(path).reserve(RECORD, now=NOW)
    newer = (*_sqlite.MIGRATIONS, ("ALTER TABLE job ADD COLUMN colour TEXT",))
    monkeypatch.setattr(_sqlite, "MIGRATIONS", newer)

    assert [RECORD] == list(await SQLiteStore(path).records("acme", now=NOW))
    assert [(2,)] == sql("PRAGMA user_version")
    assert [(None,)] == sql("SELECT colour FROM job")


def test_locked(path: Path, sql: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another program keeps locked is told, with what to do."""
    anyio.run(seed, path)
    monkeypatch.setattr(_sqlite, "BUSY_TIMEOUT", 0.0)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        message = fails(path)

    assert f"The store {path} has been locked by another program for 20 s. Close" in message


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SQLITE_NOTADB", "is not a SQLite database."),
        ("SQLITE_CORRUPT_INDEX", "is damaged."),
        ("SQLITE_FULL", "cannot grow, the disk is full. Free some space and try again."),
        ("SQLITE_READONLY_DBMOVED", "cannot be written."),
        ("SQLITE_CANTOPEN", "cannot be opened."),
        ("SQLITE_BUSY_SNAPSHOT", "has been locked by another program for 20 s."),
        ("SQLITE_IOERR_READ", "cannot be used: disk I/O error. Check the file and its disk."),
    ],
)
def test_explain(name: str, expected: str) -> None:
    """Every kind of failure says what is wrong with which file."""
    exc = sqlite3.OperationalError("disk I/O error")
    exc.sqlite_errorname = name

    assert _sqlite.explain(exc, path=Path("x.db")).startswith(f"The store x.db {expected}")


def test_explain_without_a_name() -> None:
    """An error of Python's own SQLite layer, or of the system, is told in its own words."""
    misuse = _sqlite.explain(sqlite3.ProgrammingError("closed"), path=Path("x.db"))
    system = _sqlite.explain(OSError("odd"), path=Path("x.db"))

    assert "The store x.db cannot be used: closed. Check the file and its disk." == misuse
    assert "The store x.db cannot be used: odd. Choose another path or correct it." == system


async def test_full_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full the call fails, and what was there before is still there."""
    await SQLiteStore(path).reserve(RECORD, now=NOW)
    connect = sqlite3.connect

    def small(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection = connect(*args, **kwargs)
        connection.execute("PRAGMA max_page_count = 1")
        return connection

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", small)
        huge = evolve(RECORD, key="b", report_type="NEW", error="x" * 100_000)
        with pytest.raises(StoreError, match="the disk is full"):
            await SQLiteStore(path).reserve(huge, now=NOW)

    assert [RECORD] == list(await SQLiteStore(path).records("acme", now=NOW))


async def test_damaged_body(
    path: Path, sql: Callable[..., list[Any]], caplog: pytest.LogCaptureFixture
) -> None:
    """A record whose text is damaged is not told of, with one warning, but still holds its hour."""
    store = SQLiteStore(path)
    await store.reserve(RECORD, now=NOW)
    sql("UPDATE job SET body = ?", '{"version": 1')

    assert [] == list(await store.records("acme", now=NOW))
    holder = await store.reserve(evolve(RECORD, key="b"), now=NOW)

    assert ("a", RECORD.holds_until, None) == (holder.key, holder.holds_until, holder.request_id)
    assert [("a", '{"version": 1')] == sql("SELECT key, body FROM job")
    (message,) = caplog.messages
    assert message.startswith(f"Skipped record 'a' in {path}")


@pytest.mark.parametrize(
    ("column", "value"),
    [("holds_until", "tomorrow"), ("reserved_at", b"\0"), ("holds_until", 2**62)],
)
async def test_damaged_columns(
    path: Path,
    sql: Callable[..., list[Any]],
    caplog: pytest.LogCaptureFixture,
    column: str,
    value: Any,
) -> None:
    """A record whose columns are damaged is skipped with a warning, and holds nothing."""
    store = SQLiteStore(path)
    await store.reserve(RECORD, now=NOW)
    sql(f"UPDATE job SET {column} = ?", value)
    second = evolve(RECORD, key="b")

    assert second == await store.reserve(second, now=NOW)
    assert [second] == list(await store.records("acme", now=NOW))
    assert 1 == len(caplog.messages)
