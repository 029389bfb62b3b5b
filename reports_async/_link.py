"""
A download link for a READY request: asked for under the budget, again until there is one.

What a link is used for, and when a new one is needed, is decided in `_fetch`.
"""

from __future__ import annotations

import logging
import random
from functools import cached_property
from typing import TYPE_CHECKING, Final

import anyio
from attrs import define

from ._exceptions import (
    RateLimited,
    ReportExpired,
    ReportsError,
    RequestNotFound,
    ServerError,
    TransportError,
)
from ._models import RequestStatus
from ._sansio import endings
from ._sansio.backoff import retry_delay
from ._sansio.endpoints import Endpoint
from ._sansio.errors import is_coded

if TYPE_CHECKING:
    from ._api import Api
    from ._models import DownloadLink
    from ._slot import Slot
    from .abc import Clock

logger = logging.getLogger("reports_async")

PAUSE: Final = 60.0
"""Seconds before a link is asked for again where a READY request had none yet."""

LONGEST_PAUSE: Final = 180.0
"""Seconds between tries while the API fails: as long as its budgets need for one call."""

UNKNOWN: Final = 3
"""Replies that a READY request is not known before that is believed: the server has many machines,
and one may lag behind the other."""

TRIES: Final = 16
"""Calls that may fail in a row before the job is told: a quarter of an hour, or more."""


@define
class _Tries:
    """What has failed since there was a reply; *patient* where READY was seen before."""

    patient: bool
    setbacks: int = 0
    failures: int = 0
    unknown: int = 0

    def after(self, error: ReportsError) -> float:
        """Return the seconds until the next try, or raise what is not to be tried again."""
        if isinstance(error, ReportExpired):
            self.unknown += 1
            if self.unknown >= UNKNOWN or not self.patient:
                raise error
            return PAUSE
        # An outage should not cost a wait of 45 minutes; 429s are what the limit is for.
        self.failures += not isinstance(error, RateLimited)
        if self.failures >= TRIES:
            raise error
        self.setbacks += 1
        return retry_delay(self.setbacks - 1, jitter=random.random(), cap=LONGEST_PAUSE)  # noqa: S311 -- spread, not secrecy


class Links:
    """
    The links of one account.

    The budget is waited for one after the other, in the order of asking, and without a slot: that
    is taken when there is a call, so a seller that has none left keeps no other from downloading,
    and a link is used as soon as it is there.

    Args:
        limit: Seconds for one link, from when it is its turn, budget waits included.
    """

    def __init__(self, api: Api, *, clock: Clock, limit: float | None) -> None:
        self._api = api
        self._clock = clock
        self._limit = limit

    @cached_property
    def _turn(self) -> anyio.Lock:
        # Not before it is needed: most of a thousand accounts want no link now.
        return anyio.Lock()

    async def get(
        self, request_id: str, slot: Slot, *, report_type: str = "", seen_ready: bool = True
    ) -> DownloadLink:
        """
        Return a link, with *slot* taken; each costs one of 20 calls an hour.

        Where READY was seen, a reply without a link lags behind that, whatever it says; where it
        was not (*seen_ready*), one that says "not READY" is believed.

        Raises:
            ReportNotReady: It is not READY, and was not seen to be.
            ReportTimedOut: None came within the limit.
            ReportFailed: The request ended with ERROR after all.
            ReportExpired: The server does not know the request any more.
            ServerError, TransportError, RequestNotFound: The API failed again and again, the last
                of these without a word of its own.
            APIError: The API refused the call.
        """
        clock = self._clock
        started: float | None = None
        until = None
        tries = _Tries(patient=seen_ready)
        while True:
            async with self._turn:
                if started is None:
                    started = clock.monotonic()
                    until = None if self._limit is None else started + self._limit
                if not await self._can_ask(slot, until=until):
                    break
            # No checkpoint before the call is spent: the next in turn finds one less.
            pause = PAUSE
            try:
                found = await self._ask(request_id, report_type=report_type, seen_ready=seen_ready)
            except (
                RateLimited,
                ReportExpired,
                RequestNotFound,
                ServerError,
                TransportError,
            ) as exc:
                pause = tries.after(exc)
                what = endings.subject(report_type)
                logger.info("%s: request %s: no link yet: %s", what, request_id, exc)
            else:
                if found is not None:
                    return found
                tries = _Tries(patient=seen_ready)
            slot.leave()
            if until is not None and clock.monotonic() + pause > until:
                break
            await clock.sleep(pause)
        waited = clock.monotonic() - started
        raise endings.no_link(request_id, report_type=report_type, waited=waited)

    async def _can_ask(self, slot: Slot, *, until: float | None) -> bool:
        """Wait for a call and *slot*, in that order; False where the call comes after *until*."""
        while await self._api.afford(Endpoint.LINK, until=until):
            await slot.take()
            if self._api.affords(Endpoint.LINK):
                return True
            # Somebody who has no turn was quicker: a webhook, or a plain call.
            slot.leave()
        return False

    async def _ask(
        self, request_id: str, *, report_type: str, seen_ready: bool
    ) -> DownloadLink | None:
        try:
            reply = await self._api.link(request_id, tries=1)
        except RequestNotFound as exc:
            if not is_coded(exc):
                raise  # a gateway's page, perhaps
            raise endings.expired(request_id, report_type=report_type) from exc
        if reply.link is not None:
            return reply.link
        if reply.request.status is RequestStatus.ERROR:
            raise endings.failed(reply.request, report_type=report_type)
        if not seen_ready and reply.request.status is not RequestStatus.READY:
            raise endings.without_link(reply.request)
        # "Not ready" can be a 200 without a link: the file host may lag behind the status.
        return None

    def __repr__(self) -> str:
        waiting = self._turn.statistics().tasks_waiting
        return f"<Links, {waiting} wait for their turn>"
