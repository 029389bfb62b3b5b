"""Tests of the clocks: fast time, virtual time, and a wall clock that jumps."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from reports_async._exceptions import InvalidArgument
from reports_async.testing import LoopClock, ScaledClock

pytestmark = pytest.mark.anyio

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """
    Run on both event loops, in real time.
    """
    backend: str = request.param
    return backend


def test_scaled_rate() -> None:
    """
    A scaled clock passes as many seconds as its speed says for each real one.
    """
    clock = ScaledClock(1000, start=START)
    before, real = clock.monotonic(), time.monotonic()
    while time.monotonic() - real < 0.005:
        pass
    passed, real_passed = clock.monotonic() - before, time.monotonic() - real

    assert 1000 == clock.speed
    assert 5 <= passed <= 1000 * real_passed + 1
    assert timedelta() < clock.now() - START


def test_scaled_start() -> None:
    """
    Without a start, a scaled clock starts at the present.
    """
    before = datetime.now(UTC)

    assert before <= ScaledClock(1).now() <= before + timedelta(minutes=1)


async def test_scaled_sleep() -> None:
    """
    A scaled clock's sleep takes the fraction of the time that its speed says.
    """
    clock = ScaledClock(1_000_000)
    before = clock.monotonic()

    await clock.sleep(3600)

    assert 3600 <= clock.monotonic() - before


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf"), True, "fast"])
def test_scaled_speed(speed: Any) -> None:
    """
    A speed that is not a number above zero is refused by name.
    """
    with pytest.raises(InvalidArgument, match=r"^speed must be"):
        ScaledClock(speed)


def test_naive_start() -> None:
    """
    A start without a time zone is refused.
    """
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 -- the mistake under test

    with pytest.raises(InvalidArgument, match="start must be timezone-aware"):
        ScaledClock(1, start=naive)
    with pytest.raises(InvalidArgument, match="start must be timezone-aware"):
        LoopClock(naive)


def test_scaled_repr() -> None:
    """
    The repr tells the speed.
    """
    assert repr(ScaledClock(600, start=START)).startswith(
        "<ScaledClock 600 times as fast, at 2026-"
    )


def test_loop_virtual() -> None:
    """
    On trio's MockClock, the loop clock passes 45 minutes at once.
    """
    clock = LoopClock(START)

    async def main() -> float:
        assert START == clock.now()
        await clock.sleep(2700)
        return clock.monotonic()

    assert 2700 == trio.run(main, clock=MockClock(autojump_threshold=0))


def test_loop_default_start() -> None:
    """
    Without a start, the loop clock starts on a fixed Monday morning.
    """

    async def main() -> datetime:
        return LoopClock().now()

    assert datetime(2026, 1, 5, 8, tzinfo=UTC) == trio.run(
        main, clock=MockClock(autojump_threshold=0)
    )


async def test_loop_jump() -> None:
    """
    A jump moves the wall clock, forward or back, and not the monotonic one.
    """
    clock = LoopClock(START)
    assert "<LoopClock not started, from 2026-03-01T12:00:00Z>" == repr(clock)
    before = clock.monotonic()

    clock.jump(-3600)

    assert START - clock.now() >= timedelta(minutes=59)
    assert clock.monotonic() - before < 60
    assert "<LoopClock started, from 2026-03-01T11:00:00Z>" == repr(clock)
