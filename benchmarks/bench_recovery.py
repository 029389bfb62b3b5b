"""
A large report through two restarts of its file host and an expired link, by the program itself.

``bench_recovery.py [MiB]``, 1024 by default, plain and zipped. ``reports-async fetch`` runs on a
terminal of its own against the simulator; what its live display says is printed as it changes,
then the digest and the memory. The report is made anew for each request: nobody holds it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import pty
import re
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import define, field

from reports_async.testing import Rules, ScaledClock, Simulator, SimulatorServer

MEBIBYTE = 1024 * 1024
TYPE = "ITEM_MX"
# The program's and the server's clocks: the report is looked for after seconds, not minutes.
SPEED = 10
# The host is away for so long, in seconds of those clocks.
DOWN = 2.0
RESTARTS = (0.3, 0.6)
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
RATE = re.compile(r"  [\d.]+ .?B/s")
COLUMNS = "100"


@define
class Terminal:
    """The program's terminal: what its live display says, when that changes."""

    end: int
    began: float = field(factory=time.monotonic)
    _rest: str = ""
    _last: tuple[str, ...] = ()
    _row: list[str] = field(factory=list)

    def read(self) -> None:
        try:
            came = os.read(self.end, 65536)
        except OSError:  # the program has gone
            asyncio.get_running_loop().remove_reader(self.end)
            return
        *lines, self._rest = (self._rest + came.decode(errors="replace")).split("\n")
        for line in lines:
            self._see(CONTROL.sub("", line).strip("\r "))

    def _see(self, line: str) -> None:
        _, found, rest = line.partition(f" {TYPE} ")
        if found:
            self._row = rest.split()
        elif self._row:
            phase, *numbers = self._row
            note = RATE.sub("", line)
            if (phase, note) != self._last:
                self._last = phase, note
                when, count = time.monotonic() - self.began, " ".join(numbers).rstrip("━╸╺ ")
                print(f"  {when:5.1f} s  {phase:<12} {count:<18} {note}", flush=True)
            self._row = []


@define
class Memory:
    """The memory of a process, in MiB, before and in each quarter of its download."""

    pid: int
    idle: float = 0.0
    quarters: list[float] = field(factory=lambda: [0.0] * 4)

    def look(self, share: float) -> None:
        now = self._now()
        if share:
            quarter = min(3, int(4 * share))
            self.quarters[quarter] = max(self.quarters[quarter], now)
        else:
            self.idle = max(self.idle, now)

    def _now(self) -> float:
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except ProcessLookupError:
            return 0.0
        found = re.search(r"VmRSS:\s+(\d+)", status)
        return int(found[1]) / 1024 if found else 0.0


def size_of(rows: int) -> int:
    """Return the size of a report of so many rows."""
    simulator = Simulator(rows=rows)
    request_id = simulator.add_request(TYPE, datetime.now(UTC), status="READY")
    return sum(map(len, simulator.csv(request_id)))


async def trouble(server: SimulatorServer, directory: Path, size: int, memory: Memory) -> None:
    """Restart the file host on the way; the second time, the link is no longer good either."""
    left = list(RESTARTS)
    restarting: asyncio.Task[None] | None = None
    while True:
        # What is unpacked grows as the archive comes.
        share = max((entry.stat().st_size for entry in os.scandir(directory)), default=0) / size
        memory.look(share)
        if left and share > left[0] and (restarting is None or restarting.done()):
            left.pop(0)
            if not left:
                server.simulator.expire_links()
            restarting = asyncio.create_task(server.restart_files(down=DOWN))
        await asyncio.sleep(0.01)


async def fetch(server: SimulatorServer, home: Path, size: int) -> tuple[Path, float, Memory]:
    """Run the program; return where the file is, after how many seconds, and the memory."""
    directory = home / "reports"
    directory.mkdir()
    ours, theirs = pty.openpty()
    terminal = Terminal(ours)
    asyncio.get_running_loop().add_reader(ours, terminal.read)
    command = [sys.executable, "-m", "reports_async", "fetch", TYPE, "--directory", str(directory)]
    process = await asyncio.create_subprocess_exec(
        *command,
        *("--base-url", server.url, "--speed", str(SPEED)),
        stdout=asyncio.subprocess.PIPE,
        stderr=theirs,
        env={
            **os.environ,
            "WALMART_CLIENT_ID": "any",
            "WALMART_CLIENT_SECRET": "any",
            "HOME": str(home),
            "TERM": "xterm",
            "COLUMNS": COLUMNS,
            "LINES": "24",
        },
    )
    os.close(theirs)
    memory = Memory(process.pid)
    steering = asyncio.create_task(trouble(server, directory, size, memory))
    output, _ = await process.communicate()
    seconds = time.monotonic() - terminal.began
    steering.cancel()
    asyncio.get_running_loop().remove_reader(ours)
    os.close(ours)
    return Path(output.decode().strip()), seconds, memory


async def play(file_format: Any, rows: int) -> list[str]:
    """Play the scene; return a line of the table."""
    rules = Rules(file_format=file_format, link_lifetime=(3600.0, 3600.0))
    simulator = Simulator(rows=rows, generation=1.0, rules=rules)
    size = size_of(rows)
    print(f"\n{file_format}, {size / MEBIBYTE:,.0f} MiB of CSV, the live display:\n")
    with tempfile.TemporaryDirectory() as home:
        async with SimulatorServer(simulator, clock=ScaledClock(SPEED)) as server:
            path, seconds, memory = await fetch(server, Path(home), size)
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    right = found == simulator.digest(simulator.requests[0].request_id)
    return [
        file_format,
        "right" if right else "**WRONG**",
        f"{simulator.count('file', 200) + simulator.count('file', 206)}",
        f"{simulator.count('link', 200)}",
        f"{seconds:.0f}",
        f"{memory.idle:.0f}",
        *(f"{most:.0f}" for most in memory.quarters),
    ]


async def main() -> None:
    size = int(sys.argv[1] if len(sys.argv) > 1 else 1024) * MEBIBYTE
    rows = size * 10_240 // size_of(10_240) + 1_024  # the first rows are short
    lines = [await play(file_format, rows) for file_format in ("plain", "zip")]
    print(
        "\n| report | SHA-256 | bodies | links | seconds | MiB before | in the 1st quarter | 2nd "
        "| 3rd | 4th |"
    )
    print("|---" * 10 + "|")
    for line in lines:
        print(f"| {' | '.join(line)} |")


if __name__ == "__main__":
    asyncio.run(main())
