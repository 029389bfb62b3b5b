"""Spans: the parts of a wait told apart, in the SDK's own memory."""

from __future__ import annotations

import importlib
import sys
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from reports_async import (
    Accepted,
    DownloadError,
    JobCancelled,
    Progressed,
    ReportFailed,
    RequestLimitExceeded,
    Stopped,
)

sdk = pytest.importorskip("opentelemetry.sdk.trace")
from opentelemetry import trace  # noqa: E402 -- an extra
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: E402 -- an extra
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (  # noqa: E402 -- an extra
    InMemorySpanExporter,
)
from opentelemetry.trace import SpanKind, StatusCode  # noqa: E402 -- an extra

from reports_async import otel  # noqa: E402 -- needs the extra

pytestmark = pytest.mark.anyio


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter):
    provider = sdk.TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


def named(exporter, name):
    return [span for span in exporter.get_finished_spans() if span.name == name]


def below(exporter, parent):
    return [
        span.name
        for span in exporter.get_finished_spans()
        if span.parent is not None and span.parent.span_id == parent.context.span_id
    ]


def seconds(span):
    return (span.end_time - span.start_time) / 1e9


async def test_a_job(new_client, exporter, provider):
    """
    A job is a span below its caller's, with a child for each part of the wait, in client time.
    """
    async with new_client() as client:
        otel.instrument(client, tracer_provider=provider)
        with provider.get_tracer("mine").start_as_current_span("my work"):
            report = await client.fetch_report("ITEM_MX")
        found = client.statistics()

    (job,), (work,) = named(exporter, "report ITEM_MX"), named(exporter, "my work")
    assert work.context.span_id == job.parent.span_id
    parts = [name for name in below(exporter, job) if not name.startswith(("poll ", "call "))]
    assert ["create", "generation", "lag after READY", "link wait", "download"] == parts
    for name, waits in [("generation", found.generation), ("lag after READY", found.lag)]:
        (span,) = named(exporter, name)
        assert waits.longest == pytest.approx(seconds(span), abs=1e-3)
    assert report.size == job.attributes["reports_async.size"]
    assert report.request_id == job.attributes["reports_async.request_id"]
    assert "created" == job.attributes["reports_async.origin"]
    assert {"not ready"} == {event.name for event in job.events}
    assert job.start_time == named(exporter, "create")[0].start_time
    assert StatusCode.UNSET is job.status.status_code


async def test_calls(new_client, simulator, exporter, provider):
    """
    Each API call is a client span: a poll or another, below its job where it is about one request.
    """
    async with new_client() as client:
        otel.instrument(client, tracer_provider=provider)
        async for _ in client.fetch_reports(["A", "B"]):
            pass

    for kind, endpoint in [("poll", "list"), ("call", "create"), ("call", "token")]:
        spans = named(exporter, f"{kind} {endpoint}")
        assert simulator.count(endpoint) == len(spans)
        assert {None} == {span.parent for span in spans}
    jobs = named(exporter, "report A") + named(exporter, "report B")
    links = named(exporter, "call link")
    assert {job.context.span_id for job in jobs} == {link.parent.span_id for link in links}
    assert {SpanKind.CLIENT} == {link.kind for link in links}
    assert {200} == {link.attributes["http.response.status_code"] for link in links}


async def test_quota_wait(new_client, exporter, provider):
    """
    The wait for the hour is a span of its own.
    """
    async with new_client() as client:
        await client.fetch_report("A")
        otel.instrument(client, tracer_provider=provider)
        await client.fetch_report("A")
        (span,) = named(exporter, "quota wait")

        assert client.statistics().quota.longest == pytest.approx(seconds(span), abs=1e-3)
        assert {"reports_async.report_type": "A"} == dict(span.attributes)


async def test_failures(new_client, simulator, exporter, provider):
    """
    A job that failed, and the part in which it did, are errors; so is a call refused or unanswered.
    """
    simulator.fail_generation("BAD")
    async with new_client() as client:
        otel.instrument(client, tracer_provider=provider)
        with pytest.raises(ReportFailed):
            await client.fetch_report("BAD")
        with pytest.raises(RequestLimitExceeded):
            await client.fetch_report("BAD", on_limit="raise")
        simulator.fail("list", "lose")
        simulator.fail("list", 500)
        [request async for request in client.list_requests()]

    failed, limited = named(exporter, "report BAD")
    (generation,) = named(exporter, "generation")
    assert "ReportFailed" == failed.attributes["error.type"]
    assert StatusCode.ERROR is failed.status.status_code is generation.status.status_code
    assert "RequestLimitExceeded" == limited.attributes["error.type"]
    refused = [
        span for span in named(exporter, "poll list") if span.status.status_code is StatusCode.ERROR
    ]
    statuses = [span.attributes.get("http.response.status_code") for span in refused]
    assert [None, 500] == statuses


