"""Body to disk: what a download survives, what it gives up on, and what it leaves behind."""

from __future__ import annotations

import asyncio
import errno
import gzip
import hashlib
import io
import itertools
import json
import os
import shutil
import threading
import types
import zipfile
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import anyio
import pytest
import trio.testing
from attrs import define, field

from reports_async._courtesy import Courtesy
from reports_async._disk import boot_id
from reports_async._download import Downloader, Downloads
from reports_async._exceptions import (
    BadArchive,
    DownloadError,
    LinkExpired,
    ReportTimedOut,
    TransportError,
    TruncatedDownload,
)
from reports_async._fetch import Fetch
from reports_async._http import HTTPRequest
from reports_async._models import DownloadLink, Timeouts
from reports_async._part import Part
from reports_async._sansio.archive import Limits
from reports_async._sansio.ranges import Received, Retry

pytestmark = pytest.mark.anyio

TEXT = b"SKU,PRICE\r\n" + b"A1,10\r\n" * 1000
HOST = "https://files.example.com"
MEBIBYTE = 1024 * 1024
BACKENDS = ["asyncio", "trio"]


@pytest.fixture(params=BACKENDS)
def anyio_backend(request):
    if request.param == "trio":
        return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}
    return request.param


def zipped(content=TEXT, first=None):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        if first:
            archive.writestr(first, "It is unpacked when it is whole.")
        archive.writestr("ITEM_MX.csv", content)
    return file.getvalue()


BODY = zipped()


class FakeClock:
    """Time passes only where somebody sleeps, and then at once."""

    def __init__(self):
        self.slept = []
        self.on_sleep = lambda: None

    def now(self):
        return datetime(2025, 3, 5, tzinfo=UTC) + timedelta(seconds=self.monotonic())

    def monotonic(self):
        return sum(self.slept)

    async def sleep(self, seconds):
        await anyio.lowlevel.checkpoint()
        self.slept.append(seconds)
        self.on_sleep()


@define(eq=False)
class Answer:
    """One answer of the file host: its body breaks off at the end if `breaks`."""

    body: bytes = BODY
    status: int = 200
    headers: dict[str, str] = field(factory=dict)
    breaks: bool = False
    piece: int = 100 * 1024
    refuses: bool = False


def whole(body=BODY, **headers):
    return Answer(body, headers={"content-length": str(len(body)), **headers})


def cut(at, body=BODY, **headers):
    """Return an answer of which only the first bytes arrive."""
    return Answer(body[:at], headers=whole(body, **headers).headers, breaks=True)


def rest(start, body=BODY, stop=None, **headers):
    told = {"content-range": f"bytes {start}-{len(body) - 1}/{len(body)}", **headers}
    return Answer(body[start:stop], status=206, headers=told, breaks=stop is not None)


def azure(status, code):
    return Answer(b"<?xml version='1.0'?><Error><Code>%s</Code></Error>" % code, status=status)


class FakeStream:
    def __init__(self, answer):
        self.status = answer.status
        self.headers = answer.headers
        self._answer = answer
        self._place = 0

    async def read(self):
        await anyio.lowlevel.checkpoint()
        answer, start = self._answer, self._place
        self._place += answer.piece
        block = answer.body[start : self._place]
        if not block and answer.breaks:
            raise TransportError(f"connection reset: {HOST}/a.zip?sig=secret")
        return block


class FakeHost:
    """A transport that answers as it is told, in order; the last answer again and again."""

    stream_type = FakeStream

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.limits = set()
        self.open = 0

    @asynccontextmanager
    async def stream(self, request, *, timeout, stall):
        self.requests.append(request)
        self.limits.add((timeout, stall))
        await anyio.lowlevel.checkpoint()
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if answer.refuses:
            raise TransportError(f"cannot connect to {HOST}/a.zip?sig=secret")
        self.open += 1
        try:
            yield self.stream_type(answer)
        finally:
            self.open -= 1

    @property
    def ranges(self):
        return [request.headers.get("Range") for request in self.requests]


