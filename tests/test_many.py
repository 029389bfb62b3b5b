"""Many reports at once: each as it finishes, the failures together, and nobody in the way."""

from __future__ import annotations

from contextlib import aclosing

import anyio.lowlevel
import pytest

from reports_async import (
    Downloaded,
    InvalidArgument,
    JobStatus,
    ReportFailed,
    ReportSpec,
    ReportTimedOut,
    Timeouts,
)
from reports_async.testing import ScaledClock, Simulator, SimulatorTransport

pytestmark = pytest.mark.anyio


@pytest.fixture
def simulator():
    return Simulator(rows=20, generation=300)


async def types(reports):
    return [report.report_type async for report in reports]


async def test_as_they_finish(new_client, simulator):
    """
    Reports are yielded as they finish, whatever the order in which they were asked for.
    """
    for number, name in enumerate(("SLOW", "MIDDLE", "QUICK")):
        simulator.generation(name, 2400 - 900 * number)
    async with new_client() as client:
        found = await types(client.fetch_reports(["SLOW", "MIDDLE", ReportSpec("QUICK")]))

    assert ["QUICK", "MIDDLE", "SLOW"] == found


async def test_one_list_covers_all(new_client, simulator):
    """
    Eight waiting reports cost no more looks than one: a list covers them all.
    """
    async with new_client() as client:
        found = await types(client.fetch_reports(f"TYPE_{number}" for number in range(8)))

    assert 8 == len(found)
    assert 20 >= simulator.count("list") + simulator.count("status")
    assert 0 == simulator.count("list", 429) + simulator.count("status", 429)


async def test_failures_come_last(new_client, simulator):
    """
    A failing report hides or cancels no other; after the last, the failures are raised together.
    """
    for name in ("A", "C"):
        simulator.generation(name, 60)
        simulator.fail_generation(name)
    simulator.generation("B", 2700)
    found = []
    async with new_client() as client:
        reports = client.fetch_reports(["A", "B", "C"])
        found.append(await anext(reports))
        with pytest.raises(ExceptionGroup, match="2 of 3 reports failed") as excinfo:
            await anext(reports)

    assert ["B"] == [report.report_type for report in found]
    assert {("A", ReportFailed), ("C", ReportFailed)} == {
        (error.report_type, type(error)) for error in excinfo.value.exceptions
    }


async def test_single_failure(new_client, simulator):
    """
    Also a single failure comes as a group: a caller needs one `except*` only.
    """
    simulator.never_ready("A")
    async with new_client(timeouts=Timeouts(generation=60)) as client:
        with pytest.raises(ExceptionGroup) as excinfo:
            await types(client.fetch_reports(["A"]))

    assert excinfo.group_contains(ReportTimedOut)


async def test_no_specs(new_client, simulator):
    """
    Nothing asked for, nothing sent.
    """
    async with new_client() as client:
        assert [] == await types(client.fetch_reports([]))

    assert () == simulator.calls


async def test_same_type_twice(new_client, simulator):
    """
    The same report asked for twice is one request, and two reports.
    """
    async with new_client() as client:
        first, second = [report async for report in client.fetch_reports(["A", "A"])]

    assert first == second
    assert (1, 1, 1) == (simulator.creates(), simulator.count("link"), simulator.count("file"))


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ("ITEM_MX", "specs must be a list of report types"),
        (["A", ""], "report_type must not be empty or blank"),
        (["A", 7], "report_type must be a string"),
        (["A", "B C"], "report_type must not contain spaces"),
    ],
)
async def test_bad_spec(new_client, simulator, specs, message):
    """
    A bad spec is refused when it is given, before anything is sent for the good ones.
    """
    async with new_client() as client:
        with pytest.raises(InvalidArgument, match=message):
            client.fetch_reports(specs)

    assert () == simulator.calls


async def test_bad_path(new_client, simulator, tmp_path):
    """
    A path that cannot be written is refused before anything is sent, too.
    """
    blocked = tmp_path / "file"
    blocked.touch()
    specs = [ReportSpec("A"), ReportSpec("B", path=blocked / "b.csv")]
    async with new_client() as client:
        with pytest.raises(InvalidArgument, match="path must lie in a directory"):
            client.fetch_reports(specs)

    assert () == simulator.calls


@pytest.mark.parametrize("other", ["{0}/r.csv", "{0}/../{0.name}/r.csv", "r.csv"])
async def test_same_path(new_client, simulator, tmp_path, monkeypatch, other):
    """
    Two reports are not written to one path, however it is spelled: one would be lost.
    """
    monkeypatch.chdir(tmp_path)
    specs = [ReportSpec("A", path=tmp_path / "r.csv"), ReportSpec("B", path=other.format(tmp_path))]
    async with new_client() as client:
        with pytest.raises(InvalidArgument, match=r"but two have .*r\.csv"):
            client.fetch_reports(specs)

    assert () == simulator.calls


async def test_left_early(new_client, simulator):
    """
    Leaving the iteration stops the waiting, not the requests: they can be joined afterwards.
    """
    simulator.generation("QUICK", 60)
    simulator.generation("SLOW", 2000)
    async with new_client() as client:
        async with aclosing(client.fetch_reports(["SLOW", "QUICK"])) as reports:
            report = await anext(reports)
        waiting = repr(client)
        records = {record.report_type: record.status for record in await client.jobs()}
        slow = await client.fetch_report("SLOW")

    assert "QUICK" == report.report_type
    assert "<ReportsClient market mx, 0 jobs>" == waiting
    assert JobStatus.SAVED == records["QUICK"]
    assert 2 == simulator.creates()
    assert slow.request_id in {request.request_id for request in simulator.requests}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_dropped(new_client, simulator, anyio_backend):
    """
    An iteration that is merely dropped, as `break` does, stops the waiting as well.
    """
    simulator.generation("QUICK", 60)
    simulator.never_ready("SLOW")
    clock = ScaledClock(10_000)
    transport = SimulatorTransport(simulator, clock)
    async with new_client(clock=clock, transport=transport) as client:
        async for _ in client.fetch_reports(["QUICK", "SLOW"]):
            break
        # The event loop closes what was dropped in a task of its own.
        for _ in range(1000):
            await anyio.lowlevel.checkpoint()
        assert "<ReportsClient market mx, 0 jobs>" == repr(client)


async def test_defect_comes_last(new_client, simulator):
    """
    An error that is none of ours, a defect of a transport, hides the others no more than ours do.
    """

    async with new_client() as client:
        client._transport.stream = None
        simulator.generation("A", 60)
        simulator.generation("B", 600)
        with pytest.raises(ExceptionGroup) as excinfo:
            await types(client.fetch_reports(["A", "B"]))

    assert [TypeError, TypeError] == [type(error) for error in excinfo.value.exceptions]


async def test_events_of_many(new_client, simulator):
    """
    Each job tells its own events only.
    """
    async with new_client() as client:
        jobs = [client.request_report(name) for name in ("A", "B")]
        told = [[event async for event in job.events()] for job in jobs]

    assert [{"A"}, {"B"}] == [{event.report_type for event in events} for events in told]
    assert [Downloaded, Downloaded] == [type(events[-1]) for events in told]
