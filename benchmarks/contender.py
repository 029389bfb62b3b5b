"""
One contender of the download benchmark, in a process of its own, so that its processor time and
memory are its own: ``contender.py NAME URL DIRECTORY CERTIFICATE COUNT`` prints figures as JSON.
With ``busy`` behind it the application computes all the time, thirty microseconds at a time.
"""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import ssl
import statistics
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PACE = 0.005


class Lag:
    """How late a loop calls those who sleep: the application's view of a busy loop."""

    def __init__(self) -> None:
        self.late: list[float] = []

    async def watch(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(PACE)
            self.late.append(time.perf_counter() - began - PACE)

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.late, n=100)[98] if len(self.late) > 1 else 0.0


def memory(name: str) -> float:
    """Return a figure of this process in MiB: VmRSS now, or VmHWM, its peak."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    return 0.0


def processor() -> float:
    """Return the seconds of processor time that this process and its programs have used."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


async def compute() -> None:
    while True:
        sum(range(3000))
        await asyncio.sleep(0)


async def watched(work: Callable[[], Awaitable[None]]) -> dict[str, float]:
    """Run the work while the loop's lag is watched, after a second of idling."""
    idle, busy = Lag(), Lag()
    task = asyncio.create_task(idle.watch())
    await asyncio.sleep(1)
    task.cancel()
    before, used = memory("VmRSS"), processor()
    tasks = [asyncio.create_task(busy.watch())]
    if "busy" in sys.argv[6:]:
        tasks.append(asyncio.create_task(compute()))
    began = time.perf_counter()
    await work()
    seconds = time.perf_counter() - began
    for task in tasks:
        task.cancel()
    return {
        "seconds": seconds,
        "cpu": processor() - used,
        "lag": busy.p99 * 1000,
        "idle_lag": idle.p99 * 1000,
        "memory": memory("VmHWM") - before,
    }


async def reports_async(
    url: str, directory: Path, context: ssl.SSLContext, count: int, at_once: str = ""
) -> dict:
    from reports_async import DownloadLink, Downloads, Timeouts  # noqa: PLC0415 -- each its own
    from reports_async._clock import SystemClock  # noqa: PLC0415 -- each its own
    from reports_async._download import Downloader  # noqa: PLC0415 -- each its own
    from reports_async.transports import AiohttpTransport  # noqa: PLC0415 -- each its own

    transport = AiohttpTransport(ssl_context=context)
    downloader = Downloader(
        transport=transport,
        clock=SystemClock(),
        timeouts=Timeouts(),
        api_base_url=url,
        options=Downloads(at_once=int(at_once)) if at_once else Downloads(),
    )

    async def link(_slot: object) -> DownloadLink:
        return DownloadLink(url=url)

    async def one(number: int) -> None:
        await downloader.fetch(
            link,
            target=directory / f"{number}.csv",
            report_type="ITEM",
            request_id=str(number),
            tell=lambda _: None,
        )

    async def work() -> None:
        await asyncio.gather(*map(one, range(count)))

    figures = await watched(work)
    await transport.aclose()
    return figures


def unzipped(path: Path) -> None:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(path.parent)


async def aiohttp(url: str, directory: Path, context: ssl.SSLContext, count: int) -> dict:
    """As its documentation shows it; an archive is unpacked afterwards."""
    import aiohttp  # noqa: PLC0415 -- each its own

    async def one(session: aiohttp.ClientSession, number: int) -> None:
        async with session.get(url, ssl=context) as response:
            with (directory / str(number)).open("wb") as file:
                async for chunk in response.content.iter_chunked(64 * 1024):
                    file.write(chunk)
        unzipped(directory / str(number))

    async with aiohttp.ClientSession() as session:

        async def work() -> None:
            await asyncio.gather(*(one(session, number) for number in range(count)))

        return await watched(work)


