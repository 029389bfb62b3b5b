"""The file host is restarted in the middle, twice, and the link expires: the file is right."""

from __future__ import annotations

import hashlib
import os
import pty
import re
import subprocess
import sys

import anyio.from_thread
import pytest

from reports_async.testing import Rules, ScaledClock, Simulator, SimulatorServer

SPEED = 20
"""A second, the wait before the next try, takes a twentieth."""

STOPS = (1_500_000, 500_000)
"""So far the first two bodies come before their host is restarted."""


@pytest.fixture
def portal():
    with anyio.from_thread.start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def server(portal):
    simulator = Simulator(rows=10_000, rules=Rules(file_format="plain"))
    for stop in STOPS:
        simulator.fail("file", "stall", at=stop)
    serving = SimulatorServer(simulator, clock=ScaledClock(SPEED))
    with portal.wrap_async_context_manager(serving) as server:
        yield server


@pytest.fixture
def screen(monkeypatch):
    """
    What the program has drawn so far, as one text without control sequences.
    """
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    ours, theirs = pty.openpty()
    yield Screen(ours), theirs
    os.close(ours)


class Screen:
    def __init__(self, end):
        self._end = end
        self._drawn = b""

    @property
    def text(self):
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._drawn.decode(errors="replace"))

    def read_until(self, words):
        while re.search(words, self.text) is None:
            self._drawn += os.read(self._end, 4096)


def test_recovery(server, portal, screen, tmp_path):
    """
    Two restarts and an expired link cost nothing but time, and the live display tells of them.
    """
    simulator = server.simulator
    request_id = simulator.add_request("ITEM_MX", ScaledClock(SPEED).now(), status="READY")
    screen, terminal = screen
    command = [sys.executable, "-m", "reports_async", "download", request_id, "--market", "mx"]
    command += ["--base-url", server.url, "--speed", str(SPEED), "--directory", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=terminal, text=True) as process:
        os.close(terminal)
        screen.read_until(r"downloading +\S+ of 3\.3 MB")
        portal.call(server.restart_files)
        screen.read_until(r"went on at \S+ .?B")
        simulator.expire_links()
        portal.call(server.restart_files)
        screen.read_until("2 interruptions, 1 new link")
        output, _ = process.communicate()

    assert 0 == process.returncode
    with open(output.strip(), "rb") as file:  # noqa: PTH123 -- of the program's own words
        assert simulator.digest(request_id) == hashlib.file_digest(file, "sha256").hexdigest()
    assert (1, 2) == (simulator.count("file", 403), simulator.count("file", 206))
    assert 2 == simulator.count("link")
