"""
What a client has done so far, counted from the events that it tells anyway.

`Tally` is a listener like any other: no room counts anything of its own, and what is counted costs
the same for one job and for a million.
"""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from attrs import asdict, define, field, frozen

from ._exceptions import JobCancelled
from ._sansio.events import Downloaded, Errored, Gone, LimitOver, Stopped
from ._sansio.hints import TOO_MANY_REQUESTS
from ._sansio.telemetry import CallEnded, PhaseEnded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _read_only(counts: Mapping[str, int]) -> Mapping[str, int]:
    return MappingProxyType(dict(counts))


@frozen(kw_only=True)
class Waits:
    """How long something took: how often, and the seconds: mean and longest."""

    count: int = 0
    mean: float = 0.0
    longest: float = 0.0


@frozen(kw_only=True)
class Statistics:
    """
    What a client (or a pool) has done since it was made.

    Args:
        calls: API calls by endpoint (token, create, list, status, link, webhooks); one that had no
            answer counts too.
        refused: Those of them that were answered 429, by endpoint.
        tokens: Calls left now, by endpoint; the published figure before the server told one.
        waiting: Jobs that are not done.
        saved, failed, cancelled: Jobs that are. A limit that was over counts as failed.
        quota: Waits for the hour of a type.
        generation: Waits for READY, from the request's id on.
        lag: How long reports were READY at the server before they were seen to be.
        link: Waits for a link, for the call budget mostly.
        download: From the link to the file.
    """

    calls: Mapping[str, int] = field(converter=_read_only, hash=False)
    refused: Mapping[str, int] = field(converter=_read_only, hash=False)
    tokens: Mapping[str, int] = field(converter=_read_only, hash=False)
    waiting: int = 0
    saved: int = 0
    failed: int = 0
    cancelled: int = 0
    quota: Waits = Waits()
    generation: Waits = Waits()
    lag: Waits = Waits()
    link: Waits = Waits()
    download: Waits = Waits()

    def __reduce__(self) -> tuple[Callable[[], Statistics], tuple[()]]:
        """Be copied and pickled, as a view of a dictionary cannot be."""
        values = asdict(self, recurse=False)
        counts = {name: dict(values[name]) for name in ("calls", "refused", "tokens")}
        return partial(Statistics, **{**values, **counts}), ()


@define(eq=False)
class _Sum:
    """Waits of one kind, added up."""

    count: int = 0
    total: float = 0.0
    longest: float = 0.0

    def add(self, seconds: float) -> None:
        self.count += 1
        self.total += seconds
        self.longest = max(self.longest, seconds)

    def waits(self) -> Waits:
        mean = self.total / self.count if self.count else 0.0
        return Waits(count=self.count, mean=mean, longest=self.longest)


@define(eq=False)
class Tally:
    """Counts what it hears; `note` is the listener."""

    # Plain dictionaries: an empty Counter is six times as large, and there is one per account.
    _calls: dict[str, int] = field(factory=dict[str, int], init=False)
    _refused: dict[str, int] = field(factory=dict[str, int], init=False)
    _ends: dict[str, int] = field(factory=dict[str, int], init=False)
    _waits: dict[str, _Sum] = field(factory=dict[str, _Sum], init=False)

    def note(self, _job: object, event: Any) -> None:
        """Count an event, if it is one that counts."""
        match event:
            case CallEnded():
                _count(self._calls, event.endpoint.value)
                if event.status == TOO_MANY_REQUESTS:
                    _count(self._refused, event.endpoint.value)
            case PhaseEnded(error=None):
                # A wait that was broken off says nothing about how long such waits are.
                self._waits.setdefault(event.phase, _Sum()).add(event.seconds)
            case Downloaded():
                _count(self._ends, "saved")
            case Stopped(error=JobCancelled()):
                _count(self._ends, "cancelled")
            case Errored() | LimitOver() | Gone() | Stopped():
                _count(self._ends, "failed")
            case _:
                pass

    def statistics(self, *, tokens: Mapping[str, int], waiting: int) -> Statistics:
        """Return what was counted, with what is true now."""
        return Statistics(
            calls=self._calls,
            refused=self._refused,
            tokens=tokens,
            waiting=waiting,
            saved=self._ends.get("saved", 0),
            failed=self._ends.get("failed", 0),
            cancelled=self._ends.get("cancelled", 0),
            **{
                phase: self._waits.get(phase, _Sum()).waits()
                for phase in ("quota", "generation", "lag", "link", "download")
            },
        )


def _count(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1
