"""Tests of running the asynchronous part: signals end it in order."""

from __future__ import annotations

import os
import signal

import anyio
import pytest

from reports_async.cli._exits import Exit, Interrupted
from reports_async.cli._run import run


@pytest.mark.parametrize(
    ("signum", "code"),
    [(signal.SIGINT, Exit.INTERRUPTED), (signal.SIGTERM, Exit.TERMINATED)],
)
def test_a_signal_cancels_the_work(signum, code):
    """
    A signal lets the work clean up, then leaves by an exception with its code.
    """
    cleaned = []

    async def work():
        try:
            os.kill(os.getpid(), signum)
            await anyio.sleep_forever()
        finally:
            cleaned.append(True)

    with pytest.raises(Interrupted) as excinfo:
        run(work)

    assert code is excinfo.value.code
    assert [True] == cleaned


def test_a_second_signal_does_not_wait():
    """
    Who presses Ctrl-C again does not wait for the clean-up.
    """

    async def work():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await anyio.sleep_forever()
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted) as excinfo:
        run(work)

    assert Exit.INTERRUPTED is excinfo.value.code


def test_a_signal_that_was_ignored():
    """
    A script's background program is told to ignore Ctrl-C, and yet heeds the script's own.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)

    async def work():
        os.kill(os.getpid(), signal.SIGINT)
        await anyio.sleep_forever()

    try:
        with pytest.raises(Interrupted):
            run(work)
    finally:
        signal.signal(signal.SIGINT, before)


def test_handlers_are_put_back():
    """
    After the work, signals mean what they meant before.
    """

    async def work():
        return 42

    assert 42 == run(work)
    assert signal.default_int_handler is signal.getsignal(signal.SIGINT)
    assert signal.SIG_DFL is signal.getsignal(signal.SIGTERM)
