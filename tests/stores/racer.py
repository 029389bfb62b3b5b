"""
One process of the race: ``racer.py KIND PLACE ACCOUNT NAME``.

For every line of its input, the number of a period, it asks for the hour of 50 types and prints
which of them it was granted.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import anyio

from reports_async import stores
from reports_async._models import JobRecord
from reports_async._sansio import window

if TYPE_CHECKING:
    from reports_async.abc import Store

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def open_store(kind: str, place: str) -> Store:
    if kind == "sqlite":
        return stores.SQLiteStore(place)
    if kind == "redis":
        return stores.RedisStore(place, clock="caller")
    return stores.PostgresStore(place, clock="caller")


async def ask(store: Store, *, account: str, name: str, period: int) -> list[int]:
    now = START + timedelta(seconds=window.PERIOD * period)
    granted: list[int] = []
    for number in range(50):
        record = JobRecord(
            key=f"{account} {name} {period} {number}",
            account=account,
            report_type=f"T{number}",
            version="v1",
            reserved_at=now,
            holds_until=now + timedelta(seconds=window.PERIOD),
        )
        if record.key == (await store.reserve(record, now=now)).key:
            granted.append(number)
    return granted


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(kind: str, place: str, account: str, name: str) -> None:
    store = open_store(kind, place)
    say("ready")
    for line in sys.stdin:
        granted = await ask(store, account=account, name=name, period=int(line))
        say(json.dumps(granted))
    await store.aclose()


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:])
