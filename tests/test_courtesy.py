"""Worker threads and the event loop: each lets the other go first when it must."""

from __future__ import annotations

import asyncio
import itertools
import sys
import threading
import time
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports_async._courtesy import Courtesy, giving_way, is_runnable

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only tells")


def on_asyncio(test):
    return pytest.mark.anyio(pytest.mark.parametrize("anyio_backend", ["asyncio"])(test))


class Worker:
    """A worker that counts how often it rested. A block takes it a millisecond."""

    def __init__(self):
        self.rested = 0
        self.worked = 0.0

    def rest(self, _):
        self.rested += 1

    def work(self, thread, *, blocks, each=0.001, until=lambda: None):
        with giving_way(thread, rest=self.rest, worked=lambda: self.worked) as give_way:
            until()
            for _ in range(blocks):
                self.worked += each
                give_way()
        return self.rested


@pytest.fixture
def worker():
    return Worker()


@pytest.fixture
def other():
    """A thread that waits until it is told to end."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait, args=(30,))
    thread.start()
    thread.over = over
    yield thread
    over.set()
    thread.join()


@linux
def test_runs(worker):
    """A worker rests before each block while the other thread has work to do."""
    assert 3 == worker.work(threading.get_native_id(), blocks=3)


@linux
@given(each=st.floats(0.0, 0.0004), blocks=st.integers(0, 50))
def test_while(each, blocks):
    """A worker asks once for each fifth of a millisecond of work at most, and not for waiting."""
    worker = Worker()
    rested = worker.work(threading.get_native_id(), blocks=blocks, each=each)

    assert rested <= min(blocks, each * blocks / 0.0002 + 1e-6)
    assert rested >= (each * blocks) // 0.0004 - 1


@linux
def test_waits(other):
    """A worker does not rest while the other thread waits for something."""
    # It has to begin to wait first.
    rested, deadline = 1, time.monotonic() + 30
    while rested and time.monotonic() < deadline:
        rested = Worker().work(other.native_id, blocks=100)

    assert 0 == rested


def test_ends(worker, other):
    """A worker goes on where the other thread has ended meanwhile."""

    def end():
        other.over.set()
        deadline = time.monotonic() + 30
        while Path(f"/proc/self/task/{other.native_id}").exists():
            assert time.monotonic() < deadline

    assert 0 == worker.work(other.native_id, blocks=100, until=end)


def test_unknown(worker):
    """A worker goes on where nothing is known of the other thread."""
    assert 0 == worker.work(0, blocks=100)


@linux
def test_rest():
    """A rest leaves the processor for a moment."""
    before, used = time.perf_counter(), time.thread_time()
    with giving_way(threading.get_native_id(), worked=itertools.count().__next__) as give_way:
        give_way()
    passed = time.perf_counter() - before

    assert 0.00005 <= passed
    assert time.thread_time() - used < passed


@given(
    number=st.integers(1, 2**22),
    name=st.text(max_size=15),
    state=st.sampled_from("RSDZTtXIP"),
    parent=st.integers(0, 2**22),
)
def test_line(number, name, state, parent):
    """Only the state says whether a thread could run, whatever its name is."""
    line = f"{number} ({name}) {state} {parent} {parent} 0 -1 4194304".encode()

    assert (state == "R") is is_runnable(line)


class Loop:
    """A loop whose turns take a second each, of which its thread computes a share."""

    def __init__(self, share=1.0):
        self.share = share
        self.rests = []
        self.seconds = 0.0
        self.room = Courtesy(
            turn=0.0,
            rest=self.rests.append,
            worked=lambda: self.seconds * self.share,
            now=lambda: self.seconds,
        )

    async def turns(self, count=10):
        for _ in range(count):
            self.seconds += 1.0
            await asyncio.sleep(0)
        return len(self.rests)


@on_asyncio
async def test_loop_computes():
    """A loop that computes all the time rests for a millisecond in each turn."""
    loop = Loop()
    with loop.room:
        assert await loop.turns() >= 9
    assert {0.001} == set(loop.rests)


@given(share=st.floats(0.0, 0.89) | st.floats(0.91, 1.0))
def test_share(share):
    """A loop rests only where its thread computes for more than nine tenths of the time."""

    async def run():
        loop = Loop(share)
        with loop.room:
            return await loop.turns()

    assert (asyncio.run(run()) > 0) is (share > 0.9)


@on_asyncio
async def test_nobody():
    """A loop rests only while there are workers that it matters to, and for all of them once."""
    loop = Loop()
    assert 0 == await loop.turns()

    with loop.room:
        with loop.room:
            rested = await loop.turns()
        assert rested <= 10
        assert await loop.turns() > rested

    rested = len(loop.rests)
    assert rested == await loop.turns()


@pytest.mark.anyio
async def test_trio():
    """On trio a room is entered and left, and nothing is done."""
    loop = Loop()
    with loop.room:
        await anyio.lowlevel.checkpoint()
    assert [] == loop.rests


@on_asyncio
async def test_true_loop():
    """A loop is seen to compute by the system's own clocks."""
    rests = []
    deadline = time.monotonic() + 30
    with Courtesy(rest=rests.append):
        while not rests:
            assert time.monotonic() < deadline
            await asyncio.sleep(0)
    assert [0.001] == rests[:1]
