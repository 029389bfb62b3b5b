"""The program on a terminal of its own: it draws, and leaves the terminal as it was."""

from __future__ import annotations

import os
import pty
import signal

import pytest


@pytest.fixture
def terminal():
    """
    A pseudo-terminal: the end for us, and the end for the program.
    """
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)


def drawn_until(ours, words=None):
    """What the program draws, until the words or until the terminal has no program any more."""
    drawn = ""
    while words is None or words not in drawn:
        try:
            drawn += os.read(ours, 4096).decode(errors="replace")
        except OSError:  # the program has gone
            break
    return drawn


def test_live_display(terminal, start, simulator, monkeypatch):
    """
    The live display shows the phases, and the cursor comes back.
    """
    ours, theirs = terminal
    monkeypatch.setenv("TERM", "xterm")
    simulator.generation("ITEM", 300)  # several frames long
    process = start("fetch", "ITEM", stderr=theirs)
    os.close(theirs)

    drawn = drawn_until(ours)
    output, _ = process.communicate()

    assert 0 == process.returncode
    assert "generating" in drawn
    assert "saved" in drawn
    assert drawn.rindex("\x1b[?25h") > drawn.rindex("\x1b[?25l")
    assert output.startswith("ITEM_v6_")


def test_ctrl_c_on_a_terminal(terminal, start, simulator, monkeypatch):
    """
    After Ctrl-C the terminal is as it was, and the line that goes on stands below.
    """
    ours, theirs = terminal
    monkeypatch.setenv("TERM", "xterm")
    simulator.never_ready("ITEM")
    process = start("fetch", "ITEM", stderr=theirs)
    os.close(theirs)
    drawn_until(ours, "generating")
    process.send_signal(signal.SIGINT)

    drawn = drawn_until(ours)

    assert 130 == process.wait()
    assert "\x1b[?25h" in drawn
    assert "reports-async download" in drawn.partition("\x1b[?25h")[2]
