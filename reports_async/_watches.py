"""
What the poller watches: records in a table, found by request id, and by deadline in a heap.

No record has a task, a timer or a dictionary of its own, and no walk over all of them is needed to
know which deadline is next. When to look is decided by `_sansio.plan`.
"""

from __future__ import annotations

import math
from datetime import timedelta
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final

from attrs import define, field

from ._sansio import plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from ._models import ReportRequest
    from ._sansio.generation import Generation
    from ._sansio.history import History
    from .abc import Clock

SLACK: Final = 16
"""Left watches that may lie in the heap of deadlines before it is tidied up."""

SET_BACK: Final = 30.0
"""Seconds by which a wall clock must have been set back to be noticed."""

AT_ONCE: Final = 1.0
"""Seconds within which both clocks must be read to be compared."""


@define(eq=False, kw_only=True, weakref_slot=False)  # 100,000 may wait
class Watch:
    """
    One handle's interest in one request.

    Args:
        request_id, report_type: What is waited for.
        submitted_at: Its submission by our clock: the plan goes by its age.
        told_at: The same as the server told it, by its own clock.
        deadline: When it is over (monotonic seconds), None for never.
        tell: Called with what each look saw, READY and ERROR included, which ends nothing by
            itself; once with None when the deadline has passed; or once with an error that no
            further look can mend.
        look_now: Look at once, whatever the plan.
    """

    request_id: str
    report_type: str
    submitted_at: datetime
    deadline: float | None
    tell: Callable[[ReportRequest | Exception | None], None]
    look_now: bool = False
    told_at: datetime | None = None
    seen_at: float | None = field(default=None, init=False)  # monotonic; not ready then
    tried_at: float | None = field(default=None, init=False)
    # INPROGRESS when it was last seen; None before that
    started: bool | None = field(default=None, init=False)
    notified: bool = field(default=False, init=False)  # the next look is made for a webhook
    announced: bool = field(default=False, init=False)  # the last one was
    excused: bool = field(default=True, init=False)  # what it saw may have been told otherwise
    unseen: int = field(default=0, init=False)

    @property
    def answered(self) -> bool:
        """Whether the last look at it has shown it."""
        return self.tried_at is None or (self.seen_at is not None and self.seen_at >= self.tried_at)

    def __lt__(self, other: Watch) -> bool:
        """Order the heap: the earlier deadline first."""
        assert self.deadline is not None
        assert other.deadline is not None
        return self.deadline < other.deadline


class Watches:
    """The watches of one account."""

    def __init__(self, *, clock: Clock, history: History) -> None:
        self._clock = clock
        self._history = history
        # Several handles may wait for one request; a tuple of one is the smallest list there is.
        self._by_id: dict[str, tuple[Watch, ...]] = {}
        self._count = 0
        self._ends: list[Watch] = []
        # Of the wall clock to the monotonic one, in seconds.
        self._ahead = -math.inf

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Watch]:
        return (watch for watches in list(self._by_id.values()) for watch in watches)

    def __contains__(self, watch: Watch) -> bool:
        return watch in self._by_id.get(watch.request_id, ())

    def add(self, watch: Watch) -> None:
        """Begin to watch."""
        self._keep_ages()
        # Another machine that made the request may have another clock: it is not younger than new.
        watch.submitted_at = min(watch.submitted_at, self._clock.now())
        self._by_id[watch.request_id] = (*self.of(watch.request_id), watch)
        self._count += 1
        if watch.deadline is not None:
            heappush(self._ends, watch)

    def remove(self, watch: Watch) -> None:
        """End to watch; one that is not watched is no error."""
        if watch not in self:
            return
        left = tuple(other for other in self.of(watch.request_id) if other is not watch)
        if left:
            self._by_id[watch.request_id] = left
        else:
            del self._by_id[watch.request_id]
        self._count -= 1
        if len(self._ends) > 2 * self._count + SLACK:
            # What has left would keep its job in memory until its deadline.
            self._ends = [other for other in self._ends if other in self]
            heapify(self._ends)

    def of(self, request_id: str) -> tuple[Watch, ...]:
        """Return who watches a request."""
        return self._by_id.get(request_id, ())

    def of_type(self, report_type: str | None) -> list[Watch]:
        """Return who is seen by a list of that type; None is the list of all."""
        return [watch for watch in self if report_type in (None, watch.report_type)]

    def overdue(self, now: float) -> Watch | None:
        """Remove and return a watch whose deadline has passed, if there is one."""
        end = self.next_end()
        if end is None or end > now:
            return None
        watch = heappop(self._ends)
        self.remove(watch)
        return watch

    def next_end(self) -> float | None:
        """Return the next deadline."""
        while self._ends and self._ends[0] not in self:
            heappop(self._ends)
        return self._ends[0].deadline if self._ends else None

    def waiting(self, *, unlistable: set[str], strict: bool = False) -> list[plan.Waiting]:
        """
        Return what is waited for, each request once.

        Args:
            unlistable: Types that no list shows.
            strict: Each look sees one type only.
        """
        self._keep_ages()
        now = self._clock.monotonic()
        # Each of a type that was never seen is told of the others, by one list for all of them.
        waited = sorted(
            _reached(watches[-1].tried_at, age=self._age(watches[-1]), now=now)
            for watches in self._by_id.values()
            if self._history.is_new(watches[-1].report_type)
        )[1:]
        several = len(self._by_id) > 1 and not strict
        standing: list[plan.Waiting] = []
        for watches in self._by_id.values():
            candidates = (watches[-1], *watches)
            urgent = next((watch for watch in candidates if watch.look_now), watches[-1])
            generation = self._history.of(
                urgent.report_type, several=several, ask_others=strict, waited=waited
            )
            standing.append(self._standing(urgent, generation, unlistable, now=now))
        return standing

    def _standing(
        self, watch: Watch, generation: Generation, unlistable: set[str], *, now: float
    ) -> plan.Waiting:
        age = self._age(watch)
        return plan.Waiting(
            request_id=watch.request_id,
            report_type=watch.report_type,
            age=age,
            generation=generation,
            seen=_reached(watch.seen_at, age=age, now=now),
            tried=_reached(watch.tried_at, age=age, now=now),
            urgent=watch.look_now,
            unseen=plan.UNSEEN_LIMIT if watch.report_type in unlistable else watch.unseen,
        )

    def _keep_ages(self) -> None:
        """
        Set submissions back with a wall clock that was: what waits does not become younger.

        One that has run ahead was set, or the machine has slept: look once.
        """
        before, now = self._clock.monotonic(), self._clock.now().timestamp()
        if self._clock.monotonic() - before > AT_ONCE:
            return
        back = self._ahead - (now - before)
        if back > SET_BACK:
            for watch in self:
                watch.submitted_at -= timedelta(seconds=back)
        if -math.inf < back < -SET_BACK:
            for watch in self:
                watch.look_now = True
        if abs(back) > SET_BACK:
            self._ahead = now - before

    def _age(self, watch: Watch) -> float:
        return max(0.0, (self._clock.now() - watch.submitted_at).total_seconds())

    def __repr__(self) -> str:
        return f"<Watches {self._count} of {len(self._by_id)} requests>"


def _reached(moment: float | None, *, age: float, now: float) -> float:
    """Return the age that a request had at a moment, or 0.0 where there was none."""
    return 0.0 if moment is None else max(0.0, age - (now - moment))