class World:
    """A downloader with all that it needs, and what it told."""

    def __init__(self, directory, *answers, base="https://api.example.com", **kwargs):
        self.host = FakeHost(*answers)
        self.clock = FakeClock()
        self.target = directory / "ITEM_MX_v1_r-1.csv"
        self.links = [f"{HOST}/a.zip?sig=secret"]
        self.asked = 0
        self.told = []
        self.downloader = Downloader(
            transport=self.host, clock=self.clock, timeouts=Timeouts(), api_base_url=base, **kwargs
        )

    async def link(self, slot):
        await anyio.lowlevel.checkpoint()
        self.asked += 1
        return DownloadLink(url=self.links[0] if len(self.links) == 1 else self.links.pop(0))

    async def fetch(self, *, request_id="r-1", reuse=True):
        saved = await self.downloader.fetch(
            self.link,
            target=self.target,
            report_type="ITEM_MX",
            request_id=request_id,
            tell=self.told.append,
            reuse=reuse,
        )
        return saved.size

    @property
    def reasons(self):
        return [value.reason for value in self.told if isinstance(value, Retry)]

    @property
    def names(self):
        return sorted(path.name for path in self.target.parent.iterdir())

    def assert_saved(self, content=TEXT):
        assert [self.target.name] == self.names
        assert content == self.target.read_bytes()
        assert 0 == self.host.open
        assert "<Downloader 0 files on the way>" == repr(self.downloader)

    def assert_nothing_left(self):
        assert [] == self.names
        assert 0 == self.host.open
        assert "<Downloader 0 files on the way>" == repr(self.downloader)


@pytest.fixture
def world(tmp_path):
    return partial(World, tmp_path)


@pytest.mark.parametrize(
    "body", [BODY, gzip.compress(TEXT), TEXT, gzip.compress(BODY)], ids=["zip", "gz", "csv", "both"]
)
async def test_download(world, body):
    """A whole body becomes the file, whatever it is packed in."""
    w = world(whole(body))

    assert len(TEXT) == await w.fetch()
    w.assert_saved()
    assert (1, 1) == (w.asked, len(w.host.requests))
    assert [Received(received=len(body), total=len(body))] == w.told
    assert {(30.0, 60.0)} == w.host.limits


class ThreadedStream(FakeStream):
    """A stream that worker threads read by themselves."""

    def readinto(self, buffer):
        block = self._answer.body[self._place : self._place + len(buffer)]
        self._place += len(block)
        buffer[: len(block)] = block
        return len(block)

    def cut(self):
        """Do nothing: no thread waits here."""


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_courtesy(world, monkeypatch):
    """A thread that receives lets that of the event loop go first before each block."""
    steps = []

    @contextmanager
    def giving_way(thread):
        yield lambda: steps.append((thread, threading.get_native_id()))

    monkeypatch.setattr("reports_async._fetch.giving_way", giving_way)
    body = b"SKU\n" * MEBIBYTE
    w = world(whole(body))
    w.host.stream_type = ThreadedStream
    await w.fetch()

    w.assert_saved(body)
    loop = threading.get_native_id()
    assert {loop} == {first for first, _ in steps}
    assert loop not in {worker for _, worker in steps}
    assert len(steps) > 4


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_several(world, monkeypatch):
    """Threads that receive beside each other do not ask before each block."""

    def giving_way(_):
        pytest.fail("One of several asked.")

    monkeypatch.setattr("reports_async._fetch.giving_way", giving_way)
    body = b"SKU\n" * MEBIBYTE
    w = world(whole(body))
    w.host.stream_type = ThreadedStream
    w.downloader.slots.acquire_on_behalf_of_nowait(object())
    await w.fetch()

    w.assert_saved(body)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_room(world):
    """As long as a file is on its way, a loop that computes all the time lets workers go on."""
    rests = []
    w = world(whole())
    w.downloader.courtesy = Courtesy(
        turn=0.0, rest=rests.append, worked=itertools.count().__next__, now=int
    )
    await w.fetch()

    assert rests
    rests.clear()
    for _ in range(10):
        await anyio.lowlevel.checkpoint()
    assert [] == rests


async def test_stranger(world):
    """The file host is told nothing but what it is asked for."""
    w = world(whole())
    await w.fetch()

    assert [
        HTTPRequest(
            method="GET",
            url=f"{HOST}/a.zip?sig=secret",
            headers={
                "Accept": "*/*",
                "Accept-Encoding": "identity",
                "User-Agent": "reports-async",
            },
        )
    ] == w.host.requests


