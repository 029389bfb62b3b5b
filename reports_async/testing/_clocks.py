"""
Clocks for tests: an hour in seconds, or in no time at all.

They only tell and pass time; what happens in it is decided elsewhere.
"""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio

from reports_async._exceptions import InvalidArgument
from reports_async._validation import instant

DEFAULT_START: Final = datetime(2026, 1, 5, 8, tzinfo=UTC)
"""A Monday morning: where virtual time starts unless it is told otherwise."""


class ScaledClock:
    """
    Run *speed* times as fast as the machine: at 600, an hour takes six seconds.

    Args:
        speed: This clock's seconds per real second; above zero, below one is slow motion.
        start: The instant to start from, aware; None is the present.

    Raises:
        InvalidArgument: *speed* is not above zero, or *start* is naive.

    .. versionadded:: 0.1.0
    """

    def __init__(self, speed: float, *, start: datetime | None = None) -> None:
        if isinstance(speed, bool) or not isinstance(speed, (int, float)):  # pyright: ignore[reportUnnecessaryIsInstance]  # users are not always typed
            raise InvalidArgument(f"speed must be a number, not {speed!r}.")
        if not math.isfinite(speed) or speed <= 0:
            raise InvalidArgument(f"speed must be finite and above zero, but is {speed!r}.")
        self._speed = float(speed)
        self._start = instant(start, name="start") or datetime.now(UTC)
        self._zero = time.monotonic()

    @property
    def speed(self) -> float:
        """Return this clock's seconds per real second."""
        return self._speed

    def now(self) -> datetime:
        """Return the present instant of this clock, in UTC."""
        return self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Return this clock's seconds since it was made."""
        return (time.monotonic() - self._zero) * self._speed

    async def sleep(self, seconds: float) -> None:
        """Sleep that many of this clock's seconds, on asyncio or trio."""
        await anyio.sleep(seconds / self._speed)

    def __repr__(self) -> str:
        return f"<ScaledClock {self._speed:g} times as fast, at {self.now():%Y-%m-%dT%H:%M:%SZ}>"


class LoopClock:
    """
    Keep the time of the event loop: with trio's `MockClock`, 45 minutes pass in milliseconds.

    The first look starts it, so it may be made before the event loop runs. It serves one event
    loop only.

    Args:
        start: The instant of the first look, aware; None is a fixed Monday morning.

    Raises:
        InvalidArgument: *start* is naive.

    .. versionadded:: 0.1.0
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._wall = instant(start, name="start") or DEFAULT_START
        self._first: float | None = None

    def now(self) -> datetime:
        """Return the present instant of this clock, in UTC."""
        return self._wall + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Return the seconds since the first look."""
        present = anyio.current_time()
        if self._first is None:
            self._first = present
        return present - self._first

    async def sleep(self, seconds: float) -> None:
        """Sleep that many seconds of the event loop's time."""
        await anyio.sleep(seconds)

    def jump(self, seconds: float) -> None:
        """
        Move the wall clock only: forward as after the machine slept, or back as when it is set.

        `monotonic` and `sleep` notice nothing.
        """
        self._wall += timedelta(seconds=seconds)

    def __repr__(self) -> str:
        if self._first is None:
            return f"<LoopClock not started, from {self._wall:%Y-%m-%dT%H:%M:%SZ}>"
        return f"<LoopClock started, from {self._wall:%Y-%m-%dT%H:%M:%SZ}>"
