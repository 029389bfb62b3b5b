"""The clock of the machine: what `ReportsClient` uses unless it is given another."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import anyio


class SystemClock:
    """The wall clock and the monotonic clock of the machine."""

    def now(self) -> datetime:
        """Return the present instant in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep, on asyncio or trio."""
        await anyio.sleep(seconds)

    def __repr__(self) -> str:
        return "<SystemClock>"