async def test_no_length(world):
    """A body of undeclared length is as good."""
    w = world(Answer())

    assert len(TEXT) == await w.fetch()
    w.assert_saved()


async def test_progress(world):
    """Progress is told with the first bytes, then once a mebibyte, and at the end."""
    body = b"SKU\n" * (3 * MEBIBYTE // 4) + b"A1\n"
    w = world(whole(body), wall=lambda: 0.0)
    await w.fetch()

    received = [value.received for value in w.told]
    assert [100 * 1024, 12 * 100 * 1024, 23 * 100 * 1024, len(body)] == received
    assert {len(body)} == {value.total for value in w.told}


async def test_progress_of_a_slow_body(world):
    """Where little comes, progress is told once a second."""
    seconds = itertools.count(step=0.0625)
    answer = Answer(TEXT[:160], headers=whole(TEXT[:160]).headers, piece=10)
    w = world(answer, wall=lambda: next(seconds))
    await w.fetch()

    assert [10, 50, 90, 130, 160] == [value.received for value in w.told]


async def test_progress_after_a_break(world):
    """The first bytes of the rest are told at once, too."""
    w = world(cut(100, etag='"v1"'), rest(100, etag='"v1"'), wall=lambda: 0.0)
    w.host.answers[1].piece = 10
    await w.fetch()

    received = [value.received for value in w.told if isinstance(value, Received)]
    assert [100, 110, len(BODY)] == received


async def test_reuse(world):
    """A file that is there is not fetched again, and no link is asked for."""
    w = world(whole())
    w.target.write_bytes(b"SKU\n")

    assert 4 == await w.fetch()
    w.assert_saved(b"SKU\n")
    assert (0, []) == (w.asked, w.host.requests)


async def test_replace(world):
    """A file that may be another's is replaced in one step."""
    w = world(whole())
    w.target.write_bytes(b"old")

    assert len(TEXT) == await w.fetch(reuse=False)
    w.assert_saved()


async def test_directory_is_made(world):
    """The directory of the file is made if it was removed meanwhile."""
    w = world(whole())
    w.target = w.target.parent / "new" / "deep" / "ITEM_MX.csv"
    await w.fetch()

    w.assert_saved()


# -- links --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [Answer(b"", status=403), azure(404, b"AuthenticationFailed"), azure(200, b"ExpiredToken")],
)
async def test_expired_link(world, answer):
    """An expired link is replaced by a fresh one, asked for once."""
    w = world(answer, whole())

    await w.fetch()
    w.assert_saved()
    assert 2 == w.asked
    assert 1 == len(w.reasons)


@pytest.mark.parametrize(("rest", "held"), [("0", 1), ("60", 0)])
async def test_place_among_the_downloads(world, rest, held):
    """A download that is tried again soon keeps its place; one that waits for long leaves it."""
    w = world(Answer(status=503, headers={"retry-after": rest}), whole())
    seen = []
    w.clock.on_sleep = lambda: seen.append(w.downloader.slots.borrowed_tokens)

    await w.fetch()
    assert [held] == seen
    assert 0 == w.downloader.slots.borrowed_tokens


async def test_no_place_for_a_link_to_come(world):
    """While a fresh link is asked for, a download holds no place among the others."""
    w = world(azure(403, b"AuthenticationFailed"), whole())
    ask, seen = w.link, []

    async def link(slot):
        seen.append(w.downloader.slots.borrowed_tokens)
        return await ask(slot)

    w.link = link
    await w.fetch()
    assert [0, 0] == seen


async def test_expired_links(world):
    """After three fresh links that are refused as well, the download ends."""
    w = world(azure(403, b"AuthenticationFailed"))

    with pytest.raises(LinkExpired, match=r"HTTP 403 \(AuthenticationFailed\)") as excinfo:
        await w.fetch()

    assert ("ITEM_MX", "r-1") == (excinfo.value.report_type, excinfo.value.request_id)
    assert "resume the request by its id" in str(excinfo.value)
    assert (4, 4) == (w.asked, len(w.host.requests))
    w.assert_nothing_left()


async def test_gone(world):
    """A file that a fresh link does not find either is not there."""
    w = world(azure(404, b"BlobNotFound"))

    with pytest.raises(DownloadError, match="HTTP 404"):
        await w.fetch()
    assert 2 == w.asked
    w.assert_nothing_left()


