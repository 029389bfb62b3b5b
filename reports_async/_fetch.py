"""
One file on its way: asked for, received, resumed, verified, tried again, or given up.

`_sansio.ranges` and `_sansio.patience` decide, `_part` writes; this room awaits and obeys.
"""

from __future__ import annotations

import logging
import random
import threading
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeVar

from anyio import CapacityLimiter, from_thread, to_thread
from attrs import define, field

from ._courtesy import giving_way
from ._disk import boot_id, explain
from ._exceptions import (
    BadArchive,
    DownloadError,
    LinkExpired,
    TransportError,
    TruncatedDownload,
)
from ._http import BlockingStream, without_query
from ._part import Held, Part, Saved
from ._sansio import notes
from ._sansio.archive import HEAD
from ._sansio.links import MAX_HOPS, follow, objection, scrubbed
from ._sansio.patience import Pace, Patience
from ._sansio.ranges import (
    Hop,
    Received,
    Resume,
    Retry,
    Setback,
    Take,
    Trouble,
    fitting,
    judge,
    next_request,
    resume_after,
)
from ._secrets import Secret
from ._slot import Slot

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._http import ByteStream
    from ._models import DownloadLink, Timeouts
    from ._sansio.ranges import Progress
    from .abc import Clock, Transport

T = TypeVar("T")

logger = logging.getLogger("reports_async")

# What a body that came whole turns out to be.
TROUBLES: Final = {
    LinkExpired: Trouble.EXPIRED,
    BadArchive: Trouble.BAD,
    TruncatedDownload: Trouble.SHORT,
}
# As much is kept in memory before a worker thread writes it, and told of as progress.
BLOCK: Final = 1024 * 1024
# Of a slow download so often, in seconds.
SECOND: Final = 1.0
# How long a worker thread goes on by itself, in seconds.
STEP: Final = 0.1
# How often we look whether another process is done with the same file, in seconds.
LOOK_AGAIN: Final = 1.0
# So long, in seconds, a download that is tried again keeps its place: its link would age behind
# others.
KEPT: Final = 10.0


class _TooSlow(TransportError):
    """A host that drips."""


