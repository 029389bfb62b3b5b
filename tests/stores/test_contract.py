"""One contract suite for all stores, on every event loop that they support."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports_async import stores
from reports_async._models import JobRecord, JobStatus
from reports_async._sansio import window
from reports_async.stores import MemoryStore, SQLiteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from reports_async.abc import Store

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)

COMBINATIONS = [
    ("memory", "asyncio"),
    ("memory", "trio"),
    ("sqlite", "asyncio"),
    ("sqlite", "trio"),
    ("redis", "asyncio"),
    ("postgres", "asyncio"),
]


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture(params=COMBINATIONS, ids="-".join)
def combination(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


@pytest.fixture
def anyio_backend(combination: tuple[str, str]) -> str:
    return combination[1]


@pytest.fixture
def make_store(
    combination: tuple[str, str], request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[[], Store]:
    """Return what opens the same memory again, as another process would."""
    kind = combination[0]
    if kind == "memory":
        shared = MemoryStore()
        return lambda: shared
    if kind == "sqlite":
        return lambda: SQLiteStore(tmp_path / "store.db")
    if kind == "redis":
        url = request.getfixturevalue("redis_url")
        return lambda: stores.RedisStore(url, clock="caller")
    url = request.getfixturevalue("postgres_url")
    return lambda: stores.PostgresStore(url, clock="caller")


@pytest.fixture
async def store(make_store: Callable[[], Store]) -> AsyncIterator[Store]:
    store = make_store()
    yield store
    await store.aclose()


@pytest.fixture
def account() -> str:
    """Return an account that nobody has used before: servers outlive a test."""
    return uuid.uuid4().hex


def make(account: str, key: str = "a", /, **changes: Any) -> JobRecord:
    record = JobRecord(
        key=f"{account} {key}",
        account=account,
        report_type="ITEM_MX",
        version="v1",
        reserved_at=NOW,
        holds_until=at(window.PERIOD),
    )
    return evolve(record, **changes)


async def test_open_hour_is_taken(store: Store, account: str) -> None:
    """The first to ask has the hour, and is remembered with everything that it said."""
    record = make(account, owner="me", lease_until=at(90))

    assert record == await store.reserve(record, now=NOW)
    assert [record] == list(await store.records(account, now=NOW))


async def test_taken_hour(store: Store, account: str) -> None:
    """Who asks for a taken hour is told who holds it, and is not remembered."""
    first = await store.reserve(make(account, "a"), now=NOW)

    assert first == await store.reserve(make(account, "b", version="v9"), now=at(3599))
    assert [first] == list(await store.records(account, now=NOW))


async def test_hour_over(store: Store, account: str) -> None:
    """The hour is open again at the very instant at which it ends."""
    await store.reserve(make(account, "a"), now=NOW)
    second = make(account, "b", reserved_at=at(3600), holds_until=at(7200))

    assert second == await store.reserve(second, now=at(3600))


async def test_types_and_accounts_do_not_wait(store: Store, account: str) -> None:
    """Another type, and another account, have hours of their own."""
    await store.reserve(make(account, "a"), now=NOW)
    other_type = make(account, "b", report_type="INVENTORY_MX")
    other_account = make(f"{account}x", "c")

    assert other_type == await store.reserve(other_type, now=NOW)
    assert other_account == await store.reserve(other_account, now=NOW)


async def test_reserving_again(store: Store, account: str) -> None:
    """A repeated reservation finds what is stored, and changes nothing."""
    stored = make(account, request_id="R1")
    await store.reserve(stored, now=NOW)

    assert stored == await store.reserve(make(account, holds_until=at(3700)), now=at(60))


async def test_clock_set_back(store: Store, account: str) -> None:
    """A hold from a clock that was set back lasts one period from when that is seen."""
    await store.reserve(make(account, "a", holds_until=at(1e8)), now=at(1e8 - 3600))
    record = make(account, "b")

    for seconds in (0, 1800):
        holder = await store.reserve(record, now=at(seconds))
        assert at(3600) == holder.holds_until
    assert record == await store.reserve(record, now=at(3600))


async def test_save_keeps_owner_and_lease(store: Store, account: str) -> None:
    """Saving replaces everything but who works on the record."""
    record = make(account, owner="me", lease_until=at(90))
    await store.reserve(record, now=NOW)
    saved = evolve(
        record,
        status=JobStatus.READY,
        holds_until=at(3620),
        owner="you",
        lease_until=None,
        sent_at=at(1),
        request_id="R1",
        submitted_at=at(2),
        received_at=at(3),
        generated_at=at(1000),
        path="/reports/á.csv",
        error='it said "no"\n',
        filters=None,
        foreign=True,
    )

    await store.save(saved, now=NOW)

    expected = evolve(saved, owner="me", lease_until=at(90))
    assert [expected] == list(await store.records(account, now=NOW))
    assert expected == await store.reserve(make(account, "b"), now=at(3610))


async def test_save_without_hold(store: Store, account: str) -> None:
    """A record that is saved without a hold opens the hour, and is still remembered."""
    record = await store.reserve(make(account, "a"), now=NOW)
    await store.save(evolve(record, holds_until=None), now=NOW)
    second = make(account, "b")

    assert second == await store.reserve(second, now=NOW)
    assert {record.key, second.key} == {r.key for r in await store.records(account, now=NOW)}


async def test_save_adds_what_is_new(store: Store, account: str) -> None:
    """A record of another program is added as given, and holds its hour."""
    foreign = make(account, "a", foreign=True, filters=None, owner="me", lease_until=at(9))

    await store.save(foreign, now=NOW)

    assert foreign == await store.reserve(make(account, "b"), now=NOW)


async def test_delete_gives_the_hour_back(store: Store, account: str) -> None:
    """A deleted record is forgotten with its hold; deleting it again is no error."""
    first = await store.reserve(make(account, "a"), now=NOW)

    await store.delete(first.key)
    await store.delete(first.key)

    assert [] == list(await store.records(account, now=NOW))
    second = make(account, "b")
    assert second == await store.reserve(second, now=NOW)


async def test_claim(store: Store, account: str) -> None:
    """A record has one owner at a time; its lease is renewed, or runs out."""
    record = await store.reserve(make(account), now=NOW)

    assert await store.claim(record.key, owner="me", now=NOW, lease=90)
    assert not await store.claim(record.key, owner="you", now=at(89), lease=90)
    assert await store.claim(record.key, owner="me", now=at(89), lease=90)
    assert not await store.claim(record.key, owner="you", now=at(178), lease=90)
    assert await store.claim(record.key, owner="you", now=at(179), lease=90)
    assert not await store.claim(record.key, owner="me", now=at(179), lease=90)
    (found,) = await store.records(account, now=NOW)
    assert ("you", at(269)) == (found.owner, found.lease_until)


async def test_claim_unknown(store: Store, account: str) -> None:
    """What nobody remembers cannot be claimed."""
    assert not await store.claim(account, owner="me", now=NOW, lease=90)


async def test_records_newest_first(store: Store, account: str) -> None:
    """Records come newest reservation first, of one type where that is asked."""
    for hour, report_type in enumerate(["ITEM_MX", "INVENTORY_MX", "ITEM_MX"]):
        now = at(3600 * hour)
        record = make(account, f"{hour}", report_type=report_type, reserved_at=now)
        await store.reserve(record, now=now)

    async def keys(report_type: str | None) -> list[str]:
        records = await store.records(account, now=at(7200), report_type=report_type)
        return [record.key.split()[1] for record in records]

    assert ["2", "1", "0"] == await keys(None)
    assert ["2", "0"] == await keys("ITEM_MX")
    assert [] == await keys("NEW")


async def test_30_days(store: Store, account: str) -> None:
    """Records are told of for 30 days, and forgotten at the next reservation after that."""
    old = await store.reserve(make(account, "a"), now=NOW)
    month = NOW + timedelta(days=30)

    assert [old] == list(await store.records(account, now=month - timedelta(seconds=1)))
    assert [] == list(await store.records(account, now=month))
    new = make(account, "b", report_type="NEW", reserved_at=month, holds_until=None)
    await store.reserve(new, now=month)
    assert [new] == list(await store.records(account, now=NOW))


async def test_memory_is_shared(make_store: Callable[[], Store], account: str) -> None:
    """Two stores of the same place know the same, and closing one loses nothing."""
    one, other = make_store(), make_store()
    first = await one.reserve(make(account, "a"), now=NOW)
    await one.aclose()

    assert first == await other.reserve(make(account, "b"), now=NOW)
    assert [first] == list(await one.records(account, now=NOW))
    await one.aclose()
    await other.aclose()


async def test_tasks_race(store: Store, account: str) -> None:
    """Of many tasks that ask at once, one has the hour and all agree who."""
    winners: list[str] = []

    async def ask(number: int) -> None:
        winner = await store.reserve(make(account, f"{number}"), now=NOW)
        winners.append(winner.key)

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(ask, number)

    assert 20 == len(winners)
    assert 1 == len(set(winners))


async def test_cancelled_reservation(store: Store, account: str) -> None:
    """A cancelled call has happened or not; the store works on, and asking again tells which."""
    for number in range(5):
        record = make(account, "a", report_type=f"T{number}")
        async with anyio.create_task_group() as group:
            group.start_soon(lambda record=record: store.reserve(record, now=NOW))
            for _ in range(number):
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()

        assert record == await store.reserve(record, now=NOW)


async def test_repr(store: Store, combination: tuple[str, str]) -> None:
    """The repr says what kind of store it is."""
    assert repr(store).lower().startswith(f"<{combination[0]}store ")


keys = st.sampled_from("abcd")
types = st.sampled_from(["ITEM_MX", "INVENTORY_MX"])
accounts = st.sampled_from(["", "x"])
owners = st.sampled_from(["me", "you"])
operations = st.one_of(
    st.tuples(st.just("reserve"), keys, accounts, types, st.sampled_from([3600, 3630, 9999])),
    st.tuples(st.just("claim"), keys, owners, st.sampled_from([60, 5000])),
    st.tuples(
        st.just("save"), keys, accounts, types, st.sampled_from([None, 0, 10, 3600, 99999]), owners
    ),
    st.tuples(st.just("delete"), keys),
    st.tuples(st.just("records"), accounts, st.none() | types),
    st.tuples(st.just("pass"), st.sampled_from([1, 59, 60, 3599, 3600, -7200, 30 * 86400])),
)


class Specification:
    """What `window` says, applied to a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[str, JobRecord] = {}

    def reserve(self, record: JobRecord, *, now: datetime) -> JobRecord:
        self.kept = {
            key: old
            for key, old in self.kept.items()
            if old.account != record.account or window.retained(old, now=now)
        }
        winner = window.reserve(self.kept.values(), record, now=now)
        self.kept[winner.key] = winner
        return winner

    def claim(self, key: str, *, owner: str, now: datetime, lease: float) -> bool:
        if key not in self.kept:
            return False
        claimed = window.claim(self.kept[key], owner=owner, now=now, lease=lease)
        self.kept[key] = claimed or self.kept[key]
        return claimed is not None

    def save(self, record: JobRecord, *, now: datetime) -> None:
        old = self.kept.get(record.key, record)
        self.kept[record.key] = evolve(record, owner=old.owner, lease_until=old.lease_until)

    def delete(self, key: str) -> None:
        self.kept.pop(key, None)

    def records(self, account: str, *, now: datetime, report_type: str | None) -> list[JobRecord]:
        found = [
            record
            for record in self.kept.values()
            if record.account == account and report_type in {None, record.report_type}
        ]
        found = [record for record in found if window.retained(record, now=now)]
        return sorted(found, key=lambda record: (record.reserved_at, record.key), reverse=True)


