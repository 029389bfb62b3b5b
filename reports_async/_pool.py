"""
`ReportsPool`: the clients of many accounts in one process, over one transport and one store.

It makes them, and closes what they share; each client plans, polls and waits for its own account.
"""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import anyio

from ._client import ReportsClient
from ._clock import SystemClock
from ._credentials import Credentials
from ._download import Downloads
from ._exceptions import InvalidArgument
from ._hub import Hub
from ._models import Timeouts
from ._sansio import endpoints, markets
from ._sansio.backoff import PollSchedule
from ._sansio.notifications import notified_request
from ._statistics import Tally
from ._tasks import SharedTasks, TrioTasks, on_asyncio
from ._validation import instance, shaped
from .abc import Clock, Store, Transport
from .stores import MemoryStore
from .transports import AiohttpTransport

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime
    from types import TracebackType

    from ._models import JobRecord
    from ._observed import Listener
    from ._statistics import Statistics
    from .abc import ByteStream, HTTPRequest, HTTPResponse


class ReportsPool:
    """
    Fetch the reports of many accounts in one process.

    ::

        async with ReportsPool(store=SQLiteStore("jobs.sqlite")) as pool:
            client = pool.client(Credentials("id", "secret"))
            report = await client.fetch_report("ITEM")

    All clients share one transport, with its connections, and one store; each keeps to the budgets
    of its own account. On asyncio the pool may be opened in one task and closed in another, or used
    without ``async with`` and closed by `aclose`. On trio it belongs to the task that opens it;
    its clients may be used in any.

    Args:
        market, directory, channel_type: What a client has unless it is told otherwise.
        service_name, base_url, schedule, timeouts, clock: What all clients have; see
            `ReportsClient`.
        downloads: How files are brought to the disk; `at_once` counts those of all clients.
        store, transport: What all clients share. Closed with the pool.

    .. versionadded:: 0.1.0
    """

    def __init__(
        self,
        *,
        market: str = "us",
        directory: str | os.PathLike[str] = ".",
        channel_type: str | None = None,
        service_name: str = endpoints.SERVICE_NAME,
        base_url: str | None = None,
        store: Store | None = None,
        transport: Transport | None = None,
        schedule: PollSchedule = PollSchedule(),  # noqa: B008 -- a frozen value
        timeouts: Timeouts = Timeouts(),  # noqa: B008 -- a frozen value
        downloads: Downloads = Downloads(),  # noqa: B008 -- a frozen value
        clock: Clock | None = None,
    ) -> None:
        instance(schedule, PollSchedule, name="schedule")
        instance(timeouts, Timeouts, name="timeouts")
        instance(downloads, Downloads, name="downloads")
        shaped(store, Store, name="store")
        shaped(transport, Transport, name="transport")
        shaped(clock, Clock, name="clock")
        if base_url is not None:
            markets.checked_base_url(base_url)
        self._market = markets.market(market).name
        self._directory = directory
        self._channel_type = channel_type
        self._store: Store = MemoryStore() if store is None else store
        self._transport: Transport = AiohttpTransport() if transport is None else transport
        self._shared: dict[str, Any] = {
            "service_name": service_name,
            "base_url": base_url,
            "store": _LentStore(self._store),
            "transport": _LentTransport(self._transport),
            "schedule": schedule,
            "timeouts": timeouts,
            "downloads": downloads,
            "clock": SystemClock() if clock is None else clock,
        }
        self._slots = downloads.slots()
        self._clients: dict[tuple[str, str], _Member] = {}
        self._tasks: TrioTasks | None = None
        self._hub = Hub()
        self._tally = Tally()
        self._hub.listen(self._tally.note)
        self._entered = self._closed = False

    # -- lifetime ---------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._check_open()
        if self._entered:
            raise RuntimeError("This ReportsPool is open already; close it where it was opened.")
        self._entered = True
        if not on_asyncio():
            self._tasks = await TrioTasks.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """
        Close all clients, then what they share. Closing twice is no error.

        Awaiting a job that was not done raises `JobCancelled`; the requests go on at the server.
        """
        self._closed = True
        try:
            async with anyio.create_task_group() as group:
                for client in list(self._clients.values()):
                    group.start_soon(client.aclose)
        finally:
            try:
                if self._tasks is not None:
                    tasks, self._tasks = self._tasks, None
                    await tasks.aclose()
            finally:
                with anyio.CancelScope(shield=True):
                    async with AsyncExitStack() as stack:
                        stack.push_async_callback(self._store.aclose)
                        stack.push_async_callback(self._transport.aclose)

    # -- clients ----------------------------------------------------------------------------------

    def client(
        self,
        credentials: Credentials,
        *,
        market: str | None = None,
        directory: str | os.PathLike[str] | None = None,
        channel_type: str | None = None,
    ) -> ReportsClient:
        """
        Return the client of an account: made when it is first asked for, then always the same.

        It needs no ``async with``, whose end does not close it, and is closed with the pool. One
        that was closed before, by `aclose`, is made anew when it is asked for again.

        Args:
            credentials: The key pair of the account.
            market: None for the pool's; likewise the others.
            directory: Where its files go.
            channel_type: What it sends as ``WM_CONSUMER.CHANNEL.TYPE``.

        Raises:
            InvalidArgument: An argument breaks a rule, or the account has a client with others.
        """
        self._check_open()
        instance(credentials, Credentials, name="credentials")
        place = self._market if market is None else markets.market(market).name
        where = self._directory if directory is None else directory
        channel = self._channel_type if channel_type is None else channel_type
        key = credentials.client_id, place
        settings = credentials, Path(where).absolute(), channel
        known = self._clients.get(key)
        if known is None or known.closed:
            self._check_usable()
            known = _Member(
                credentials, market=place, directory=where, channel_type=channel, **self._shared
            )
            known.join(settings, hub=self._hub, slots=self._slots, tasks=self._tasks)
            known.leave = partial(self._forget, key, known)
            self._clients[key] = known
        elif known.settings != settings:
            raise InvalidArgument(
                f"The pool has a client of {credentials.client_id} in market {place} already, with "
                "another secret, directory or channel type. Close that one first."
            )
        return known

    def notify(self, event: Mapping[str, Any]) -> None:
        """
        Take the parsed body of a REPORT_STATUS webhook, of whichever account; see
        `ReportsClient.notify`. A `webhooks.Receiver` takes a pool in place of a client.

        All clients that wait for something are told: the body does not say whose key pair it is.

        Raises:
            WebhookError: *event* is not a mapping.
        """
        notified_request(event)
        for client in list(self._clients.values()):
            if client.waits:
                client.notify(event)

    # -- looking on -------------------------------------------------------------------------------

    def on_event(self, listener: Listener) -> Callable[[], None]:
        """Call *listener* with each event of all clients; see `ReportsClient.on_event`."""
        return self._hub.listen(listener)

    def statistics(self) -> Statistics:
        """Return what all clients have done, those that were closed too; their tokens added up."""
        tokens, waiting = Counter[str](), 0
        for client in self._clients.values():
            own = client.statistics()
            tokens.update(own.tokens)
            waiting += own.waiting
        return self._tally.statistics(tokens=tokens, waiting=waiting)

    def _forget(self, key: tuple[str, str], client: _Member) -> None:
        if self._clients.get(key) is client:
            del self._clients[key]

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("This ReportsPool is closed; make a new one.")

    def _check_usable(self) -> None:
        if not on_asyncio() and self._tasks is None:
            raise RuntimeError(
                "Use the pool inside a running event loop; on trio, open it first: "
                "'async with ReportsPool(...) as pool:'."
            )

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self._clients)} clients"
        return f"<ReportsPool market {self._market}, {state}>"


