"""
How to ask the list for what waits in as few pages as will do: each page is a call.

Three things save pages: a list narrowed to one status and to the time since the oldest request that
waits; what is known to be READY already; and the answer's own count, which tells how much of it
lies on the pages that were not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from reports_async._models import RequestStatus

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

PAGE: Final = 100
"""Entries to ask of a list at once; the server may give fewer, its answer is believed."""

SHORT: Final = 10
"""Entries of a page until an answer tells: the API's own limit."""


@frozen(kw_only=True)
class Narrowed:
    """
    What to ask a list for.

    Args:
        status: Only requests of that status; None for all.
        pages: How many pages that has, as far as is known.
        expected: How many of them will be read on average.
    """

    status: RequestStatus | None
    pages: int
    expected: float


class Catalogue:
    """What is known of an account's list on the server."""

    def __init__(self) -> None:
        self._page = SHORT
        self._answered = False
        self._plain = False
        # Whether the server tells how many entries there are in all.
        self._counts = True
        self._since: datetime | None = None
        self._ready: dict[str, datetime] = {}

    def begin(self, since: datetime) -> None:
        """Forget what was submitted before *since*, the server's time: nothing waits there."""
        self._since = since
        self._ready = {name: at for name, at in self._ready.items() if at >= since}

    def ready(self, request_id: str, submitted_at: datetime) -> None:
        """Note that a request is READY; *submitted_at* is the server's time."""
        if self._since is None or submitted_at >= self._since:
            self._ready[request_id] = submitted_at

    def learn(self, *, limit: int | None, total: int | None) -> None:
        """Note what a page said of itself."""
        self._page = limit or self._page
        self._answered = True
        self._counts = total is not None

    @property
    def limit(self) -> int | None:
        """How many entries to ask of a page; None to ask for no number."""
        return None if self._plain else PAGE

    def refused(self) -> bool:
        """
        Note that a list was refused as it was asked for.

        Returns whether there is less to ask from now on: no limit, no dates, and no status.
        """
        was, self._plain = self._plain, True
        return not was

    def retry(self) -> None:
        """Ask for all of it again: a refusal may have been a stray one."""
        self._plain = False

    def whole(self, waiting: int) -> Narrowed:
        """Return what to ask for to see all of them."""
        return self._narrowed(None, waiting + len(self._ready))

    def narrow(self, waiting: int, *, moved: bool = False) -> Narrowed:
        """
        Return what to ask for while *waiting* requests are not known to be READY.

        Where some have *moved*, they are in progress no more: a list of these would not show them.
        """
        return self._narrow(waiting, len(self._ready), moved=moved)

    def forecast(self, waiting: int) -> float:
        """
        Return how many pages that is on average, from now until none of them waits.

        One until an answer tells: what is short then is asked for as such, and costs no more.
        """
        total = waiting + len(self._ready)
        if total <= self._page or not self._answered:
            return 1.0
        each = (self._narrow(left, total - left).expected for left in range(1, waiting + 1))
        return sum(each) / waiting

    def _narrow(self, waiting: int, ready: int, *, moved: bool = False) -> Narrowed:
        whole = self._narrowed(None, waiting + ready)
        if self._plain:
            return whole
        # In doubt the fuller view: it shows errors too, and what is ready, not what is not.
        ways = [whole, self._narrowed(RequestStatus.READY, ready + 1)]
        if not moved:
            ways.append(self._narrowed(RequestStatus.INPROGRESS, waiting))
        return min(ways, key=lambda one: one.expected)

    def _narrowed(self, status: RequestStatus | None, entries: int) -> Narrowed:
        pages = -(-entries // self._page)
        expected = float(pages)
        if status is RequestStatus.READY and self._counts:
            # The next page is read only where something new must lie behind the first.
            hidden = max(0.0, 1.0 - self._page / entries)
            expected = 1.0 + hidden * (pages - 1)
        return Narrowed(status=status, pages=pages, expected=expected)

    def told_all(self, shown: Collection[str], total: int | None) -> bool:
        """
        Tell whether the pages of READY requests that were not read can hold nothing new.

        Args:
            shown: The ids on the pages that were read, of which there are more.
            total: What the server says that there are in all.
        """
        # A count that says less than was seen, or that there are no more pages, is no such count.
        known = len({*shown, *self._ready})
        return total == known > len(shown)
