"""Fixtures for the command line: a program to run, a server to ask, a home of its own."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.from_thread
import pytest
from click.testing import CliRunner, Result

import reports_async
from reports_async import Credentials, ReportsClient, Timeouts
from reports_async.cli._app import app
from reports_async.cli._options import Connection
from reports_async.cli._session import Session
from reports_async.stores import MemoryStore
from reports_async.testing import (
    ScaledClock,
    SimulatedCall,
    Simulator,
    SimulatorServer,
    SimulatorTransport,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

SPEED = 600
"""A minute, the first look at a report, takes a tenth of a second."""


@pytest.fixture
def anyio_backend() -> str:
    """
    Run on asyncio, as the program does.
    """
    return "asyncio"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """
    Give the program a home and credentials that are nobody's.
    """
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.setenv("WALMART_CLIENT_ID", "id")
    monkeypatch.setenv("WALMART_CLIENT_SECRET", "very-secret")
    monkeypatch.setenv("PYTHONPATH", str(Path(reports_async.__file__).parents[1]))
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.chdir(tmp_path)
    return home


@pytest.fixture
def simulator() -> Simulator:
    return Simulator(generation=60, rows=20)


@pytest.fixture
def calls() -> queue.SimpleQueue[SimulatedCall]:
    """
    The calls that the server gets, as they come.
    """
    return queue.SimpleQueue()


@pytest.fixture
def server(
    simulator: Simulator, calls: queue.SimpleQueue[SimulatedCall]
) -> Iterator[SimulatorServer]:
    """
    Serve the simulator from another thread: the program has the main one.
    """
    with anyio.from_thread.start_blocking_portal() as portal:
        serving = SimulatorServer(simulator, clock=ScaledClock(SPEED), on_call=calls.put)
        with portal.wrap_async_context_manager(serving) as server:
            yield server


@pytest.fixture
def program() -> Callable[..., Result]:
    """
    Run the program within this process.
    """

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, arguments, prog_name="reports-async")

    return run


@pytest.fixture
def ask(program: Callable[..., Result], server: SimulatorServer) -> Callable[..., Result]:
    """
    Run the program within this process, against the server.
    """

    def run(*arguments: str) -> Result:
        return program(*arguments, *to(server))

    return run


@pytest.fixture
async def suppliers() -> AsyncIterator[tuple[Session, Simulator, Simulator]]:
    """
    Open a session without options; its hosts, the sellers' and the suppliers', are in memory.
    """
    clock, sellers, suppliers = ScaledClock(SPEED), Simulator(), Simulator(generation=60, rows=20)
    async with AsyncExitStack() as stack:
        session = Session(
            connection=Connection(),
            credentials=Credentials("id", "secret"),
            clock=clock,
            make_store=MemoryStore,
            directory=Path(),
            timeouts=Timeouts(generation=120),
            stack=stack,
        )
        for market, simulator in {"us": sellers, "suppliers": suppliers}.items():
            client = ReportsClient(
                session.credentials,
                market=market,
                transport=SimulatorTransport(simulator, clock),
                timeouts=session.timeouts,
                clock=clock,
            )
            session._clients[market] = await stack.enter_async_context(client)
        yield session, sellers, suppliers


def to(server: SimulatorServer) -> list[str]:
    """The options that lead to a server."""
    return ["--base-url", server.url, "--speed", str(SPEED)]


@pytest.fixture
def start(server: SimulatorServer) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """
    Start the program as a process, against the server; kill what is left of it.
    """
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "reports_async", *arguments, *to(server)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        process: subprocess.Popen[str] = subprocess.Popen(command, env=dict(os.environ), **pipes)
        started.append(process)
        return process

    yield run
    for process in started:
        with process:
            process.kill()
