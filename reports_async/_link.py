"""
A download link for a READY request: asked for under the budget, again until there is one.

What a link is used for, and when a new one is needed, is decided in `_download`.
"""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Final

from ._exceptions import RateLimited, RequestNotFound, ServerError, TransportError
from ._models import RequestStatus
from ._sansio import endings
from ._sansio.backoff import retry_delay
from ._sansio.endpoints import Endpoint

if TYPE_CHECKING:
    from ._api import Api
    from ._models import DownloadLink
    from .abc import Clock

logger = logging.getLogger("reports_async")

PAUSE: Final = 60.0
"""Seconds before a link is asked for again where a READY request had none yet."""

LONGEST_PAUSE: Final = 180.0
"""Seconds between tries while the API fails: as long as its budgets need for one call."""

TRIES: Final = 16
"""Calls that may fail in a row before the job is told: a quarter of an hour, or more."""


async def link(
    api: Api, request_id: str, *, report_type: str, clock: Clock, limit: float | None
) -> DownloadLink:
    """
    Return a link; each costs one of 20 calls an hour.

    Raises:
        ReportTimedOut: None came within *limit* seconds, budget waits included.
        ReportFailed: The request ended with ERROR after all.
        ReportExpired: The server does not know the request any more.
        ServerError, TransportError: The API failed again and again.
        APIError: The API refused the call.
    """
    started = clock.monotonic()
    until = None if limit is None else started + limit
    setbacks = failures = 0
    while await api.afford(Endpoint.LINK, until=until):
        pause = PAUSE
        try:
            found = await _ask(api, request_id, report_type=report_type)
        except (RateLimited, ServerError, TransportError) as exc:
            # An outage should not cost a wait of 45 minutes; 429s are what *limit* is for.
            failures += not isinstance(exc, RateLimited)
            if failures >= TRIES:
                raise
            pause = retry_delay(setbacks, jitter=random.random(), cap=LONGEST_PAUSE)  # noqa: S311 -- spread, not secrecy
            setbacks += 1
            logger.info("%s: request %s: no link yet: %s", report_type, request_id, exc)
        else:
            if found is not None:
                return found
            setbacks = failures = 0
        if until is not None and clock.monotonic() + pause > until:
            break
        await clock.sleep(pause)
    waited = clock.monotonic() - started
    raise endings.no_link(request_id, report_type=report_type, waited=waited)


async def _ask(api: Api, request_id: str, *, report_type: str) -> DownloadLink | None:
    try:
        reply = await api.link(request_id, tries=1)
    except RequestNotFound as exc:
        raise endings.expired(request_id, report_type=report_type) from exc
    if reply.link is None and reply.request.status is RequestStatus.ERROR:
        raise endings.failed(reply.request, report_type=report_type)
    # "Not ready" can be a 200 without a link: the file host may lag behind the status.
    return reply.link
