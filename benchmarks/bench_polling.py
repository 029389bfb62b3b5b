"""
How soon reports are seen to be READY, and at what price: ours beside the loops everyone writes.

In virtual time, against the simulator with its budgets on. Lags are seconds from READY to being
seen (or, for links, to having one), means over seeds; "max" is the mean of each run's largest.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs
import trio
from bound import shared_bound
from trio.testing import MockClock

from reports_async import Credentials, Finished, JobRecord, JobStatus, MemoryStore, ReportsClient
from reports_async._sansio import endpoints, markets, replies
from reports_async.testing import LoopClock, Rules, Simulator, SimulatorTransport

if TYPE_CHECKING:
    from reports_async.abc import HTTPRequest

Draw = Callable[[random.Random], float]

DISTRIBUTIONS: dict[str, Draw] = {
    "uniform 5-45 min": lambda rng: rng.uniform(300.0, 2700.0),
    "log-normal, 20 min": lambda rng: rng.lognormvariate(math.log(1200.0), 0.3),
    "2 min or 40 min": lambda rng: (
        rng.gauss(120.0, 10.0) if rng.random() < 0.5 else rng.gauss(2400.0, 60.0)
    ),
}
START = datetime(2026, 1, 5, 8, tzinfo=UTC)
CREDENTIALS = Credentials("id", "secret")


@attrs.frozen(kw_only=True)
class Run:
    """What one run came to."""

    mean: float
    maximum: float
    looks: float  # list and status calls per report
    rejected: int  # 429s


def scene(draw: Draw, jobs: int, *, seed: int, **rules: Any) -> tuple[Simulator, list[str]]:
    """Make a simulator whose reports take as long as *draw* says, and the names of their types."""
    rng = random.Random(seed)
    simulator = Simulator(rules=Rules(token_lifetime=86400.0, **rules), seed=seed, rows=1)
    types = [f"TYPE_{number:02}" for number in range(jobs)]
    for name in types:
        simulator.generation(name, draw(rng))
    return simulator, types


def summary(simulator: Simulator, seen: dict[str, datetime]) -> Run:
    """Put the figures of a run together."""
    ready = {
        request.report_type: request.ready_at
        for request in simulator.requests
        if request.report_type in seen and request.ready_at is not None
    }
    lags = [max(0.0, (seen[name] - ready[name]).total_seconds()) for name in seen]
    calls = simulator.calls
    return Run(
        mean=statistics.mean(lags),
        maximum=max(lags),
        looks=sum(call.endpoint in ("list", "status") for call in calls) / len(lags),
        rejected=sum(call.status == 429 for call in calls),
    )


# -- ours -----------------------------------------------------------------------------------------


def remembered(draw: Draw, types: list[str], account: str, *, seed: int) -> list[JobRecord]:
    """Make the records of a month: 40 earlier reports of each type."""
    rng = random.Random(seed + 10_000)
    records: list[JobRecord] = []
    for name in types:
        for number in range(40):
            submitted = START - timedelta(hours=2 + 16 * number)
            records.append(
                JobRecord(
                    key=f"{name}-{number}",
                    account=account,
                    report_type=name,
                    version="v1",
                    status=JobStatus.SAVED,
                    reserved_at=submitted,
                    request_id=f"{name}-{number}",
                    submitted_at=submitted,
                    received_at=submitted,
                    generated_at=submitted + timedelta(seconds=draw(rng)),
                )
            )
    return records


async def rival(simulator: Simulator, clock: LoopClock) -> None:
    """Spend half of the list and status budgets, as another program would."""
    wire = Wire(simulator, clock)
    await wire.token()
    while True:
        for call in (
            endpoints.list_call(wire.site, endpoints.ListQuery(report_type="OTHER")),
            endpoints.status_call(wire.site, "00000000-0000-4000-8000-000000000000"),
        ):
            wire.send(call)
        await trio.sleep(360.0)


async def play_ours(
    draw: Draw, jobs: int, seed: int, *, history: bool, shared: bool, rules: dict[str, Any]
) -> Run:
    """Run the client itself."""
    simulator, types = scene(draw, jobs, seed=seed, **rules)
    clock, store = LoopClock(start=START), MemoryStore()
    account = markets.account("id", markets.market("us").base_url)
    if history:
        for record in remembered(draw, types, account, seed=seed):
            await store.save(record, now=START)
    seen: dict[str, datetime] = {}

    async def follow(client: ReportsClient, name: str) -> None:
        job = client.request_report(name)
        async for event in job.events():
            if isinstance(event, Finished):
                seen[name] = event.at
                job.cancel()

    with tempfile.TemporaryDirectory() as directory:
        async with (
            ReportsClient(
                CREDENTIALS,
                directory=directory,
                transport=SimulatorTransport(simulator, clock),
                store=store,
                clock=clock,
            ) as client,
            trio.open_nursery() as nursery,
        ):
            if shared:
                nursery.start_soon(rival, simulator, clock)
            async with trio.open_nursery() as jobs_nursery:
                for name in types:
                    jobs_nursery.start_soon(follow, client, name)
            nursery.cancel_scope.cancel()
    return summary(simulator, seen)


def ours(draw: Draw, jobs: int, seed: int, **options: Any) -> Run:
    """Run the client in virtual time."""

    async def play() -> Run:
        return await play_ours(draw, jobs, seed, **options)

    return trio.run(play, clock=MockClock(autojump_threshold=0))


# -- the loops ------------------------------------------------------------------------------------


@attrs.define
class Wire:
    """Bare calls to the simulator, as a program without this library makes them."""

    simulator: Simulator
    clock: LoopClock
    site: endpoints.Site = attrs.field(
        factory=lambda: endpoints.Site(base_url="https://api.example", headers={})
    )
    bearer: str = ""
    serial: int = 0

    async def token(self) -> None:
        call = endpoints.token_call(self.site, CREDENTIALS, correlation_id=self.correlation())
        reply = self.simulator.handle(call.request, self.clock.now())
        self.bearer = replies.parse_token(call, self.response(reply)).value

    def correlation(self) -> str:
        self.serial += 1
        return f"00000000-0000-4000-8000-{self.serial:012}"

    @staticmethod
    def response(reply: Any) -> Any:
        from reports_async.abc import HTTPResponse  # noqa: PLC0415 -- one use

        headers = {name.lower(): value for name, value in reply.headers.items()}
        return HTTPResponse(status=reply.status, headers=headers, body=b"".join(reply.chunks()))

    def send(self, call: endpoints.Call) -> Any:
        request: HTTPRequest = endpoints.signed(
            call, token=self.bearer, correlation_id=self.correlation()
        )
        return self.response(self.simulator.handle(request, self.clock.now()))


Pause = Callable[[int, Any], float]


def fixed(seconds: float) -> Pause:
    """Wait the same, whatever happens, but at least as long as the server says."""
    return lambda _attempt, reply: max(seconds, told(reply))


def exponential(_attempt: int, reply: Any) -> float:
    """Double the pause, from 1 s to 5 min."""
    return max(min(300.0, 2.0**_attempt), told(reply))


def told(reply: Any) -> float:
    """Return what Retry-After says of a refused call."""
    if reply.status != 429:
        return 0.0
    return float(reply.headers.get("retry-after", "0"))


CONTENDERS: dict[str, Pause] = {
    "status every 5 s": fixed(5.0),
    "status every 10 s": fixed(10.0),
    "status every 20 s": fixed(20.0),
    "status every 30 s (azure-core's rule)": fixed(30.0),
    "status every 60 s": fixed(60.0),
    "status every 300 s": fixed(300.0),
    "exponential backoff, 1-300 s": exponential,
}


def loop(pause: Pause, draw: Draw, jobs: int, seed: int) -> Run:
    """Run a loop for each job, all at once, honouring the server's hints."""
    simulator, types = scene(draw, jobs, seed=seed)
    seen: dict[str, datetime] = {}

    async def follow(wire: Wire, clock: LoopClock, name: str) -> None:
        create = endpoints.create_call(wire.site, report_type=name, version="v1", body="{}")
        request = replies.parse_created(create, wire.send(create))
        status = endpoints.status_call(wire.site, request.request_id)
        attempt = 0
        while True:
            reply = wire.send(status)
            if reply.status == 200 and b"READY" in reply.body:
                seen[name] = clock.now()
                return
            await trio.sleep(pause(attempt, reply))
            attempt += 1

    async def play() -> Run:
        clock = LoopClock(start=START)
        wire = Wire(simulator, clock)
        await wire.token()
        async with trio.open_nursery() as nursery:
            for name in types:
                nursery.start_soon(follow, wire, clock, name)
        return summary(simulator, seen)

    return trio.run(play, clock=MockClock(autojump_threshold=0))


