"""One poller for all waiting jobs: pace, budgets, and what each kind of trouble means to a wait."""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise
from types import SimpleNamespace

import anyio
import pytest
from attrs import define, evolve, field

from reports_async import (
    AuthenticationError,
    Credentials,
    InvalidRequest,
    JobRecord,
    JobStatus,
    MemoryStore,
    PollSchedule,
    RequestNotFound,
    RequestStatus,
    StoreError,
)
from reports_async._api import Api
from reports_async._hearsay import EARLY, PAUSE
from reports_async._link import Links
from reports_async._overview import LEFT_OFF, _Rest
from reports_async._poller import Poller, Watch
from reports_async._quota import Gate
from reports_async._sansio.budget import Bucket
from reports_async._sansio.endpoints import Endpoint, ListQuery, Site
from reports_async._sansio.history import History
from reports_async._sansio.plan import UNSEEN_LIMIT
from reports_async._sansio.strictness import KEPT
from reports_async._setbacks import LAG, PATIENCE
from reports_async._slot import Slot
from reports_async._tasks import TrioTasks
from reports_async.testing import LoopClock, Rules, Simulator, SimulatorTransport

pytestmark = pytest.mark.anyio

ACCOUNT = "account"

ENDS = (RequestStatus.READY, RequestStatus.ERROR)


@define(eq=False)
class Waiter:
    """
    A job's side of a watch: notes when it is told what, and leaves at READY or ERROR.
    """

    poller: Poller
    clock: LoopClock
    told: list = field(factory=list)
    done: anyio.Event = field(factory=anyio.Event)
    watch: Watch = None

    def start(self, request_id, report_type, *, limit=5400.0, age=0.0, look_now=False):
        self.watch = Watch(
            request_id=request_id,
            report_type=report_type,
            submitted_at=self.clock.now() - timedelta(seconds=age),
            deadline=None if limit is None else self.clock.monotonic() + limit,
            tell=self.hear,
            look_now=look_now,
        )
        self.poller.watch(self.watch)

    def hear(self, news):
        if news is None or isinstance(news, Exception):
            self.end(news or "over")
        else:
            self.seen(news)

    def seen(self, request):
        self.note(request.raw_status)
        if request.status in ENDS:
            self.poller.unwatch(self.watch)
            self.done.set()

    def end(self, what):
        self.note(what)
        self.done.set()

    def note(self, what):
        self.told.append((self.clock.monotonic(), what))

    @property
    def words(self):
        return [what for _, what in self.told]

    @property
    def times(self):
        return [time for time, _ in self.told]

    async def outcome(self):
        """Wait for the end, and return what it was."""
        await self.done.wait()
        return self.words[-1]


@define
class Bench:
    """
    A poller at a simulator, and waiters for requests that are made as they are asked for.
    """

    simulator: Simulator
    clock: LoopClock
    api: Api
    poller: Poller
    store: MemoryStore
    history: History

    def wait_for(self, *types, **options):
        waiters = []
        for report_type in types:
            request_id = self.simulator.add_request(report_type, self.clock.now(), src="API")
            waiters.append(self.follow(request_id, report_type, **options))
        return waiters

    @property
    def looks(self):
        return self.simulator.count("list") + self.simulator.count("status")

    async def looked(self):
        """Wait until the first look is on its way."""
        while not self.looks:
            await self.clock.sleep(1)

    def follow(self, request_id, report_type, **options):
        waiter = Waiter(self.poller, self.clock)
        waiter.start(request_id, report_type, **options)
        return waiter


class ForgetfulStore(MemoryStore):
    """
    A store that can be down.
    """

    down = False
    reads = 0

    async def records(self, account, *, now, report_type=None):
        self.reads += 1
        if self.down:
            raise StoreError("The store is down.")
        return await super().records(account, now=now, report_type=report_type)


class HastyClock(LoopClock):
    """
    A clock that wakes a sleeper a hair early, and has nothing for one that asks for the hair.
    """

    hairs = 0

    async def sleep(self, seconds):
        if 0.0 < seconds < 1e-9:
            self.hairs += 1
            assert self.hairs < 100, "asked again and again"
        await super().sleep(max(0.0, seconds - 1e-10))


@pytest.fixture
def bench(clock):
    """
    Make a bench; on leaving it, whatever still waits is cancelled.
    """

    @asynccontextmanager
    async def make(simulator=None, *, transport=SimulatorTransport, clock=clock):
        simulator = simulator or Simulator()
        tasks = await TrioTasks.open()
        api = Api(
            Site(base_url="https://api.example"),
            Credentials("id", "secret"),
            transport=transport(simulator, clock),
            clock=clock,
            call_timeout=30.0,
        )
        schedule = PollSchedule()
        history = History(schedule.window)
        store = ForgetfulStore()
        gate = Gate(store, account=ACCOUNT, clock=clock, history=history)
        poller = Poller(
            api,
            gate=gate,
            clock=clock,
            tasks=tasks,
            schedule=schedule,
            history=history,
            places=lambda: 2,
        )
        try:
            yield Bench(simulator, clock, api, poller, store, history)
        finally:
            await tasks.aclose()

    return make


class EmptyLists(SimulatorTransport):
    """
    A server whose list shows nothing, and another page of it each time.
    """

    page = 1

    async def send(self, request, *, timeout):
        response = await super().send(request, timeout=timeout)
        if "/reportRequests?" in request.url and response.status == 200:
            self.page += 1
            body = f'{{"requests": [], "totalCount": 0, "nextCursor": "page={self.page}"}}'
            return evolve(response, body=body.encode())
        return response


