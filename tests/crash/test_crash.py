"""
A process that is killed at any step loses nothing: the next one ends the job, or the other one.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import sys
import time
import uuid
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reports_async.testing import ScaledClock, Simulator, SimulatorServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports_async.testing import SimulatedCall

pytestmark = pytest.mark.anyio

VICTIM = Path(__file__).with_name("victim.py")
# Slow enough that what a busy machine adds to a call is less than the two minutes by which a
# request may seem to be older than its create.
SPEED = 600.0
PATIENCE = 60.0  # wall seconds for one test; a hang must not hang the suite
KILLED = -9

STEPS = (
    "before-reserve",
    "between-reserve-and-create",
    "after-create-before-record",
    "while-waiting",
    "link-in-hand",
    "body:1",
    "body:40000",
    "body:150000",
    "before-rename",
    "after-rename",
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Harness:
    """
    One simulator on real sockets, and victims that share an account, a clock and a store.

    A machine is a directory of its own; on one, the store is a file.
    """

    def __init__(self, tmp_path: Path, store: str | None = None) -> None:
        self.simulator = Simulator(generation=900.0, rows=9000)
        self.place = tmp_path
        self.store = store or str(tmp_path / "store.sqlite3")
        self.on_call: Callable[[SimulatedCall], None] = lambda _call: None
        self.server = SimulatorServer(
            self.simulator, clock=ScaledClock(SPEED), on_call=self._called
        )
        self._client_id = uuid.uuid4().hex
        self._epoch = time.time()

    def _called(self, call: SimulatedCall) -> None:
        self.on_call(call)

    async def start(self, step: str, *, machine: str = "one") -> asyncio.subprocess.Process:
        """Start a victim, and return when it is about to begin."""
        arguments = (
            *(self.server.url, self._client_id, SPEED, self._epoch),
            *(self.place / machine, self.store, step),
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(VICTIM),
            *map(str, arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        await process.stdout.readline()
        return process

    async def finish(self, process: asyncio.subprocess.Process) -> tuple[int | None, str]:
        """Let a victim go, and return how it ended and what it said."""
        output, errors = await process.communicate(b"go\n")
        return process.returncode, output.decode() + errors.decode()

    async def run(self, step: str, *, machine: str = "one") -> tuple[int | None, str]:
        return await self.finish(await self.start(step, machine=machine))

    async def race(self, *runs: tuple[str, str]) -> list[tuple[int | None, str]]:
        """Let victims, each with a machine and a step, begin at the same moment."""
        ready = [await self.start(step, machine=machine) for machine, step in runs]
        return await asyncio.gather(*map(self.finish, ready))

    def check(self, *machines: str) -> None:
        """One create at the server, the right file, nothing else beside it, no second request."""
        [request] = self.simulator.requests
        for machine in machines or ("one",):
            [file] = (self.place / machine).iterdir()
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            assert self.simulator.digest(request.request_id) == digest
        assert 1 == self.simulator.creates()
        assert 0 == self.simulator.count("create", 429)
        if Path(self.store).is_file():
            with sqlite3.connect(self.store) as database:
                assert [("ok",)] == database.execute("PRAGMA integrity_check").fetchall()
            database.close()


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


@pytest.fixture(params=["redis", "postgres"])
def machines(request: pytest.FixtureRequest, tmp_path: Path) -> Harness:
    """Two machines that share a server."""
    if find_spec({"redis": "redis", "postgres": "psycopg"}[request.param]) is None:
        pytest.skip(f"the extra {request.param} is not installed")
    return Harness(tmp_path, request.getfixturevalue(f"{request.param}_url"))


@pytest.mark.parametrize("step", STEPS)
async def test_killed_at_a_step(harness: Harness, step: str) -> None:
    """
    A process killed at a step leaves what the next one needs to end the job with one create.
    """
    async with asyncio.timeout(PATIENCE), harness.server:
        code, said = await harness.run(step)
        assert KILLED == code, said

        code, said = await harness.run("none")

    assert 0 == code, said
    harness.check()


async def test_killed_before_the_reply(harness: Harness) -> None:
    """
    A process killed after the server acted, before its reply, is followed by one that adopts.
    """
    async with asyncio.timeout(PATIENCE), harness.server:
        process = await harness.start("none")

        def kill(call: SimulatedCall) -> None:
            if call.endpoint == "create" and process.returncode is None:
                process.kill()

        harness.on_call = kill
        assert KILLED == (await harness.finish(process))[0]
        assert 1 == harness.simulator.creates()

        code, said = await harness.run("none")

    assert 0 == code, said
    harness.check()


async def test_killed_again_and_again(harness: Harness) -> None:
    """
    A job whose process is killed at every step in turn still ends with one create.
    """
    async with asyncio.timeout(PATIENCE), harness.server:
        for step in STEPS:
            await harness.run(step)
        code, said = await harness.run("none")

    assert 0 == code, said
    harness.check()


async def test_two_processes(harness: Harness) -> None:
    """
    Two processes that want the same report make one create, and both get the file.
    """
    async with asyncio.timeout(PATIENCE), harness.server:
        ends = await harness.race(("one", "none"), ("one", "none"))

    assert [0, 0] == [code for code, _ in ends], ends
    assert 1 == len({said for _, said in ends})
    harness.check()


async def test_one_of_two_dies(harness: Harness) -> None:
    """
    A process that dies does not hold up the other one that wants the same report.
    """
    async with asyncio.timeout(PATIENCE), harness.server:
        ends = await harness.race(("one", "after-create-before-record"), ("one", "none"))

    assert 0 in [code for code, _ in ends], ends
    harness.check()


async def test_two_machines(machines: Harness) -> None:
    """
    Two machines that want the same report make one create, and both get the file.
    """
    async with asyncio.timeout(PATIENCE), machines.server:
        ends = await machines.race(("one", "none"), ("two", "none"))

    assert [0, 0] == [code for code, _ in ends], ends
    machines.check("one", "two")


@pytest.mark.parametrize("step", ["after-create-before-record", "while-waiting"])
async def test_one_of_two_machines_dies(machines: Harness, step: str) -> None:
    """
    A machine that dies does not hold up the other one; back again, it gets the file as well.
    """
    created = asyncio.Event()
    machines.on_call = lambda call: created.set() if call.endpoint == "create" else None
    async with asyncio.timeout(PATIENCE), machines.server:
        first = await machines.start(step, machine="one")
        second = await machines.start("none", machine="two")
        dying = asyncio.create_task(machines.finish(first))
        await created.wait()
        code, said = await machines.finish(second)
        assert 0 == code, said
        assert KILLED == (await dying)[0]

        code, said = await machines.run("again", machine="one")

    assert 0 == code, said
    machines.check("one", "two")


async def test_a_machine_dies_before_the_reply(machines: Harness) -> None:
    """
    What a machine has made that died before it knew is adopted by the other one.
    """
    async with asyncio.timeout(PATIENCE), machines.server:
        process = await machines.start("none", machine="one")

        def kill(call: SimulatedCall) -> None:
            if call.endpoint == "create" and process.returncode is None:
                process.kill()

        machines.on_call = kill
        assert KILLED == (await machines.finish(process))[0]

        code, said = await machines.run("none", machine="two")

    assert 0 == code, said
    machines.check("two")
