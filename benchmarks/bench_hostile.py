"""
Hostile and broken file hosts, and disks that fail, over a real socket: what comes of each.

``tests/test_download_hostile.py`` plays the same cases and asserts them; this prints the README's
table. After each failure the same request is resumed from a host that behaves: that is what
"resumable" says.
"""

from __future__ import annotations

import errno
import gzip
import io
import os
import shutil
import stat
import struct
import tempfile
import zipfile
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from attrs import define, evolve, field, frozen

from reports_async import (
    BadArchive,
    DownloadError,
    DownloadLink,
    Downloads,
    LinkExpired,
    Timeouts,
    TruncatedDownload,
)
from reports_async._clock import SystemClock
from reports_async._download import Downloader
from reports_async._part import Part
from reports_async._sansio.archive import Limits
from reports_async.transports import AiohttpTransport

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from contextlib import AbstractAsyncContextManager

    from reports_async._part import Saved
    from reports_async._sansio.ranges import Progress
    from reports_async.abc import ByteStream, HTTPRequest

NAME = "ITEM_MX.csv"
TEXT = b"SKU,PRICE\r\n" + b"A1,10\r\n" * 100_000
API = "https://marketplace.walmartapis.com"
OUTSIDE = "https://files.example.com"
PRECIOUS = b"another's file"


# -- what hosts send ------------------------------------------------------------------------------


