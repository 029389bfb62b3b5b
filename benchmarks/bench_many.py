"""
Many waiting jobs in one process: memory per job, processor time per look and per waiting job.

A `ReportsPool` on asyncio with a clock that jumps; every request waits at a server that is never
ready and costs next to nothing; 20 jobs per account, up to 1,000 accounts, then more jobs for each.
Each row is a process of its own, and memory is its resident size against the one with the same
pool and no job. Where earlier reports of 20 types are known of each account, what is believed of
the types is in it; the records of those reports are not.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import logging
import os
import random
import selectors
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports_async import Credentials, JobRecord, JobStatus, MemoryStore, Planned, ReportsPool
from reports_async._sansio import markets
from reports_async.abc import HTTPResponse

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from contextlib import AbstractAsyncContextManager

    from reports_async import JobEvent
    from reports_async.abc import ByteStream, HTTPRequest

SIZES = (100, 1_000, 10_000, 100_000)
TYPES = 20
ACCOUNTS = 1_000  # at most; more jobs mean more of them for each account
START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SPAN = 900.0  # seconds of virtual time in which looks are counted


class JumpingSelector(selectors.DefaultSelector):
    """Where an event loop would sleep, let its time jump to what it waits for."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        found = super().select(0)
        if not found and timeout is not None:
            self.now += timeout
        return found


class LoopTime:
    """The event loop's time as a `Clock`: as cheap as the machine's."""

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def run(main: Coroutine[Any, Any, dict[str, float]]) -> dict[str, float]:
    """Run *main* on asyncio, in virtual time."""
    selector = JumpingSelector()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]  # as test loops do
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main)


class CheapServer:
    """A transport that answers at once: every request is accepted, none is ever ready."""

    def __init__(self) -> None:
        self._serial = itertools.count(1)
        self._made = Counter[str]()
        self.calls = Counter[str]()

    async def send(self, request: HTTPRequest, *, timeout: float | None) -> HTTPResponse:  # noqa: ARG002, ASYNC109 -- the protocol's
        path = request.url.partition("?")[0]
        token = request.headers.get("WM_SEC.ACCESS_TOKEN", "")
        if path.endswith("/token"):
            self.calls["token"] += 1
            value = f"{next(self._serial):x}"
            body: Any = {"access_token": value, "token_type": "Bearer", "expires_in": 10**6}
        elif request.method == "POST":
            self.calls["create"] += 1
            body = self._entry(token, self._made[token], "RECEIVED")
            self._made[token] += 1
        else:
            self.calls["list"] += 1
            made = self._made[token]
            entries = [self._entry(token, number, "INPROGRESS") for number in range(made)]
            body = {"page": 1, "totalCount": made, "limit": 100, "requests": entries}
        headers = {"Content-Type": "application/json"}
        return HTTPResponse(status=200, headers=headers, body=json.dumps(body).encode())

    def _entry(self, token: str, number: int, status: str) -> dict[str, str]:
        return {
            # Computed, not kept: the server's memory is not what is measured.
            "requestId": f"{token:>08}-{number:04}-4794-8a6a-e489a8962bed",
            "requestStatus": status,
            "requestSubmissionDate": f"{START:%Y-%m-%dT%H:%M:%SZ}",
            "reportType": f"TYPE_{number}",
            "reportVersion": "v1",
        }

    def stream(
        self,
        request: HTTPRequest,
        *,
        timeout: float | None,
        stall: float | None,
    ) -> AbstractAsyncContextManager[ByteStream]:
        raise NotImplementedError

    async def aclose(self) -> None:
        pass


def resident() -> int:
    """Return the bytes of memory that this process holds."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def shape(count: int, accounts: int) -> tuple[int, int]:
    """Return how many accounts have how many jobs each."""
    number = min(accounts, -(-count // TYPES))
    return number, -(-count // number)


async def remember(store: MemoryStore, seller: str, earlier: int) -> None:
    """Write down *earlier* reports of each type of a seller, as the client would have."""
    account = markets.account(seller, markets.market("us").base_url)
    rng = random.Random(seller)
    for kind, number in itertools.product(range(TYPES), range(earlier)):
        submitted = START - timedelta(hours=2 + 16 * number)
        record = JobRecord(
            key=f"{seller}-{kind}-{number}",
            account=account,
            report_type=f"TYPE_{kind}",
            version="v1",
            status=JobStatus.SAVED,
            reserved_at=submitted,
            request_id=f"{seller}-{kind}-{number}",
            submitted_at=submitted,
            generated_at=submitted + timedelta(seconds=rng.uniform(300.0, 2700.0)),
        )
        await store.save(record, now=START)


async def measure(count: int, accounts: int, earlier: int) -> dict[str, float]:
    """Let *count* jobs wait, with *earlier* reports of each type; return what that costs."""
    clock = LoopTime()
    server = CheapServer()
    ticks = Counter[bool]()

    def note(_: object, event: JobEvent | object) -> None:
        ticks[isinstance(event, Planned)] += 1

    store = MemoryStore()
    accounts, each = shape(count, accounts)
    for number in range(accounts):
        await remember(store, f"seller-{number}", earlier)
    pool = ReportsPool(transport=server, clock=clock, store=store)
    # Imports and caches that the first job brings are not the price of the next one.
    warm = pool.client(Credentials("warm", "secret"))
    warm.request_report("WARM")
    await clock.sleep(1.0)
    await warm.aclose()
    before = resident()
    jobs: list[object] = []
    names = [f"TYPE_{number}" for number in range(each)]
    for number in range(accounts):
        client = pool.client(Credentials(f"seller-{number}", "secret"))
        jobs += [client.request_report(name) for name in names[: min(each, count - len(jobs))]]
        await clock.sleep(0.1)
    await clock.sleep(60.0)
    assert pool.statistics().waiting == count
    memory = (resident() - before) / count
    pool.on_event(note)
    calls, began = server.calls.total(), time.process_time()
    await clock.sleep(SPAN)
    busy = time.process_time() - began
    calls = server.calls.total() - calls
    after = (resident() - before) / count
    await pool.aclose()
    return {
        "memory": memory,
        "after": after,
        "calls": calls,
        "plans": ticks[True],
        "tick": busy / max(ticks[True], 1) * 1e6,
        "call": busy / max(calls, 1) * 1e6,
        "load": busy / SPAN,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, help="measure in this process, print JSON")
    parser.add_argument("--accounts", type=int, default=ACCOUNTS, help="at most so many")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--earlier", type=int, nargs="*", default=(0, 4), help="reports of a type")
    options = parser.parse_args()
    logging.getLogger("reports_async").setLevel(logging.WARNING)
    if options.jobs is not None:
        print(json.dumps(run(measure(options.jobs, options.accounts, options.earlier[0]))))
        return
    print(f"{SPAN / 60:.0f} minutes of waiting, virtual time.\n")
    print(
        "| waiting | accounts | earlier reports | bytes per job | CPU per tick | per call "
        "| per job seen | load |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for earlier, size in itertools.product(options.earlier, options.sizes):
        command = [sys.executable, __file__, "--jobs", str(size), "--earlier", str(earlier)]
        command += ["--accounts", str(options.accounts)]
        accounts, each = shape(size, options.accounts)
        row = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        print(
            f"| {size:,} | {accounts:,} x {each} | {earlier} "
            f"| {max(row['memory'], row['after']):,.0f} "
            f"| {row['tick']:,.0f} µs | {row['call']:,.0f} µs | {row['call'] / each:,.0f} µs "
            f"| {row['load']:.2%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