class Pages(SimulatorTransport):
    """
    Notes which lists are asked for.
    """

    urls = ()

    async def send(self, request, *, timeout):
        if "/reportRequests?" in request.url:
            self.urls = (*self.urls, request.url)
        return await super().send(request, timeout=timeout)

    @property
    def further(self):
        return [url for url in self.urls if re.search(r"[?&]page=[2-9]", url)]


class Uncounted(Pages):
    """
    A server whose list does not say how many entries it has.
    """

    async def send(self, request, *, timeout):
        response = await super().send(request, timeout=timeout)
        return evolve(response, body=re.sub(rb'"totalCount": ?\d+, ?', b"", response.body))


class Picky(Pages):
    """
    A server that calls lists bad requests while their address has a word in it, or has not.
    """

    code = "INVALID_REQUEST_PARAM"
    field = "limit"
    refuses = staticmethod(lambda url: "limit=100" in url)

    async def send(self, request, *, timeout):
        response = await super().send(request, timeout=timeout)
        if "/reportRequests?" not in request.url or not self.refuses(request.url):
            return response
        error = {"code": self.code, "field": self.field, "description": "Bad."}
        return evolve(response, status=400, body=json.dumps({"errors": [error]}).encode())


class Broken(SimulatorTransport):
    """
    A transport with a defect.
    """

    async def send(self, request, *, timeout):
        await anyio.lowlevel.checkpoint()
        raise ValueError("a defect")


def calls(simulator, endpoint):
    return [call for call in simulator.calls if call.endpoint == endpoint]


# -- the pace -------------------------------------------------------------------------------------


async def test_ready(bench):
    """
    A request is looked at until it is READY, and then no more.
    """
    async with bench() as room:
        room.simulator.generation("ITEM_MX", 1000)
        (waiter,) = room.wait_for("ITEM_MX")
        assert "READY" == await waiter.outcome()
        looks = len(room.simulator.calls)
        await room.clock.sleep(3600)

        assert looks == len(room.simulator.calls)
        assert {"INPROGRESS", "READY"} == set(waiter.words)
        assert PollSchedule().first <= waiter.times[0] <= PollSchedule().cap
        assert 1000 <= waiter.times[-1] <= 1300


async def test_failed(bench):
    """
    An ERROR is told as soon as it is seen.
    """
    async with bench() as room:
        room.simulator.generation("ITEM_MX", 300)
        room.simulator.fail_generation("ITEM_MX")
        (waiter,) = room.wait_for("ITEM_MX")

        assert "ERROR" == await waiter.outcome()


async def test_look_at_the_window_s_end(bench):
    """
    A report that takes the whole 45 minutes is seen READY when they are over, not minutes later.
    """
    async with bench() as room:
        room.simulator.generation("ITEM_MX", 2700)
        (waiter,) = room.wait_for("ITEM_MX")
        await waiter.outcome()

        assert 2699.9 <= waiter.times[-1] <= 3000


async def test_pace(bench):
    """
    No two looks are closer than the schedule's first wait, nor much further apart than its cap.
    """
    async with bench() as room:
        room.simulator.never_ready("ITEM_MX")
        (waiter,) = room.wait_for("ITEM_MX")
        await waiter.outcome()

        gaps = [later - earlier for earlier, later in pairwise([0.0, *waiter.times[:-1]])]
        assert min(gaps) >= PollSchedule().first - 1
        assert max(gaps) <= PollSchedule().cap + 1


async def test_pace_by_age(bench):
    """
    A request that is old already is not made to wait like a new one.
    """
    async with bench() as room:
        request_id = room.simulator.add_request("ITEM_MX", room.clock.now(), status="READY")
        waiter = room.follow(request_id, "ITEM_MX", age=2700)

        assert "READY" == await waiter.outcome()
        assert waiter.times[0] <= 60


async def test_look_now(bench):
    """
    A request of unknown state is looked at when its wait begins.
    """
    async with bench() as room:
        request_id = room.simulator.add_request("ITEM_MX", room.clock.now(), status="READY")
        waiter = room.follow(request_id, "ITEM_MX", look_now=True)

        assert "READY" == await waiter.outcome()
        assert [0.0] == waiter.times


async def test_unknown_words(bench):
    """
    A status word that nobody listed is not the end, nor is a missing one.
    """
    async with bench() as room:
        room.simulator.generation("ITEM_MX", 5000)
        room.simulator.statuses("ITEM_MX", ["COOKING", "SUBMITTED", "ON HOLD", "READY"])
        (waiter,) = room.wait_for("ITEM_MX")
        await waiter.outcome()

        assert ["COOKING", "SUBMITTED", "ON HOLD", "READY"] == waiter.words


async def test_hurry(bench):
    """
    A notification is followed by a look at once, whatever the pace; unknown ids by none.
    """
    async with bench() as room:
        room.simulator.generation("ITEM_MX", 10)
        (waiter,) = room.wait_for("ITEM_MX")
        await room.clock.sleep(20)
        room.poller.hurry("another's")
        await room.clock.sleep(1)
        assert () == room.simulator.calls
        room.poller.hurry(waiter.watch.request_id)

        assert "READY" == await waiter.outcome()
        assert [21.0] == waiter.times


