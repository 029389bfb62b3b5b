"""
A store in memory: for one process, several clients of one event loop may share it.

It forgets everything when the process ends, the hours it reserved included: another run may then
meet the server's 429. `SQLiteStore` remembers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, evolve, field

from reports_async._sansio import window

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from reports_async._models import JobRecord


@define(eq=False, repr=False)
class MemoryStore:
    """Requests and quota in this process only."""

    # By account, so that a thousand accounts do not slow each other; and whose each key is.
    _accounts: dict[str, dict[str, JobRecord]] = field(
        factory=dict[str, dict[str, "JobRecord"]], init=False
    )
    _homes: dict[str, dict[str, JobRecord]] = field(
        factory=dict[str, dict[str, "JobRecord"]], init=False
    )

    # No method awaits: each is one atomic step among the tasks of a loop.

    async def reserve(self, record: JobRecord, *, now: datetime) -> JobRecord:
        """Take the hour if it is open; see `Store.reserve`."""
        self._prune(record.account, now=now)
        own = self._accounts.get(record.account, {})
        winner = window.reserve(own.values(), record, now=now)
        self._put(winner)
        return winner

    async def claim(self, key: str, *, owner: str, now: datetime, lease: float) -> bool:
        """Become, or stay, the one who works on a record; see `Store.claim`."""
        record = self._homes.get(key, {}).get(key)
        claimed = record and window.claim(record, owner=owner, now=now, lease=lease)
        if not claimed:
            return False
        self._put(claimed)
        return True

    async def save(self, record: JobRecord, *, now: datetime) -> None:  # noqa: ARG002 -- for stores with a clock of their own
        """Write a record; see `Store.save`."""
        old = self._homes.get(record.key, {}).get(record.key)
        if old and (old.owner, old.lease_until) != (record.owner, record.lease_until):
            record = evolve(record, owner=old.owner, lease_until=old.lease_until)
        self._put(record)

    async def delete(self, key: str) -> None:
        """Forget a record; see `Store.delete`."""
        self._homes.pop(key, {}).pop(key, None)

    async def records(
        self, account: str, *, now: datetime, report_type: str | None = None
    ) -> Sequence[JobRecord]:
        """Return an account's records; see `Store.records`."""
        found = [
            record
            for record in self._accounts.get(account, {}).values()
            if report_type in {None, record.report_type} and window.retained(record, now=now)
        ]
        return sorted(found, key=lambda record: (record.reserved_at, record.key), reverse=True)

    async def aclose(self) -> None:
        """Do nothing: there is nothing to let go of, and what it remembers, it keeps."""

    def _put(self, record: JobRecord) -> None:
        home = self._accounts.setdefault(record.account, {})
        if (old := self._homes.get(record.key, home)) is not home:
            del old[record.key]
        home[record.key] = record
        self._homes[record.key] = home

    def _prune(self, account: str, *, now: datetime) -> None:
        own = self._accounts.get(account, {})
        for key in [key for key, record in own.items() if not window.retained(record, now=now)]:
            del own[key], self._homes[key]

    def __repr__(self) -> str:
        return f"<MemoryStore {len(self._homes)} records>"
