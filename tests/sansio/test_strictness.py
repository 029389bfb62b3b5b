"""Whether the list wants a type, as far as is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from reports_async._sansio.strictness import KEPT, Strictness

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)

MOMENTS = st.datetimes(
    min_value=datetime(2026, 1, 1),  # noqa: DTZ001 -- made aware below
    max_value=datetime(2027, 1, 1),  # noqa: DTZ001 -- made aware below
    timezones=st.just(UTC),
)


def refused(*moments):
    strictness = Strictness()
    for moment in moments:
        strictness.learn(moment)
    return strictness


def test_nothing_known():
    """
    Until a list is refused, none is taken to want a type.
    """
    strictness = refused(None)

    assert not strictness.wants_type(NOW)
    assert strictness.refused_at is None
    assert "<Strictness, refused never>" == repr(strictness)


def test_refused():
    """
    A refusal is believed for seven days, and then the list is asked once more.
    """
    strictness = refused(NOW)

    assert strictness.wants_type(NOW)
    assert strictness.wants_type(NOW + KEPT - timedelta(seconds=1))
    assert not strictness.wants_type(NOW + KEPT)


def test_clock_set_back():
    """
    A refusal that lies far ahead, as a clock that was set back has it, is not believed.
    """
    assert refused(NOW + timedelta(minutes=5)).wants_type(NOW)
    assert not refused(NOW + KEPT).wants_type(NOW)


@given(st.lists(st.none() | MOMENTS))
def test_any_order(moments):
    """
    In whatever order refusals are told of, the newest counts.
    """
    newest = max((moment for moment in moments if moment is not None), default=None)

    assert newest == refused(*moments).refused_at
