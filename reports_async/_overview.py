"""
The server's list, read for those who wait: in as few pages as will do, and as it lets itself be.

What to ask for is decided in `_sansio.pages`; that a list wants a type, or takes no limit, is found
out here, by its refusals.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from attrs import evolve, frozen

from ._models import RETENTION, RequestStatus
from ._sansio import plan
from ._sansio.endpoints import Endpoint, ListQuery
from ._sansio.pages import Catalogue
from ._sansio.strictness import KEPT, names_type

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ._api import Api
    from ._exceptions import InvalidRequest
    from ._models import ReportRequest
    from ._sansio.history import History
    from ._sansio.strictness import Strictness
    from ._watches import Watch, Watches
    from .abc import Clock

logger = logging.getLogger("reports_async")

READY: Final = RequestStatus.READY

SLACK: Final = timedelta(minutes=2)
"""How much earlier than our oldest request a narrowed list begins."""

DOUBT: Final = 0.3
"""The share of those that wait which must be expected to be READY before a list of these that shows
none is not believed; twice as many after each such doubt that was wrong."""

FEWEST: Final = 4.0
"""And so many of them at least."""

HIDDEN: Final = 3
"""So many that are READY on a list of all have not become so since the one that showed none."""

SURE: Final = 0.95
"""The chance to be READY from which on a request is missed in a list of these."""

LEFT_OFF: Final = 1800.0
"""Seconds for which a list that was left off is gone on with."""

STRAY: Final = timedelta(hours=1)
"""For how long a refusal is believed that does not say what was wrong, or is about one type."""


@frozen
class _Rest:
    """What a list that was left off asked for, its next page, and when that was (monotonic)."""

    query: ListQuery
    cursor: str
    at: float


class Overview:
    """
    The list of one account.

    Args:
        saw: Is told what each page shows.
    """

    def __init__(
        self,
        api: Api,
        *,
        clock: Clock,
        watches: Watches,
        history: History,
        strictness: Strictness,
        saw: Callable[[Sequence[ReportRequest]], None],
    ) -> None:
        self._api = api
        self._clock = clock
        self._watches = watches
        self._history = history
        self._strictness = strictness
        self._saw = saw
        self._catalogue = Catalogue()
        # Whether the list was read for what earlier reports took.
        self._surveyed = False
        # Whether a list of READY requests has shown one of ours; whether that is doubtful.
        self._proved = self._doubted = False
        self._wary = 1.0
        self._refused_at: datetime | None = None
        # Whether a list of those in progress has not shown some that wait: they are so no more.
        self._moved = False
        # Where a list of all was left off for want of a token.
        self._rest: _Rest | None = None
        self._resuming = False
        # When a list of one type was refused, by type.
        self._unlistable: dict[str, datetime] = {}

    @property
    def unlistable(self) -> set[str]:
        """The types that are listed neither among all nor by themselves, as far as is known."""
        now = self._clock.now()
        return {name for name, at in self._unlistable.items() if abs(now - at) <= STRAY}

    @property
    def wants_type(self) -> bool:
        """Whether it lists one type at a time only."""
        return self._strictness.wants_type(self._clock.now())

    def forecast(self, waiting: int) -> float:
        """Return how many calls a list of all costs on average, while *waiting* requests wait."""
        return self._catalogue.forecast(waiting)

    def note(self, request: ReportRequest) -> None:
        """Take note of what a look, of whatever kind, saw of a request."""
        if request.status is RequestStatus.READY and request.submitted_at:
            self._catalogue.ready(request.request_id, request.submitted_at)

    async def read(self, report_type: str | None) -> None:
        """Read pages until nothing new can be on the next, the list ends, or the tokens do."""
        watches = self._watches.of_type(report_type)
        missing = {watch.request_id for watch in watches}
        query, most, survey = self._query(report_type, watches)
        shown: set[str] = set()
        ready: set[str] = set()
        cursor = self._left_off(query)
        resumed = self._resuming = cursor is not None
        cursors: set[str | None] = set()
        while cursor not in cursors:
            cursors.add(cursor)
            page = await self._api.page(query, cursor=cursor, tries=1)
            self._resuming = False
            self._catalogue.learn(limit=page.limit, total=page.total)
            self._saw(page.requests)
            shown.update(request.request_id for request in page.requests)
            ready.update(one.request_id for one in page.requests if one.status is READY)
            cursor = page.next_cursor
            if missing <= shown or not page.requests or cursor is None:
                break
            if survey:
                break  # what lies on further pages is older, or is seen by the next look
            if query.status is READY and self._catalogue.told_all(shown, page.total):
                break
            if not self._api.budgets[Endpoint.LIST].available(self._clock.monotonic()):
                self._rest = _Rest(query, cursor, self._clock.monotonic())
                return  # what is not shown may be on the pages that are left
            if len(cursors) > most:
                break
        self._moved &= report_type is not None
        if not resumed:
            self._judge(query, watches, shown=shown, ready=ready)

    def _judge(
        self, query: ListQuery, watches: Sequence[Watch], *, shown: set[str], ready: set[str]
    ) -> None:
        """Note what it means that a list, from its first page on, has not shown some that wait."""
        missing = {watch.request_id for watch in watches}
        absent = [one for one in watches if one.request_id not in shown and one in self._watches]
        if query.status is READY:
            self._miss(absent, proved=not missing.isdisjoint(ready))
        elif query.status is not None:
            self._leave([watch for watch in absent if watch.started is not False])
        else:
            for watch in absent:
                watch.unseen += 1
            if query.report_type is None:
                self._settle(ready=len(missing & ready), shown=not missing.isdisjoint(shown))

    def _left_off(self, query: ListQuery) -> str | None:
        """Return the page where the last list was left off, once, if that asked for the same."""
        rest, self._rest = self._rest, None
        if rest is None or self._clock.monotonic() - rest.at > LEFT_OFF:
            return None
        same = evolve(query, submitted_before=rest.query.submitted_before) == rest.query
        return rest.cursor if same else None

    def _miss(self, absent: Sequence[Watch], *, proved: bool) -> None:
        """Count those that should be READY by now, and were on no list of these."""
        self._proved |= proved
        chances = {one.request_id: one.chance for one in self._watches.waiting(unlistable=set())}
        for watch in absent:
            watch.unseen += chances[watch.request_id] >= SURE
        enough = max(DOUBT * len(chances), FEWEST) * self._wary
        self._doubted = not self._proved and sum(chances.values()) >= enough

    def _leave(self, moved: Sequence[Watch]) -> None:
        """Look at once at those that are in progress no more, as far as is known."""
        statuses = self._api.budgets[Endpoint.STATUS].available(self._clock.monotonic())
        # Their status says what they are now; where there are too few calls for that, a list does.
        self._moved = len(moved) > statuses
        for watch in moved:
            watch.unseen = watch.unseen + 1 if self._moved else plan.UNSEEN_LIMIT
            watch.look_now = True

    def _settle(self, *, ready: int, shown: bool) -> None:
        """Judge by a list of all that was made in doubt whether narrower ones hide something."""
        if self._doubted and ready >= HIDDEN:
            self._lessen()
        elif self._doubted:
            self._wary *= 2.0
        self._doubted = self._doubted and not shown

    def _lessen(self) -> bool:
        """Ask the list for less, for a while; tell whether there was more to ask for."""
        self._refused_at = self._clock.now()
        return self._catalogue.refused()

    def _query(
        self, report_type: str | None, watches: Sequence[Watch]
    ) -> tuple[ListQuery, int, bool]:
        """Return what to ask for, the pages to read at most, and whether that is a survey."""
        skew, now = self._api.skew, self._clock.now()
        # The server's own dates where it told them: its clock may be another than that of `Date`.
        made = [watch.told_at or skew.to_server(watch.submitted_at) for watch in watches]
        # "Start date older than 30 days" is refused.
        earliest = skew.to_server(now - RETENTION + SLACK)
        since = max(min(made) - SLACK, earliest).replace(microsecond=0)
        self._catalogue.begin(since)
        if self._refused_at is not None and abs(now - self._refused_at) > STRAY:
            self._refused_at = None
            self._catalogue.retry()
        limit = self._catalogue.limit
        waiting = len({watch.request_id for watch in watches})
        if self._doubted:
            narrowed = self._catalogue.whole(waiting)
        else:
            narrowed = self._catalogue.narrow(waiting, moved=self._moved)
        most = narrowed.pages + 1
        if report_type is not None or narrowed.status is None:
            return ListQuery(report_type=report_type, limit=limit), most, False
        known = all(self._history.knows(watch.report_type) for watch in watches)
        if narrowed.status is READY and not known and not self._surveyed:
            # Once with those from before ours: they say what reports take.
            self._surveyed = True
            return ListQuery(status=narrowed.status, limit=limit), most, True
        query = ListQuery(
            status=narrowed.status,
            submitted_after=since,
            submitted_before=max(skew.to_server(now), max(made) + SLACK),
            limit=limit,
        )
        return query, most, False

    def refused(self, report_type: str | None, error: InvalidRequest) -> None:
        """Learn from a list, of that type or of all, that the server took for a bad request."""
        logger.debug("a list was refused: %s", error)
        if self._resuming:
            return  # the page is there no more; the next list begins anew
        named = names_type(error)
        if not (report_type is None and named) and self._lessen():
            return  # it is asked again, for less
        if report_type is None:
            now = self._clock.now()
            # A refusal that speaks of no type may have been a stray one.
            self._strictness.learn(now if named else now - KEPT + STRAY, now=now)
        else:
            # Not even so: status calls are left for this type, while their budget lasts.
            self._unlistable[report_type] = self._clock.now()

    def __repr__(self) -> str:
        kind = "one type at a time" if self.wants_type else "all types"
        return f"<Overview of {kind}, {len(self._watches)} waiting>"
