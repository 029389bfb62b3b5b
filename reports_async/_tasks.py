"""
Background tasks that outlive the call that started them, and end with the client.

On asyncio they belong to nobody's cancel scope, so a client may be opened in one task and closed in
another, as web frameworks do. On trio they live in a nursery of the task that opened the client.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

    from anyio.abc import TaskGroup

Value = TypeVar("Value")


class Tasks(Protocol):
    """Start tasks now, cancel and await them all later. A task must not let an error escape."""

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run *work* in the background."""
        ...

    async def aclose(self) -> None:
        """Cancel what still runs, and wait until it has ended."""
        ...


def on_asyncio() -> bool:
    """Tell whether an asyncio event loop runs here (otherwise: trio's, or none)."""
    return _running_loop() is not None


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class Home:
    """The asyncio event loop that a client belongs to: the first that it is used in."""

    __slots__ = ("_loop",)

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def check(self) -> None:
        """Raise RuntimeError elsewhere: connections, locks and tasks are of the first loop."""
        loop = _running_loop()
        if self._loop is None:
            self._loop = loop
        if self._loop is not loop:
            raise RuntimeError(
                "This ReportsClient was used in another event loop, and belongs to it: make one "
                "inside each loop, e.g. in the coroutine that 'asyncio.run' is given. A thread "
                "without a loop asks by 'asyncio.run_coroutine_threadsafe'."
            )

    def call(self, work: Callable[[], object]) -> None:
        """Do *work* in a task of the loop: now if one runs here, soon if not, never if closed."""
        loop = self._loop
        if loop is None or (_running_loop() is loop and asyncio.current_task() is not None):
            work()
        elif not loop.is_closed():
            loop.call_soon_threadsafe(_in_a_task, work)


_started: Final = set[asyncio.Task[None]]()


def _in_a_task(work: Callable[[], object]) -> None:
    async def run() -> None:
        work()

    task = asyncio.get_running_loop().create_task(run())
    # The loop itself keeps no task.
    _started.add(task)
    task.add_done_callback(_started.discard)


async def shielded(work: Awaitable[Value]) -> Value:
    """Await *work* to its end even if the task is cancelled meanwhile; the next await tells."""
    with anyio.CancelScope(shield=True):
        return await work
    raise AssertionError  # pragma: no cover -- for type checkers: the scope swallows nothing


async def apart(tasks: Tasks, work: Callable[[], Awaitable[Value]]) -> Value:
    """Await *work*, which goes on to its end even if the task that awaits it is cancelled."""
    done = anyio.Event()
    outcome: list[Value | Exception] = []

    async def run() -> None:
        try:
            outcome.append(await shielded(work()))
        except Exception as exc:  # noqa: BLE001 -- whoever waits gets it
            outcome.append(exc)
        finally:
            done.set()

    tasks.start(run)
    await done.wait()
    (result,) = outcome
    if isinstance(result, Exception):
        raise result
    return result


class AsyncioTasks:
    """Tasks on asyncio. Each runs in a cancel scope of its own, so that shields in it hold."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[None], anyio.CancelScope] = {}

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run *work* in a task of the running loop."""
        scope = anyio.CancelScope()

        async def run() -> None:
            with scope:
                await work()

        task = asyncio.get_running_loop().create_task(run())
        self._running[task] = scope
        task.add_done_callback(self._running.pop)

    async def aclose(self) -> None:
        """Cancel what still runs, and wait until it has ended."""
        with anyio.CancelScope(shield=True):
            while self._running:
                for scope in self._running.values():
                    scope.cancel()
                await asyncio.wait(tuple(self._running))


class TrioTasks:
    """Tasks in a nursery of the task that opened the client, and must close it."""

    def __init__(self, group: TaskGroup) -> None:
        self._group = group

    @classmethod
    async def open(cls) -> TrioTasks:
        """Open the nursery in the current task."""
        group = anyio.create_task_group()
        await group.__aenter__()
        return cls(group)

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run *work* in the nursery."""
        self._group.start_soon(work)

    async def aclose(self) -> None:
        """Cancel what still runs, and close the nursery."""
        self._group.cancel_scope.cancel()
        await self._group.__aexit__(None, None, None)


class SharedTasks:
    """One owner's tasks among those of others: closing ends these, and leaves the others."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._running: dict[anyio.CancelScope, None] = {}
        self._empty: anyio.Event | None = None

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run *work* where the others' run."""
        scope = anyio.CancelScope()

        async def run() -> None:
            try:
                with scope:
                    await work()
            finally:
                del self._running[scope]
                if self._empty is not None and not self._running:
                    self._empty.set()

        self._running[scope] = None
        if self._empty is not None:
            # What a task starts while it is being closed ends too, or closing would never end.
            scope.cancel()
        self._tasks.start(run)

    async def aclose(self) -> None:
        """Cancel what still runs, and wait until it has ended."""
        with anyio.CancelScope(shield=True):
            while self._running:
                for scope in self._running:
                    scope.cancel()
                self._empty = anyio.Event()
                await self._empty.wait()