async def aiofiles(url: str, directory: Path, context: ssl.SSLContext, count: int) -> dict:
    import aiofiles  # noqa: PLC0415 -- each its own
    import aiohttp  # noqa: PLC0415 -- each its own

    async def one(session: aiohttp.ClientSession, number: int) -> None:
        async with (
            session.get(url, ssl=context) as response,
            aiofiles.open(directory / str(number), "wb") as file,
        ):
            async for chunk in response.content.iter_chunked(64 * 1024):
                await file.write(chunk)
        unzipped(directory / str(number))

    async with aiohttp.ClientSession() as session:

        async def work() -> None:
            await asyncio.gather(*(one(session, number) for number in range(count)))

        return await watched(work)


async def httpx(url: str, directory: Path, context: ssl.SSLContext, count: int) -> dict:
    import httpx  # noqa: PLC0415 -- each its own

    async def one(client: httpx.AsyncClient, number: int) -> None:
        async with client.stream("GET", url) as response:
            with (directory / str(number)).open("wb") as file:
                async for chunk in response.aiter_bytes():
                    file.write(chunk)
        unzipped(directory / str(number))

    async with httpx.AsyncClient(verify=context, timeout=None) as client:

        async def work() -> None:
            await asyncio.gather(*(one(client, number) for number in range(count)))

        return await watched(work)


async def idle(url: str, directory: Path, _: ssl.SSLContext, count: int) -> dict:
    """The machine's own share of the lag: curl works, in processes of its own; the loop idles."""
    certificate = sys.argv[4]
    base = ["curl", "--silent", "--fail", "--cacert", certificate, url, "--output"]

    async def one(number: int) -> None:
        process = await asyncio.create_subprocess_exec(*base, str(directory / str(number)))
        await process.wait()

    async def work() -> None:
        await asyncio.gather(*map(one, range(count)))

    return await watched(work)


def bare(url: str, directory: Path, context: ssl.SSLContext) -> dict:
    """The shortest loop: no asyncio, no library, no check."""
    where = urlsplit(url)
    began = time.perf_counter()
    with (
        socket.create_connection((where.hostname, where.port)) as plain,
        context.wrap_socket(plain, server_hostname=where.hostname)
        if where.scheme == "https"
        else plain as connection,
        (directory / "0").open("wb", buffering=0) as file,
    ):
        request = f"GET {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nConnection: close"
        connection.sendall(f"{request}\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(1024)
        file.write(head.partition(b"\r\n\r\n")[2])
        buffer = memoryview(bytearray(256 * 1024))
        while size := connection.recv_into(buffer):
            file.write(buffer[:size])
    return {"seconds": time.perf_counter() - began}


def program(commands: list[list[str]]) -> dict:
    began = time.perf_counter()
    running = [subprocess.Popen(command) for command in commands]
    if sum(process.wait() for process in running):
        raise SystemExit("a program failed")
    return {"seconds": time.perf_counter() - began}


def curl(url: str, directory: Path, certificate: str, count: int) -> dict:
    base = ["curl", "--silent", "--fail", "--cacert", certificate, url, "--output"]
    figures = program([[*base, str(directory / str(number))] for number in range(count)])
    if url.endswith(".zip"):
        unzip = ["unzip", "-q", "-o", str(directory / "0"), "-d", str(directory)]
        figures["seconds"] += program([unzip])["seconds"]
    return figures


def main() -> None:
    name, url, directory, certificate, count = sys.argv[1:6]
    before = processor()
    if name == "cp":
        figures = program([["cp", url, directory + "/0"]])
    elif name == "curl":
        figures = curl(url, Path(directory), certificate, int(count))
    else:
        context = ssl.create_default_context(cafile=certificate)
        if name == "bare":
            figures = bare(url, Path(directory), context)
        else:
            name, *options = name.split(":")
            work = globals()[name](url, Path(directory), context, int(count), *options)
            figures = asyncio.run(work)
    figures.setdefault("cpu", processor() - before)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
