"""A download link for a READY request: under the budget, again until there is one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
import pytest
from attrs import evolve

from reports_async import (
    AuthenticationError,
    Credentials,
    ReportExpired,
    ReportFailed,
    ReportsError,
    ReportTimedOut,
    RequestNotFound,
    ServerError,
    TransportError,
)
from reports_async._api import Api
from reports_async._link import PAUSE, TRIES, UNKNOWN, Links
from reports_async._sansio.budget import Bucket
from reports_async._sansio.endpoints import Endpoint, Site
from reports_async._slot import Slot
from reports_async.testing import Rules, Simulator, SimulatorTransport

pytestmark = pytest.mark.anyio

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


class NotYet(SimulatorTransport):
    """
    A server that has no link for so many calls, though the request is READY.
    """

    missing = 3
    word = "READY"

    async def send(self, request, *, timeout):
        response = await super().send(request, timeout=timeout)
        if "/downloadReport" not in request.url or response.status != 200 or not self.missing:
            return response
        self.missing -= 1
        return evolve(response, body=b'{"requestStatus": "%s"}' % self.word.encode())


@pytest.fixture
def new_api(clock):
    def make(simulator, *, transport=SimulatorTransport):
        return Api(
            Site(base_url="https://api.example"),
            Credentials("id", "secret"),
            transport=transport(simulator, clock),
            clock=clock,
            call_timeout=30.0,
        )

    return make


@pytest.fixture
def api(simulator, new_api):
    return new_api(simulator)


@pytest.fixture
def ask(api, clock):
    """Ask for a link."""

    def make(request_id, *, limit=7200.0, api=api, **options):
        links = Links(api, clock=clock, limit=limit)
        slot = Slot(anyio.CapacityLimiter(1))
        return links.get(request_id, slot, report_type="ITEM_MX", **options)

    return make


@pytest.fixture
def ready(simulator):
    """The id of a READY request."""
    return simulator.add_request("ITEM_MX", START - timedelta(minutes=10), status="READY")


async def test_link(ask, ready, simulator, clock):
    """
    A READY request has a link, for one call.
    """
    found = await ask(ready)

    assert found.url.startswith(simulator.file_base_url)
    assert found.expires_at > clock.now()
    assert 1 == simulator.count("link")


async def test_no_link_yet(ask, ready, simulator, clock, new_api):
    """
    A READY request that has no link yet is asked again, a minute later each time.
    """
    await ask(ready, api=new_api(simulator, transport=NotYet))

    assert 4 == simulator.count("link")
    assert 3 * PAUSE == pytest.approx(clock.monotonic())


async def test_lagging_link(ask, simulator, clock):
    """
    Where READY was seen, a link that says otherwise lags behind, and is asked for again.
    """
    simulator.generation("ITEM_MX", 600)
    request_id = simulator.add_request("ITEM_MX", clock.now())

    await ask(request_id)

    assert 600 == pytest.approx(clock.monotonic(), abs=PAUSE)


@pytest.mark.parametrize("word", ["RECEIVED", "SUBMITTED", "INPROGRESS", "THINKING"])
async def test_not_ready(ask, ready, simulator, new_api, word):
    """
    Where nobody has seen READY, a reply that says otherwise is told at once, for one call.
    """
    api = new_api(simulator, transport=NotYet)
    api._transport.word = word

    with pytest.raises(ReportsError, match=f"is {word}, not READY; it has no link") as caught:
        await ask(ready, api=api, seen_ready=False)

    assert (ready, 1) == (caught.value.request_id, simulator.count("link"))


async def test_ready_without_link(ask, ready, simulator, new_api):
    """
    Also where nobody has seen READY before, a reply that says it without a link is waited for.
    """
    await ask(ready, api=new_api(simulator, transport=NotYet), seen_ready=False)

    assert 4 == simulator.count("link")


async def test_expired(ask, simulator):
    """
    A request that the server does not know any more has expired.
    """
    with pytest.raises(ReportExpired) as caught:
        await ask("gone")

    assert ("ITEM_MX", "gone") == (caught.value.report_type, caught.value.request_id)
    assert isinstance(caught.value.__cause__, RequestNotFound)


@pytest.mark.parametrize(("seen_ready", "calls"), [(True, UNKNOWN), (False, 1)])
async def test_expired_for_a_moment(ask, ready, simulator, seen_ready, calls):
    """
    What was READY is not believed to be gone at the first word of it, as the server may lag.
    """
    if seen_ready:
        simulator.fail("link", 404, times=UNKNOWN - 1)
        await ask(ready)
        assert UNKNOWN - 1 == simulator.count("link", 404)
    with pytest.raises(ReportExpired):
        await ask("gone", seen_ready=seen_ready)

    assert calls == simulator.count("link", 404) - (UNKNOWN - 1) * seen_ready


async def test_a_page_says_not_found(ask, ready, simulator):
    """
    A 404 that is not the API's own is asked again, as what fails is: so often, and no more.
    """
    simulator.fail("link", 404, times=TRIES - 1, shape="html")
    await ask(ready)
    assert TRIES - 1 == simulator.count("link", 404)

    simulator.fail("link", 404, times=TRIES, shape="html")
    with pytest.raises(RequestNotFound):
        await ask(ready)
    assert 2 * TRIES - 1 == simulator.count("link", 404)


async def test_failed(ask, simulator):
    """
    A request that ended in ERROR after all has failed.
    """
    request_id = simulator.add_request("ITEM_MX", START, status="ERROR")

    with pytest.raises(ReportFailed) as caught:
        await ask(request_id)

    assert request_id == caught.value.request_id


@pytest.mark.parametrize("trouble", [500, 503, "lose", "refuse", "hang", "html", "empty", "cut"])
async def test_outage(ask, ready, simulator, clock, trouble):
    """
    Ten minutes in which the API fails cost neither the wait nor the budget.
    """
    simulator.fail("link", trouble, times=999)
    got = []

    async def job():
        got.append(await ask(ready))

    async with anyio.create_task_group() as group:
        group.start_soon(job)
        await clock.sleep(600)
        assert [] == got
        simulator.heal()

    assert 1 == len(got)
    assert clock.monotonic() < 900
    assert 0 == simulator.count("link", 429)


@pytest.mark.parametrize("trouble", [503, "refuse"])
async def test_outage_without_end(ask, ready, simulator, clock, trouble):
    """
    An API that keeps failing is told after a quarter of an hour or so.
    """
    simulator.fail("link", trouble, times=999)

    with pytest.raises(ServerError if trouble == 503 else TransportError):
        await ask(ready, limit=None)

    assert TRIES == simulator.count("link")
    assert 750 < clock.monotonic() < 2400


async def test_outages_apart(ask, ready, simulator, new_api):
    """
    An answer in between begins the count of failures anew.
    """
    api = new_api(simulator, transport=NotYet)
    for _ in range(2):
        simulator.fail("link", 503, times=TRIES - 1)
        simulator.delay("link", 0)

    await ask(ready, api=api, limit=None)

    assert 2 * (TRIES - 1) == simulator.count("link", 503)


async def test_refused_credentials(ask, ready, simulator):
    """
    Credentials that are refused end the wait at once.
    """
    simulator.fail("token", 400, times=9)

    with pytest.raises(AuthenticationError):
        await ask(ready)

    assert 1 == simulator.count("token")


async def test_budget(ask, api, ready, simulator, clock):
    """
    Without a call left, the next one is waited for and not made before.
    """
    for _ in range(20):
        await ask(ready)
    await ask(ready)

    assert 180 == pytest.approx(clock.monotonic(), abs=2)
    assert 0 == simulator.count("link", 429)


async def test_refused_for_the_budget(ask, ready, simulator, clock):
    """
    A 429 is waited out for as long as it says: another program spends from the same budget.
    """
    simulator.fail("link", 429)

    await ask(ready)

    assert 180 == pytest.approx(clock.monotonic(), abs=5)
    assert 2 == simulator.count("link")


async def test_429_that_says_now(clock, ask, ready, simulator, new_api):
    """
    A server that refuses and says "now" is not hammered.
    """

    class Impatient(SimulatorTransport):
        async def send(self, request, *, timeout):
            response = await super().send(request, timeout=timeout)
            if response.status == 429:
                return evolve(response, headers={**response.headers, "retry-after": "0"})
            return response

    simulator.fail("link", 429, times=9999)

    with pytest.raises(ReportTimedOut):
        await ask(ready, api=new_api(simulator, transport=Impatient))

    assert simulator.count("link") < 7200 / 60


async def test_limit(ask, ready, simulator, clock, new_api):
    """
    A link that does not come within the limit is given up, with the request's id to resume it by.
    """
    api = new_api(simulator, transport=NotYet)
    api._transport.missing = 999

    with pytest.raises(ReportTimedOut) as caught:
        await ask(ready, api=api, limit=600.0)

    assert ("link", 600.0) == (caught.value.limit, pytest.approx(caught.value.waited))
    assert ready == caught.value.request_id
    assert 11 == simulator.count("link")


async def test_limit_of_the_budget(ask, api, ready, simulator, clock):
    """
    Where the budget opens only after the limit, nobody waits for it.
    """
    api.budgets[Endpoint.LINK] = Bucket().refused(0.0, retry_in=3600.0)

    with pytest.raises(ReportTimedOut) as caught:
        await ask(ready, limit=600.0)

    assert 0.0 == caught.value.waited == clock.monotonic()
    assert 0 == simulator.count("link")


async def test_one_after_the_other(clock, ready, ask, new_api):
    """
    Many who want a link at once get it as the budget allows, without a single refusal.
    """
    simulator = Simulator(rules=Rules(budget=5))
    api = new_api(simulator)
    ids = [
        simulator.add_request(f"TYPE_{number}", START - timedelta(hours=1), status="READY")
        for number in range(9)
    ]
    api.budgets[Endpoint.LINK] = Bucket(capacity=5, tokens=5.0)

    async with anyio.create_task_group() as group:
        for number, request_id in enumerate(ids):
            simulator.delay("link", 9 - number, only=request_id)
            group.start_soon(lambda request_id=request_id: ask(request_id, api=api))

    assert 9 == simulator.count("link", 200)
    assert 0 == simulator.count("link", 429)
    assert 4 * 180 == pytest.approx(clock.monotonic(), abs=30)


async def test_no_slot_while_waiting(api, ready, simulator, clock):
    """
    Who waits for a call keeps nobody from downloading; who has a link has a slot as well.
    """
    slots = anyio.CapacityLimiter(1)
    links = Links(api, clock=clock, limit=None)
    api.budgets[Endpoint.LINK] = Bucket().refused(0.0, retry_in=600.0)

    async with anyio.create_task_group() as group:
        group.start_soon(lambda: links.get(ready, Slot(slots), report_type="ITEM_MX"))
        await clock.sleep(590.0)
        assert 0 == slots.borrowed_tokens

    assert 1 == slots.borrowed_tokens
    assert 1 == simulator.count("link")


async def test_no_slot_between_two_tries(ready, clock, new_api, simulator):
    """
    While a link that is not there yet is waited for, others may download.
    """
    slots = anyio.CapacityLimiter(1)
    links = Links(new_api(simulator, transport=NotYet), clock=clock, limit=None)
    held = []

    async with anyio.create_task_group() as group:
        group.start_soon(lambda: links.get(ready, Slot(slots), report_type="ITEM_MX"))
        for _ in range(4):
            await clock.sleep(PAUSE / 2)
            held.append(slots.borrowed_tokens)
            await clock.sleep(PAUSE / 2)

    assert [0, 0, 0, 1] == held


async def test_in_the_order_of_asking(api, simulator, clock):
    """
    Links are asked for in turn, and one that has to be asked for again is behind the others.
    """
    names = [f"TYPE_{number}" for number in range(5)]
    ids = {
        name: simulator.add_request(name, START - timedelta(hours=1), status="READY")
        for name in names
    }
    simulator.fail("link", 503, only="TYPE_1")
    links = Links(api, clock=clock, limit=None)
    slots = anyio.CapacityLimiter(9)
    api.budgets[Endpoint.LINK] = Bucket().refused(0.0, retry_in=180.0)

    async with anyio.create_task_group() as group:
        for name in names:
            group.start_soon(lambda name=name: links.get(ids[name], Slot(slots), report_type=name))
            await anyio.sleep(1.0)
        assert "<Links, 4 wait for their turn>" == repr(links)

    asked = [call.report_type for call in simulator.calls if call.endpoint == "link"]
    assert [*names, "TYPE_1"] == asked


async def test_a_call_that_was_taken(new_api, clock):
    """
    A call that another has made while a slot was waited for is not made again: the slot is left.
    """
    simulator = Simulator(rules=Rules(budget=1))
    ready = simulator.add_request("ITEM_MX", START - timedelta(minutes=10), status="READY")
    api = new_api(simulator)
    api.budgets[Endpoint.LINK] = Bucket(capacity=1, tokens=1.0)
    slots = anyio.CapacityLimiter(1)
    other, ours = Slot(slots), Slot(slots)
    await other.take()
    links = Links(api, clock=clock, limit=None)

    async with anyio.create_task_group() as group:
        group.start_soon(lambda: links.get(ready, ours, report_type="ITEM_MX"))
        await clock.sleep(10.0)
        await api.link(ready)
        other.leave()
        await clock.sleep(100.0)
        assert 0 == slots.borrowed_tokens

    assert 190 == pytest.approx(clock.monotonic(), abs=5)
    assert 2 == simulator.count("link", 200)
    assert 0 == simulator.count("link", 429)
