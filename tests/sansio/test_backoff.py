"""When to look again, and when to try again."""

from __future__ import annotations

import math
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports_async import InvalidArgument, PollSchedule
from reports_async._sansio.backoff import retry_delay

SECONDS = st.floats(min_value=0.0, max_value=1e7)


@st.composite
def schedules(draw):
    first = draw(st.floats(min_value=0.01, max_value=3600.0))
    return PollSchedule(
        first=first,
        factor=draw(st.floats(min_value=1.0, max_value=100.0)),
        cap=draw(st.floats(min_value=first, max_value=7200.0)),
        window=draw(st.floats(min_value=15.0, max_value=20_000.0)),
    )


def looks(schedule, *, until):
    """The moments of the looks after a submission, up to *until* or the first thereafter."""
    moments = [schedule.next_delay(0.0)]
    while moments[-1] < until:
        moments.append(moments[-1] + schedule.next_delay(moments[-1]))
    return moments


def test_pace():
    """
    The waits grow by half, up to five minutes, and one ends when the window of 45 minutes closes.
    """
    moments = looks(PollSchedule(first=60), until=2700.0)

    waits = [round(later - earlier, 3) for earlier, later in pairwise([0.0, *moments])]
    assert [60.0, 90.0, 135.0, 202.5] == waits[:4]
    assert {300.0} == set(waits[4:-1])
    assert 2700.0 == moments[-1]


def test_after_the_window():
    """
    Past the window the longest wait goes on.
    """
    assert 300.0 == PollSchedule().next_delay(2700.0)
    assert 300.0 == PollSchedule().next_delay(1e9)


def test_before_the_submission():
    """
    A clock that was set back counts as no time at all.
    """
    assert 60.0 == PollSchedule(first=60).next_delay(-3600.0)


def test_even_pace():
    """
    A factor of 1 keeps all waits at the shortest.
    """
    schedule = PollSchedule(first=60, factor=1, window=15)

    assert {60.0} == {schedule.next_delay(elapsed) for elapsed in (0.0, 60.0, 5e6)}


@given(schedules(), SECONDS)
def test_within_bounds(schedule, elapsed):
    """
    No wait is shorter than the first or longer than the cap.
    """
    assert schedule.first <= schedule.next_delay(elapsed) <= schedule.cap


@given(schedules(), SECONDS)
def test_elapsed_alone_decides(schedule, elapsed):
    """
    Whoever takes a job over finds the pace that it would have had: nothing is remembered.
    """
    before = schedule.next_delay(elapsed)
    looks(schedule, until=schedule.first * 20)

    assert before == schedule.next_delay(elapsed)


@given(schedules(), SECONDS, SECONDS)
def test_never_faster(schedule, one, other):
    """
    The pace only slows down, but for the look that the window's end asks for.
    """
    earlier, later = sorted((one, other))
    slow = schedule.next_delay(later)

    if later >= schedule.window or slow < schedule.window - later:
        assert schedule.next_delay(earlier) <= slow


@given(schedules(), SECONDS)
def test_the_window_is_not_overslept(schedule, elapsed):
    """
    No wait that begins within the window ends later than one shortest wait after it.
    """
    end = elapsed + schedule.next_delay(elapsed)

    if elapsed < schedule.window:
        assert end <= schedule.window + schedule.first


@given(st.floats(min_value=10.0, max_value=600.0), st.floats(min_value=1.0, max_value=5.0))
def test_the_window_is_covered(first, factor):
    """
    The waits add up to the window: a look comes when it closes, or one shortest wait later.
    """
    schedule = PollSchedule(first=first, factor=factor, cap=900.0)

    last = looks(schedule, until=2700.0)[-1]

    assert 2700.0 <= last <= 2700.0 + first


def test_durations():
    """
    Durations may be given as timedelta.
    """
    schedule = PollSchedule(
        first=timedelta(minutes=1), cap=timedelta(minutes=6), window=timedelta(minutes=45)
    )

    assert PollSchedule(first=60, cap=360, window=2700) == schedule


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"first": 0}, "first"),
        ({"first": -1}, "first"),
        ({"first": None}, "first"),
        ({"first": "60"}, "first"),
        ({"first": math.nan}, "first"),
        ({"first": timedelta(0)}, "first"),
        ({"first": 60, "cap": 59}, "cap"),
        ({"cap": None}, "cap"),
        ({"cap": math.inf}, "cap"),
        ({"window": None}, "window"),
        ({"window": -1}, "window"),
        ({"window": 0}, "window"),
        ({"window": 14.9}, "window"),
        ({"factor": 0.99}, "factor"),
        ({"factor": math.nan}, "factor"),
        ({"factor": math.inf}, "factor"),
        ({"factor": "2"}, "factor"),
        ({"factor": True}, "factor"),
    ],
)
def test_nonsense(arguments, name):
    """
    A schedule that cannot be kept is refused, with the name of the argument.
    """
    with pytest.raises(InvalidArgument, match=f"^{name} must"):
        PollSchedule(**arguments)


def test_retries():
    """
    Tries of a failed call wait twice as long each time, up to the cap.
    """
    assert [1, 2, 4, 8, 16, 30, 30] == [retry_delay(attempt, jitter=1.0) for attempt in range(7)]
    assert 600.0 == retry_delay(10**9, jitter=1.0, base=15.0, cap=600.0)


@given(st.integers(min_value=0, max_value=10**6), st.floats(min_value=0.0, max_value=1.0))
def test_half_of_a_retry_is_chance(attempt, jitter):
    """
    Chance decides about the second half of a wait, never about the first.
    """
    whole = retry_delay(attempt, jitter=1.0)

    assert whole / 2 <= retry_delay(attempt, jitter=jitter) <= whole
