"""The call budgets: counted, refilled, and corrected by what the server says."""

from __future__ import annotations

import math

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from reports_async._sansio.budget import CAPACITY, INTERVAL, LONGEST, LONGEST_REFUSAL, Bucket

MOMENTS = st.floats(min_value=0.0, max_value=1e7)
WAITS = st.floats(min_value=0.0, max_value=86_400.0)

# How much later than the moment before, and what happens then.
EVENTS = st.lists(
    st.tuples(
        st.floats(min_value=0.0, max_value=4000.0),
        st.one_of(
            st.just(("spend",)),
            st.tuples(
                st.just("learn"),
                st.none() | st.integers(min_value=0, max_value=1_000_000),
                st.none() | WAITS,
            ),
            st.tuples(st.just("refused"), st.none() | WAITS),
        ),
    ),
    max_size=30,
)


def after(events, *, start=0.0):
    """A bucket that went through *events*, and the moment of the last one."""
    bucket, now = Bucket(as_of=start), start
    for passed, (what, *words) in events:
        now += passed
        if what == "spend":
            bucket = bucket.spend(now)
        elif what == "learn":
            bucket = bucket.learn(now, tokens=words[0], next_in=words[1])
        else:
            bucket = bucket.refused(now, retry_in=words[0])
    return bucket, now


def spent(calls, *, now=0.0):
    bucket = Bucket(as_of=now)
    for _ in range(calls):
        bucket = bucket.spend(now)
    return bucket


def test_prior():
    """
    Until the server says more, an endpoint has 20 calls an hour, one back every three minutes.
    """
    bucket = spent(20)

    assert (20, 180.0) == (CAPACITY, INTERVAL)
    assert 0 == bucket.available(179.0)
    assert 1 == bucket.available(180.0)
    assert 19 == bucket.available(3599.0)
    assert 20 == bucket.available(3600.0)
    assert 20 == bucket.available(1e9)


@given(st.floats(min_value=-1e9, max_value=1e9))
def test_new(now):
    """
    A new bucket is full, whatever the clock's seconds count from.
    """
    assert 20 == Bucket().available(now)
    assert 19 == Bucket().spend(now).available(now)
    assert Bucket().spend(now).wait(now) == 0.0


def test_wait():
    """
    A call that cannot be made now can be made when the next token is back.
    """
    assert 0.0 == spent(19).wait(0.0)
    assert 180.0 == spent(20).wait(0.0)
    assert 80.0 == pytest.approx(spent(20).wait(100.0))
    assert 0.0 == spent(20).wait(180.0)


def test_a_hair_is_no_wait():
    """
    What rounding takes from a token does not make anyone wait for it again.
    """
    assert 0.0 == spent(20).wait(180.0 - 1e-7)


def test_clock_that_goes_back():
    """
    A moment before the last one refills nothing, neither then nor later.
    """
    bucket = spent(20, now=1000.0).at(0.0)

    assert 0 == bucket.available(1000.0)
    assert 1 == bucket.available(1180.0)


def test_unspent():
    """
    A call that was not sent is given back, but for what the server told since: it knew of none.
    """
    assert 15 == spent(6).unspent(0.0, since=0.0).available(0.0)
    assert 20 == spent(1).unspent(200.0, since=0.0).available(200.0)
    told = spent(6).learn(10.0, tokens=3, next_in=None)
    assert 3 == told.unspent(20.0, since=5.0).available(20.0)
    assert 4 == told.spend(20.0).unspent(20.0, since=20.0).unspent(20.0, since=10.0).available(20.0)


def test_learned_count():
    """
    The server's count goes before our own: other programs spend too.
    """
    assert 3 == Bucket().learn(0.0, tokens=3, next_in=None).available(0.0)
    assert 7 == spent(20).learn(0.0, tokens=7, next_in=None).available(0.0)


def test_overtaken():
    """
    A reply that was not alone on its way may lower our count, not raise it.
    """
    bucket = spent(15).learn(0.0, tokens=9, next_in=None, alone=False)
    assert 5 == bucket.available(0.0)
    assert 0.0 == bucket.drain
    bucket = bucket.learn(600.0, tokens=2, next_in=100.0, alone=False)
    assert 2 <= bucket.tokens < 3
    assert bucket.drain > 0.0


