"""
With webhooks: how long after READY a report is on the disk, and what is spent on it.

In virtual time, against the simulator with its budgets on. Reports take 5 to 45 minutes; the
webhook of each comes half a second after READY, through the receiver, signed. "missed" lets every
fourth one get lost. Lags are seconds from READY to the whole file.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import tempfile
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio.to_thread
import attrs
import trio
from trio.testing import MockClock

from reports_async import Credentials, Downloaded, ReportJob, ReportsClient
from reports_async.testing import LoopClock, Rules, Simulator, SimulatorTransport
from reports_async.webhooks import Hmac, Receiver

JOBS = (1, 5, 27)
DELIVERY = 0.5
START = datetime(2026, 1, 5, 8, tzinfo=UTC)
RUN_SYNC = anyio.to_thread.run_sync
SIGNED = Hmac("very-secret", header="X-Signature")


@attrs.frozen
class Run:
    """What one run came to."""

    lags: list[float]
    looks: int
    links: int
    rejected: int


class Patience:
    """Let virtual time stand still while a worker thread is busy: it is no time of waiting."""

    def __init__(self) -> None:
        self.clock = MockClock(autojump_threshold=0)
        self._busy = 0

    async def run_sync(self, *args: Any, **options: Any) -> Any:
        self._busy += 1
        self.clock.autojump_threshold = math.inf
        try:
            return await RUN_SYNC(*args, **options)
        finally:
            self._busy -= 1
            if not self._busy:
                self.clock.autojump_threshold = 0


@attrs.define
class Scene:
    """A server, a client of it, and the webhooks between the two."""

    jobs: int
    seed: int
    missed: bool
    simulator: Simulator = attrs.field(init=False)
    clock: LoopClock = attrs.field(init=False, factory=lambda: LoopClock(start=START))
    lags: list[float] = attrs.field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        rng = random.Random(self.seed)
        self.simulator = Simulator(rules=Rules(token_lifetime=86400.0), seed=self.seed, rows=1)
        for name in self.types:
            self.simulator.generation(name, rng.uniform(300.0, 2700.0))

    @property
    def types(self) -> list[str]:
        return [f"TYPE_{number:02}" for number in range(self.jobs)]

    def ready(self) -> dict[str, datetime]:
        found = [(one.request_id, one.ready_at) for one in self.simulator.requests]
        return {name: at for name, at in sorted(found, key=lambda pair: str(pair[1])) if at}

    async def follow(self, job: ReportJob) -> None:
        async for event in job.events():
            if isinstance(event, Downloaded):
                at = self.ready()[event.report.request_id]
                self.lags.append((event.at - at).total_seconds())

    async def deliver(self, receiver: Receiver) -> None:
        await trio.sleep(60.0)  # all requests are made
        for number, (request_id, at) in enumerate(self.ready().items()):
            arrives = at + timedelta(seconds=DELIVERY)
            await trio.sleep(max(0.0, (arrives - self.clock.now()).total_seconds()))
            if not (self.missed and number % 4 == 3):
                for notice in self.simulator.notifications(request_id, self.clock.now()):
                    receiver.receive(notice.headers, notice.body)

    async def play(self) -> Run:
        with tempfile.TemporaryDirectory() as directory:
            async with (
                ReportsClient(
                    Credentials("id", "secret"),
                    directory=directory,
                    transport=SimulatorTransport(self.simulator, self.clock),
                    clock=self.clock,
                ) as client,
                trio.open_nursery() as nursery,
            ):
                await client.subscriptions.create("https://hooks.example/walmart", auth=SIGNED)
                nursery.start_soon(self.deliver, Receiver(client, verify=SIGNED))
                for name in self.types:
                    nursery.start_soon(self.follow, client.request_report(name))
        return Run(
            lags=self.lags,
            looks=self.simulator.count("list") + self.simulator.count("status"),
            links=self.simulator.count("link"),
            rejected=sum(call.status == 429 for call in self.simulator.calls),
        )


def run(jobs: int, seed: int, *, missed: bool) -> Run:
    """Fetch reports, each told of when it is ready."""
    patience = Patience()
    anyio.to_thread.run_sync = patience.run_sync  # type: ignore[assignment]  # not all its options
    return trio.run(Scene(jobs, seed, missed).play, clock=patience.clock)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    seeds = parser.parse_args().seeds
    print(f"Uniform 5-45 min, no history, {seeds} seeds, virtual time.\n")
    print("| | mean lag | median | max | looks per report | links per report | 429s |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for jobs in JOBS:
        for missed in (False, True) if jobs > 1 else (False,):
            runs = [run(jobs, seed, missed=missed) for seed in range(seeds)]
            lags = [lag for run in runs for lag in run.lags]
            print(
                f"| {jobs} at once{', every fourth webhook is lost' if missed else ''} "
                f"| {statistics.mean(lags):.1f} s | {statistics.median(lags):.1f} s "
                f"| {max(lags):.1f} s "
                f"| {sum(run.looks for run in runs) / len(lags):.1f} "
                f"| {sum(run.links for run in runs) / len(lags):.2f} "
                f"| {sum(run.rejected for run in runs)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
