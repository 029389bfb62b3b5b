"""
`ReportsClient`: wires the rooms below for one account and owns their lifetime.

It checks arguments before a byte is sent; everything else happens further down.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Self, cast

import anyio

from ._api import Api
from ._clock import SystemClock
from ._credentials import Credentials
from ._disk import check_directory, check_path
from ._download import Downloader, Downloads
from ._job import ReportJob
from ._ledger import Ledger
from ._link import Links
from ._many import checked, each
from ._models import ReportSpec, Timeouts, Wish, as_path
from ._observed import Observed
from ._opened import Opened
from ._plain import PlainCalls
from ._poller import Poller
from ._quota import Gate
from ._recall import Recall
from ._sansio import endpoints, markets
from ._sansio.backoff import PollSchedule
from ._sansio.history import History
from ._sansio.notifications import notified_ready, notified_request
from ._statistics import Tally
from ._submit import Submitter
from ._tasks import AsyncioTasks, Home, Tasks, TrioTasks, on_asyncio
from ._validation import instance, shaped, word
from ._workshop import Workshop
from .abc import Clock, Store, Transport
from .stores import MemoryStore
from .transports import AiohttpTransport

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
    from datetime import timedelta
    from types import TracebackType

    from ._filters import Filters
    from ._models import JobRecord, OnLimit, Report


class ReportsClient(Observed, Opened, PlainCalls):
    """
    Fetch On-request reports of one seller (or supplier) account.

    ::

        async with ReportsClient(Credentials("id", "secret"), market="mx") as client:
            report = await client.fetch_report("ITEM_MX")

    On asyncio it may be opened in one task and closed in another, or used without ``async with``
    and closed by `aclose`; it belongs to the event loop that first uses it, so each call of
    `asyncio.run` makes its own. On trio it belongs to the task that opens it.

    Args:
        credentials: The key pair of the account.
        market: us, mx, ca, cl (the marketplaces), global-us, global-ca, global-mx, global-cl, or
            suppliers. ``ca`` means the global API: the legacy Canadian one is being retired.
        directory: Where files go. Made, if need be, and checked at once.
        channel_type: Sent as ``WM_CONSUMER.CHANNEL.TYPE`` where given; some accounts need it.
        service_name: Sent as ``WM_SVC.NAME``.
        base_url: Another host for the API: a sandbox, a proxy, the simulator. https, or loopback.
        store: Where requests and the hourly quota are remembered; `MemoryStore` forgets them with
            the process. Closed with the client.
        transport: How bytes travel; `AiohttpTransport` unless given. Closed with the client.
        schedule: The pace of looking.
        timeouts: The limit of each wait.
        downloads: How files are brought to the disk.
        clock: Time; for tests.

    Raises:
        InvalidArgument: An argument breaks a rule, e.g. *directory* cannot be written.
    """

    def __init__(
        self,
        credentials: Credentials,
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
        instance(credentials, Credentials, name="credentials")
        instance(schedule, PollSchedule, name="schedule")
        instance(timeouts, Timeouts, name="timeouts")
        instance(downloads, Downloads, name="downloads")
        shaped(store, Store, name="store")
        shaped(transport, Transport, name="transport")
        shaped(clock, Clock, name="clock")
        place = markets.market(market)
        self._site = endpoints.Site(
            base_url=markets.checked_base_url(place.base_url if base_url is None else base_url),
            headers=place.headers,
            service_name=service_name,
            channel_type=channel_type,
        )
        self._market = place.name
        self._directory = check_directory(directory)
        self._clock: Clock = SystemClock() if clock is None else clock
        self._transport: Transport = AiohttpTransport() if transport is None else transport
        self._schedule = schedule
        self._timeouts = timeouts
        self._account = account = markets.account(
            credentials.client_id, self._site.base_url, country=place.country
        )
        self._api = Api(
            self._site,
            credentials,
            transport=self._transport,
            clock=self._clock,
            call_timeout=timeouts.call,
        )
        self._store = Ledger(MemoryStore() if store is None else store, clock=self._clock)
        self._history = history = History(schedule.window)
        self._gate = Gate(
            self._store, account=account, market=place.name, clock=self._clock, history=history
        )
        self._jobs: dict[ReportJob, None] = {}
        self._forgets = self._forget  # one bound method, not one per job
        self._tally = Tally()
        self._api.hub.listen(self._tally.note)
        self._downloader = Downloader(
            transport=self._transport,
            clock=self._clock,
            timeouts=timeouts,
            api_base_url=self._site.base_url,
            options=downloads,
        )
        self._tasks: Tasks | None = None
        self._workshop: Workshop | None = None
        self._home = Home()
        self._entered = self._closed = False
        self._ended: anyio.Event | None = None

    # -- lifetime ---------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._check_open()
        if self._entered:
            raise RuntimeError("This ReportsClient is open already; close it where it was opened.")
        self._entered = True
        if not on_asyncio():
            self._equip(await TrioTasks.open())
        self._open()  # what a webhook tells is kept from now on
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
        Stop all waiting and let go of every connection; the requests go on at the server.

        Awaiting a job that was not done raises `JobCancelled`. Closing twice is no error.
        """
        if self._ended is not None:
            await self._ended.wait()
            return
        self._closed, self._ended = True, anyio.Event()
        for job in list(self._jobs):
            job.cancel(reason="its client was closed")
        try:
            if self._tasks is not None:
                tasks, self._tasks = self._tasks, None
                await tasks.aclose()
        finally:
            with anyio.CancelScope(shield=True):
                async with AsyncExitStack() as stack:
                    stack.callback(self._ended.set)
                    stack.push_async_callback(self._store.aclose)
                    stack.push_async_callback(self._transport.aclose)

    def _open(self) -> Workshop:
        self._check_open()
        if self._workshop is None:
            if not on_asyncio():
                raise RuntimeError(
                    "Use the client inside a running event loop; on trio, open it first: "
                    "'async with ReportsClient(...) as client:'."
                )
            self._equip(AsyncioTasks())
        assert self._workshop is not None
        return self._workshop

    def _equip(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._store.start = tasks.start
        self._workshop = Workshop(
            api=self._api,
            gate=self._gate,
            recall=Recall(self._api, self._gate, clock=self._clock),
            submitter=Submitter(self._api, self._gate, clock=self._clock, timeouts=self._timeouts),
            poller=Poller(
                self._api,
                gate=self._gate,
                clock=self._clock,
                tasks=tasks,
                schedule=self._schedule,
                history=self._history,
                places=self._downloader.places,
            ),
            links=Links(self._api, clock=self._clock, limit=self._timeouts.link),
            downloader=self._downloader,
            clock=self._clock,
            tasks=tasks,
            home=self._home,
            timeouts=self._timeouts,
            directory=self._directory,
        )

    # -- reports ----------------------------------------------------------------------------------

    async def fetch_report(
        self,
        report_type: str,
        *,
        version: str | None = None,
        filters: Filters | None = None,
        max_age: float | timedelta | None = None,
        on_limit: OnLimit = "wait",
        fresh: bool = False,
        path: str | os.PathLike[str] | None = None,
    ) -> Report:
        """
        Request a report, wait for it, download, check and unpack it.

        Cancelling this stops the waiting, never the request: ask again, or resume it by its id.

        Args:
            report_type: The API's name of the type, e.g. ``ITEM_MX``; an unknown one is sent as is.
            version: e.g. ``v1``; None is the newest that is known for the type.
            filters: What the report shall contain; None for everything.
            max_age: Take an identical report that is not older (seconds) instead of a new one.
            on_limit: While the hour of the type is taken: ``"wait"``, ``"raise"``, or ``"reuse"``
                the request that took it, if it is the same.
            fresh: Do not join an identical request that is in flight.
            path: The file to write, over what stands there; None names it in the directory.

        Raises:
            InvalidArgument: Before anything is sent.
            StoreError: Before a request is made that the store could not remember.
            RequestLimitExceeded, ReportFailed, ReportTimedOut, ReportExpired, APIError,
            TransportError, DownloadError, JobCancelled: With the request id where there is one.
        """
        job = self.request_report(
            report_type,
            version=version,
            filters=filters,
            max_age=max_age,
            on_limit=on_limit,
            fresh=fresh,
            path=path,
        )
        try:
            return await job
        finally:
            await job.leave()

    def request_report(
        self,
        report_type: str,
        *,
        version: str | None = None,
        filters: Filters | None = None,
        max_age: float | timedelta | None = None,
        on_limit: OnLimit = "wait",
        fresh: bool = False,
        path: str | os.PathLike[str] | None = None,
    ) -> ReportJob:
        """
        Start what `fetch_report` does, in the background, and return its handle at once.

        Takes the same arguments; each call returns its own handle, which raises the same errors.
        """
        spec = ReportSpec(
            report_type,
            version=version,
            filters=filters,
            max_age=cast("float | None", max_age),
            on_limit=on_limit,
            fresh=fresh,
            path=as_path(path),
        )
        check_path(spec.path)
        return self._start(spec)

    def fetch_reports(self, specs: Iterable[str | ReportSpec]) -> AsyncGenerator[Report, None]:
        """
        Fetch many reports at once; yield each as it is finished.

        A failing one hides or cancels no other: after the last, the failures are raised together.
        Leaving the iteration early stops the waiting, not the requests. On trio, leave it by
        `contextlib.aclosing`: what is merely dropped there is closed late, with a warning.

        Args:
            specs: Type names or `ReportSpec` values.

        Raises:
            InvalidArgument: At once, before anything is sent; also where two have the same path.
            ExceptionGroup: After the last report, of the errors of those that failed.
        """
        self._open()
        return each(checked(specs), start=self._start)

    def resume_report(
        self, request_id: str, *, path: str | os.PathLike[str] | None = None
    ) -> ReportJob:
        """
        Go on with a request made earlier, by anyone, up to 30 days ago; start at once.

        Costs no quota. A file that is there already for this id is not fetched again. Awaiting it
        raises the errors of `fetch_report`.

        Args:
            request_id: The id that the API gave.
            path: The file to write; None names it in the client's directory.
        """
        rooms = self._open()
        word(request_id, name="request_id")
        target = as_path(path)
        check_path(target)
        job = ReportJob(rooms, wish=None, request_id=request_id, path=target, forget=self._forgets)
        self._jobs[job] = None
        return job

    async def jobs(self) -> list[JobRecord]:
        """Return what the store remembers of the account, newest first, or raise `StoreError`."""
        self._home.check()
        return list(await self._gate.records())

    def notify(self, event: Mapping[str, Any]) -> None:
        """
        Take the parsed body of a REPORT_STATUS webhook: ask the server about its request now.

        It proves nothing. Where it says READY, the link is asked for, once: the reply tells more
        than a look. What nobody waits for is kept in case somebody will, 256 at most. On asyncio
        another thread than the event loop's may call it, as where a synchronous application does.

        Raises:
            WebhookError: *event* is not a mapping.
        """
        request_id = notified_request(event)
        if request_id is not None and self._workshop is not None:
            hurry = self._workshop.poller.hurry
            self._home.call(partial(hurry, request_id, ready=notified_ready(event)))

    def _start(
        self, spec: ReportSpec, *, then: Callable[[ReportJob], None] | None = None
    ) -> ReportJob:
        rooms = self._open()
        version = spec.version or markets.newest_version(spec.report_type)
        wish = Wish(
            report_type=spec.report_type,
            version=version,
            filters=endpoints.create_body(spec.filters),
            max_age=spec.max_age,
            on_limit=spec.on_limit,
            fresh=spec.fresh,
            owner=token_hex(8),
        )
        forget = self._forgets if then is None else partial(self._forget, then=then)
        job = ReportJob(rooms, wish=wish, path=spec.path, forget=forget)
        self._jobs[job] = None
        return job

    def _forget(self, job: ReportJob, *, then: Callable[[ReportJob], None] | None = None) -> None:
        self._jobs.pop(job, None)
        if then is not None:
            then(job)

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self._jobs)} jobs"
        return f"<ReportsClient market {self._market}, {state}>"
