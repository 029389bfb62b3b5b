"""
Body to disk: stream, verify, unpack, publish.

Nothing stands under a report's real name before it is whole, checked and on the disk. Links come
from the caller; the waiting for call budgets is theirs.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

import anyio
from attrs import define, field, frozen

from ._courtesy import Courtesy
from ._exceptions import InvalidArgument
from ._fetch import Fetch
from ._part import Part, Saved
from ._sansio.archive import Limits
from ._sansio.links import is_local_url

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from ._models import DownloadLink, Timeouts
    from ._sansio.ranges import Progress
    from ._slot import Slot
    from .abc import Clock, Transport

# See `Downloads`, and benchmarks/bench_download.py.
AT_ONCE: Final = 2


@define(eq=False)
class _Gate:
    """The tasks of this process that want the same file: one works, the others wait."""

    lock: anyio.Lock = field(factory=anyio.Lock)
    users: int = 0
    saved: tuple[str, bool] | None = None


@frozen(kw_only=True)
class Downloads:
    """
    How files are brought to the disk.

    Args:
        at_once: How many at the same time; others wait for their turn. On two processors and a
            fast network, two were as fast as sixteen programs of curl, while four and more were
            slower and kept the event loop waiting longer. A slow network may want more.
        limits: How far an archive may grow by unpacking.
        unpack: Keep what an archive holds; False keeps the archive, checked all the same. Its name
            ends in ``.zip`` even where the host sends gzip or a plain CSV: it is chosen before the
            first byte, so that a file that is there already is not fetched again.
        sha256: Compute the digest of what is kept, on the way; it is in `Report.sha256`.

    .. versionadded:: 0.1.0
    """

    at_once: int = AT_ONCE
    limits: Limits = field(factory=Limits)
    unpack: bool = True
    sha256: bool = False

    def __attrs_post_init__(self) -> None:
        count: object = self.at_once
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:  # pyright: ignore[reportUnnecessaryIsInstance]  # users are not always typed
            raise InvalidArgument(f"at_once must be a number from 1 up, not {self.at_once!r}.")

    def slots(self) -> anyio.CapacityLimiter:
        """Return what keeps to `at_once`, for all that share it."""
        return anyio.CapacityLimiter(self.at_once)

    def named(self, name: str) -> str:
        """Return the name of the file that is kept, from that of the CSV."""
        return name if self.unpack else name.removesuffix(".csv") + ".zip"


@define(eq=False, kw_only=True, repr=False)
class Downloader:
    """
    Brings files from links to the disk.

    Args:
        transport: Carries the requests to the file host.
        clock: Waits between tries.
        timeouts: `call` and `stall` are used here.
        api_base_url: Where the API is: only if it is on this machine or network, as a simulator
            is, links and redirects may lead there too.
        options: How files are brought to the disk.
        wall: Seconds of real time.
    """

    transport: Transport
    clock: Clock
    timeouts: Timeouts
    api_base_url: str
    options: Downloads = field(factory=Downloads)
    wall: Callable[[], float] = time.monotonic
    slots: anyio.CapacityLimiter = field(init=False)
    courtesy: Courtesy = field(factory=Courtesy, init=False)
    _threads: anyio.CapacityLimiter = field(init=False)
    _gates: dict[Path, _Gate] = field(factory=dict["Path", _Gate], init=False)

    def __attrs_post_init__(self) -> None:
        self.slots = self.options.slots()
        # As many as there are slots, but tasks hold those.
        self._threads = anyio.CapacityLimiter(math.inf)

    def places(self) -> float:
        """Return how many downloads could begin now."""
        return self.slots.available_tokens

    async def fetch(
        self,
        get_link: Callable[[Slot], Awaitable[DownloadLink]],
        *,
        target: Path,
        report_type: str,
        request_id: str,
        tell: Callable[[Progress], None],
        reuse: bool = True,
        mark: str | None = None,
        unpack: bool | None = None,
        sha256: bool | None = None,
    ) -> Saved:
        """
        Bring the file to *target* and return what is there.

        Args:
            get_link: Asks the API for a fresh link: once at first, again only when a link has
                expired or is dead; it may take the slot while it does. What it raises is raised
                here.
            target: Where the file goes; an older one there is replaced in one step.
            report_type: For errors.
            request_id: For errors, and to tell files of the same name apart.
            tell: Called with `Received` (first bytes, then once a MiB or
                second) and `Retry`.
            reuse: A file that is at *target* already is the one that is wanted.
            mark: It is only if it has this `Saved.mark`.
            unpack: In place of the option of that name.
            sha256: In place of the option of that name.

        Raises:
            LinkExpired: Fresh links were refused as well.
            TruncatedDownload: The body ended too early, again and again.
            BadArchive: The body was whole but not a readable report, three times.
            DownloadError: The file host or the disk failed; the message says which.
        """
        options = self.options
        unpack = options.unpack if unpack is None else unpack
        sha256 = options.sha256 if sha256 is None else sha256
        target = target.absolute()  # noqa: ASYNC240 -- looks at no file
        gate = self._gates.setdefault(target, _Gate())
        gate.users += 1
        try:
            async with gate.lock:
                # Another task may just have brought the very same file.
                ours = gate.saved == (request_id, unpack)
                part = Part(target, limits=options.limits, unpacks=unpack, sha256=sha256)
                saved = await self._fetch(
                    Fetch(
                        transport=self.transport,
                        clock=self.clock,
                        timeouts=self.timeouts,
                        local_allowed=is_local_url(self.api_base_url),
                        get_link=get_link,
                        part=part,
                        report_type=report_type,
                        request_id=request_id,
                        tell=tell,
                        reuse=reuse or ours,
                        mark=None if ours else mark,
                        slots=self.slots,
                        wall=self.wall,
                        threads=self._threads,
                    )
                )
                gate.saved = (request_id, unpack)
                return saved
        finally:
            gate.users -= 1
            if not gate.users:
                del self._gates[target]

    async def _fetch(self, fetch: Fetch) -> Saved:
        try:
            with self.courtesy:
                return await fetch.run()
        finally:
            # Whatever happened, nothing unfinished stays: only a killed process may leave it.
            with anyio.CancelScope(shield=True):
                await fetch.close()

    def __repr__(self) -> str:
        busy = len(self._gates)
        return f"<Downloader {busy} file{'' if busy == 1 else 's'} on the way>"
