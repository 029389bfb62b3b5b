"""Background tasks on both event loops."""

from __future__ import annotations

import asyncio

import anyio
import pytest
from trio.testing import MockClock

from reports_async._tasks import AsyncioTasks, SharedTasks, TrioTasks, on_asyncio, shielded

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    if request.param == "asyncio":
        return "asyncio"
    return "trio", {"clock": MockClock(autojump_threshold=0)}


async def opened():
    return AsyncioTasks() if on_asyncio() else await TrioTasks.open()


async def test_on_asyncio(anyio_backend):
    """
    The running loop is recognized.
    """
    assert (anyio_backend == "asyncio") == on_asyncio()


async def test_started():
    """
    A task runs in the background, and one may start another.
    """
    tasks = await opened()
    done = anyio.Event()

    async def second():
        done.set()

    async def first():
        tasks.start(second)

    tasks.start(first)
    await done.wait()
    await tasks.aclose()


async def test_close_cancels():
    """
    Closing cancels what still runs and returns when it has ended, its shielded part included.
    """
    tasks = await opened()
    running, steps = anyio.Event(), []

    async def work():
        running.set()
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
                steps.append("cleaned up")

    tasks.start(work)
    await running.wait()
    await tasks.aclose()

    assert ["cleaned up"] == steps


async def test_close_before_the_start():
    """
    A task that has not begun when its client closes gets no further than its first await.
    """
    tasks = await opened()
    steps = []

    async def work():
        await anyio.lowlevel.checkpoint()
        steps.append("too late")

    tasks.start(work)
    await tasks.aclose()

    assert [] == steps


async def test_close_with_a_late_task():
    """
    What a task starts while it is being closed is ended too.
    """
    tasks = await opened()
    running, steps = anyio.Event(), []

    async def late():
        try:
            await anyio.sleep_forever()
        finally:
            steps.append("late one ended")

    async def work():
        running.set()
        try:
            await anyio.sleep_forever()
        finally:
            tasks.start(late)

    tasks.start(work)
    await running.wait()
    await tasks.aclose()

    assert ["late one ended"] == steps


async def test_close_of_nothing():
    """
    Closing without tasks does nothing.
    """
    await (await opened()).aclose()


async def test_shared():
    """
    Closing one owner's tasks ends those, their late ones and unbegun ones, and no others.
    """
    tasks = await opened()
    ours, theirs = SharedTasks(tasks), SharedTasks(tasks)
    running, go_on, steps = anyio.Event(), anyio.Event(), []

    async def late():
        try:
            await anyio.sleep_forever()
        finally:
            steps.append("late one ended")

    async def work():
        running.set()
        try:
            await anyio.sleep_forever()
        finally:
            ours.start(late)
            steps.append("ended")

    async def unbegun():
        await anyio.lowlevel.checkpoint()
        steps.append("too late")

    async def other():
        await go_on.wait()
        steps.append("went on")

    ours.start(work)
    theirs.start(other)
    await running.wait()
    ours.start(unbegun)
    await ours.aclose()
    await ours.aclose()
    assert {"ended", "late one ended"} == set(steps)

    go_on.set()
    await anyio.wait_all_tasks_blocked()
    assert "went on" == steps[-1]
    await theirs.aclose()
    await tasks.aclose()


async def test_shared_task_that_ends():
    """
    A task that has ended by itself is not waited for.
    """
    tasks = await opened()
    ours, steps = SharedTasks(tasks), []

    async def work():
        steps.append("done")

    ours.start(work)
    await anyio.wait_all_tasks_blocked()
    await ours.aclose()
    await tasks.aclose()

    assert ["done"] == steps


async def test_shielded():
    """
    Shielded work comes to its end though its task is cancelled; the next await tells.
    """
    steps, going, go_on = [], anyio.Event(), anyio.Event()

    async def work():
        going.set()
        await go_on.wait()
        return "done"

    async def caller():
        steps.append(await shielded(work()))
        await anyio.lowlevel.checkpoint()
        steps.append("not reached")

    async with anyio.create_task_group() as group:
        group.start_soon(caller)
        await going.wait()
        group.cancel_scope.cancel()
        go_on.set()

    assert ["done"] == steps


def test_opened_and_closed_in_different_tasks():
    """
    On asyncio tasks belong to nobody: one task starts them, another one ends them.
    """
    ended = []

    async def work():
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(True)

    async def start(tasks):
        tasks.start(work)
        await anyio.lowlevel.checkpoint()

    async def main():
        tasks = AsyncioTasks()
        await asyncio.create_task(start(tasks))
        await asyncio.create_task(tasks.aclose())

    asyncio.run(main())

    assert [True] == ended
