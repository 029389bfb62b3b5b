"""
Be told by Walmart when a report is ready, instead of asking: a client and its receiver in one app.

    export WALMART_CLIENT_ID=... WALMART_CLIENT_SECRET=... WALMART_WEBHOOK_SECRET=...
    python examples/webhook_app.py

Subscribe once, with the address under which Walmart reaches this app:

    reports-async webhooks create https://reports.example/walmart --auth hmac

With REPORTS_BASE_URL it talks to `reports-async simulate` instead.
"""

import os
from collections.abc import AsyncIterator

from aiohttp import web

from reports_async import Credentials, ReportsClient, ReportsError
from reports_async.webhooks import Hmac, Receiver

CLIENT = web.AppKey("client", ReportsClient)


async def report(request: web.Request) -> web.StreamResponse:
    """Send a report as soon as it is there."""
    try:
        found = await request.app[CLIENT].fetch_report(request.match_info["type"], max_age=3600)
    except ReportsError as exc:
        return web.json_response({"error": str(exc), "request_id": exc.request_id}, status=502)
    return web.FileResponse(found.path, headers={"Content-Type": "text/csv"})


async def close(app: web.Application) -> AsyncIterator[None]:
    """Close the client when the server stops."""
    yield
    await app[CLIENT].aclose()


def main() -> None:
    """Serve reports, and the address that Walmart calls."""
    client = ReportsClient(
        Credentials.from_env(),
        market="us",
        directory=os.environ.get("REPORTS_DIRECTORY", "reports"),
        base_url=os.environ.get("REPORTS_BASE_URL"),
    )
    receiver = Receiver(client, verify=Hmac(os.environ["WALMART_WEBHOOK_SECRET"]))
    app = web.Application()
    app[CLIENT] = client
    app.cleanup_ctx.append(close)
    app.router.add_get("/reports/{type}", report)
    app.router.add_post("/walmart", receiver.aiohttp)
    web.run_app(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))


if __name__ == "__main__":
    main()
