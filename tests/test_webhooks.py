"""The receiver of webhooks: as a function, under aiohttp.web, and as an ASGI application."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import hmac
import json
import logging
import socket
import threading
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from urllib.parse import urlsplit

import anyio
import pytest
from aiohttp import web
from attrs import define, evolve, field

from reports_async import Accepted, Credentials, InvalidArgument, ReportsClient, WebhookError
from reports_async.testing import Rules, ScaledClock, Simulator, SimulatorServer, SimulatorTransport
from reports_async.webhooks import BasicAuth, Hmac, Receiver

pytestmark = pytest.mark.anyio

PATIENCE = 10.0  # wall seconds; the first look without a webhook would come after 15
HUGE = 100_000_000
SECRET = "very-secret"
ASYNCIO = pytest.mark.parametrize("anyio_backend", ["asyncio"])


@define(eq=False)
class Told:
    """
    A client that only takes notes.
    """

    events: list = field(factory=list)

    def notify(self, event, /):
        self.events.append(event)


def event(request_id="R1", *, event_type="REPORT_STATUS", event_id="E1", status="READY"):
    return {
        "source": {"eventType": event_type, "eventId": event_id},
        "payload": {"requestId": request_id, "requestStatus": status},
    }


def signed(document, *, secret=SECRET):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"Authorization": digest}, body


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def receiver(told):
    return Receiver(told, verify=Hmac(SECRET))


# As a function


@pytest.mark.parametrize("kind", ["REPORT_STATUS", "REPORT_STATUS_SUPPLIER"])
def test_receive(receiver, told, kind):
    """
    A genuine notification is told to the client, and returned.
    """
    notification = receiver.receive(*signed(event(event_type=kind)))

    assert [event(event_type=kind)] == told.events
    assert "R1" == notification.request_id
    assert "<Receiver 1 told, 0 refused>" == repr(receiver)


@pytest.mark.parametrize(
    "document", [{}, event(event_type="PO_CREATED"), {"source": {"eventType": "REPORT_STATUS"}}]
)
def test_ignored(receiver, told, document):
    """
    An event that is about no report is accepted, and told to nobody.
    """
    receiver.receive(*signed(document))

    assert [] == told.events


def test_a_client_that_could_not_be_told(told):
    """
    What the client could not be told is told when Walmart tries again.
    """

    class Busy(Told):
        def notify(self, event, /):
            if not self.events:
                self.events.append(None)
                raise RuntimeError("busy")
            super().notify(event)

    busy = Busy()
    receiver = Receiver(busy, verify=Hmac(SECRET))
    with pytest.raises(RuntimeError, match="busy"):
        receiver.receive(*signed(event()))
    for _ in range(2):
        receiver.receive(*signed(event()))

    assert [None, event()] == busy.events
    assert "<Receiver 1 told, 0 refused>" == repr(receiver)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"client": object()}, "client must have a method notify"),
        ({"verify": "hunter2"}, "verify must be Hmac, BasicAuth, OAuth, another Verifier or None"),
        ({"limit": 1.5}, "limit must be a number of bytes above zero"),
        ({"limit": "64"}, "limit must be a number of bytes above zero"),
    ],
)
def test_arguments(told, arguments, message):
    """
    A receiver that could take no call says so when it is made, without the secret.
    """
    with pytest.raises(InvalidArgument, match=message) as caught:
        Receiver(**{"client": told, "verify": None, **arguments})

    assert "hunter2" not in str(caught.value)


def test_duplicates(receiver, told):
    """
    An event that comes again is accepted and not told again; another one is.
    """
    for _ in range(3):
        receiver.receive(*signed(event()))
    receiver.receive(*signed(event(event_id="E2")))

    assert ["R1", "R1"] == [each["payload"]["requestId"] for each in told.events]


def test_no_event_id(receiver, told):
    """
    Without an event id nothing is taken for a repetition.
    """
    receiver.receive(*signed(event(event_id=None)))
    receiver.receive(*signed(event(event_id=None)))

    assert 2 == len(told.events)


def test_bounded_memory(receiver, told, monkeypatch):
    """
    Only the latest events are remembered.
    """
    monkeypatch.setattr("reports_async.webhooks.REMEMBERED", 2)
    for name in ("E1", "E2", "E3", "E3", "E1"):
        receiver.receive(*signed(event(event_id=name)))

    assert ["E1", "E2", "E3", "E1"] == [each["source"]["eventId"] for each in told.events]


@pytest.mark.parametrize(
    ("call", "status"),
    [
        (signed(event(), secret="wrong"), 401),
        (({}, signed(event())[1]), 401),
        (signed(b"not JSON"), 400),
        (signed(b"x" * 65_537), 413),
    ],
)
def test_refused(receiver, told, caplog, call, status):
    """
    A call that is not as agreed raises, with the status to answer, and is logged without its body.
    """
    with caplog.at_level(logging.WARNING, "reports_async"), pytest.raises(WebhookError) as excinfo:
        receiver.receive(*call)

    assert status == excinfo.value.status
    assert [] == told.events
    assert str(excinfo.value) == caplog.messages[-1]
    assert "not JSON" not in caplog.text.replace("not a JSON", "")
    assert "<Receiver 0 told, 1 refused>" == repr(receiver)


@pytest.mark.parametrize("limit", [0, -1, True])
def test_bad_limit(told, limit):
    """
    A limit that lets nothing through is refused.
    """
    with pytest.raises(InvalidArgument, match="limit"):
        Receiver(told, verify=None, limit=limit)


def test_no_verification(told):
    """
    Who has checked the calls before can say so: then every call is taken.
    """
    Receiver(told, verify=None).receive({}, signed(event())[1])

    assert 1 == len(told.events)


# As an ASGI application, without a server


def scope(method="POST", *, headers=None, **more):
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
    return {"type": "http", "method": method, "headers": pairs, "http_version": "1.1", **more}


async def call(app, asked, *messages):
    """Return what the application sends for what it receives."""
    waiting, sent = list(messages), []

    async def receive():
        await anyio.lowlevel.checkpoint()
        return waiting.pop(0)

    async def send(message):
        await anyio.lowlevel.checkpoint()
        sent.append(message)

    await app(asked, receive, send)
    return sent


def part(body, *, more=False):
    return {"type": "http.request", "body": body, "more_body": more}


async def test_asgi(receiver, told):
    """
    A body that comes in pieces is put together, and answered with 200 and nothing.
    """
    headers, body = signed(event())

    start, end = await call(
        receiver, scope(headers=headers), part(body[:9], more=True), part(body[9:])
    )

    assert 200 == start["status"]
    assert b"" == end["body"]
    assert [event()] == told.events


@pytest.mark.parametrize(("version", "closes"), [("1.1", True), ("2", False)])
async def test_asgi_refuses_huge(receiver, version, closes):
    """
    A body that is declared too large is refused without reading any of it.
    """
    headers = {"content-length": str(HUGE)}

    start, end = await call(receiver, scope(headers=headers, http_version=version))

    assert 413 == start["status"]
    assert closes is ((b"connection", b"close") in start["headers"])
    assert b"65536" in end["body"]


@pytest.mark.parametrize("length", ["", "-1", "²", "9" * 5000])
async def test_asgi_counts(receiver, length):
    """
    A body of no sensible length is read to the limit and no further.
    """
    pieces = [part(b"x" * 40_000, more=True)] * 2

    start, _ = await call(receiver, scope(headers={"content-length": length}), *pieces)

    assert 413 == start["status"]


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_asgi_other_methods(receiver, method):
    """
    Only POST is taken.
    """
    start, _ = await call(receiver, scope(method))

    assert 405 == start["status"]
    assert (b"allow", b"POST") in start["headers"]


async def test_asgi_caller_leaves(receiver, told):
    """
    Nobody is answered who left within the body.
    """
    left = {"type": "http.disconnect"}

    assert [] == await call(receiver, scope(), part(b"{", more=True), left)
    assert [] == told.events


async def test_asgi_websocket(receiver):
    """
    A websocket is closed.
    """
    assert [{"type": "websocket.close", "code": 1003}] == await call(
        receiver, {"type": "websocket"}
    )


async def test_asgi_lifespan(receiver):
    """
    Alone under a server, it starts and stops.
    """
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    sent = await call(receiver.asgi, {"type": "lifespan"}, *messages)

    assert ["lifespan.startup.complete", "lifespan.shutdown.complete"] == [
        message["type"] for message in sent
    ]


# On real sockets


@asynccontextmanager
async def under_aiohttp(receiver):
    """Serve a receiver in an aiohttp.web application; its address."""
    app = web.Application()
    app.router.add_route("*", "/walmart", receiver.aiohttp)
    # Else aiohttp waits ten seconds for the rest of a refused body.
    runner = web.AppRunner(app, access_log=None, lingering_time=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/walmart"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def under_uvicorn(receiver):
    """Serve a receiver in a Starlette application under uvicorn; its address."""
    uvicorn = pytest.importorskip("uvicorn")
    applications = pytest.importorskip("starlette.applications")
    routing = pytest.importorskip("starlette.routing")
    app = applications.Starlette(routes=[routing.Route("/walmart", receiver)])
    config = uvicorn.Config(app, log_level="error", ws="none", lifespan="on")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/walmart"
        finally:
            server.should_exit = True
            await serving


SERVERS = pytest.mark.parametrize("serve", [under_aiohttp, under_uvicorn])


async def send(url, headers, *pieces, method="POST"):
    """Write a request, byte by byte our own; return the status, and the headers as they came."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        lines = [f"{method} {parts.path} HTTP/1.1", f"Host: {parts.netloc}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        for piece in pieces:
            writer.write(piece)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        return int(head.split()[1]), head.decode("latin-1").lower()
    finally:
        writer.close()


