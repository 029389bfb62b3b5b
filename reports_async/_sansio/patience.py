"""
How often a download is tried again, and after how long: one count for each kind of trouble.

Bytes that arrive renew the patience with the connection and the links, never that with bodies
that came whole and were bad: those would be fetched for ever.
"""

from __future__ import annotations

from typing import Final

from attrs import define, field, frozen

from .backoff import retry_delay
from .ranges import Setback, Trouble

# Each fresh link costs one of the API's 20 calls an hour.
FRESH_LINKS: Final = 3
TRIES: Final = 5
# A host without ranges may break off after many bytes, for ever: those are bounded too.
CUTS_FROM_ZERO: Final = 10
REFETCHES: Final = 2
# Bytes a second. A modem of 1991 was faster.
SLOWEST: Final = 1024


@frozen(kw_only=True)
class Step:
    """What to do next: wait `delay` seconds, then ask again, perhaps by a fresh link."""

    delay: float = 0.0
    fresh_link: bool = False
    from_zero: bool = False


@define(eq=False)
class Pace:
    """
    Tells a host that is slow from one that holds us up: so few bytes are no progress.

    Args:
        window: Seconds, each of which windows must bring `SLOWEST` bytes a second; None for any.
        now: When the body began to come, in seconds.
    """

    window: float | None
    _since: float = field(alias="now")
    _bytes: int = 0

    def is_lost(self, size: int, *, now: float) -> bool:
        """Count *size* more bytes; True when a window is over that brought too few."""
        self._bytes += size
        if self.window is None or now - self._since < self.window:
            return False
        lost = self._bytes < SLOWEST * (now - self._since)
        self._since, self._bytes = now, 0
        return lost


@define(eq=False)
class Patience:
    """What was tried so far for one file."""

    failures: int = 0
    cuts: int = 0
    links: int = 0
    gone: int = 0
    bad: int = 0

    def after(self, setback: Setback, *, jitter: float) -> Step | None:
        """Return the next step after a setback; None: enough is enough."""
        if setback.brought:
            self.failures = self.links = self.gone = 0
        match setback.trouble:
            case Trouble.EXPIRED | Trouble.GONE:
                return self._fresh_link(setback)
            case Trouble.UNAVAILABLE | Trouble.CUT:
                return self._later(setback, jitter)
            case Trouble.SHORT | Trouble.BAD:
                self.bad += 1
                delay = retry_delay(self.bad - 1, jitter=jitter)
                return Step(delay=delay, from_zero=True) if self.bad <= REFETCHES else None
            case Trouble.RESTART:
                # Only after a cut, and those are counted.
                return Step(from_zero=True)
            case _:
                return None

    def _fresh_link(self, setback: Setback) -> Step | None:
        self.links += 1
        self.gone += setback.trouble is Trouble.GONE
        # A file that a fresh link does not find either is not there.
        return None if self.links > FRESH_LINKS or self.gone > 1 else Step(fresh_link=True)

    def _later(self, setback: Setback, jitter: float) -> Step | None:
        self.failures += not setback.brought
        self.cuts += setback.from_zero
        if self.failures >= TRIES or self.cuts >= CUTS_FROM_ZERO:
            return None
        return Step(delay=max(retry_delay(max(self.failures - 1, 0), jitter=jitter), setback.after))
