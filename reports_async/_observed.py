"""
The part of `ReportsClient` that lets others look on: a listener's events, and figures.

Nothing that happens depends on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._api import Api
    from ._job import ReportJob
    from ._sansio.events import JobEvent
    from ._sansio.telemetry import CallEnded, PhaseEnded, Planned
    from ._statistics import Statistics, Tally
    from .abc import Clock

Listener: TypeAlias = (
    "Callable[[ReportJob | None, JobEvent | PhaseEnded | CallEnded | Planned], object]"
)
"""What `ReportsClient.on_event` takes."""


class Observed:
    """Events for listeners, and statistics."""

    _api: Api
    _clock: Clock
    _jobs: dict[ReportJob, None]
    _tally: Tally

    def on_event(self, listener: Listener) -> Callable[[], None]:
        """
        Call *listener* with each event of all jobs from now on, as it happens.

        The first argument is the job's handle, None where the event is the account's. Events are
        the steps that `ReportJob.events` tells, a `PhaseEnded` for each part of a job, and, of the
        account, a `CallEnded` for each API call and a `Planned` for each decision of the poller.
        The listener must be quick: all jobs wait for it. What it raises is logged.

        Returns:
            A function that ends it.
        """
        return self._api.hub.listen(listener)

    def statistics(self) -> Statistics:
        """Return what was done since the client was made: calls, refusals, waits."""
        now = self._clock.monotonic()
        tokens = {name.value: bucket.left(now) for name, bucket in self._api.budgets.items()}
        return self._tally.statistics(tokens=tokens, waiting=len(self._jobs))
