"""
Which of the programs that share a store looks after which request: one look serves all of them.

Who looks after a request has the lease of its record, and renews it while it waits; the others hear
in the store that it is READY. Where the lease ends, because that program did or waits no more, the
next one takes it.
"""

from __future__ import annotations

from secrets import token_hex
from typing import TYPE_CHECKING, Final

from ._sansio import window

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from ._models import JobRecord
    from ._quota import Gate
    from .abc import Clock

MARK: Final = "look:"
"""How the owner of such a lease begins; those of creates do not."""

RENEWED: Final = 70.0
"""Seconds that are left of our own lease when it is renewed: two reads of the store lie in that, so
that one of them may fail."""


UNCHANGED: Final = 180.0
"""Seconds after which a lease that nobody renews is over, whatever the clock of its owner says."""


class Shares:
    """
    The requests of one account.

    `theirs` are those that others look after. `begun` is True from when there was a reason to ask,
    and `shared` from when others were found, until nobody waits here any more.
    """

    def __init__(self, gate: Gate, *, clock: Clock) -> None:
        self._gate = gate
        self._clock = clock
        self._me = MARK + token_hex(8)
        # Until when others' leases were seen to last, and when that was seen first (monotonic).
        self._leases: dict[str, tuple[datetime, float]] = {}
        self.theirs = frozenset[str]()
        self.begun = self.shared = False

    async def settle(self, records: Iterable[JobRecord], *, well: bool) -> None:
        """
        Note what others look after of what is waited for here, and take what nobody does.

        Who is not *well*, because its looks fail, takes and renews none.

        Raises:
            StoreError: The store cannot be asked now.
        """
        # Who looks alone is noticed by nobody, but must go on to renew its leases.
        self.begun = True
        theirs: set[str] = set()
        known, self._leases = self._leases, {}
        for record in records:
            assert record.request_id is not None
            owner, left = record.owner or "", self._left(record)
            if left > 0.0 and owner.startswith(MARK) and owner != self._me:
                if self._is_kept(record, known.get(record.request_id)):
                    theirs.add(record.request_id)
            elif well and (left <= 0.0 or (owner == self._me and left < RENEWED)):
                # Where another is quicker by a moment, both look once more; then it is known.
                await self._gate.claim(record, owner=self._me)
        self.theirs = frozenset(theirs)
        self.shared = self.shared or bool(theirs)

    def _left(self, record: JobRecord) -> float:
        if record.lease_until is None:
            return 0.0
        left = (record.lease_until - self._clock.now()).total_seconds()
        # One that a clock set back has left too far ahead is over.
        return left if left <= window.PERIOD else 0.0

    def _is_kept(self, record: JobRecord, known: tuple[datetime, float] | None) -> bool:
        """Tell whether a lease is renewed in time: the clock of its owner may be ahead of ours."""
        assert record.request_id is not None
        assert record.lease_until is not None
        now = self._clock.monotonic()
        seen = known if known and known[0] == record.lease_until else (record.lease_until, now)
        self._leases[record.request_id] = seen
        return now - seen[1] <= UNCHANGED

    def doubt(self) -> None:
        """Look after all that is waited for here: nobody knows what others do."""
        self.theirs = frozenset[str]()

    def end(self) -> None:
        """Forget all: nobody waits here."""
        self.doubt()
        self.begun = self.shared = False

    def __repr__(self) -> str:
        return f"<Shares, {len(self.theirs)} requests are looked after by others>"
