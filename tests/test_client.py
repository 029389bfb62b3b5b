"""The whole job through the public face: one line from a request to a verified file."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from reports_async import Filters, ReportFailed, ReportTimedOut, Timeouts
from reports_async.testing import Rules, Simulator

pytestmark = pytest.mark.anyio

START = datetime(2026, 1, 5, 8, tzinfo=UTC)


@pytest.fixture
def simulator(request):
    return Simulator(rows=20, rules=getattr(request, "param", Rules()))


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def test_fetch_report(new_client, simulator, tmp_path):
    """
    One line requests a report, waits, downloads, unpacks and checks it; the file is the archive's.
    """
    async with new_client() as client:
        report = await client.fetch_report("ITEM_MX")

    assert simulator.digest(report.request_id) == digest(report.path)
    assert ("ITEM_MX", "v1") == (report.report_type, report.version)
    assert [report.path] == list(tmp_path.iterdir())
    assert report.path.stat().st_size == report.size
    assert (1, ()) == (simulator.creates(), simulator.violations)


async def test_report_times(new_client, simulator, clock):
    """
    A report tells when it was submitted and made, and when the server forgets it: 30 days later.
    """
    simulator.generation("ITEM_MX", 600)
    async with new_client() as client:
        report = await client.fetch_report("ITEM_MX")

    assert START == report.submitted_at
    assert START + timedelta(seconds=600) == report.generated_at
    assert START + timedelta(days=30) == report.expires_at


async def test_rows(new_client, simulator):
    """
    `rows` iterates the CSV as dictionaries, by the names of its header.
    """
    simulator.rows("INVENTORY_MX", 3)
    async with new_client() as client:
        report = await client.fetch_report("INVENTORY_MX")

    rows = list(report.rows())

    assert 3 == len(rows)
    assert {"SKU", "GTIN"} <= rows[0].keys()


@pytest.mark.parametrize("simulator", [Rules(bom=True)], indirect=True, ids=["bom"])
async def test_byte_order_mark(new_client, simulator):
    """
    The file keeps the archive's byte order mark; `rows` drops it.
    """
    async with new_client() as client:
        report = await client.fetch_report("INVENTORY_MX")

    assert report.path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert "SKU" == next(iter(next(report.rows())))


async def test_newest_version(new_client, simulator):
    """
    Without a version the newest known one of the type is asked for, v1 for unknown types.
    """
    async with new_client(market="us") as client:
        versions = [
            (await client.fetch_report(name)).version for name in ("ITEM", "INVENTORY", "NEW_TYPE")
        ]

    assert ["v6", "v1", "v1"] == versions
    assert versions == [request.version for request in simulator.requests]


async def test_filters_are_sent(new_client, simulator):
    """
    What the report shall contain goes into the create body, in the API's own words.
    """
    filters = Filters(exclude_columns=["GTIN"])
    async with new_client() as client:
        report = await client.fetch_report("ITEM_MX", filters=filters)

    assert {"excludeColumns": ["GTIN"]} == simulator.requests[0].payload
    assert "GTIN" not in next(report.rows())


async def test_explicit_path(new_client, simulator, tmp_path):
    """
    A report goes where *path* says, over an older file; missing directories are made.
    """
    target = tmp_path / "new" / "items.csv"
    target.parent.mkdir()
    target.write_text("older")
    async with new_client() as client:
        report = await client.fetch_report("ITEM_MX", path=str(target))

    assert target == report.path
    assert simulator.digest(report.request_id) == digest(target)


async def test_failed_generation(new_client, simulator, clock):
    """
    An ERROR is told as soon as it is seen, with the request's id.
    """
    simulator.generation("ITEM_MX", 120)
    simulator.fail_generation("ITEM_MX")
    async with new_client() as client:
        with pytest.raises(ReportFailed, match=r"ended request .* with ERROR") as excinfo:
            await client.fetch_report("ITEM_MX")

    assert simulator.requests[0].request_id == excinfo.value.request_id
    assert "ITEM_MX" == excinfo.value.report_type
    assert clock.monotonic() < 400
    assert 0 == simulator.count("link")


async def test_generation_limit(new_client, simulator):
    """
    A report that is never ready times out when its 90 minutes are over, not before.
    """
    simulator.never_ready("ITEM_MX")
    async with new_client() as client:
        with pytest.raises(ReportTimedOut) as excinfo:
            await client.fetch_report("ITEM_MX")

    assert 5400 == excinfo.value.waited
    assert "generation" == excinfo.value.limit
    assert isinstance(excinfo.value, TimeoutError)


async def test_own_generation_limit(new_client, simulator):
    """
    The generation limit is the caller's to choose, as a duration of any kind.
    """
    simulator.never_ready("ITEM_MX")
    async with new_client(timeouts=Timeouts(generation=timedelta(hours=3))) as client:
        with pytest.raises(ReportTimedOut) as excinfo:
            await client.fetch_report("ITEM_MX")

    assert 10800 == excinfo.value.waited


async def test_no_generation_limit(new_client, simulator, clock):
    """
    None means no limit: a report that takes half a day is waited for.
    """
    simulator.generation("ITEM_MX", 40_000)
    async with new_client(timeouts=Timeouts(generation=None)) as client:
        report = await client.fetch_report("ITEM_MX")

    assert 39_999 < clock.monotonic()
    assert simulator.digest(report.request_id) == digest(report.path)
