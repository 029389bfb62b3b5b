"""Tests of the commands that leave files, against a server on a real port."""

from __future__ import annotations

import csv
import json
import os
import signal
from contextlib import AsyncExitStack, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reports_async._clock import SystemClock
from reports_async._credentials import Credentials
from reports_async._models import JobRecord, JobStatus, Timeouts
from reports_async.cli._fetch import _download, _fetch, _resume, _unfinished, _Wish
from reports_async.cli._options import Connection
from reports_async.cli._session import Session
from reports_async.cli._work import Work
from reports_async.stores import MemoryStore
from reports_async.testing import Rules, Simulator


def whole(simulator, path):
    """Whether a file is what the simulator made, byte for byte."""
    request_id = path.stem.rpartition("_")[2]
    return path.read_bytes() == b"".join(simulator.csv(request_id))


def read_until(stream, words):
    """Read lines until one has the words; without such a line, all lines are the failure."""
    lines = []
    while not lines or words not in lines[-1]:
        lines.append(stream.readline())
        assert lines[-1], lines


def test_fetch(ask, simulator):
    """
    Fetching leaves whole files, tells their paths on stdout and its steps on stderr.
    """
    result = ask("fetch", "ITEM", "ITEM_MX", "ITEM", "--directory", "reports")

    paths = [Path(line) for line in result.stdout.splitlines()]
    assert 0 == result.exit_code
    assert {"ITEM_v6", "ITEM_MX_v1"} == {path.stem.rpartition("_")[0] for path in paths}
    assert all(whole(simulator, path) and path.parent == Path("reports") for path in paths)
    assert "ITEM_MX: requested, id" in result.stderr
    assert "very-secret" not in result.output
    assert "sig=" not in result.output
    assert () == simulator.violations


def test_fetch_for_machines(ask):
    """
    With --json, stdout has one object per report and stderr has nothing.
    """
    result = ask("fetch", "ITEM", "--version", "v2", "--json")

    report = json.loads(result.stdout)
    path = Path(report["path"])
    assert (0, "") == (result.exit_code, result.stderr)
    assert ("ITEM", "v2") == (report["report_type"], report["version"])
    assert path.stat().st_size == report["size"]
    assert f"ITEM_v2_{report['request_id']}.csv" == path.name
    times = [report[f"{name}_at"] for name in ("submitted", "generated", "expires")]
    assert sorted(times) == times


def test_a_failing_report_hides_no_other(ask, simulator):
    """
    One report fails, the other one is there, and the exit code tells of the failure.
    """
    simulator.fail_generation("ITEM")

    result = ask("fetch", "ITEM", "BUYBOX")

    assert 1 == result.exit_code
    assert "BUYBOX_v1_" in result.stdout
    assert 1 == result.stderr.count("Error: ITEM: ")
    assert "Go on with" not in result.stderr


def test_a_failing_report_for_machines(ask, simulator):
    """
    With --json, a failure is an object with an error.
    """
    simulator.fail_generation("ITEM")

    result = ask("fetch", "ITEM", "--json")

    error = json.loads(result.stdout)
    assert (1, "") == (result.exit_code, result.stderr)
    assert ("ITEM", "ReportFailed", 1) == (
        error["report_type"],
        error["error_type"],
        error["exit_code"],
    )
    assert error["request_id"] in error["error"]


def test_a_taken_hour(ask):
    """
    Who does not want to wait for the hour is told when it opens, and ends with 5.
    """
    ask("fetch", "ITEM")

    result = ask("fetch", "ITEM", "--on-limit", "raise", "--json")

    error = json.loads(result.stdout)
    assert 5 == result.exit_code
    assert "RequestLimitExceeded" == error["error_type"]
    assert datetime.fromisoformat(error["retry_at"]).tzinfo == UTC


def test_a_report_in_time(ask, simulator):
    """
    A report that is young enough is taken again, without a request.
    """
    first = ask("fetch", "ITEM")
    second = ask("fetch", "ITEM", "--max-age", "6h")

    assert first.stdout == second.stdout
    assert "using an earlier request" in second.stderr
    assert 1 == simulator.creates()


