"""
The runs of ``bench_polling.py``: a client, the loops everyone writes, and one who knows it all.

Each in virtual time, against the simulator with its budgets on.
"""

from __future__ import annotations

import math
import random
import statistics
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import trio
from trio.testing import MockClock

from reports_async import (
    Credentials,
    Finished,
    JobRecord,
    JobStatus,
    LimitOver,
    Linked,
    MemoryStore,
    ReportsClient,
)
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
RIVAL_TYPE = "OTHER"
RIVAL_REQUEST = "00000000-0000-4000-8000-000000000000"


@attrs.frozen(kw_only=True)
class Run:
    """What one run came to."""

    mean: float
    maximum: float
    looks: float  # list and status calls per report
    calls: float  # those of the link included
    rejected: int  # 429s
    longest: float  # the largest lag: of several runs that of all, where `maximum` is a mean
    error: float = 0.0  # the standard error of the mean, of several runs
    missed: int = 0  # reports that were not seen before the time limit; until that is their lag
    refused: int = 0  # 429s that were not the other program's


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
    calls = [
        call
        for call in simulator.calls
        if call.report_type != RIVAL_TYPE and call.request_id != RIVAL_REQUEST
    ]
    looks = sum(call.endpoint in ("list", "status") for call in calls)
    links = sum(call.endpoint == "link" for call in calls)
    return Run(
        mean=statistics.mean(lags),
        maximum=max(lags),
        looks=looks / len(lags),
        calls=(looks + links) / len(lags),
        rejected=sum(call.status == 429 for call in simulator.calls),
        refused=sum(call.status == 429 for call in calls),
        longest=max(lags),
    )


# -- ours -----------------------------------------------------------------------------------------


def remembered(
    draw: Draw, types: list[str], account: str, *, count: int, seed: int, strict: bool
) -> list[JobRecord]:
    """Make the records of *count* earlier reports of each type, whose lists wanted one or not."""
    rng = random.Random(seed + 10_000)
    records: list[JobRecord] = []
    for name in types:
        for number in range(count):
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
                    list_refused_at=submitted if strict else None,
                )
            )
    return records


@attrs.frozen
class Rival:
    """
    Another program of the account: it makes a list and a status call again and again.

    Args:
        every: Seconds in between. What it is told it does not care for.
        late: So many more, at most: no two calls take as long.
    """

    every: float
    late: float = 0.0

    async def play(
        self, simulator: Simulator, clock: LoopClock, *, seed: int, goes_on: Callable[[], bool]
    ) -> None:
        """Make its calls while something *goes_on*."""
        wire = Wire(simulator, clock)
        await wire.token()
        chance = random.Random(seed)
        # Not for longer: the simulator remembers the latest calls only, and a thread that is about
        # to download when its job is cancelled may take days of virtual time.
        while goes_on():
            for call in (
                endpoints.list_call(wire.site, endpoints.ListQuery(report_type=RIVAL_TYPE)),
                endpoints.status_call(wire.site, RIVAL_REQUEST),
            ):
                wire.send(call)
            await trio.sleep(self.every + chance.uniform(0.0, self.late))


# It spends half of the budgets of list and status.
HALF = Rival(360.0)


async def play_ours(
    draw: Draw,
    jobs: int,
    seed: int,
    *,
    history: int,
    shared: bool,
    rules: dict[str, Any],
    rival: Rival = HALF,
) -> Run:
    """
    Run the client itself.

    Args:
        draw: Draws a generation time.
        jobs: How many reports are asked for at once.
        seed: Of what is drawn.
        history: How many earlier reports of each type it remembers.
        shared: A *rival* spends from the same budgets.
        rules: The simulator's.
        rival: Which one.
    """
    simulator, types = scene(draw, jobs, seed=seed, **rules)
    clock, store = LoopClock(start=START), MemoryStore()
    account = markets.account("id", markets.market("us").base_url)
    earlier = remembered(
        draw, types, account, count=history, seed=seed, strict=simulator.rules.strict_list
    )
    for record in earlier:
        await store.save(record, now=START)
    seen: dict[str, datetime] = {}
    missed: set[str] = set()

    async def follow(client: ReportsClient, name: str) -> None:
        job = client.request_report(name)
        async for event in job.events():
            if isinstance(event, (Finished, LimitOver)):
                seen[name] = event.at
            if isinstance(event, LimitOver):
                missed.add(name)
            if isinstance(event, Linked):
                # Not downloaded: a file is written off the loop, where virtual time would run.
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
                going = partial(rival.play, seed=seed, goes_on=lambda: len(seen) < jobs)
                nursery.start_soon(going, simulator, clock)
            async with trio.open_nursery() as jobs_nursery:
                for name in types:
                    jobs_nursery.start_soon(follow, client, name)
            nursery.cancel_scope.cancel()
    return attrs.evolve(summary(simulator, seen), missed=len(missed))


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


AZURE = "status every 30 s (azure-core's rule)"
CONTENDERS: dict[str, Pause] = {
    "status every 5 s": fixed(5.0),
    "status every 10 s": fixed(10.0),
    "status every 20 s": fixed(20.0),
    AZURE: fixed(30.0),
    "status every 60 s": fixed(60.0),
    "status every 300 s": fixed(300.0),
    "exponential backoff, 1-300 s": exponential,
}


def loop(
    name: str,
    draw: Draw,
    jobs: int,
    seed: int,
    *,
    shared: bool = False,
    rival: Rival = HALF,
    **rules: Any,
) -> Run:
    """Run a loop for each job, all at once, honouring the server's hints."""
    simulator, types = scene(draw, jobs, seed=seed, **rules)
    pause = CONTENDERS[name]
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
            if shared:
                going = partial(rival.play, seed=seed, goes_on=lambda: len(seen) < jobs)
                nursery.start_soon(going, simulator, clock)
            async with trio.open_nursery() as loops:
                for one in types:
                    loops.start_soon(follow, wire, clock, one)
            nursery.cancel_scope.cancel()
        return summary(simulator, seen)

    return trio.run(play, clock=MockClock(autojump_threshold=0))


# -- who knows it all -----------------------------------------------------------------------------


def oracle(draw: Draw, jobs: int, seed: int) -> Run:
    """Have each link as soon as the report is READY and the link budget has a token for it."""
    rng = random.Random(seed)
    ready = sorted(draw(rng) for _ in range(jobs))
    tokens, at, lags = 20.0, 0.0, []
    for moment in ready:
        now = max(moment, at)
        tokens = min(20.0, tokens + (now - at) / 180.0)
        wait = max(0.0, 1.0 - tokens) * 180.0
        tokens, at = max(tokens, 1.0) - 1.0, now + wait
        lags.append(at - moment)
    return Run(
        mean=statistics.mean(lags),
        maximum=max(lags),
        longest=max(lags),
        looks=0.0,
        calls=1.0,
        rejected=0,
    )
