"""The programs under examples/, started for real, against the simulator on real sockets."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import re
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest

from reports_async.testing import Rules, ScaledClock, Simulator, SimulatorServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

EXAMPLES = Path(__file__).parents[1] / "examples"
SPEED = 900.0
PATIENCE = 60.0  # wall seconds for anything here; a hang must not hang the suite
FIRST_LOOK = 10.0  # wall seconds; without a webhook the first look comes after fifteen


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def program(
    *arguments: str, cwd: Path | None = None, **environ: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=cwd,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def address(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    said = b""
    while line := await process.stdout.readline():
        said += line
        if found := re.search(rb"[Rr]unning on (http://127\.0\.0\.1:\d+)", line):
            return found[1].decode()
    raise AssertionError(said.decode())


@pytest.mark.parametrize("name", ["aiohttp_app.py", "starlette_app.py"])
async def test_web_app(name: str, tmp_path: Path) -> None:
    """
    A web app answers ten callers with one request at the server, and others while they wait.
    """
    simulator, clock = Simulator(generation=1200.0), ScaledClock(SPEED)
    async with (
        asyncio.timeout(PATIENCE),
        SimulatorServer(simulator, clock=clock) as server,
        program(
            str(EXAMPLES / name),
            PORT="0",
            REPORTS_BASE_URL=server.url,
            REPORTS_SPEED=str(SPEED),
            REPORTS_DIRECTORY=str(tmp_path),
            WALMART_CLIENT_ID="id",
            WALMART_CLIENT_SECRET="secret",
        ) as process,
        aiohttp.ClientSession() as session,
    ):
        url = await address(process)

        async def get(path: str) -> tuple[int, bytes]:
            async with session.get(url + path) as response:
                return response.status, await response.read()

        waiting = [asyncio.create_task(get("/reports/ITEM_MX")) for _ in range(10)]
        assert (200, b"ok\n") == await get("/health")
        assert not any(task.done() for task in waiting)
        answers = await asyncio.gather(*waiting)
        process.send_signal(signal.SIGINT)
        output, _ = await process.communicate()

    [request] = simulator.requests
    digests = {(status, hashlib.sha256(body).hexdigest()) for status, body in answers}
    assert {(200, simulator.digest(request.request_id))} == digests
    assert 1 == simulator.creates("ITEM_MX")
    assert () == tuple(simulator.violations)
    assert b"Unclosed" not in output
    assert b"never awaited" not in output


async def test_passed_on(tmp_path: Path) -> None:
    """
    A web app passes on a report that another program asked for, keeps nothing, and says what fails.
    """
    simulator, clock = Simulator(rows=30_000), ScaledClock(SPEED)
    request_id = simulator.add_request("ITEM_MX", clock.now(), status="READY")
    failed = simulator.add_request("INVENTORY_MX", clock.now(), status="ERROR")
    running = simulator.add_request("BUYBOX_MX", clock.now(), status="INPROGRESS")
    async with (
        asyncio.timeout(PATIENCE),
        SimulatorServer(simulator, clock=clock) as server,
        program(
            str(EXAMPLES / "aiohttp_app.py"),
            PORT="0",
            REPORTS_BASE_URL=server.url,
            REPORTS_SPEED=str(SPEED),
            REPORTS_DIRECTORY=str(tmp_path),
            WALMART_CLIENT_ID="id",
            WALMART_CLIENT_SECRET="secret",
        ) as process,
        aiohttp.ClientSession(await address(process)) as session,
    ):
        async with session.get(f"/requests/{request_id}") as response:
            assert (200, "text/csv") == (response.status, response.content_type)
            text = await response.read()
            assert len(text) == response.content_length
        async with session.get(f"/requests/{failed}") as response:
            assert (502, failed) == (response.status, (await response.json())["request_id"])
        async with session.get(f"/requests/{running}") as response:
            assert (409, running) == (response.status, (await response.json())["request_id"])

    assert simulator.digest(request_id) == hashlib.sha256(text).hexdigest()
    assert [] == os.listdir(tmp_path)  # noqa: PTH208 -- async


@pytest.mark.parametrize("name", ["webhook_app.py", "webhook_asgi.py"])
async def test_webhook_app(name: str, tmp_path: Path) -> None:
    """
    An app that is told of its report answers at once, long before the first look would be made.
    """
    created = asyncio.Event()
    simulator = Simulator(generation=0)
    async with (
        asyncio.timeout(PATIENCE),
        SimulatorServer(
            simulator, on_call=lambda call: created.set() if call.endpoint == "create" else None
        ) as server,
        program(
            str(EXAMPLES / name),
            PORT="0",
            REPORTS_BASE_URL=server.url,
            REPORTS_DIRECTORY=str(tmp_path),
            WALMART_CLIENT_ID="id",
            WALMART_CLIENT_SECRET="secret",
            WALMART_WEBHOOK_SECRET="very-secret",
        ) as process,
        aiohttp.ClientSession() as session,
    ):
        url = await address(process)
        asked = asyncio.create_task(session.get(f"{url}/reports/ITEM"))
        await created.wait()
        [request] = simulator.requests
        number = 0
        async with asyncio.timeout(FIRST_LOOK):
            while not asked.done():
                # The app may not yet have seen the id that it is told of.
                source = {"eventType": "REPORT_STATUS", "eventId": str(number := number + 1)}
                payload = {"requestId": request.request_id, "requestStatus": "READY"}
                body = json.dumps({"source": source, "payload": payload}).encode()
                proof = hmac.new(b"very-secret", body, hashlib.sha256).hexdigest()
                headers = {"Authorization": proof}
                async with session.post(f"{url}/walmart", data=body, headers=headers) as answer:
                    assert 200 == answer.status
        async with await asked as response:
            text = await response.read()

    assert simulator.digest(request.request_id) == hashlib.sha256(text).hexdigest()


def digests(directory: Path) -> list[str]:
    files = directory.glob("*.csv")
    return sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)


@pytest.mark.parametrize("rules", [Rules(), Rules(strict_list=True)], ids=["open", "strict"])
async def test_all_reports(rules: Rules, tmp_path: Path) -> None:
    """
    Ten lines fetch all types of a market at once, under the real budgets, without one refusal.
    """
    simulator, speed = Simulator(rules=rules), 600.0
    async with (
        asyncio.timeout(PATIENCE),
        SimulatorServer(simulator, clock=ScaledClock(speed)) as server,
    ):
        arguments = (str(EXAMPLES / "all_reports.py"), server.url, str(speed))
        async with program(*arguments, cwd=tmp_path) as process:
            output, _ = await process.communicate()

    assert 0 == process.returncode, output.decode()
    made = [simulator.digest(request.request_id) for request in simulator.requests]
    assert 27 == simulator.creates() == len(made)
    assert sorted(made) == digests(tmp_path)
    assert set() == {call for call in simulator.calls if call.status == 429}
    assert () == simulator.violations


async def test_the_test_of_the_readme(tmp_path):
    """
    The test that the README shows passes, and needs nothing that it does not import.
    """
    text = (EXAMPLES.parent / "README.md").read_text("utf-8")
    _, _, section = text.partition("## Testing your own program")
    code = section.partition("```python\n")[2].partition("```")[0]
    names = {}
    exec(compile(code, "README.md", "exec"), names)

    assert None is await names["test_what_i_do_when_walmart_gives_up"](tmp_path)
