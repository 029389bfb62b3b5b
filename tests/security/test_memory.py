"""Faults of the server, in virtual time: whatever goes wrong, nothing secret is to be seen."""

from __future__ import annotations

import json

import attrs
import pytest

from reports_async import ReportsClient, SQLiteStore, Timeouts
from reports_async.testing import SimulatorTransport

pytestmark = pytest.mark.anyio

ANSWERS = (400, 401, 403, 500, "lose", "html", "redirect")
FAULTS = [
    *((place, answer) for place in ("token", "create", "status", "link") for answer in ANSWERS),
    *(("file", answer) for answer in (403, 404, 500, "redirect", "refuse", "cut", "stall", "html")),
    ("token", "cut"),
    ("link", "cut"),
    ("file", None),
]


@pytest.fixture
def simulator(watched):
    return watched(rows=20)


@pytest.fixture
def act(run, credentials, clock, tmp_path):
    """
    Fetch a report, make each of the calls, and look at everything.
    """

    async def through(transport):
        async with ReportsClient(
            credentials,
            market="mx",
            directory=tmp_path / "reports",
            store=SQLiteStore(tmp_path / "store.sqlite3"),
            transport=transport,
            clock=clock,
            timeouts=Timeouts(quota=3600, generation=7200, link=3600),
        ) as client:
            request_id = await run.fetch(client)
            await run.call(client, request_id or "R1")
            run.look_around()
        run.read(tmp_path)

    return through


@pytest.mark.parametrize(("endpoint", "answer"), FAULTS)
async def test_faults(run, act, simulator, clock, endpoint, answer):  # noqa: PLR0917 -- fixtures
    """
    Whatever goes wrong with a call, for good, nothing that can be seen of it is secret.
    """
    if answer is not None:
        to = f"https://elsewhere.example/report.zip?{run.needles.query}"
        simulator.fail(endpoint, answer, times=500, to=to)

    await act(SimulatorTransport(simulator, clock))

    assert (answer is None) == (not run.errors)
    assert [] == run.leaks()


class Tampering(SimulatorTransport):
    """A transport that rewrites the good replies of one endpoint."""

    def __init__(self, simulator, clock, path, rewrite):
        super().__init__(simulator, clock)
        self.path = path
        self.rewrite = rewrite

    async def send(self, request, *, timeout):
        reply = await super().send(request, timeout=timeout)
        if self.path not in request.url or reply.status != 200:
            return reply
        made = self.rewrite(json.loads(reply.body), request, self.simulator.needles)
        body = made if isinstance(made, str) else json.dumps(made)
        return attrs.evolve(reply, status=500 if self.rewrite is echo else 200, body=body.encode())


def never(document, _request, _needles):
    return {**document, "expires_in": "never"}


def twice(document, _request, _needles):
    link = document["downloadURL"]
    return {**document, "downloadURL": None, "downloadURLS": [link, f"{link}0"]}


def relative(document, _request, _needles):
    return {**document, "downloadURL": document["downloadURL"].partition("//")[2]}


def echo(document, request, needles):
    headers = " ".join(f"{name}: {value}" for name, value in request.headers.items())
    sent = f"id:{needles.client_secret}" if "Authorization" in request.headers else ""
    said = f"{sent} {headers} {request.url} {document.get('downloadURL')}"
    return {"errors": [{"code": "SYSTEM_ERROR", "description": said, "info": said}]}


def half(document, _request, _needles):
    return json.dumps(document)[:-1]


def text(document, _request, _needles):
    return str(document)


def inside(document, _request, _needles):
    return [document]


@pytest.mark.parametrize(
    ("path", "rewrite"),
    [
        *(("/v3/token", rewrite) for rewrite in (never, echo, half, text, inside)),
        *(("downloadReport", rewrite) for rewrite in (twice, relative, echo, half, text, inside)),
        ("/reportRequests", echo),
    ],
)
async def test_odd_replies(run, act, simulator, clock, path, rewrite):  # noqa: PLR0917 -- fixtures
    """
    A reply that cannot be read, or repeats what was sent, shows nothing of it in its error.
    """
    await act(Tampering(simulator, clock, path, rewrite))

    assert run.errors
    assert [] == run.leaks()
