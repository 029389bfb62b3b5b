"""Tests of the program as a whole: its help, its version, its start without the extra."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

from reports_async import __main__
from reports_async.cli import _app


def test_help(program):
    """
    The help tells every command and every exit code, and imports no command.
    """
    result = program("--help")

    assert 0 == result.exit_code
    assert all(f"\n  {name} " in result.stdout for name in _app.COMMANDS)
    assert "143  stopped by SIGTERM" in result.stdout


@pytest.mark.parametrize("name", _app.COMMANDS)
def test_help_of_each_command(program, name):
    """
    Each command has a help of its own, with the exit codes.
    """
    result = program(name, "-h")

    assert 0 == result.exit_code
    assert f"Usage: reports-async {name}" in result.stdout
    assert "Exit codes:" in result.stdout


def test_version(program, monkeypatch):
    """
    The program tells the version that is installed.
    """
    monkeypatch.setattr(importlib.metadata, "version", {"reports-async": "1.2.3"}.__getitem__)

    assert "reports-async, version 1.2.3\n" == program("--version").stdout


def test_ctrl_c_before_the_work(program, monkeypatch):
    """
    Ctrl-C while a command is only being loaded ends the program as it does later.
    """

    def interrupted(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(_app, "import_module", interrupted)
    result = program("jobs")

    assert (130, "Error: Interrupted.\n") == (result.exit_code, result.stderr)


def test_as_a_module():
    """
    ``python -m reports_async`` is the program.
    """
    command = [sys.executable, "-m", "reports_async", "--help"]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "Usage: reports-async" in done.stdout


def test_without_the_extra(monkeypatch, capsys):
    """
    Without its extra, the program says in one line how to install it.
    """
    monkeypatch.setattr(__main__, "find_spec", {"click": 1, "platformdirs": 1}.get)

    with pytest.raises(SystemExit) as excinfo:
        __main__.main()

    hint = 'The command line needs an extra: pip install "reports-async[cli]"\n'
    assert (2, hint) == (excinfo.value.code, capsys.readouterr().err)


def test_ctrl_c_while_starting(monkeypatch):
    """
    Ctrl-C while the program is only starting ends it without a traceback.
    """

    def interrupted(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(__main__, "import_module", interrupted)

    with pytest.raises(SystemExit) as excinfo:
        __main__.main()

    assert 130 == excinfo.value.code
