"""
The server's memory of requests: who made them when, how they stand at an instant, how long they
are kept. Nothing here knows HTTP.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from attrs import define, field, frozen

from reports_async._models import RETENTION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# "One request per report type per hour": the API's first rule.
HOUR: Final = timedelta(hours=1)
_RECEIVED_FOR: Final = 60.0


def draw(*words: object) -> float:
    """Return a number from 0 to below 1 that is always the same for the same words."""
    return int.from_bytes(fingerprint(*words)[:6], "big") / 2**48


def fingerprint(*words: object) -> bytes:
    """Return 32 bytes that are always the same for the same words."""
    return hashlib.sha256("\n".join(map(str, words)).encode()).digest()


@frozen(kw_only=True)
class SimulatedRequest:
    """
    A request as the server remembers it.

    `source` is API, SC (Seller Center) or Scheduler; `ready_at` is None for one that never
    becomes ready, `account` the client id that made it, None for another program's.
    """

    request_id: str
    report_type: str
    version: str
    payload: Mapping[str, Any] = field(factory=dict[str, Any], hash=False)
    submitted_at: datetime
    ready_at: datetime | None
    source: str = "API"
    account: str | None = None


@frozen
class Standing:
    """How a request stands: the API's word, and when its file was made, if it was."""

    word: str
    generated_at: datetime | None = None


@define(eq=False)
class _Entry:
    request_id: str
    report_type: str
    version: str
    payload: Mapping[str, Any]
    submitted_at: datetime
    source: str
    account: str | None
    looks: int = 0
    # READY and ERROR are final: what was told once is not taken back by a later order.
    settled: Standing | None = None


@define(eq=False)
class Ledger:
    """
    All requests, oldest first.

    Args:
        seed: Request ids and generation times come from it.
        generation: How long a report takes, in seconds: drawn between the two.
        received: The word for a young request; RECEIVED, or INPROGRESS at once.
        lag: How long a new request stays unseen.
    """

    seed: int
    generation: tuple[float, float]
    received: str = "RECEIVED"
    lag: float = 0.0
    times: dict[str, float | None] = field(factory=dict[str, float | None])
    failing: set[str] = field(factory=set[str])
    words: dict[str, tuple[str, ...]] = field(factory=dict[str, tuple[str, ...]])
    _entries: dict[str, _Entry] = field(factory=dict[str, _Entry])
    _serial: int = 0

    def add(
        self,
        report_type: str,
        *,
        version: str,
        submitted_at: datetime,
        payload: Mapping[str, Any],
        source: str,
        account: str | None,
    ) -> str:
        """Remember a new request and return its id."""
        self._serial += 1
        digest = fingerprint(self.seed, "request", self._serial)
        request_id = str(UUID(bytes=digest[:16], version=4))
        self._entries[request_id] = _Entry(
            request_id=request_id,
            report_type=report_type,
            version=version,
            payload=payload,
            submitted_at=submitted_at.astimezone(UTC),
            source=source,
            account=account,
        )
        return request_id

    def forget(self, request_id: str) -> None:
        """Lose a request; the hour that it took stays open from now on."""
        del self._entries[request_id]

    def all(self) -> tuple[SimulatedRequest, ...]:
        """Return every request, oldest first, also those that nobody may see any more."""
        return tuple(self.get(request_id) for request_id in self._entries)

    def get(self, request_id: str) -> SimulatedRequest:
        """Return a request, seen or unseen."""
        entry = self._entries[request_id]
        return SimulatedRequest(
            request_id=entry.request_id,
            report_type=entry.report_type,
            version=entry.version,
            payload=entry.payload,
            submitted_at=entry.submitted_at,
            ready_at=self._ready_at(entry),
            source=entry.source,
            account=entry.account,
        )

    def known(self, request_id: str) -> SimulatedRequest | None:
        """Return a request of whatever age and account, if there is one of that id."""
        return self.get(request_id) if request_id in self._entries else None

    def hour_opens(self, account: str, report_type: str) -> datetime | None:
        """Return when the hour of a type opens; None if it was never taken."""
        times = [
            entry.submitted_at
            for entry in self._entries.values()
            if entry.report_type == report_type and entry.account in (account, None)
        ]
        return max(times) + HOUR if times else None

    def visible(self, account: str, *, now: datetime) -> Sequence[SimulatedRequest]:
        """Return what an account may see, newest first."""
        seen = [entry for entry in self._entries.values() if self._sees(account, entry, now)]
        seen.reverse()
        # The sort is stable: of two requests of the same instant, the later one comes first.
        seen.sort(key=lambda entry: entry.submitted_at, reverse=True)
        return [self.get(entry.request_id) for entry in seen]

    def find(self, account: str, request_id: str, *, now: datetime) -> SimulatedRequest | None:
        """Return a request if the account may see it: not another's, not older than 30 days."""
        entry = self._entries.get(request_id)
        return self.get(request_id) if entry and self._sees(account, entry, now) else None

    def _sees(self, account: str, entry: _Entry, now: datetime) -> bool:
        age = now - entry.submitted_at
        return entry.account in (account, None) and timedelta(seconds=self.lag) <= age <= RETENTION

    def look(self, request_id: str, *, now: datetime) -> Standing:
        """Return how a request stands at an instant; each look goes on in a scripted sequence."""
        entry = self._entries[request_id]
        if entry.settled is None:
            standing = self._scripted(entry, now) or self._standing(entry, now)
            if standing.word in ("READY", "ERROR"):
                entry.settled = standing
            return standing
        return entry.settled

    def settled(self, request_id: str, *, now: datetime) -> Standing:
        """Return how a request stands, without using up a word of a scripted sequence."""
        entry = self._entries[request_id]
        return entry.settled or self._standing(entry, now)

    def _order(self, orders: Mapping[str, Any], entry: _Entry, default: Any) -> Any:
        # An order for one request goes before one for its type.
        return orders.get(entry.request_id, orders.get(entry.report_type, default))

    def _ready_at(self, entry: _Entry) -> datetime | None:
        if entry.settled is not None and entry.settled.generated_at is not None:
            return entry.settled.generated_at
        low, high = self.generation
        drawn = low + (high - low) * draw(self.seed, "generation", entry.request_id)
        seconds = self._order(self.times, entry, drawn)
        return None if seconds is None else entry.submitted_at + timedelta(seconds=seconds)

    def _scripted(self, entry: _Entry, now: datetime) -> Standing | None:
        words = self._order(self.words, entry, ())
        if entry.looks >= len(words):
            return None
        entry.looks += 1
        word = words[entry.looks - 1]
        return Standing(word, now if word == "READY" else None)

    def _standing(self, entry: _Entry, now: datetime) -> Standing:
        ready_at = self._ready_at(entry)
        if ready_at is not None and now >= ready_at:
            if {entry.request_id, entry.report_type} & self.failing:
                return Standing("ERROR")
            return Standing("READY", ready_at)
        age = (now - entry.submitted_at).total_seconds()
        return Standing(self.received if age < _RECEIVED_FOR else "INPROGRESS")
