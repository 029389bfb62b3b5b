"""
Serve reports from a Starlette (or FastAPI) application: one client, open for the app's lifespan.

    WALMART_CLIENT_ID=... WALMART_CLIENT_SECRET=... python examples/starlette_app.py

Ten callers of /reports/ITEM_MX at once share one request at Walmart. With REPORTS_BASE_URL and
REPORTS_SPEED it talks to `reports-async simulate` instead.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from reports_async import Credentials, ReportsClient, ReportsError
from reports_async.testing import ScaledClock


class State(TypedDict):
    """What each request finds in ``request.state``."""

    client: ReportsClient


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[State]:
    """Open the client when the server starts, and close it when it stops."""
    speed = os.environ.get("REPORTS_SPEED")
    clock = ScaledClock(float(speed)) if speed else None
    client = ReportsClient(
        Credentials.from_env(),
        market="mx",
        directory=os.environ.get("REPORTS_DIRECTORY", "reports"),
        base_url=os.environ.get("REPORTS_BASE_URL"),
        clock=clock,
    )
    async with client:
        yield {"client": client}


async def report(request: Request) -> Response:
    """Send a report that is at most an hour old; wait for a new one if there is none."""
    client: ReportsClient = request.state.client
    try:
        found = await client.fetch_report(request.path_params["type"], max_age=3600)
    except ReportsError as exc:
        return JSONResponse({"error": str(exc), "request_id": exc.request_id}, status_code=502)
    return FileResponse(found.path, media_type="text/csv")


async def health(_request: Request) -> Response:
    """Answer at once, whatever is being waited for."""
    return PlainTextResponse("ok\n")


app = Starlette(
    routes=[Route("/reports/{type}", report), Route("/health", health)],
    lifespan=lifespan,
)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))
