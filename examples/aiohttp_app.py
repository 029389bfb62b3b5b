"""
Serve reports from an aiohttp application: one client for all requests, open as long as the app.

    WALMART_CLIENT_ID=... WALMART_CLIENT_SECRET=... python examples/aiohttp_app.py

Ten callers of /reports/ITEM_MX at once share one request at Walmart. With REPORTS_BASE_URL and
REPORTS_SPEED it talks to `reports-async simulate` instead.
"""

import os
from collections.abc import AsyncIterator

from aiohttp import web

from reports_async import Credentials, ReportsClient, ReportsError
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


async def health(_request: web.Request) -> web.Response:
    """Answer at once, whatever is being waited for."""
    return web.Response(text="ok\n")


def make_app() -> web.Application:
    """Put the application together."""
    app = web.Application()
    app.cleanup_ctx.append(client)
    app.router.add_get("/reports/{type}", report)
    app.router.add_get("/health", health)
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))
