"""
A store in PostgreSQL: for many machines. On asyncio only.

A reservation is one short transaction under an advisory lock for its hour; everything else is one
statement. The server's clock decides, unless told otherwise: callers are trusted only in
differences of their times. Two tables, `reports_async_job` and `reports_async_schema`, are made
in the first schema of the search path when they are missing.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, LiteralString, TypeVar

import anyio
import psycopg
from attrs import define, field
from psycopg.rows import dict_row

from reports_async._exceptions import StoreError
from reports_async._http import without_query
from reports_async._models import RETENTION
from reports_async._sansio import window
from reports_async._secrets import Secret, bare

from . import _codec, _server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from reports_async._models import JobRecord

T = TypeVar("T")
Row = dict[str, Any]
Connection = psycopg.AsyncConnection[Row]

CONNECT_TIMEOUT: Final = 5
CALL_TIMEOUT: Final = 20.0
"""Seconds of real time; a call takes milliseconds."""

MIGRATIONS: Final[tuple[tuple[LiteralString, ...], ...]] = (
    (
        """
        CREATE TABLE reports_async_job (
            key text PRIMARY KEY,
            account text NOT NULL,
            report_type text NOT NULL,
            reserved_at bigint NOT NULL,
            holds_until bigint,
            owner text,
            lease_until bigint,
            kept_since bigint NOT NULL,
            body text NOT NULL
        )
        """,
        "CREATE INDEX ON reports_async_job (account, report_type, holds_until)",
        "CREATE INDEX ON reports_async_job (account, kept_since)",
    ),
)
"""Statements that lead from one schema version to the next; `reports_async_schema` counts them."""

_SCHEMA_LOCK: Final = 0x7265706F72747301
# Should a machine freeze while it holds a lock, the others wait this long for it.
_LOCK: Final = """
    SELECT set_config('idle_in_transaction_session_timeout', '10s', true),
        pg_advisory_xact_lock(%(lock)s)
"""

# Instants are microseconds since 1970. `t.now` is the store's time, `given` the caller's; what
# comes in moves by their difference, what goes out moves back. `reserved_at` stays as given.
_TIME: Final = """
    (SELECT coalesce(
        %(now)s::bigint, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    ) AS now) AS t
"""
_MOMENT: Final = f"SELECT now FROM {_TIME}"  # noqa: S608 -- constants only
_SAVE: Final = f"""
    INSERT INTO reports_async_job AS job (
        key, account, report_type, reserved_at, holds_until, owner, lease_until, kept_since, body
    )
    SELECT
        %(key)s, %(account)s, %(report_type)s, %(reserved_at)s,
        %(holds_until)s::bigint - %(given)s + t.now, %(owner)s,
        %(lease_until)s::bigint - %(given)s + t.now, %(reserved_at)s - %(given)s + t.now, %(body)s
    FROM {_TIME}
    ON CONFLICT (key) DO UPDATE SET
        account = excluded.account, report_type = excluded.report_type,
        reserved_at = excluded.reserved_at, holds_until = excluded.holds_until,
        kept_since = excluded.kept_since, body = excluded.body
"""  # noqa: S608 -- constants only
# As a reservation writes: owner and lease too.
_WRITE: Final = f"{_SAVE}, owner = excluded.owner, lease_until = excluded.lease_until"
# `window.claim` as one statement.
_CLAIM: Final = f"""
    UPDATE reports_async_job AS job SET owner = %(owner)s, lease_until = t.now + %(lease)s
    FROM {_TIME}
    WHERE key = %(key)s AND (
        owner IS NULL OR owner = %(owner)s
        OR lease_until IS NULL OR lease_until <= t.now OR lease_until > t.now + %(horizon)s
    )
"""  # noqa: S608 -- constants only
_RECORDS: Final = f"""
    SELECT
        key, account, report_type, reserved_at, holds_until - t.now + %(given)s AS holds_until,
        owner, lease_until - t.now + %(given)s AS lease_until, body
    FROM reports_async_job, {_TIME}
    WHERE account = %(account)s AND kept_since > t.now - %(retention)s
        AND (%(report_type)s::text IS NULL OR report_type = %(report_type)s)