# -- the table ------------------------------------------------------------------------------------


def mean(runs: list[Run]) -> Run:
    """Average the runs; rejected calls are added up."""
    return Run(
        mean=statistics.mean(run.mean for run in runs),
        maximum=statistics.mean(run.maximum for run in runs),
        looks=statistics.mean(run.looks for run in runs),
        rejected=sum(run.rejected for run in runs),
    )


def row(name: str, run: Run, bound: float | None) -> None:
    """Print one line of a table."""
    least = "" if bound is None else f"{bound:.0f} ({run.mean / bound:.2f} x)"
    print(
        f"| {name} | {run.mean:.0f} | {run.maximum:.0f} | {run.looks:.2f} | {run.rejected} "
        f"| {least} |",
        flush=True,
    )


def cases() -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Iterate what is asked of ours: a name, the number of jobs, and how the server is."""
    yield "1 job", 1, {"max_page_limit": 100}
    yield "5 jobs", 5, {"max_page_limit": 100}
    yield "27 jobs", 27, {"max_page_limit": 100}
    yield "27 jobs, pages of 10", 27, {"max_page_limit": 10}
    yield "12 jobs, strict", 12, {"strict_list": True}
    yield "27 jobs, strict", 27, {"strict_list": True}


def draw_plot(path: str, seeds: range) -> None:
    """Draw the mean lag and the calls per report of ours and two loops."""
    import matplotlib as mpl  # noqa: PLC0415 -- only for the picture

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 -- only for the picture

    draw, numbers = DISTRIBUTIONS["uniform 5-45 min"], (1, 2, 5, 10, 20, 40, 80)
    everyone: dict[str, Callable[[int, int], Run]] = {
        "reports_async": lambda jobs, seed: ours(
            draw, jobs, seed, history=False, shared=False, rules={"max_page_limit": 100}
        ),
        "reports_async, list needs a type": lambda jobs, seed: ours(
            draw, jobs, seed, history=False, shared=False, rules={"strict_list": True}
        ),
        "status every 30 s": lambda jobs, seed: loop(fixed(30.0), draw, jobs, seed),
        "status every 300 s": lambda jobs, seed: loop(fixed(300.0), draw, jobs, seed),
    }
    figure, (lag, calls) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for name, contender in everyone.items():
        runs = [mean([contender(jobs, seed) for seed in seeds]) for jobs in numbers]
        style = "-o" if name.startswith("reports") else "--s"
        lag.plot(numbers, [run.mean for run in runs], style, label=name)
        calls.plot(numbers, [run.looks for run in runs], style, label=name)
    for axes, what in ((lag, "mean seconds from READY to seen"), (calls, "looks per report")):
        axes.set(xscale="log", yscale="log", xlabel="reports asked for at once", title=what)
        axes.set_xticks(numbers, [str(number) for number in numbers], minor=False)
        axes.minorticks_off()
        axes.grid(visible=True, alpha=0.3)
    lag.legend()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--loops", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--plot", help="draw lag and calls over the number of jobs into this file")
    arguments = parser.parse_args()
    seeds = range(arguments.seeds)
    if arguments.plot:
        draw_plot(arguments.plot, seeds)
        return
    for title, draw in DISTRIBUTIONS.items():
        print(f"\n### Generation times: {title}\n")
        print("| | mean lag, s | max lag, s | looks per report | 429s in all | least possible |")
        print("|---|---|---|---|---|---|")
        for name, jobs, rules in cases():
            strict = "strict_list" in rules
            bound = None if strict else shared_bound(draw, alone=jobs == 1)
            for history in (False, True):
                for half in (False, True):
                    runs = [
                        ours(draw, jobs, seed, history=history, shared=half, rules=rules)
                        for seed in seeds
                    ]
                    label = f"**ours**, {name}, {'with' if history else 'no'} history"
                    label += ", half the budget" if half else ""
                    row(label, mean(runs), None if half else bound)
        if arguments.loops:
            for name, pause in CONTENDERS.items():
                for jobs in (1, 27):
                    runs = [loop(pause, draw, jobs, seed) for seed in seeds]
                    row(f"{name}, {jobs} job{'s' if jobs > 1 else ''}", mean(runs), None)


if __name__ == "__main__":
    main()
