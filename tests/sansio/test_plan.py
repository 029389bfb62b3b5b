"""Which look to make, and when."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from reports_async import PollSchedule
from reports_async._sansio.budget import INTERVAL, LEAST, NOTICED, Bucket
from reports_async._sansio.endpoints import Endpoint
from reports_async._sansio.generation import CELLS, Generation, even
from reports_async._sansio.history import History
from reports_async._sansio.inspection import inspection
from reports_async._sansio.plan import EVEN, FEW, UNSEEN_LIMIT, Look, Means, Waiting, plan

NOW = 10_000.0
SCHEDULE = PollSchedule()
ANY_TIME = even(2700.0)


def learned(times):
    """What is believed of a type whose reports took so long."""
    history = History(2700.0)
    for number, time in enumerate(times):
        history.learn("ITEM", f"R{number}", time, at=float(number))
    return history.of("ITEM")


def waiting(request_id="R1", report_type="ITEM_MX", *, age=0.0, seen=0.0, **changes):
    changes.setdefault("tried", seen)
    changes.setdefault("generation", ANY_TIME)
    return Waiting(request_id=request_id, report_type=report_type, age=age, seen=seen, **changes)


def due(request_id="R1", report_type="ITEM_MX", **changes):
    """A request that became ready, most likely, since it was last seen."""
    return waiting(request_id, report_type, age=2700.0, seen=1200.0, **changes)


def means(*, lists=20.0, statuses=20.0, **changes):
    budgets = {
        Endpoint.LIST: Bucket(tokens=float(lists), as_of=NOW),
        Endpoint.STATUS: Bucket(tokens=float(statuses), as_of=NOW),
    }
    return Means(now=NOW, budgets=budgets, schedule=SCHEDULE, **changes)


def look(*jobs, **given):
    return plan(jobs, means(**given)).look


def status(request_id="R1", report_type="ITEM_MX"):
    return Look(endpoint=Endpoint.STATUS, report_type=report_type, request_id=request_id)


def listing(report_type=None):
    return Look(endpoint=Endpoint.LIST, report_type=report_type)


def walk(jobs, *, seconds, **given):
    """
    Obey the plan for jobs that never become ready; return the looks, by when they were made.
    """
    made, now = [], NOW
    jobs = {job.request_id: job for job in jobs}
    start = means(**given)
    budgets = dict(start.budgets)
    while now < NOW + seconds:
        aged = [evolve(job, age=job.age + now - NOW) for job in jobs.values()]
        current = plan(aged, evolve(start, now=now, budgets=budgets))
        if current.look is None:
            assert current.wait > 0.0
            now += current.wait
            continue
        assert budgets[current.look.endpoint].available(now) > 0
        made.append((now - NOW, current.look))
        budgets[current.look.endpoint] = budgets[current.look.endpoint].spend(now)
        for job in aged:
            covered = current.look.request_id in (None, job.request_id)
            if covered and current.look.report_type in (None, job.report_type):
                # As a difference to the age that the walk began with.
                jobs[job.request_id] = evolve(
                    jobs[job.request_id], seen=job.age, tried=job.age, urgent=False
                )
    return made


def test_one_list_for_many():
    """
    While several wait, a look is one list without a type, however many they are.
    """
    for count in (2, 27, 500):
        jobs = [due(f"R{number}", f"TYPE_{number}") for number in range(count)]
        assert listing() == look(*jobs)


def test_alone():
    """
    A request alone takes the fuller bucket: its status, or the list of its type.
    """
    assert status() == look(due())
    assert status() == look(due(), lists=5, statuses=6)
    assert listing("ITEM_MX") == look(due(), lists=6, statuses=5)
    assert listing("ITEM_MX") == look(due(), lists=1, statuses=0)


def test_new():
    """
    A new request is looked at after the schedule's first wait, by its cap at the latest.
    """
    for jobs in ([waiting()], [waiting(), waiting("R2")]):
        found = plan(jobs, means())
        assert found.look is None
        assert SCHEDULE.first <= found.wait <= SCHEDULE.cap


def test_late():
    """
    A request that takes longer than any is looked at in the schedule's own pace.
    """
    found = plan([waiting(age=20_000.0, seen=20_000.0)], means())

    assert (None, SCHEDULE.cap) == (found.look, found.wait)


def test_urgent():
    """
    What is told to have moved is looked at now, whatever was planned; a list serves several.
    """
    assert status("R2") == look(waiting(), waiting("R2", urgent=True))
    assert listing() == look(waiting(urgent=True), waiting("R2", urgent=True))
    assert status() == look(waiting(urgent=True, age=9.0), waiting("R2", urgent=True), strict=True)


def test_urgent_without_tokens():
    """
    An urgent look takes the call that can be made sooner.
    """
    urgent = waiting(urgent=True)

    assert listing("ITEM_MX") == look(urgent, waiting("R2"), statuses=0)
    assert status() == look(urgent, waiting("R2", urgent=True, age=-1.0), lists=0)
    assert 90.0 == pytest.approx(plan([urgent], means(lists=0.5, statuses=0.25)).wait)


def test_urgent_and_hidden():
    """
    An urgent request that lists do not show is asked for by its id.
    """
    hidden = waiting(urgent=True, unseen=UNSEEN_LIMIT, age=9.0)

    assert status() == look(hidden, waiting("R2", urgent=True))
    assert 180.0 == pytest.approx(plan([hidden], means(statuses=0)).wait)


def test_strict():
    """
    Where lists want a type, the likeliest request is asked for, by the fuller bucket.
    """
    jobs = due("R1"), due("R2", "CPA", tried=2600.0), waiting("R3", age=2700.0, seen=2600.0)

    assert status("R1") == look(*jobs, strict=True)
    assert listing("ITEM_MX") == look(*jobs, strict=True, statuses=3, lists=9)


def test_strict_and_young():
    """
    Where each look serves one request, none is spent on those that cannot be ready.
    """
    found = plan([waiting("R1"), waiting("R2")], means(strict=True))

    assert (None, SCHEDULE.first) == (found.look, found.wait)
    jobs = [waiting(f"R{number}", age=70.0) for number in range(40)]
    assert plan(jobs, means(strict=True, lists=1, statuses=1)).look is None


def test_hidden():
    """
    A request that two lists did not show is asked for by its id, the others by lists.
    """
    assert listing() == look(due(unseen=UNSEEN_LIMIT - 1), due("R2"))
    assert status() == look(due(unseen=UNSEEN_LIMIT), waiting("R2"))
    assert status("R2") == look(due("R2"), due(unseen=UNSEEN_LIMIT, tried=2690.0))


@pytest.mark.parametrize("strict", [False, True])
def test_nothing_left(strict):
    """
    Without a token no look is made, and the plan waits for the next one.
    """
    found = plan([due(), due("R2")], means(lists=0.5, statuses=0.25, strict=strict))

    assert found.look is None
    assert 90.0 == pytest.approx(found.wait)


def test_lists_spent_by_others():
    """
    Where the lists are spent, by others perhaps, the status calls are used.
    """
    jobs = due("R1"), due("R2", tried=2600.0)

    assert status("R1") == look(*jobs, lists=0)
    assert look(*jobs, lists=0, statuses=0) is None
    assert look(*jobs, lists=1 - 10 / 180, statuses=20) is None


PACE = EVEN * SCHEDULE.window / (20 + SCHEDULE.window / 180)


def late(*quiet, age=2500.0):
    """Requests near the end of the window, each last looked at so many seconds ago."""
    return [
        waiting(f"R{number}", f"TYPE_{number}", age=age, seen=age - seconds)
        for number, seconds in enumerate(quiet, start=1)
    ]


@pytest.mark.parametrize("count", range(2, FEW + 2))
def test_few_in_turn(count):
    """
    Where lists of all come seldom, and few are left, status calls look at one after the other.
    """
    jobs = late(*[PACE - 5.0] * (count - 1), PACE)
    longest = status(f"R{count}", f"TYPE_{count}")

    assert (longest if count <= FEW else None) == look(*jobs, lists=1)


def test_none_in_turn():
    """
    Not so where lists will do, the next is near, nothing is likely, or webhooks tell.
    """
    quiet = PACE, PACE
    shortly = plan(late(400.0, 400.0), means(lists=1 - 10 / 180))

    assert listing() == look(*late(*quiet), lists=8)
    assert (None, 10.0) == (shortly.look, pytest.approx(shortly.wait))
    assert look(*late(*quiet, age=250.0), lists=1) is None
    assert look(*late(*quiet), lists=1, statuses=0) is None
    assert look(*late(*quiet), lists=1, trusted=True) is None


@pytest.mark.parametrize(("cap", "pace"), [(100.0, 100.0), (300.0, 300.0), (7200.0, 300.0)])
def test_safety(cap, pace):
    """
    Where webhooks work, looks are five minutes apart, or a shorter cap, however long it may be.
    """
    (one,) = late(0.0)
    made = plan([one], evolve(means(trusted=True), schedule=PollSchedule(cap=cap)))

    assert pace == pytest.approx(made.wait, rel=0.04)


@pytest.mark.parametrize("age", [60.0, 6000.0])
def test_others_in_turn(age):
    """
    One that is not likely to be ready, as it is young or late, keeps no other from its turn.
    """
    (unlikely,) = late(PACE + 9.0, age=age)
    jobs = evolve(unlikely, request_id="R0", seen=max(0.0, unlikely.seen)), *late(PACE, PACE - 5.0)

    assert status("R1", "TYPE_1") == look(*jobs, lists=1)


def test_in_turn_at_the_moment():
    """
    What rounding leaves of a gap is not slept for.
    """
    soon = plan(late(PACE - 1e-9, 0.0), means(lists=1))
    later = plan(late(PACE - 9.0, 0.0), means(lists=1))

    assert status("R1", "TYPE_1") == soon.look
    assert (None, 9.0) == (later.look, pytest.approx(later.wait))


def test_no_gap_a_little_longer():
    """
    Where some of many are about to be ready, a list that would be a little late is made in time.

    Not so one that is much later, or of few, or takes many pages, or beside others, whose tokens
    are not there.
    """
    taken = Bucket(tokens=8.0, as_of=NOW, drain=(1.0 - LEAST) / INTERVAL)
    nine, two = (
        [waiting(f"R{number}", age=1500.0, seen=1500.0) for number in range(count)]
        for count in (9, 2)
    )
    beside = evolve(means(), budgets={Endpoint.LIST: taken, Endpoint.STATUS: taken})
    half = EVEN * SCHEDULE.window / (20 + SCHEDULE.window / 360)

    assert PACE == pytest.approx(plan(nine, means(lists=7)).wait)
    assert 1.3 * PACE < plan(nine, means(lists=4)).wait
    assert PACE < plan(two, means(lists=7)).wait < 1.3 * PACE
    assert PACE < plan(nine, means(lists=19, pages=2.0)).wait < 1.3 * PACE
    assert half < plan(nine, beside).wait < 1.3 * half


@pytest.mark.parametrize("jobs", [1, 9])
def test_a_reserve_for_the_last(jobs):
    """
    Where others take some, who waits alone does not count on all that comes, for it may not.
    """
    waiters = [waiting(f"R{number}", age=900.0, seen=900.0) for number in range(jobs)]
    noticed = {
        endpoint: Bucket(tokens=6.0, as_of=NOW, others=True)
        for endpoint in (Endpoint.LIST, Endpoint.STATUS)
    }
    between = plan(waiters, means(lists=5, statuses=5)).wait
    beside = plan(waiters, evolve(means(), budgets=noticed)).wait

    assert (beside > 1.05 * between) if jobs == 1 else (beside == pytest.approx(between))


@pytest.mark.parametrize("strict", [False, True])
def test_the_token_left_alone(strict):
    """
    The token that is left alone where others take some is not planned with.
    """
    jobs = [waiting(f"R{number}", f"TYPE_{number}", age=2000.0, seen=1990.0) for number in range(9)]
    noticed = NOTICED / INTERVAL

    def planned(tokens, drain):
        bucket = Bucket(tokens=tokens, as_of=NOW, drain=drain)
        budgets = {Endpoint.LIST: bucket, Endpoint.STATUS: bucket}
        return plan(jobs, evolve(means(strict=strict), budgets=budgets))

    with_others, alone = planned(6.0, noticed * 1.0001), planned(5.0, noticed * 0.9999)

    assert with_others.price == alone.price
    assert with_others.wait == pytest.approx(alone.wait, rel=0.01)
    assert with_others != planned(6.0, noticed * 0.9999)


def contended(**given):
    """Means beside who takes whatever comes: a token has just come to both buckets."""
    bucket = Bucket(
        tokens=1.0, as_of=NOW, told=True, told_at=NOW - 360.0, drain=1 / INTERVAL, next_at=NOW
    )
    bucket = evolve(bucket, polite=False)
    return evolve(means(**given), budgets={Endpoint.LIST: bucket, Endpoint.STATUS: bucket})


@pytest.mark.parametrize(
    ("jobs", "strict", "endpoint"),
    [(1, False, Endpoint.STATUS), (9, False, Endpoint.LIST), (9, True, Endpoint.STATUS)],
)
def test_a_token_that_another_would_take(jobs, strict, endpoint):
    """
    What is there for a moment only is used, though a look a little later would tell more.
    """
    waiters = [
        waiting(f"R{number}", f"TYPE_{number}", age=900.0, seen=860.0) for number in range(jobs)
    ]
    if strict:
        waiters = [evolve(one, generation=learned([2400.0] * 9)) for one in waiters]
        waiters[3] = evolve(waiters[3], generation=ANY_TIME)
    kept = plan(waiters, means(lists=1, statuses=1, strict=strict))
    found = plan(waiters, contended(strict=strict))

    assert kept.look is None
    assert found.look is not None
    assert endpoint is found.look.endpoint
    assert not strict or found.look.report_type == "TYPE_3"


@pytest.mark.parametrize("endpoint", [Endpoint.LIST, Endpoint.STATUS])
def test_the_token_to_lose_is_used(endpoint):
    """
    Of two budgets the one is used whose token another would take, though the other has more.
    """
    several = Bucket(tokens=9.0, as_of=NOW)
    budgets = {Endpoint.LIST: several, Endpoint.STATUS: several}
    budgets[endpoint] = contended().budgets[endpoint]
    given = evolve(means(), budgets=budgets)

    assert endpoint is plan([waiting(age=900.0, seen=860.0)], given).look.endpoint


def test_no_look_too_soon_for_a_token():
    """
    Nor is it used so soon after a look that nothing new can be seen.
    """
    jobs = [waiting(f"R{number}", age=900.0, seen=890.0) for number in range(9)]

    assert plan(jobs, contended()).look is None


def test_after_an_overflow():
    """
    What becomes ready after the budgets overflow makes no look dearer or cheaper before that.
    """

    def price(late, tokens):
        kind = learned([600.0] * 20 + [late] * 20)
        jobs = [waiting(f"R{number}", f"TYPE_{number}", generation=kind) for number in range(27)]
        return plan(jobs, means(lists=tokens, statuses=tokens, strict=True)).price

    assert price(6000.0, 12.0) == price(7000.0, 12.0)
    assert price(6000.0, 12.0) > price(6000.0, 19.0)


def test_before_an_overflow():
    """
    Looks are as cheap as can be where few are worth one before the budgets are full again.
    """
    kind = learned([600.0] * 2 + [6000.0] * 38)
    jobs = [waiting(f"R{number}", f"TYPE_{number}", generation=kind) for number in range(30)]

    assert 0 == plan(jobs, means(lists=12.0, statuses=12.0, strict=True)).price


def test_alike_but_not_at_once():
    """
    Of requests that are alike one is looked at before its kind is due, if tokens are left for it.
    """
    normal = NormalDist(600.0, 60.0)
    kind = learned([normal.inv_cdf((number + 0.5) / 40) for number in range(40)])
    jobs = [waiting(f"R{one}", f"TYPE_{one}", age=560.0, generation=kind) for one in range(9)]

    made = plan(jobs, means(lists=12.0, statuses=12.0, strict=True))

    assert inspection(kind).due(0.0, made.price) > 560.0
    assert made.look is not None


def test_strict_for_hours():
    """
    Where each look serves one request, those that take for hours are looked at in turn.
    """
    jobs = [waiting(f"R{number}", f"TYPE_{number}") for number in range(9)]

    late = [
        one.report_type for time, one in walk(jobs, seconds=14_000.0, strict=True) if time > 8000
    ]

    counts = [late.count(f"TYPE_{number}") for number in range(9)]
    assert min(counts) >= 5
    assert max(counts) - min(counts) <= 2


def test_pages():
    """
    A list that takes several calls waits until it has them; status calls do not.
    """
    jobs = [due(f"R{number}") for number in range(27)]

    assert listing() == look(*jobs, lists=3, pages=3)
    assert Endpoint.STATUS is look(*jobs, lists=2, pages=3).endpoint
    assert 180.0 == pytest.approx(plan(jobs, means(lists=2, statuses=-9, pages=3)).wait)


def test_known_times():
    """
    Looks gather where reports of a type were seen to become ready.
    """
    quick = learned([600.0 + number for number in range(20)])

    made = walk([waiting(generation=quick)], seconds=1800.0)

    near = [time for time, _ in made if 500.0 <= time <= 720.0]
    far = [time for time, _ in made if time > 1200.0]
    assert len(near) >= 2
    assert len(near) / 220.0 > len(far) / 600.0


def test_nothing_before_its_time():
    """
    While no report of its type was ever ready, a request is looked at no more than it must.
    """
    never_early = Generation(mass=(0.0,) * 100 + (1.0,) + (0.0,) * (CELLS - 101))

    made = walk([waiting(generation=never_early)], seconds=1600.0)

    assert [300.0, 600.0, 900.0, 1200.0] == pytest.approx([time for time, _ in made][:4])
    assert 1500.0 <= made[4][0] <= 1530.0


def test_of_different_ages():
    """
    A request that was just made does not put off the look at one that waits for it.
    """
    old = waiting("R1", age=2600.0, seen=1600.0)

    assert listing() == look(old, waiting("R2"))


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("jobs", [1, 2, 9, 27])
def test_budget_lasts(jobs, strict):
    """
    Over two hours no look is made without a token, and no request is left alone for long.
    """
    made = walk(
        [waiting(f"R{number}", f"TYPE_{number}") for number in range(jobs)],
        seconds=7200.0,
        strict=strict,
    )

    assert len(made) <= 40 + 2 * 7200.0 / 180.0
    for number in range(jobs):
        times = [
            time
            for time, one in made
            if one.request_id in (None, f"R{number}")
            and one.report_type in (None, f"TYPE_{number}")
        ]
        gaps = [
            later - earlier for earlier, later in zip([0.0, *times], [*times, 7200.0], strict=True)
        ]
        # The ceiling, where the refill of both buckets pays for it.
        ceiling = SCHEDULE.cap if not strict or jobs == 1 else max(SCHEDULE.cap, jobs * 90.0)
        assert max(gaps) <= ceiling * 1.3
        assert min(gaps[:-1]) >= SCHEDULE.first - 1.0


JOBS = st.lists(
    st.builds(
        lambda number, kind, ages, urgent, unseen: waiting(
            f"R{number}",
            kind,
            age=max(ages),
            seen=min(ages),
            tried=sorted(ages)[1],
            urgent=urgent,
            unseen=unseen,
        ),
        st.integers(min_value=0, max_value=30),
        st.sampled_from(["ITEM_MX", "INVENTORY_MX", "CPA"]),
        st.tuples(*[st.floats(min_value=0.0, max_value=10_000.0)] * 3),
        st.booleans(),
        st.integers(min_value=0, max_value=4),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda job: job.request_id,
)
BUCKETS = st.builds(
    Bucket,
    tokens=st.floats(min_value=-20.0, max_value=20.0),
    as_of=st.just(NOW),
    drain=st.sampled_from([0.0, 0.5 / INTERVAL, 1.0 / INTERVAL]),
    others=st.booleans(),
    polite=st.booleans(),
    next_at=st.sampled_from([-math.inf, NOW - 90.0, NOW - 3.0, NOW, NOW + 60.0]),
)


@settings(deadline=None)
@given(JOBS, BUCKETS, BUCKETS, st.booleans(), st.integers(min_value=1, max_value=30))
def test_any_plan(jobs, lists, statuses, strict, pages):
    """
    A plan is a look that has its token and serves somebody, or a wait; never both or neither.
    """
    budgets = {Endpoint.LIST: lists, Endpoint.STATUS: statuses}
    given = evolve(means(strict=strict, pages=pages), budgets=budgets)
    found = plan(jobs, given)

    assert (found.look is None) == (found.wait > 0.0)
    if found.look is not None:
        assert given.budgets[found.look.endpoint].available(NOW) > 0
        assert any(
            found.look.request_id in (None, job.request_id)
            and found.look.report_type in (None, job.report_type)
            for job in jobs
        )
        assert (found.look.endpoint is Endpoint.STATUS) == (found.look.request_id is not None)
        assert not strict or found.look.report_type is not None


def test_jitter():
    """
    Chance shifts a look by 3 % at most, so that clients that start together drift apart.
    """
    job = Waiting(
        request_id="R1",
        report_type="ITEM_MX",
        age=1000.0,
        seen=1000.0,
        tried=1000.0,
        generation=ANY_TIME,
    )
    early, plain, late = (plan([job], means(jitter=jitter)).wait for jitter in (-1.0, 0.0, 1.0))

    assert early == pytest.approx(0.97 * plain)
    assert late == pytest.approx(1.03 * plain)
