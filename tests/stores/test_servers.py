"""What only stores with a server do: their clock, their failures, their secrets."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from attrs import evolve

from reports_async._exceptions import InvalidArgument, StoreError
from reports_async._models import JobRecord
from reports_async.stores import _server

psycopg = pytest.importorskip("psycopg")
redis = pytest.importorskip("redis")

from reports_async.stores import PostgresStore, RedisStore, _postgres  # noqa: E402 -- extras

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from reports_async.abc import Store

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)
# What a call may take at most; the servers' clocks go on meanwhile.
SOON = timedelta(seconds=30)
NAMED = "application_name=reports-async-test"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def account() -> str:
    return uuid.uuid4().hex


@pytest.fixture(params=["redis", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """Return a store that goes by the clock of its server."""
    url = request.getfixturevalue(f"{request.param}_url")
    store = RedisStore(url) if request.param == "redis" else PostgresStore(url)
    yield store
    await store.aclose()


def make(account: str, key: str = "a", *, now: datetime, **changes: Any) -> JobRecord:
    record = JobRecord(
        key=f"{account} {key}",
        account=account,
        report_type="ITEM_MX",
        version="v1",
        reserved_at=now,
        holds_until=now + HOUR,
    )
    return evolve(record, **changes)


def is_soon_after(moment: datetime | None, expected: datetime) -> bool:
    return moment is not None and timedelta(0) <= moment - expected < SOON


@pytest.mark.parametrize("skew", [timedelta(0), timedelta(hours=3), timedelta(hours=-3)])
async def test_clocks_need_not_agree(store: Store, account: str, skew: timedelta) -> None:
    """Machines whose clocks differ by hours share an hour, each told the end by its own clock."""
    there = NOW + skew
    first = await store.reserve(make(account, "a", now=NOW), now=NOW)

    holder = await store.reserve(make(account, "b", now=there), now=there)
    (told,) = await store.records(account, now=there)

    assert first.key == holder.key == told.key
    # The server's clock went on between the calls, the clocks of this test did not.
    assert is_soon_after(there + HOUR, holder.holds_until)
    assert is_soon_after(there + HOUR, told.holds_until)
    assert NOW == told.reserved_at


async def test_an_hour_that_is_over(store: Store, account: str) -> None:
    """A hold of no duration is over for everyone at once, whatever a clock says."""
    await store.reserve(make(account, "a", now=NOW, holds_until=NOW), now=NOW)
    earlier = NOW - 3 * HOUR
    second = make(account, "b", now=earlier)

    assert second == await store.reserve(second, now=earlier)


async def test_saved_holds_are_differences(store: Store, account: str) -> None:
    """A hold that one machine confirms is an hour for another, whose clock is hours off."""
    record = await store.reserve(make(account, "a", now=NOW), now=NOW)
    later = NOW + 5 * HOUR
    await store.save(evolve(record, holds_until=later + HOUR), now=later)

    holder = await store.reserve(make(account, "b", now=NOW), now=NOW)

    assert record.key == holder.key
    assert is_soon_after(NOW + HOUR, holder.holds_until)


async def test_strays_are_cut(store: Store, account: str) -> None:
    """A hold too far ahead counts one period from when it is seen, by the server's clock."""
    stray = make(account, "a", now=NOW, holds_until=NOW + 9 * HOUR)
    await store.save(stray, now=NOW)
    there = NOW - 3 * HOUR

    holder = await store.reserve(make(account, "b", now=there), now=there)

    assert stray.key == holder.key
    assert there + HOUR == holder.holds_until


async def test_leases_are_differences(store: Store, account: str) -> None:
    """A lease keeps another machine away whose clock says that it was over long ago."""
    record = await store.reserve(make(account, now=NOW), now=NOW)
    there = NOW + 3 * HOUR

    assert await store.claim(record.key, owner="me", now=NOW, lease=90)
    assert not await store.claim(record.key, owner="you", now=there, lease=90)
    (told,) = await store.records(account, now=there)
    assert is_soon_after(there + timedelta(seconds=90), told.lease_until)
    assert await store.claim(record.key, owner="me", now=NOW, lease=0)
    assert await store.claim(record.key, owner="you", now=NOW - 3 * HOUR, lease=90)


