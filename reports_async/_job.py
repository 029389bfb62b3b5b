"""
`ReportJob`: the awaitable handle of one report, from the wish to the file.

A job works in short background tasks (submit, download); between them it is a record at the poller.
Whoever awaits it only waits: being cancelled there stops nothing here.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
from attrs import evolve

from ._feed import Feed
from ._models import RETENTION, JobStatus, Report, RequestStatus
from ._sansio import endings, lifecycle
from ._sansio.archive import file_name
from ._sansio.events import (
    Accepted,
    Downloaded,
    Downloading,
    Finished,
    JobEvent,
    Linked,
    Linking,
    Progressed,
    Retrying,
)
from ._sansio.ranges import Received
from ._sansio.telemetry import phases
from ._watches import Watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Generator
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

    from ._models import DownloadLink, JobRecord, ReportRequest, Wish
    from ._sansio.ranges import Progress
    from ._slot import Slot
    from ._workshop import Workshop

logger = logging.getLogger("reports_async")


class ReportJob:
    """
    One report on its way. Await it for the `Report`, any number of times, from any number of tasks.

    Made by `ReportsClient.request_report` and `ReportsClient.resume_report`; works from then on,
    whether it is awaited or not, until it is done, cancelled, or its client closed.
    """

    # Many may wait at once: no dictionary each.
    # fmt: off
    __slots__ = (
        "__weakref__", "_feed", "_forget", "_outcome", "_path", "_record",
        "_request_id", "_rooms", "_scope", "_status", "_stopped", "_traceback", "_watch", "_wish",
    )
    # fmt: on

    def __init__(
        self,
        workshop: Workshop,
        *,
        wish: Wish | None,
        request_id: str | None = None,
        path: Path | None = None,
        forget: Callable[[ReportJob], None],
    ) -> None:
        self._rooms = workshop
        self._wish = wish
        self._request_id = request_id
        self._path = path
        self._forget = forget
        self._status = JobStatus.PENDING
        self._record: JobRecord | None = None
        self._watch: Watch | None = None
        self._scope: anyio.CancelScope | None = None
        self._feed = Feed()
        self._outcome: Report | Exception | None = None
        self._traceback: TracebackType | None = None
        self._stopped: str | None = None
        workshop.tasks.start(self._phase(self._obtain))

    # -- what users see ---------------------------------------------------------------------------

    @property
    def request_id(self) -> str | None:
        """The server's id of the request; None until it is known."""
        return self._request_id

    @property
    def status(self) -> JobStatus:
        """Where the job stands, or stood when it stopped; see `done`."""
        return self._status

    @property
    def report_type(self) -> str:
        """The type of the report; empty for a resumed job until the server has told it."""
        known = self._wish if self._record is None else self._record
        return "" if known is None else known.report_type

    @property
    def done(self) -> bool:
        """Whether awaiting it would return, or raise, at once."""
        return self._outcome is not None

    def __await__(self) -> Generator[Any, Any, Report]:
        return self._wait().__await__()

    async def _wait(self) -> Report:
        if self._outcome is None:
            self._rooms.home.check()
        await self._finish()
        assert self._outcome is not None
        if isinstance(self._outcome, Exception):
            # Without what earlier waiters have added to it.
            raise self._outcome.with_traceback(self._traceback)
        return self._outcome

    async def _finish(self) -> None:
        await anyio.lowlevel.checkpoint()
        while self._outcome is None:
            await self._feed.wait()

    def events(self) -> AsyncIterator[JobEvent]:
        """
        Iterate what happened and happens, from the start; ends after the job's last event.

        Of progress only the newest is kept, for those who read slowly or come late: the last
        `Downloading`, and the last `Progressed` of those that tell the same word in a row. The
        iteration does not raise the job's error: its last event carries it.
        """
        if self._outcome is None:
            self._rooms.home.check()
        return self._feed.listen()

    def cancel(self, *, reason: str = "the job was cancelled") -> None:
        """
        Stop waiting and downloading, for this handle only; awaiting it raises `JobCancelled`.

        The request goes on at the server, and its record stays: it can be resumed. A create call
        that is on its way is waited for first, because its reply tells the id.
        """
        if self._outcome is not None:
            return
        self._stopped = self._stopped or reason
        if self._scope is None:
            self._stop()
        else:
            self._scope.cancel()

    async def leave(self) -> None:
        """Cancel the job; when this returns, no unfinished file of it lies on the disk."""
        self.cancel()
        if self._status is JobStatus.READY:
            with anyio.CancelScope(shield=True):
                await self._finish()

    def __repr__(self) -> str:
        of = f" request {self._request_id}" if self._request_id else ""
        return f"<ReportJob {self.report_type or '?'} {self._status}{of}>"

    # -- phases: each a task of its own -----------------------------------------------------------

    def _phase(
        self, work: Callable[[], Coroutine[Any, Any, None]]
    ) -> Callable[[], Coroutine[Any, Any, None]]:
        async def run() -> None:
            if self._outcome is not None:
                return
            try:
                with anyio.CancelScope() as self._scope:
                    try:
                        await work()
                    except Exception as exc:  # noqa: BLE001 -- whoever awaits the job gets it
                        await self._fail(exc)
            finally:
                self._scope = None
                if self._stopped is not None:
                    self._stop()

        return run

    def _stop(self) -> None:
        reason = self._stopped or ""
        self._end(endings.cancelled(self._request_id, report_type=self.report_type, reason=reason))

    async def _obtain(self) -> None:
        if self._wish is None:
            await self._recall()
        else:
            self._record = await self._rooms.submitter.submit(self._wish, tell=self._tell)
            self._wish = None
        self._follow()

    async def _recall(self) -> None:
        assert self._request_id is not None
        record = await self._rooms.recall.record(self._request_id)
        self._record = record
        self._tell(
            Accepted(
                **self._stamp(),
                origin="resumed",
                submitted_at=record.received_at or record.reserved_at,
            )
        )

    def _follow(self) -> None:
        """Wait for READY at the poller; go on at once where it is known."""
        record = self._known()
        if record.status in (JobStatus.READY, JobStatus.SAVED):
            self._ready(record.generated_at)
            return
        rooms = self._rooms
        limit = rooms.timeouts.generation
        accepted = [event for event in self._feed.past if isinstance(event, Accepted)]
        assert self._request_id is not None
        self._watch = Watch(
            request_id=self._request_id,
            report_type=record.report_type,
            submitted_at=record.received_at or record.reserved_at,
            told_at=record.submitted_at,
            deadline=None if limit is None else rooms.clock.monotonic() + limit,
            tell=self._told,
            look_now=accepted[-1].origin in ("reused", "resumed")
            or record.status is JobStatus.FAILED,
        )
        rooms.poller.watch(self._watch)

    def _begin(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._rooms.tasks.start(self._phase(work))

    def _told(self, news: ReportRequest | Exception | None) -> None:
        """Hear from the poller: what a look saw, an error, or None where the time is over."""
        if self._outcome is not None:
            # Whoever heard of the same look before us has cancelled this handle.
            return
        if news is None:
            self._over()
        elif isinstance(news, Exception):
            self._begin(lambda: self._fail(news))
        elif news.status is RequestStatus.READY:
            self._ready(news.generated_at)
        elif news.status is RequestStatus.ERROR:
            error = endings.failed(news, report_type=self.report_type)
            self._leave()
            self._begin(lambda: self._fail(error))
        else:
            record = self._known()
            elapsed = self._rooms.clock.now() - (record.received_at or record.reserved_at)
            self._tell(
                Progressed(
                    **self._stamp(),
                    raw_status=news.raw_status,
                    elapsed=max(0.0, elapsed.total_seconds()),
                )
            )

    def _ready(self, generated_at: datetime | None) -> None:
        self._leave()
        self._tell(Finished(**self._stamp(), generated_at=generated_at))
        self._record = evolve(self._known(), generated_at=generated_at)
        self._begin(self._download)

    def _over(self) -> None:
        rooms, watch = self._rooms, self._watch
        assert watch is not None
        late = max(0.0, rooms.clock.monotonic() - (watch.deadline or 0.0))
        waited = late + (rooms.timeouts.generation or 0.0)
        error = endings.not_ready(
            self._request_id or "?", report_type=self.report_type, waited=round(waited, 3)
        )
        self._begin(lambda: self._fail(error))

    async def _download(self) -> None:
        record = self._known()
        path, rooms = self._path, self._rooms
        assert record.request_id is not None
        if path is None:
            name = file_name(record.report_type, record.version, record.request_id)
            path = rooms.directory / rooms.downloader.options.named(name)
        lasting = str(path.absolute())  # programs that start elsewhere read it, too
        # A name that carries the request id cannot be another file's; a path of the user's can.
        named = self._path is None
        if record.status is not JobStatus.SAVED:
            await self._write(JobStatus.READY)
        saved = await rooms.downloader.fetch(
            self._link,
            target=path,
            report_type=record.report_type,
            request_id=record.request_id,
            tell=self._progress,
            reuse=named or record.path == lasting,
            mark=None if named else record.saved_as or "",
        )
        submitted = record.submitted_at or record.received_at or record.reserved_at
        report = Report(
            path=path,
            report_type=record.report_type,
            version=record.version,
            request_id=record.request_id,
            submitted_at=submitted,
            generated_at=record.generated_at,
            expires_at=submitted + RETENTION,
            size=saved.size,
            sha256=saved.sha256,
        )
        self._record = evolve(self._known(), path=lasting, saved_as=saved.mark, error=None)
        await self._write(JobStatus.SAVED)
        self._end(report)

    async def _link(self, slot: Slot) -> DownloadLink:
        rooms = self._rooms
        assert self._request_id is not None
        self._tell(Linking(**self._stamp()))
        found = rooms.poller.link_of(self._request_id) or await rooms.links.get(
            self._request_id, slot, report_type=self.report_type
        )
        self._tell(Linked(**self._stamp()))
        return found

    def _progress(self, progress: Progress) -> None:
        if isinstance(progress, Received):
            event: JobEvent = Downloading(
                **self._stamp(), received=progress.received, total=progress.total
            )
        else:
            event = Retrying(**self._stamp(), reason=progress.reason)
        self._tell(event)

    # -- ends -------------------------------------------------------------------------------------

    async def _fail(self, error: Exception) -> None:
        error = endings.told(
            error,
            report_type=self.report_type,
            request_id=self._request_id,
            known=self._record is not None,
        )
        if self._record is not None:
            self._record = evolve(self._record, error=str(error))
            try:
                await self._write(lifecycle.step(self._status, self._last_event(error)))
            except Exception:
                # A store with a defect must not keep the job from ending.
                logger.exception("%s: request %s", self.report_type, self._request_id)
        self._end(error)

    def _last_event(self, error: Exception) -> JobEvent:
        return endings.last_event(error, **self._stamp())

    def _end(self, outcome: Report | Exception) -> None:
        if self._outcome is not None:
            return
        self._leave()
        self._outcome = outcome
        if isinstance(outcome, Report):
            self._tell(Downloaded(**self._stamp(), report=outcome))
        else:
            self._traceback = outcome.__traceback__
            self._tell(self._last_event(outcome))
        self._feed.end()
        self._forget(self)

    def _leave(self) -> None:
        if self._watch is not None:
            self._rooms.poller.unwatch(self._watch)
            self._watch = None

    def _known(self) -> JobRecord:
        assert self._record is not None
        return self._record

    async def _write(self, status: JobStatus) -> None:
        self._record = evolve(self._known(), status=status)
        self._record = await self._rooms.gate.note(self._record)

    def _stamp(self) -> dict[str, Any]:
        return {
            "at": self._rooms.clock.now(),
            "report_type": self.report_type,
            "request_id": self._request_id,
        }

    def _tell(self, event: JobEvent) -> None:
        if event.request_id is not None:
            self._request_id = event.request_id
        self._status = lifecycle.step(self._status, event)
        self._feed.tell(event)
        api = self._rooms.api
        for phase in phases(self._feed.past, skew=api.skew):
            api.hub.tell(self, phase)
        api.hub.tell(self, event)