async def post(url, headers, body):
    status, _ = await send(url, {**headers, "Content-Length": str(len(body))}, body)
    return status


@ASYNCIO
@SERVERS
@pytest.mark.parametrize(
    "auth",
    [
        Hmac(SECRET, header="X-Signature"),
        BasicAuth("walmart", SECRET),
    ],
)
async def test_finishes_a_wait(serve, auth, tmp_path):
    """
    A signed webhook on a real socket finishes a report that is waited for, at once.
    """
    simulator = Simulator(generation=2700, rows=20)
    async with SimulatorServer(simulator) as server, anyio.create_task_group() as tasks:
        client = ReportsClient(Credentials("id", "secret"), base_url=server.url, directory=tmp_path)
        async with client, serve(Receiver(client, verify=auth)) as url:
            await client.subscriptions.create(url, auth=auth)
            job = client.request_report("ITEM")
            await accepted(job)
            simulator.generation(job.request_id, 0)
            (notice,) = simulator.notifications(job.request_id, datetime.now(UTC))
            with anyio.fail_after(PATIENCE):
                assert 200 == await post(notice.url, notice.headers, notice.body)
                report = await job
            # The webhook itself proved nothing: the link's reply did.
            assert 0 == simulator.count("status") + simulator.count("list")
            assert 1 == simulator.count("link")
        tasks.cancel_scope.cancel()

    assert (
        simulator.digest(report.request_id) == hashlib.sha256(report.path.read_bytes()).hexdigest()
    )