class _Member(ReportsClient):
    """A client of a pool: open as long as the pool is, or until it is closed itself."""

    settings: tuple[object, ...] = ()
    leave: Callable[[], None]

    def join(
        self,
        settings: tuple[object, ...],
        *,
        hub: Hub,
        slots: anyio.CapacityLimiter,
        tasks: TrioTasks | None,
    ) -> None:
        self.settings = settings
        self._downloader.slots = slots
        self._api.hub.listen(hub.tell)
        if tasks is not None:
            self._equip(SharedTasks(tasks))

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def waits(self) -> bool:
        return bool(self._jobs)

    async def aclose(self) -> None:
        try:
            await super().aclose()
        finally:
            self.leave()

    async def __aenter__(self) -> Self:
        self._check_open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stay open, as for all others who asked the pool for this account; `aclose` closes."""


class _LentStore:
    """The pool's store, which no single client closes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def reserve(self, record: JobRecord, *, now: datetime) -> JobRecord:
        return await self._store.reserve(record, now=now)

    async def claim(self, key: str, *, owner: str, now: datetime, lease: float) -> bool:
        return await self._store.claim(key, owner=owner, now=now, lease=lease)

    async def save(self, record: JobRecord, *, now: datetime) -> None:
        await self._store.save(record, now=now)

    async def delete(self, key: str) -> None:
        await self._store.delete(key)

    async def records(
        self, account: str, *, now: datetime, report_type: str | None = None
    ) -> Sequence[JobRecord]:
        return await self._store.records(account, now=now, report_type=report_type)

    async def aclose(self) -> None:
        """Leave it open: the others use it."""

    def __repr__(self) -> str:
        return repr(self._store)


class _LentTransport:
    """The pool's transport, which no single client closes."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def send(self, request: HTTPRequest, *, timeout: float | None) -> HTTPResponse:  # noqa: ASYNC109 -- the protocol's
        return await self._transport.send(request, timeout=timeout)

    def stream(
        self, request: HTTPRequest, *, timeout: float | None, stall: float | None
    ) -> AbstractAsyncContextManager[ByteStream]:
        return self._transport.stream(request, timeout=timeout, stall=stall)

    async def aclose(self) -> None:
        """Leave it open: the others use it."""

    def __repr__(self) -> str:
        return repr(self._transport)
