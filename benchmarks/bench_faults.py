"""
Every fault beside its outcome: creates made, the file, hours lost, what leaked. In virtual time.

``tests/test_faults.py`` runs the same rows and asserts them; this prints the README's table.
"""

from __future__ import annotations

import hashlib
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import trio
from trio.testing import MockClock

from reports_async import (
    Credentials,
    MemoryStore,
    ReportFailed,
    ReportsClient,
    ReportsError,
    ReportTimedOut,
    StoreError,
    TransportError,
)
from reports_async.testing import LoopClock, Rules, Simulator, SimulatorTransport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from reports_async import JobRecord, Report
    from reports_async.abc import HTTPRequest, HTTPResponse

TYPE = "ITEM_MX"
DUE_ERRORS = {"ERROR status": "ReportFailed"}
MINUTE = 60.0


@attrs.frozen(kw_only=True)
class Outcome:
    """What a fault led to."""

    fault: str
    creates: int  # accepted by the server
    refused: int  # creates answered 429
    file: str  # right, wrong, or the error that was due
    hours_lost: int  # reserved, with no request at the server
    leaks: int  # tasks, unfinished files, violations

    @property
    def good(self) -> bool:
        """Whether the file is right, and nothing was doubled, lost or left behind."""
        due = DUE_ERRORS.get(self.fault, "right")
        return self.creates == 1 and self.file == due and not self.hours_lost + self.leaks


class BrokenNetwork(SimulatorTransport):
    """A transport for which no name resolves between two moments."""

    down = (0.0, 0.0)

    async def send(self, request: HTTPRequest, *, timeout: float | None) -> HTTPResponse:  # noqa: ASYNC109 -- the protocol's
        begin, end = self.down
        if begin <= trio.current_time() < end:
            await trio.lowlevel.checkpoint()
            raise TransportError("The name of the host did not resolve.")
        return await super().send(request, timeout=timeout)


class BrokenStore(MemoryStore):
    """A store that is down between two moments."""

    down = (0.0, 0.0)

    async def save(self, record: JobRecord, **keywords: Any) -> None:
        begin, end = self.down
        if begin <= trio.current_time() < end:
            raise StoreError("The server of the store does not answer.")
        await super().save(record, **keywords)


@attrs.define(kw_only=True)
class Stage:
    """One scene: a simulator, a store and clients, which a fault may arrange and steer."""

    directory: Path
    simulator: Simulator = attrs.field(factory=lambda: Simulator(generation=15 * MINUTE))
    clock: LoopClock = attrs.field(factory=LoopClock)
    server_clock: LoopClock | None = None
    store: BrokenStore = attrs.field(factory=BrokenStore)
    down: tuple[float, float] = (0.0, 0.0)
    steer: Callable[[Stage], Awaitable[Report]] | None = None

    def client(self) -> ReportsClient:
        """Make a client of the scene."""
        transport = BrokenNetwork(self.simulator, self.server_clock or self.clock)
        transport.down = self.down
        return ReportsClient(
            Credentials("id", "secret"),
            market="mx",
            directory=self.directory,
            clock=self.clock,
            store=self.store,
            transport=transport,
        )

    async def fetch(self) -> Report:
        """Fetch the report, as the fault has it."""
        if self.steer is not None:
            return await self.steer(self)
        async with self.client() as client:
            return await client.fetch_report(TYPE)


def fails(endpoint: Any, *answers: Any, **orders: Any) -> Callable[[Stage], None]:
    """Arrange for calls of an endpoint to go wrong."""
    return lambda stage: stage.simulator.fail(endpoint, *answers, **orders)


def ruled(**rules: Any) -> Callable[[Stage], None]:
    """Arrange for a server of other rules."""

    def arrange(stage: Stage) -> None:
        stage.simulator = Simulator(rules=Rules(**rules), generation=15 * MINUTE)

    return arrange


def lost_and_lagging(stage: Stage) -> None:
    """Lose the reply to the create, and let the list know of it only later."""
    ruled(list_lag=4 * MINUTE)(stage)
    stage.simulator.fail("create", "lose")


def used_by_another(offset: timedelta) -> Callable[[Stage], None]:
    """Let another program have used the hour, on a server whose clock is off."""

    def arrange(stage: Stage) -> None:
        stage.server_clock = LoopClock(start=stage.clock.now() + offset)
        submitted = stage.server_clock.now() - timedelta(minutes=40)
        stage.simulator.add_request(TYPE, submitted)

    return arrange


def network_down(begin: float, end: float) -> Callable[[Stage], None]:
    """Let no call through for some time."""

    def arrange(stage: Stage) -> None:
        stage.down = (begin, end)

    return arrange


def store_down(begin: float, end: float) -> Callable[[Stage], None]:
    """Let no record be written for some time."""

    def arrange(stage: Stage) -> None:
        stage.store.down = (begin, end)

    return arrange


def steered(steer: Callable[[Stage], Awaitable[Report]]) -> Callable[[Stage], None]:
    """Let *steer* do the fetching."""

    def arrange(stage: Stage) -> None:
        stage.steer = steer

    return arrange


def clock_jumps(seconds: float) -> Callable[[Stage], None]:
    """Let the wall clock jump while the report is waited for."""

    async def steer(stage: Stage) -> Report:
        async with stage.client() as client:
            job = client.request_report(TYPE)
            await trio.sleep(5 * MINUTE)
            stage.clock.jump(seconds)
            return await job

    def arrange(stage: Stage) -> None:
        stage.server_clock = LoopClock()
        stage.steer = steer

    return arrange