async def test_link_error(world):
    """What asking for a link raises is raised as it is, and nothing stays."""
    w = world(whole())
    error = ReportTimedOut("no link", limit="link", waited=1.0)

    async def link(slot):
        raise error

    w.link = link
    with pytest.raises(ReportTimedOut) as excinfo:
        await w.fetch()
    assert error is excinfo.value
    w.assert_nothing_left()


@pytest.mark.parametrize(
    "url", ["http://files.example.com/a?sig=secret", "https://10.0.0.1/a?sig=secret"]
)
async def test_forbidden_link(world, url):
    """A link without https, or into a private network, is not followed."""
    w = world(whole())
    w.links = [url]

    with pytest.raises(DownloadError, match="The link was not followed") as excinfo:
        await w.fetch()
    assert "secret" not in str(excinfo.value)
    assert [] == w.host.requests
    w.assert_nothing_left()


async def test_local_link(world):
    """Beside an API on this machine the file may be on this machine too."""
    w = world(whole(), base="http://127.0.0.1:8080")
    w.links = ["http://127.0.0.1:8080/a.zip"]

    await w.fetch()
    w.assert_saved()


# -- redirects ----------------------------------------------------------------------------------


def hop(location):
    return Answer(b"", status=302, headers={"location": location})


async def test_redirects(world):
    """Five redirects are followed, relative ones too."""
    w = world(hop("/1"), hop("2"), hop("//b.example.com/3"), hop("/4"), hop("5?sig=s"), whole())
    await w.fetch()

    w.assert_saved()
    assert [
        f"{HOST}/a.zip?sig=secret",
        f"{HOST}/1",
        f"{HOST}/2",
        "https://b.example.com/3",
        "https://b.example.com/4",
        "https://b.example.com/5?sig=s",
    ] == [request.url for request in w.host.requests]


async def test_too_many_redirects(world):
    """A sixth redirect is one too many."""
    w = world(hop("/a.zip"))

    with pytest.raises(DownloadError, match="more than 5 redirects"):
        await w.fetch()
    assert 6 == len(w.host.requests)
    w.assert_nothing_left()


@pytest.mark.parametrize(
    "location", ["http://files.example.com/?sig=secret", "https://[::1]/?secret"]
)
async def test_forbidden_redirect(world, location):
    """A redirect to a weaker scheme, or to this machine, is not followed."""
    w = world(hop(location))

    with pytest.raises(DownloadError, match="The redirect was not followed") as excinfo:
        await w.fetch()
    assert "secret" not in str(excinfo.value)
    assert 1 == len(w.host.requests)


# -- breaks -------------------------------------------------------------------------------------


async def test_resume(world):
    """A body that broke off goes on at the next byte, if the file is provably the same."""
    w = world(cut(3000, etag='"v1"'), rest(3000, stop=5000), rest(5000))
    await w.fetch()

    w.assert_saved()
    assert [None, "bytes=3000-", "bytes=5000-"] == w.host.ranges
    assert '"v1"' == w.host.requests[1].headers["If-Range"]
    assert (1, 2) == (w.asked, len(w.reasons))
    assert f"The body broke off after 3000 of {len(BODY)} bytes." == w.reasons[0]
    assert [3000, 5000, len(BODY)] == [v.received for v in w.told if isinstance(v, Received)]


@pytest.mark.parametrize("fresh", ["/a.zip?sig=fresh", "/b.zip?sig=fresh"])
async def test_resume_by_fresh_link(world, fresh):
    """A fresh link goes on with the same file, and starts again with another."""
    w = world(cut(3000, etag='"v1"'), Answer(b"", status=403), whole())
    w.links.append(HOST + fresh)
    await w.fetch()

    w.assert_saved()
    asked = "bytes=3000-" if "a.zip" in fresh else None
    assert [None, "bytes=3000-", asked] == w.host.ranges


@pytest.mark.parametrize("answer", [Answer(b"", status=416), rest(2999)])
async def test_no_resume(world, answer):
    """A host that cannot go on at the asked byte sends the file again from the start."""
    w = world(cut(3000, etag='"v1"'), answer, whole())
    await w.fetch()

    w.assert_saved()
    assert [None, "bytes=3000-", None] == w.host.ranges


