"""The hourly gate: taken, confirmed, given back, or found taken by others."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest
from attrs import evolve

from reports_async import JobStatus, MemoryStore, ReportRequest, RequestStatus, StoreError
from reports_async._quota import LEASE, LONGEST_CALL, MARGIN, RECENT, STEPS, Gate
from reports_async._sansio.history import SAMPLES, History
from reports_async._sansio.precedents import Precedent, loads
from reports_async._sansio.skew import Skew

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def gate(store, clock):
    return Gate(store, account="acme", clock=clock, history=History(2700.0))


async def reserve(gate, owner="me", report_type="ITEM_MX"):
    return await gate.reserve(report_type=report_type, version="v1", filters="{}", owner=owner)


def told(clock, request_id="R1", *, age=0.0, ahead=0.0, **changes):
    """A request as a server tells of it whose clock is so far ahead."""
    request = ReportRequest(
        request_id=request_id,
        status=RequestStatus.RECEIVED,
        raw_status="RECEIVED",
        report_type="ITEM_MX",
        version="v1",
        submitted_at=clock.now() + timedelta(seconds=ahead - age),
    )
    return evolve(request, **changes)


async def remember(gate, request, **changes):
    arguments = {
        "report_type": "ITEM_MX",
        "version": "v1",
        "filters": "{}",
        "skew": Skew(),
        "foreign": False,
    }
    return await gate.remember(request, **{**arguments, **changes})


async def test_reserved(gate, clock):
    """
    An open hour is taken by who asks first, with a lease to work on it.
    """
    record, granted = await reserve(gate)

    assert granted
    assert (JobStatus.RESERVED, "me") == (record.status, record.owner)
    assert clock.now() + HOUR == record.holds_until
    assert clock.now() + timedelta(seconds=LEASE) == record.lease_until
    assert record.sent_at is None


async def test_taken(gate, clock):
    """
    A taken hour is shown with its holder, until it is over; other types have hours of their own.
    """
    first, _ = await reserve(gate)

    assert (first, False) == await reserve(gate, "you")
    assert (await reserve(gate, "you", "INVENTORY_MX"))[1]
    await clock.sleep(3599)
    assert not (await reserve(gate, "you"))[1]
    await clock.sleep(1)
    assert (await reserve(gate, "you"))[1]


async def test_given_back(gate):
    """
    An hour that was not used can be taken again at once.
    """
    record, _ = await reserve(gate)
    await gate.release(record)

    assert (await reserve(gate, "you"))[1]


async def test_confirmed(gate, clock):
    """
    With the reply comes the id, and the hour counts from then.
    """
    record, _ = await reserve(gate)
    await clock.sleep(25)

    confirmed = await gate.confirm(record, told(clock, age=20))

    assert clock.now() + HOUR == confirmed.holds_until
    assert clock.now() == confirmed.received_at
    assert ("R1", JobStatus.RECEIVED) == (confirmed.request_id, confirmed.status)
    assert [confirmed] == list(await gate.records())


async def test_sending(gate, clock):
    """
    A create call on its way holds the hour for as long as it may take, and notes when it began.
    """
    record, _ = await reserve(gate)
    await clock.sleep(10)

    sent = await gate.sending(record, within=30.0)
    assert clock.now() == sent.sent_at
    assert clock.now() + HOUR + timedelta(seconds=30) == sent.holds_until
    began = clock.now()
    await clock.sleep(400)
    again = await gate.sending(sent, within=None)
    assert began == again.sent_at
    assert clock.now() + HOUR + timedelta(seconds=LONGEST_CALL) == again.holds_until
    assert [again] == list(await gate.records("ITEM_MX"))


@pytest.mark.parametrize("ahead", [0.0, 3600.0, -3600.0])
async def test_adopted(gate, clock, ahead):
    """
    An id that the list told holds the hour from its submission, by our clock.
    """
    record, _ = await reserve(gate)
    await clock.sleep(300)

    adopted = await gate.adopt(record, told(clock, age=280, ahead=ahead), skew=Skew(offset=ahead))

    submitted = clock.now() - timedelta(seconds=280)
    assert submitted == adopted.received_at
    assert submitted + HOUR + MARGIN == adopted.holds_until
    assert [adopted] == list(await gate.records())


async def test_adopted_without_a_date(gate, clock):
    """
    An id without a submission date holds the hour from now: never too short.
    """
    record, _ = await reserve(gate)
    await clock.sleep(300)

    adopted = await gate.adopt(record, told(clock, submitted_at=None), skew=Skew(offset=99))

    assert clock.now() + HOUR + MARGIN == adopted.holds_until


@pytest.mark.parametrize("ahead", [0.0, 3600.0, -3600.0])
async def test_remembered(gate, clock, ahead):
    """
    Another program's request holds the hour from its submission, whatever the server's clock.
    """
    request = told(clock, age=600, ahead=ahead)

    record = await remember(gate, request, skew=Skew(offset=ahead), filters=None, foreign=True)

    assert clock.now() + timedelta(seconds=3000) + MARGIN == record.holds_until
    assert (record, False) == await reserve(gate)
    assert (True, None) == (record.foreign, record.filters)
    assert request.submitted_at == record.submitted_at


async def test_remembered_without_a_date(gate, clock):
    """
    A request without a submission date holds the hour from now.
    """
    record = await remember(gate, told(clock, submitted_at=None))

    assert clock.now() + HOUR + MARGIN == record.holds_until


async def test_remembered_twice(gate, clock):
    """
    A request that is told again is one record.
    """
    await remember(gate, told(clock))
    await remember(gate, told(clock, status=RequestStatus.READY))

    (record,) = await gate.records()
    assert JobStatus.READY == record.status


async def test_extended(gate, clock):
    """
    The hour of a known request is corrected by the date that the server tells, where it does.
    """
    record = await remember(gate, told(clock, age=600))
    await gate.extend(record, told(clock, age=60, ahead=100), skew=Skew(offset=100))
    (later,) = await gate.records()
    assert clock.now() + timedelta(seconds=3540) + MARGIN == later.holds_until

    await gate.extend(record, told(clock, submitted_at=None), skew=Skew())
    assert [later] == list(await gate.records())


async def test_found(gate, clock):
    """
    A record is found by its request's id; of other accounts and ids nothing is known.
    """
    record = await remember(gate, told(clock))
    await remember(gate, told(clock, "R2"))

    assert record == await gate.find("R1")
    assert await gate.find("R3") is None
    assert (
        await Gate(gate._store, account="other", clock=clock, history=History(2700.0)).find("R1")
        is None
    )


async def test_known_once(gate, clock):
    """
    A request that was remembered is told from an unknown one also when the server forgot it.
    """
    await remember(gate, told(clock))
    await clock.sleep(timedelta(days=31).total_seconds())

    assert await gate.find("R1") is None
    assert await gate.knew("R1")
    assert not await gate.knew("R2")


async def test_claimed(gate, clock):
    """
    Who works on a record keeps others away until the lease is over.
    """
    record, _ = await reserve(gate)

    assert await gate.claim(record, owner="me")
    assert not await gate.claim(record, owner="you")
    await clock.sleep(LEASE)
    assert await gate.claim(record, owner="you")
    assert not await gate.claim(record, owner="me")


class Unreadable(MemoryStore):
    """
    A store that takes what it is given, and cannot be read.
    """

    async def records(self, account, *, now, report_type=None):
        raise StoreError("down")


async def test_opening(gate, clock):
    """
    It is told for how long an hour is taken, and when it opens.
    """
    record, _ = await reserve(gate)
    opens_at = clock.now() + HOUR
    await clock.sleep(600)

    assert 3000 == pytest.approx(gate.wait(record))
    assert abs(opens_at - gate.opening(record)) < timedelta(milliseconds=1)
    await clock.sleep(4000)
    assert 0 == gate.wait(record)
    assert clock.now() == gate.opening(record)


async def test_noted(gate, clock):
    """
    How a request goes on is written down without undoing a correction of its hour.
    """
    record = await remember(gate, told(clock, age=600))
    await gate.extend(record, told(clock, age=60), skew=Skew())
    (corrected,) = await gate.records()

    await gate.note(evolve(record, status=JobStatus.READY))
    (noted,) = await gate.records()
    assert evolve(corrected, status=JobStatus.READY) == noted
    await gate.note(evolve(record, key="another", request_id="R2"))
    assert 2 == len(await gate.records())


async def test_noted_without_a_store(gate, clock, store):
    """
    A store that cannot be read does not keep what became of a request from being written.
    """
    record = await remember(gate, told(clock))
    blind = Unreadable()
    await Gate(blind, account="acme", clock=clock, history=History(2700.0)).note(record)

    assert "<MemoryStore 1 records>" == repr(blind).replace("Unreadable", "MemoryStore")


async def test_learned(store, clock):
    """
    How long reports took is learned from what is remembered of them.
    """
    history = History(2700.0)
    gate = Gate(store, account="acme", clock=clock, history=history)
    await remember(gate, told(clock, age=900, generated_at=clock.now()))
    await remember(gate, told(clock, "R2"))
    await gate.records()

    assert "<History 1 reports of 1 types>" == repr(history)


async def test_the_newest_are_learned(store, clock):
    """
    Of more reports than are kept of a type the newest count, and reading them again is no news.
    """
    history = History(2700.0)
    gate = Gate(store, account="acme", clock=clock, history=history)
    for number in range(2 * SAMPLES):
        took = 600.0 if number < SAMPLES else 1800.0
        request = told(clock, f"R{number}", age=7200.0 + 3600.0 * number)
        ready = request.submitted_at + timedelta(seconds=took)
        await remember(gate, evolve(request, generated_at=ready))
    await gate.records()
    belief = history.of("ITEM_MX")
    await gate.records()

    assert belief.ready_between(300.0, 900.0) > 0.9
    assert belief is history.of("ITEM_MX")


async def test_refused_list(gate, store, clock):
    """
    That the list wants a type is written down with what becomes of a request, and read again.
    """
    record = await remember(gate, told(clock))
    gate.strictness.learn(clock.now(), now=clock.now())
    await gate.note(record)
    later = Gate(store, account="acme", clock=clock, history=History(2700.0))
    await later.records()

    assert clock.now() == later.strictness.refused_at


async def test_precedents(gate, store, clock):
    """
    How long reports of others took is written down with what becomes of a request, and read again.
    """
    record = await remember(gate, told(clock))
    gate.precedents.note(Precedent("INVENTORY_MX", "R0", 900.0, clock.now().timestamp()))
    await gate.note(evolve(record, status=JobStatus.INPROGRESS))
    await gate.note(evolve(record, status=JobStatus.READY))
    history = History(2700.0)
    await Gate(store, account="acme", clock=clock, history=history).records()

    assert history.knows("INVENTORY_MX")


async def test_precedents_at_once(gate, store, clock):
    """
    Of requests that something becomes of at once, one record tells of the others' reports.
    """
    records = [await remember(gate, told(clock, f"R{number}")) for number in range(5)]
    gate.precedents.note(Precedent("INVENTORY_MX", "R9", 900.0, clock.now().timestamp()))
    async with anyio.create_task_group() as tasks:
        for record in records:
            tasks.start_soon(gate.note, record)

    assert 1 == sum(record.others_took is not None for record in await gate.records())


async def test_precedents_of_a_record_that_cannot_be_read(clock):
    """
    What a record tells stays in it, though the store cannot be read when it is written next.
    """

    class Blind(MemoryStore):
        blind = False

        async def records(self, account, *, now, report_type=None):
            if self.blind:
                raise StoreError("blind")
            return await super().records(account, now=now, report_type=report_type)

    blind = Blind()
    gate = Gate(blind, account="acme", clock=clock, history=History(2700.0))
    record = await remember(gate, told(clock))
    gate.precedents.note(Precedent("INVENTORY_MX", "R9", 900.0, clock.now().timestamp()))
    noted = await gate.note(record)
    blind.blind = True
    await gate.note(evolve(noted, status=JobStatus.READY))
    blind.blind = False

    (saved,) = await gate.records()
    assert saved.others_took is not None
    assert noted.others_took == saved.others_took


async def test_precedents_wait_for_the_store(store, clock):
    """
    What a store would not take is told to the next record.
    """

    class Full(MemoryStore):
        full = True

        async def save(self, record, *, now):
            if self.full:
                raise StoreError("full")
            await super().save(record, now=now)

    full = Full()
    gate = Gate(full, account="acme", clock=clock, history=History(2700.0))
    record = await remember(
        Gate(store, account="acme", clock=clock, history=History(2700.0)), told(clock)
    )
    gate.precedents.note(Precedent("ITEM_MX", "R0", 900.0, clock.now().timestamp()))
    with pytest.raises(StoreError):
        await gate.note(record)
    full.full = False
    await gate.note(record)

    (saved,) = await gate.records()
    assert [("ITEM_MX", "R0")] == [
        (one.report_type, one.request_id) for one in loads(saved.others_took or "")
    ]


async def test_saved(gate):
    """
    What becomes of a request is written down.
    """
    record, _ = await reserve(gate)
    await gate.save(evolve(record, status=JobStatus.SAVED, path="there.csv"))

    (saved,) = await gate.records()
    assert (JobStatus.SAVED, "there.csv") == (saved.status, saved.path)


async def test_mine(gate, clock):
    """
    A record is ours to work on while nobody else has gone on with it.
    """
    record, _ = await reserve(gate)

    assert record.key == (await gate.mine(record, owner="me")).key
    assert await gate.mine(record, owner="you") is None
    await clock.sleep(LEASE)
    assert record.key == (await gate.mine(record, owner="you")).key
    assert await gate.mine(record, owner="me") is None
    await gate.confirm(record, told(clock))
    await clock.sleep(LEASE)
    # The lease is open, but its work is done.
    assert await gate.mine(record, owner="me") is None
    assert "R1" == (await gate.current(record)).request_id


async def test_given_back_only_by_its_owner(gate, clock):
    """
    An hour is given back by who works on it, and not after it was used.
    """
    record, _ = await reserve(gate)
    await gate.give_back(record, owner="you")
    assert await gate.current(record) is not None
    await gate.give_back(record, owner="me")
    assert await gate.current(record) is None

    record, _ = await reserve(gate)
    await gate.confirm(record, told(clock))
    await gate.give_back(record, owner="me")
    assert await gate.current(record) is not None


async def test_no_store_to_ask(clock, caplog):
    """
    A store that is down leaves the record as it is known, and an hour as it is reserved.
    """

    class Down(MemoryStore):
        down = "records"

        async def claim(self, key, *, owner, now, lease):
            if self.down == "claim":
                raise StoreError("no claim")
            return await super().claim(key, owner=owner, now=now, lease=lease)

        async def records(self, account, *, now, report_type=None):
            raise StoreError("no records")

    store = Down()
    gate = Gate(store, account="acme", clock=clock, history=History(2700.0))
    record, _ = await reserve(gate)

    assert record is await gate.mine(record, owner="me")
    store.down = "claim"
    await gate.give_back(record, owner="me")
    assert "ITEM_MX: its hour cannot be given back: no claim" in caplog.messages


class Slow(MemoryStore):
    """
    A store that takes so many seconds to tell what it remembers.
    """

    delay = 0.0

    async def records(self, account, *, now, report_type=None):
        await anyio.sleep(self.delay)
        return await super().records(account, now=now, report_type=report_type)


async def test_lease_of_a_slow_store(clock):
    """
    The slower the store was of late, the longer is a lease; an hour at most.
    """
    store = Slow()
    gate = Gate(store, account="acme", clock=clock, history=History(2700.0))
    leases = []
    for store.delay in (20, 0, 1000):
        await gate.records()
        leases.append(gate.lease)
    store.delay = 1
    await clock.sleep(RECENT)
    await gate.records()

    assert [LEASE + STEPS * 20, LEASE + STEPS * 20, 3600] == leases
    assert LEASE + STEPS == gate.lease
