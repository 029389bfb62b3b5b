"""
Fetch one report, and die by SIGKILL at a named step: the other half of test_crash.

    python victim.py BASE_URL CLIENT_ID SPEED EPOCH DIRECTORY STORE STEP

STEP is a name of test_crash's `STEPS`, ``body:N`` for N bytes of the body, ``none`` to live, or
``again`` to live and to take a report that is there already. STORE is the path of a SQLite file, or
the URL of a Redis or PostgreSQL server. EPOCH is the real time (seconds) at which the fast clock of
all victims started, so that they agree on the time.

It says that it is ready, and begins when it is given a line.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from reports_async import Credentials, ReportsClient, Timeouts, stores
from reports_async.testing import ScaledClock
from reports_async.transports import AiohttpTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from reports_async import JobRecord
    from reports_async.abc import ByteStream, HTTPRequest, HTTPResponse, Store


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def open_store(place: str) -> Store:
    """Return the store at a path or a URL; on these, the victims' fast clock decides."""
    if place.startswith(("redis", "unix")):
        return stores.RedisStore(place, clock="caller")
    if place.startswith("postgres"):
        return stores.PostgresStore(place, clock="caller")
    return stores.SQLiteStore(place)


class DyingStore:
    """A store whose process dies at one of its calls."""

    def __init__(self, store: Store, step: str) -> None:
        self._store = store
        self._step = step
        self.claim = store.claim
        self.delete = store.delete
        self.records = store.records
        self.aclose = store.aclose

    async def reserve(self, record: JobRecord, *, now: datetime) -> JobRecord:
        if self._step == "before-reserve":
            die()
        holder = await self._store.reserve(record, now=now)
        if self._step == "between-reserve-and-create":
            die()
        return holder

    async def save(self, record: JobRecord, *, now: datetime) -> None:
        if self._step == "after-create-before-record" and record.request_id is not None:
            die()
        await self._store.save(record, now=now)


class DyingStream:
    """A body whose reader dies after some bytes."""

    def __init__(self, stream: ByteStream, offset: int | None) -> None:
        self.status = stream.status
        self.headers = stream.headers
        self._stream = stream
        self._left = offset

    async def read(self) -> bytes:
        piece = await self._stream.read()
        if self._left is not None:
            self._left -= len(piece)
            if self._left <= 0:
                # What came so far is on its way to the disk: let some of it arrive there.
                await anyio.lowlevel.checkpoint()
                die()
        return piece


class DyingTransport(AiohttpTransport):
    """A transport whose process dies around one of its calls."""

    step = "none"

    async def send(self, request: HTTPRequest, *, timeout: float | None) -> HTTPResponse:
        is_look = request.method == "GET" and "/reportRequests" in request.url
        if self.step == "while-waiting" and is_look:
            die()
        return await super().send(request, timeout=timeout)

    @asynccontextmanager
    async def stream(
        self, request: HTTPRequest, *, timeout: float | None, stall: float | None
    ) -> AsyncIterator[ByteStream]:
        if self.step == "link-in-hand":
            die()
        name, _, offset = self.step.partition(":")
        async with super().stream(request, timeout=timeout, stall=stall) as body:
            yield DyingStream(body, int(offset) if name == "body" else None)


def die_around_rename(step: str) -> None:
    replace = os.replace

    def dying(*arguments: Any, **keywords: Any) -> None:
        if step == "before-rename":
            die()
        replace(*arguments, **keywords)
        die()

    if step in ("before-rename", "after-rename"):
        os.replace = dying  # type: ignore[assignment]  # the last step before the file is there


def make_clock(speed: float, *, epoch: float) -> ScaledClock:
    """Return the clock that all victims agree on: nothing may come between these lines."""
    start = datetime.fromtimestamp(epoch, UTC) + timedelta(seconds=(time.time() - epoch) * speed)
    return ScaledClock(speed, start=start)


async def fetch(arguments: list[str]) -> None:
    base_url, client_id, speed, epoch, directory, store, step = arguments
    DyingTransport.step = step
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    die_around_rename(step)
    clock = make_clock(float(speed), epoch=float(epoch))
    client = ReportsClient(
        Credentials(client_id, "secret"),
        market="mx",
        base_url=base_url,
        directory=directory,
        store=DyingStore(open_store(store), step),
        transport=DyingTransport(),
        # On a busy machine the fast clock runs hours between two victims.
        timeouts=Timeouts(generation=timedelta(days=1)),
        clock=clock,
    )
    async with client:
        day = timedelta(days=1)
        report = await client.fetch_report("ITEM_MX", max_age=day if step == "again" else None)
        sys.stdout.write(f"{report.path}\n")


if __name__ == "__main__":
    anyio.run(fetch, sys.argv[1:])