async def test_whole_for_a_rest(world):
    """A host that answers a range with the whole file is taken at its word."""
    w = world(cut(3000, etag='"v1"'), whole())
    await w.fetch()

    w.assert_saved()


async def test_no_validator(world):
    """Without proof that the file is the same nothing is resumed."""
    w = world(cut(3000), whole())
    await w.fetch()

    w.assert_saved()
    assert [None, None] == w.host.ranges


async def test_quiet_break(world):
    """An end before the declared length is a break, though the connection closed in order."""
    answer = cut(3000, etag='"v1"')
    answer.breaks = False
    w = world(answer, rest(3000))
    await w.fetch()

    w.assert_saved()


async def test_break_after_the_last_byte(world):
    """A connection that breaks after the last byte broke too late to matter."""
    w = world(cut(len(BODY)))
    await w.fetch()

    w.assert_saved()
    assert 1 == len(w.host.requests)


async def test_break_of_unknown_length(world):
    """A body of undeclared length that breaks is never taken for whole."""
    w = world(Answer(TEXT[:3000], breaks=True), Answer(TEXT))
    await w.fetch()

    w.assert_saved()
    assert ["The body broke off after 3000 bytes."] == w.reasons


async def test_always_breaks(world):
    """A host that always breaks off, and cannot go on, is given up after ten tries."""
    w = world(cut(3000))

    with pytest.raises(TruncatedDownload, match="after 3000 of") as excinfo:
        await w.fetch()
    assert isinstance(excinfo.value.__cause__, TransportError)
    assert 10 == len(w.host.requests)
    w.assert_nothing_left()


@pytest.mark.parametrize("answer", [Answer(status=503), Answer(status=429), Answer(refuses=True)])
async def test_unavailable(world, answer):
    """A host that does not answer is tried five times, more and more slowly."""
    w = world(answer)

    with pytest.raises(DownloadError) as excinfo:
        await w.fetch()

    assert (1, 5) == (w.asked, len(w.host.requests))
    assert [
        low <= slept <= 2 * low for low, slept in zip([0.5, 1, 2, 4], w.clock.slept, strict=True)
    ]
    assert "secret" not in str(excinfo.value)
    assert "secret" not in repr(w.told)
    w.assert_nothing_left()


async def test_unavailable_once(world):
    """A host that comes back is asked again by the same link."""
    w = world(Answer(refuses=True), Answer(b"", status=500, breaks=True), whole())
    await w.fetch()

    w.assert_saved()
    assert (1, 2) == (w.asked, len(w.reasons))


async def test_refused(world):
    """An answer that no repetition changes ends the download at once."""
    w = world(Answer(b"x" * 10**6, status=400))

    with pytest.raises(DownloadError, match="HTTP 400"):
        await w.fetch()
    assert 1 == len(w.host.requests)
    w.assert_nothing_left()


async def test_drip(world):
    """A host that sends a byte now and then is given up as one that sends none."""
    seconds = itertools.count(step=61.0)
    drip = Answer(headers=whole(etag='"v1"').headers, piece=1)
    w = world(drip, wall=lambda: next(seconds))

    with pytest.raises(TruncatedDownload, match="too slow"):
        await w.fetch()
    assert 5 == len(w.host.requests)
    w.assert_nothing_left()


# -- after a crash ------------------------------------------------------------------------------


def left_behind(w, size, body=BODY, **changes):
    """Leave what a process leaves that is killed."""
    note = {"address": f"{HOST}/a.zip?...", "validator": '"v1"', "total": len(body)}
    note |= {"request_id": "r-1", "boot": boot_id(), **changes}
    w.target.with_name(w.target.name + ".part").write_bytes(body[:size])
    w.target.with_name(w.target.name + ".part.json").write_text(json.dumps(note))


@pytest.mark.parametrize("body", [BODY, TEXT], ids=["zip", "csv"])
async def test_resume_after_a_crash(world, body):
    """What a killed process left is gone on with, if the file is provably the same."""
    w = world(rest(3000, body))
    left_behind(w, 3000, body)
    await w.fetch()

    w.assert_saved()
    assert ["bytes=3000-"] == w.host.ranges
    assert '"v1"' == w.host.requests[0].headers["If-Range"]