async def cancelled_then_asked_again(stage: Stage) -> Report:
    """Lose patience, and ask again in a new client."""
    async with stage.client() as client:
        with trio.move_on_after(5 * MINUTE):
            await client.fetch_report(TYPE)
    async with stage.client() as client:
        return await client.fetch_report(TYPE)


async def out_of_time_then_resumed(stage: Stage) -> Report:
    """Run into the generation limit, and resume by the id."""
    stage.simulator.generation(TYPE, 100 * MINUTE)
    async with stage.client() as client:
        try:
            await client.fetch_report(TYPE)
        except ReportTimedOut as exc:
            return await client.resume_report(exc.request_id or "unknown")
    raise AssertionError("it was in time")


async def two_clients(stage: Stage) -> Report:
    """Want the same report in two programs that share the store."""
    async with stage.client() as one, stage.client() as other:
        first, second = one.request_report(TYPE), other.request_report(TYPE)
        assert (await first).path == (await second).path
        return await first


def words(stage: Stage) -> None:
    """Let the server invent status words."""
    stage.simulator.statuses(TYPE, ["QUEUED_V2", "ALMOST", "INPROGRESS"])


def looks_fail(stage: Stage) -> None:
    stage.simulator.fail("status", 503, times=6)
    stage.simulator.fail("list", 500, times=6)


def cut_without_ranges(stage: Stage) -> None:
    ruled(honour_range=False)(stage)
    stage.simulator.fail("file", "cut")


FAULTS: dict[str, Callable[[Stage], None]] = {
    "none": lambda _stage: None,
    "create: reset before the server acted": fails("create", "refuse"),
    "create: reply lost": fails("create", "lose"),
    "create: reply lost, list lags 4 minutes": lost_and_lagging,
    "create: no answer until the call times out": fails("create", "hang"),
    "create: 500 after acting": fails("create", 500, after_acting=True),
    "create: 502 after acting": fails("create", 502, after_acting=True),
    "create: 503 after acting": fails("create", 503, after_acting=True),
    "create: 504 after acting": fails("create", 504, after_acting=True),
    "create: 503 without acting": fails("create", 503),
    "create: HTML page with 200": fails("create", "html"),
    "hour used by another program": used_by_another(timedelta()),
    "the same, server's clock an hour ahead": used_by_another(timedelta(hours=1)),
    "the same, server's clock an hour behind": used_by_another(timedelta(hours=-1)),
    "looks fail for ten minutes (5xx)": looks_fail,
    "a storm of 401s": fails("status", 401, times=3),
    "no name resolves for ten minutes": network_down(2 * MINUTE, 12 * MINUTE),
    "machine asleep for an hour (clock jumps)": clock_jumps(3600.0),
    "clock set back an hour": clock_jumps(-3600.0),
    "token dies every minute": ruled(token_lifetime=60.0),
    "unknown status words": words,
    "404 just after the create (lag)": ruled(list_lag=3 * MINUTE),
    "list refuses calls without a type": ruled(strict_list=True),
    "ERROR status": lambda stage: stage.simulator.fail_generation(TYPE),
    "not ready in 90 minutes, then resumed": steered(out_of_time_then_resumed),
    "cancelled, then asked again": steered(cancelled_then_asked_again),
    "two programs, one store": steered(two_clients),
    "store down when the create is answered": store_down(0.5, 20 * MINUTE),
    "store down during the wait": store_down(2 * MINUTE, 60 * MINUTE),
    "link: 500, then 200 without a link": fails("link", 500),
    "link expired before use": fails("file", 403),
    "body cut in the middle": fails("file", "cut"),
    "body cut, no ranges": cut_without_ranges,
    "body stalls": fails("file", "stall"),
    "declared length too long": fails("file", "length"),
    "archive ends too early": fails("file", "short"),
    "a wrong byte": fails("file", "corrupt"),
    "HTML page with 200 instead of the file": fails("file", "html"),
    "empty body": fails("file", "empty"),
}


async def play(fault: str, directory: Path) -> Outcome:
    """Play one scene and look at what is left."""
    stage = Stage(directory=directory)
    FAULTS[fault](stage)
    tasks = trio.lowlevel.current_statistics().tasks_living
    try:
        report = await stage.fetch()
    except (ReportFailed, ReportsError) as exc:
        file = type(exc).__name__
    else:
        digest = hashlib.sha256(report.path.read_bytes()).hexdigest()
        right = digest == stage.simulator.digest(report.request_id)
        file = "right" if right else "wrong"
    left = list(directory.iterdir())  # noqa: ASYNC240 -- virtual time
    held = await stage.store.records(stage.client()._account, now=stage.clock.now())  # noqa: SLF001 -- looked at from outside
    return Outcome(
        fault=fault,
        creates=stage.simulator.creates(TYPE),
        refused=stage.simulator.count("create", 429),
        file=file,
        hours_lost=sum(record.request_id is None for record in held),
        leaks=trio.lowlevel.current_statistics().tasks_living
        - tasks
        + len([path for path in left if path.suffix != ".csv"])
        + len(stage.simulator.violations),
    )


def outcome(fault: str) -> Outcome:
    """Play one scene in virtual time."""
    with tempfile.TemporaryDirectory() as directory:
        return trio.run(play, fault, Path(directory), clock=MockClock(autojump_threshold=0))


def main() -> None:
    """Print the table, in Markdown."""
    print("| fault | creates made | creates refused (429) | file | hours lost | leaks |")
    print("|---|---|---|---|---|---|")
    for fault in FAULTS:
        row = outcome(fault)
        print(
            f"| {row.fault} | {row.creates} | {row.refused} | {row.file} | {row.hours_lost} "
            f"| {row.leaks} |{'' if row.good else ' **NOT GOOD** |'}"
        )


if __name__ == "__main__":
    main()
