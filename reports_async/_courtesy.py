"""
Worker threads that let the event loop go first, and an event loop that lets them go on at all.

Where a download and its server take all processors, a thread that wakes waits for one until the
system's clock ticks, up to 4 ms. So a worker that has kept a processor busy for a while asks
whether the loop's thread could run, and rests for a moment if it could: the system gives the
processor that is idle then to whoever waits. A worker that mostly waits, for a slow network or for
the interpreter's lock, never asks. Priorities do not do this: a thread that runs only when nothing
else does is left without a processor on a busy machine, with the interpreter's lock in its hands.
Linux tells in ``/proc``; elsewhere workers go on as they are.

And where the application's own code computes all the time, the loop lets go of the interpreter's
lock once in each turn, to ask the system for news, but has it back before a worker wakes up: one
that needs the lock for each 16 KiB waits a tenth of a second for it. So such a loop rests too.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from attrs import define, field

from ._tasks import on_asyncio

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

# Seconds of processor time between two questions: about that of a block at full speed.
_WHILE: Final = 0.0002
# Seconds. The system makes about twice as much of it.
_MOMENT: Final = 0.00005
# As much of what the system tells holds a thread's number, name (15 characters) and state.
_HEAD: Final = 64

# Seconds from one look at what the loop does to the next.
_TURN: Final = 0.02
# The share of them that its thread computes, if it does so all the time.
_ALL: Final = 0.9
# Seconds that workers have then.
_ROOM: Final = 0.001


def is_runnable(line: bytes) -> bool:
    """Tell whether a thread runs or waits for a processor, by the beginning of its ``stat``."""
    # The name may be anything; behind it are numbers.
    return line.rpartition(b") ")[2].startswith(b"R")


@contextmanager
def giving_way(
    thread: int,
    *,
    rest: Callable[[float], object] = time.sleep,
    worked: Callable[[], float] = time.thread_time,
) -> Generator[Callable[[], None]]:
    """
    Provide what a worker calls between two blocks, to let another thread go first.

    Args:
        thread: The other's native id.
        rest: Leaves the processor for so many seconds.
        worked: Seconds of processor time that the worker has used.
    """
    try:
        stat = os.open(f"/proc/self/task/{thread}/stat", os.O_RDONLY)
    except OSError:
        # Another system, or the thread has ended.
        yield lambda: None
        return

    since = worked()

    def give_way() -> None:
        nonlocal since
        now = worked()
        if now - since < _WHILE:
            return
        since = now
        try:
            line = os.pread(stat, _HEAD, 0)
        except ProcessLookupError:
            # It has ended.
            return
        if is_runnable(line):
            rest(_MOMENT)

    try:
        yield give_way
    finally:
        os.close(stat)


@define(eq=False, repr=False, kw_only=True)
class Courtesy:
    """
    What an event loop leaves to worker threads. ``with room:`` while there are any that matter.

    On asyncio; on trio nothing is done.

    Args:
        turn: Seconds from one look at what the loop does to the next.
        rest: Lets go of the interpreter's lock for so many seconds.
        worked: Seconds of processor time that the loop's thread has used.
        now: Seconds.
    """

    turn: float = _TURN
    rest: Callable[[float], object] = time.sleep
    worked: Callable[[], float] = time.thread_time
    now: Callable[[], float] = time.monotonic
    _users: int = field(default=0, init=False)
    _next: asyncio.TimerHandle | None = field(default=None, init=False)
    _since: tuple[float, float] = field(default=(0.0, 0.0), init=False)

    def __enter__(self) -> None:
        self._users += 1
        if self._users == 1 and on_asyncio():
            self._wait()

    def __exit__(self, *_: object) -> None:
        self._users -= 1
        if not self._users and self._next is not None:
            self._next.cancel()
            self._next = None

    def _wait(self) -> None:
        self._since = self.now(), self.worked()
        self._next = asyncio.get_running_loop().call_later(self.turn, self._look)

    def _look(self) -> None:
        start, used = self._since
        if self.worked() - used > _ALL * (self.now() - start):
            self.rest(_ROOM)
        self._wait()
