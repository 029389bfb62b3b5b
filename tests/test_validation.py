"""Arguments are checked by rules, and refused by name."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from attrs import field, frozen

from reports_async._exceptions import InvalidArgument
from reports_async._validation import (
    as_seconds,
    as_strings,
    as_utc,
    checked_instant,
    checked_optional_text,
    checked_optional_word,
    checked_seconds,
    checked_strings,
    checked_text,
    checked_word,
    instant,
    one_of,
    seconds,
    text,
    word,
)

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, None), (0, 0.0), (1, 1.0), (1.5, 1.5), (timedelta(minutes=2), 120.0)],
)
def test_seconds(value: float | timedelta | None, expected: float | None) -> None:
    """A duration is seconds or a timedelta; None stays None, and zero zero."""
    assert expected == seconds(value, name="cap")
    assert type(expected) is type(seconds(value, name="cap"))


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (-1, "must not be negative"),
        (timedelta(seconds=-1), "must not be negative"),
        (math.nan, "must not be negative"),
        (True, "must be seconds or a timedelta"),
        ("60", "must be seconds or a timedelta"),
        (math.inf, "None means no limit"),
        pytest.param(10**400, "None means no limit", id="huge"),
        (timedelta.max, "None means no limit"),
    ],
)
def test_bad_seconds(value: Any, rule: str) -> None:
    """What is no duration, or too long for a calendar, is refused by name."""
    with pytest.raises(InvalidArgument, match=f"cap .*{rule}"):
        seconds(value, name="cap")


def test_the_longest_duration_is_no_danger() -> None:
    """Whatever passes can be added to an instant."""
    longest = seconds(100 * 365 * 86400, name="cap")

    assert AT + timedelta(seconds=longest) > AT


def test_instant() -> None:
    """An aware instant is returned in UTC, None as it is."""
    there = AT.astimezone(timezone(timedelta(hours=-6)))

    assert (AT, UTC) == (instant(there, name="at"), instant(there, name="at").tzinfo)  # type: ignore[union-attr]  # not None
    assert instant(None, name="at") is None


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (datetime(2026, 3, 1), "must be timezone-aware"),  # noqa: DTZ001 -- that is the point
        ("2026-03-01", "must be a datetime"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), "end of time"),
    ],
)
def test_bad_instant(value: Any, rule: str) -> None:
    """What is no instant that everybody reads alike is refused by name."""
    with pytest.raises(InvalidArgument, match=f"at .*{rule}"):
        instant(value, name="at")


def test_text() -> None:
    """A text may hold spaces; it is returned as it is."""
    assert " two words " == text(" two words ", name="column")


@pytest.mark.parametrize("value", ["", "  ", "\n", None, 5, b"bytes"])
def test_bad_text(value: Any) -> None:
    """Blank and other values are no text."""
    with pytest.raises(InvalidArgument, match="column"):
        text(value, name="column")


@pytest.mark.parametrize("value", ["ITEM_MX", "ñ", "a/b?c", "%20"])
def test_word(value: str) -> None:
    """A word has no spaces; quoting it is somebody else's business."""
    assert value == word(value, name="report_type")


@pytest.mark.parametrize(
    "value", ["", " ", "a b", "a\n", "\x00", "a\u200b", "a\u00a0b", "\ud800", None, 5, b"a"]
)
def test_bad_word(value: Any) -> None:
    """Blanks, spaces, control characters and other values are no words."""
    with pytest.raises(InvalidArgument, match="report_type"):
        word(value, name="report_type")


def test_one_of() -> None:
    """A choice is returned; what is none is refused with all there are."""
    assert "b" == one_of("b", ("a", "b"), name="letter")
    with pytest.raises(InvalidArgument, match="letter must be one of a, b, not 'c'"):
        one_of("c", ("a", "b"), name="letter")


@frozen(kw_only=True)
class Fields:
    """A class whose fields use every converter and validator."""

    duration: float | None = field(default=None, converter=as_seconds, validator=checked_seconds)
    moment: datetime | None = field(default=None, converter=as_utc, validator=checked_instant)
    many: tuple[str, ...] = field(default=(), converter=as_strings, validator=checked_strings)
    text: str = field(default="text", validator=checked_text)
    optional_text: str | None = field(default=None, validator=checked_optional_text)
    word: str = field(default="word", validator=checked_word)
    optional_word: str | None = field(default=None, validator=checked_optional_word)


def test_fields() -> None:
    """Fields are converted: durations to seconds, instants to UTC, lists to tuples."""
    fields = Fields(
        duration=timedelta(minutes=1),
        moment=AT.astimezone(timezone(timedelta(hours=2))),
        many=["a", "b c"],
        text="a b",
        optional_text="a b",
        word="a",
        optional_word="b",
    )

    assert (60.0, AT, UTC, ("a", "b c")) == (
        fields.duration,
        fields.moment,
        fields.moment.tzinfo if fields.moment else None,
        fields.many,
    )
    assert Fields() == Fields()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("duration", -1),
        ("duration", timedelta(seconds=-1)),
        ("duration", "soon"),
        ("moment", datetime(2026, 3, 1)),  # noqa: DTZ001 -- that is the point
        ("moment", "today"),
        ("many", "abc"),
        ("many", ["a", " "]),
        ("many", ["a", 5]),
        ("many", None),
        ("many", 5),
        ("text", ""),
        ("text", None),
        ("optional_text", " "),
        ("word", "a b"),
        ("word", None),
        ("optional_word", "a b"),
    ],
)
def test_bad_fields(name: str, value: Any) -> None:
    """A field that breaks its rule is refused by its own name."""
    with pytest.raises(InvalidArgument, match=rf"^{name} "):
        Fields(**{name: value})