@pytest.mark.parametrize("ready", [False, True])
async def test_hurry_before_it_is_watched(bench, ready):
    """
    A notification that comes before anybody waits for its request counts when somebody does.
    """
    async with bench(Simulator(generation=0)) as room:
        request_id = room.simulator.add_request("ITEM_MX", room.clock.now())
        room.poller.hurry(request_id, ready=ready)
        room.poller.hurry(request_id)
        for number in range(EARLY - 1):
            room.poller.hurry(f"another's {number}", ready=True)
        await room.clock.sleep(5)
        assert () == room.simulator.calls
        waiter = room.follow(request_id, "ITEM_MX")

        assert "READY" == await waiter.outcome()
        assert [5.0] == waiter.times
        assert (0, 1) == (room.looks, room.simulator.count("link")) if ready else (1, 0)


async def test_too_many_before_they_are_watched(bench):
    """
    Of notifications that nobody waits for, only the newest are remembered.
    """
    async with bench(Simulator(generation=0)) as room:
        request_id = room.simulator.add_request("ITEM_MX", room.clock.now())
        room.poller.hurry(request_id, ready=True)
        for number in range(EARLY):
            room.poller.hurry(f"another's {number}")
        waiter = room.follow(request_id, "ITEM_MX")

        assert "READY" == await waiter.outcome()
        assert waiter.times[0] > 5.0


async def test_hurry_of_one_handle(bench):
    """
    A look that one handle of a request wants at once is made for all its handles.
    """
    async with bench() as room:
        room.simulator.never_ready("ITEM_MX")
        (first,) = room.wait_for("ITEM_MX")
        await room.clock.sleep(20)
        second = room.follow(first.watch.request_id, "ITEM_MX", look_now=True)
        await room.clock.sleep(1)

        assert [20.0] == first.times == second.times


async def test_hurry_during_a_look(bench):
    """
    A notification that comes while a look is under way is followed by another look.
    """
    async with bench() as room:
        room.simulator.never_ready("ITEM_MX")
        for endpoint in ("list", "status"):
            room.simulator.delay(endpoint, 20)
        (waiter,) = room.wait_for("ITEM_MX")
        await room.looked()
        room.simulator.generation("ITEM_MX", 1)
        room.poller.hurry(waiter.watch.request_id)
        await waiter.outcome()

        assert ["INPROGRESS", "READY"] == waiter.words
        assert waiter.times[0] == waiter.times[1]


async def test_nobody_waits(bench):
    """
    A poller stops with its last waiter and begins again with the next.
    """
    async with bench() as room:
        room.simulator.generation("ITEM_MX", 100)
        for _ in range(2):
            (waiter,) = room.wait_for("ITEM_MX")
            assert "READY" == await waiter.outcome()
            await anyio.wait_all_tasks_blocked()
            assert not room.poller._running
            room.poller.unwatch(waiter.watch)


async def test_nobody_waits_any_more(bench):
    """
    Who leaves in the middle of a look is told nothing of it.
    """
    async with bench() as room:
        for endpoint in ("list", "status"):
            room.simulator.delay(endpoint, 20)
        (waiter,) = room.wait_for("ITEM_MX", limit=None)
        await room.looked()
        room.poller.unwatch(waiter.watch)
        (other,) = room.wait_for("INVENTORY_MX", limit=None)
        await other.outcome()

        assert [] == waiter.told


# -- one list for all -----------------------------------------------------------------------------


async def test_one_list_for_many(bench):
    """
    While several jobs wait, each look is one list that serves all of them.
    """
    async with bench() as room:
        for name in ("A", "B", "C", "D", "E"):
            room.simulator.generation(name, 1000)
        waiters = room.wait_for("A", "B", "C", "D", "E")
        for waiter in waiters:
            assert "READY" == await waiter.outcome()

        assert 0 == room.simulator.count("status")
        assert {len(waiter.words) for waiter in waiters} == {room.simulator.count("list")}


async def test_two_handles_of_one_request(bench):
    """
    Two that wait for the same request share its looks; one that leaves does not disturb the other.
    """
    async with bench() as room:
        room.simulator.generation("ITEM_MX", 600)
        request_id = room.simulator.add_request("ITEM_MX", room.clock.now())
        first, second = (room.follow(request_id, "ITEM_MX") for _ in range(2))
        await room.clock.sleep(200)
        room.poller.unwatch(first.watch)
        assert "READY" == await second.outcome()

        assert first.words == second.words[: len(first.words)]
        assert len(second.words) == room.looks


async def test_strict_lists_of_types_alike(bench):
    """
    Where a list sees one type, the reports that are ready first say when to look for the others.
    """
    types = [f"TYPE_{number:02}" for number in range(12)]
    async with bench(Simulator(rules=Rules(strict_list=True))) as room:
        for number, name in enumerate(types):
            room.simulator.generation(name, 400 + number)
        waiters = room.wait_for(*types)
        for waiter in waiters:
            assert "READY" == await waiter.outcome()

        assert max(waiter.times[-1] for waiter in waiters) < 540


async def test_strict_lists(bench):
    """
    A list without a type that is refused is not asked for again: each type has one of its own.
    """
    async with bench(Simulator(rules=Rules(strict_list=True), generation=900)) as room:
        waiters = room.wait_for("A", "A", "B", "B")
        for waiter in waiters:
            assert "READY" == await waiter.outcome()
        more = room.wait_for("C", "C")
        for waiter in more:
            assert "READY" == await waiter.outcome()

        assert 1 == room.simulator.count("list", 400)
        assert {"A", "B", "C", None} == {call.report_type for call in calls(room.simulator, "list")}