async def test_lease_of_a_reservation(store: Store, account: str) -> None:
    """An owner that comes with the reservation, or with a save, has its lease by differences."""
    claimed = {"owner": "me", "lease_until": NOW + timedelta(seconds=90)}
    await store.reserve(make(account, "a", now=NOW, **claimed), now=NOW)
    await store.save(make(account, "b", now=NOW, **claimed), now=NOW)
    there = NOW + 3 * HOUR

    for key in ("a", "b"):
        assert not await store.claim(f"{account} {key}", owner="you", now=there, lease=90)


async def test_age_is_a_difference(store: Store, account: str) -> None:
    """A record is forgotten 30 days after its reservation, by the server's clock."""
    month = timedelta(days=30)
    await store.save(make(account, "old", now=NOW, reserved_at=NOW - month), now=NOW)
    young = make(account, "young", now=NOW, reserved_at=NOW - month + HOUR, holds_until=None)
    await store.save(young, now=NOW)

    assert [young] == list(await store.records(account, now=NOW + 9 * month))


async def test_a_clock_is_the_servers_or_the_callers(redis_url: str, postgres_url: str) -> None:
    """Whose clock decides has two answers, and no third."""
    for make_store in (
        lambda: RedisStore(redis_url, clock="sun"),
        lambda: PostgresStore(postgres_url, clock="sun"),
    ):
        with pytest.raises(InvalidArgument, match="clock must be one of server, caller"):
            make_store()


@pytest.mark.parametrize("kind", [RedisStore, PostgresStore])
@pytest.mark.parametrize(
    "rest",
    [
        "//user:s3/cret@host/db",
        "//user:s3#cret@host/db",
        "//user:s3cret@[::1/db",
        "//user:12/s3cret@host/db",
        "//host:s3cret/db",
    ],
)
def test_unreadable_url(kind: Callable[[str], Store], rest: str) -> None:
    """A URL that cannot be read is refused, and nothing of its password is told."""
    scheme = "redis" if kind is RedisStore else "postgresql"

    with pytest.raises(InvalidArgument, match="percent-encoded") as excinfo:
        kind(f"{scheme}:{rest}")

    assert "cret" not in str(excinfo.value)
    assert excinfo.value.__cause__ is None


def test_another_scheme() -> None:
    """A URL of another kind of server is refused with the kinds that are right."""
    with pytest.raises(InvalidArgument, match="must begin with redis:// or rediss:// or unix://"):
        RedisStore("postgresql://host/db")
    with pytest.raises(InvalidArgument, match="must begin with postgresql:// or postgres://"):
        PostgresStore("host=db password=s3cret")


@pytest.mark.parametrize(
    ("store", "shown"),
    [
        (
            RedisStore("redis://:s3cret@host:6379/0?a=s3cret"),
            "<RedisStore redis://host:6379/0?...>",
        ),
        (PostgresStore("postgresql://me:s3cret@a:1,b/db"), "<PostgresStore postgresql://a:1,b/db>"),
    ],
)
def test_repr_hides_secrets(store: Store, shown: str) -> None:
    """The repr tells the place, and neither user nor password nor query."""
    assert shown == repr(store)


def test_trouble_hides_secrets() -> None:
    """A driver that names the password, quoted or not, is not repeated; one line is told."""
    url = "redis://:s3%2Fcret@host"

    message = _server.trouble(OSError("bad s3/cret or s3%2Fcret.\nStack:\n..."), url=url)

    assert (
        "The store at redis://host cannot be used: OSError: bad *** or ***. Check the server and "
        "the URL; the next call connects anew." == message
    )
    assert "TimeoutError: no answer." in _server.trouble(TimeoutError(), url=url)


