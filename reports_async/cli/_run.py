"""
Run the asynchronous part of a command: signals end it in order, and it leaves by an exception.

Ctrl-C and SIGTERM cancel the work, so that clients close and the terminal is restored; a second
one ends the program where it stands.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

import anyio

from ._exits import Exit, Interrupted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

T = TypeVar("T")

CODES: Final = {signal.SIGINT: Exit.INTERRUPTED, signal.SIGTERM: Exit.TERMINATED}


def run(work: Callable[[], Awaitable[T]]) -> T:
    """
    Run *work* to its end on asyncio.

    Raises:
        Interrupted: A signal came first; all clean-up is done.
    """
    try:
        return anyio.run(_interruptible, work, backend="asyncio")
    except KeyboardInterrupt as error:
        # A second Ctrl-C, or the only one where signals have no handlers (Windows).
        raise Interrupted from error


async def _interruptible(work: Callable[[], Awaitable[T]]) -> T:
    with anyio.CancelScope() as scope, _signals(scope) as caught:
        return await work()
    # Only the scope's own cancellation ends up here.
    raise Interrupted(CODES[caught[0]])


@contextmanager
def _signals(scope: anyio.CancelScope) -> Generator[list[signal.Signals]]:
    caught: list[signal.Signals] = []
    loop = asyncio.get_running_loop()

    def stop(signum: signal.Signals) -> None:
        caught.append(signum)
        scope.cancel()
        for other in CODES:
            loop.remove_signal_handler(other)

    try:
        # Also where it was to be ignored: a script's "program &; kill -INT $!" means it.
        for signum in CODES:
            loop.add_signal_handler(signum, stop, signum)
    except NotImplementedError:  # pragma: no cover -- Windows: Ctrl-C cancels through asyncio.run
        pass
    try:
        yield caught
    finally:
        if not caught:
            for signum in CODES:
                loop.remove_signal_handler(signum)
