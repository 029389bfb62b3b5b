"""
All types of a market, asked for by one program and by two at once: what the server's log says.

On real sockets, with processes of their own: examples/all_reports.py, started once or twice in one
folder, so that both share the account, its budgets and a SQLite store. Time runs 600 times as fast,
so a process that the machine stops for 0.2 s is dead for two minutes to the other: on a busy
machine some reports are then asked for again an hour later.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from reports_async.testing import Rules, ScaledClock, Simulator, SimulatorServer

PROGRAM = Path(__file__).parents[1] / "examples" / "all_reports.py"


def files(directory: str, lines: list[str]) -> int:
    """Count the files, each with something in it, that a program has told of."""
    names = {line.split()[1] for line in lines}
    return sum(Path(directory, name).stat().st_size > 0 for name in names)


async def fetch_all(url: str, speed: float, directory: str) -> int:
    """Run the program; return for how many reports it has told a file that is there."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, PROGRAM, url, str(speed)), cwd=directory, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return files(directory, output.decode().splitlines())


async def play(*, programs: int, strict: bool, speed: float) -> None:
    """Run the programs, and print a line of the table."""
    simulator = Simulator(rules=Rules(strict_list=strict), seed=time.time_ns())
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        async with SimulatorServer(simulator, clock=ScaledClock(speed)) as server:
            runs = [fetch_all(server.url, speed, directory) for _ in range(programs)]
            counts = await asyncio.gather(*runs)
    minutes = (time.monotonic() - began) * speed / 60
    looks = simulator.count("list") + simulator.count("status")
    refused = sum(call.status == 429 for call in simulator.calls)
    print(
        f"| {programs} | {'wants a type' if strict else 'open'} | {simulator.creates()} "
        f"| {' + '.join(map(str, counts))} | {looks} | {simulator.count('link')} | {refused} "
        f"| {minutes:.0f} min |",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speed", type=float, default=600.0)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print("| programs | list | creates | files | looks | links | 429s | time (virtual) |")
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for programs in (1, 2):
        for strict in (False, True):
            for _ in range(options.runs):
                asyncio.run(play(programs=programs, strict=strict, speed=options.speed))


if __name__ == "__main__":
    main()