@pytest.mark.parametrize(
    "store",
    [
        RedisStore("redis://:s3cret@127.0.0.1:1/0"),
        PostgresStore("postgresql://me:s3cret@127.0.0.1:1/db"),
    ],
    ids=["redis", "postgres"],
)
async def test_no_server(store: Store, account: str) -> None:
    """Where no server is, a call says so in one line without the password, at once."""
    with pytest.raises(StoreError) as excinfo:
        await store.reserve(make(account, now=NOW), now=NOW)

    message = str(excinfo.value)
    assert message.startswith("The store at ")
    assert "Check the server and the URL" in message
    assert "\n" not in message
    assert "s3cret" not in message
    assert excinfo.value.__cause__ is not None
    await store.aclose()


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_not_on_trio(redis_url: str, postgres_url: str) -> None:
    """On trio the stores with a server say what to use instead."""
    for kind, url in ((RedisStore, redis_url), (PostgresStore, postgres_url)):
        with pytest.raises(StoreError, match=r"Store works on asyncio only\. On trio use SQLite"):
            await kind(url).delete("a")


async def test_server_comes_back(own_valkey: Any, account: str) -> None:
    """A Redis that was restarted is found again, without a word; one that is away is told."""
    store = RedisStore(own_valkey.url)
    own_valkey.start()
    await store.reserve(make(account, "a", now=NOW), now=NOW)

    own_valkey.stop()
    with pytest.raises(StoreError, match="cannot be used"):
        await store.delete("a")
    own_valkey.start()
    second = make(account, "b", now=NOW)
    assert second == await store.reserve(second, now=NOW)

    own_valkey.stop()
    own_valkey.start()
    assert not await store.claim("a", owner="me", now=NOW, lease=90)
    await store.aclose()


async def test_connection_comes_back(postgres_url: str) -> None:
    """A connection that PostgreSQL has ended is made anew, without a word."""
    store = PostgresStore(postgres_url + ("&" if "?" in postgres_url else "?") + NAMED)
    await store.delete("a")

    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as other:
        await other.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'reports-async-test'"
        )

    assert not await store.claim("a", owner="me", now=NOW, lease=90)
    await store.aclose()


