"""Two clocks that do not agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports_async._sansio.hints import Hints
from reports_async._sansio.skew import Skew, next_call_at

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

OFFSETS = st.floats(min_value=-86_400.0, max_value=86_400.0)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_no_skew():
    """
    Before anything is learned, the clocks are taken to agree.
    """
    assert at(5) == Skew().to_local(at(5)) == Skew().to_server(at(5))


@given(OFFSETS, st.floats(min_value=0.0, max_value=30.0), st.floats(min_value=0.0, max_value=1.0))
def test_measured(offset, travel, share):
    """
    The skew is found from a Date header, to within half of the call's time and half a second.
    """
    served_at = at(travel * share + offset).replace(microsecond=0)
    skew = Skew.measured(served_at, sent=NOW, received=at(travel))

    assert travel / 2 + 0.5 == pytest.approx(skew.within)
    assert abs(skew.offset - offset) <= skew.within + 1e-3


@given(OFFSETS, OFFSETS)
def test_there_and_back(offset, seconds):
    """
    What is converted to the server's time and back is what it was.
    """
    skew = Skew(offset=offset)

    assert abs(skew.to_local(skew.to_server(at(seconds))) - at(seconds)) <= timedelta(
        microseconds=1
    )


@pytest.mark.parametrize(
    ("hints", "expected"),
    [
        (Hints(), None),
        (Hints(retry_after=142.0), at(142)),
        (Hints(retry_at=at(3600 + 142)), at(142)),
        (Hints(next_token_at=at(3600 + 142)), at(142)),
        (Hints(retry_after=10.0, retry_at=at(9000), next_token_at=at(9000)), at(10)),
        (Hints(retry_at=at(3600 + 20), next_token_at=at(9000)), at(20)),
        (Hints(retry_after=0.0, next_token_at=at(9000)), at(0)),
    ],
    ids=["nothing", "seconds", "date", "replenishment", "all", "date and replenishment", "now"],
)
def test_next_call(hints, expected):
    """
    Retry-After goes before the replenishment; instants are the server's, seconds are anyone's.
    """
    assert expected == next_call_at(hints, now=NOW, skew=Skew(offset=3600.0))


@pytest.mark.parametrize("offset", [-86_400.0, 0.0, 3600.0])
@pytest.mark.parametrize("name", ["retry_at", "next_token_at"])
def test_too_far(name, offset):
    """
    An instant more than two hours ahead of the server's time is none; a refusal's is two hours.
    """
    skew = Skew(offset=offset, within=2.0)
    for seconds, expected in [(7200.0, at(7202)), (7200.5, None), (3e7, None)]:
        hints = Hints(**{name: at(offset + seconds)})
        refused = next_call_at(hints, now=NOW, skew=skew, refused=True)
        assert expected == next_call_at(hints, now=NOW, skew=skew)
        assert (at(7200) if name == "retry_at" and expected is None else expected) == refused


def test_end_of_time():
    """
    The last instant that there is can be told by a server whose clock is behind.
    """
    hints = Hints(next_token_at=datetime.max.replace(tzinfo=UTC))

    assert next_call_at(hints, now=NOW, skew=Skew(offset=-3600.0)) is None


@given(OFFSETS, st.floats(min_value=0.0, max_value=30.0), st.floats(min_value=0.0, max_value=1.0))
def test_next_call_is_not_early(offset, travel, share):
    """
    However the clocks differ, a call at the time that was understood is not before the time meant.
    """
    served = at(travel * share + offset)
    skew = Skew.measured(served.replace(microsecond=0), sent=NOW, received=at(travel))

    understood = next_call_at(Hints(next_token_at=served), now=at(travel), skew=skew)

    assert understood + timedelta(seconds=offset) >= served - timedelta(milliseconds=1)


def test_a_date_that_no_clock_shows():
    """
    A server whose Date is centuries away tells nothing of its clock.
    """
    assert Skew() == Skew.measured(datetime.max.replace(tzinfo=UTC), sent=NOW, received=NOW)
    assert Skew() == Skew.measured(datetime.min.replace(tzinfo=UTC), sent=NOW, received=NOW)


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_any_dates(served_at, instant):
    """
    Whatever the server says of its time and of any other, it has a time of ours.
    """
    skew = Skew.measured(served_at, sent=NOW, received=NOW)

    for converted in (skew.to_local(instant), skew.to_server(instant)):
        assert abs(converted - instant) <= timedelta(seconds=abs(skew.offset) + 1)


def test_never():
    """
    An instant at the end of the calendar, as some write "never", stays what it is.
    """
    never = datetime.max.replace(tzinfo=UTC)

    assert never == Skew(offset=60.0).to_server(never) == Skew(offset=-60.0).to_local(never)