async def test_lists_that_are_strict_no_more(bench):
    """
    Once a refusal is old, the list is asked without a type again: the server may have changed.
    """

    class Strict(Picky):
        field = "reportType"
        refuses = staticmethod(lambda url: "reportType=" not in url)

    async with bench(Simulator(generation=900), transport=Strict) as room:
        for waiter in room.wait_for("A", "B"):
            assert "READY" == await waiter.outcome()
        assert [None] == [call.report_type for call in calls(room.simulator, "list")][:1]
        assert None not in [call.report_type for call in calls(room.simulator, "list")][1:]
        await room.clock.sleep(KEPT.total_seconds())
        Strict.refuses = staticmethod(lambda url: False)
        for waiter in room.wait_for("C", "D"):
            assert "READY" == await waiter.outcome()

        assert None is calls(room.simulator, "list")[-1].report_type


async def test_a_limit_that_is_refused(bench):
    """
    A server that takes no limit is asked without one, and is not taken to want a type.
    """
    async with bench(Simulator(generation=900), transport=Picky) as room:
        for waiter in room.wait_for(*(f"TYPE_{number:02}" for number in range(27))):
            assert "READY" == await waiter.outcome()

        assert {None} == {call.report_type for call in calls(room.simulator, "list")}
        assert 0 == room.simulator.count("status")
        assert 1 == len([url for url in room.api._transport.urls if "limit=100" in url])


async def test_as_old_as_can_be(bench):
    """
    A request that is nearly 30 days old, beside many, asks for no list that begins before those.
    """
    async with bench(Simulator(generation=900)) as room:
        then = room.clock.now() - timedelta(days=29, hours=23, minutes=59)
        request_id = room.simulator.add_request("OLD", then, status="INPROGRESS")
        old = room.follow(request_id, "OLD", age=(room.clock.now() - then).total_seconds())
        for waiter in room.wait_for(*(f"TYPE_{number:02}" for number in range(27))):
            assert "READY" == await waiter.outcome()
        room.poller.unwatch(old.watch)

        assert {200} == {call.status for call in calls(room.simulator, "list")}
        assert {None} == {call.report_type for call in calls(room.simulator, "list")}


async def test_survey(bench):
    """
    Many of types that were never seen: the first list tells what took the reports before them.
    """
    types = [f"TYPE_{number:02}" for number in range(27)]
    simulator = Simulator(rules=Rules(max_page_limit=10), generation=2000)
    async with bench(simulator, transport=Pages) as room:
        for name in types:
            simulator.add_request(name, room.clock.now() - timedelta(hours=2))
        for waiter in room.wait_for(*types):
            assert "READY" == await waiter.outcome()

        first, *others = room.api._transport.urls
        assert "StartDate" not in first
        narrowed = [url for url in others if "requestStatus" in url]
        assert all("StartDate" in url for url in narrowed)
        # A few pages of all, as none was ready for so long.
        assert len(others) - len(narrowed) <= 3
        assert "<History 37 reports of 27 types>" == repr(room.history)


async def test_refused_lists(bench):
    """
    Where lists are refused with a type as well, the status calls do it.
    """
    async with bench(Simulator(generation=900)) as room:
        room.simulator.fail("list", 400, times=99)
        waiters = room.wait_for("A", "A")
        for waiter in waiters:
            assert "READY" == await waiter.outcome()

        assert [None, None, "A"] == [call.report_type for call in calls(room.simulator, "list")]
        assert 0 == room.simulator.count("status", 429)


async def test_refused_lists_without_status_calls(bench):
    """
    Where lists are refused and no status call is left, the poller does not hammer.
    """
    async with bench() as room:
        room.simulator.fail("list", 400, times=99)
        room.simulator.never_ready("A")
        room.api.budgets[Endpoint.STATUS] = Bucket().refused(0.0, retry_in=7200.0)
        waiters = room.wait_for("A", "A")

        assert ["over", "over"] == [await waiter.outcome() for waiter in waiters]
        assert room.simulator.count("list") < 25
        assert 0 == room.simulator.count("status")


async def test_a_refused_type_is_not_all_types(bench):
    """
    A list of one type that is refused says nothing about lists without a type.
    """
    async with bench(Simulator(generation=900)) as room:
        room.api.budgets[Endpoint.STATUS] = Bucket().learn(0.0, tokens=5, next_in=None)
        room.simulator.fail("list", 400, times=2, only="A")
        (alone,) = room.wait_for("A")
        assert "READY" == await alone.outcome()
        assert ["A", "A"] == [call.report_type for call in calls(room.simulator, "list")]
        many = room.wait_for("B", "C")
        for waiter in many:
            assert "READY" == await waiter.outcome()

        assert {None} == {call.report_type for call in calls(room.simulator, "list")[2:]}


async def test_trouble_of_one_type(bench):
    """
    The list of one type that fails puts off no other type.
    """
    async with bench(Simulator(rules=Rules(strict_list=True), generation=500)) as room:
        room.simulator.fail("list", 503, times=9999, only="A")
        room.wait_for("A", "A")
        good = room.wait_for("B", "B")
        for waiter in good:
            assert "READY" == await waiter.outcome()
            assert waiter.times[-1] < 900


async def test_pages(bench):
    """
    Pages are read until every waiting request was seen, and no further.
    """
    async with bench(Simulator(generation=500)) as room:
        waiters = room.wait_for("A", "B")
        for number in range(15):
            room.simulator.add_request(f"OTHER_{number}", room.clock.now() + timedelta(seconds=1))
        for number in range(30):
            room.simulator.add_request(f"OLD_{number}", room.clock.now() - timedelta(hours=1))
        while not waiters[0].told:
            await room.clock.sleep(1)

        assert 2 == room.simulator.count("list")
        assert ["INPROGRESS"] == waiters[1].words
        assert 0 == room.simulator.count("status")


