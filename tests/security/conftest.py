"""
One scan over all that a run says, shows, keeps and raises: what is secret is nowhere in it.

Secret are the client's secret, the header made of it, access tokens, and the query of signed
addresses. A traceback counts with the variables of its frames.
"""

from __future__ import annotations

import base64
import gc
import json
import logging
import pickle
import traceback
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import attrs
import pytest

from reports_async import Credentials
from reports_async._secrets import Secret
from reports_async.testing import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from reports_async import ReportsClient

LENGTH = 16
"""So much of a secret is enough to be a leak: messages are cut."""

LOGGERS = ("", "reports_async", "aiohttp", "asyncio", "httpx", "httpcore")


class Needles:
    """
    What must not be found. It knows a client's secret and a signed query before anything happens.

    Its repr shows nothing, and what it hands out is a `Secret`: both are variables of test frames.
    """

    def __init__(self) -> None:
        self.client_secret = Secret("s3cret-of-the-client-0123456789")
        self.query = Secret("sv=1&sig=cDFyZWRpcmVjdGVkLXNpZ25hdHVyZQ%3D%3D")
        pair = base64.b64encode(f"id:{self.client_secret}".encode()).decode()
        self._texts = {self.client_secret[:LENGTH], pair[-LENGTH:]}
        self.add_query(self.query)

    def add(self, text: str) -> None:
        self._texts |= {text[:LENGTH], unquote(text)[:LENGTH]}

    def add_query(self, query: str) -> None:
        for signature in parse_qs(query).get("sig", ()):
            self.add(signature)
        for part in query.split("&"):
            if part.startswith("sig="):
                self.add(part.removeprefix("sig="))

    def found_in(self, text: str) -> list[str]:
        """Return where a text shows a secret."""
        places = [text.find(needle) for needle in self._texts]
        return [text[max(0, place - 200) : place + 40] for place in places if place >= 0]


class Watched(Simulator):
    """A simulator that notes every secret that passes it."""

    def __init__(self, needles: Needles, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.needles = needles
        self.on_call: Callable[[], None] = lambda: None

    def handle(self, request: Any, now: Any) -> Any:
        reply = super().handle(request, now)
        self.needles.add_query(urlsplit(request.url).query)
        self.needles.add_query(urlsplit(reply.headers.get("Location", "")).query)
        with suppress(ValueError):
            document = json.loads(reply.body)
            self.needles.add(document.get("access_token", self.needles.client_secret))
            self.needles.add_query(urlsplit(document.get("downloadURL", "")).query)
        self.on_call()
        return reply


def shown(error: BaseException) -> Iterator[str]:
    """All that can be seen of an error and of all that led to it, variables of frames included."""
    waiting: list[BaseException | None] = [error]
    known: set[int] = set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in known:
            continue
        known.add(id(one))
        yield f"{one!r} {one} {one.args!r} {getattr(one, '__dict__', None)!r}"
        lines = traceback.TracebackException.from_exception(one, capture_locals=True).format()
        yield "".join(lines)
        with suppress(Exception):
            yield pickle.dumps(one).decode("latin-1")
        waiting += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]


def visible(one: Any) -> Iterator[str]:
    """All that can be seen of a value."""
    yield f"{one!r} {one}"
    if attrs.has(type(one)):
        yield repr(attrs.asdict(one))
    with suppress(Exception):
        yield pickle.dumps(one).decode("latin-1")
    if isinstance(getattr(one, "error", None), BaseException):
        yield from shown(one.error)


def living() -> Iterator[str]:
    """The reprs of all objects of the library that live, the simulator's excepted."""
    for one in gc.get_objects():
        module = str(type(one).__module__)
        if module.startswith("reports_async") and not module.startswith("reports_async.testing"):
            # Some are just being made.
            with suppress(AttributeError):
                yield repr(one)


class Listener(logging.Handler):
    """Keeps all that every logger says, tracebacks with the variables of their frames."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name} {record.getMessage()} {record.args!r}")
        # The simulator's end writes in the same loop: what a socket of asyncio's was about to send
        # when it broke is in asyncio's own frames, and no frame of this library's.
        broken_socket = record.name == "asyncio" and "Fatal write error" in record.getMessage()
        if record.exc_info and record.exc_info[1] and not broken_socket:
            self.lines += shown(record.exc_info[1])


class Run:
    """What a client does, and all that can be seen of it."""

    def __init__(self, needles: Needles, listener: Listener) -> None:
        self.needles = needles
        self.errors: list[BaseException] = []
        self._listener = listener
        self._seen: list[str] = []

    def see(self, *things: Any) -> None:
        """Look at values."""
        for one in things:
            self._seen += visible(one)

    def look_around(self) -> None:
        """Look at all that lives."""
        self._seen += living()

    def read(self, directory: Path) -> None:
        """Look into all files."""
        for path in directory.rglob("*"):
            if path.is_file():
                self._seen.append(path.read_bytes().decode("latin-1"))

    @contextmanager
    def step(self) -> Iterator[None]:
        """Look at the error that ends a step; errors end no more than that."""
        try:
            yield
        except BaseException as exc:
            self._seen += shown(exc)
            self.errors.append(exc)
            if not isinstance(exc, Exception):
                raise

    async def fetch(self, client: ReportsClient) -> str | None:
        """Fetch a report; return its request id."""
        job = client.request_report("ITEM_MX")
        async for event in job.events():
            self.see(event)
        with self.step():
            self.see(await job)
        self.see(repr(job), repr(client), *await client.jobs())
        return job.request_id

    async def call(self, client: ReportsClient, request_id: str) -> None:
        """Make each of the plain calls."""
        with self.step():
            self.see(await client.create_request("INVENTORY_MX"))
        with self.step():
            self.see(await client.get_request(request_id))
        with self.step():
            self.see([one async for one in client.list_requests()])
        with self.step():
            self.see(await client.get_download_url(request_id))

    def leaks(self) -> list[str]:
        """Return where something secret was seen."""
        texts = [*self._seen, *self._listener.lines]
        return [leak for text in texts for leak in self.needles.found_in(text)]


@pytest.fixture
def needles() -> Needles:
    return Needles()


@pytest.fixture
def credentials(needles: Needles) -> Credentials:
    return Credentials("id", needles.client_secret)


@pytest.fixture
def listener() -> Iterator[Listener]:
    before = {name: logging.getLogger(name).level for name in LOGGERS}
    listener = Listener()
    logging.getLogger().addHandler(listener)
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield listener
    logging.getLogger().removeHandler(listener)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def run(needles: Needles, listener: Listener) -> Run:
    return Run(needles, listener)


@pytest.fixture
def watched(needles: Needles) -> Callable[..., Watched]:
    """
    Make simulators that note what is secret.
    """
    return lambda **arguments: Watched(needles, **arguments)