async def test_no_path(new_client, exporter, provider, tmp_path):
    """
    Where the disk is to blame, a span says why, and names no directory.
    """
    directory = tmp_path / "secret-place"
    async with new_client(directory=directory) as client:
        otel.instrument(client, tracer_provider=provider)
        job = client.request_report("ITEM_MX")
        async for event in job.events():
            if isinstance(event, Accepted):
                directory.rmdir()
                directory.write_text("in the way")
        with pytest.raises(DownloadError, match="secret-place"):
            await job

    statuses = [span.status for span in exporter.get_finished_spans()]
    failed = [status.description for status in statuses if status.status_code is StatusCode.ERROR]
    assert failed
    assert "secret-place" not in str(failed)


async def test_cancelled(new_client, exporter, provider):
    """
    A job that was cancelled is no error.
    """
    async with new_client() as client:
        otel.instrument(client, tracer_provider=provider)
        job = client.request_report("A")
        async for event in job.events():
            if isinstance(event, Accepted):
                job.cancel()
        with pytest.raises(JobCancelled):
            await job

    (span,) = named(exporter, "report A")
    assert span.attributes["reports_async.cancelled"]
    assert StatusCode.UNSET is span.status.status_code


async def test_retry(new_client, simulator, exporter, provider):
    """
    A download that breaks is told in the job's span.
    """
    simulator.fail("file", "cut")
    async with new_client() as client:
        otel.instrument(client, tracer_provider=provider)
        await client.fetch_report("A")

    (span,) = named(exporter, "report A")
    assert ["retry"] == [event.name for event in span.events if event.name != "not ready"]


async def test_resumed(new_client, simulator, clock, exporter, provider):
    """
    A resumed job has its type in the span's name once the server has told it.
    """
    async with new_client() as client:
        otel.instrument(client, tracer_provider=provider)
        await clock.sleep(0)
        await client.resume_report(simulator.add_request("A", clock.now()))

    (span,) = named(exporter, "report A")
    assert "resumed" == span.attributes["reports_async.origin"]


async def test_two_handles(new_client, exporter, provider):
    """
    Two handles of one request have a span each; the calls stand below the last one.
    """
    async with new_client() as client:
        otel.instrument(client, tracer_provider=provider)
        first = client.request_report("A")
        async for event in first.events():
            if isinstance(event, Progressed):
                break
        second = client.request_report("A")
        await first
        await second

    assert ["created", "joined"] == sorted(
        span.attributes["reports_async.origin"] for span in named(exporter, "report A")
    )


async def test_ends(new_client, clock, exporter, provider):
    """
    What was instrumented can be let go in the middle of a job, whose span ends there.
    """
    async with new_client() as client:
        job = client.request_report("A")
        await anyio.sleep(60)
        stop = otel.instrument(client, tracer_provider=provider)
        await anyio.sleep(900)
        stop()
        stop()
        ended, now = exporter.get_finished_spans(), clock.now()
        await job

    assert ended == exporter.get_finished_spans()
    (span,) = named(exporter, "report A")
    assert 0 < seconds(span) <= 900
    assert span.end_time <= round(now.timestamp() * 1e9)


async def test_early_cancel(new_client, exporter, provider):
    """
    A job that ends before it has a request has a span without one.
    """
    async with new_client() as client:
        otel.instrument(client, tracer_provider=provider)
        job = client.request_report("A")
        job.cancel()
        with pytest.raises(JobCancelled):
            await job

    (span,) = named(exporter, "report A")
    assert "reports_async.request_id" not in span.attributes


def test_global_provider(monkeypatch):
    """
    Without a provider the global one is used.
    """
    given = []
    monkeypatch.setattr(
        trace, "get_tracer", lambda name, *, tracer_provider: given.append((name, tracer_provider))
    )

    class Silent:
        def on_event(self, listener):
            listener(None, None)
            return lambda: None

    otel.instrument(Silent())()

    assert [("reports_async", None)] == given  # None is OpenTelemetry's own word for it


def test_extra(monkeypatch):
    """
    Without the extra, the import says what to install.
    """
    for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "reports_async.otel")

    with pytest.raises(ImportError, match=r'pip install "reports-async\[otel\]"'):
        importlib.import_module("reports_async.otel")


def test_times():
    """
    Instants are whole microseconds, as datetimes have them.
    """
    instant = datetime(2026, 11, 23, 12, 0, 0, 123457, tzinfo=UTC)

    assert otel._nanoseconds(instant) % 10**9 == 123_457_000


def test_set_back(exporter, provider):
    """
    A job whose clock is set back meanwhile ends when it was heard of last, not before it began.
    """
    about = {"report_type": "A", "request_id": "R1"}
    began = datetime(2026, 1, 5, 8, tzinfo=UTC)
    before = began - timedelta(hours=1)

    class Source:
        def on_event(self, listener):
            self.tell = listener
            return lambda: None

    class Job:
        report_type = "A"

    source, job = Source(), Job()
    otel.instrument(source, tracer_provider=provider)
    source.tell(job, Accepted(**about, at=began, origin="created", submitted_at=began))
    source.tell(job, Stopped(**about, at=before, error=JobCancelled("no more")))

    (span,) = named(exporter, "report A")
    assert 0 == seconds(span)
