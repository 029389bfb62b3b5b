"""
The server's list, asked about one type, version and filters.

It tells of a young request to reuse, of another program's that holds the hour, and of what a create
without an answer has made. What to do about it is decided in `_submit`.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from ._exceptions import RateLimited, ServerError, TransportError
from ._sansio import matching, window
from ._sansio.endpoints import Endpoint, ListQuery, same_filters
from ._sansio.pages import PAGE
from ._tasks import shielded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ._api import Api
    from ._models import JobRecord, ReportRequest, Wish
    from ._quota import Gate
    from ._sansio.replies import Page
    from .abc import Clock

logger = logging.getLogger("reports_async")


class Listing:
    """What the list says; what is found is written down, and returned as a record."""

    def __init__(self, api: Api, gate: Gate, *, clock: Clock, wish: Wish) -> None:
        self._api = api
        self._gate = gate
        self._clock = clock
        self._type = wish.report_type
        self._version = wish.version
        self._filters = wish.filters

    async def young(self, since: datetime) -> JobRecord | None:
        """Return an identical request, submitted at *since* (our clock) or later, or None."""
        await self._api.authorize()  # teaches the skew, which the next line needs
        oldest = self._api.skew.to_server(since)
        others = await self._others()
        cursor: str | None = None
        seen: set[str] = set()
        known: set[str] = set()
        while True:
            page = await self._page(cursor)
            ids = {entry.request_id for entry in page.requests}
            entries = [entry for entry in page.requests if entry.request_id not in others]
            found = matching.listed(
                entries, version=self._version, filters=self._filters, since=oldest
            )
            if found is not None:
                return await self._remember(found, filters=self._filters, foreign=False)
            dates = [entry.submitted_at for entry in page.requests if entry.submitted_at]
            cursor = page.next_cursor
            # Newest first: behind a page of old ones there are only older ones. A page without
            # anything new is the last, whatever its cursor says.
            if cursor is None or cursor in seen or not dates or max(dates) < oldest or ids <= known:
                return None
            seen.add(cursor)
            known |= ids

    async def newest(self) -> Sequence[ReportRequest] | None:
        """Return the first page of the type's list, or None where it cannot be had now."""
        await self._api.afford(Endpoint.LIST)
        try:
            page = await self._api.page(ListQuery(report_type=self._type), tries=1)
        except (TransportError, ServerError, RateLimited) as exc:
            logger.info("%s: the list cannot be had now: %s", self._type, exc)
            return None
        return page.requests

    async def remember_holder(self, entries: Sequence[ReportRequest]) -> bool:
        """Write down which of the entries holds the hour of the type; False if none does."""
        now = self._api.skew.to_server(self._clock.now())
        holder = matching.hour_holder(entries, since=now - timedelta(seconds=window.PERIOD))
        if holder is None:
            return False
        known = await self._gate.find(holder.request_id)
        if known is not None:
            await self._gate.extend(known, holder, skew=self._api.skew)
            return True
        same = holder.version == self._version and same_filters(self._filters, holder.payload)
        await self._remember(holder, filters=self._filters if same else None, foreign=True)
        return True

    async def adopt(
        self, record: JobRecord, entries: Sequence[ReportRequest], *, sent_at: datetime
    ) -> JobRecord | None:
        """Return *record* with the id of the request that its create has made, or None."""
        records = await self._gate.records(self._type)
        entry = matching.made_by(
            entries,
            known={one.request_id for one in records if one.request_id is not None},
            version=self._version,
            filters=self._filters,
            sent_at=self._api.skew.to_server(sent_at),
        )
        if entry is None:
            return None
        return await shielded(self._gate.adopt(record, entry, skew=self._api.skew))

    async def _others(self) -> set[str]:
        """Return the ids of requests that our own records tell to be of no use."""
        return {
            record.request_id
            for record in await self._gate.records(self._type)
            if record.request_id is not None
            and (
                record.status in matching.FAILED
                or record.version != self._version
                # A list may leave the filters out; the record of who made it does not.
                or record.filters not in (None, self._filters)
            )
        }

    async def _page(self, cursor: str | None) -> Page:
        query = ListQuery(report_type=self._type, limit=PAGE)
        return await self._api.in_turn(Endpoint.LIST, lambda: self._api.page(query, cursor=cursor))

    async def _remember(
        self, request: ReportRequest, *, filters: str | None, foreign: bool
    ) -> JobRecord:
        return await self._gate.remember(
            request,
            report_type=self._type,
            version=request.version or self._version,
            filters=filters,
            skew=self._api.skew,
            foreign=foreign,
        )
