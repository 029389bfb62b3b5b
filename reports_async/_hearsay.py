"""
What is learned without a look: from webhooks, and from others who share the store.

A webhook that says READY is asked about where it matters: its link. The reply tells the status as
well, so no look is spent. Once for each request, while links are plenty, and where the download can
begin at once: links age. Where one turns out to be false, what follows is looked at, until one
comes true: forged ones gain nothing. What others have seen is read in the store.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Final

from attrs import evolve

from ._exceptions import StoreError
from ._models import JobStatus, ReportRequest, RequestStatus
from ._sansio.endpoints import Endpoint
from ._shares import Shares

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._api import Api
    from ._models import DownloadLink, JobRecord
    from ._quota import Gate
    from ._tasks import Tasks
    from ._watches import Watches
    from .abc import Clock

logger = logging.getLogger("reports_async")

PAUSE: Final = 30.0
"""Seconds between reads of the store."""

SPARE: Final = 3
"""Link calls that are left for reports that were seen to be READY."""

FRESH: Final = 60.0
"""Seconds for which a link waits to be fetched: the job that is told asks for it at once."""

EARLY: Final = 256
"""How many requests that nobody waits for yet are remembered: the webhook of one that is ready at
once may overtake the reply that tells its id."""

SEEN: Final = (JobStatus.READY, JobStatus.SAVED)

ENDS: Final = (RequestStatus.READY, RequestStatus.ERROR)
"""What a request is when there is nothing to wait for any more."""


class Hearsay:
    """
    For the watches of one account.

    Args:
        saw: Is told what the server said, or another has heard from it.
        hurry: Is told of a request that is better looked at.
        places: Says how many downloads could begin now.
    """

    def __init__(
        self,
        api: Api,
        gate: Gate,
        *,
        clock: Clock,
        tasks: Tasks,
        watches: Watches,
        saw: Callable[[Iterable[ReportRequest]], None],
        hurry: Callable[[str], None],
        places: Callable[[], float],
    ) -> None:
        self._api = api
        self._gate = gate
        self._clock = clock
        self._tasks = tasks
        self._watches = watches
        self._saw = saw
        self._hurry = hurry
        self._places = places
        self._asked = frozenset[str]()
        self._asking = 0
        # Whether the last that said READY was not.
        self._misled = False
        self._links: dict[str, tuple[float, DownloadLink]] = {}
        self._early: dict[str, bool] = {}
        self._shares = Shares(gate, clock=clock)
        self._read_at = -math.inf

    @property
    def others(self) -> bool:
        """Whether other programs spend from the budgets: they may share the store as well."""
        return self._shares.begun or any(bucket.spare for bucket in self._api.budgets.values())

    def due_in(self) -> float:
        """Return the seconds until the store is to be read again; without end where it is not."""
        if not self.others:
            return math.inf
        return max(0.0, self._read_at + PAUSE - self._clock.monotonic())

    @property
    def theirs(self) -> frozenset[str]:
        """The requests that others who share the store look after: no look of ours is needed."""
        return self._shares.theirs

    async def read(self, *, well: bool = True) -> None:
        """
        Learn from the store what others have seen to be READY, and what they look after.

        Args:
            well: The looks that are made here succeed.
        """
        try:
            records = await self._gate.records()
            waiting = [record for record in records if self._watches.of(record.request_id or "")]
            for record in waiting:
                if record.status in SEEN:
                    self._ready(record)
            if self.others:
                left = (one for one in waiting if self._watches.of(one.request_id or ""))
                await self._shares.settle(left, well=well)
        except StoreError as exc:
            logger.debug("The store tells nothing now: %s", exc)
            self._shares.doubt()
        self._read_at = self._clock.monotonic()
        self._api.shared = self._shares.shared

    def _ready(self, record: JobRecord) -> None:
        assert record.request_id is not None
        for watch in self._watches.of(record.request_id):
            watch.excused = True  # no webhook was missed by this
        self._saw(
            [
                ReportRequest(
                    request_id=record.request_id,
                    status=RequestStatus.READY,
                    raw_status=RequestStatus.READY.value,
                    report_type=record.report_type,
                    generated_at=record.generated_at,
                )
            ]
        )

    def end(self) -> None:
        """Forget who else looks: nobody waits here."""
        self._shares.end()
        self._api.shared = False

    def keep(self, request_id: str, *, ready: bool) -> None:
        """Remember that something moved a request that nobody waits for yet, or made it *ready*."""
        ready = self._early.pop(request_id, False) or ready
        while len(self._early) >= EARLY:
            del self._early[next(iter(self._early))]
        self._early[request_id] = ready

    def heard(self, request_id: str) -> bool | None:
        """Return, once, whether that said a request to be ready; None where nothing was said."""
        return self._early.pop(request_id, None)

    def ask(self, request_id: str) -> bool:
        """Ask for the link of a request that is said to be READY; False where a look is better."""
        watches = self._watches.of(request_id)
        if not watches or request_id in self._asked or not self._can_ask():
            return False
        waiting = (other for other in self._asked if self._watches.of(other))
        self._asked = frozenset((request_id, *waiting))
        for watch in watches:
            watch.announced, watch.notified, watch.look_now = True, False, False
        self._asking += 1
        self._tasks.start(lambda: self._ask(request_id))
        return True

    def _can_ask(self) -> bool:
        now = self._clock.monotonic()
        links = self._api.budgets[Endpoint.LINK].available(now)
        waiting = sum(now - at < FRESH for at, _ in self._links.values())
        plenty = links - self._asking > SPARE and self._asking + waiting < self._places()
        return plenty and not self._misled

    def believe(self) -> None:
        """Take note that a webhook came true."""
        self._misled = False

    async def _ask(self, request_id: str) -> None:
        try:
            reply = await self._api.link(request_id, tries=1)
        except Exception as exc:  # noqa: BLE001 -- what is wrong shows in the look that follows
            logger.info("Request %s is looked at, no link was had: %s", request_id, exc)
            self._hurry(request_id)
            return
        finally:
            self._asking -= 1
        request = reply.request
        if reply.link is not None:
            self._keep_link(request_id, reply.link)
            request = evolve(request, status=RequestStatus.READY)
        self._misled = request.status not in ENDS
        self._saw([evolve(request, request_id=request_id)])

    def _keep_link(self, request_id: str, link: DownloadLink) -> None:
        now = self._clock.monotonic()
        # Those that nobody came for: their jobs have ended meanwhile.
        self._links = {name: kept for name, kept in self._links.items() if now - kept[0] < FRESH}
        self._links[request_id] = now, link

    def link_of(self, request_id: str) -> DownloadLink | None:
        """Hand over the link that was had for a request, once, if there is one."""
        at, link = self._links.pop(request_id, (0.0, None))
        return link if self._clock.monotonic() - at < FRESH else None
