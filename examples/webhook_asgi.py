"""
Be told by Walmart when a report is ready: what webhook_app.py does, as an ASGI application.

    export WALMART_CLIENT_ID=... WALMART_CLIENT_SECRET=... WALMART_WEBHOOK_SECRET=...
    python examples/webhook_asgi.py

With REPORTS_BASE_URL it talks to `reports-async simulate` instead.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from reports_async import Credentials, ReportsClient, ReportsError
from reports_async.webhooks import Hmac, Receiver


def make_app() -> Starlette:
    """Put the application together: reports for everyone, and the address that Walmart calls."""
    client = ReportsClient(
        Credentials.from_env(),
        market="us",
        directory=os.environ.get("REPORTS_DIRECTORY", "reports"),
        base_url=os.environ.get("REPORTS_BASE_URL"),
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with client:
            yield

    async def report(request: Request) -> Response:
        try:
            found = await client.fetch_report(request.path_params["type"], max_age=3600)
        except ReportsError as exc:
            return JSONResponse({"error": str(exc), "request_id": exc.request_id}, status_code=502)
        return FileResponse(found.path, media_type="text/csv")

    receiver = Receiver(client, verify=Hmac(os.environ["WALMART_WEBHOOK_SECRET"]))
    return Starlette(
        routes=[Route("/reports/{type}", report), Route("/walmart", receiver)], lifespan=lifespan
    )


if __name__ == "__main__":
    uvicorn.run(make_app(), host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))