def calls(steps: list[Any], account: str) -> list[tuple[str, tuple[Any, ...], dict[str, Any]]]:
    """Return the steps as calls: method, positional and keyword arguments."""
    now = NOW
    made: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
    for number, (verb, *values) in enumerate(steps):
        if verb == "pass":
            now += timedelta(seconds=values[0])
        elif verb in {"reserve", "save"}:
            key, suffix, report_type, hold, *owner = values
            record = make(
                account,
                key,
                account=account + suffix,
                report_type=report_type,
                reserved_at=now,
                holds_until=None if hold is None else now + timedelta(seconds=hold),
                request_id=f"R{number}",
                owner=owner[0] if owner else None,
                lease_until=now + timedelta(seconds=60) if owner else None,
            )
            made.append((verb, (record,), {"now": now}))
        elif verb == "claim":
            key, owner, lease = values
            arguments = {"owner": owner, "now": now, "lease": float(lease)}
            made.append((verb, (f"{account} {key}",), arguments))
        elif verb == "delete":
            made.append((verb, (f"{account} {values[0]}",), {}))
        else:
            suffix, report_type = values
            made.append((verb, (account + suffix,), {"now": now, "report_type": report_type}))
    return made


@settings(
    max_examples=60,
    deadline=None,
    # Every example has accounts and keys of its own, so one store serves them all.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(operations, max_size=30))
async def test_agrees_with_the_specification(store: Store, steps: list[Any]) -> None:
    """Whatever is called in whatever order, a store answers as `window` says."""
    account = uuid.uuid4().hex
    specification = Specification()
    for verb, positional, keywords in calls(steps, account):
        expected = getattr(specification, verb)(*positional, **keywords)
        answer = await getattr(store, verb)(*positional, **keywords)
        assert expected == (list(answer) if verb == "records" else answer)
    for suffix in ("", "x"):
        expected = specification.records(account + suffix, now=NOW, report_type=None)
        assert expected == list(await store.records(account + suffix, now=NOW))


@pytest.mark.parametrize(
    "combination",
    [("sqlite", "asyncio"), ("redis", "asyncio"), ("postgres", "asyncio")],
    ids="-".join,
)
def test_processes_race(
    combination: tuple[str, str], request: pytest.FixtureRequest, tmp_path: Path, account: str
) -> None:
    """Of 8 processes that ask for 50 types in each of 4 periods, one has each hour."""
    kind = combination[0]
    place = (
        str(tmp_path / "store.db") if kind == "sqlite" else request.getfixturevalue(f"{kind}_url")
    )
    command = [sys.executable, str(Path(__file__).with_name("racer.py")), kind, place, account]
    racers = [
        subprocess.Popen(
            [*command, f"{n}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for n in range(8)
    ]
    granted: list[list[int]] = []
    try:
        for racer in racers:
            assert "ready\n" == racer.stdout.readline()
        for period in range(4):
            for racer in racers:
                racer.stdin.write(f"{period}\n")
                racer.stdin.flush()
            granted.append([0] * 50)
            for racer in racers:
                for number in json.loads(racer.stdout.readline()):
                    granted[-1][number] += 1
    finally:
        for racer in racers:
            racer.communicate(timeout=20)

    assert [[1] * 50] * 4 == granted
    assert [0] * 8 == [racer.returncode for racer in racers]