async def test_note_while_it_comes(world):
    """While a file comes, a note beside it says how another process could go on."""
    w = world(whole(etag='"v1"'))
    notes = []

    def told(_value):
        notes.append(json.loads(w.target.with_name(w.target.name + ".part.json").read_text()))

    w.told = types.SimpleNamespace(append=told)
    await w.fetch()

    assert ['"v1"', len(BODY), "r-1"] == [
        notes[0][key] for key in ("validator", "total", "request_id")
    ]
    assert "secret" not in str(notes)
    w.assert_saved()


@pytest.mark.parametrize("changes", [{"request_id": "r-2"}, {"address": "https://a.example"}])
async def test_no_resume_after_a_crash(world, changes):
    """What another request left, or another file, is written over."""
    w = world(whole())
    left_behind(w, 3000, **changes)
    await w.fetch()

    w.assert_saved()
    assert [None] == w.host.ranges


async def test_note_removed(world, monkeypatch):
    """A note that is gone when it is read is none."""
    w = world(whole())
    left_behind(w, 3000)
    monkeypatch.setattr(Part, "remembered", lambda _: None)
    await w.fetch()

    w.assert_saved()
    assert [None] == w.host.ranges


async def test_changed_after_a_crash(world):
    """A file that is another one meanwhile comes from the start."""
    w = world(whole())
    left_behind(w, 3000)
    await w.fetch()

    w.assert_saved()
    assert ["bytes=3000-"] == w.host.ranges


async def test_killed_while_unpacking(world):
    """A body that is there whole is not fetched again: not even a link is asked for."""
    w = world(whole())
    left_behind(w, len(BODY))
    await w.fetch()

    w.assert_saved()
    assert (0, []) == (w.asked, w.host.requests)


async def test_bad_body_after_a_crash(world):
    """What was left may be bad: then it is fetched from the start."""
    w = world(whole())
    left_behind(w, len(BODY), bytes(len(BODY)))
    w.target.with_name(w.target.name + ".part").write_bytes(DAMAGED)
    await w.fetch()

    w.assert_saved()
    assert [None] == w.host.ranges


# -- what is kept -------------------------------------------------------------------------------


async def test_keep_the_archive(world):
    """The archive can be kept as it came."""
    w = world(whole())
    saved = await w.downloader.fetch(
        w.link,
        target=w.target,
        report_type="ITEM_MX",
        request_id="r-1",
        tell=w.told.append,
        unpack=False,
        sha256=True,
    )

    w.assert_saved(BODY)
    assert (len(BODY), hashlib.sha256(BODY).hexdigest()) == (saved.size, saved.sha256)


async def test_at_once(world):
    """No more downloads run at once than there may; the others wait for their turn."""
    w = world(whole(), options=Downloads(at_once=2))
    open_then = []
    w.told = types.SimpleNamespace(append=lambda _: open_then.append(w.host.open))

    async with anyio.create_task_group() as tasks:
        for number in range(6):
            tasks.start_soon(
                partial(
                    w.downloader.fetch,
                    w.link,
                    target=w.target.with_name(f"{number}.csv"),
                    report_type="ITEM_MX",
                    request_id=str(number),
                    tell=w.told.append,
                )
            )

    assert 2 == max(open_then)
    assert 6 == len(w.names) == len(w.host.requests)


# -- bad bodies ---------------------------------------------------------------------------------

DAMAGED = BODY[:2000] + b"XXXX" + BODY[2004:]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (whole(DAMAGED), BadArchive),
        (whole(b""), BadArchive),
        (whole(b"<!DOCTYPE html><html>Sign in</html>"), BadArchive),
        (Answer(BODY, headers={"content-length": "3000"}), BadArchive),
        (Answer(bytes(3 * MEBIBYTE), headers={"content-length": "3000"}), BadArchive),
        (whole(BODY[:3000]), TruncatedDownload),
        (Answer(BODY[:3000]), TruncatedDownload),
        (Answer(gzip.compress(TEXT)[:-3]), TruncatedDownload),
    ],
    ids=[
        "damaged",
        "empty",
        "html",
        "longer",
        "far longer",
        "truncated",
        "truncated, no length",
        "gzip",
    ],
)
async def test_bad_body(world, answer, error):
    """A body that is whole but bad is fetched again from the start twice, then it is an error."""
    w = world(answer)
    with pytest.raises(error) as excinfo:
        await w.fetch()

    assert ("ITEM_MX", "r-1") == (excinfo.value.report_type, excinfo.value.request_id)
    assert (1, 3) == (w.asked, len(w.host.requests))
    assert [None] * 3 == w.host.ranges
    w.assert_nothing_left()

    w = world(answer, answer, whole())
    await w.fetch()
    w.assert_saved()


