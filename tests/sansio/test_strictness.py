"""Whether the list wants a type, as far as is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports_async import InvalidRequest
from reports_async._exceptions import ErrorDetail
from reports_async._sansio.strictness import APART, KEPT, Strictness, names_type

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)

MOMENTS = st.datetimes(
    min_value=datetime(2026, 1, 1),  # noqa: DTZ001 -- made aware below
    max_value=datetime(2027, 1, 1),  # noqa: DTZ001 -- made aware below
    timezones=st.just(UTC),
)


def refused(*moments):
    strictness = Strictness()
    for moment in moments:
        strictness.learn(moment, now=NOW)
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


def test_another_clock():
    """
    A refusal that lies a little ahead, by another's clock, is believed; one far ahead is not.
    """
    assert refused(NOW + APART).wants_type(NOW)
    assert not refused(NOW + 8 * APART).wants_type(NOW)
    assert NOW == refused(NOW + 8 * APART, NOW).refused_at


def test_clock_set_back():
    """
    What was refused before the clock was set back far is forgotten, and found out anew.
    """
    strictness = refused(NOW)
    earlier = NOW - 30 * APART
    assert not strictness.wants_type(earlier)
    strictness.learn(earlier, now=earlier)

    assert strictness.wants_type(earlier)
    assert earlier == strictness.refused_at


@given(st.lists(st.none() | MOMENTS))
def test_any_order(moments):
    """
    In whatever order refusals are told of, the newest that can be true counts.
    """
    true = [moment for moment in moments if moment is not None and moment <= NOW + APART]

    assert max(true, default=None) == refused(*moments).refused_at


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        (ErrorDetail(code="MISSING_REQUEST_PARAM", field="reportType"), True),
        (ErrorDetail(description="Request param report_type is required."), True),
        (ErrorDetail(code="INVALID_REPORT_TYPE"), True),
        (ErrorDetail(code="INVALID_REQUEST_PARAM", field="limit"), False),
        (ErrorDetail(description="The start date is older than 30 days."), False),
    ],
)
def test_what_is_refused(detail, expected):
    """
    A refusal is about the missing type where its words speak of one.
    """
    error = InvalidRequest("Bad.", status=400, code="INVALID_REQUEST_PARAM", errors=(detail,))

    assert names_type(error) is expected
