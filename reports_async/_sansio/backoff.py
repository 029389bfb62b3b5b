"""
How long to wait: between looks at a request, and between tries of a failed call.

Pure functions of elapsed time and chance; nothing here knows what is waited for.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from reports_async._exceptions import InvalidArgument
from reports_async._validation import seconds

from .generation import STEP

if TYPE_CHECKING:
    from attrs import Attribute


def _as_seconds(value: float | timedelta) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else value


def _needed(_instance: Any, attribute: Attribute[Any], value: float | None) -> None:
    if seconds(value, name=attribute.name) is None:
        raise InvalidArgument(f"{attribute.name} must be seconds or a timedelta, not None.")


def _growth(_instance: Any, _attribute: Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value < math.inf:
        raise InvalidArgument(f"factor must be a number, at least 1, but is {value!r}.")


@frozen(kw_only=True)
class PollSchedule:
    """
    The bounds of the pace; between them the plan decides, by the call budgets and what is known.

    Args:
        first: The shortest wait between two looks, and before the first.
        factor: How fast the waits grow, from *first* on, of a request that is later than nearly
            all that are known; 1 keeps them all at *first*.
        cap: The longest wait between two looks, as far as the budgets allow.
        window: How long the server may take (the API says up to 45 minutes). 15 seconds at least.
    """

    first: float = field(default=15.0, converter=_as_seconds, validator=_needed)
    factor: float = field(default=1.5, validator=_growth)
    cap: float = field(default=300.0, converter=_as_seconds, validator=_needed)
    window: float = field(default=2700.0, converter=_as_seconds, validator=_needed)

    def __attrs_post_init__(self) -> None:
        if self.first <= 0:
            raise InvalidArgument("first must be more than zero seconds.")
        if self.cap < self.first:
            raise InvalidArgument("cap must not be less than first.")
        if self.window < STEP:
            raise InvalidArgument(
                f"window must be at least {STEP:.0f} seconds, but is {self.window:g}: looks are "
                "planned in steps of that."
            )

    def next_delay(self, elapsed: float) -> float:
        """
        Return the seconds until the next look where nothing else is known, from *first* to *cap*.

        Depends on *elapsed*, not on an attempt count, so that a job taken over by another process
        goes on at the pace it would have had.
        """
        # The waits first, first*factor, first*factor**2... add up to *elapsed* just when the next
        # one is this long: a geometric series, solved for its last term.
        elapsed = max(0.0, elapsed)
        delay = self.first + elapsed * (self.factor - 1)
        if elapsed < self.window:
            delay = min(delay, self.window - elapsed)
        return min(self.cap, max(self.first, delay))


def retry_delay(attempt: int, *, jitter: float, base: float = 1.0, cap: float = 30.0) -> float:
    """
    Return the seconds before try *attempt* + 1: doubling, capped, and spread by *jitter* in 0..1.

    Half of it is chance ("equal jitter"), so that callers that failed together do not return
    together.
    """
    whole = min(cap, base * 2.0 ** min(attempt, 32))
    return whole / 2 + whole / 2 * jitter