@define(eq=False, kw_only=True, repr=False)
class Fetch:
    """
    The state of one download. `run` it once, and `close` it whatever came of it.

    Args:
        get_link: Asks for a link, and may take the slot when it is there.
        slots: How many downloads there may be at once.
        threads: Those that receive; the application's own work does not wait for them.
        wall: Seconds of real time.
    """

    transport: Transport
    clock: Clock
    timeouts: Timeouts
    local_allowed: bool
    get_link: Callable[[Slot], Awaitable[DownloadLink]]
    part: Part
    report_type: str
    request_id: str
    tell: Callable[[Progress], None]
    reuse: bool
    mark: str | None
    slots: CapacityLimiter
    threads: CapacityLimiter
    wall: Callable[[], float]
    _patience: Patience = field(factory=Patience, init=False)
    _resume: Resume | None = field(default=None, init=False)
    _cause: BaseException | None = field(default=None, init=False)

    async def run(self) -> Saved:
        """Bring the file to its place and return what is there."""
        found = await self._claim()
        return await self._download() if found is None else found

    async def close(self) -> None:
        """Remove the unfinished file, if there is one; to be called in a shielded scope."""
        if not self.part.taken:
            # Published, or never taken; or a thread whose task was cancelled is just taking it.
            self.part.discard()
            return
        try:
            await to_thread.run_sync(self.part.discard)
        except BaseException:
            # Native asyncio cancellation knows no shield.
            self.part.discard()
            raise

    async def _claim(self) -> Saved | None:
        """Return the file if it is there already; None once the part is ours."""
        told = False
        while True:
            try:
                return await self._on_disk(self._claim_now)
            except Held:
                if not told:
                    logger.info("%r waits for another process that receives the file", self)
                told = True
                await self.clock.sleep(LOOK_AGAIN)

    def _claim_now(self) -> Saved | None:
        found = self.part.claim(reuse=self.reuse, mark=self.mark)
        if found is None and self.part.size:
            # A process was killed on its way.
            self._resume = self._recalled()
            if self._resume is None:
                self.part.restart()
        return found

    def _recalled(self) -> Resume | None:
        left = self.part.remembered()
        if left is None:
            return None
        return notes.read(
            left.note,
            request_id=self.request_id,
            size=self.part.size,
            boot=boot_id(),
            checked=left.checked,
        )

    async def _download(self) -> Saved:
        slot = Slot(self.slots)
        try:
            return await self._persist(slot)
        finally:
            slot.leave()

    async def _persist(self, slot: Slot) -> Saved:
        url: str | None = None
        while True:
            if url is None and not self._is_whole():
                url = (await self.get_link(slot)).url
            await slot.take()
            self._cause = None
            result = await self._attempt(url)
            if isinstance(result, Saved):
                return result
            # Jitter: many clients whose host fails together do not come back together.
            step = self._patience.after(result, jitter=random.random())  # noqa: S311 -- no secret
            if step is None:
                raise self._error(result.trouble.error, result.reason) from self._cause
            self.tell(Retry(reason=result.reason))
            if step.from_zero:
                self._resume = None
            if step.fresh_link:
                url = None
            if step.fresh_link or step.delay > KEPT:
                slot.leave()
            if step.delay:
                await self.clock.sleep(step.delay)

    def _is_whole(self) -> bool:
        # As a process may leave it that was killed while it unpacked.
        return self._resume is not None and self._resume.offset == self._resume.total

    async def _attempt(self, url: str | None) -> Saved | Setback:
        if not self._is_whole():
            assert url is not None, "asked for first"
            setback = await self._receive(url)
            if setback is not None:
                return setback
        return await self._publish()

    async def _receive(self, url: str) -> Setback | None:
        """Ask once, over redirects. None: the whole body is in the part."""
        resume = fitting(self._resume, url=url)
        link, came_from = url, None
        for _ in range(MAX_HOPS + 1):
            reason = objection(url, local_allowed=self.local_allowed, came_from=came_from)
            if reason is not None:
                where = "link" if came_from is None else "redirect"
                return Setback(
                    trouble=Trouble.REFUSED, reason=f"The {where} was not followed: {reason}."
                )
            answer = await self._ask(url, link=link, resume=resume)
            if not isinstance(answer, Hop):
                return answer
            came_from, url = url, Secret(follow(url, answer.location))
        return Setback(
            trouble=Trouble.REFUSED, reason=f"The link led over more than {MAX_HOPS} redirects."
        )

    async def _ask(self, url: str, *, link: str, resume: Resume | None) -> Hop | Setback | None:
        timeouts = self.timeouts
        request = next_request(url, resume=resume)
        try:
            async with self.transport.stream(
                request, timeout=timeouts.call, stall=timeouts.stall
            ) as stream:
                failed = stream.status >= HTTPStatus.BAD_REQUEST
                head = await _head(stream) if failed else b""
                answer = judge(stream.status, stream.headers, resume=resume, head=head)
                if isinstance(answer, Take):
                    return await self._take(stream, answer, link)
                return answer
        except TransportError as exc:
            self._cause = exc
            return Setback(
                trouble=Trouble.UNAVAILABLE,
                reason=f"The file host did not answer: {scrubbed(exc)}",
            )

    async def _take(self, stream: ByteStream, take: Take, link: str) -> Setback | None:
        """Write the body that follows to the part. None: it is whole."""
        self._resume = None
        if take.offset == 0:
            await self._on_disk(partial(self._begin, take, without_query(link)))
        broke = await self._write(stream, take.total)
        size, total = self.part.size, take.total
        if size == total or (total is None and broke is None):
            return None
        if total is not None and size > total:
            return Setback(
                trouble=Trouble.BAD, reason=f"The body is longer than the {total} bytes declared."
            )
        self._cause = broke
        self._resume = resume_after(take, url=link, received=size)
        of_total = "" if total is None else f" of {total}"
        dripped = isinstance(broke, _TooSlow)
        why = ", too slow to wait for the rest" if dripped else ""
        return Setback(
            trouble=Trouble.CUT,
            reason=f"The body broke off after {size}{of_total} bytes{why}.",
            brought=size > take.offset and not dripped,
            from_zero=take.offset == 0,
        )

    def _begin(self, take: Take, address: str) -> None:
        if self.part.size:
            self.part.restart()
        note = notes.written(take, address=address, request_id=self.request_id, boot=boot_id())
        if note is not None:
            self.part.remember(note)

    async def _write(self, stream: ByteStream, total: int | None) -> TransportError | None:
        """Move the body to the disk until it ends; return what broke it off, if anything."""
        if isinstance(stream, BlockingStream):
            move = partial(self._pump, stream)
        else:
            move = partial(self._carry, stream)
        now = silent_since = self.wall()
        pace = Pace(self.timeouts.stall, now=now)
        size = told = start = self.part.size
        broke: TransportError | None = None
        more = True
        while more and (total is None or size <= total):
            more = False
            try:
                more = await move(first=size == start)
            except TransportError as exc:
                broke = exc
            came, size, now = self.part.size - size, self.part.size, self.wall()
            # The first bytes are told at once, the others a mebibyte or a second at a time.
            much = size - told >= BLOCK or now - silent_since >= SECOND
            if size > told and (much or told == start or not more):
                self.tell(Received(received=size, total=total))
                told, silent_since = size, now
            if more and pace.is_lost(came, now=now):
                return _TooSlow("Too few bytes came to wait for the others.")
        return broke

    async def _pump(self, stream: BlockingStream, *, first: bool) -> bool:
        """Let a thread move what comes for a while; False: there is no more."""
        seconds = 0.0 if first else STEP
        # Between several, the interpreter's lock would be passed on for every question and rest.
        alone = self.slots.borrowed_tokens == 1
        work = partial(
            self._pump_for, seconds, stream, threading.get_native_id() if alone else None
        )
        try:
            return await self._on_disk(work, abandon=True)
        except BaseException:
            # The thread comes back, and writes nothing any more once the part is discarded.
            stream.cut()
            raise

    def _pump_for(self, seconds: float, stream: BlockingStream, loop: int | None) -> bool:
        if loop is None:
            return self.part.receive(stream.readinto, seconds=seconds)
        with giving_way(loop) as give_way:

            def read(buffer: memoryview) -> int:
                give_way()
                return stream.readinto(buffer)

            return self.part.receive(read, seconds=seconds)

    async def _carry(self, stream: ByteStream, *, first: bool) -> bool:
        """Move the next bytes over the event loop; False: there are no more."""
        blocks: list[bytes] = []
        held, most = 0, 1 if first else BLOCK
        until = self.wall() + STEP
        more = True
        try:
            while more and held < most and self.wall() < until:
                block = await stream.read()
                blocks.append(block)
                held += len(block)
                more = bool(block)
        except TransportError:
            await self._on_disk(partial(self.part.append, blocks))
            raise
        await self._on_disk(partial(self.part.append, blocks))
        return more

    async def _publish(self) -> Saved | Setback:
        publish = partial(self.part.publish, check=from_thread.check_cancelled)
        try:
            return await self._on_disk(publish)
        except (LinkExpired, BadArchive, TruncatedDownload) as exc:
            self._cause = exc.__cause__
            return Setback(trouble=TROUBLES[type(exc)], reason=str(exc))

    async def _on_disk(self, work: Callable[[], T], *, abandon: bool = False) -> T:
        """Do blocking work in a thread; it is over when this returns, unless asyncio cancels."""
        limiter = self.threads if abandon else None
        try:
            return await to_thread.run_sync(work, abandon_on_cancel=abandon, limiter=limiter)
        except OSError as exc:
            raise self._error(DownloadError, explain(exc, target=self.part.target)) from exc

    def _error(self, error: type[DownloadError], reason: str) -> DownloadError:
        what = f"{self.report_type} report" if self.report_type else "report"
        return error(
            f"{reason} The {what} of request {self.request_id} was not saved; resume the request "
            "by its id.",
            report_type=self.report_type or None,
            request_id=self.request_id,
        )

    def __repr__(self) -> str:
        return f"<Fetch {self.report_type} {self.request_id} into {self.part!r}>"


async def _head(stream: ByteStream) -> bytes:
    """Return the beginning of an error's body: it may say that the link has expired."""
    head = b""
    # Where it breaks off, the status alone must do.
    with suppress(TransportError):
        while len(head) < HEAD and (block := await stream.read()):
            head += block
    return head[:HEAD]