def test_refusal_tells_of_others():
    """
    A 429 where a token was counted on tells that others take some: the last one is left alone.
    """
    bucket = Bucket().learn(0.0, tokens=2, next_in=180.0)
    bucket = bucket.spend(60.0).refused(60.0, retry_in=120.0)
    assert bucket.drain > 0.0
    assert 0.0 == bucket.spend(180.0).at(180.0).available(180.0)
    assert bucket.wait(60.0) > 120.0


def test_learned_capacity():
    """
    A count above the published one makes the bucket as large.
    """
    bucket = Bucket().learn(0.0, tokens=199, next_in=None)

    assert 199 == bucket.available(0.0)
    assert 198 == bucket.spend(0.0).available(0.0)
    assert 199 == bucket.available(1e6)


def test_learned_replenishment():
    """
    An empty bucket has its next token just when the server said, near or far.
    """
    for told in (0.5, 142.0, 180.0, 600.0):
        assert told == pytest.approx(Bucket().learn(5.0, tokens=0, next_in=told).wait(5.0))


def test_replenishment_without_count():
    """
    Where only the time of the next token is told, the count stays our own.
    """
    assert 20 == Bucket().learn(0.0, tokens=None, next_in=100.0).available(0.0)
    assert 100.0 == pytest.approx(spent(20).learn(0.0, tokens=None, next_in=100.0).wait(0.0))


def test_replenishment_of_a_bucket_with_calls_left():
    """
    A late next token takes away none of those that are there.
    """
    bucket = Bucket().learn(0.0, tokens=2, next_in=900.0)

    assert 2 == bucket.available(0.0)
    assert 180.0 == pytest.approx(bucket.spend(0.0).spend(0.0).wait(0.0))


def test_silence():
    """
    A reply that says nothing of the budget teaches nothing.
    """
    bucket = spent(4).learn(0.0, tokens=None, next_in=None)

    assert spent(4) == bucket
    assert not bucket.told


def test_told():
    """
    It is remembered that the server spoke.
    """
    assert Bucket().learn(0.0, tokens=20, next_in=None).told
    assert Bucket().refused(0.0, retry_in=None).told
    assert not spent(20).told


def test_refused():
    """
    After a 429 nothing is left until the server's time, or for one refill if it told none.
    """
    assert 142.0 == pytest.approx(Bucket().refused(0.0, retry_in=142.0).wait(0.0))
    assert 3600.0 == pytest.approx(Bucket().refused(0.0, retry_in=3600.0).wait(0.0))
    assert 180.0 == pytest.approx(Bucket().refused(0.0, retry_in=None).wait(0.0))
    assert 0.0 == Bucket().refused(0.0, retry_in=-5.0).wait(0.0)


def test_several_calls():
    """
    Several calls are waited for together, as far as the bucket can hold them.
    """
    assert 0.0 == spent(17).wait(0.0, calls=3)
    assert 180.0 == spent(18).wait(0.0, calls=3)
    assert 0.0 == Bucket().wait(0.0, calls=99)
    assert 360.0 == spent(2).wait(0.0, calls=99)


def test_full():
    """
    A full bucket loses its refill.
    """
    assert spent(0).full(0.0)
    assert not spent(1).full(179.0)
    assert spent(1).full(180.0)


def test_drained_by_others():
    """
    What others take between two replies is taken off the refill that is counted on.
    """
    bucket = Bucket().learn(0.0, tokens=20, next_in=None)
    for number in range(1, 9):
        bucket = bucket.spend(900.0 * number)
        bucket = bucket.learn(900.0 * number, tokens=max(0, 20 - 2 * number), next_in=None)

    assert 0.0 < bucket.rate < 1 / 180
    assert bucket.wait(7200.0) == 0.0
    assert 180.0 < bucket.learn(7200.0, tokens=0, next_in=None).wait(7200.0)


def test_drained_elsewhere():
    """
    Where others take from another bucket, the last token of this one is left alone.
    """
    last = Bucket(tokens=1.0, as_of=0.0)

    assert 1 == last.available(0.0)
    assert 0 == evolve(last, others=True).available(0.0)
    assert 180.0 == evolve(last, others=True).wait(0.0)


def greedy(**others):
    """A bucket at 1,000 s, of which others take whatever comes; the next comes at 1,100 s."""
    bucket = Bucket(
        tokens=0.0, as_of=1000.0, told=True, told_at=1000.0, drain=1 / 180, next_at=1100.0
    )
    return evolve(bucket, **{"polite": False, **others})