async def test_pages_too_far(bench):
    """
    Requests behind many pages of others' are asked for by their ids, not at any price by lists.
    """
    async with bench(Simulator(generation=900)) as room:
        waiters = room.wait_for("A", "B")
        for number in range(90):
            room.simulator.add_request(f"OTHER_{number}", room.clock.now() + timedelta(seconds=1))
        for waiter in waiters:
            assert "READY" == await waiter.outcome()
            assert waiter.times[-1] < 1300

        assert 0 == room.simulator.count("list", 429) + room.simulator.count("status", 429)


@pytest.mark.parametrize(("quirk", "expected"), [("repeat_cursor", 2), ("empty_page", 3)])
async def test_pages_end(bench, quirk, expected):
    """
    A repeated cursor or an empty page ends a list that does not show what is looked for.
    """
    async with bench(Simulator(rules=Rules(**{quirk: True}, budgets=False))) as room:
        for number in range(19):
            room.simulator.add_request(f"OTHER_{number}", room.clock.now())
        waiters = room.wait_for("A"), [room.follow("not-listed", "B")]
        while not waiters[0][0].told:
            await room.clock.sleep(1)
        await anyio.wait_all_tasks_blocked()

        assert expected == room.simulator.count("list")
        assert 1 == waiters[1][0].watch.unseen


async def test_pages_within_the_budget(bench):
    """
    A list breaks off where its tokens end; what it has not shown is asked for by its id.
    """
    async with bench(Simulator(rules=Rules(budget=3), generation=(3000, 3000))) as room:
        room.wait_for("A", "B", limit=None)
        for number in range(60):
            room.simulator.add_request(f"OTHER_{number}", room.clock.now() + timedelta(seconds=1))
        await room.clock.sleep(2000)

        assert 0 == room.simulator.count("list", 429) + room.simulator.count("status", 429)
        assert room.simulator.count("list") >= 3
        assert room.simulator.count("status") >= 2


@pytest.mark.parametrize("started", [None, True, False])
@pytest.mark.parametrize(("statuses", "unseen"), [(1, UNSEEN_LIMIT), (0, 1)])
async def test_not_in_progress(bench, started, statuses, unseen):
    """
    What is not listed as in progress, and was not just received, is looked at: by what has a call.
    """
    async with bench() as room:
        watch = Watch(
            request_id="R1",
            report_type="A",
            submitted_at=room.clock.now(),
            deadline=None,
            tell=print,
        )
        watch.started = started
        room.poller._watches.add(watch)
        bucket = Bucket(tokens=float(statuses), as_of=room.clock.monotonic())
        room.api.budgets[Endpoint.STATUS] = bucket
        in_progress = ListQuery(status=RequestStatus.INPROGRESS)
        room.poller._overview._judge(in_progress, [watch], shown=set(), ready=set())

    suspect = started is not False
    assert (suspect, unseen * suspect) == (watch.look_now, watch.unseen)


async def test_a_list_that_was_left_off(bench):
    """
    A list is gone on with once, and soon, by who asks for the same until another time.
    """
    async with bench() as room:
        overview, since = room.poller._overview, room.clock.now()
        asked = ListQuery(submitted_after=since, submitted_before=since + timedelta(hours=1))
        later = evolve(asked, submitted_before=since + timedelta(hours=2))
        others = evolve(asked, status=RequestStatus.READY)

        def left_off(query, *, ago=0.0):
            overview._rest = _Rest(asked, "page=2", room.clock.monotonic() - ago)
            return overview._left_off(query)

        assert "page=2" == left_off(asked) == left_off(later) == left_off(asked, ago=LEFT_OFF)
        assert None is left_off(others) is left_off(asked, ago=LEFT_OFF + 1)
        assert None is overview._left_off(asked)


@pytest.mark.parametrize(("server", "reads_on"), [(Pages, False), (Uncounted, True)])
async def test_pages_that_show_nothing_new(bench, server, reads_on):
    """
    Where the server counts its list, a page on which all is known already is not read.
    """
    made = []

    def transport(simulator, clock):
        made.append(server(simulator, clock))
        return made[0]

    async with bench(Simulator(rules=Rules(max_page_limit=10)), transport=transport) as room:
        for number in range(14):
            room.simulator.generation(f"QUICK_{number}", 400)
        for number in range(12):
            room.simulator.never_ready(f"SLOW_{number}")
        quick = room.wait_for(*(f"QUICK_{number}" for number in range(14)))
        room.wait_for(*(f"SLOW_{number}" for number in range(12)))
        for waiter in quick:
            assert "READY" == await waiter.outcome()
        known = len(made[0].further)
        await room.clock.sleep(1200)

        assert reads_on == (len(made[0].further) > known)


async def test_pages_one_after_the_other(bench):
    """
    27 reports on pages of ten, READY one after the other, are each seen within minutes.
    """
    async with bench(Simulator(rules=Rules(max_page_limit=10))) as room:
        ends = {f"TYPE_{number:02}": 300 + 90 * number for number in range(27)}
        for name, seconds in ends.items():
            room.simulator.generation(name, seconds)
        start = room.clock.monotonic()
        waiters = room.wait_for(*ends)
        for waiter, seconds in zip(waiters, ends.values(), strict=True):
            assert "READY" == await waiter.outcome()
            assert waiter.times[-1] - start < seconds + 300