async def test_damage_keeps_its_cause(world):
    """The error about an archive keeps what the archive's reader said."""
    w = world(whole(DAMAGED))

    with pytest.raises(BadArchive, match="Bad CRC-32") as excinfo:
        await w.fetch()
    assert isinstance(excinfo.value.__cause__, zipfile.BadZipFile)


async def test_limits(world):
    """How far an archive may grow can be set."""
    w = world(whole(), options=Downloads(limits=Limits(total=100)))

    with pytest.raises(BadArchive, match="more than the 100 bytes allowed"):
        await w.fetch()
    w.assert_nothing_left()


# -- the disk -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["claim", "append", "restart", "publish"])
async def test_disk_full(world, monkeypatch, method):
    """A full disk ends the download with an error that says so, and frees what it took."""
    w = world(cut(3000), whole())

    def full(self, *_args, **_kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Part, method, full)
    with pytest.raises(DownloadError, match="The disk is full: free some space") as excinfo:
        await w.fetch()

    assert "r-1" == excinfo.value.request_id
    assert isinstance(excinfo.value.__cause__, OSError)
    w.assert_nothing_left()


async def test_directory_removed(world):
    """A directory that is removed on the way is an error that says so."""
    w = world(whole())
    w.target = w.target.parent / "new" / "ITEM_MX.csv"

    def removed(_value):
        shutil.rmtree(w.target.parent)

    w.told = types.SimpleNamespace(append=removed)
    with pytest.raises(DownloadError, match="was removed: make it again"):
        await w.fetch()


async def test_directory_in_the_way(world):
    """A directory under the file's name is an error before a link is asked for."""
    w = world(whole())
    w.target.mkdir()

    with pytest.raises(DownloadError, match="A directory stands where the file should go"):
        await w.fetch()
    assert 0 == w.asked


# -- company ------------------------------------------------------------------------------------


@pytest.mark.parametrize("reuse", [True, False])
async def test_two_tasks(world, reuse):
    """Of two tasks that want the same file one downloads it, the other finds it there."""
    w = world(whole())
    sizes = []

    async def one():
        sizes.append(await w.fetch(reuse=reuse))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        tasks.start_soon(one)

    assert [len(TEXT)] * 2 == sizes
    assert (1, 1) == (w.asked, len(w.host.requests))
    w.assert_saved()


async def test_two_requests_for_one_path(world):
    """Two requests that are to be written to one path are both fetched, one after the other."""
    w = world(whole())

    async with anyio.create_task_group() as tasks:
        for request_id in ("r-1", "r-2"):
            tasks.start_soon(partial(w.fetch, request_id=request_id, reuse=False))

    assert 2 == len(w.host.requests)
    w.assert_saved()


async def test_on_the_way(world):
    """The repr tells how many files are on the way."""
    w = world(whole())
    seen = []
    w.told = types.SimpleNamespace(append=lambda _: seen.append(repr(w.downloader)))
    await w.fetch()

    assert ["<Downloader 1 file on the way>"] == seen


async def test_other_process(world):
    """A file that another process works on is waited for, and found when it is there."""
    w = world(whole())
    other = Part(w.target)
    other.take()
    other.append([TEXT])

    def done():
        if 3 == len(w.clock.slept):
            other.publish(check=lambda: None)

    w.clock.on_sleep = done

    assert len(TEXT) == await w.fetch()
    assert ([1.0] * 3, 0) == (w.clock.slept, w.asked)
    w.assert_saved()


async def test_other_process_gives_up(world):
    """When the other process is gone without the file, we fetch it."""
    w = world(whole())
    other = Part(w.target)
    other.take()
    w.clock.on_sleep = other.discard

    await w.fetch()
    assert ([1.0], 1) == (w.clock.slept, w.asked)
    w.assert_saved()


