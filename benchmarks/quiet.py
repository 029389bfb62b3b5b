"""
Whether other programs kept the processors busy while something was measured: Linux tells.

Where it is not told, nothing counts as disturbed.
"""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

# Of one processor.
TOLERATED = 0.1
PATIENCE = 2.0
PROC = Path("/proc")


class Watch:
    """The processor time of all others, from now on. *server*: a program that belongs to us."""

    def __init__(self, server: int) -> None:
        self.server = str(server)
        self.before = self.others()
        self.began = time.monotonic()

    @property
    def disturbed(self) -> bool:
        seconds = time.monotonic() - self.began
        return self.others() - self.before > TOLERATED * max(seconds, 1)

    def others(self) -> float:
        if not (PROC / "stat").exists():
            return 0.0
        fields = (PROC / "stat").read_text().split("\n", 1)[0].split()
        busy = sum(map(int, fields[1:4])) + sum(map(int, fields[6:9]))
        own = sum(
            usage.ru_utime + usage.ru_stime
            for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        )
        return (busy - self.served()) / os.sysconf("SC_CLK_TCK") - own

    def served(self) -> int:
        """Return the processor time of the server and its workers, in ticks."""
        ticks = 0
        for path in PROC.glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if self.server in (path.parent.name, fields[1]):
                ticks += int(fields[11]) + int(fields[12])
        return ticks


def wait(server: int) -> None:
    """Wait until the machine is quiet, though not for ever."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        watch = Watch(server)
        time.sleep(0.25)
        if not watch.others() - watch.before > TOLERATED * 0.25:
            return