async def test_ready_before_it_was_seen_in_progress(bench):
    """
    A request that the list of those in progress never showed is asked for by its id.
    """
    async with bench(Simulator(rules=Rules(max_page_limit=2))) as room:
        for number in range(4):
            room.simulator.generation(f"QUICK_{number}", 500)
        for key in ("SLOW", "SLOWER", "LAST"):
            room.simulator.never_ready(key)
        # Newest first: the oldest of seven is on a page that the first look does not come to.
        (last,) = room.wait_for("LAST")
        quick = room.wait_for(*(f"QUICK_{number}" for number in range(4)))
        room.wait_for("SLOW", "SLOWER")
        for waiter in quick:
            assert "READY" == await waiter.outcome()
        assert [] == last.told

        room.simulator.generation("LAST", 501)
        start = room.clock.monotonic()

        assert "READY" == await last.outcome()
        assert room.clock.monotonic() - start < 300


async def test_hidden_from_lists(bench):
    """
    A request that two lists do not show is asked for by its id.
    """
    async with bench(Simulator(generation=900), transport=EmptyLists) as room:
        waiters = room.wait_for("A", "B")
        for waiter in waiters:
            assert "READY" == await waiter.outcome()

        endpoints = [call.endpoint for call in room.simulator.calls if call.endpoint != "token"]
        assert ["list", "list", "status"] == endpoints[:3]


async def test_alone_without_status_calls(bench):
    """
    A job alone takes the list of its type when that bucket is the fuller one.
    """
    async with bench(Simulator(generation=600)) as room:
        room.api.budgets[Endpoint.STATUS] = Bucket().refused(0.0, retry_in=3600.0)
        (waiter,) = room.wait_for("ITEM_MX")

        assert "READY" == await waiter.outcome()
        assert {"ITEM_MX"} == {call.report_type for call in calls(room.simulator, "list")}
        assert 0 == room.simulator.count("status")


async def test_twenty_seven_jobs(bench):
    """
    27 jobs of 27 types, from request to link: all end, and no call is refused for the budget.
    """
    async with bench() as room:
        waiters = room.wait_for(*(f"TYPE_{number}" for number in range(27)))
        account = Links(room.api, clock=room.clock, limit=7200)
        links = []

        async def job(waiter):
            assert "READY" == await waiter.outcome()
            request_id, report_type = waiter.watch.request_id, waiter.watch.report_type
            slot = Slot(anyio.CapacityLimiter(1))
            links.append(await account.get(request_id, slot, report_type=report_type))

        async with anyio.create_task_group() as group:
            for waiter in waiters:
                group.start_soon(job, waiter)

        assert 27 == len(links)
        assert [] == [call for call in room.simulator.calls if call.status == 429]
        assert max(waiter.times[-1] for waiter in waiters) < 3300
        assert room.clock.monotonic() < 5400


async def test_twenty_seven_jobs_ready_at_once(bench):
    """
    27 jobs that become READY in the same second share 20 links an hour without a refusal.
    """
    async with bench(Simulator(generation=800)) as room:
        waiters = room.wait_for(*(f"TYPE_{number}" for number in range(27)))

        account = Links(room.api, clock=room.clock, limit=None)

        async def job(waiter):
            await waiter.outcome()
            request_id, report_type = waiter.watch.request_id, waiter.watch.report_type
            slot = Slot(anyio.CapacityLimiter(1))
            await account.get(request_id, slot, report_type=report_type)

        async with anyio.create_task_group() as group:
            for waiter in waiters:
                group.start_soon(job, waiter)

        assert 27 == room.simulator.count("link", 200)
        assert [] == [call for call in room.simulator.calls if call.status == 429]


# -- trouble --------------------------------------------------------------------------------------


async def test_lag(bench):
    """
    A 404 just after the create means that the request is not listed yet.
    """
    async with bench(Simulator(rules=Rules(list_lag=250), generation=900)) as room:
        (waiter,) = room.wait_for("ITEM_MX")

        assert "READY" == await waiter.outcome()
        assert room.simulator.count("status", 404) >= 1


async def test_gone(bench):
    """
    A 404 later than that is the end of the wait, for every handle of the request, for no other.
    """
    async with bench() as room:
        room.simulator.generation("ITEM_MX", 4000)
        (waiter,) = room.wait_for("ITEM_MX")
        second = room.follow(waiter.watch.request_id, "ITEM_MX")
        await room.clock.sleep(LAG)
        room.simulator.forget(waiter.watch.request_id)

        errors = [await waiter.outcome(), await second.outcome()]
        assert [RequestNotFound] * 2 == [type(error) for error in errors]
        assert errors[0] is not errors[1]
        assert waiter.watch.request_id == errors[0].request_id


@pytest.mark.parametrize("shape", ["html", None])
async def test_not_found_for_a_while(bench, shape):
    """
    A 404, a gateway's or the API's, ends no wait, but where nothing else is heard of the request.
    """
    async with bench(Simulator(generation=4000)) as room:
        (waiter,) = room.wait_for("ITEM_MX")
        await room.clock.sleep(LAG)
        room.simulator.fail("status", 404, times=PATIENCE - 1, shape=shape)
        await room.clock.sleep(1800)
        room.simulator.fail("status", 404, times=PATIENCE - 1, shape=shape)

        assert "READY" == await waiter.outcome()
        assert 2 * (PATIENCE - 1) == room.simulator.count("status", 404)

    async with bench(Simulator(generation=4000)) as room:
        (waiter,) = room.wait_for("ITEM_MX")
        await room.clock.sleep(LAG)
        room.simulator.forget(waiter.watch.request_id)
        room.simulator.fail("status", 404, times=999, shape=shape)

        assert isinstance(await waiter.outcome(), RequestNotFound)
        assert PATIENCE == room.simulator.count("status", 404)


