"""
What is told besides the steps of a job: phases that ended, calls made, decisions of the poller.

Phases are read off a job's own events by a table, here and nowhere else: statistics, traces and
whoever listens agree on where a wait begins. Nothing is counted or kept here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from attrs import frozen

from .events import (
    Accepted,
    Downloaded,
    Errored,
    Finished,
    Gone,
    LimitOver,
    Linked,
    Linking,
    Reserved,
    Stopped,
    Waiting,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from reports_async._exceptions import ReportsError

    from .endpoints import Endpoint
    from .events import JobEvent
    from .skew import Skew

Phase = Literal["quota", "create", "generation", "lag", "link", "download"]

_OPENS: Final[Mapping[type[JobEvent], Phase]] = {
    Waiting: "quota",
    Reserved: "create",
    Accepted: "generation",
    Linking: "link",
    Linked: "download",
}
_FAILURES: Final = (Errored, LimitOver, Gone, Stopped)
_TURNS: Final = frozenset({*_OPENS, Finished, Downloaded, *_FAILURES})


@frozen(kw_only=True)
class PhaseEnded:
    """
    One part of a job is over; `began` and `ended` are by the client's clock.

    ``quota``, until the hour of the type opened; ``create``, until the request had an id, with the
    search for a create that had no answer; ``generation``, until it was seen to be READY, of which
    ``lag`` is the end: it was READY at the server, and not seen yet; ``link``, until there was a
    link, budget waits included; ``download``, until the file was whole, or needed a new link.
    `error` is what the job ended with, if that ended the phase.
    """

    phase: Phase
    began: datetime
    ended: datetime
    report_type: str
    request_id: str | None = None
    error: ReportsError | None = None

    @property
    def seconds(self) -> float:
        """How long it took; never below zero, even where the clock was set back."""
        return max(0.0, (self.ended - self.began).total_seconds())


@frozen(kw_only=True)
class CallEnded:
    """
    A call of the API is over, one of the token's too. `at` is when it was sent.

    `status` is the server's; None where no answer came.
    """

    at: datetime
    seconds: float
    endpoint: Endpoint
    status: int | None = None
    report_type: str | None = None
    request_id: str | None = None


@frozen(kw_only=True)
class Planned:
    """
    The poller has made its plan: the look made just before, and the seconds until the next.

    `look` is None where something else than a look called for a new plan, a new job for instance.
    `tokens` are the calls left for such looks; for lists, where none was made. `next_in` is None
    where there is none: nobody waits any more, or another program looks.
    """

    at: datetime
    look: Endpoint | None
    waiting: int
    tokens: int
    next_in: float | None

    def __str__(self) -> str:
        then = "none to come" if self.next_in is None else f"next in {self.next_in:.0f} s"
        look = self.look or "no look"
        return f"{look}, {self.waiting} waiting, {self.tokens} tokens left, {then}"


def phases(past: Sequence[JobEvent], *, skew: Skew) -> Sequence[PhaseEnded]:
    """Return what the newest event of *past* has ended: nothing, a phase, or one and its lag."""
    last = past[-1]
    if type(last) not in _TURNS:
        return ()
    phase: Phase | None = None
    opener = last
    for event in reversed(past[:-1]):
        if type(event) not in _TURNS:
            continue
        # Told again while it lasts (the hour opens later than we thought), it is still the same.
        if (opens := _OPENS.get(type(event))) is None or opens != (phase or opens):
            break
        phase, opener = opens, event
    if phase is None or phase == _OPENS.get(type(last)):
        return ()
    ended = PhaseEnded(
        phase=phase,
        began=opener.at,
        ended=last.at,
        report_type=last.report_type,
        request_id=last.request_id,
        error=last.error if isinstance(last, _FAILURES) else None,
    )
    lag = _lag(last, ended, skew) if isinstance(last, Finished) else None
    return (ended,) if lag is None else (ended, lag)


def _lag(last: Finished, waited: PhaseEnded, skew: Skew) -> PhaseEnded | None:
    """Return the lag; None where it was READY before anybody waited, or nobody knows."""
    if last.generated_at is None:
        return None
    ready = skew.to_local(last.generated_at)
    if ready <= waited.began:
        return None
    return PhaseEnded(
        phase="lag",
        # The server's dates have whole seconds: one that lies ahead was now.
        began=min(ready, last.at),
        ended=last.at,
        report_type=last.report_type,
        request_id=last.request_id,
    )