"""  # noqa: S608 -- constants only
_PRUNE: Final = """
    DELETE FROM reports_async_job WHERE key IN (
        SELECT key FROM reports_async_job
        WHERE account = %(account)s AND kept_since <= %(now)s - %(retention)s
        FOR UPDATE SKIP LOCKED
    )
"""
_RIVALS: Final = """
    SELECT key, account, report_type, reserved_at, holds_until, owner, lease_until, body
    FROM reports_async_job
    WHERE account = %(account)s AND report_type = %(report_type)s AND holds_until > %(now)s
"""


_SCHEMES: Final = ("postgresql", "postgres")


@define(eq=False, repr=False, init=False)
class PostgresStore:
    """
    Requests and quota in PostgreSQL, shared by everyone who gives the same database.

    Args:
        url: e.g. ``postgresql://user:password@host/database``.
        clock: Who knows the time: the ``server``, which is right for real time whatever the
            clocks of the machines say, or the ``caller``, for clocks that do not run in real time
            (`reports_async.testing.ScaledClock`).
    """

    url: str
    _clock: _server.WhoseClock = field(
        default="server", kw_only=True, converter=_server.checked_clock
    )
    _reader: _codec.Reader = field(init=False)
    _lock: asyncio.Lock = field(factory=asyncio.Lock, init=False)
    _connection: Connection | None = field(default=None, init=False)

    def __init__(self, url: str, *, clock: _server.WhoseClock = "server") -> None:
        refusal = _server.refusal(url, schemes=_SCHEMES)
        if refusal is not None:
            # A traceback may be shown with its variables, and a password is in this one.
            del self, url
            raise refusal
        self.__attrs_init__(url=Secret(url), clock=clock)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # attrs makes it
        self._reader = _codec.Reader(without_query(url))

    async def reserve(self, record: JobRecord, *, now: datetime) -> JobRecord:
        """Take the hour if it is open; see `Store.reserve`."""

        async def work(connection: Connection) -> JobRecord:
            # Each statement must see what was committed before it, so after the wait for the lock.
            await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
            winner = await self._decide(connection, record, now=now)
            await connection.execute("COMMIT")
            return winner

        return await self._run(work)

    async def claim(self, key: str, *, owner: str, now: datetime, lease: float) -> bool:
        """Become, or stay, the one who works on a record; see `Store.claim`."""
        horizon = window.horizon(now=now, limit=max(lease, window.PERIOD)) - now
        values = {
            **self._times(now),
            "key": key,
            "owner": owner,
            "lease": _codec.length(timedelta(seconds=lease)),
            "horizon": _codec.length(horizon),
        }

        async def work(connection: Connection) -> bool:
            return (await connection.execute(_CLAIM, values)).rowcount == 1

        return await self._run(work)

    async def save(self, record: JobRecord, *, now: datetime) -> None:
        """Write a record; see `Store.save`."""
        values = {**self._times(now), **_codec.row(record)}
        await self._run(lambda connection: connection.execute(_SAVE, values))

    async def delete(self, key: str) -> None:
        """Forget a record; see `Store.delete`."""
        await self._run(
            lambda connection: connection.execute(
                "DELETE FROM reports_async_job WHERE key = %(key)s", {"key": key}
            )
        )

    async def records(
        self, account: str, *, now: datetime, report_type: str | None = None
    ) -> Sequence[JobRecord]:
        """Return an account's records; see `Store.records`."""
        values = {
            **self._times(now),
            "account": account,
            "report_type": report_type,
            "retention": _codec.length(RETENTION),
        }

        async def work(connection: Connection) -> list[Row]:
            return await (await connection.execute(_RECORDS, values)).fetchall()

        rows = await self._run(work)
        found = [
            record for row in rows if (record := self._reader.record(row.pop("body"), columns=row))
        ]
        return sorted(found, key=lambda record: (record.reserved_at, record.key), reverse=True)

    async def aclose(self) -> None:
        """Close the connection; a later call opens a new one."""
        async with self._lock:
            await self._disconnect()

    async def _decide(
        self, connection: Connection, record: JobRecord, *, now: datetime
    ) -> JobRecord:
        values = {**self._times(now), **_codec.row(record), "retention": _codec.length(RETENTION)}
        await connection.execute(_LOCK, {"lock": _hour(record)})
        (row,) = await (await connection.execute(_MOMENT, values)).fetchall()
        values["now"] = row["now"]
        moment = _codec.from_micros(row["now"])
        await connection.execute(_PRUNE, values)
        rows = await (await connection.execute(_RIVALS, values)).fetchall()
        rivals = [
            rival for row in rows if (rival := self._reader.holder(row.pop("body"), columns=row))
        ]
        winner = window.reserve(rivals, record, now=moment)
        if winner is record:
            await connection.execute(_WRITE, values)
            return record
        if winner not in rivals:
            await connection.execute(
                "UPDATE reports_async_job SET holds_until = %(holds_until)s WHERE key = %(key)s",
                _codec.row(winner),
            )
        return _codec.shifted(winner, now - moment)

    def _times(self, now: datetime) -> Row:
        given = _codec.to_micros(now)
        return {"given": given, "now": given if self._clock == "caller" else None}

    async def _run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        _server.require_asyncio("PostgresStore")
        try:
            with anyio.fail_after(CALL_TIMEOUT):
                async with self._lock:
                    return await self._attempt(work)
        except (psycopg.Error, OSError) as exc:
            error = StoreError(_server.trouble(exc, url=self.url))
            # A copy of the driver's error: the original keeps its connection, with the password.
            error.__cause__ = bare(exc) if isinstance(exc, OSError) else type(exc)(*exc.args)
        raise error

    async def _attempt(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        if self._connection is not None:
            # A server that was restarted has closed our connection: once more, on a new one. That
            # is safe: every call may be repeated.
            try:
                return await self._once(self._connection, work)
            except psycopg.OperationalError:
                pass
        self._connection = await self._connect()
        return await self._once(self._connection, work)

    async def _once(self, connection: Connection, work: Callable[[Connection], Awaitable[T]]) -> T:
        try:
            return await work(connection)
        except BaseException:
            # Nobody knows what it is in the middle of. The server rolls back what it has left open.
            await self._disconnect()
            raise

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with anyio.CancelScope(shield=True):
                await connection.close()

    async def _connect(self) -> Connection:
        connection = await psycopg.AsyncConnection[Row].connect(
            self.url,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT,
            # Poolers between us and the server do not always know prepared statements.
            prepare_threshold=None,
            row_factory=dict_row,
        )
        try:
            await self._prepare(connection)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await connection.close()
            raise
        return connection

    async def _prepare(self, connection: Connection) -> None:
        found = await connection.execute("SELECT to_regclass('reports_async_schema') AS known")
        (row,) = await found.fetchall()
        if row["known"] and await self._version(connection) == len(MIGRATIONS):
            return
        await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
        await connection.execute(_LOCK, {"lock": _SCHEMA_LOCK})
        # Asking for the name again would not do: a "no" is remembered by the session.
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS reports_async_schema (version integer NOT NULL)"
        )
        version = await self._version(connection)
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                await connection.execute(statement)
        await connection.execute("DELETE FROM reports_async_schema")
        await connection.execute(
            "INSERT INTO reports_async_schema VALUES (%(version)s)", {"version": len(MIGRATIONS)}
        )
        await connection.execute("COMMIT")

    async def _version(self, connection: Connection) -> int:
        found = await connection.execute("SELECT max(version) AS version FROM reports_async_schema")
        (row,) = await found.fetchall()
        version = row["version"] or 0
        if version > len(MIGRATIONS):
            raise StoreError(
                f"The store at {without_query(self.url)} was made by a newer reports-async (schema "
                f"{version}, this one knows {len(MIGRATIONS)}). Upgrade reports-async or choose "
                "another database."
            )
        return int(version)

    def __repr__(self) -> str:
        return f"<PostgresStore {without_query(self.url)}>"


def _hour(record: JobRecord) -> int:
    name = f"reports-async {record.account} {record.report_type}".encode()
    return int.from_bytes(blake2b(name, digest_size=8).digest(), "big", signed=True)
