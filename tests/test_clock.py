"""The clock of the machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reports_async._clock import SystemClock

pytestmark = pytest.mark.anyio


async def test_now():
    """
    It tells the machine's time, aware and in UTC.
    """
    before, now, after = datetime.now(UTC), SystemClock().now(), datetime.now(UTC)

    assert before <= now <= after
    assert timedelta(0) == now.utcoffset()


async def test_sleep():
    """
    Sleeping takes the time of the event loop.
    """
    import trio  # noqa: PLC0415 -- the loop of this test

    began = trio.current_time()
    await SystemClock().sleep(2700)

    assert 2700 == pytest.approx(trio.current_time() - began)


async def test_monotonic():
    """
    Its seconds never go back.
    """
    clock = SystemClock()

    assert clock.monotonic() <= clock.monotonic()
    assert "<SystemClock>" == repr(clock)
