"""Hostile, broken and odd file hosts over a real socket: what comes of each, as a table."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from reports_async._exceptions import DownloadError
from reports_async._sansio.ranges import Retry

pytestmark = pytest.mark.anyio

SCENES = Path(__file__).parents[1] / "benchmarks" / "bench_hostile.py"


def scenes():
    spec = importlib.util.spec_from_file_location(SCENES.stem, SCENES)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


hostile = scenes()
fetch, hosting, reply = hostile.fetch, hostile.hosting, hostile.reply


@pytest.fixture
def anyio_backend():
    # The sockets that threads read are asyncio's here.
    return "asyncio"


@pytest.mark.parametrize("case", hostile.CASES)
async def test_case(case, tmp_path):
    """
    Whatever the host does, the file is whole or there is an error and nothing else.
    """
    outcome = await hostile.play(case, tmp_path)

    assert outcome.good, outcome


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("redirect to 127.0.0.1", "127.0.0.1 is a local address"),
        ("redirect from https to http", "https"),
        ("HTML page with 200", "HTML"),
        ("disk full at the end", "The disk is full: free some space"),
        ("permission lost", "It is not allowed to write there"),
        ("directory removed", "was removed"),
    ],
)
async def test_reason(case, reason, tmp_path):
    """
    The error says what happened, to which request, and that it can be resumed.
    """
    outcome = await hostile.play(case, tmp_path)

    assert reason in outcome.reason
    assert "of request r-1 was not saved; resume the request by its id." in outcome.reason


async def test_private_address(tmp_path):
    """
    Beside an API out in the world no local host is even connected to.
    """
    async with hosting(reply()) as host:
        with pytest.raises(DownloadError, match=r"127\.0\.0\.1 is a local address"):
            await fetch(host, tmp_path / "a.csv", base=hostile.API)
        assert [] == host.asked


VICTIM = """
import sys, pathlib, anyio
sys.path.insert(0, sys.argv[1])
from bench_hostile import fetch, Host
def tell(progress):
    print("came", flush=True)
host = Host([]); host.url = sys.argv[2]
anyio.run(lambda: fetch(host, pathlib.Path(sys.argv[3]), tell=tell))
"""


async def test_killed(tmp_path):
    """
    A process that is killed in the middle leaves what the next one goes on with.
    """
    target = tmp_path / "ITEM_MX.csv"

    async with hosting(hostile.STUCK, hostile.rest(700)) as host:
        command = [sys.executable, "-c", VICTIM, str(SCENES.parent), host.url, str(target)]
        process = await anyio.open_process(command, stdout=subprocess.PIPE)
        async with process:
            await process.stdout.receive()
            process.send_signal(signal.SIGKILL)
            await process.wait()
        left = sorted(path.name.removeprefix(target.name) for path in tmp_path.iterdir())
        assert [".part", ".part.json", ".unpacked.part"] == left

        told = []
        await fetch(host, target, tell=told.append)

    assert ["700-"] == host.ranges
    assert hostile.TEXT == target.read_bytes()
    assert [target] == list(tmp_path.iterdir())
    assert [] == [value for value in told if isinstance(value, Retry)]
