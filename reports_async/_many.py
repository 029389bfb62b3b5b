"""
Many jobs at once: their reports as they finish, their failures together at the end.

How a job is made and what it does is decided elsewhere.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from ._job import ReportJob
    from ._models import Report, ReportSpec


class Start(Protocol):
    """Start a job, and be told when it is done."""

    def __call__(self, spec: ReportSpec, *, then: Callable[[ReportJob], None]) -> ReportJob:
        """Return the job of *spec*; it calls *then* when it is done."""
        ...


async def each(specs: Sequence[ReportSpec], *, start: Start) -> AsyncIterator[Report]:
    """
    Yield the report of each spec as it is finished; leaving early cancels the jobs.

    Raises:
        ExceptionGroup: After the last report, of the errors of those that failed.
    """
    finished: deque[ReportJob] = deque()
    news = anyio.Event()

    def note(job: ReportJob) -> None:
        finished.append(job)
        news.set()

    jobs = [start(spec, then=note) for spec in specs]
    failures: list[Exception] = []
    try:
        for _ in jobs:
            while not finished:
                news = anyio.Event()
                await news.wait()
            try:
                report = await finished.popleft()
            except Exception as exc:  # noqa: BLE001 -- raised with the others, at the end
                failures.append(exc)
            else:
                yield report
    finally:
        for job in jobs:
            job.cancel()
        for job in jobs:
            await job.leave()
    if failures:
        raise ExceptionGroup(f"{len(failures)} of {len(jobs)} reports failed", failures)
