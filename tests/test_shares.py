"""Which of the programs that share a store looks after which request."""

from __future__ import annotations

from datetime import timedelta

import anyio
import anyio.lowlevel
import pytest
from attrs import evolve

from reports_async import Finished, JobRecord, JobStatus, MemoryStore, TransportError
from reports_async._quota import LEASE, Gate
from reports_async._sansio.history import History
from reports_async._shares import MARK, RENEWED, UNCHANGED, Shares
from reports_async.testing import Rules, Simulator, SimulatorTransport

pytestmark = pytest.mark.anyio


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def new_shares(store, clock):
    def make():
        gate = Gate(store, account="acme", clock=clock, history=History(2700.0))
        return Shares(gate, clock=clock)

    return make


async def waiting(store, clock, **changes):
    """The records of two requests that are waited for, as the store has them now."""
    for number in (1, 2):
        record = JobRecord(
            key=f"{number}",
            account="acme",
            report_type=f"TYPE_{number}",
            version="v1",
            status=JobStatus.RECEIVED,
            reserved_at=clock.now(),
            request_id=f"R{number}",
        )
        known = {one.key: one for one in await store.records("acme", now=clock.now())}
        if record.key not in known:
            await store.save(evolve(record, **changes), now=clock.now())
    return await store.records("acme", now=clock.now())


async def test_first_come(new_shares, store, clock):
    """
    Who comes first looks after all; who comes later knows it, and so that there are others.
    """
    first, second = new_shares(), new_shares()
    await first.settle(await waiting(store, clock), well=True)
    await second.settle(await waiting(store, clock), well=True)
    await first.settle(await waiting(store, clock), well=True)

    assert (frozenset(), False) == (first.theirs, first.shared)
    assert (frozenset({"R1", "R2"}), True) == (second.theirs, second.shared)
    assert "<Shares, 2 requests are looked after by others>" == repr(second)


async def test_renewed(new_shares, store, clock):
    """
    Our lease is renewed before it ends, and not before that is needed.
    """
    shares = new_shares()
    ends = []
    for _ in range(3):
        await shares.settle(await waiting(store, clock), well=True)
        ends.append({one.lease_until for one in await waiting(store, clock)})
        await clock.sleep(LEASE - RENEWED)
    await clock.sleep(1.0)
    await shares.settle(await waiting(store, clock), well=True)
    (now,) = {one.lease_until for one in await waiting(store, clock)}

    assert ends[0] == ends[1] != ends[2]
    assert now == clock.now() + timedelta(seconds=LEASE)


async def test_taken_over(new_shares, store, clock):
    """
    What another looked after that has ended, or whose looks fail, is ours when its lease is over.
    """
    first, second = new_shares(), new_shares()
    await first.settle(await waiting(store, clock), well=True)
    await clock.sleep(LEASE - 1.0)
    await first.settle(await waiting(store, clock), well=False)
    await second.settle(await waiting(store, clock), well=True)
    assert frozenset({"R1", "R2"}) == second.theirs
    await clock.sleep(1.0)
    await second.settle(await waiting(store, clock), well=True)
    await first.settle(await waiting(store, clock), well=True)

    assert frozenset() == second.theirs
    assert frozenset({"R1", "R2"}) == first.theirs


async def test_leases_of_creates(new_shares, store, clock):
    """
    Who made a request does not look after it by that: its lease is left alone, and then taken.
    """
    shares = new_shares()
    lease = {"owner": "a job", "lease_until": clock.now() + timedelta(seconds=LEASE)}
    owners = []
    for _ in range(2):
        await shares.settle(await waiting(store, clock, **lease), well=True)
        owners.append({one.owner[: len(MARK)] for one in await waiting(store, clock)})
        assert frozenset() == shares.theirs
        await clock.sleep(LEASE)

    assert [{"a job"[: len(MARK)]}, {MARK}] == owners


async def test_clock_set_back(new_shares, store, clock):
    """
    A lease that lies further ahead than any can is over.
    """
    shares = new_shares()
    lease = {"owner": f"{MARK}another", "lease_until": clock.now() + timedelta(days=1)}
    await shares.settle(await waiting(store, clock, **lease), well=True)

    assert frozenset() == shares.theirs


