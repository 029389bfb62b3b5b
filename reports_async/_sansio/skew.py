"""
The difference between the server's clock and ours, learned from its replies.

What the server tells as an instant (an opening hour, a replenishment, an expiry) means its clock.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from attrs import frozen

from .hints import FARTHEST

if TYPE_CHECKING:
    from .hints import Hints


LONGEST: Final = timedelta(days=36525).total_seconds()
"""Seconds that two clocks may be apart: one may stand at its first year, none a century away."""


@frozen(kw_only=True)
class Skew:
    """
    How far the server's clock is ahead of ours: `offset` seconds, negative when behind.

    The truth lies `within` so many seconds of it.
    """

    offset: float = 0.0
    within: float = 0.0

    @classmethod
    def measured(cls, served_at: datetime, *, sent: datetime, received: datetime) -> Skew:
        """
        Learn from a ``Date`` header and our times of sending and receiving.

        The header has whole seconds, cut off: half a second is added back. One that no clock can
        show tells nothing.
        """
        travel = (received - sent).total_seconds()
        middle = sent + timedelta(seconds=travel / 2)
        offset = (served_at - middle).total_seconds() + 0.5
        return cls(offset=offset, within=abs(travel) / 2 + 0.5) if abs(offset) < LONGEST else cls()

    def to_local(self, instant: datetime) -> datetime:
        """Return our time of an instant that the server told."""
        return _later(instant, -self.offset)

    def to_server(self, instant: datetime) -> datetime:
        """Return the server's time of an instant of ours."""
        return _later(instant, self.offset)


def _later(instant: datetime, seconds: float) -> datetime:
    try:
        return instant + timedelta(seconds=seconds)
    except OverflowError:
        return instant  # "9999-12-31", for never


def next_call_at(
    hints: Hints, *, now: datetime, skew: Skew, refused: bool = False
) -> datetime | None:
    """
    Return when, by our clock, the server says that the next call can be made; None if it is silent.

    Retry-After is about this very call, so it goes before the replenishment of the bucket. Where
    the clocks leave a doubt, it is the later end: a call that is half a second early is a 429.
    What lies too far ahead is not believed, where there was no Date to judge it by as well; after a
    refusal (*refused*), its Retry-After is as far as can be believed.
    """
    if hints.retry_after is not None:
        return now + timedelta(seconds=hints.retry_after)
    told = hints.retry_at or hints.next_token_at
    if told is None:
        return None
    if told - skew.to_server(now) > FARTHEST:
        return now + FARTHEST if refused and hints.retry_at else None
    return skew.to_local(told) + timedelta(seconds=skew.within)
