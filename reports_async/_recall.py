"""
Requests made earlier, by their ids: what the store remembers, or else what the server tells.

A status call tells of one request, a list of many: where more are asked for than there are status
calls left, the list is read first. Nothing is requested anew; how a request is waited for is
decided in `_job`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio
from attrs import define, field

from ._exceptions import ReportsError, RequestNotFound
from ._sansio import endings
from ._sansio.endpoints import Endpoint, ListQuery
from ._sansio.pages import PAGE

if TYPE_CHECKING:
    from ._api import Api
    from ._models import JobRecord, ReportRequest
    from ._quota import Gate
    from .abc import Clock

logger = logging.getLogger("reports_async")


@define(eq=False, repr=False)
class Recall:
    """The earlier requests of one account."""

    _api: Api
    _gate: Gate
    _clock: Clock = field(alias="clock", kw_only=True)
    # How often each is asked for.
    _wanted: dict[str, int] = field(factory=dict[str, int], init=False)
    # What a list has shown of those that are wanted; None where it has not.
    _shown: dict[str, ReportRequest | None] = field(
        factory=dict[str, "ReportRequest | None"], init=False
    )
    # Made when it is needed: most of a thousand accounts resume nothing now.
    _turn: anyio.Lock | None = field(default=None, init=False)

    async def record(self, request_id: str) -> JobRecord:
        """
        Return the record of a request; one that the server told is remembered from now on.

        Raises:
            ReportExpired: It was remembered once, and is older than 30 days.
            RequestNotFound: Neither store nor server know it.
        """
        record = await self._gate.find(request_id)
        if record is not None:
            return record
        try:
            request = await self._ask(request_id)
        except RequestNotFound as exc:
            if await self._gate.knew(request_id):
                raise endings.expired(request_id, report_type=exc.report_type) from exc
            raise
        return await self._gate.remember(
            request,
            report_type=request.report_type or "UNKNOWN",
            version=request.version or "v1",
            filters=None,
            skew=self._api.skew,
            foreign=False,
        )

    async def _ask(self, request_id: str) -> ReportRequest:
        self._turn = self._turn or anyio.Lock()
        self._wanted[request_id] = self._wanted.get(request_id, 0) + 1
        try:
            async with self._turn:
                if request_id not in self._shown and self._list_is_better():
                    await self._read_list()
            if (shown := self._shown.get(request_id)) is not None:
                return shown
            return await self._api.in_turn(Endpoint.STATUS, lambda: self._api.status(request_id))
        finally:
            self._wanted[request_id] -= 1
            if not self._wanted[request_id]:
                del self._wanted[request_id]
                self._shown.pop(request_id, None)

    def _list_is_better(self) -> bool:
        statuses = self._api.budgets[Endpoint.STATUS].available(self._clock.monotonic())
        wants_type = self._gate.strictness.wants_type(self._clock.now())
        return len(self._wanted) > statuses and not wants_type

    async def _read_list(self) -> None:
        """Read pages, newest requests first, as long as each shows some that are wanted."""
        self._shown = dict.fromkeys(self._wanted)
        cursor: str | None = None
        found = True
        while found and None in self._shown.values() and self._api.affords(Endpoint.LIST):
            try:
                page = await self._api.page(ListQuery(limit=PAGE), cursor=cursor, tries=1)
            except ReportsError as exc:
                logger.info("The list tells nothing of earlier requests: %s", exc)
                return
            news = {one.request_id: one for one in page.requests if one.request_id in self._wanted}
            self._shown.update(news)
            cursor = page.next_cursor
            found = bool(news) and cursor is not None

    def __repr__(self) -> str:
        return f"<Recall, {len(self._wanted)} requests are asked for>"
