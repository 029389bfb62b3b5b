"""The events of one job, for those who listen early, late or slowly."""

from __future__ import annotations

from datetime import UTC, datetime

import anyio
import pytest
from attrs import evolve

from reports_async._feed import Feed
from reports_async._sansio.events import Downloading, Progressed, Reserved

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
RESERVED = Reserved(at=NOW, report_type="ITEM_MX")
PROGRESSED = Progressed(at=NOW, report_type="ITEM_MX", raw_status="INPROGRESS", elapsed=60.0)


def downloading(received):
    return Downloading(at=NOW, report_type="ITEM_MX", received=received)


async def heard(feed):
    return [event async for event in feed.listen()]


async def test_past():
    """
    Who comes when all is over gets all events at once.
    """
    feed = Feed()
    feed.tell(RESERVED)
    feed.tell(PROGRESSED)
    feed.end()

    assert [RESERVED, PROGRESSED] == await heard(feed)
    assert feed.ended


async def test_nothing():
    """
    A feed that ended without an event ends its listeners too.
    """
    feed = Feed()
    feed.end()

    assert [] == await heard(feed)


async def test_each_event_as_it_comes():
    """
    A listener gets an event when it happens, not at the end.
    """
    feed = Feed()
    listener = feed.listen()
    feed.tell(RESERVED)
    assert RESERVED == await anext(listener)

    async with anyio.create_task_group() as group:
        got = []

        async def listen():
            got.append(await anext(listener))

        group.start_soon(listen)
        await anyio.wait_all_tasks_blocked()
        assert [] == got
        feed.tell(PROGRESSED)

    assert [PROGRESSED] == got
    feed.end()
    with pytest.raises(StopAsyncIteration):
        await anext(listener)


async def test_many_listeners():
    """
    Everyone hears everything, whenever they came.
    """
    feed, ears = Feed(), []

    async def listen():
        ears.append(await heard(feed))

    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        await anyio.wait_all_tasks_blocked()
        feed.tell(RESERVED)
        group.start_soon(listen)
        await anyio.wait_all_tasks_blocked()
        feed.tell(PROGRESSED)
        feed.end()

    assert [[RESERVED, PROGRESSED]] * 2 == ears


async def test_slow_listener():
    """
    Who listens slowly to a download hears of its newest progress only, and misses nothing else.
    """
    feed = Feed()
    listener = feed.listen()
    feed.tell(RESERVED)
    assert RESERVED == await anext(listener)
    feed.tell(PROGRESSED)
    for received in range(1000):
        feed.tell(downloading(received))
    feed.tell(PROGRESSED)
    feed.tell(downloading(1000))
    feed.end()

    rest = [PROGRESSED, downloading(999), PROGRESSED, downloading(1000)]
    assert rest == [event async for event in listener]
    assert [RESERVED, *rest] == list(feed.past)


async def test_same_word_again():
    """
    Looks that tell the same word again are one event, the newest; who has read it gets that too.
    """
    feed = Feed()
    words = ["RECEIVED", "RECEIVED", "INPROGRESS", "INPROGRESS"]
    events = [evolve(PROGRESSED, raw_status=word, elapsed=n) for n, word in enumerate(words)]
    early = feed.listen()
    feed.tell(RESERVED)
    feed.tell(events[0])
    assert [RESERVED, events[0]] == [await anext(early), await anext(early)]
    for event in events[1:]:
        feed.tell(event)
    feed.end()

    assert [RESERVED, events[1], events[3]] == await heard(feed)
    assert [events[1], events[3]] == [event async for event in early]


async def test_listener_that_leaves():
    """
    Who stops listening troubles nobody: closed, cancelled or merely dropped.
    """
    feed = Feed()
    feed.tell(RESERVED)
    early, dropped = feed.listen(), feed.listen()
    assert RESERVED == await anext(early)
    assert RESERVED == await anext(dropped)
    await early.aclose()
    del dropped

    async with anyio.create_task_group() as group:
        group.start_soon(heard, feed)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()

    feed.end()
    assert [RESERVED] == await heard(feed)


async def test_looks():
    """
    Looks that saw the same word in a row are kept as the newest; another word is another event.
    """
    received, again = (evolve(PROGRESSED, raw_status="RECEIVED", elapsed=at) for at in (1.0, 2.0))
    feed = Feed()
    listener = feed.listen()
    feed.tell(received)
    assert received == await anext(listener)
    for event in (again, PROGRESSED, PROGRESSED):
        feed.tell(event)
    feed.end()

    assert [again, PROGRESSED] == list(feed.past)
    assert list(feed.past) == [event async for event in listener]
