"""
OpenTelemetry: a span for each job, in it one for each part of its wait; and one for each API call.

A listener like any other (`ReportsClient.on_event`): it decides nothing, and without it nothing of
OpenTelemetry is imported. Needs the extra: ``pip install reports-async[otel]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from ._exceptions import DownloadError, JobCancelled
from ._sansio.events import (
    Accepted,
    Downloaded,
    Errored,
    Gone,
    JobEvent,
    LimitOver,
    Progressed,
    Retrying,
    Stopped,
)
from ._sansio.telemetry import CallEnded, PhaseEnded

try:
    from opentelemetry import trace
    from opentelemetry.context import Context
except ImportError as exc:
    raise ImportError(
        'reports_async.otel needs OpenTelemetry: pip install "reports-async[otel]"'
    ) from exc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from opentelemetry.trace import Span, Tracer, TracerProvider
    from opentelemetry.util.types import AttributeValue

    from ._job import ReportJob
    from ._observed import Listener
    from ._sansio.telemetry import Phase, Planned

__all__ = ["Source", "instrument"]

NAMES: Final[Mapping[Phase, str]] = {
    "quota": "quota wait",
    "create": "create",
    "generation": "generation",
    "lag": "lag after READY",
    "link": "link wait",
    "download": "download",
}
_BAD_REQUEST: Final = 400


class Source(Protocol):
    """What can be instrumented: a `ReportsClient` or a `ReportsPool`."""

    def on_event(self, listener: Listener) -> Callable[[], None]:
        """Call *listener* with each event; return a function that ends it."""
        ...


def instrument(
    source: Source, *, tracer_provider: TracerProvider | None = None
) -> Callable[[], None]:
    """
    Trace all jobs and calls of a client or a pool from now on.

    A job is a span ``report ITEM_MX``, below the span in which it was asked for; its children are
    ``quota wait``, ``create``, ``generation``, ``lag after READY``, ``link wait`` and ``download``.
    Calls are client spans: ``poll list`` and ``poll status`` for looks, ``call link`` and so on for
    the others; those about one request stand below its job, a list stands for itself. Times are
    those of the client's clock. No span carries a secret, a link or a path.

    Args:
        source: The client or the pool.
        tracer_provider: The provider; None for the global one.

    Returns:
        A function that ends it, and with it the spans that are open, as of what was heard last.

    .. versionadded:: 0.1.0
    """
    spans = _Spans(trace.get_tracer("reports_async", tracer_provider=tracer_provider))
    leave = source.on_event(spans.note)

    def stop() -> None:
        leave()
        spans.close()

    return stop


class _Spans:
    """The spans of the jobs that are on their way."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._open: dict[ReportJob, Span] = {}
        # When each began, and what was heard of it last, in nanoseconds: a clock may be set back.
        self._reached: dict[ReportJob, int] = {}
        self._of: dict[str, Span] = {}

    def note(
        self, job: ReportJob | None, event: JobEvent | PhaseEnded | CallEnded | Planned
    ) -> None:
        match event:
            case CallEnded():
                self._call(event)
            case PhaseEnded() if job is not None:
                self._phase(job, event)
            case JobEvent() if job is not None:
                self._step(job, event)
            case _:
                pass  # a plan is no span

    def close(self) -> None:
        for job, span in self._open.items():
            span.end(self._reached[job])
        self._open.clear()
        self._reached.clear()
        self._of.clear()

    def _span(self, job: ReportJob, since: datetime) -> Span:
        at = _nanoseconds(since)
        if job not in self._open:
            name = f"report {job.report_type}".rstrip()
            self._open[job] = self._tracer.start_span(name, start_time=at)
        self._reached[job] = max(at, self._reached.get(job, at))
        return self._open[job]

    def _step(self, job: ReportJob, event: JobEvent) -> None:
        span = self._span(job, event.at)
        match event:
            case Accepted():
                # A resumed job knows its type only now.
                span.update_name(f"report {event.report_type}")
                span.set_attributes({"reports_async.origin": event.origin, **_about(event)})
                assert event.request_id is not None
                self._of[event.request_id] = span
            case Progressed():
                span.add_event(
                    "not ready",
                    {"reports_async.status": event.raw_status},
                    timestamp=_nanoseconds(event.at),
                )
            case Retrying():
                span.add_event(
                    "retry",
                    {"reports_async.reason": event.reason},
                    timestamp=_nanoseconds(event.at),
                )
            case Downloaded():
                span.set_attribute("reports_async.size", event.report.size)
                self._end(job, event)
            case Errored() | LimitOver() | Gone() | Stopped():
                _fail(span, event.error)
                self._end(job, event)
            case _:
                pass  # told by the phases

    def _end(self, job: ReportJob, event: JobEvent) -> None:
        span = self._open.pop(job)
        if event.request_id is not None and self._of.get(event.request_id) is span:
            del self._of[event.request_id]
        span.set_attributes(_about(event))
        span.end(self._reached.pop(job))

    def _phase(self, job: ReportJob, phase: PhaseEnded) -> None:
        parent = trace.set_span_in_context(self._span(job, phase.began), Context())
        span = self._tracer.start_span(
            NAMES[phase.phase],
            context=parent,
            start_time=_nanoseconds(phase.began),
            attributes=_about(phase),
        )
        if phase.error is not None:
            _fail(span, phase.error)
        span.end(max(_nanoseconds(phase.began), _nanoseconds(phase.ended)))

    def _call(self, call: CallEnded) -> None:
        # Not the context of the task that happens to poll: it serves all jobs of the account.
        context = Context()
        if call.request_id is not None and call.request_id in self._of:
            context = trace.set_span_in_context(self._of[call.request_id], context)
        began = _nanoseconds(call.at)
        kind = "poll" if call.endpoint in {"list", "status"} else "call"
        span = self._tracer.start_span(
            f"{kind} {call.endpoint}",
            context=context,
            kind=trace.SpanKind.CLIENT,
            start_time=began,
            attributes=_about(call),
        )
        if call.status is not None:
            span.set_attribute("http.response.status_code", call.status)
        if call.status is None or call.status >= _BAD_REQUEST:
            span.set_status(trace.StatusCode.ERROR)
        span.end(began + round(call.seconds * 1e9))


def _about(event: JobEvent | PhaseEnded | CallEnded) -> dict[str, AttributeValue]:
    about: dict[str, AttributeValue] = {}
    if event.report_type:
        about["reports_async.report_type"] = event.report_type
    if event.request_id is not None:
        about["reports_async.request_id"] = event.request_id
    return about


def _fail(span: Span, error: Exception) -> None:
    if isinstance(error, JobCancelled):
        # Nothing went wrong: the caller did not want to wait any longer.
        span.set_attribute("reports_async.cancelled", value=True)
        return
    span.set_attribute("error.type", type(error).__name__)
    # What the disk says names a path.
    cause = error.__cause__
    disk = isinstance(error, DownloadError) and isinstance(cause, OSError)
    said = getattr(cause, "strerror", None) if disk else str(error)
    span.set_status(trace.StatusCode.ERROR, said)


def _nanoseconds(instant: datetime) -> int:
    return round(instant.timestamp() * 1e6) * 1000