async def accepted(job):
    async for step in job.events():
        if isinstance(step, Accepted):
            return


@ASYNCIO
@SERVERS
async def test_statuses(serve, receiver, told):
    """
    Under a real server each refusal has its status, and a repetition is welcome.
    """
    headers, body = signed(event())
    async with serve(receiver) as url:
        with anyio.fail_after(PATIENCE):
            assert 200 == await post(url, headers, body)
            assert 200 == await post(url, headers, body)
            assert 200 == await post(url, *signed(event(event_type="OTHER")))
            assert 401 == await post(url, {}, body)
            assert 400 == await post(url, *signed(b"[]"))
            assert 405 == (await send(url, {}, method="PUT"))[0]

    assert 1 == len(told.events)


@ASYNCIO
@SERVERS
async def test_huge(serve, receiver):
    """
    A body of 100 MB is refused before any of it has come, and the connection ends.
    """
    async with serve(receiver) as url:
        with anyio.fail_after(PATIENCE):
            status, head = await send(url, {"Content-Length": str(HUGE)})

    assert 413 == status
    assert "connection: close" in head


@ASYNCIO
@SERVERS
async def test_huge_in_chunks(serve, receiver):
    """
    A body of no declared length is refused when it passes the limit.
    """
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    async with serve(receiver) as url:
        with anyio.fail_after(PATIENCE):
            status, _ = await send(url, {"Transfer-Encoding": "chunked"}, chunk, chunk, chunk)

    assert 413 == status