async def test_old_file_and_other_process(world):
    """A file that may be another's is no reason to stop waiting for the lock."""
    w = world(whole())
    w.target.write_bytes(b"old")
    other = Part(w.target)
    other.take()
    w.clock.on_sleep = other.discard

    await w.fetch(reuse=False)
    w.assert_saved()


async def test_published_at_the_last_moment(world, monkeypatch):
    """A file that appears between our look and our lock is found all the same."""
    w = world(whole())
    take = Part.take

    def late(part):
        w.target.write_bytes(TEXT)
        return take(part)

    monkeypatch.setattr(Part, "take", late)

    assert len(TEXT) == await w.fetch()
    assert 0 == w.asked
    w.assert_saved()


def test_repr(tmp_path):
    """A fetch tells what it fetches and where it goes."""
    fetch = Fetch(
        transport=None,
        clock=None,
        timeouts=None,
        local_allowed=False,
        get_link=None,
        part=Part(tmp_path / "a.csv"),
        report_type="ITEM_MX",
        request_id="r-1",
        tell=None,
        reuse=True,
        mark=None,
        slots=None,
        threads=None,
        wall=None,
    )

    assert "<Fetch ITEM_MX r-1 into <Part a.csv.part not taken>>" == repr(fetch)


# -- cancelling ---------------------------------------------------------------------------------


@types.coroutine
def counted(coroutine, on_step):
    """Drive a coroutine and call *on_step* each time that it waits for something."""
    act, value = coroutine.send, None
    while True:
        try:
            message = act(value)
        except StopIteration as stop:
            return stop.value
        on_step()
        try:
            act, value = coroutine.send, (yield message)
        except BaseException as exc:  # noqa: BLE001 -- passed on
            act, value = coroutine.throw, exc


def troubled(world):
    """Return a world in which a download meets most of what there is."""
    body = zipped(bytes(3 * MEBIBYTE))
    w = world(
        hop("/b"),
        Answer(status=503),
        Answer(b"", status=403),
        cut(len(body) // 2, body, etag='"v1"'),
        rest(len(body) // 2, body),
    )
    return w, bytes(3 * MEBIBYTE)


async def step_through(world, run):
    """Cancel a download at its first await, at its second..., until it is done before that."""
    for step in range(1000):
        w, content = troubled(world)
        saved = await run(w, step)
        if saved:
            w.assert_saved(content)
            w.target.unlink()
            if step > w.steps:
                return step
        else:
            w.assert_nothing_left()
    raise AssertionError("it never ends")


async def test_cancel_everywhere(world):
    """Cancelled at whichever await, a download leaves the whole file or nothing."""

    async def run(w, step):
        w.steps, saved = 0, False
        with anyio.CancelScope() as scope:

            def count():
                w.steps += 1
                if w.steps == step:
                    scope.cancel()

            await counted(w.fetch(), count)
            saved = True
        return saved or w.target.exists()

    assert 30 < await step_through(world, run)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("again", [False, True], ids=["once", "again and again"])
async def test_native_cancel_everywhere(world, anyio_backend, again):
    """The same holds for asyncio's own cancelling, even when it does not wait for the clean-up."""

    async def run(w, step):
        w.steps = 0

        def count():
            w.steps += 1
            if w.steps == step or (again and w.steps > step):
                task.cancel()

        async def fetch():
            await counted(w.fetch(), count)

        task = asyncio.ensure_future(fetch())
        await asyncio.wait([task])
        return not task.cancelled() or w.target.exists()

    assert 30 < await step_through(world, run)


async def test_cancel_while_unpacking(world, monkeypatch):
    """Unpacking stops at its next block when the download is cancelled."""
    w = world(whole(zipped(TEXT, first="readme.txt")))
    publish = Part.publish
    checked = []

    with anyio.CancelScope() as scope:

        def cancelling(part, *, check):
            def check_too():
                checked.append(part.size)
                anyio.from_thread.run_sync(scope.cancel)
                check()

            return publish(part, check=check_too)

        monkeypatch.setattr(Part, "publish", cancelling)
        await w.fetch()

    assert scope.cancelled_caught
    assert 1 == len(checked)
    w.assert_nothing_left()