def test_contended():
    """
    Beside who takes whatever comes, a call is made just as a token comes: every second one.
    """
    bucket = greedy()

    assert 460.0 == pytest.approx(bucket.wait(1000.0))
    assert [0, 0, 1, 1, 0, 0, 1] == [
        bucket.available(now) for now in (1280.0, 1459.0, 1460.0, 1464.0, 1466.0, 1639.0, 1640.0)
    ]
    assert 0 == bucket.spend(1460.0).available(1640.0)
    assert 1 == bucket.spend(1460.0).available(1820.0)


def test_contended_is_lost_at_once():
    """
    Beside who takes whatever comes, a token is used as it comes, or lost: as where it is full.
    """
    bucket = greedy()

    assert [False, True, False] == [bucket.full(now) for now in (1459.0, 1460.0, 1466.0)]
    assert 460.0 == pytest.approx(bucket.full_in(1000.0))
    assert 900.0 == pytest.approx(spent(5).full_in(0.0), abs=0.1)


def test_contended_is_one_at_a_time():
    """
    Beside who takes whatever comes, nobody waits for two tokens, nor counts on some of before.
    """
    many = greedy(tokens=9.0, told_at=900.0)

    assert 100.0 == many.wait(1000.0) == many.wait(1000.0, calls=3)
    assert [0, 1] == [many.available(now) for now in (1099.0, 1100.0)]


def test_left_beside_others():
    """
    What was counted is left, but for one, though it is not planned with where others are quicker.
    """
    told = greedy().learn(1000.0, tokens=9, next_in=100.0)

    assert told.contended
    assert (0, 8) == (told.available(1000.0), told.left(1000.0))
    assert 20 == Bucket().left(0.0) == Bucket().available(0.0)


@pytest.mark.parametrize(
    "others", [{"polite": True}, {"drain": 0.8 / 180}, {"next_at": -math.inf}], ids=str
)
def test_not_contended(others):
    """
    Clients like this one, who takes some only, a server that tells no time: a token is left alone.
    """
    bucket = greedy(**others)

    assert 720.0 == pytest.approx(bucket.wait(1000.0))
    assert [0, 0, 1] == [bucket.available(now) for now in (1100.0, 1719.0, 1720.0)]


def test_no_longer_polite():
    """
    A refusal of what was counted on shows that somebody leaves no token.
    """
    assert not greedy(polite=True).refused(1000.0, retry_in=100.0).polite


def test_when_the_next_one_comes():
    """
    The replenishment is noted from any reply; one that is far and yet answered is no such time.
    """
    told = Bucket().learn(0.0, tokens=0, next_in=100.0)
    refused = told.refused(50.0, retry_in=600.0)

    assert 100.0 == told.next_at == told.learn(50.0, tokens=0, next_in=None).next_at
    assert 100.0 == told.refused(50.0, retry_in=None).next_at
    assert 650.0 == refused.next_at
    assert -math.inf == refused.learn(60.0, tokens=0, next_in=None).next_at


@given(EVENTS, MOMENTS)
def test_a_wait_ends_with_a_call(events, start):
    """
    Whatever was spent, told or refused: who has waited as long as is said can make a call.
    """
    bucket, now = after(events, start=start)
    wait = bucket.wait(now)

    assert bucket.available(now + wait + 1e-3)
    assert bool(bucket.available(now)) is (wait == 0.0)


def test_seconds_prove_nothing():
    """
    Clocks that are half a second apart make no others of replies that come in quick succession.
    """
    bucket = Bucket(tokens=0.0, as_of=0.0, told=True, told_at=0.0)
    for number in range(1, 20):
        late = 0.5 if number % 2 else -0.5
        bucket = bucket.learn(float(number), tokens=0, next_in=180.0 - number + late)

    assert 1 / 180 == pytest.approx(bucket.rate, rel=0.1)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("pause", [90.0, 180.0, 900.0])
def test_alone_again(pause, exact):
    """
    When the others stop, the whole refill is believed in again.
    """
    server = Bucket(tokens=0.0, as_of=0.0)
    bucket = Bucket(tokens=0.0, as_of=0.0, told=True, told_at=0.0, drain=1 / 180)
    for number in range(1, 80):
        now = pause * number
        for _ in range(server.available(now)):
            server, bucket = server.spend(now), bucket.spend(now)
        next_in = 180.0 - server.at(now).tokens * 180.0
        bucket = bucket.learn(now, tokens=0, next_in=next_in if exact else None)

    assert 1 / 180 == pytest.approx(bucket.rate, rel=0.15)


