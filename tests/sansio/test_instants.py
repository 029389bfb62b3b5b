"""Instants on the wire: every spelling that was seen is read, rubbish is None."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports_async._sansio.instants import (
    parse_epoch,
    parse_http_date,
    parse_instant,
    to_milliseconds,
    to_seconds,
)

AT = datetime(2026, 3, 1, 12, 30, 45, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T12:30:45Z",
        "2026-03-01T12:30:45z",
        "2026-03-01T12:30:45",
        "2026-03-01T12:30:45.000Z",
        "2026-03-01T12:30:45.000",
        "2026-03-01T12:30:45.000000000Z",
        "2026-03-01T12:30:45+00:00",
        "2026-03-01T12:30:45+0000",
        "2026-03-01T06:30:45-06:00",
        "2026-03-01 12:30:45",
        "  2026-03-01T12:30:45Z  ",
    ],
)
def test_instant_in_every_spelling(text: str) -> None:
    """An instant is read as UTC with and without zone, offset and fraction."""
    assert AT == parse_instant(text)
    assert UTC == parse_instant(text).tzinfo  # type: ignore[union-attr]  # the line above says so


def test_milliseconds_are_kept() -> None:
    """A fraction of a second is not lost."""
    assert AT + timedelta(milliseconds=123) == parse_instant("2026-03-01T12:30:45.123Z")


@pytest.mark.parametrize(
    "text",
    [
        None,
        0,
        1772368245000,
        "",
        "soon",
        "1772368245000",
        "1612010100000",
        "20260301T123045Z",
        "2026-13-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-05:00",
        "2026-03-01T12:30:45\ud800",
        ["2026-03-01T12:30:45Z"],
    ],
)
def test_no_instant(text: object) -> None:
    """Rubbish, bare numbers and placeholders are no instants."""
    assert parse_instant(text) is None


@given(st.text() | st.integers() | st.none() | st.from_regex(r"\d{4}-\d\d-\d\dT.{0,20}"))
@settings(deadline=None)
def test_any_text_as_instant(text: object) -> None:
    """Whatever the text is, the answer is None or an instant that arithmetic can use."""
    at = parse_instant(text)

    assert at is None or at + timedelta(days=30) > at - timedelta(days=30)


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 01 Mar 2026 12:30:45 GMT",
        "Sun, 01 Mar 2026 12:30:45 +0000",
        "Sun, 01 Mar 2026 12:30:45 -0000",
        "Sun, 01 Mar 2026 06:30:45 -0600",
    ],
)
def test_http_date(text: str) -> None:
    """A date of HTTP is read as UTC."""
    assert AT == parse_http_date(text)


@pytest.mark.parametrize(
    "text", [None, "", "120", "soon", "Sun, 99 Mar 2026 12:30:45 GMT", "2026-03-01T12:30:45Z"]
)
def test_no_http_date(text: str | None) -> None:
    """What is no date of HTTP is None."""
    assert parse_http_date(text) is None


@given(st.text())
@settings(deadline=None)
def test_any_text_as_http_date(text: str) -> None:
    """Whatever a header says, reading it as a date does not fail."""
    at = parse_http_date(text)

    assert at is None or at.tzinfo is UTC


@pytest.mark.parametrize("number", [1772368245, 1772368245.0, 1772368245000])
def test_epoch(number: float) -> None:
    """An epoch is read in seconds and in milliseconds."""
    assert AT == parse_epoch(number)


@pytest.mark.parametrize("number", [0, 120, 3600.0, 9e14, 1e40])
def test_no_epoch(number: float) -> None:
    """A number that is no epoch of our time is None."""
    assert parse_epoch(number) is None


def test_written_in_seconds() -> None:
    """Instants go out in UTC and whole seconds, cut or rounded up as asked."""
    at = datetime(2026, 3, 1, 6, 30, 45, 1, tzinfo=timezone(timedelta(hours=-6)))

    assert "2026-03-01T12:30:45Z" == to_seconds(at)
    assert "2026-03-01T12:30:46Z" == to_seconds(at, up=True)
    assert "2026-03-01T12:30:45Z" == to_seconds(AT, up=True)


def test_written_in_milliseconds() -> None:
    """Instants of create bodies have milliseconds, always three digits."""
    assert "2026-03-01T12:30:45.000Z" == to_milliseconds(AT)
    assert "2026-03-01T12:30:45.012Z" == to_milliseconds(AT + timedelta(microseconds=12_999))


@given(st.datetimes(datetime(1970, 1, 1), datetime(8999, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001 -- hypothesis adds the zone
@settings(deadline=None)
def test_written_and_read(at: datetime) -> None:
    """What is written with milliseconds is read as the same instant, to the millisecond."""
    cut = at.replace(microsecond=at.microsecond // 1000 * 1000)

    assert cut == parse_instant(to_milliseconds(at))
    assert at.replace(microsecond=0) == parse_instant(to_seconds(at))