def zipped(*files: tuple[Any, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", method) as archive:
        for name, content in files or [(NAME, TEXT)]:
            archive.writestr(name, content)
    return body.getvalue()


BODY = zipped()


def reply(body: bytes = BODY, *headers: str, status: int = 200, length: int | None = None) -> bytes:
    """Return the bytes of a reply; the ETag makes it one that can be gone on with."""
    length = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status} Told", f"Content-Length: {length}", 'ETag: "v1"', *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def rest(start: int, body: bytes = BODY) -> bytes:
    told = f"Content-Range: bytes {start}-{len(body) - 1}/{len(body)}"
    return reply(body[start:], told, status=206)


def chunked(body: bytes, *, whole: bool = True) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    pieces = [body[place : place + 5000] for place in range(0, len(body), 5000)]
    end = b"0\r\n\r\n" if whole else b"1388\r\nbroken off"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + end


def message(code: str, status: int = 200) -> bytes:
    """Return what a blob store says instead of the file."""
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode()
    return reply(text, "Content-Type: application/xml", status=status)


def hop(location: str) -> bytes:
    return reply(b"", f"Location: {location}", status=302)


def directory_says(offset: int, number: int) -> bytes:
    """Return the archive with another number in its directory."""
    place = BODY.index(b"PK\x01\x02") + offset
    return BODY[:place] + struct.pack("<L", number) + BODY[place + 4 :]


def linked() -> bytes:
    """Return an archive whose member claims to be a symbolic link."""
    member = zipfile.ZipInfo(NAME)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return zipped((member, TEXT))


HTML = b"<!DOCTYPE html><html><body>Sign in</body></html>"
BOMB = bytes(80 * 1024 * 1024)
FLIPPED = BODY[:500] + bytes([BODY[500] ^ 1]) + BODY[501:]
NAMED = zipped(("a.csv", TEXT)).replace(b"a.csv", b"b.csv", 1)
CUT = reply(BODY[:700], length=len(BODY))
DRIP, STUCK = b"drip", b"stuck"


@define(eq=False)
class Host:
    """Sends what it is told, connection by connection; the last again and again."""

    replies: list[bytes]
    asked: list[str] = field(factory=list[str])
    url: str = ""

    async def serve(self, stream: Any) -> None:
        async with stream:
            head = b""
            while b"\r\n\r\n" not in head:
                head += await stream.receive()
            self.asked.append(head.decode())
            told = self.replies[0] if len(self.replies) == 1 else self.replies.pop(0)
            if told is DRIP:
                await stream.send(reply(b"", length=10**6))
                while True:
                    await stream.send(b"x")
                    await anyio.sleep(0.01)
            if told is STUCK:
                await stream.send(CUT)
                await stream.receive()
            await stream.send(told)

    @property
    def ranges(self) -> list[str]:
        lines = [line for asked in self.asked for line in asked.split("\r\n")]
        return [line.partition("=")[2] for line in lines if line.startswith("Range:")]


@asynccontextmanager
async def hosting(*replies: bytes) -> AsyncGenerator[Host]:
    host = Host(list(replies))
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    host.url = f"http://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}"

    async def serve(stream: Any) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            await host.serve(stream)

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield host
        tasks.cancel_scope.cancel()


# -- what is done with it -------------------------------------------------------------------------


class HastyClock(SystemClock):
    """Waits between tries are not waited here; they have tests of their own."""

    async def sleep(self, seconds: float) -> None:
        del seconds
        await anyio.lowlevel.checkpoint()


class Mapped(AiohttpTransport):
    """Finds the host out in the world on this machine, as a resolver that lies would."""

    place = ""

    def stream(  # type: ignore[override]  # as the protocol has it
        self, request: HTTPRequest, *, timeout: float | None, stall: float | None
    ) -> AbstractAsyncContextManager[ByteStream]:
        moved = evolve(request, url=request.url.replace(OUTSIDE, self.place))
        return super().stream(moved, timeout=timeout, stall=stall)


async def fetch(
    host: Host,
    target: Path,
    *,
    outside: bool = False,
    stall: float = 30.0,
    limits: Limits = Limits(),  # noqa: B008 -- a frozen value
    base: str | None = None,
    tell: Callable[[Progress], None] = lambda _: None,
    **options: Any,
) -> Saved:
    """Fetch as the client does; *outside* is the file host, and *base* is the API."""
    transport = Mapped()
    transport.place = host.url
    downloader = Downloader(
        transport=transport,
        clock=HastyClock(),
        timeouts=Timeouts(stall=stall),
        api_base_url=API if outside else base or host.url,
        options=Downloads(limits=limits),
    )

    async def link(_slot: object) -> DownloadLink:
        return DownloadLink(url=(OUTSIDE if outside else host.url) + "/a.zip?sig=secret")

    try:
        return await downloader.fetch(
            link, target=target, report_type="ITEM_MX", request_id="r-1", tell=tell, **options
        )
    finally:
        await transport.aclose()


@contextmanager
def failing(method: str, number: int) -> Generator[None]:
    """Let the disk fail where a part does one thing; the first bytes are written."""
    original = getattr(Part, method)

    def fail(part: Part, *args: Any, **kwargs: Any) -> Any:
        if part.size:
            raise OSError(number, os.strerror(number))
        return original(part, *args, **kwargs)

    setattr(Part, method, fail)
    try:
        yield
    finally:
        setattr(Part, method, original)


def removed(target: Path) -> None:
    shutil.rmtree(target.parent)


def link_in_the_way(target: Path) -> None:
    target.symlink_to(target.parents[1] / "precious")


@frozen(kw_only=True)
class Case:
    """
    What a host does, or a disk.

    Args:
        expected: The error that is due; None for the whole file.
        asked: How often the host is asked.
        before: Done to the target before.
        halfway: Done to the target with the first bytes.
        disk: What of a part fails, and with what.
    """

    replies: list[bytes] = field(factory=lambda: [reply()])
    expected: type[DownloadError] | None = None
    asked: int = 1
    outside: bool = False
    limits: Limits = field(factory=lambda: Limits(ratio=500))
    before: Callable[[Path], None] | None = None
    halfway: Callable[[Path], None] | None = None
    disk: tuple[str, int] | None = None


def sent(
    *replies: bytes, asked: int = 1, expected: type[DownloadError] | None = None, **more: Any
) -> Case:
    return Case(replies=list(replies), expected=expected, asked=asked, **more)


def bad(body: bytes, **more: Any) -> Case:
    return sent(reply(body), expected=BadArchive, asked=3, **more)


def refused(*replies: bytes, asked: int = 1, **more: Any) -> Case:
    return sent(*replies, expected=DownloadError, asked=asked, **more)


CASES: dict[str, Case] = {
    # Odd, and good.
    "a ZIP": sent(reply()),
    "a stored ZIP": sent(reply(zipped(method=zipfile.ZIP_STORED))),
    "a gzip": sent(reply(gzip.compress(TEXT))),
    "a gzip of two members": sent(reply(gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:]))),
    "plain text": sent(reply(TEXT)),
    "chunks": sent(chunked(BODY)),
    "no length": sent(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + BODY),
    "a readme before the CSV": sent(reply(zipped(("readme.txt", b"hi"), ("a.csv", TEXT)))),
    # Broken, and mended.
    "cut, goes on": sent(CUT, rest(700), asked=2),
    "cut, starts again": sent(CUT, reply(), asked=2),
    "cut between chunks": sent(chunked(BODY[:700], whole=False), chunked(BODY), asked=2),
    "cut, another rest than asked for": sent(CUT, rest(9), reply(), asked=3),
    "503 once": sent(reply(b"", status=503), reply(), asked=2),
    "link expired (403)": sent(message("AuthenticationFailed", 403), reply(), asked=2),
    "link expired (XML, 200)": sent(message("ExpiredToken"), reply(), asked=2),
    "link expired in the middle": sent(CUT, message("AccessDenied", 403), rest(700), asked=3),
    # Broken for good.
    "always cut": sent(CUT, expected=TruncatedDownload, asked=10),
    "every link expired (403)": sent(
        message("AuthenticationFailed", 403), expected=LinkExpired, asked=4
    ),
    "every link expired (XML, 200)": sent(message("ExpiredToken"), expected=LinkExpired, asked=4),
    "no such file": refused(message("BlobNotFound", 404), asked=2),
    "content-length too large": sent(
        reply(length=len(BODY) + 9), expected=TruncatedDownload, asked=10
    ),
    "content-length too small": sent(
        reply(length=len(BODY) - 9), expected=TruncatedDownload, asked=3
    ),
    "end of the ZIP missing": sent(reply(BODY[:-9]), expected=TruncatedDownload, asked=3),
    "a bit flipped": bad(FLIPPED),
    "another CRC-32": bad(directory_says(16, 1)),
    "another member size": bad(directory_says(24, len(TEXT) - 1)),
    "another name in the directory": bad(NAMED),
    "two CSV files": bad(zipped(("a.csv", TEXT), ("b.csv", TEXT))),
    "HTML page with 200": bad(HTML),
    "empty body": bad(b""),
    "not HTTP": refused(b"SSH-2.0-OpenSSH_9.2\r\n", asked=5),
    "hangs up at once": refused(b"", asked=5),
    # Hostile.
    "zip bomb, by ratio": bad(zipped((NAME, BOMB))),
    "zip bomb, by size": bad(BODY, limits=Limits(total=len(TEXT) - 1)),
    "gzip bomb": bad(gzip.compress(BOMB)),
    "drips for ever": sent(DRIP, expected=TruncatedDownload, asked=5),
    "member ../../x.csv": sent(reply(zipped(("../../x.csv", TEXT)))),
    "member /etc/x.csv": sent(reply(zipped(("/etc/x.csv", TEXT)))),
    "member C:\\x.csv": sent(reply(zipped(("C:\\x.csv", TEXT)))),
    "member CON": sent(reply(zipped(("CON", TEXT)))),
    "member that is a symbolic link": sent(reply(linked())),
    "header filename=../x.csv": sent(reply(BODY, 'Content-Disposition: x; filename="../x.csv"')),
    "symbolic link under the file's name": Case(before=link_in_the_way),
    "redirect to ftp:": refused(hop("ftp://127.0.0.1/a.zip")),
    "redirect to file:": refused(hop("file:///etc/passwd")),
    "redirect from https to http": refused(hop("http://files.example.com/a"), outside=True),
    "redirect to 127.0.0.1": refused(hop("https://127.0.0.1/a.zip"), outside=True),
    "redirect to 169.254.169.254": refused(hop("https://169.254.169.254/latest"), outside=True),
    "redirect to 10.0.0.1": refused(hop("https://10.0.0.1/a.zip"), outside=True),
    "redirects for ever": refused(hop("/a.zip"), asked=6),
    # Disks.
    "disk full while it comes": refused(CUT, rest(700), asked=2, disk=("append", errno.ENOSPC)),
    "disk full at the end": refused(reply(), disk=("publish", errno.ENOSPC)),
    "permission lost": refused(reply(), disk=("publish", errno.EACCES)),
    "directory removed": refused(reply(), halfway=removed),
}  # fmt: skip