async def test_refused_status(bench):
    """
    A status call that is refused as it stands ends the wait for that request, and for no other.
    """
    async with bench(Simulator(generation=900)) as room:
        room.api.budgets[Endpoint.LIST] = Bucket().refused(0.0, retry_in=3600.0)
        room.simulator.fail("status", 400)
        first, second = room.wait_for("A", "B")
        outcomes = [await first.outcome(), await second.outcome()]

        assert 1 == outcomes.count("READY")
        assert 1 == sum(isinstance(outcome, InvalidRequest) for outcome in outcomes)


@pytest.mark.parametrize("trouble", [500, 503, "lose", "refuse", "hang", "html", "empty", "cut"])
@pytest.mark.parametrize("jobs", [1, 3])
async def test_outage(bench, trouble, jobs):
    """
    Ten minutes in which nothing can be looked at end no wait.
    """
    async with bench(Simulator(generation=900)) as room:
        for endpoint in ("list", "status"):
            room.simulator.fail(endpoint, trouble, times=999)
        waiters = room.wait_for(*(f"TYPE_{number}" for number in range(jobs)))
        await room.clock.sleep(600)
        assert [[]] * jobs == [waiter.told for waiter in waiters]
        room.simulator.heal()

        for waiter in waiters:
            assert "READY" == await waiter.outcome()
            assert waiter.times[-1] < 1400


async def test_outage_of_the_token_call(bench):
    """
    Ten minutes in which no token can be had end no wait.
    """
    async with bench(Simulator(generation=900)) as room:
        room.simulator.fail("token", 503, times=9999)
        (waiter,) = room.wait_for("ITEM_MX")
        await room.clock.sleep(600)
        assert [] == waiter.told
        room.simulator.heal()

        assert "READY" == await waiter.outcome()


async def test_budget_spent_by_others(bench):
    """
    When another program spends the budget, the looks wait for it, with no refusal but the first.
    """
    async with bench(Simulator(generation=2000)) as room:
        for endpoint in ("list", "status"):
            room.simulator.fail(endpoint, 429)
        (waiter,) = room.wait_for("ITEM_MX")

        assert "READY" == await waiter.outcome()
        refused = [call for call in room.simulator.calls if call.status == 429]
        assert len(refused) <= 2


async def test_token_expires(bench):
    """
    The token expires three times in a normal wait of 45 minutes, and no look notices.
    """
    async with bench(Simulator(generation=2700)) as room:
        waiters = room.wait_for("A", "B")
        for waiter in waiters:
            assert "READY" == await waiter.outcome()

        # One at the first look, one each quarter of an hour after it.
        assert 3 <= room.simulator.count("token") <= 4
        assert {200} == {call.status for call in room.simulator.calls}


async def test_token_dies_early(bench):
    """
    A token that is refused before its time is renewed within the look.
    """
    async with bench(Simulator(generation=900)) as room:
        (waiter,) = room.wait_for("ITEM_MX")
        while not waiter.told:
            await room.clock.sleep(1)
        room.simulator.expire_token()

        assert "READY" == await waiter.outcome()
        assert 1 == room.simulator.count("status", 401) + room.simulator.count("list", 401)
        assert 2 == room.simulator.count("token")


async def test_storm_of_401(bench):
    """
    Looks that are refused in spite of new tokens, one time too few, end no wait.
    """
    async with bench(Simulator(generation=1500)) as room:
        for _ in range(2):
            room.simulator.fail("list", 401, times=2 * (PATIENCE - 1))
            waiters = room.wait_for("A", "B")
            for waiter in waiters:
                assert "READY" == await waiter.outcome()


async def test_permanent_401(bench):
    """
    Looks that are refused again and again end all waits, each with an error of its own.
    """
    async with bench(Simulator(generation=2700)) as room:
        room.simulator.fail("list", 401, times=999)
        waiters = room.wait_for("A", "B", "C")
        errors = [await waiter.outcome() for waiter in waiters]

        assert {AuthenticationError} == {type(error) for error in errors}
        assert 3 == len({id(error) for error in errors})
        assert 2 * PATIENCE == room.simulator.count("list", 401)


async def test_lists_are_forbidden(bench):
    """
    Where lists alone are forbidden, status calls see what is READY, and nothing ends.
    """
    async with bench(Simulator(generation=2000)) as room:
        room.simulator.fail("list", 403, times=999)
        waiters = room.wait_for("A", "B", "C")

        assert ["READY"] * 3 == [await waiter.outcome() for waiter in waiters]
        assert room.simulator.count("list", 403) >= PATIENCE


async def test_all_is_forbidden(bench):
    """
    Where status calls are forbidden as well, all waits end with that error.
    """
    async with bench(Simulator(generation=2700)) as room:
        for endpoint in ("list", "status"):
            room.simulator.fail(endpoint, 403, times=999)
        waiters = room.wait_for("A", "B", "C")
        errors = [await waiter.outcome() for waiter in waiters]

        assert {AuthenticationError} == {type(error) for error in errors}
        assert room.clock.monotonic() < 1200


async def test_credentials_withdrawn(bench):
    """
    Credentials that are refused during a wait end it with that error.
    """
    async with bench(Simulator(generation=2700)) as room:
        (waiter,) = room.wait_for("ITEM_MX")
        room.simulator.fail("token", 400, times=999)

        assert isinstance(await waiter.outcome(), AuthenticationError)
        assert PATIENCE == room.simulator.count("token", 400)