def test_over_time(ask, simulator):
    """
    A report that takes too long ends with 5, and with the command that goes on with it.
    """
    simulator.never_ready("ITEM")

    result = ask("fetch", "ITEM", "--timeout", "2m", "--channel-type", "c-1", "-d", "my reports")

    request_id = simulator.requests[0].request_id
    assert 5 == result.exit_code
    assert f"  reports-async download {request_id} --base-url" in result.stderr
    assert "--channel-type c-1 --directory 'my reports'\n" in result.stderr


def test_download(ask, simulator):
    """
    A request goes on by its id, in the market that its type belongs to.
    """
    simulator.never_ready("ITEM_MX")
    ask("fetch", "ITEM_MX", "--timeout", "2m")
    request_id = simulator.requests[0].request_id
    simulator.generation("ITEM_MX", 60)

    result = ask("download", request_id, request_id, "--timeout", "none")

    assert (0, f"ITEM_MX_v1_{request_id}.csv\n") == (result.exit_code, result.stdout)
    assert whole(simulator, Path(result.stdout.strip()))


def test_download_of_an_unknown_id(ask):
    """
    An id that the server does not have ends with one line and 1.
    """
    result = ask("download", "nobody's")

    assert 1 == result.exit_code
    assert 1 == result.stderr.count("\n")
    assert "nobody's" in result.stderr


@pytest.mark.parametrize(
    ("signum", "code", "word"),
    [(signal.SIGINT, 130, "Interrupted."), (signal.SIGTERM, 143, "Terminated.")],
)
def test_stopped_and_resumed(ask, start, simulator, signum, code, word):  # noqa: PLR0917 -- fixtures are asked for by name
    """
    A signal ends the program with the command that goes on; `resume` does, and then has done all.
    """
    simulator.never_ready("ITEM")
    process = start("fetch", "ITEM")
    read_until(process.stderr, "requested, id")
    process.send_signal(signum)
    _, errors = process.communicate()
    request_id = simulator.requests[0].request_id
    simulator.generation("ITEM", 60)

    assert code == process.returncode
    assert f"{word}\n" in errors
    assert f"reports-async download {request_id} --base-url" in errors
    assert "Traceback" not in errors
    assert f"ITEM_v6_{request_id}.csv\n" == ask("resume").stdout
    again = ask("resume")
    assert (0, "") == (again.exit_code, again.stdout)
    assert "Nothing to do" in again.stderr
    assert 1 == simulator.creates()


def test_stopped_for_machines(start, simulator):
    """
    With --json, a signal leaves an object for each report that is not there.
    """
    simulator.never_ready("ITEM")
    process = start("fetch", "ITEM", "BUYBOX", "--json")
    assert "BUYBOX" == json.loads(process.stdout.readline())["report_type"]
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate()

    error = json.loads(output)
    assert (130, "") == (process.returncode, errors)
    assert ("ITEM", "Interrupted", 130) == (
        error["report_type"],
        error["error_type"],
        error["exit_code"],
    )


def test_stopped_while_the_hour_is_taken(ask, start, simulator, server):
    """
    What has no request id yet is told as such.
    """
    server.simulator.add_request("ITEM", datetime.now(UTC) + timedelta(hours=1))
    process = start("fetch", "ITEM")
    read_until(process.stderr, "the hour of this type is taken")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()

    assert "Without a request id so far: ITEM. Fetch again.\n" in errors


def test_resume_of_a_lost_create(ask, start, simulator, calls):
    """
    A request is found again where the program was killed before its create call was answered.
    """
    simulator.fail("create", "hang")
    process = start("fetch", "ITEM")
    while "create" != calls.get(timeout=60).endpoint:
        pass
    process.kill()

    result = ask("resume")

    assert "found the request in the server's list" in result.stderr
    assert f"ITEM_v6_{simulator.requests[0].request_id}.csv\n" == result.stdout
    assert 1 == simulator.creates()


def test_simulate(program, home):
    """
    The inner simulator needs nothing, leaves a report of a thousand rows, and touches no store.
    """
    os.environ.pop("WALMART_CLIENT_ID")
    result = program("fetch", "ITEM_MX", "--simulate", "--speed", "3000", "--rows", "1000", "-v")

    with Path(result.stdout.strip()).open(encoding="utf-8", newline="") as file:
        assert 1001 == len(list(csv.reader(file)))
    assert 0 == result.exit_code
    assert "DEBUG" in result.stderr
    assert not home.exists()


def test_simulate_at_its_own_speed(program):
    """
    Without --speed the clock is fast, too; a request that is late ends with its simulator.
    """
    result = program("fetch", "ITEM", "--simulate", "--timeout", "1m")

    assert 5 == result.exit_code
    assert "Go on with" not in result.stderr