@frozen(kw_only=True)
class Outcome:
    """What a case led to."""

    case: str
    told: str  # the whole file, or the error
    reason: str
    asked: int
    under_name: str  # the file, or nothing
    debris: int  # files that are nowhere meant to be
    resumed: str

    @property
    def good(self) -> bool:
        """Whether it is as it must be."""
        case = CASES[self.case]
        told = ("whole file", "it") if case.expected is None else (case.expected.__name__, "no")
        return (*told, case.asked, 0, "yes") == (
            *(self.told, self.under_name, self.asked, self.debris, self.resumed),
        ) and "secret" not in self.reason


async def play(name: str, home: Path) -> Outcome:
    """Play one case in a directory of its own, and look at what is left."""
    case, target = CASES[name], home / "reports" / NAME
    target.parent.mkdir()
    precious = home / "precious"
    precious.write_bytes(PRECIOUS)
    if case.before is not None:
        case.before(target)
    halfway = case.halfway

    def tell(_: Progress) -> None:
        nonlocal halfway
        if halfway is not None:
            act = halfway
            halfway = None
            act(target)

    told, reason = "whole file", ""
    async with hosting(*case.replies) as host:
        stall = 1.0 if DRIP in case.replies else 30.0
        with failing(*case.disk) if case.disk else nullcontext():
            try:
                await fetch(
                    host,
                    target,
                    outside=case.outside,
                    stall=stall,
                    limits=case.limits,
                    tell=tell,
                    reuse=False,
                )
            except DownloadError as exc:
                told, reason = type(exc).__name__, str(exc)
    under = target.exists() and ("it" if is_right(target) else "something else")
    debris = len(files_in(home) - {target, precious}) + (precious.read_bytes() != PRECIOUS)
    async with hosting(reply()) as good:
        await fetch(good, target)
    return Outcome(
        case=name,
        told=told,
        reason=reason,
        asked=len(host.asked),
        under_name=under or "no",
        debris=debris,
        resumed="yes" if is_right(target) else "**no**",
    )


def files_in(home: Path) -> set[Path]:
    return {path for path in home.rglob("*") if not path.is_dir()}


def is_right(path: Path) -> bool:
    return not path.is_symlink() and path.read_bytes() == TEXT


async def main() -> None:
    """Print the table, in Markdown."""
    print(
        "| the file host, or the disk | what comes of it | requests | file under its name |", end=""
    )
    print(" left behind | resumable |\n|---|---|---|---|---|---|")
    for name in CASES:
        with tempfile.TemporaryDirectory() as home:
            row = await play(name, Path(home))
        print(
            f"| {row.case} | {row.told} | {row.asked} | {row.under_name} | {row.debris} "
            f"| {row.resumed} |{'' if row.good else ' **NOT GOOD** ' + row.reason}"
        )


if __name__ == "__main__":
    anyio.run(main)
