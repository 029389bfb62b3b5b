"""Tests of the simulator as a program."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest


@pytest.fixture
def simulate():
    """
    Start the simulator as a process, and kill what is left of it.
    """
    started = []

    def run(*arguments):
        command = [sys.executable, "-m", "reports_async", "simulate", "--port", "0", *arguments]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        started.append(process)
        return process

    yield run
    for process in started:
        with process:
            process.kill()


def test_simulate_for_others(simulate, program):
    """
    It tells its address and how to use it, logs each call, and ends well by Ctrl-C.
    """
    process = simulate("--speed", "3000", "--rows", "3", "--seed", "1", "--generation", "600")
    head = [process.stdout.readline() for _ in range(5)]
    url = re.search(r"http://\S+:\d+", head[0])[0]

    assert f"  reports-async fetch ITEM_MX --base-url {url} --speed 3000\n" == head[3]
    result = program(*head[3].split()[1:])
    process.send_signal(signal.SIGINT)
    output, log = process.communicate()

    assert 0 == result.exit_code
    assert 0 == process.returncode
    assert "token 200\n" in log
    assert "create 200 ITEM_MX" in log
    assert re.search(r"\nStopped after 1 create 200, 1 file 200, 1 link 200, .*token 200\.\n$", log)
    assert "" == output


def test_simulate_in_real_time(simulate):
    """
    In real time, a client needs no speed.
    """
    process = simulate()
    head = [process.stdout.readline() for _ in range(5)]
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate()

    assert 0 == process.returncode
    assert "--speed" not in head[3]
    assert log == "Stopped.\n"


def test_simulate_a_strict_list(simulate, program):
    """
    With --strict-list a list must name a type.
    """
    process = simulate("--strict-list")
    url = re.search(r"http://\S+:\d+", process.stdout.readline())[0]

    result = program("list", "--base-url", url)
    process.send_signal(signal.SIGINT)
    process.communicate()

    assert 1 == result.exit_code
    assert "The parameter reportType is missing" in result.stderr


def test_simulate_on_a_taken_port(program, server):
    """
    A port that is in use ends it with one line.
    """
    port = server.url.rpartition(":")[2]

    result = program("simulate", "--port", port)

    assert 1 == result.exit_code
    assert f"Port {port} of 127.0.0.1 is in use" in result.stderr
