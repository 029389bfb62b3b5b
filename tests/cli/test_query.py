"""Tests of the commands that only look."""

from __future__ import annotations

import json
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import anyio
import pytest

from reports_async._models import JobRecord, ReportRequest, RequestStatus
from reports_async._sansio.markets import MARKETS, account
from reports_async.cli import _query
from reports_async.cli._options import Connection
from reports_async.cli._quota import Hour, _last_hour, _of_entries, pick
from reports_async.cli._session import make_clock, store_path
from reports_async.stores import SQLiteStore


def objects(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def crowd(simulator, server):
    """
    Twelve requests that other programs made in the last twelve hours, oldest first.
    """
    now = server._clock.now()
    return [
        simulator.add_request("BUYBOX", now - timedelta(hours=hours), status="READY")
        for hours in range(12, 0, -1)
    ]


def test_list(ask, crowd):
    """
    The list has a line for each request, newest first, with the whole id.
    """
    result = ask("list")

    header, *lines = result.stdout.splitlines()
    assert ["SUBMITTED", "TYPE", "VERSION", "STATUS", "SOURCE", "REQUEST", "ID"] == header.split()
    assert crowd[::-1] == [line.split()[-1] for line in lines]
    assert " BUYBOX  v1       READY   SC " in lines[0]


def test_list_is_limited(ask, crowd):
    """
    A long list is cut, and says so; --all shows it all.
    """
    short = ask("list", "--limit", "3")

    assert 4 == len(short.stdout.splitlines())
    assert "There are more than 3: see --limit and --all.\n" == short.stderr
    assert "" == ask("list", "--limit", "12").stderr
    assert 13 == len(ask("list", "--limit", "3", "--all").stdout.splitlines())


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (["--type", "BUYBOX"], 12),
        (["--type", "ITEM"], 0),
        (["--status", "ready"], 12),
        (["--status", "ERROR"], 0),
        (["--after", "2020-01-01"], None),
        (["--before", "2020-01-01T00:00+01:00"], None),
    ],
)
def test_list_is_filtered(ask, crowd, filters, count):
    """
    Filters go to the server, which has its own opinion of old dates.
    """
    result = ask("list", *filters, "--json")

    if count is None:
        assert 2 == result.exit_code
        assert "submitted_after" in result.stderr
    else:
        assert count == len(objects(result))


def test_list_by_age(program, server, simulator):
    """
    Dates may be ages; the end that is not given is the widest that the API takes.
    """
    now = server._clock.now()
    speed = ["--base-url", server.url]
    old = simulator.add_request("BUYBOX", now - timedelta(days=3), status="READY")
    new = simulator.add_request("BUYBOX", now - timedelta(minutes=1), status="READY")

    def listed(*filters):
        return [one["request_id"] for one in objects(program("list", *filters, "--json", *speed))]

    assert [new] == listed("--after", "2d")
    assert [old] == listed("--before", "2d")
    assert [old] == listed("--after", "4d", "--before", "2d")


def test_nothing_to_list(ask):
    """
    An empty list says so on stderr.
    """
    result = ask("list")

    assert ("", "The server has no such requests.\n") == (result.stdout, result.stderr)


def test_status(ask, crowd):
    """
    One request is shown with all that is known of it.
    """
    lines = ask("status", crowd[0]).stdout.splitlines()

    assert f"request id    {crowd[0]}" == lines[0]
    assert "status        READY" in lines
    assert crowd[0] == objects(ask("status", crowd[0], "--json"))[0]["request_id"]


@pytest.mark.anyio
async def test_status_of_a_supplier(suppliers, monkeypatch):
    """
    A remembered request is looked up where it was made.
    """
    session, others, _ = suppliers
    monkeypatch.setattr(_query, "open_session", lambda _: nullcontext(session))
    client = await session.client("suppliers")
    made = await client.create_request("DSV_ORDERS")

    found = await _query._status(session.connection, made.request_id)

    assert made.request_id == found.request_id
    assert () == others.calls


def test_status_of_an_unknown_id(ask):
    """
    An id that the server does not have ends with 1.
    """
    result = ask("status", "nobody's")

    assert (1, "") == (result.exit_code, result.stdout)
    assert 1 == result.stderr.count("\n")


def test_jobs(ask, simulator):
    """
    The machine remembers what was fetched, and where the file is; failures with their reason.
    """
    simulator.fail_generation("CPA")
    paths = ask("fetch", "ITEM", "CPA").stdout.split()

    lines = ask("jobs").stdout.splitlines()
    found = objects(ask("jobs", "--json"))

    assert {"SAVED", "FAILED"} == {one["status"] for one in found}
    assert [str(Path(path).absolute()) for path in paths] == [
        one["path"] for one in found if one["status"] == "SAVED"
    ]
    assert 3 == len(lines)
    assert any(line.endswith(paths[0]) for line in lines)
    assert any("ERROR" in line and " CPA " in line for line in lines)


