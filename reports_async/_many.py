"""
Many jobs at once: their reports as they finish, their failures together at the end.

How a job is made and what it does is decided elsewhere.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

import anyio

from ._disk import check_path
from ._exceptions import InvalidArgument
from ._models import ReportSpec

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
    from pathlib import Path

    from ._job import ReportJob
    from ._models import Report


class Start(Protocol):
    """Start a job, and be told when it is done."""

    def __call__(self, spec: ReportSpec, *, then: Callable[[ReportJob], None]) -> ReportJob:
        """Return the job of *spec*; it calls *then* when it is done."""
        ...


def checked(specs: Iterable[str | ReportSpec]) -> list[ReportSpec]:
    """
    Return the values of specs that can be fetched together.

    Raises:
        InvalidArgument: One is bad, or two would write the same file.
    """
    if isinstance(specs, str):
        # A string is iterable, but never meant as a list of letters.
        raise InvalidArgument(f"specs must be a list of report types, not {specs!r}.")
    values = [spec if isinstance(spec, ReportSpec) else ReportSpec(spec) for spec in specs]
    places: set[Path] = set()
    for path in [spec.path for spec in values if spec.path is not None]:
        check_path(path)
        # Not the file itself: a link that stands there is replaced.
        place = path.parent.resolve() / path.name
        if place in places:
            raise InvalidArgument(f"path must be another one for each report, but two have {path}.")
        places.add(place)
    return values


async def each(specs: Sequence[ReportSpec], *, start: Start) -> AsyncGenerator[Report, None]:
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
