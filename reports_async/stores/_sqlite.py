"""
A store in one SQLite file: for all tasks, threads and processes of a machine.

It compares by the caller's clock, which they share. Each call opens the file, makes one
transaction in a worker thread and closes it again: nothing is left open by a cancelled call, a
fork, or a program that forgets to close. Not for network file systems: their locks cannot be
trusted, use `RedisStore` or `PostgresStore`.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from attrs import define, field

from reports_async._exceptions import InvalidArgument, StoreError
from reports_async._models import RETENTION
from reports_async._sansio import window

from . import _codec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from reports_async._models import JobRecord

T = TypeVar("T")

BUSY_TIMEOUT: Final = 20.0
"""Seconds to wait for other processes. Each of their transactions takes milliseconds."""

APPLICATION_ID: Final = 0x52507473
"""Marks the file as ours, so that another program's database is never written to."""

MIGRATIONS: Final = (
    (
        """
        CREATE TABLE job (
            key TEXT PRIMARY KEY NOT NULL,
            account TEXT NOT NULL,
            report_type TEXT NOT NULL,
            reserved_at INTEGER NOT NULL,
            holds_until INTEGER,
            owner TEXT,
            lease_until INTEGER,
            body TEXT NOT NULL
        )
        """,
        "CREATE INDEX job_hour ON job (account, report_type, holds_until)",
        "CREATE INDEX job_age ON job (account, reserved_at)",
        f"PRAGMA application_id = {APPLICATION_ID}",
    ),
)
"""Statements that lead from one schema version to the next; ``PRAGMA user_version`` counts them."""

_COLUMNS: Final = ", ".join((*_codec.COLUMNS, "body"))
_VALUES: Final = ", ".join(f":{name}" for name in (*_codec.COLUMNS, "body"))

_RIVALS: Final = f"""
    SELECT {_COLUMNS} FROM job
    WHERE account = ? AND report_type = ? AND holds_until > ?
"""  # noqa: S608 -- constants only
_PRUNE: Final = "DELETE FROM job WHERE account = ? AND reserved_at <= ?"
_WRITE: Final = f"INSERT OR REPLACE INTO job ({_COLUMNS}) VALUES ({_VALUES})"  # noqa: S608 -- constants only
_SAVE: Final = f"""
    INSERT INTO job ({_COLUMNS}) VALUES ({_VALUES})
    ON CONFLICT (key) DO UPDATE SET
        account = excluded.account, report_type = excluded.report_type,
        reserved_at = excluded.reserved_at, holds_until = excluded.holds_until,
        body = excluded.body
"""  # noqa: S608 -- constants only
# `window.claim` as one statement.
_CLAIM: Final = """
    UPDATE job SET owner = :owner, lease_until = :until
    WHERE key = :key AND (
        owner IS NULL OR owner = :owner
        OR lease_until IS NULL OR lease_until <= :now OR lease_until > :horizon
    )
"""
_RECORDS: Final = f"""
    SELECT {_COLUMNS} FROM job
    WHERE account = ? AND reserved_at > ? AND (? IS NULL OR report_type = ?)
    ORDER BY reserved_at DESC, key DESC
"""  # noqa: S608 -- constants only


def _checked_path(path: str | os.PathLike[str]) -> Path:
    text = os.fspath(path)
    if not text or text == ":memory:" or "\0" in text:
        raise InvalidArgument(
            f"path must be that of a file, not {text!r}; to keep nothing, use MemoryStore()."
        )
    return Path(text).absolute()


