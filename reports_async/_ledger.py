"""
A store that survives its own failure: an id that the server gave is never dropped.

Wraps any `Store`. While that one is down, records that have a request id wait in memory and are
written when it is back; what must be known before something is sent still fails at once. Whatever a
store raises is a `StoreError` from here on.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from ._exceptions import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Sequence
    from datetime import datetime

    from ._models import JobRecord
    from .abc import Clock, Store

logger = logging.getLogger("reports_async")

PAUSES: Final = (1.0, 5.0, 15.0, 60.0)
"""Seconds between tries to write what waits; the last one repeats."""


@contextmanager
def _translated() -> Generator[None]:
    # A store of the user's may raise its driver's errors: nobody above is to know them all.
    try:
        yield
    except StoreError:
        raise
    except Exception as exc:
        # Not in its words: those of a driver may have a password in them.
        raise StoreError(
            f"The store failed with {type(exc).__name__}. It cannot be used until that is over."
        ) from exc


class Ledger:
    """A `Store` in front of a `Store`, with patience."""

    def __init__(self, store: Store, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._unwritten: dict[str, JobRecord] = {}
        self._claimed: set[str] = set()
        self._writing = False
        self.start: Callable[[Callable[[], Coroutine[Any, Any, None]]], None] | None = None

    async def reserve(self, record: JobRecord, *, now: datetime) -> JobRecord:
        """Take the hour; fails with the store, because nothing may be sent without it."""
        with _translated():
            holder = await self._store.reserve(record, now=now)
        if holder.key == record.key:
            self._claimed.add(record.key)
        return holder

    async def claim(self, key: str, *, owner: str, now: datetime, lease: float) -> bool:
        """Become, or stay, the one who works on a record; what was ours stays so meanwhile."""
        try:
            with _translated():
                claimed = await self._store.claim(key, owner=owner, now=now, lease=lease)
        except StoreError as exc:
            if key not in self._claimed:
                raise
            logger.warning("The store is down, the work goes on: %s", exc)
            return True
        if claimed:
            self._claimed.add(key)
        return claimed

    async def save(self, record: JobRecord, *, now: datetime) -> None:
        """Write a record; one that has a request id is kept until it can be written."""
        try:
            with _translated():
                await self._store.save(record, now=now)
        except StoreError as exc:
            if record.request_id is None:
                raise
            logger.warning(
                "%s: request %s could not be written down; it is kept in memory and written when "
                "the store is back: %s",
                record.report_type,
                record.request_id,
                exc,
            )
            self._unwritten[record.key] = record
            self._write_later()
        else:
            self._unwritten.pop(record.key, None)
            if record.request_id is not None:
                # There is nothing more to claim: the create has its answer.
                self._claimed.discard(record.key)
                self._claimed = self._claimed or set()  # an emptied set keeps its size

    async def delete(self, key: str) -> None:
        """Forget a record. Where the store is down, its hour stays reserved until it ends."""
        self._claimed.discard(key)
        try:
            with _translated():
                await self._store.delete(key)
        except StoreError as exc:
            logger.warning("An hour could not be given back: %s", exc)

    async def records(
        self, account: str, *, now: datetime, report_type: str | None = None
    ) -> Sequence[JobRecord]:
        """Return an account's records, those that wait to be written included."""
        with _translated():
            stored = await self._store.records(account, now=now, report_type=report_type)
        if not self._unwritten:
            return stored
        merged = {record.key: record for record in stored}
        merged |= {
            key: record
            for key, record in self._unwritten.items()
            if record.account == account and report_type in (None, record.report_type)
        }
        return sorted(merged.values(), key=lambda record: record.reserved_at, reverse=True)

    async def aclose(self) -> None:
        """Write what waits, if that can be done now, and close the store."""
        try:
            await self._flush()
            for record in self._unwritten.values():
                logger.error(
                    "%s: request %s was never written down, the store is still down. Resume it by "
                    "its id within 30 days.",
                    record.report_type,
                    record.request_id,
                )
        finally:
            with _translated():
                await self._store.aclose()

    def _write_later(self) -> None:
        if self.start is not None and not self._writing:
            self._writing = True
            self.start(self._write)

    async def _write(self) -> None:
        try:
            attempt = 0
            while self._unwritten:
                await self._clock.sleep(PAUSES[min(attempt, len(PAUSES) - 1)])
                attempt += 1
                await self._flush()
        finally:
            self._writing = False

    async def _flush(self) -> None:
        for record in list(self._unwritten.values()):
            try:
                with _translated():
                    await self._store.save(record, now=self._clock.now())
            except StoreError as exc:
                logger.debug("The store is still down: %s", exc)
                return
            logger.info("%s: request %s is written now", record.report_type, record.request_id)
            if self._unwritten.get(record.key) is record:
                del self._unwritten[record.key]

    def __repr__(self) -> str:
        return f"<Ledger over {self._store!r}, {len(self._unwritten)} records to write>"