def test_no_credentials(ask, simulator, monkeypatch):
    """
    Without credentials nothing is sent; the line names both variables.
    """
    monkeypatch.delenv("WALMART_CLIENT_ID")
    result = ask("fetch", "ITEM")

    assert 3 == result.exit_code
    assert 1 == result.stderr.count("\n")
    assert "WALMART_CLIENT_ID and WALMART_CLIENT_SECRET" in result.stderr
    assert () == simulator.calls


def test_refused_credentials(ask, simulator):
    """
    Refused credentials end the program with 3.
    """
    simulator.fail("token", 400, times=2)
    result = ask("fetch", "ITEM", "BUYBOX")

    assert 3 == result.exit_code
    assert "Check WALMART_CLIENT_ID and WALMART_CLIENT_SECRET." in result.stderr


def test_a_directory_that_cannot_be(ask, simulator, tmp_path):
    """
    A directory that cannot be written is found out before anything is sent.
    """
    (tmp_path / "file").touch()
    for arguments in (["fetch", "ITEM"], ["download", "r-1"], ["resume"]):
        result = ask(*arguments, "--directory", "file/reports")

        assert 4 == result.exit_code
        assert 1 == result.stderr.count("\n")
    assert () == simulator.calls


def test_a_home_that_cannot_be(ask, home, simulator):
    """
    A store that cannot be made is told before anything is sent.
    """
    home.touch()
    result = ask("fetch", "ITEM")

    assert 4 == result.exit_code
    assert f"The store's folder {home}" in result.stderr
    assert () == simulator.calls


@pytest.mark.anyio
async def test_suppliers(suppliers, capsys):
    """
    A supplier's request goes on without a market being named, and sellers' hosts are not asked.
    """
    session, others, simulator = suppliers
    work = Work(connection=session.connection, directory=session.directory)
    wish = _Wish(types=("DSV_ORDERS",), version=None, max_age=None, on_limit="wait", fresh=False)
    simulator.never_ready("DSV_ORDERS")
    await _fetch(work, nullcontext(session), wish)
    request_id = simulator.requests[0].request_id

    assert [("suppliers", request_id)] == work._to_go_on()
    simulator.generation("DSV_ORDERS", 60)
    await _resume(work, nullcontext(session))
    await _download(work, nullcontext(session), [request_id])
    assert [f"DSV_ORDERS_v1_{request_id}.csv"] * 2 == capsys.readouterr().out.split()
    assert () == others.calls


def record(key, **more):
    now = datetime.now(UTC)
    defaults = {"account": "", "report_type": "ITEM", "version": "v6", "reserved_at": now}
    return JobRecord(key=key, **{**defaults, **more})


@pytest.mark.anyio
async def test_what_is_unfinished():
    """
    Only what this program can finish is resumed: nothing done, foreign, or of old without an id.
    """
    session = Session(
        connection=Connection(),
        credentials=Credentials("id", "secret"),
        clock=SystemClock(),
        make_store=MemoryStore,
        directory=Path(),
        timeouts=Timeouts(),
        stack=AsyncExitStack(),
    )
    old = datetime.now(UTC) - timedelta(hours=2)
    records = [
        record("running", request_id="r-1", reserved_at=old),
        record("late", request_id="r-2", status=JobStatus.TIMED_OUT),
        record("saved", request_id="r-3", status=JobStatus.SAVED),
        record("foreign", request_id="r-4", foreign=True),
        record("lost"),
        record("lost long ago", reserved_at=old),
        record("lost with filters", filters='{"excludeColumns":["SKU"]}'),
    ]

    assert ["running", "late", "lost"] == [one.key for one in records if _unfinished(one, session)]
    session.timeouts = Timeouts(generation=None)
    assert _unfinished(records[5], session)


@pytest.mark.parametrize("simulator", [Simulator(generation=60, rules=Rules(market="mx"))])
def test_the_market_is_remembered(ask, simulator):
    """
    A request goes on in the market that it was made for, though its type tells none.
    """
    assert 5 == ask("fetch", "ITEM", "--market", "mx", "--timeout", "1s").exit_code
    result = ask("resume")

    assert 0 == result.exit_code, result.stderr
    assert Path(result.stdout.strip()).exists()
