"""
Where each report stands, from its events, and each step in words.

Pure: no terminal, no clock, no waiting. The live display and the plain lines both read it.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from attrs import define, field

from reports_async._sansio import events as ev

from ._format import duration, size

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from reports_async._exceptions import ReportsError
    from reports_async._models import Report

# Long enough to be calm, short enough to show a stall.
RATE_WINDOW: Final = 3.0
SAMPLE: Final = 0.1

ORIGINS: Final[Mapping[str, str]] = {
    "created": "requested",
    "joined": "joined a request in flight",
    "reused": "using an earlier request",
    "adopted": "found the request in the server's list",
    "resumed": "going on with the request",
}


class Phase(StrEnum):
    """What a report is waiting for, in the words of the display."""

    STARTING = "starting"
    WAITING = "waiting"
    REQUESTING = "requesting"
    CHECKING = "checking"
    GENERATING = "generating"
    READY = "ready"
    DOWNLOADING = "downloading"
    INTERRUPTED = "interrupted"
    SAVED = "saved"
    FAILED = "failed"

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self in {Phase.SAVED, Phase.FAILED}


@define(eq=False)
class Row:
    """
    One report on its way.

    `until` and `submitted_at` are by the client's clock; the download rate is by the wall's, since
    bytes travel in real time even where the clock is fast.
    """

    report_type: str
    request_id: str | None = None
    phase: Phase = Phase.STARTING
    until: datetime | None = None
    submitted_at: datetime | None = None
    took: float | None = None
    received: int = 0
    total: int | None = None
    raw_status: str | None = None
    note: str = ""
    interruptions: int = 0
    new_links: int = 0
    market: str = "us"
    report: Report | None = None
    error: ReportsError | None = None
    _samples: deque[tuple[float, int]] = field(factory=deque[tuple[float, int]])

    def apply(self, event: ev.JobEvent, *, tick: float) -> str | None:
        """
        Take note of a step, and return it in words; None where it says nothing new.

        *tick* is the wall's monotonic seconds.
        """
        self.report_type = event.report_type or self.report_type
        self.request_id = event.request_id or self.request_id
        match event:
            case ev.Downloading():
                return self._downloading(event, tick)
            case ev.Progressed():
                return self._progressed(event)
            case ev.Errored() | ev.LimitOver() | ev.Gone() | ev.Stopped():
                self.fail(event.error)
                return None
            case _:
                return self._step(event)

    def _step(self, event: ev.JobEvent) -> str | None:
        words: str | None = None
        match event:
            case ev.Waiting():
                self.phase, self.until = Phase.WAITING, event.until
                left = duration((event.until - event.at).total_seconds())
                words = f"the hour of this type is taken; it opens in {left}"
            case ev.Reserved():
                self.phase = Phase.REQUESTING
                words = "sending the request"
            case ev.Uncertain():
                self.phase, self.note = Phase.CHECKING, f"no answer to the request: {event.reason}"
                words = f"{self.note}; asking the server's list what became of it"
            case ev.Accepted():
                self.phase, self.submitted_at = Phase.GENERATING, event.submitted_at
                self.note = "" if event.origin == "created" else ORIGINS[event.origin]
                words = f"{ORIGINS[event.origin]}, id {event.request_id}"
            case ev.Finished():
                self.phase, self.took = Phase.READY, self.elapsed(event.at)
                words = "ready" if self.took is None else f"ready after {duration(self.took)}"
            case ev.Retrying():
                self.phase, self.note = Phase.INTERRUPTED, event.reason
                self._samples.clear()
                words = f"interrupted: {event.reason}"
            case ev.Linking() if self.phase is Phase.INTERRUPTED:
                self.note = words = "asking for a new link"
            case ev.Linked() if self.phase is Phase.INTERRUPTED:
                self.new_links += 1
                self.note = words = "there is a new link"
            case ev.Downloaded():
                self.finish(event.report)
                words = f"saved, {size(event.report.size)}"
            case _:
                pass  # an event that a later version adds is no reason to fail
        return words

    def _progressed(self, event: ev.Progressed) -> str | None:
        self.phase = Phase.GENERATING
        if event.raw_status == self.raw_status:
            return None
        self.raw_status = event.raw_status
        return f"{event.raw_status} after {duration(event.elapsed)}"

    def _downloading(self, event: ev.Downloading, tick: float) -> str | None:
        first, before = not self._samples, self.received
        again = self.phase is Phase.INTERRUPTED
        self.phase, self.received, self.total = Phase.DOWNLOADING, event.received, event.total
        if first or tick - self._samples[-1][0] > SAMPLE:
            self._samples.append((tick, event.received))
        while tick - self._samples[0][0] > RATE_WINDOW:
            self._samples.popleft()
        if again and before:
            return self._going_on(before)
        if not first:
            return None
        self.note = "" if again else self.note
        return "downloading" if event.total is None else f"downloading {size(event.total)}"

    def _going_on(self, before: int) -> str:
        self.interruptions += 1
        if self.received >= before:
            self.note = f"went on at {size(before)}"
            return f"going on at {size(before)}"
        self.note = "started again"
        return "starting again"

    def finish(self, report: Report) -> None:
        """End with a report; what was lived through is told."""
        self.phase, self.report = Phase.SAVED, report
        counts = (("interruption", self.interruptions), ("new link", self.new_links))
        self.note = ", ".join(
            f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts if count
        )

    def fail(self, error: ReportsError) -> None:
        """End without a report."""
        self.phase, self.error = Phase.FAILED, error
        self.request_id = self.request_id or error.request_id

    def elapsed(self, now: datetime) -> float | None:
        """Return the seconds since the submission; None before it."""
        return None if self.submitted_at is None else (now - self.submitted_at).total_seconds()

    def rate(self) -> float | None:
        """Return bytes per second over the last moments; None while nothing can be said."""
        if len(self._samples) < 2:  # noqa: PLR2004 -- a rate needs two points
            return None
        (start, before), (end, after) = self._samples[0], self._samples[-1]
        return (after - before) / (end - start) if end > start else None