@given(EVENTS, MOMENTS, MOMENTS)
def test_never_more_than_capacity(events, start, later):
    """
    Whatever was spent, told or refused: a bucket never holds more than its capacity.
    """
    bucket, now = after(events, start=start)

    assert 0 <= bucket.available(now + later) <= bucket.capacity


def test_a_count_that_is_refuted():
    """
    A count that a 429 has refuted is believed no more, until one is about what we count.
    """
    bucket = Bucket().learn(0.0, tokens=60, next_in=None).spend(1.0).refused(1.0, retry_in=None)
    lied = bucket.learn(200.0, tokens=60, next_in=None)
    true = lied.learn(200.0, tokens=1, next_in=None).learn(201.0, tokens=15, next_in=None)

    assert (20, 1) == (lied.capacity, lied.available(200.0))
    assert 0.0 == lied.drain
    assert 15 == true.available(201.0)


@pytest.mark.parametrize(("passed", "doubted"), [(59.0, True), (60.0, False)])
def test_who_is_to_blame_for_a_refusal(passed, doubted):
    """
    Several tokens that were counted a moment ago were none; of a minute ago, others took them.
    """
    told = Bucket().learn(0.0, tokens=9, next_in=100.0)
    refused = told.spend(passed).refused(passed, retry_in=100.0 - passed)

    assert doubted is refused.doubted
    assert doubted is not refused.drained


def test_counts_that_take_each_other_back():
    """
    Where a count takes back that much was gone, none is believed for an hour: the refill is.
    """
    bucket = Bucket().learn(0.0, tokens=20, next_in=None)
    for at in range(10, 100, 20):
        bucket = bucket.learn(at, tokens=0, next_in=None).learn(at + 10, tokens=20, next_in=None)
    later = bucket.learn(100.0, tokens=0, next_in=None).learn(3700.0, tokens=7, next_in=None)

    assert not bucket.drained
    assert (0, 1, 2) == tuple(bucket.available(at) for at in (100.0, 200.0, 400.0))
    assert bucket.learn(400.0, tokens=0, next_in=None).available(400.0) == 2
    assert 7.0 == later.at(3700.0).tokens


@given(EVENTS, MOMENTS)
def test_wait_is_exact(events, start):
    """
    After the wait a call can be made, and shortly before it cannot.
    """
    bucket, now = after(events, start=start)
    wait = bucket.wait(now)

    assert (wait > 0) == (bucket.available(now) == 0)
    assert bucket.available(now + wait + 1e-6) > 0
    if wait > 0.1:
        assert 0 == bucket.available(now + wait - 0.1)


@given(EVENTS, MOMENTS, st.none() | st.integers(min_value=0, max_value=200), st.none() | WAITS)
def test_never_longer_than_a_refill(events, start, tokens, told):
    """
    Whatever is told, the next call is not further away than a full refill, or two by a refusal.
    """
    bucket, now = after(events, start=start)

    assert bucket.refused(now, retry_in=told).wait(now) <= LONGEST_REFUSAL + 1e-3
    if (tokens, told) != (None, None):
        assert bucket.learn(now, tokens=tokens, next_in=told).wait(now) <= LONGEST + 1e-3


@given(st.lists(st.floats(min_value=0.0, max_value=1000.0), max_size=200), MOMENTS)
def test_never_too_many_calls(pauses, start):
    """
    No more calls get through than the capacity and one for each interval that passed.
    """
    bucket, now, calls = Bucket(as_of=start), start, 0
    for pause in pauses:
        now += pause
        if bucket.available(now):
            bucket, calls = bucket.spend(now), calls + 1

    assert calls <= CAPACITY + (now - start) / INTERVAL + 1e-5


@given(
    st.integers(min_value=-(10**9), max_value=10**9),
    st.floats(min_value=-1e12, max_value=1e12),
)
def test_absurd_words(tokens, next_in):
    """
    What no server can mean leaves a bucket that can be asked, waited for and refilled.
    """
    for bucket in (
        Bucket().learn(0.0, tokens=tokens, next_in=next_in),
        Bucket().refused(0.0, retry_in=next_in),
    ):
        assert math.isfinite(bucket.wait(0.0))
        assert 0 <= bucket.available(0.0) <= bucket.capacity
        assert bucket.available(bucket.wait(0.0) + 1.0)
