"""What the poller watches: by request, by type, by deadline."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from reports_async._sansio.history import History
from reports_async._watches import SLACK, Watch, Watches

if TYPE_CHECKING:
    from reports_async.testing import LoopClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def watches(clock):
    return Watches(clock=clock, history=History(2700.0))


def watch(clock: LoopClock, request_id: str, report_type: str = "A", **options) -> Watch:
    values = {"deadline": None, "submitted_at": clock.now() - timedelta(seconds=60), **options}
    return Watch(request_id=request_id, report_type=report_type, tell=print, **values)


async def test_by_request(watches, clock):
    """
    Handles of one request are one thing that is waited for, and leave one by one.
    """
    first, second, other = watch(clock, "1"), watch(clock, "1"), watch(clock, "2", "B")
    for one in (first, second, other):
        watches.add(one)

    assert (3, 2) == (len(watches), len(watches.waiting(unlistable=set())))
    assert (first, second) == watches.of("1")
    assert [other] == watches.of_type("B")
    assert [first, second, other] == watches.of_type(None) == list(watches)
    assert "<Watches 3 of 2 requests>" == repr(watches)

    watches.remove(first)
    watches.remove(first)
    assert (second,) == watches.of("1")
    assert first not in watches
    watches.remove(second)
    assert () == watches.of("1")


@pytest.mark.parametrize(("urgent", "expected"), [((), 1), ((0,), 0), ((1,), 1), ((0, 1), 1)])
async def test_urgent(watches, clock, urgent, expected):
    """
    A request is urgent if one of those who wait for it says so, and else as the newest sees it.
    """
    for number in range(2):
        one = watch(clock, "1", look_now=number in urgent)
        one.unseen = number
        watches.add(one)

    (waiting,) = watches.waiting(unlistable=set())
    assert (expected, bool(urgent)) == (waiting.unseen, waiting.urgent)


def learned():
    history = History(2700.0)
    for number in range(12):
        history.learn(f"TYPE_{number}", "R", 600.0 + number, at=0.0)
    return history


async def test_unknown_type(clock):
    """
    Of a type without reports, others have their say as it is only where a look sees one type.
    """
    history = learned()
    watches = Watches(clock=clock, history=history)
    watches.add(watch(clock, "1"))

    (listed,) = watches.waiting(unlistable=set())
    (alone,) = watches.waiting(unlistable=set(), strict=True)
    assert history.of("A").mass == listed.generation.mass
    assert history.of("A", ask_others=True) is alone.generation
    assert listed.generation is not alone.generation


async def test_unknown_types(clock):
    """
    Types without reports have one belief, which weighs how long each was waited for but one.
    """
    history = learned()
    watches = Watches(clock=clock, history=history)
    for number, minutes in enumerate((50, 30, 40)):
        asked = clock.now() - timedelta(minutes=minutes)
        one = watch(clock, f"{number}", f"NEW_{number}", submitted_at=asked)
        one.tried_at = clock.monotonic() - 60.0
        watches.add(one)
    watches.add(watch(clock, "3", "TYPE_0"))

    beliefs = [one.generation for one in watches.waiting(unlistable=set())]
    assert 1 == len(set(beliefs[:3]))
    assert history.of("NEW", waited=[39 * 60.0, 49 * 60.0]).mass == beliefs[0].mass
    assert history.of("TYPE_0", several=True) is beliefs[3]


async def test_never_looked_at(clock):
    """
    A request that was not looked at yet may be ready: its age is no sign that it is not.
    """
    history = learned()
    watches = Watches(clock=clock, history=history)
    for number in range(2):
        asked = clock.now() - timedelta(minutes=40)
        watches.add(watch(clock, f"{number}", f"NEW_{number}", submitted_at=asked))

    (belief, _) = (one.generation for one in watches.waiting(unlistable=set()))
    assert history.of("NEW", waited=[0.0]).mass == belief.mass


async def test_deadlines(watches, clock):
    """
    Those whose time is over leave in the order of their deadlines; those that left before do not.
    """
    late, soon, left, never = (watch(clock, str(at), deadline=at) for at in (30.0, 10.0, 5.0, None))
    for one in (late, soon, left, never):
        watches.add(one)
    watches.remove(left)

    assert 10.0 == watches.next_end()
    assert None is watches.overdue(9.0)
    assert [soon, late, None] == [watches.overdue(30.0) for _ in range(3)]
    assert None is watches.next_end()
    assert [never] == list(watches)


async def test_nothing_is_kept(watches, clock):
    """
    Watches that have left are dropped long before their deadlines.
    """
    stays = watch(clock, "stays", deadline=5.0)
    watches.add(stays)
    for number in range(10 * SLACK):
        one = watch(clock, str(number), deadline=9e9)
        watches.add(one)
        watches.remove(one)

    assert len(watches._ends) <= SLACK + 2
    assert stays is watches.overdue(5.0)


async def test_a_clock_that_is_set_back(watches, clock):
    """
    A clock that is set back by minutes makes no request younger; by less, nothing is corrected.
    """
    old = watch(clock, "1")
    watches.add(old)
    clock.jump(-20)
    (a_little,) = watches.waiting(unlistable=set())
    clock.jump(-3600)
    watches.add(watch(clock, "2"))
    ages = [one.age for one in watches.waiting(unlistable=set())]

    assert 40 == pytest.approx(a_little.age, abs=1)
    assert [60, 60] == pytest.approx(ages, abs=1)


async def test_a_clock_that_runs_ahead(watches, clock):
    """
    A clock that was far ahead of itself may have been set, or slept: look once.
    """
    one = watch(clock, "1")
    watches.add(one)
    urgent = []
    for seconds in (0, 20, 3600, 0):
        clock.jump(seconds)
        (waiting,) = watches.waiting(unlistable=set())
        urgent.append(waiting.urgent)
        one.look_now = False

    assert [False, False, True, False] == urgent


class Stopping:
    """Clocks of a machine that stops between the first reading and the last."""

    def __init__(self, now, *times):
        self._now = now
        self._times = iter(times)

    def now(self):
        return self._now

    def monotonic(self):
        return next(self._times)


async def test_clocks_that_cannot_be_compared(clock):
    """
    Where a machine stops between two readings of its clocks, nothing is concluded from them.
    """
    watches = Watches(
        clock=Stopping(clock.now(), 0.0, 0.0, 1000.0, 5000.0, 5000.0), history=History(2700.0)
    )
    watches.add(watch(clock, "1"))
    (waiting,) = watches.waiting(unlistable=set())

    assert 60 == pytest.approx(waiting.age, abs=1)


async def test_a_request_from_the_future(watches, clock):
    """
    What another machine requested, whose clock is ahead, is as old as our interest in it.
    """
    watches.add(watch(clock, "1", submitted_at=clock.now() + timedelta(hours=1)))
    clock.jump(600)
    (waiting,) = watches.waiting(unlistable=set())

    assert 600 == pytest.approx(waiting.age, abs=1)
