"""Arguments are checked before a byte is sent: one function per rule, each names the argument."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast, overload

from ._exceptions import InvalidArgument

if TYPE_CHECKING:
    from attrs import Attribute

_CENTURY: Final = 100 * 365.25 * 86400


@overload
def seconds(value: float | timedelta, *, name: str) -> float: ...
@overload
def seconds(value: float | timedelta | None, *, name: str) -> float | None: ...
def seconds(value: float | timedelta | None, *, name: str) -> float | None:
    """Return a duration in seconds; None (no limit) stays None."""
    if value is None:
        return None
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)):  # pyright: ignore[reportUnnecessaryIsInstance]  # users are not always typed
        raise InvalidArgument(f"{name} must be seconds or a timedelta, not {value!r}.")
    if not value >= 0:  # nan, too
        raise InvalidArgument(f"{name} must not be negative, but is {value!r} seconds.")
    if value > _CENTURY:
        # Infinity, too: an instant that far ahead is no datetime.
        raise InvalidArgument(f"{name} must be less than 100 years; None means no limit.")
    return float(value)


def instant(value: datetime | None, *, name: str) -> datetime | None:
    """Return an aware datetime in UTC; a naive one is refused, because nobody knows its zone."""
    if value is None:
        return None
    if not isinstance(value, datetime):  # pyright: ignore[reportUnnecessaryIsInstance]  # users are not always typed
        raise InvalidArgument(f"{name} must be a datetime, not {value!r}.")
    if value.utcoffset() is None:
        raise InvalidArgument(f"{name} must be timezone-aware (UTC is best), but is naive.")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise InvalidArgument(f"{name} is too close to the end of time: {value!r}.") from None


def text(value: str, *, name: str) -> str:
    """Return a text that is not blank."""
    if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # users are not always typed
        raise InvalidArgument(f"{name} must be text, not {value!r}.")
    if not value.strip():
        raise InvalidArgument(f"{name} must not be empty or blank.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"{name} must be text that can be sent, not {value!r}.") from None
    return value


def word(value: str, *, name: str) -> str:
    """Return a word that goes into a URL: not empty, not blank, no spaces or control characters."""
    if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # users are not always typed
        raise InvalidArgument(f"{name} must be a string, not {value!r}.")
    if not value.strip():
        raise InvalidArgument(f"{name} must not be empty or blank.")
    if not value.isprintable() or any(character.isspace() for character in value):
        raise InvalidArgument(f"{name} must not contain spaces or control characters: {value!r}.")
    return value


def one_of(value: str, choices: tuple[str, ...], *, name: str) -> str:
    """Return a value that is among the choices."""
    if value not in choices:
        raise InvalidArgument(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
    return value


def instance(value: object, kind: type, *, name: str) -> None:
    """Refuse a value of another kind. It is not shown: what is misplaced may be a secret."""
    if not isinstance(value, kind):
        raise InvalidArgument(
            f"{name} must be of type {kind.__name__}, not {type(value).__name__}."
        )


def shaped(value: object, protocol: type, *, name: str) -> None:
    """Refuse what lacks a protocol's methods, and a class in place of its instance; None passes."""
    methods = [word for word in vars(protocol) if not word.startswith("_")]
    # Not by isinstance: since Python 3.12 that overlooks what a wrapper hands on.
    if value is not None and (
        isinstance(value, type) or not all(callable(getattr(value, one, None)) for one in methods)
    ):
        what = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
        raise InvalidArgument(
            f"{name} must have the methods of reports_async.abc.{protocol.__name__}, not be {what}."
        )


# What follows is for attrs fields. A converter does not know its field's name (those that do are
# not understood by type checkers), so it passes on what it cannot convert, for the validator to
# refuse by name.


@overload
def as_seconds(value: float | timedelta) -> float: ...
@overload
def as_seconds(value: None) -> None: ...
def as_seconds(value: float | timedelta | None) -> float | None:
    """Convert an attrs field to seconds; `checked_seconds` goes with it."""
    try:
        return seconds(value, name="")
    except InvalidArgument:
        return cast("float", value)


def as_utc(value: datetime | None) -> datetime | None:
    """Convert an attrs field to UTC; `checked_instant` goes with it."""
    try:
        return instant(value, name="")
    except InvalidArgument:
        return value


def as_strings(values: Iterable[str]) -> tuple[str, ...]:
    """Convert an attrs field to a tuple; `checked_strings` goes with it."""
    # A string is iterable, but never meant as a list of letters: it stays one, to be refused.
    if isinstance(values, str) or not isinstance(values, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]  # users are not always typed
        return cast("tuple[str, ...]", values)
    return tuple(values)


def checked_seconds(_instance: Any, attribute: Attribute[Any], value: float | None) -> None:
    """Validate an attrs field by the rule of `seconds`."""
    seconds(value, name=attribute.name)


def checked_flag(_instance: Any, attribute: Attribute[Any], value: object) -> None:
    """Validate an attrs field that is True or False; other values would pass for one of them."""
    if not isinstance(value, bool):
        raise InvalidArgument(f"{attribute.name} must be True or False, not {value!r}.")


def checked_count(_instance: Any, attribute: Attribute[Any], value: object) -> None:
    """Validate an attrs field that is a whole number, not below zero."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidArgument(
            f"{attribute.name} must be a whole number, not below zero, but is {value!r}."
        )


def checked_instant(_instance: Any, attribute: Attribute[Any], value: datetime | None) -> None:
    """Validate an attrs field by the rule of `instant`."""
    instant(value, name=attribute.name)


def checked_strings(_instance: Any, attribute: Attribute[Any], values: tuple[str, ...]) -> None:
    """Validate an attrs field: several texts, none of them blank."""
    if not isinstance(values, tuple):  # pyright: ignore[reportUnnecessaryIsInstance]  # users are not always typed
        raise InvalidArgument(f"{attribute.name} must be a list of strings, not {values!r}.")
    for value in values:
        text(value, name=attribute.name)


def checked_text(_instance: Any, attribute: Attribute[Any], value: Any) -> None:
    """Validate an attrs field: text, and not blank."""
    text(value, name=attribute.name)


def checked_optional_text(_instance: Any, attribute: Attribute[Any], value: Any) -> None:
    """Validate an attrs field: text and not blank, or None."""
    if value is not None:
        text(value, name=attribute.name)


def checked_word(_instance: Any, attribute: Attribute[Any], value: Any) -> None:
    """Validate an attrs field by the rule of `word`."""
    word(value, name=attribute.name)


def checked_optional_word(_instance: Any, attribute: Attribute[Any], value: Any) -> None:
    """Validate an attrs field by the rule of `word`; None passes."""
    if value is not None:
        word(value, name=attribute.name)