@define(eq=False, repr=False)
class SQLiteStore:
    """
    Requests and quota in a file that is made, for its owner's eyes only, when it is first used.

    Args:
        path: The file. Its directory is made as well.
    """

    path: Path = field(converter=_checked_path)
    _limiter: RunVar[CapacityLimiter] = field(init=False, factory=lambda: RunVar("limiter"))
    _reader: _codec.Reader = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._reader = _codec.Reader(str(self.path))

    async def reserve(self, record: JobRecord, *, now: datetime) -> JobRecord:
        """Take the hour if it is open; see `Store.reserve`."""
        moment = _codec.to_micros(now)

        def work(connection: sqlite3.Connection) -> JobRecord:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_PRUNE, (record.account, _codec.to_micros(now - RETENTION)))
            rows = connection.execute(_RIVALS, (record.account, record.report_type, moment))
            rivals = [rival for row in rows if (rival := self._record(row, holder=True))]
            winner = window.reserve(rivals, record, now=now)
            if winner is record:
                connection.execute(_WRITE, _codec.row(record))
            elif winner not in rivals:
                connection.execute(
                    "UPDATE job SET holds_until = :holds_until WHERE key = :key", _codec.row(winner)
                )
            connection.execute("COMMIT")
            return winner

        return await self._run(work)

    async def claim(self, key: str, *, owner: str, now: datetime, lease: float) -> bool:
        """Become, or stay, the one who works on a record; see `Store.claim`."""
        horizon = window.horizon(now=now, limit=max(lease, window.PERIOD))
        values = {
            "key": key,
            "owner": owner,
            "now": _codec.to_micros(now),
            "until": _codec.to_micros(now + timedelta(seconds=lease)),
            "horizon": _codec.to_micros(horizon),
        }
        return await self._run(lambda connection: connection.execute(_CLAIM, values).rowcount == 1)

    async def save(self, record: JobRecord, *, now: datetime) -> None:  # noqa: ARG002 -- for stores with a clock of their own
        """Write a record; see `Store.save`."""
        await self._run(lambda connection: connection.execute(_SAVE, _codec.row(record)))

    async def delete(self, key: str) -> None:
        """Forget a record; see `Store.delete`."""
        await self._run(
            lambda connection: connection.execute("DELETE FROM job WHERE key = ?", (key,))
        )

    async def records(
        self, account: str, *, now: datetime, report_type: str | None = None
    ) -> Sequence[JobRecord]:
        """Return an account's records; see `Store.records`."""
        values = (account, _codec.to_micros(now - RETENTION), report_type, report_type)

        def work(connection: sqlite3.Connection) -> list[JobRecord]:
            rows = connection.execute(_RECORDS, values)
            return [record for row in rows if (record := self._record(row))]

        return await self._run(work)

    async def aclose(self) -> None:
        """Do nothing: every call closes what it opened."""

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        # One thread at a time: they would only wait for each other's lock on the file. A thread
        # is never abandoned, so a cancelled call has either happened or not begun.
        try:
            limiter = self._limiter.get()
        except LookupError:
            self._limiter.set(limiter := CapacityLimiter(1))
        return await to_thread.run_sync(self._in_thread, work, limiter=limiter)

    def _in_thread(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with contextlib.closing(self._open()) as connection:
                return work(connection)
        except (sqlite3.Error, OSError) as exc:
            raise StoreError(explain(exc, path=self.path)) from exc

    def _open(self) -> sqlite3.Connection:
        _create(self.path)
        connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT, isolation_level=None)
        try:
            if _version(connection) != len(MIGRATIONS):
                self._migrate(connection)
            elif _application(connection) != APPLICATION_ID:
                self._refuse()
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        version = _version(connection)
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if _application(connection) != APPLICATION_ID and (version or tables):
            self._refuse()
        if version > len(MIGRATIONS):
            raise StoreError(
                f"The store {self.path} was made by a newer reports-async (schema {version}, this "
                f"one knows {len(MIGRATIONS)}). Upgrade reports-async or choose another path."
            )
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
        # For speed only, so it matters little if another process is in the way. The last of
        # those that start together gets it done.
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL")

    def _refuse(self) -> None:
        raise StoreError(
            f"The file {self.path} is another program's SQLite database. Choose another path for "
            "the store."
        )

    def _record(self, row: tuple[Any, ...], *, holder: bool = False) -> JobRecord | None:
        columns: dict[str, Any] = dict(zip(_codec.COLUMNS, row[:-1], strict=True))
        read = self._reader.holder if holder else self._reader.record
        return read(row[-1], columns=columns)

    def __repr__(self) -> str:
        return f"<SQLiteStore {str(self.path)!r}>"


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _application(connection: sqlite3.Connection) -> int:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    return int(application)


def _create(path: Path) -> None:
    # A file that is there must not be opened and closed here: on POSIX that would drop the locks
    # that other threads of this process hold on it.
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


_CURES: Final = (
    ("SQLITE_NOTADB", "is not a SQLite database", "Choose another path, or move that file away."),
    ("SQLITE_CORRUPT", "is damaged", "Move it away; known requests are resumed by their ids."),
    ("SQLITE_FULL", "cannot grow, the disk is full", "Free some space and try again."),
    ("SQLITE_READONLY", "cannot be written", "Check the permissions of it and its directory."),
    ("SQLITE_CANTOPEN", "cannot be opened", "Check the permissions of it and its directory."),
    (
        "SQLITE_BUSY",
        f"has been locked by another program for {BUSY_TIMEOUT:.0f} s",
        "Close what holds it open and try again.",
    ),
)


def explain(exc: sqlite3.Error | OSError, *, path: Path) -> str:
    """Return what is wrong with the file at *path*, and what to do about it, in one line."""
    if isinstance(exc, OSError):
        reason = exc.strerror or str(exc)
        return f"The store {path} cannot be used: {reason}. Choose another path or correct it."
    code = str(getattr(exc, "sqlite_errorname", ""))
    for prefix, trouble, cure in _CURES:
        if code.startswith(prefix):
            return f"The store {path} {trouble}. {cure}"
    return f"The store {path} cannot be used: {exc}. Check the file and its disk."
