"""
A web handler passes a report on while 100 small requests a second are answered beside it.

``bench_web.py [MB] [rounds]``, 300 and 9 by default: a CSV of so many MB, zipped, from nginx over
HTTPS. The application is an aiohttp.web process whose handler streams ``client.open_report(...)``
to curl; the lag is that of its loop, the latency is what the callers of ``/small`` see. ``curl
alone`` is curl fetching the same file from nginx beside an application that has nothing to do with
it: what the machine itself makes.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web
from bench_download import zipped_rows
from contender import Lag, memory
from nginx import free_port, nginx

from reports_async import Credentials, ReportsClient
from reports_async.testing import ScaledClock, Simulator, SimulatorServer
from reports_async.testing._filehost import PREFIX, file_name
from reports_async.transports import AiohttpTransport

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

TYPE = "ITEM_MX"
# The simulator's budgets are refilled in seconds: they are not what is measured.
SPEED = 600
PER_SECOND = 100
# Each is watched for at least so long, in seconds: a download is too short for a percentile.
WATCHED = 3.0


# -- the application, in a process of its own -----------------------------------------------------


def application(base_url: str, certificate: str, directory: str) -> web.Application:
    client = ReportsClient(
        Credentials("id", "secret"),
        market="mx",
        base_url=base_url,
        directory=directory,
        clock=ScaledClock(SPEED),
        transport=AiohttpTransport(ssl_context=ssl.create_default_context(cafile=certificate)),
    )
    lag = Lag()

    async def watched(_: web.Application) -> AsyncGenerator[None]:
        watching = asyncio.create_task(lag.watch())
        async with client:
            yield
        watching.cancel()

    async def report(request: web.Request) -> web.StreamResponse:
        async with client.open_report(request.match_info["id"]) as stream:
            response = web.StreamResponse(headers={"Content-Length": str(stream.size)})
            await response.prepare(request)
            async for block in stream:
                await response.write(block)
        return response

    async def small(_: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def figures(_: web.Request) -> web.Response:
        """Tell the lag since the last time, and the memory."""
        told = {"lag": lag.p99 * 1000, "worst": max(lag.late, default=0.0) * 1000}
        lag.late.clear()
        return web.json_response({**told, "memory": memory("VmRSS"), "peak": memory("VmHWM")})

    app = web.Application()
    app.cleanup_ctx.append(watched)
    app.router.add_get("/report/{id}", report)
    app.router.add_get("/small", small)
    app.router.add_get("/figures", figures)
    return app


# -- its callers ----------------------------------------------------------------------------------


async def call(session: aiohttp.ClientSession, late: list[float]) -> None:
    began = time.perf_counter()
    async with session.get("/small") as response:
        await response.read()
    late.append(time.perf_counter() - began)


async def beside(
    session: aiohttp.ClientSession, work: Callable[[], Awaitable[None]]
) -> dict[str, float]:
    """Call ``/small`` steadily, while the work is done; return what both felt."""
    late: list[float] = []
    async with session.get("/figures") as response:
        await response.read()
    began, times = time.perf_counter(), 0

    async def again() -> None:
        nonlocal times
        while time.perf_counter() - began < WATCHED:
            await work()
            times += 1

    working = asyncio.ensure_future(again())
    async with asyncio.TaskGroup() as group:
        while not working.done():
            group.create_task(call(session, late))
            due = began + len(late) / PER_SECOND
            await asyncio.sleep(max(1 / PER_SECOND, due - time.perf_counter()))
    await working
    seconds = (time.perf_counter() - began) / times
    async with session.get("/figures") as response:
        told: dict[str, float] = await response.json()
    cuts = statistics.quantiles(late, n=100)
    return {**told, "p50": cuts[49] * 1000, "p99": cuts[98] * 1000, "seconds": seconds}


async def curl(*arguments: str) -> None:
    command = ["curl", "--silent", "--fail", "--output", os.devnull, *arguments]
    process = await asyncio.create_subprocess_exec(*command)
    if await process.wait():
        raise SystemExit("curl failed")


async def idle() -> None:
    await asyncio.sleep(WATCHED)


def table(figures: dict[str, list[dict[str, float]]], size: int, rounds: int) -> None:
    print(f"\n{size / 1e6:.0f} MB of CSV, zipped, {PER_SECOND} small requests a second beside it")
    print(f"(medians of {rounds}, ms)\n")
    print("| | loop lag p99 | worst | small requests p50 | p99 | seconds each | MiB |")
    print("|---|---|---|---|---|---|---|")
    for name, found in figures.items():
        one = {key: statistics.median(values[key] for values in found) for key in found[0]}
        print(
            f"| {name} | {one['lag']:.1f} | {one['worst']:.1f} | {one['p50']:.1f} "
            f"| {one['p99']:.1f} | {one['seconds']:.1f} | {one['memory']:.0f} |"
        )
    above = [busy["lag"] - quiet["lag"] for busy, quiet in zip(*both(figures), strict=True)]
    print(f"\nlag p99 above idle: {statistics.median(above):.1f} ms")


def both(figures: dict[str, list[dict[str, float]]]) -> tuple[list[dict[str, float]], ...]:
    return figures["open_report, passed on"], figures["idle"]


async def race(home: Path, size: int, rounds: int) -> None:
    served = home / "served"
    served.mkdir()
    with nginx(served, home / "nginx") as files:
        simulator = Simulator()
        async with SimulatorServer(simulator, clock=ScaledClock(SPEED)) as server:
            request_id = simulator.add_request(TYPE, datetime.now(UTC), status="READY")
            simulator.file_base_url = files.https.rstrip("/")
            name = file_name(simulator.requests[0], simulator.rules)
            path = served / PREFIX.strip("/") / request_id / name
            path.parent.mkdir(parents=True)
            zipped_rows(path, size)
            port = free_port()
            command = [sys.executable, __file__, "serve", server.url, str(files.certificate)]
            process = await asyncio.create_subprocess_exec(*command, str(home / "app"), str(port))
            try:
                await compare(
                    f"http://127.0.0.1:{port}",
                    {
                        "idle": idle,
                        "curl alone": lambda: curl(
                            "--cacert",
                            str(files.certificate),
                            files.https + str(path.relative_to(served)),
                        ),
                        "open_report, passed on": lambda: curl(
                            f"http://127.0.0.1:{port}/report/{request_id}"
                        ),
                    },
                    size,
                    rounds,
                )
            finally:
                process.terminate()
                await process.wait()


async def compare(
    base: str, works: dict[str, Callable[[], Awaitable[None]]], size: int, rounds: int
) -> None:
    async with aiohttp.ClientSession(base) as session:
        await reachable(session)
        figures: dict[str, list[dict[str, float]]] = {name: [] for name in works}
        for turn in range(rounds + 1):
            for name, work in works.items():
                found = await beside(session, work)
                # The first round warms the caches.
                if turn:
                    figures[name].append(found)
    table(figures, size, rounds)


async def reachable(session: aiohttp.ClientSession) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            async with session.get("/small"):
                return
        except aiohttp.ClientConnectionError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        _, _, base_url, certificate, directory, port = sys.argv
        app = application(base_url, certificate, directory)
        web.run_app(app, host="127.0.0.1", port=int(port), print=None, access_log=None)
        return
    arguments = list(map(int, sys.argv[1:]))
    size, rounds = [*arguments, *(300, 9)[len(arguments) :]]
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as name:
        home = Path(name)
        # nginx's workers may be another user's.
        home.chmod(0o755)
        asyncio.run(race(home, size * 1_000_000, rounds))


if __name__ == "__main__":
    main()