def test_jobs_of_all_accounts(program):
    """
    Requests of sellers and suppliers, whose hosts differ, are shown together, newest first.
    """
    now = datetime.now(UTC)
    store = SQLiteStore(store_path(None))
    for age, market in enumerate(("us", "suppliers", "us")):
        record = JobRecord(
            key=f"{age}",
            account=account("id", MARKETS[market].base_url),
            report_type=market.upper(),
            version="v1",
            reserved_at=now - timedelta(minutes=age),
        )
        anyio.run(partial(store.save, record, now=now))
    anyio.run(store.aclose)

    def shown(*options):
        return [one["report_type"] for one in objects(program("jobs", "--json", *options))]

    assert ["US", "SUPPLIERS", "US"] == shown()
    assert ["US", "US"] == shown("--market", "global-us")
    assert ["SUPPLIERS"] == shown("--market", "suppliers")


def test_no_jobs(ask, simulator):
    """
    A machine that remembers nothing says so, and asks nobody.
    """
    result = ask("jobs")

    assert "This machine remembers no requests of this account.\n" == result.stderr
    assert () == simulator.calls


def test_quota(ask, simulator, server):
    """
    The hours of this machine and of other programs are told; open ones only when asked for.
    """
    ask("fetch", "ITEM")
    other = simulator.add_request("BUYBOX", server._clock.now() - timedelta(minutes=30))

    taken = {line.split()[0]: line for line in ask("quota").stdout.splitlines()}
    asked = ask("quota", "CPA", "BUYBOX", "--json")

    assert ["TYPE", "BUYBOX", "ITEM"] == list(taken)
    assert taken["ITEM"].endswith(simulator.requests[0].request_id)
    assert "opens in 2" in taken["BUYBOX"]
    assert taken["BUYBOX"].endswith(other)
    free, busy = objects(asked)
    assert ("CPA", True, None, 0) == (
        free["report_type"],
        free["open"],
        free["opens_at"],
        free["opens_in"],
    )
    assert not busy["open"]
    assert 0 < busy["opens_in"] < 1800


def test_quota_in_real_time(program, simulator, server):
    """
    In real time the time of day is told, too.
    """
    simulator.add_request("BUYBOX", server._clock.now() - timedelta(minutes=30))

    line = program("quota", "BUYBOX", "--base-url", server.url).stdout.splitlines()[1]

    assert ", at " in line


def test_no_quota_is_taken(ask, crowd):
    """
    Where no hour is taken, that is what is told; old requests take none.
    """
    assert "Every type's hour is open.\n" == ask("quota").stderr


def test_quota_of_a_strict_server(ask, simulator):
    """
    A server that lists one type only is asked type by type.
    """
    ask("fetch", "ITEM")
    simulator.fail("list", 400)

    result = ask("quota", "--json")

    assert ["ITEM"] == [one["report_type"] for one in objects(result)]
    assert "ITEM" == simulator.last_call.report_type


def test_quota_of_a_lost_create(ask, start, simulator, calls):
    """
    An hour whose request nobody knows is taken by this machine.
    """
    simulator.fail("create", "refuse", times=99)
    process = start("fetch", "ITEM")
    while "create" != calls.get(timeout=60).endpoint:
        pass
    process.kill()

    assert "this machine; nobody knows the request's id yet" in ask("quota", "ITEM").stdout


def test_which_hours_are_told():
    """
    Of each type the latest opening counts; what is over, or has no date, takes no hour.
    """
    now = datetime(2026, 1, 5, 8, tzinfo=UTC)
    hours = [
        Hour(report_type="A", opens_at=now + timedelta(minutes=minutes), taken_by=str(minutes))
        for minutes in (5, 9, 7)
    ]
    over = Hour(report_type="B", opens_at=now, taken_by="over")
    undated = Hour(report_type="C", taken_by="undated")

    assert [hours[1]] == pick([*hours, over, undated], (), now)
    assert [Hour(report_type="B"), hours[1]] == pick([*hours, over, undated], ("B", "A"), now)


def test_quota_of_an_open_hour(ask):
    """
    An open hour that was asked for is told as open.
    """
    assert "TYPE  HOUR  TAKEN BY\nCPA   open\n" == ask("quota", "CPA").stdout


@pytest.mark.anyio
async def test_undated_requests_take_no_hour():
    """
    A request whose date the server does not tell is no reason to stop, and takes no hour.
    """

    class Client:
        async def list_requests(self, *, report_type):
            yield ReportRequest(request_id="r-1", status=RequestStatus.READY, raw_status="READY")

    entries = [entry async for entry in _last_hour(Client(), make_clock(None), None)]

    assert [Hour(report_type="?", taken_by="r-1")] == list(_of_entries(entries, Client()))


def test_fast_clocks_agree():
    """
    Clocks of one speed agree from one run to the next, and the real one is the machine's.
    """
    for speed in (0.5, 1, 600, 100_000):
        first, second = make_clock(speed), make_clock(speed)

        assert abs(second.now() - first.now()) < timedelta(seconds=speed)
        assert second.now() - datetime.now(UTC) < timedelta(days=30 * 366)
    assert abs(make_clock(None).now() - datetime.now(UTC)) < timedelta(minutes=1)
    assert Connection().speed is None