async def test_a_server_that_hangs(
    postgres_url: str, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that gets no answer is given up, and leaves nothing behind at the server."""
    store = PostgresStore(postgres_url)
    await store.delete("a")
    monkeypatch.setattr(_postgres, "CALL_TIMEOUT", 0.5)
    record = make(account, now=NOW)

    async with await psycopg.AsyncConnection.connect(postgres_url) as other:
        await other.execute("LOCK TABLE reports_async_job")
        with pytest.raises(StoreError, match="TimeoutError: no answer"):
            await store.reserve(record, now=NOW)

    monkeypatch.undo()
    assert record == await store.reserve(record, now=NOW)
    await store.aclose()


async def test_cancelled_while_waiting(postgres_url: str, account: str) -> None:
    """A call that is cancelled while it waits has not happened, and the store works on."""
    store = PostgresStore(postgres_url, clock="caller")
    await store.delete("a")
    record = make(account, now=NOW)

    async with await psycopg.AsyncConnection.connect(postgres_url) as other:
        await other.execute("LOCK TABLE reports_async_job")
        with anyio.move_on_after(0.3) as scope:
            await store.reserve(record, now=NOW)
        assert scope.cancelled_caught

    assert [] == list(await store.records(account, now=NOW))
    assert record == await store.reserve(record, now=NOW)
    await store.aclose()


@pytest.fixture
async def schema_url(postgres_url: str, account: str) -> AsyncIterator[str]:
    """Return a URL that leads to an empty schema."""
    name = f"s{account}"
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as connection:
        await connection.execute(f"CREATE SCHEMA {name}")
    yield postgres_url + ("&" if "?" in postgres_url else "?") + f"options=-csearch_path%3D{name}"
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as connection:
        await connection.execute(f"DROP SCHEMA {name} CASCADE")


async def test_first_use_by_many(schema_url: str, account: str) -> None:
    """Many may be the first to use a database: the tables are made once, one has the hour."""
    stores = [PostgresStore(schema_url) for _ in range(5)]
    winners: set[str] = set()

    async def ask(number: int) -> None:
        record = make(account, f"{number}", now=NOW)
        winners.add((await stores[number].reserve(record, now=NOW)).key)

    async with anyio.create_task_group() as group:
        for number in range(5):
            group.start_soon(ask, number)
    for store in stores:
        await store.aclose()

    assert 1 == len(winners)


async def test_newer_schema(schema_url: str, account: str) -> None:
    """Tables of a newer version are told, with what to do, and left as they are."""
    store = PostgresStore(schema_url)
    await store.delete("a")
    await store.aclose()
    async with await psycopg.AsyncConnection.connect(schema_url, autocommit=True) as other:
        await other.execute("UPDATE reports_async_schema SET version = 99")

    with pytest.raises(StoreError, match=r"newer reports-async \(schema 99, this one knows 1\)"):
        await store.reserve(make(account, now=NOW), now=NOW)


async def test_older_schema(schema_url: str, account: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of an older version are brought up to date and keep what they know."""
    store = PostgresStore(schema_url, clock="caller")
    record = await store.reserve(make(account, now=NOW), now=NOW)
    await store.aclose()
    newer = (*_postgres.MIGRATIONS, ("ALTER TABLE reports_async_job ADD COLUMN colour text",))
    monkeypatch.setattr(_postgres, "MIGRATIONS", newer)

    assert [record] == list(await store.records(account, now=NOW))
    await store.aclose()
    async with await psycopg.AsyncConnection.connect(schema_url) as other:
        cursor = await other.execute("SELECT colour FROM reports_async_job")
        assert [(None,)] == await cursor.fetchall()


async def damage_redis(url: str, key: str, field: str, value: str) -> None:
    client = redis.asyncio.Redis.from_url(url)
    await client.hset(f"reports-async:1:job:{key}", field, value)
    await client.aclose()


async def damage_postgres(url: str, key: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(
            "UPDATE reports_async_job SET body = '{' WHERE key = %(key)s", {"key": key}
        )


@pytest.mark.parametrize("kind", ["redis", "postgres"])
async def test_damaged_body(
    request: pytest.FixtureRequest, kind: str, account: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A record whose text is damaged is not told of, with one warning, but still holds its hour."""
    url = request.getfixturevalue(f"{kind}_url")
    store = RedisStore(url) if kind == "redis" else PostgresStore(url)
    record = await store.reserve(make(account, "a", now=NOW, request_id="R1"), now=NOW)
    if kind == "redis":
        await damage_redis(url, record.key, "body", "{")
    else:
        await damage_postgres(url, record.key)

    assert [] == list(await store.records(account, now=NOW))
    holder = await store.reserve(make(account, "b", now=NOW), now=NOW)

    assert (record.key, None) == (holder.key, holder.request_id)
    assert 1 == len([message for message in caplog.messages if "Skipped record" in message])
    await store.aclose()


@pytest.mark.parametrize("lost", [True, False])
async def test_redis_forgets(redis_url: str, account: str, *, lost: bool) -> None:
    """A record that Redis has lost, or that makes no sense, holds nothing and is not told of."""
    store = RedisStore(redis_url)
    record = await store.reserve(make(account, "a", now=NOW), now=NOW)
    if lost:
        client = redis.asyncio.Redis.from_url(redis_url)
        await client.delete(f"reports-async:1:job:{record.key}")
        await client.aclose()
    else:
        await damage_redis(redis_url, record.key, "reserved", "yesterday")
    second = make(account, "b", now=NOW)

    assert [] == list(await store.records(account, now=NOW))
    assert second == await store.reserve(second, now=NOW)
    await store.aclose()
