"""
What the headers of a reply tell about budgets and clocks.

All instants are by the server's clock; converting them is for those who know the skew. A value that
cannot be true is no hint at all: a wrong one could stop the client for years. Only the Retry-After
of a refusal is no less than the longest that can be true.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from attrs import frozen

from .instants import parse_epoch, parse_http_date, parse_instant

if TYPE_CHECKING:
    from reports_async._http import HTTPResponse

FARTHEST: Final = timedelta(hours=2)
"""How far ahead a hint may lie: a bucket is filled, and a type's hour is over, in half of that."""

TOO_MANY_REQUESTS: Final = 429

# Ten times what is published. More, told again and again, would make calls that are refused.
_MOST_TOKENS: Final = 200
_LONGEST_NUMBER: Final = 32


@frozen(kw_only=True)
class Hints:
    """
    The hints of one reply; None where it gives none, or an absurd one.

    Args:
        tokens: Calls left in the budget of this endpoint.
        next_token_at: When the next one comes, by the server's clock.
        retry_after: Seconds to wait before the next call.
        retry_at: The same as an instant of the server's clock, where it was given as a date, or as
            an epoch.
        served_at: The server's clock when it answered.
    """

    tokens: int | None = None
    next_token_at: datetime | None = None
    retry_after: float | None = None
    retry_at: datetime | None = None
    served_at: datetime | None = None


def hints(response: HTTPResponse) -> Hints:
    """Read x-current-token-count, the two names of the replenishment time, Retry-After and Date."""
    headers = response.headers
    served_at = parse_http_date(headers.get("date"))
    again = headers.get("retry-after", "")
    refused = response.status == TOO_MANY_REQUESTS
    # Some give an instant where seconds are due.
    epoch = (
        None
        if served_at is None
        else _plausible(parse_epoch(_number(again) or 0.0), near=served_at)
    )
    retry_at = parse_http_date(again) if epoch is None else epoch
    next_token = _moment(headers.get("x-next-replenishment-time", ""), near=served_at)
    if next_token is None:
        next_token = _moment(headers.get("x-next-replenish-time", ""), near=served_at)
    return Hints(
        tokens=_tokens(headers.get("x-current-token-count", "")),
        next_token_at=next_token,
        retry_after=None if epoch else _wait(again, refused=refused),
        retry_at=retry_at if refused else _plausible(retry_at, near=served_at),
        served_at=served_at,
    )


def _number(text: str) -> float | None:
    if len(text) > _LONGEST_NUMBER:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _tokens(text: str) -> int | None:
    value = _number(text)
    return None if value is None or value > _MOST_TOKENS else int(value)


def _wait(text: str, *, refused: bool) -> float | None:
    value, longest = _number(text), FARTHEST.total_seconds()
    if value is None or value <= longest:
        return value
    return longest if refused else None


def _moment(text: str, *, near: datetime | None) -> datetime | None:
    # "Epoch milliseconds (readers also accept ISO)"; some speak of seconds.
    value = _number(text)
    moment = parse_instant(text) if value is None else parse_epoch(value)
    return _plausible(moment, near=near)


def _plausible(moment: datetime | None, *, near: datetime | None) -> datetime | None:
    if moment is None or near is None:
        return moment
    return moment if abs(moment - near) <= FARTHEST else None
