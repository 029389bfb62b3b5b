"""
Kill ``reports-async fetch`` at random moments, resume, and look at what came of it.

    python tests/crash/random_kills.py --times 100

Each time has a simulator, a store and a directory of its own. The process is killed by SIGKILL once
or twice, then ``reports-async resume`` ends the job. Prints one line of summary; exits with 1 where
a file is wrong, or the server accepted more than one create.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs

import reports_async
from reports_async.testing import ScaledClock, Simulator, SimulatorServer

SPEED = 300.0
ROWS = 20_000
GENERATION = (200.0, 600.0)
STARTING = 1.0  # seconds; about what the program needs before its first call
WORKING = 3.0  # and from there to the file
PATIENCE = 120.0


@attrs.frozen(kw_only=True)
class Outcome:
    """What became of one report whose process was killed."""

    right: bool
    code: int
    creates: int
    left: tuple[str, ...]
    kills: int
    killed_in: str
    said: str = attrs.field(repr=False)

    @property
    def good(self) -> bool:
        """Whether the file is right, and nothing was doubled or left behind."""
        return self.right and (self.code, self.creates, self.left) == (0, 1, ())


class Home:
    """One user's machine: programs that share a store and a directory."""

    def __init__(self, place: Path, url: str) -> None:
        self.directory = place / "reports"
        self._options = ("--base-url", url, "--speed", f"{SPEED:g}", "--directory", self.directory)
        self._environment = {
            **os.environ,
            "HOME": str(place),
            "XDG_DATA_HOME": str(place / "data"),
            "PYTHONPATH": str(Path(reports_async.__file__).parents[1]),
            "WALMART_CLIENT_ID": "id",
            "WALMART_CLIENT_SECRET": "secret",
        }

    async def start(self, *command: str) -> asyncio.subprocess.Process:
        """Start the program."""
        arguments = (*command, *map(str, self._options))
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "reports_async", *arguments),
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def kill(
        self, *command: str, after: float, calling: asyncio.Event | None
    ) -> tuple[bool, str]:
        """
        Run the program and kill it, so long after its start, or after the first call that it makes.

        Tells whether it was still running, and what it said.
        """
        process = await self.start(*command)
        saying = asyncio.create_task(process.communicate())
        if calling is not None:
            called = asyncio.create_task(calling.wait())
            await asyncio.wait([saying, called], return_when=asyncio.FIRST_COMPLETED)
            called.cancel()
        await asyncio.wait([saying], timeout=after)
        killed = process.returncode is None
        if killed:
            process.kill()
        output, _ = await saying
        return killed, output.decode()

    async def run(self, *command: str) -> tuple[int, str]:
        """Run the program to its end."""
        process = await self.start(*command)
        output, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode is not None
        return process.returncode, output.decode()


async def play(chance: random.Random, place: Path) -> Outcome:
    """Kill a fetch at a random moment, and perhaps a resume; go on until the file is there."""
    simulator = Simulator(rows=ROWS, generation=GENERATION, seed=chance.randrange(10_000))
    calling = asyncio.Event()
    server = SimulatorServer(
        simulator, clock=ScaledClock(SPEED), on_call=lambda _call: calling.set()
    )

    async def kill(*command: str) -> tuple[bool, str]:
        if chance.random() < 0.2:
            return await home.kill(*command, after=chance.uniform(0, STARTING), calling=None)
        calling.clear()
        return await home.kill(*command, after=chance.uniform(0, WORKING), calling=calling)

    async with server:
        home = Home(place, server.url)
        killed, said = await kill("fetch", "ITEM_MX")
        killed_in = (simulator.last_call.endpoint if simulator.last_call else "before") * killed
        kills = int(killed)
        if chance.random() < 0.3:
            killed, more = await kill("resume")
            kills += killed
            said += more
        code, more = await home.run("resume")
        said += more
        if code == 0 and not simulator.requests:
            # Killed before it had even reserved the hour: there was nothing to resume.
            code, more = await home.run("fetch", "ITEM_MX")
            said += more
    files = list(home.directory.iterdir())
    [request, *others] = simulator.requests
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    return Outcome(
        right=not others and [simulator.digest(request.request_id)] == digests,
        code=code,
        creates=simulator.creates(),
        left=tuple(path.name for path in files if path.suffix != ".csv"),
        kills=kills,
        killed_in=killed_in or "never",
        said=said,
    )


async def play_many(times: int, *, seed: int) -> list[Outcome]:
    """Play so many times, one after the other."""
    outcomes: list[Outcome] = []
    for number in range(times):
        with TemporaryDirectory() as place:
            outcome = await play(random.Random(seed + number), Path(place))
        outcomes.append(outcome)
        if not outcome.good:
            sys.stderr.write(f"{number}: {outcome}\n{outcome.said}\n")
    return outcomes


def summary(outcomes: list[Outcome]) -> str:
    """Say in one line what came of all."""
    moments = Counter(outcome.killed_in for outcome in outcomes)
    return (
        f"{len(outcomes)} times, {sum(outcome.kills for outcome in outcomes)} kills: "
        f"{sum(outcome.right for outcome in outcomes)} files right, "
        f"{sum(outcome.creates != 1 for outcome in outcomes)} with other than one create, "
        f"{sum(bool(outcome.left) for outcome in outcomes)} with something left behind; last call "
        f"before the first kill: {', '.join(f'{n} {name}' for name, n in moments.most_common())}"
    )


def main() -> int:
    """Read the arguments, play, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    outcomes = asyncio.run(play_many(arguments.times, seed=arguments.seed))
    sys.stdout.write(f"{summary(outcomes)}; seed {arguments.seed}\n")
    return int(not all(outcome.good for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
