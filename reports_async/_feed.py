"""
The events of one job: kept for those who come late, told to those who listen.

Progress, of a download or of a look that tells the same word again, is kept as its last word only,
so neither a slow listener nor a long wait costs memory. Nothing is decided here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

import anyio
from attrs import define, field

from ._sansio.events import Downloading, Progressed

if TYPE_CHECKING:
    from ._sansio.events import JobEvent


@define(eq=False, weakref_slot=False)  # 100,000 may wait
class Feed:
    """The events so far; only the last one may still give way to a newer one."""

    # A tuple: a job that waits has two events, and a list keeps room for four.
    past: tuple[JobEvent, ...] = ()
    # Made when somebody listens: of a hundred thousand waiting jobs, few are watched. False where
    # no more is to come.
    news: anyio.Event | Literal[False] | None = None

    @property
    def ended(self) -> bool:
        """Whether there will be no more."""
        return self.news is False

    def tell(self, event: JobEvent) -> None:
        """Add an event."""
        gives_way = self.past and _replaces(event, self.past[-1])
        self.past = (*(self.past[:-1] if gives_way else self.past), event)
        self._wake()

    def end(self) -> None:
        """Add no more: listeners end when they have read what there is."""
        self._wake()
        self.news = False

    def listen(self) -> Listener:
        """Iterate all events, from the first."""
        return Listener(self)

    async def wait(self) -> None:
        """Wait for the next event, or the end."""
        if self.news is None:
            self.news = anyio.Event()
        assert self.news, "there is no more to wait for"
        await self.news.wait()

    def _wake(self) -> None:
        if self.news:
            self.news.set()
            self.news = None


@define(eq=False)
class Listener:
    """
    One who listens; being dropped at any point is no trouble.

    An async generator would be: trio complains of one that is left before its end.
    """

    _feed: Feed
    _read: int = field(default=0, init=False)
    _last: JobEvent | None = field(default=None, init=False)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> JobEvent:
        feed = self._feed
        while (place := self._place()) == len(feed.past):
            if feed.ended:
                raise StopAsyncIteration
            await feed.wait()
        self._read, self._last = place + 1, feed.past[place]
        return self._last

    async def aclose(self) -> None:
        """Do nothing: for those who close iterators as a habit."""

    def _place(self) -> int:
        """Return where the next event is: in the place of the one read last, if it gave way."""
        if self._read and self._feed.past[self._read - 1] is not self._last:
            return self._read - 1
        return self._read


def _replaces(new: JobEvent, old: JobEvent) -> bool:
    if isinstance(new, Downloading):
        return isinstance(old, Downloading)
    if isinstance(new, Progressed):
        return isinstance(old, Progressed) and new.raw_status == old.raw_status
    return False
