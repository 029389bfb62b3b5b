"""
Serve reports from an aiohttp application: one client for all requests, open as long as the app.

    WALMART_CLIENT_ID=... WALMART_CLIENT_SECRET=... python examples/aiohttp_app.py

Ten callers of /reports/ITEM_MX at once share one request at Walmart; /requests/ID passes on the
report of a request that anyone made. With REPORTS_BASE_URL and
REPORTS_SPEED it talks to `reports-async simulate` instead.
"""

import os
from collections.abc import AsyncIterator

from aiohttp import web

from reports_async import Credentials, ReportNotReady, ReportsClient, ReportsError
from reports_async.testing import ScaledClock

CLIENT = web.AppKey("client", ReportsClient)


async def client(app: web.Application) -> AsyncIterator[None]:
    """Open the client with the application, and close it with it."""
    speed = os.environ.get("REPORTS_SPEED")
    clock = ScaledClock(float(speed)) if speed else None
    app[CLIENT] = ReportsClient(
        Credentials.from_env(),
        market="mx",
        directory=os.environ.get("REPORTS_DIRECTORY", "reports"),
        base_url=os.environ.get("REPORTS_BASE_URL"),
        clock=clock,
    )
    async with app[CLIENT]:
        yield


async def report(request: web.Request) -> web.StreamResponse:
    """Send a report that is at most an hour old; wait for a new one if there is none."""
    report_type = request.match_info["type"]
    try:
        found = await request.app[CLIENT].fetch_report(report_type, max_age=3600)
    except ReportsError as exc:
        return web.json_response({"error": str(exc), "request_id": exc.request_id}, status=502)
    return web.FileResponse(found.path)


async def passed_on(request: web.Request) -> web.StreamResponse:
    """Pass on the report of a request that anyone made; nothing of it stays here."""
    try:
        async with request.app[CLIENT].open_report(request.match_info["id"]) as stream:
            response = web.StreamResponse(headers={"Content-Type": "text/csv"})
            response.content_length = stream.size
            await response.prepare(request)
            async for block in stream:
                await response.write(block)
            return response
    except ReportsError as exc:
        status = 409 if isinstance(exc, ReportNotReady) else 502
        return web.json_response({"error": str(exc), "request_id": exc.request_id}, status=status)


async def health(_request: web.Request) -> web.Response:
    """Answer at once, whatever is being waited for."""
    return web.Response(text="ok\n")


def make_app() -> web.Application:
    """Put the application together."""
    app = web.Application()
    app.cleanup_ctx.append(client)
    app.router.add_get("/reports/{type}", report)
    app.router.add_get("/requests/{id}", passed_on)
    app.router.add_get("/health", health)
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))