@ASYNCIO
async def test_aiohttp_broken_body(receiver, told):
    """
    A body that cannot be decoded is refused; a bomb is, at the limit.
    """
    bomb = gzip.compress(b"\0" * 10_000_000)
    async with under_aiohttp(receiver) as url:
        with anyio.fail_after(PATIENCE):
            assert 400 == await post(url, {"Content-Encoding": "gzip"}, b"no gzip")
            assert 413 == await post(url, {"Content-Encoding": "gzip"}, bomb)

    assert [] == told.events


@ASYNCIO
async def test_aiohttp_caller_leaves(told, caplog):
    """
    A caller who leaves within the body is no error of the server.
    """
    began, left = asyncio.Event(), asyncio.Event()

    class Watched(Receiver):
        async def aiohttp(self, request):
            began.set()
            try:
                return await super().aiohttp(request)
            finally:
                left.set()

    async with under_aiohttp(Watched(told, verify=None)) as url:
        with anyio.fail_after(PATIENCE):
            parts = urlsplit(url)
            _, writer = await asyncio.open_connection(parts.hostname, parts.port)
            writer.write(b"POST /walmart HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
            await began.wait()
            writer.close()
            await left.wait()

    assert [] == [record for record in caplog.records if record.levelno >= logging.ERROR]


# What a client makes of it


async def test_forged_ready(new_client, simulator, clock, tmp_path):
    """
    A forged READY costs one link call, those after it a look; the server says no to all.
    """
    simulator.generation("ITEM", 2000)
    async with new_client(market="us") as client:
        receiver = Receiver(client, verify=None)
        job = client.request_report("ITEM")
        await accepted(job)
        for number in range(5):
            receiver.receive({}, signed(event(job.request_id, event_id=f"E{number}"))[1])
            receiver.receive({}, signed(event("another's", event_id=f"F{number}"))[1])
        await anyio.sleep(10)
        assert 1 <= simulator.count("status") + simulator.count("list") <= 2
        assert 1 == simulator.count("link")
        report = await job

    assert 2000 <= (report.generated_at - report.submitted_at).total_seconds()
    assert 2 == simulator.count("link")


async def ready_after(client, simulator, clock, *, after=500, status="READY"):
    """
    Let a webhook tell of a report; return the seconds that it took, and the calls made then.
    """
    job = client.request_report("A")
    await accepted(job)
    simulator.never_ready("A")
    await clock.sleep(after)
    simulator.generation("A", 0)
    before, since = len(simulator.calls), clock.monotonic()
    client.notify({"payload": {"requestId": job.request_id, "requestStatus": status}})
    await job
    calls = [call.endpoint for call in simulator.calls[before:]]
    return clock.monotonic() - since, calls


async def test_ready_without_a_look(new_client, simulator, clock):
    """
    A webhook that says READY brings the file within a second, and no look is spent.
    """
    async with new_client(market="us") as client:
        seconds, calls = await ready_after(client, simulator, clock)

    assert seconds < 1
    assert ["link", "file"] == [endpoint for endpoint in calls if endpoint != "token"]


@pytest.mark.parametrize(("answers", "first"), [((), []), ((500,), ["link"]), ((404,), ["link"])])
async def test_ready_is_looked_at(new_client, simulator, clock, answers, first):
    """
    What says nothing of READY, or gets no answer to its link, is looked at.
    """
    simulator.fail("link", *answers)
    status = "READY" if answers else "UNHEARD_OF"
    async with new_client(market="us") as client:
        seconds, calls = await ready_after(client, simulator, clock, status=status)

    assert seconds < 1
    told = [endpoint for endpoint in calls if endpoint != "token"]
    assert [*first, "status", "link", "file"] == told


async def test_ready_while_links_are_short(new_client, simulator, clock):
    """
    While few links are left, they are for what was seen to be READY: a webhook gets a look.
    """
    for _ in range(17):
        simulator.add_request("OLD", clock.now() - timedelta(days=1), status="READY")
    async with new_client(market="us") as client:
        for request in simulator.requests:
            await client.get_download_url(request.request_id)
        _, calls = await ready_after(client, simulator, clock, after=11)

    assert ["status", "link", "file"] == [endpoint for endpoint in calls if endpoint != "token"]


async def test_ready_without_a_link(new_client, simulator, clock):
    """
    Where the reply says READY and has no link yet, the report is waited for as any other.
    """

    class Linkless(SimulatorTransport):
        times = 1

        async def send(self, request, *, timeout):
            response = await super().send(request, timeout=timeout)
            if "downloadReport" in request.url and self.times:
                self.times -= 1
                body = json.loads(response.body)
                del body["downloadURL"]
                response = evolve(response, body=json.dumps(body).encode())
            return response

    async with new_client(market="us", transport=Linkless(simulator, clock)) as client:
        _, calls = await ready_after(client, simulator, clock)

    assert ["link", "link", "file"] == [endpoint for endpoint in calls if endpoint != "token"]


def looks(simulator, since, report_type=None):
    return [
        call.at
        for call in simulator.calls
        if call.endpoint in ("status", "list")
        and call.at >= since
        and report_type in (None, call.report_type)
    ]


async def announced(client, report_type, *, after):
    """Fetch a report that a webhook tells of."""
    job = client.request_report(report_type)
    await accepted(job)
    await anyio.sleep(after)
    client.notify({"payload": {"requestId": job.request_id}})
    await job


async def unannounced(client, simulator, clock, *report_types):
    """Fetch reports that no webhook tells of; return the seconds between the looks at them."""
    since = clock.now()
    async for _ in client.fetch_reports(report_types):
        pass
    times = [since, *looks(simulator, since + timedelta(seconds=0.001))]
    return [(after - before).total_seconds() for before, after in pairwise(times)]


@pytest.fixture
def strict():
    return False


@pytest.fixture
def simulator(strict):
    return Simulator(rules=Rules(strict_list=strict))


async def test_trust(new_client, simulator, clock):
    """
    Once a webhook came true, looks are for safety only; a report that none told of ends that.
    """
    simulator.generation("A", 500)
    simulator.generation("B", 1450)
    simulator.generation("C", 1450)
    async with new_client(market="us") as client:
        await announced(client, "A", after=500)
        trusting = await unannounced(client, simulator, clock, "B")
        wary = await unannounced(client, simulator, clock, "C")

    assert [300, 300, 300, 300, 300] == [pytest.approx(gap, abs=2) for gap in trusting]
    assert min(wary) < 200


@pytest.mark.parametrize("strict", [True])
async def test_trust_one_by_one(new_client, simulator, clock):
    """
    The same holds where each request is looked at on its own.
    """
    for name in "AXY":
        simulator.generation(name, 500)
    for name in "BC":
        simulator.generation(name, 1450)
    async with new_client(market="us") as client:
        await unannounced(client, simulator, clock, "X", "Y")
        await announced(client, "A", after=500)
        since = clock.now()
        await unannounced(client, simulator, clock, "B", "C")

    for name in "BC":
        (first, *_) = [at for at in looks(simulator, since, name) if at > since]
        assert 299 <= (first - since).total_seconds()


@ASYNCIO
@pytest.mark.parametrize("told_in", ["a thread", "a callback"])
async def test_told_from_elsewhere(new_client, simulator, told_in, anyio_backend):
    """
    A thread that is not the event loop's may tell of a webhook as well, or a callback of the loop.
    """
    # So asyncio raises an error where another thread touches the loop without leave.
    asyncio.get_running_loop().set_debug(True)
    clock = ScaledClock(1000)
    simulator.generation("A", 1000)
    transport = SimulatorTransport(simulator, clock)
    async with new_client(market="us", transport=transport, clock=clock) as client:
        job = client.request_report("A")
        await accepted(job)
        simulator.generation("A", 0)
        body = {"payload": {"requestId": job.request_id, "requestStatus": "READY"}}
        looked = simulator.count("list") + simulator.count("status")
        if told_in == "a thread":
            thread = threading.Thread(target=client.notify, args=(body,))
            thread.start()
            thread.join()
        else:
            asyncio.get_running_loop().call_soon(client.notify, body)
        await job

    assert looked == simulator.count("list") + simulator.count("status")


async def test_false_alarms(new_client, simulator, clock):
    """
    Of webhooks without end about a report that is not ready, three are looked into.
    """
    simulator.generation("A", 600)
    async with new_client(market="us") as client:
        job = client.request_report("A")
        await accepted(job)
        for _ in range(30):
            client.notify({"payload": {"requestId": job.request_id}})
            await anyio.sleep(1)
        assert 3 == len(looks(simulator, clock.now() - timedelta(seconds=31)))
        await job
        # The next report is another.
        await announced(client, "B", after=301)


async def test_trust_needs_truth(new_client, simulator, clock):
    """
    Notifications that were not true earn no trust, however many.
    """
    simulator.generation("A", 1500)
    async with new_client(market="us") as client:
        job = client.request_report("A")
        await accepted(job)
        for _ in range(3):
            client.notify({"payload": {"requestId": job.request_id}})
            await anyio.sleep(1)
        since = clock.now()
        await job

    gaps = [(after - before).total_seconds() for before, after in pairwise(looks(simulator, since))]
    assert min(gaps) < 200


async def test_trust_through_others(new_client, simulator, clock):
    """
    A report that is found ready in passing, before its webhook, is no reason for distrust.
    """
    for name, seconds in {"A": 500, "B": 1000, "C": 1000, "D": 1450, "E": 1000}.items():
        simulator.generation(name, seconds)
    async with new_client(market="us") as client:
        await announced(client, "A", after=500)
        jobs = [client.request_report(name) for name in "BCE"]
        for job in jobs:
            await accepted(job)
        await clock.sleep(1001)
        # Two that are told of make it a list, which shows the third as well.
        for job in jobs[:2]:
            client.notify({"payload": {"requestId": job.request_id}})
        for job in jobs:
            await job
        assert clock.monotonic() < 1600
        trusting = await unannounced(client, simulator, clock, "D")

    assert min(trusting) > 200


async def test_trust_and_resumed(new_client, simulator, clock):
    """
    A report that is resumed long after its webhook is no reason for distrust.
    """
    simulator.generation("A", 500)
    simulator.generation("B", 1450)
    old = simulator.add_request("OLD", clock.now() - timedelta(days=1), status="READY")
    async with new_client(market="us") as client:
        await announced(client, "A", after=500)
        await client.resume_report(old)
        trusting = await unannounced(client, simulator, clock, "B")

    assert min(trusting) > 200


async def test_told_during_a_look(new_client, simulator, clock):
    """
    A webhook that comes while the look is under way that finds its report ready came true.
    """
    simulator.generation("A", 1)
    simulator.generation("B", 1450)
    for endpoint in ("list", "status"):
        simulator.delay(endpoint, 20, times=1)
    async with new_client(market="us") as client:
        job = client.request_report("A")
        await accepted(job)
        while not looks(simulator, datetime.min.replace(tzinfo=UTC)):
            await clock.sleep(1)
        client.notify({"payload": {"requestId": job.request_id}})
        await job
        simulator.heal()
        trusting = await unannounced(client, simulator, clock, "B")

    assert min(trusting) > 200
