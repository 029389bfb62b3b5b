"""
The public types as a promise: never run, but read by mypy and pyright.

What is written here is what users may write, with what they get.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_type

import aiohttp
import httpx
import obstore.store
from aiohttp import web
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from reports_async import (
    APIError,
    AuthenticationError,
    BadArchive,
    CallEnded,
    Credentials,
    DownloadError,
    DownloadLink,
    Downloads,
    EnumFilter,
    Filters,
    InvalidRequest,
    JobEvent,
    JobStatus,
    LinkExpired,
    MemoryStore,
    MultiValueFilter,
    PhaseEnded,
    Planned,
    PollSchedule,
    RangeFilter,
    RateLimited,
    Report,
    ReportExpired,
    ReportFailed,
    ReportJob,
    ReportRequest,
    ReportsClient,
    ReportsError,
    ReportSpec,
    ReportsPool,
    ReportTimedOut,
    RequestLimitExceeded,
    RequestNotFound,
    RequestStatus,
    Row,
    ServerError,
    SQLiteStore,
    Statistics,
    Timeouts,
    TransportError,
    TruncatedDownload,
    Waits,
    WebhookError,
)
from reports_async.abc import ByteStream, Clock, HTTPRequest, HTTPResponse, Store, Transport
from reports_async.obstore import StoredReport, put_report
from reports_async.otel import instrument
from reports_async.stores import PostgresStore, RedisStore
from reports_async.testing import ScaledClock, Simulator, SimulatorTransport
from reports_async.transports import AiohttpTransport, HttpxTransport
from reports_async.webhooks import (
    Authentication,
    BasicAuth,
    Hmac,
    Notification,
    OAuth,
    OAuthServer,
    Receiver,
    Subscription,
    Subscriptions,
    Verifier,
)

if TYPE_CHECKING:
    from starlette.types import ASGIApp

credentials = Credentials("id", "secret")
assert_type(Credentials.from_env(), Credentials)
assert_type(credentials.client_id, str)

memory: Store = MemoryStore()
sqlite: Store = SQLiteStore("jobs.sqlite")
sqlite_by_path: Store = SQLiteStore(Path("jobs.sqlite"))
redis: Store = RedisStore("redis://localhost")
postgres: Store = PostgresStore("postgresql://localhost/reports")

by_aiohttp: Transport = AiohttpTransport()
by_httpx: Transport = HttpxTransport()


def shared(
    session: aiohttp.ClientSession, client: httpx.AsyncClient
) -> tuple[Transport, Transport]:
    return AiohttpTransport(session), HttpxTransport(client)


schedule = PollSchedule(first=60.0, factor=1.5, cap=timedelta(minutes=5), window=2700)
timeouts = Timeouts(
    quota=timedelta(hours=2), generation=5400, call=30.0, link=None, stall=timedelta(minutes=1)
)
filters = Filters(
    rows=[
        EnumFilter("Status", ["ACTIVE"]),
        RangeFilter("Price", start="1"),
        MultiValueFilter("A", "b"),
    ],
    exclude_columns=["Brand"],
    data_start=datetime(2026, 1, 1, tzinfo=UTC),
    data_end=datetime(2026, 2, 1, tzinfo=UTC),
    granularity="DAILY",
)


class MyClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        pass


class MyTransport:
    async def send(self, request: HTTPRequest, *, timeout: float | None) -> HTTPResponse:
        return HTTPResponse(status=200)

    def stream(
        self, request: HTTPRequest, *, timeout: float | None, stall: float | None
    ) -> AbstractAsyncContextManager[ByteStream]:
        raise LookupError(request.url)

    async def aclose(self) -> None:
        pass


async def one() -> None:
    async with ReportsClient(credentials, market="mx", directory="reports") as client:
        assert_type(client, ReportsClient)
        report = await client.fetch_report("ITEM_MX")
        assert_type(report, Report)


async def every_argument() -> None:
    clock: Clock = MyClock()
    client = ReportsClient(
        credentials,
        market="us",
        directory=Path(),
        channel_type=None,
        service_name="Walmart Marketplace",
        base_url=None,
        store=memory,
        transport=MyTransport(),
        schedule=schedule,
        timeouts=timeouts,
        clock=clock,
    )
    report = await client.fetch_report(
        "ITEM",
        version="v4",
        filters=filters,
        max_age=timedelta(hours=6),
        on_limit="reuse",
        fresh=False,
        path=Path("item.csv"),
    )
    assert_type(report, Report)
    await client.aclose()


async def simulated() -> None:
    clock = ScaledClock(600)
    simulator = Simulator()
    async with ReportsClient(
        credentials, transport=SimulatorTransport(simulator, clock), clock=clock
    ) as client:
        await client.fetch_report("ITEM", path="item.csv", on_limit="raise", max_age=3600)


def what_a_report_is(report: Report) -> None:
    assert_type(report.path, Path)
    assert_type(report.report_type, str)
    assert_type(report.version, str)
    assert_type(report.request_id, str)
    assert_type(report.submitted_at, datetime)
    assert_type(report.generated_at, datetime | None)
    assert_type(report.expires_at, datetime)
    assert_type(report.size, int)
    assert_type(report.rows(), Iterator[Row])


async def many(client: ReportsClient) -> None:
    async for report in client.fetch_reports(
        ["ITEM_MX", ReportSpec("INVENTORY_MX", version="v1", path=Path("inventory.csv"))]
    ):
        assert_type(report, Report)
    async for report in client.fetch_reports(kind for kind in ("ITEM", "PROMO")):
        assert_type(report, Report)


async def left_early(client: ReportsClient) -> None:
    async with aclosing(client.fetch_reports(["ITEM"])) as reports:
        assert_type(await anext(reports), Report)
    async with aclosing(client.list_requests()) as requests:
        assert_type(await anext(requests), ReportRequest)


async def handles(client: ReportsClient) -> None:
    job = client.request_report("ITEM", version=None, filters=None, max_age=60, on_limit="wait")
    assert_type(job, ReportJob)
    assert_type(client.resume_report("an-id"), ReportJob)
    assert_type(client.resume_report("an-id", path="item.csv"), ReportJob)
    assert_type(job.request_id, str | None)
    assert_type(job.status, JobStatus)
    assert_type(job.report_type, str)
    async for event in job.events():
        assert_type(event, JobEvent)
        assert_type(event.at, datetime)
    assert_type(await job, Report)
    job.cancel()


async def plain_calls(client: ReportsClient) -> None:
    request = await client.create_request("ITEM", version="v4", filters=filters)
    assert_type(request, ReportRequest)
    assert_type(request.request_id, str)
    assert_type(request.status, RequestStatus)
    assert_type(request.raw_status, str)
    assert_type(request.submitted_at, datetime | None)
    assert_type(await client.get_request("an-id"), ReportRequest)
    link = await client.get_download_url("an-id")
    assert_type(link, DownloadLink)
    assert_type(link.url, str)
    assert_type(link.expires_at, datetime | None)
    async for each in client.list_requests(
        report_type="ITEM",
        request_id=None,
        status=RequestStatus.READY,
        submitted_after=datetime(2026, 1, 1, tzinfo=UTC),
        submitted_before=None,
    ):
        assert_type(each, ReportRequest)


def webhook(client: ReportsClient, body: dict[str, Any]) -> None:
    client.notify(body)


async def webhooks(client: ReportsClient, app: web.Application) -> None:
    receiver = Receiver(client, verify=Hmac("secret", header="X-Signature"), limit=65_536)
    app.router.add_post("/walmart", receiver.aiohttp)
    asgi: ASGIApp = receiver
    starlette = Starlette(routes=[Route("/walmart", receiver), Mount("/", receiver.asgi)])
    assert_type(receiver.receive({"Authorization": "..."}, b"{}"), Notification)
    verifiers: list[Verifier] = [BasicAuth("user", "password"), OAuth("token"), OAuth(["a", "b"])]
    proofs: list[Authentication] = [
        BasicAuth("user", "password"),
        OAuthServer(url="https://auth.example", client_id="id", client_secret="secret"),
    ]
    assert_type(client.report_types, tuple[str, ...])
    assert_type(client.subscriptions, Subscriptions)
    assert_type(await client.subscriptions.list(status="ACTIVE"), tuple[Subscription, ...])
    made = await client.subscriptions.create("https://hooks.example", auth=proofs[0])
    assert_type(made.subscription_id, str)
    assert_type(await client.subscriptions.test("https://hooks.example", auth=None), str)
    await client.subscriptions.delete(made.subscription_id)
    Receiver(client, verify=verifiers[0])
    Receiver(client, verify=None)
    del asgi, starlette


def refused(error: WebhookError) -> None:
    assert_type(error.status, int)


def listener(job: ReportJob | None, event: JobEvent | PhaseEnded | CallEnded | Planned) -> None:
    match event:
        case PhaseEnded():
            assert_type(event.seconds, float)
            assert_type(event.error, ReportsError | None)
        case CallEnded():
            assert_type(event.status, int | None)
        case Planned():
            assert_type(event.tokens, int)
        case JobEvent():
            assert_type(event.at, datetime)


def looking_on(client: ReportsClient) -> None:
    assert_type(client.on_event(listener), Callable[[], None])
    assert_type(client.on_event(print), Callable[[], None])
    found = client.statistics()
    assert_type(found, Statistics)
    assert_type(found.lag, Waits)
    assert_type(found.calls, Mapping[str, int])
    assert_type(instrument(client), Callable[[], None])


async def many_accounts() -> None:
    async with ReportsPool(
        market="us",
        directory=Path(),
        store=sqlite,
        transport=by_aiohttp,
        timeouts=timeouts,
        downloads=Downloads(at_once=2),
    ) as pool:
        assert_type(pool, ReportsPool)
        client = pool.client(credentials, market="mx", directory="mx", channel_type=None)
        assert_type(client, ReportsClient)
        assert_type(await client.fetch_report("ITEM_MX"), Report)
        memory = obstore.store.MemoryStore()
        assert_type(await put_report(client, "r-1", memory, "a.csv"), StoredReport)
        assert_type(pool.statistics(), Statistics)
        assert_type(pool.on_event(listener), Callable[[], None])
        assert_type(instrument(pool), Callable[[], None])


kinds_of_download_error: tuple[type[DownloadError], ...] = (
    LinkExpired,
    TruncatedDownload,
    BadArchive,
)
kinds_of_error: tuple[type[ReportsError], ...] = (
    APIError,
    DownloadError,
    ReportExpired,
    ReportFailed,
    ReportTimedOut,
    RequestLimitExceeded,
    TransportError,
    WebhookError,
)
also_a_timeout: type[TimeoutError] = ReportTimedOut


def errors(error: Exception) -> None:
    match error:
        case RateLimited():
            assert_type(error.retry_at, datetime | None)
        case AuthenticationError() | InvalidRequest() | RequestNotFound() | ServerError():
            assert_type(error.errors[0].description, str)
        case APIError():
            assert_type(error.status, int)
            assert_type(error.code, str)
        case RequestLimitExceeded():
            assert_type(error.retry_at, datetime)
        case ReportTimedOut():
            assert_type(error.waited, float)
        case LinkExpired() | TruncatedDownload() | BadArchive():
            assert_type(error.request_id, str | None)
        case ReportFailed() | ReportExpired() | TransportError() | WebhookError():
            assert_type(error.report_type, str | None)
        case _:
            raise error
