"""
Instants as the wire writes them, read and written. Everything is UTC; the clock is not asked.

What cannot be read is None: a strange date in a reply must not break a 45-minute wait.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

# Outside of these years an instant is a placeholder (0001-01-01, 9999-12-31), and arithmetic with
# it may overflow.
_YEARS: Final = range(1970, 9000)
_SHORTEST: Final = len("2026-01-31")
_MILLISECONDS_FROM: Final = 1e11  # as seconds that would be the year 5138
_SECONDS_FROM: Final = 1e9  # 2001; a smaller number is no epoch


def parse_instant(text: object) -> datetime | None:
    """
    Read an ISO 8601 instant: with or without Z or offset, with or without fractions.

    "Timestamps are UTC" where they do not say; None for anything else.
    """
    if not isinstance(text, str):
        return None
    text = text.strip().upper()  # "t" and "z" are allowed, too (RFC 3339)
    # Only the extended format: a bare number must not pass for a date of the basic one.
    if len(text) < _SHORTEST or text[4] != "-":
        return None
    try:
        return _usable(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def parse_http_date(text: str | None) -> datetime | None:
    """Read the date of an HTTP header (RFC 9110); None for anything else."""
    try:
        return _usable(parsedate_to_datetime(text or ""))
    except (ValueError, OverflowError, IndexError, TypeError):
        # IndexError and TypeError: what the parser of older Pythons makes of some rubbish.
        return None


def parse_epoch(number: float) -> datetime | None:
    """Read an epoch in milliseconds or seconds, whichever it must be; None for other numbers."""
    if number >= _MILLISECONDS_FROM:
        number /= 1000
    if number < _SECONDS_FROM:
        return None
    try:
        return _usable(datetime.fromtimestamp(number, UTC))
    except (ValueError, OverflowError, OSError):
        return None


def to_seconds(value: datetime, *, up: bool = False) -> str:
    """Write ``YYYY-MM-DDTHH:mm:ssZ``; *up* rounds a fraction up instead of down."""
    value = value.astimezone(UTC)
    if up and value.microsecond:
        value += timedelta(seconds=1)
    return value.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def to_milliseconds(value: datetime) -> str:
    """Write ``YYYY-MM-DDTHH:mm:ss.SSSZ``, the form that production wants in create bodies."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _usable(value: datetime) -> datetime | None:
    value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return value if value.year in _YEARS else None