async def test_defect(bench):
    """
    A defect ends the waits with its error, instead of leaving them for ever.
    """
    async with bench(transport=Broken) as room:
        waiters = room.wait_for("A", "B", limit=None)

        for waiter in waiters:
            assert "a defect" == str(await waiter.outcome())


class BrokenClock(LoopClock):
    """
    A clock with a defect, now and then.
    """

    broken = False

    async def sleep(self, seconds):
        if self.broken:
            raise ValueError("a defect")
        await super().sleep(seconds)


async def test_defect_between_looks(bench):
    """
    So does a defect where no look is under way; who is watched after it is looked after.
    """
    async with bench(clock=BrokenClock()) as room:
        waiters = room.wait_for("A", "B", limit=None)
        room.clock.broken = True
        for waiter in waiters:
            assert "a defect" == str(await waiter.outcome())
        room.clock.broken = False
        (later,) = room.wait_for("C")

        assert "READY" == await later.outcome()


async def test_left_before_the_look(bench, caplog):
    """
    Who leaves when the look at it is planned and not yet under way harms nobody, and costs no call.
    """
    async with bench() as room:
        room.poller._overview._strictness.learn(room.clock.now(), now=room.clock.now())
        leaving, staying = room.wait_for("A", "B")
        await room.clock.sleep(0)
        start = room.poller._tasks.start

        def start_late(work):
            start(work)
            room.poller.unwatch(leaving.watch)

        room.poller._tasks = SimpleNamespace(start=start_late)
        room.poller.hurry(leaving.watch.request_id)

        assert "READY" == await staying.outcome()
        assert [] == leaving.told
        assert [] == [call for call in room.simulator.calls if "A" == call.report_type]
    assert "broke" not in caplog.text


# -- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [5400.0, 61.0, 0.0])
async def test_deadline(bench, limit):
    """
    A wait is over at its limit, to the second, and the next one goes on.
    """
    async with bench(Simulator(generation=6000)) as room:
        waiter, other = room.wait_for("A")[0], room.wait_for("B", limit=None)[0]
        await room.clock.sleep(0)
        waiter.poller.unwatch(waiter.watch)
        waiter.start(waiter.watch.request_id, "A", limit=limit)

        assert "over" == await waiter.outcome()
        assert limit == pytest.approx(waiter.times[-1], abs=1e-6)
        assert 1 == waiter.words.count("over")
        assert "READY" == await other.outcome()


async def test_deadline_missed_by_a_hair(bench):
    """
    What rounding leaves of a wait is no reason to go on with it.
    """
    async with bench(Simulator(generation=6000), clock=HastyClock()) as room:
        (waiter,) = room.wait_for("A", limit=5400.0)

        assert "over" == await waiter.outcome()
        assert 5400.0 == pytest.approx(waiter.times[-1], abs=1e-6)


async def test_deadline_during_a_look(bench):
    """
    A look that takes its time does not hold up a limit.
    """
    async with bench() as room:
        room.simulator.fail("status", "hang", times=99)
        (waiter,) = room.wait_for("ITEM_MX", limit=70.0)

        assert "over" == await waiter.outcome()
        assert [70.0] == waiter.times


async def test_no_limit(bench):
    """
    Without a limit a wait goes on for as long as it takes.
    """
    async with bench(Simulator(generation=90_000)) as room:
        (waiter,) = room.wait_for("ITEM_MX", limit=None)

        assert "READY" == await waiter.outcome()
        assert waiter.times[-1] >= 90_000


# -- words ----------------------------------------------------------------------------------------


async def test_repr(bench):
    """
    It tells who waits and when the next look can be made.
    """
    async with bench() as room:
        assert "<Poller 0 waiting, nothing to do>" == repr(room.poller)
        waiters = room.wait_for("A", "B")
        assert re.fullmatch(r"<Poller 2 waiting, next in [1-9]\d* s>", repr(room.poller))
        room.poller.unwatch(waiters[0].watch)
        assert repr(room.poller).startswith("<Poller 1 waiting, next in ")


@pytest.mark.parametrize("status", [JobStatus.READY, JobStatus.SAVED])
async def test_seen_by_another(bench, status):
    """
    What another program has seen, which spends from the budgets, is known without a look.
    """
    async with bench(Simulator(generation=10)) as scene:
        scene.api.budgets[Endpoint.LINK] = Bucket(drain=1 / 360)
        waiter, other = scene.wait_for("A", "B")
        now = scene.clock.now()
        known = {"key": "k", "account": ACCOUNT, "report_type": "A", "version": "v1"}
        record = JobRecord(**known, status=status, reserved_at=now)
        await scene.store.save(evolve(record, request_id=waiter.watch.request_id), now=now)
        await scene.store.save(evolve(record, key="other", request_id=None), now=now)
        scene.store.down = True
        await scene.clock.sleep(PAUSE + 1)
        assert [] == waiter.words
        scene.store.down = False
        await waiter.outcome()

        assert ["READY"] == waiter.words
        assert waiter.times[0] <= 2 * PAUSE
        assert [] == other.words
        assert 0 == scene.looks


async def test_nobody_to_overhear(bench):
    """
    The store is read once, and no more while nobody else spends from the budgets.
    """
    async with bench(Simulator(generation=200)) as scene:
        reads = scene.store.reads
        [waiter] = scene.wait_for("A")
        await waiter.outcome()

        assert reads + 1 == scene.store.reads
