"""The program says, writes and leaves nothing secret: verbose, as JSON, failing, or killed."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

import reports_async
from reports_async.testing import ScaledClock, SimulatorServer

pytest.importorskip("click", reason="the command line is an extra")

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Program:
    """The program as a process of its own; everything that it says is kept."""

    def __init__(self, run, place):
        self.run = run
        self.place = place
        self.said = ""

    async def start(self, *arguments):
        environment = {
            **os.environ,
            "HOME": str(self.place),
            "XDG_DATA_HOME": str(self.place / "data"),
            "PYTHONPATH": str(Path(reports_async.__file__).parents[1]),
            "PYTHONASYNCIODEBUG": "1",
            "WALMART_CLIENT_ID": "id",
            "WALMART_CLIENT_SECRET": self.run.needles.client_secret,
        }
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "reports_async", *arguments),
            cwd=self.place,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def finish(self, process):
        output, _ = await process.communicate()
        self.said += output.decode()
        self.run.see(output.decode())
        return process.returncode

    async def __call__(self, *arguments):
        return await self.finish(await self.start(*arguments))


@pytest.fixture
def program(run, tmp_path):
    return Program(run, tmp_path)


async def test_against_a_server(run, program, watched, tmp_path):
    """
    Killed with a link in hand, resumed through faults, refused: nothing secret is to be seen.
    """
    simulator = watched(rows=2000, generation=120)
    async with SimulatorServer(simulator, clock=ScaledClock(600)) as server:
        to = ("--base-url", server.url, "--speed", "600")
        process = await program.start("fetch", "ITEM_MX", "--verbose", *to)

        def kill():
            if simulator.last_call is not None and simulator.last_call.endpoint == "link":
                simulator.on_call = lambda: None
                process.kill()

        simulator.on_call = kill
        assert -9 == await program.finish(process)
        run.read(tmp_path)
        simulator.fail("file", 403, "lose", 500)
        simulator.fail("link", 401, "html", "refuse")
        assert 0 == await program("resume", "--verbose", *to)
        assert 0 == await program("fetch", "INVENTORY_MX", "--json", *to)
        assert 0 == await program("jobs", "--json", "--verbose", *to)
        simulator.fail("file", 403, times=99)
        assert 1 == await program("fetch", "INVENTORY", "--verbose", *to)
        simulator.fail("token", 401, times=9)
        assert 3 == await program("fetch", "ITEM", "--verbose", *to)
    run.read(tmp_path)

    assert "DEBUG" in program.said
    assert [] == run.leaks()


async def test_with_the_simulator_inside(program):
    """
    Nor is there anything secret to be seen with the simulator inside.
    """
    assert 0 == await program("fetch", "ITEM_MX", "--simulate", "--verbose")

    assert ".csv" in program.said
    for sign in ("sig=", "Basic ", "Bearer"):
        assert sign not in program.said
