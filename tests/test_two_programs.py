"""Two programs that share an account, its budgets and a store: what one knows is for both."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from reports_async import Linked, MemoryStore, SQLiteStore, StoreError
from reports_async._quota import Gate
from reports_async._sansio.history import History
from reports_async._sansio.precedents import loads
from reports_async.testing import Rules, Simulator, SimulatorTransport

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("rules", [Rules(), Rules(strict_list=True)], ids=["open", "strict"])
async def test_all_types_twice(new_client, clock, rules, seed, tmp_path):
    """
    Two that want all 27 types make 27 requests, have 27 files each, and are never refused.
    """
    simulator = Simulator(rules=rules, seed=seed, rows=1)
    found = ([], [])

    async def play(number):
        async with new_client(
            market="us",
            transport=SimulatorTransport(simulator, clock),
            store=SQLiteStore(tmp_path / "requests.sqlite3"),
            directory=tmp_path / str(number),
        ) as client:
            async for report in client.fetch_reports(client.report_types):
                found[number].append(report.request_id)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(play, 0)
        tasks.start_soon(play, 1)

    made = {request.request_id for request in simulator.requests}
    assert 27 == simulator.creates() == len(made)
    assert made == set(found[0]) == set(found[1])
    assert [] == [call for call in simulator.calls if call.status == 429]


async def test_one_after_the_other(new_client, clock, tmp_path):
    """
    A program that follows another need not find out again that the list wants a type, of any.
    """
    simulator = Simulator(rules=Rules(strict_list=True), rows=1)

    for types in (["ITEM", "INVENTORY"], ["BUYBOX", "PROMO"]):
        async with new_client(
            market="us",
            transport=SimulatorTransport(simulator, clock),
            store=SQLiteStore(tmp_path / "requests.sqlite3"),
        ) as client:
            async for report in client.fetch_reports(types):
                assert report.report_type in types

    assert 4 == simulator.creates()
    assert 1 == simulator.count("list", 400)


async def test_a_third_that_shares_no_store(new_client, clock, tmp_path):
    """
    How long the reports of a program took that shares the account only is kept in the store.
    """
    simulator = Simulator(rows=1, generation=600)
    theirs = {
        simulator.add_request("ITEM", clock.now() - timedelta(hours=hours)) for hours in range(2, 8)
    }
    store = SQLiteStore(tmp_path / "requests.sqlite3")
    async with new_client(
        market="us", transport=SimulatorTransport(simulator, clock), store=store
    ) as client:
        await client.fetch_report("ITEM")
        (record,) = await client.jobs()

    store, history = SQLiteStore(tmp_path / "requests.sqlite3"), History(2700.0)
    try:
        await Gate(store, account=record.account, clock=clock, history=history).records()
        assert "<History 7 reports of 1 types>" == repr(history)
        assert theirs == {one.request_id for one in loads(record.others_took or "")}
        assert {600.0} == {one.seconds for one in loads(record.others_took or "")}
    finally:
        await store.aclose()


class Blind(MemoryStore):
    """
    A store that cannot be read at times.
    """

    blind = False

    async def records(self, account, *, now, report_type=None):
        if self.blind:
            raise StoreError("blind")
        return await super().records(account, now=now, report_type=report_type)


async def test_a_store_that_cannot_be_read_forgets_nothing(new_client, clock):
    """
    What a record tells of a third program stays, where the store takes writes and no reads.
    """
    simulator, store = Simulator(rows=1, generation=600), Blind()
    theirs = simulator.add_request("ITEM", clock.now() - timedelta(hours=2))
    async with new_client(
        market="us", transport=SimulatorTransport(simulator, clock), store=store
    ) as client:
        job = client.request_report("ITEM")
        async for event in job.events():
            store.blind = store.blind or isinstance(event, Linked)
        store.blind = False
        (record,) = await client.jobs()

    assert "SAVED" == record.status
    assert [theirs] == [one.request_id for one in loads(record.others_took or "")]
