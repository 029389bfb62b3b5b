"""
Worker threads that let the event loop go first.

Where a download and its server take all processors, a thread that wakes waits for one until the
system's clock ticks, up to 4 ms. So a worker that has kept a processor busy for a while asks
whether the loop's thread could run, and rests for a moment if it could: the system gives the
processor that is idle then to whoever waits. A worker that mostly waits, for a slow network or for
the interpreter's lock, never asks. Priorities do not do this: a thread that runs only when nothing
else does is left without a processor on a busy machine, with the interpreter's lock in its hands.

Linux tells in ``/proc``; elsewhere workers go on as they are.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

# Seconds of processor time between two questions: about that of a block at full speed.
_WHILE: Final = 0.0002
# Seconds. The system makes about twice as much of it.
_MOMENT: Final = 0.00005
# As much of what the system tells holds a thread's number, name (15 characters) and state.
_HEAD: Final = 64


def is_runnable(line: bytes) -> bool:
    """Tell whether a thread runs or waits for a processor, by the beginning of its ``stat``."""
    # The name may be anything; behind it are numbers.
    return line.rpartition(b") ")[2].startswith(b"R")


def _rest() -> None:
    time.sleep(_MOMENT)


@contextmanager
def giving_way(
    thread: int,
    *,
    rest: Callable[[], None] = _rest,
    worked: Callable[[], float] = time.thread_time,
) -> Generator[Callable[[], None]]:
    """
    Provide what a worker calls between two blocks, to let another thread go first.

    Args:
        thread: The other's native id.
        rest: Leaves the processor for a moment.
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
            rest()

    try:
        yield give_way
    finally:
        os.close(stat)
