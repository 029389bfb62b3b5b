"""The API's verbs, awaited: tokens, retries, budgets and clock skew on each call."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from itertools import pairwise

import anyio
import pytest
from attrs import evolve

from reports_async import (
    AuthenticationError,
    Credentials,
    InvalidRequest,
    RateLimited,
    RequestNotFound,
    ServerError,
    TransportError,
)
from reports_async._api import SAFE_TRIES, Api
from reports_async._http import HTTPResponse
from reports_async._sansio.endpoints import Endpoint, ListQuery, Site
from reports_async.testing import LoopClock, Rules, Simulator, SimulatorTransport

pytestmark = pytest.mark.anyio

BASE = "https://api.example"
TOKEN = {"access_token": "secret-token", "expires_in": 900}
STATUS = {"requestId": "R1", "requestStatus": "INPROGRESS"}


def reply(document, *, status=200, **headers):
    """A reply in JSON; underscores in the names of headers stand for hyphens."""
    named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
    return HTTPResponse(status=status, headers=named, body=json.dumps(document).encode())


def failure(status, code="", **headers):
    return reply({"error": [{"code": code, "description": "No."}]}, status=status, **headers)


class ScriptedTransport:
    """
    Answers calls from a script, token calls from one of their own; an exception is raised.
    """

    def __init__(self, *script, tokens=()):
        self.script = list(script)
        self.tokens = list(tokens)
        self.sent = []
        self.times = []

    async def send(self, request, *, timeout):
        await anyio.lowlevel.checkpoint()
        self.sent.append(request)
        self.times.append(anyio.current_time())
        if request.url.endswith("/v3/token"):
            answer = self.tokens.pop(0) if self.tokens else reply(TOKEN)
        else:
            answer = self.script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def count(self, word):
        return sum(word in request.url for request in self.sent)


def make_api(transport, clock, *, call_timeout=30.0):
    return Api(
        Site(base_url=BASE),
        Credentials("id", "very-secret"),
        transport=transport,
        clock=clock,
        call_timeout=call_timeout,
    )


@pytest.fixture
def scripted(clock):
    """Make an Api whose calls are answered as scripted, and its transport."""

    def make(*script, tokens=()):
        transport = ScriptedTransport(*script, tokens=tokens)
        return make_api(transport, clock), transport

    return make


@pytest.fixture
def api(simulator, clock):
    return make_api(SimulatorTransport(simulator, clock), clock)


async def create(api, report_type="ITEM_MX"):
    return await api.create(report_type=report_type, version="v1", body="{}")


# -- tokens ---------------------------------------------------------------------------------------


async def test_one_token_for_many_calls(api, simulator):
    """
    The first call gets a token, the next ones use it.
    """
    request = await create(api)
    await api.status(request.request_id)
    await api.page(ListQuery())

    assert 1 == simulator.count("token")
    assert 0 == len(simulator.violations)


async def test_authorize(api, simulator):
    """
    A token can be had ahead, so that the next call is one call only.
    """
    await api.authorize()
    await api.authorize()

    assert [("token", 200)] == [(call.endpoint, call.status) for call in simulator.calls]


async def test_bad_credentials_for_a_hundred(clock):
    """
    A hundred calls with bad credentials cost one token call, and each is told.
    """
    simulator = Simulator(rules=Rules(credentials={"id": "another secret"}))
    api = make_api(SimulatorTransport(simulator, clock), clock)
    got = []

    async def call():
        with pytest.raises(AuthenticationError, match="credentials were refused") as caught:
            await api.status("R1")
        got.append(caught.value.status)

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(call)

    assert [400] * 100 == got
    assert {"token": 1} == Counter(call.endpoint for call in simulator.calls)


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_bad_credentials_are_not_tried_again(scripted, status):
    """
    Credentials that are refused, by whichever status, are never tried again.
    """
    api, transport = scripted(tokens=[failure(status)] * 9)

    with pytest.raises(AuthenticationError) as caught:
        await create(api)

    assert 1 == len(transport.sent)
    assert "very-secret" not in str(caught.value)


async def test_token_refused_on_a_create(api, simulator):
    """
    A create that meets a 401 is sent again with a new token, and one is accepted.
    """
    await api.authorize()
    simulator.expire_token()

    await create(api)

    calls = [(call.endpoint, call.status) for call in simulator.calls]
    assert [("token", 200), ("create", 401), ("token", 200), ("create", 200)] == calls
    assert 1 == simulator.creates("ITEM_MX")


async def test_token_refused_twice(scripted):
    """
    A token is renewed once for a 401; a second one is told, with the request, not the token.
    """
    api, transport = scripted(failure(401), failure(401))

    with pytest.raises(AuthenticationError) as caught:
        await api.status("R1")

    assert 2 == transport.count("/v3/token")
    assert 2 == transport.count("/R1")
    assert ("R1", 401) == (caught.value.request_id, caught.value.status)
    assert "secret-token" not in str(caught.value)


async def test_token_expires_between_calls(api, simulator, clock):
    """
    Over 45 minutes of calls the token is renewed ahead of time: no call is ever refused for it.
    """
    request = await create(api)
    for _ in range(9):
        await clock.sleep(300)
        await api.status(request.request_id)

    assert 4 == simulator.count("token")
    assert 0 == simulator.count("status", 401)


@pytest.mark.parametrize("trouble", ["refuse", "lose", 500, 503, "html", "empty"])
async def test_token_call_tried_again(api, simulator, trouble):
    """
    A token call that fails for other reasons than the credentials is tried again.
    """
    simulator.fail("token", trouble, times=SAFE_TRIES - 1)

    await create(api)

    assert SAFE_TRIES == simulator.count("token")
    assert 1 == simulator.count("create")


@pytest.mark.parametrize("look", [False, True])
async def test_token_call_given_up(api, simulator, look):
    """
    A token call that keeps failing is given up, and no call is sent, be it safe to repeat or not.
    """
    simulator.fail("token", 503, times=99)

    with pytest.raises(ServerError, match="token") as caught:
        await (api.status("R1") if look else create(api))

    assert SAFE_TRIES == simulator.count("token") == len(simulator.calls)
    assert None is caught.value.__context__


async def test_token_outage_is_no_stampede(api, simulator):
    """
    Fifty callers during an outage of the token call cost no more calls than a few.
    """
    simulator.fail("token", 503, times=9999)

    async def call():
        with pytest.raises(ServerError):
            await create(api)

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(call)

    assert SAFE_TRIES == simulator.count("token")


# -- tries ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [500, 503, 504, 520, "lose", "refuse", "html", "cut"])
async def test_safe_calls_are_tried_again(api, simulator, clock, trouble):
    """
    A call that changes nothing is tried again, after a growing pause.
    """
    request = await create(api)
    simulator.fail("status", trouble, times=SAFE_TRIES - 1)
    began = clock.monotonic()

    found = await api.status(request.request_id)

    assert request.request_id == found.request_id
    assert SAFE_TRIES == simulator.count("status")
    assert 3.5 <= clock.monotonic() - began <= 7.0


async def test_pauses_are_jittered(clock):
    """
    The pauses between tries double, half of each is chance, and no two callers have the same.
    """
    transport = ScriptedTransport(*[TransportError("no answer")] * 2 * SAFE_TRIES)
    api = make_api(transport, clock)
    runs = []
    for _ in range(2):
        transport.times.clear()
        with pytest.raises(TransportError):
            await api.link("R1")
        runs.append([later - earlier for earlier, later in pairwise(transport.times[-SAFE_TRIES:])])

    for pauses in runs:
        assert all(
            whole / 2 <= pause <= whole for whole, pause in zip((1, 2, 4), pauses, strict=True)
        )
    assert runs[0] != runs[1]


@pytest.mark.parametrize(
    "call",
    [
        lambda api: api.status("R1"),
        lambda api: api.page(ListQuery(request_id="R1")),
        lambda api: api.link("R1"),
    ],
    ids=["status", "list", "link"],
)
async def test_tries_are_limited(scripted, call):
    """
    Safe calls are given up after so many tries, with an error that names the request.
    """
    api, transport = scripted(*[TransportError("no answer")] * 9)

    with pytest.raises(TransportError) as caught:
        await call(api)

    assert SAFE_TRIES == transport.count("R1")
    assert "R1" == caught.value.request_id


@pytest.mark.parametrize("trouble", [400, 403, 404, 429])
async def test_refusals_are_not_tried_again(scripted, trouble):
    """
    What the API refused, it would refuse again.
    """
    api, transport = scripted(failure(trouble))

    with pytest.raises((InvalidRequest, AuthenticationError, RequestNotFound, RateLimited)):
        await api.status("R1")

    assert 1 == transport.count("R1")


async def test_no_second_try_without_a_token(scripted):
    """
    A call that failed is not repeated when its budget has nothing left for it.
    """
    empty = failure(503, x_current_token_count=0)
    api, transport = scripted(empty)

    with pytest.raises(ServerError):
        await api.link("R1")

    assert 1 == transport.count("R1")


@pytest.mark.parametrize("trouble", [500, 503, 504, "lose", "refuse", "html", "empty", "cut"])
async def test_create_is_never_repeated(api, simulator, trouble):
    """
    A create whose outcome is unknown goes out once, and no more.
    """
    simulator.fail("create", trouble, after_acting=isinstance(trouble, int))

    with pytest.raises((TransportError, ServerError)) as caught:
        await create(api)

    assert 1 == simulator.count("create")
    assert "ITEM_MX" == caught.value.report_type


async def test_create_that_hangs(api, simulator, clock):
    """
    A create that is never answered ends after the call's time, as a broken connection does.
    """
    simulator.fail("create", "hang")
    await api.authorize()
    began = clock.monotonic()

    with pytest.raises(TransportError) as caught:
        await create(api)

    assert 30 == pytest.approx(clock.monotonic() - began)
    assert "ITEM_MX" == caught.value.report_type
    assert 1 == simulator.creates()


async def test_defect(scripted):
    """
    An error that no transport may raise passes as it is, at once.
    """
    api, transport = scripted(ValueError("defect"))

    with pytest.raises(ValueError, match="defect"):
        await api.status("R1")

    assert 1 == transport.count("R1")


# -- pages ----------------------------------------------------------------------------------------


async def listed(api):
    return [request async for request in api.requests(ListQuery())]


def page(*ids, cursor=None):
    entries = [{"requestId": name, "requestStatus": "READY"} for name in ids]
    return reply({"requests": entries, "totalCount": 99, "nextCursor": cursor})


async def test_pages_are_followed(scripted):
    """
    The cursor is the next page's whole query, and the last page has none.
    """
    api, transport = scripted(page("R1", "R2", cursor="reportType=A&page=2&limit=2"), page("R3"))

    assert ["R1", "R2", "R3"] == [request.request_id for request in await listed(api)]
    assert f"{BASE}/v3/reports/reportRequests?reportType=A&page=2&limit=2" == transport.sent[-1].url


async def test_pages_on_demand(scripted):
    """
    A page is fetched when the one before it is read, not earlier.
    """
    api, transport = scripted(page("R1", cursor="page=2"))
    requests = api.requests(ListQuery())

    assert "R1" == (await anext(requests)).request_id
    assert 1 == transport.count("reportRequests")
    await requests.aclose()


@pytest.mark.parametrize(
    "script",
    [
        [page("R1", cursor="page=2"), page("R2", cursor="page=2")],
        [page("R1", cursor="page=2"), page("R2", cursor="page=3"), page(cursor="page=4")],
    ],
    ids=["repeated cursor", "empty page"],
)
async def test_pages_end(scripted, script):
    """
    A cursor that comes back and an empty page end the list.
    """
    api, transport = scripted(*script)

    assert ["R1", "R2"] == [request.request_id for request in await listed(api)]
    assert [] == transport.script


async def test_pages_under_the_budget(scripted):
    """
    A page that the server would refuse is not asked for: the list breaks off with the time.
    """
    first = page("R1", cursor="reportType=ITEM_MX&page=2")
    spent = HTTPResponse(status=200, headers={"x-current-token-count": "0"}, body=first.body)
    api, transport = scripted(spent)
    requests = api.requests(ListQuery(report_type="ITEM_MX"))

    assert "R1" == (await anext(requests)).request_id
    with pytest.raises(RateLimited) as caught:
        await anext(requests)

    assert "ITEM_MX" == caught.value.report_type
    assert 1 == transport.count("reportRequests")


@pytest.mark.parametrize("quirk", [{}, {"repeat_cursor": True}, {"empty_page": True}])
async def test_pages_of_the_simulator(clock, quirk):
    """
    All requests come once, however the server ends its list.
    """
    simulator = Simulator(rules=Rules(**quirk))
    api = make_api(SimulatorTransport(simulator, clock), clock)
    ids = [
        simulator.add_request(f"TYPE_{number}", clock.now() - timedelta(minutes=number))
        for number in range(30)
    ]

    assert ids == list(dict.fromkeys(request.request_id for request in await listed(api)))


# -- budgets and skew -----------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [3600.0, -3600.0, 0.0])
@pytest.mark.parametrize(
    "rules",
    [
        Rules(retry_after="seconds", replenishment="none"),
        Rules(retry_after="date", replenishment="none"),
        Rules(retry_after="none", replenishment="ms"),
        Rules(retry_after="none", replenishment="iso"),
        Rules(retry_after="none", replenishment="alternative"),
        Rules(),
    ],
    ids=["seconds", "date", "ms", "iso", "alternative", "all"],
)
async def test_retry_at(clock, rules, ahead):
    """
    A 429 tells by our clock when to try again, whatever the server's clock and words for it.
    """
    simulator = Simulator(rules=rules)
    theirs = LoopClock(start=clock.now() + timedelta(seconds=ahead))
    theirs.now()
    other = make_api(SimulatorTransport(simulator, theirs), clock)
    for _ in range(20):
        with pytest.raises(RequestNotFound):
            await other.link("R1")
    await clock.sleep(38.25)
    api = make_api(SimulatorTransport(simulator, theirs), clock)

    with pytest.raises(RateLimited) as caught:
        await api.link("R1")

    wait = (caught.value.retry_at - clock.now()).total_seconds()
    assert 180 - 38.25 == pytest.approx(wait, abs=2.1)
    assert wait == pytest.approx(api.budgets[Endpoint.LINK].wait(clock.monotonic()), abs=0.01)
    assert ahead == pytest.approx(api.skew.offset, abs=1.0)


async def test_skew_without_dates(scripted, clock):
    """
    A server that sends no Date tells its time by the submission of what we made.
    """
    submitted = (clock.now() + timedelta(hours=1)).isoformat()
    made = {**STATUS, "requestSubmissionDate": submitted}
    api, _ = scripted(reply(made), reply(STATUS), reply(made))

    await create(api)
    assert 3600 == pytest.approx(api.skew.offset, abs=1)
    await create(api)
    assert 3600 == pytest.approx(api.skew.offset, abs=1)


async def test_skew_of_dates(scripted, clock):
    """
    Where the server sends dates, those tell its time, not the submissions.
    """
    submitted = (clock.now() + timedelta(hours=1)).isoformat()
    date = clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT")
    api, _ = scripted(reply({**STATUS, "requestSubmissionDate": submitted}, date=date))

    await create(api)

    assert 0 == pytest.approx(api.skew.offset, abs=1)


async def test_retry_at_untold(scripted, clock):
    """
    A 429 without any time leaves the budget empty for one refill.
    """
    api, _ = scripted(failure(429))

    with pytest.raises(RateLimited) as caught:
        await api.link("R1")

    assert caught.value.retry_at is None
    assert 180 == pytest.approx(api.budgets[Endpoint.LINK].wait(clock.monotonic()))


@pytest.mark.parametrize("call", [Api.link, Api.status], ids=["link", "status"])
async def test_no_token_no_call(scripted, clock, call):
    """
    A call that is not sent, because there is no token for it, costs nothing of the budget.
    """
    api, transport = scripted(tokens=[failure(500)] * 99)
    for _ in range(3):
        with pytest.raises(ServerError):
            await call(api, "R1")
    with anyio.move_on_after(0.5):
        await call(api, "R1")
    with pytest.raises(ServerError):
        await create(api)

    assert {20} == {bucket.available(clock.monotonic()) for bucket in api.budgets.values()}
    assert 0 == transport.count("reportRequests")


async def test_last_call_of_a_budget(api, simulator, clock):
    """
    The last call is nobody else's while its token is waited for.
    """
    api.budgets[Endpoint.LINK] = evolve(api.budgets[Endpoint.LINK], tokens=1.0, as_of=0.0)
    simulator.delay("token", 20)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(api.link, "R1")
        await anyio.wait_all_tasks_blocked()
        assert not api.affords(Endpoint.LINK)
        tasks.cancel_scope.cancel()

    assert api.affords(Endpoint.LINK)


@pytest.mark.parametrize(("told", "wait"), [(3600, 3600), (7000, 7000), (10**6, 7200)])
async def test_long_refusal(scripted, clock, told, wait):
    """
    A 429 is obeyed for as long as it says, but for two hours at most: then it is asked again.
    """
    api, _ = scripted(failure(429, retry_after=told))

    with pytest.raises(RateLimited) as caught:
        await api.link("R1")

    assert clock.now() + timedelta(seconds=wait) == caught.value.retry_at
    assert wait == pytest.approx(api.budgets[Endpoint.LINK].wait(clock.monotonic()))


async def test_create_refused_for_the_hour(clock):
    """
    A create that meets a taken hour is told when it opens, where the server tells.
    """
    simulator = Simulator(rules=Rules(hourly_retry_after=True))
    api = make_api(SimulatorTransport(simulator, clock), clock)
    await create(api)
    await clock.sleep(600)

    with pytest.raises(RateLimited) as caught:
        await create(api)

    assert 3000 == pytest.approx((caught.value.retry_at - clock.now()).total_seconds(), abs=2)


async def test_hour_code_with_another_status(scripted):
    """
    A threshold violation that does not come as 429 is a refusal all the same.
    """
    api, _ = scripted(failure(400, "REQUEST_THRESHOLD_VIOLATED.GMP_GATEWAY_API"))

    with pytest.raises(RateLimited):
        await create(api)


async def test_budgets_are_learned(scripted, clock):
    """
    Each endpoint's count is what its own replies tell.
    """
    api, _ = scripted(reply(STATUS, x_current_token_count=3))

    await api.status("R1")

    now = clock.monotonic()
    assert 3 == api.budgets[Endpoint.STATUS].available(now)
    assert 20 == api.budgets[Endpoint.LIST].available(now)


async def test_others_at_one_kind_of_look(scripted, clock):
    """
    Where others take status calls, the last list call may be gone as well; links are not looks.
    """
    counts = (19, 12)
    api, _ = scripted(*(reply(STATUS, x_current_token_count=count) for count in counts))

    await api.status("R1")
    assert 20 == api.budgets[Endpoint.LIST].available(clock.monotonic())
    await clock.sleep(900.0)
    await api.status("R1")

    assert 19 == api.budgets[Endpoint.LIST].available(clock.monotonic())
    assert 11 == api.budgets[Endpoint.STATUS].available(clock.monotonic())
    assert 20 == api.budgets[Endpoint.LINK].available(clock.monotonic())


async def test_every_try_is_counted(scripted, clock):
    """
    A call that got no answer may have cost a token: it counts.
    """
    api, _ = scripted(TransportError("no answer"), reply(STATUS))

    await api.status("R1")

    assert 18 == api.budgets[Endpoint.STATUS].available(clock.monotonic())


async def test_overtaken_replies(clock):
    """
    Of replies that overtake each other, the highest count is not believed: it is the oldest.
    """

    class Slow(ScriptedTransport):
        async def send(self, request, *, timeout):
            answer = await super().send(request, timeout=timeout)
            await clock.sleep(float(answer.headers.get("x-delay", "0")))
            return answer

    slow = reply(STATUS, x_current_token_count=1, x_delay=9)
    quick = reply(STATUS, x_current_token_count=0, x_delay=1)
    transport = Slow(slow, quick, reply(STATUS, x_current_token_count=7))
    api = make_api(transport, clock)
    await api.authorize()

    async with anyio.create_task_group() as group:
        group.start_soon(api.status, "R1")
        group.start_soon(api.status, "R1")

    assert 0 == api.budgets[Endpoint.STATUS].available(clock.monotonic())
    await api.status("R1")
    assert 7 == api.budgets[Endpoint.STATUS].available(clock.monotonic())


async def test_one_token_for_two(api, simulator, clock):
    """
    Two that wait for one call of the budget do not both take it, though the access token is old.
    """
    request = await create(api)
    for _ in range(20):
        await api.link(request.request_id)
    await clock.sleep(170)
    simulator.expire_token()
    api._auth.invalidate(api._auth._value)
    times = []

    async def call():
        assert await api.afford(Endpoint.LINK)
        await api.link(request.request_id)
        times.append(clock.monotonic())

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(call)

    assert 0 == simulator.count("link", 429)
    assert [180, 360, 540] == [pytest.approx(time, abs=3) for time in times]


async def test_afford(scripted, clock):
    """
    Who asks for a call waits until the budget has one.
    """
    api, _ = scripted(failure(429, retry_after=142))
    assert await api.afford(Endpoint.LINK)
    with pytest.raises(RateLimited):
        await api.link("R1")

    assert await api.afford(Endpoint.LINK)
    assert 142 == pytest.approx(clock.monotonic(), abs=0.1)


async def test_afford_no_longer(scripted, clock):
    """
    Where the call would come too late, nobody waits for it.
    """
    api, _ = scripted(failure(429, retry_after=142))
    with pytest.raises(RateLimited):
        await api.link("R1")

    assert not await api.afford(Endpoint.LINK, until=clock.monotonic() + 141)
    assert 0 == clock.monotonic()
    assert await api.afford(Endpoint.LINK, until=clock.monotonic() + 143)


@pytest.mark.parametrize(
    ("others", "since", "waits"), [(1 / 360, 0.0, 20.0), (0.0, 179.0, 0.0), (0.0, 180.0, 20.0)]
)
async def test_afford_one_by_one(simulator, clock, others, since, waits):
    """
    Where other programs spend as well, or may have, a call waits for the reply to the one before.
    """
    api = Api(
        Site(base_url=BASE),
        Credentials("id", "secret"),
        transport=SimulatorTransport(simulator, clock),
        clock=clock,
        call_timeout=None,
    )
    known = simulator.add_request("A", clock.now(), status="READY")
    await api.authorize()
    taken = api.budgets[Endpoint.LINK].learn(clock.monotonic(), tokens=9, next_in=90.0)
    api.budgets[Endpoint.LINK] = evolve(taken, drain=others)
    await clock.sleep(since)
    simulator.delay("link", 20)
    began = clock.monotonic()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(api.link, known)
        await anyio.wait_all_tasks_blocked()
        assert await api.afford(Endpoint.LINK)
        waited = clock.monotonic() - began

    assert waits <= waited <= waits + 1


async def test_check_beside_others(scripted, clock):
    """
    Beside a program that takes whatever comes, a plain call is made while calls are left.
    """
    api, _ = scripted(reply(STATUS, x_current_token_count=9))
    await api.status("R1")
    bucket = api.budgets[Endpoint.STATUS]
    greedy = evolve(bucket, drain=1 / 180, next_at=clock.monotonic() + 90, polite=False)
    api.budgets[Endpoint.STATUS] = greedy

    assert greedy.contended
    assert not greedy.available(clock.monotonic())
    api.check(Endpoint.STATUS)


@pytest.mark.parametrize("shared", [False, True])
async def test_polite(scripted, shared):
    """
    Who shares the store is believed to leave the last call, and at links all, until one is refused.
    """
    api, _ = scripted(reply(STATUS), failure(429), failure(429), reply(STATUS))
    polite = []

    def note():
        polite.append([api.budgets[kind].polite for kind in (Endpoint.LINK, Endpoint.STATUS)])

    await api.status("R1")
    note()
    for shares in (False, shared):
        api.shared = shares
        with pytest.raises(RateLimited):
            await api.link("R1")
        note()
    await api.status("R1")
    note()

    assert [[True, False], [False, False], [False, False], [shared, shared]] == polite


async def test_check(scripted, clock):
    """
    A call that the server said it would refuse is refused here, with the time, until then.
    """
    api, _ = scripted(reply(STATUS, x_current_token_count=0))
    api.check(Endpoint.STATUS)
    await api.status("R1")

    with pytest.raises(RateLimited, match="Nothing was sent") as caught:
        api.check(Endpoint.STATUS, report_type="ITEM_MX", request_id="R1")

    error = caught.value
    assert (429, "CALL_BUDGET_SPENT") == (error.status, error.code)
    assert ("ITEM_MX", "R1") == (error.report_type, error.request_id)
    assert 180 == pytest.approx((error.retry_at - clock.now()).total_seconds())
    api.check(Endpoint.LIST)
    await clock.sleep(180)
    api.check(Endpoint.STATUS)


async def test_check_of_the_prior(scripted):
    """
    What only the published figures say refuses nothing.
    """
    api, _ = scripted(*[reply(STATUS)] * 20)
    for _ in range(20):
        await api.status("R1")

    assert 0 == api.budgets[Endpoint.STATUS].available(0.0)
    api.check(Endpoint.STATUS)


async def test_repr(api, clock):
    """
    It tells where it calls and what is left, and no secret.
    """
    request = await create(api)
    await api.link(request.request_id)

    assert f"<Api {BASE}, calls left: list 20, status 20, link 19>" == repr(api)