async def test_another_clock_is_ahead(new_shares, store, clock):
    """
    A lease that is not renewed for minutes is over, however far ahead its owner's clock has it.
    """
    shares = new_shares()
    lease = {"owner": f"{MARK}another", "lease_until": clock.now() + timedelta(minutes=50)}
    await shares.settle(await waiting(store, clock, **lease), well=True)
    assert frozenset({"R1", "R2"}) == shares.theirs
    await clock.sleep(UNCHANGED / 2)
    (renewed,) = [one for one in await waiting(store, clock) if one.request_id == "R2"]
    until = renewed.lease_until + timedelta(seconds=LEASE)
    await store.delete(renewed.key)
    await store.save(evolve(renewed, lease_until=until), now=clock.now())
    await shares.settle(await waiting(store, clock), well=True)
    await clock.sleep(UNCHANGED / 2 + 1)
    await shares.settle(await waiting(store, clock), well=True)

    assert frozenset({"R2"}) == shares.theirs


async def test_end(new_shares, store, clock):
    """
    When nobody waits any more, the others are forgotten.
    """
    first, second = new_shares(), new_shares()
    await first.settle(await waiting(store, clock), well=True)
    await second.settle(await waiting(store, clock), well=True)
    second.end()

    assert (frozenset(), False) == (second.theirs, second.shared)


# -- two clients ----------------------------------------------------------------------------------


TYPES = [f"TYPE_{number:02}" for number in range(12)]


class Wired(SimulatorTransport):
    """
    A program's own way to the server: it counts the looks, and can be cut.
    """

    looks = 0
    cut = False

    async def send(self, request, *, timeout):
        look = request.method == "GET" and "downloadReport" not in request.url
        self.looks += look
        if look and self.cut:
            await anyio.lowlevel.checkpoint()
            raise TransportError("The cable is cut.")
        return await super().send(request, timeout=timeout)


class Program:
    """
    A client that wants all types, and how long after READY it has seen each.
    """

    def __init__(self, client, transport, simulator):
        self.client, self.transport, self.simulator = client, transport, simulator
        self.jobs = []
        self.lags = {}

    async def run(self):
        async with anyio.create_task_group() as group:
            for name in TYPES:
                group.start_soon(self.follow, name)

    async def follow(self, name):
        job = self.client.request_report(name)
        self.jobs.append(job)
        async for event in job.events():
            if isinstance(event, Finished):
                (request,) = [
                    one for one in self.simulator.requests if one.request_id == event.request_id
                ]
                self.lags[name] = (event.at - request.ready_at).total_seconds()


@pytest.fixture
def simulator():
    simulator = Simulator(rules=Rules(max_page_limit=100), rows=1)
    for number, name in enumerate(TYPES):
        simulator.generation(name, 600 + 150 * number)
    return simulator


@pytest.fixture
def new_program(new_client, store, simulator, clock):
    """
    Make programs that share a store, with clients that are not closed by themselves.
    """

    def make():
        transport = Wired(simulator, clock)
        return Program(new_client(transport=transport, store=store), transport, simulator)

    return make


async def test_one_looks(new_program, simulator, clock):
    """
    Of two programs that want the same reports soon only one looks, and both see them in time.
    """
    programs = new_program(), new_program()
    async with programs[0].client, programs[1].client, anyio.create_task_group() as group:
        for program in programs:
            group.start_soon(program.run)
        await clock.sleep(1200.0)
        before = [program.transport.looks for program in programs]

    later = sorted(
        program.transport.looks - looks for program, looks in zip(programs, before, strict=True)
    )
    assert later[0] <= 1
    assert later[1] > 5
    for program in programs:
        assert TYPES == sorted(program.lags)
        assert max(program.lags.values()) < 180.0
    assert 0 == simulator.count("list", 429) + simulator.count("status", 429)


@pytest.mark.parametrize("trouble", ["left", "cut"])
async def test_the_other_takes_over(new_program, clock, trouble):
    """
    Where the program that looks waits no more, or cannot reach the server, the other one looks.
    """
    programs = new_program(), new_program()
    async with programs[0].client, programs[1].client, anyio.create_task_group() as group:
        for program in programs:
            group.start_soon(program.run)
        await clock.sleep(1200.0)
        looks = [program.transport.looks for program in programs]
        busy, idle = sorted(programs, key=lambda program: -program.transport.looks)
        assert max(looks) > min(looks)
        if trouble == "left":
            for job in busy.jobs:
                job.cancel()
        else:
            busy.transport.cut = True

    assert TYPES == sorted(idle.lags)
    assert max(idle.lags.values()) < 400.0
    assert trouble == "left" or TYPES == sorted(busy.lags)
