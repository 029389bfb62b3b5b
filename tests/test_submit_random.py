"""Whatever is asked for, cancelled and broken, in whatever order: the hourly rule holds."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta
from itertools import pairwise

import anyio
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from reports_async import (
    Credentials,
    Filters,
    PollSchedule,
    ReportsClient,
    ReportsError,
    Timeouts,
)
from reports_async.stores import MemoryStore
from reports_async.testing import LoopClock, Rules, Simulator, SimulatorTransport

HOUR = timedelta(hours=1)
TYPES = ("A", "B")

requests = st.fixed_dictionaries(
    {"report_type": st.sampled_from(TYPES)},
    optional={
        "version": st.sampled_from(["v1", "v2"]),
        "filters": st.just(Filters(exclude_columns=["SKU"])),
        "fresh": st.booleans(),
        "on_limit": st.sampled_from(["wait", "raise", "reuse"]),
        "max_age": st.sampled_from([60, 3000, 86400]),
    },
)
faults = st.tuples(
    st.sampled_from(["create", "create", "list", "token"]),
    st.sampled_from(["refuse", "lose", "hang", 400, 401, 500, 503]),
    st.booleans(),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 1), requests),
        st.tuples(st.just("cancel"), st.integers(0, 9)),
        st.tuples(st.just("break"), faults),
        st.tuples(st.just("late"), st.integers(1, 60)),
        st.tuples(st.just("wait"), st.sampled_from([0, 1, 20, 100, 400, 1800, 3700])),
    ),
    max_size=12,
)


async def play(simulator, script, directory):
    clock, store, jobs = LoopClock(), MemoryStore(), []
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                ReportsClient(
                    Credentials("id", "secret"),
                    market="mx",
                    directory=directory,
                    store=store,
                    transport=SimulatorTransport(simulator, clock),
                    timeouts=Timeouts(generation=4500),
                    schedule=PollSchedule(first=3000, cap=3000),
                    clock=clock,
                )
            )
            for _ in range(2)
        ]
        for step in script:
            match step:
                case "ask", number, arguments:
                    jobs.append(clients[number].request_report(**arguments))
                case "cancel", number if number < len(jobs):
                    jobs[number].cancel()
                case "break", (endpoint, answer, acting):
                    # A refusal is definite: who answers 400 has done nothing.
                    acting = acting and answer in (500, 503)
                    simulator.fail(endpoint, answer, after_acting=acting)
                case "late", seconds:
                    simulator.delay("create", seconds)
                case "wait", seconds:
                    await clock.sleep(seconds)
                case _:
                    pass
        # All of them come to an end: nothing waits for ever.
        for job in jobs:
            try:
                await job
            except ReportsError:
                continue


def check(simulator):
    for report_type in TYPES:
        times = [
            request.submitted_at
            for request in simulator.requests
            if request.report_type == report_type
        ]
        assert all(later - earlier >= HOUR for earlier, later in pairwise(times))
    assert 0 == simulator.count("create", 429)
    assert () == simulator.violations


@settings(max_examples=60, deadline=None)
@given(script=steps, lag=st.sampled_from([0, 0, 30, 240]))
@example(script=[("break", ("create", "lose", False)), ("ask", 0, {"report_type": "A"})], lag=240)
def test_hourly_rule(tmp_path_factory, script, lag):
    """
    Random requests, cancellations and failures of two clients that share a store never make two
    requests of a type within an hour, and never earn a refusal for it.
    """
    simulator = Simulator(rows=1, rules=Rules(list_lag=lag))
    for report_type in TYPES:
        simulator.never_ready(report_type)
    anyio.run(
        play,
        simulator,
        script,
        tmp_path_factory.getbasetemp(),
        backend="trio",
        backend_options={"clock": MockClock(autojump_threshold=0)},
    )

    check(simulator)
