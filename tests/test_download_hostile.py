"""Hostile, broken and odd file hosts over a real socket: what comes of each, as a table."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import signal
import subprocess
import sys
import zipfile
from contextlib import asynccontextmanager, suppress

import anyio
import pytest
from attrs import define, field

from reports_async._clock import SystemClock
from reports_async._download import Downloader, Downloads, Retry
from reports_async._exceptions import BadArchive, DownloadError, LinkExpired, TruncatedDownload
from reports_async._models import DownloadLink, Timeouts
from reports_async._sansio.archive import Limits
from reports_async.transports import AiohttpTransport

pytestmark = pytest.mark.anyio

TEXT = b"SKU,PRICE\r\n" + b"A1,10\r\n" * 100_000


@pytest.fixture
def anyio_backend():
    # The sockets that threads read are asyncio's here.
    return "asyncio"


def zipped(*files, method=zipfile.ZIP_DEFLATED):
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", method) as archive:
        for name, content in files or [("ITEM_MX.csv", TEXT)]:
            archive.writestr(name, content)
    return body.getvalue()


BODY = zipped()


def reply(body=BODY, *headers, status=200, length=None):
    """Return the bytes of a reply; the ETag makes it one that can be gone on with."""
    length = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status} Told", f"Content-Length: {length}", 'ETag: "v1"', *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def rest(start, body=BODY):
    told = f"Content-Range: bytes {start}-{len(body) - 1}/{len(body)}"
    return reply(body[start:], told, status=206)


def chunked(body, *, whole=True):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    pieces = [body[place : place + 5000] for place in range(0, len(body), 5000)]
    end = b"0\r\n\r\n" if whole else b"1388\r\nbroken off"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + end


def error(code, status=200):
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode()
    return reply(text, "Content-Type: application/xml", status=status)


def hop(location):
    return reply(b"", f"Location: {location}", status=302)


DRIP, STUCK = object(), object()
CUT = reply(BODY[:700], length=len(BODY))


@define(eq=False)
class Host:
    """Sends what it is told, connection by connection; the last again and again."""

    replies: list
    asked: list[str] = field(factory=list)
    url: str = ""

    async def serve(self, stream):
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
    def ranges(self):
        lines = [line for asked in self.asked for line in asked.split("\r\n")]
        return [line.partition("=")[2] for line in lines if line.startswith("Range:")]


@asynccontextmanager
async def hosting(*replies):
    host = Host(list(replies))
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    host.url = f"http://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}/a.zip"

    async def serve(stream):
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            await host.serve(stream)

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield host
        tasks.cancel_scope.cancel()


class HastyClock(SystemClock):
    """Waits between tries are not waited here; they have tests of their own."""

    async def sleep(self, seconds):
        await anyio.lowlevel.checkpoint()


async def fetch(host, target, *, told=None, base=None, stall=30.0, limits=Limits(), **kwargs):  # noqa: B008 -- frozen
    transport = AiohttpTransport()
    downloader = Downloader(
        transport=transport,
        clock=HastyClock(),
        timeouts=Timeouts(stall=stall),
        api_base_url=base or host.url,
        options=Downloads(limits=limits),
    )

    async def link():
        return DownloadLink(url=host.url + "?sig=secret")

    try:
        return await downloader.fetch(
            link,
            target=target,
            report_type="ITEM_MX",
            request_id="r-1",
            tell=(lambda _: None) if told is None else told.append,
            **kwargs,
        )
    finally:
        await transport.aclose()


HTML = b"<!DOCTYPE html><html><body>Sign in</body></html>"
BOMB = gzip.compress(bytes(80 * 1024 * 1024))
FLIPPED = BODY[:500] + bytes([BODY[500] ^ 1]) + BODY[501:]
NAMED = zipped(("a.csv", TEXT)).replace(b"a.csv", b"b.csv", 1)

# What the host does, its replies, what comes of it, and how often it was asked.
OUTCOMES = [
    ("sends a ZIP", [reply()], None, 1),
    ("sends a stored ZIP", [reply(zipped(method=zipfile.ZIP_STORED))], None, 1),
    ("sends a gzip", [reply(gzip.compress(TEXT))], None, 1),
    ("sends a gzip in two", [reply(gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:]))], None, 1),
    ("sends plain text", [reply(TEXT)], None, 1),
    ("sends chunks", [chunked(BODY)], None, 1),
    ("gives no length", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + BODY], None, 1),
    ("packs a readme first", [reply(zipped(("readme.txt", b"hi"), ("a.csv", TEXT)))], None, 1),
    ("cuts, goes on", [CUT, rest(700)], None, 2),
    ("cuts, starts again", [CUT, reply()], None, 2),
    ("cuts chunks", [chunked(BODY[:700], whole=False), chunked(BODY)], None, 2),
    ("sends another rest", [CUT, rest(9), reply()], None, 3),
    ("refuses once", [reply(b"", status=503), reply()], None, 2),
    ("expires once (403)", [error("AuthenticationFailed", 403), reply()], None, 2),
    ("expires once (XML, 200)", [error("ExpiredToken"), reply()], None, 2),
    ("expires in the middle", [CUT, error("AccessDenied", 403), rest(700)], None, 3),
    ("always cuts", [CUT], TruncatedDownload, 10),
    ("always expires", [error("AuthenticationFailed", 403)], LinkExpired, 4),
    ("lost the file", [error("BlobNotFound", 404)], DownloadError, 2),
    ("declares too much", [reply(length=len(BODY) + 9)], TruncatedDownload, 10),
    ("declares too little", [reply(length=len(BODY) - 9)], TruncatedDownload, 3),
    ("ends the ZIP early", [reply(BODY[:-9])], TruncatedDownload, 3),
    ("flips a bit", [reply(FLIPPED)], BadArchive, 3),
    ("names two names", [reply(NAMED)], BadArchive, 3),
    ("packs two CSV files", [reply(zipped(("a.csv", TEXT), ("b.csv", TEXT)))], BadArchive, 3),
    ("packs ../../x.csv", [reply(zipped(("../../x.csv", TEXT)))], None, 1),
    ("packs /etc/x.csv", [reply(zipped(("/etc/x.csv", TEXT)))], None, 1),
    ("packs CON", [reply(zipped(("CON", TEXT)))], None, 1),
    ("names ../x.csv in a header", [reply(BODY, 'Content-Disposition: x; filename="../x.csv"')],
     None, 1),
    ("sends a bomb", [reply(BOMB)], BadArchive, 3),
    ("sends HTML with 200", [reply(HTML)], BadArchive, 3),
    ("sends nothing", [reply(b"")], BadArchive, 3),
    ("drips", [DRIP], TruncatedDownload, 5),
    ("redirects to ftp:", [hop("ftp://127.0.0.1/a.zip")], DownloadError, 1),
    ("redirects for ever", [hop("/a.zip")], DownloadError, 6),
    ("speaks no HTTP", [b"SSH-2.0-OpenSSH_9.2\r\n"], DownloadError, 5),
    ("hangs up at once", [b""], DownloadError, 5),
]  # fmt: skip


@pytest.mark.parametrize(("name", "replies", "expected", "asked"), OUTCOMES)
async def test_outcome(tmp_path, name, replies, expected, asked):
    """
    Whatever the host does, the file is whole or there is an error and nothing else.
    """
    target = tmp_path / "ITEM_MX.csv"
    async with hosting(*replies) as host:
        stall = 0.2 if DRIP in replies else 30.0
        limits = Limits(ratio=500)
        if expected is None:
            saved = await fetch(host, target, sha256=True, limits=limits)
            assert (len(TEXT), hashlib.sha256(TEXT).hexdigest()) == (saved.size, saved.sha256)
            assert TEXT == target.read_bytes()
            assert [target] == list(tmp_path.iterdir())
            print(f"\n  {name:<30} the whole file after {len(host.asked)}")  # noqa: T201 -- the table
        else:
            with pytest.raises(expected) as excinfo:
                await fetch(host, target, stall=stall, limits=limits)
            assert expected is type(excinfo.value)
            assert "r-1" == excinfo.value.request_id
            assert "secret" not in str(excinfo.value)
            assert [] == list(tmp_path.iterdir())
            print(f"\n  {name:<30} {expected.__name__} after {len(host.asked)}: {excinfo.value}")  # noqa: T201 -- the table
        assert asked == len(host.asked)


async def test_private_address(tmp_path):
    """
    Beside an API out in the world no local host is even connected to.
    """
    async with hosting(reply()) as host:
        with pytest.raises(DownloadError, match=r"127\.0\.0\.1 is a local address"):
            await fetch(host, tmp_path / "a.csv", base="https://marketplace.walmartapis.com")
        assert [] == host.asked


async def test_links_in_the_way(tmp_path):
    """
    Symbolic links in the target's place lead no bytes elsewhere.
    """
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    target = tmp_path / "ITEM_MX.csv"
    target.symlink_to(victim)
    async with hosting(reply()) as host:
        await fetch(host, target, reuse=False)

    assert b"precious" == victim.read_bytes()
    assert not target.is_symlink()
    assert TEXT == target.read_bytes()


VICTIM = """
import sys, pathlib, anyio
sys.path.insert(0, sys.argv[1])
from test_download_hostile import fetch, Host
class Told(list):
    def append(self, value):
        print("came", flush=True)
host = Host([]); host.url = sys.argv[2]
anyio.run(lambda: fetch(host, pathlib.Path(sys.argv[3]), told=Told()))
"""


async def test_killed(tmp_path):
    """
    A process that is killed in the middle leaves what the next one goes on with.
    """
    target = tmp_path / "ITEM_MX.csv"

    async with hosting(STUCK, rest(700)) as host:
        command = [sys.executable, "-c", VICTIM, os.path.dirname(__file__), host.url, str(target)]  # noqa: PTH120 -- a path to import from
        process = await anyio.open_process(command, stdout=subprocess.PIPE)
        async with process:
            await process.stdout.receive()
            process.send_signal(signal.SIGKILL)
            await process.wait()
        left = sorted(path.name.removeprefix(target.name) for path in tmp_path.iterdir())
        assert [".part", ".part.json", ".unpacked.part"] == left

        told = []
        await fetch(host, target, told=told)

    assert ["700-"] == host.ranges
    assert TEXT == target.read_bytes()
    assert [target] == list(tmp_path.iterdir())
    assert [] == [value for value in told if isinstance(value, Retry)]
