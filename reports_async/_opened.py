"""
The part of `ReportsClient` that hands a report on as a stream of bytes.

A stream is opened when the file behind it is whole and checked: who passes it on can still answer
with an error instead of with half a report.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING, BinaryIO, Final

import anyio
from anyio import to_thread
from attrs import define, field

from ._courtesy import Courtesy
from ._validation import word

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from ._workshop import Workshop

_BLOCK: Final = 256 * 1024


@define(eq=False, repr=False)
class ReportStream:
    """
    A report's bytes, in order, once: ``async for block in stream``, or `read`.

    `size` is how many there are in all; `sha256` is their digest, where it was asked for.

    .. versionadded:: 0.1.0
    """

    _file: BinaryIO
    size: int
    sha256: str | None = None
    _courtesy: Courtesy = field(factory=Courtesy, alias="courtesy", kw_only=True)

    async def read(self, size: int = _BLOCK) -> bytes:
        """Return the next bytes, at most *size*; ``b""`` at the end."""
        with self._courtesy:
            return await to_thread.run_sync(self._file.read, size)

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        while block := await self.read():
            yield block

    def __repr__(self) -> str:
        return f"<ReportStream of {self.size} bytes>"


class Opened:
    """Reports as streams."""

    if TYPE_CHECKING:

        def _open(self) -> Workshop: ...

    @asynccontextmanager
    async def open_report(
        self, request_id: str, *, unpack: bool = True, sha256: bool = False
    ) -> AsyncGenerator[ReportStream]:
        """
        Open the file of a READY request as a stream, e.g. for the body of a web response.

        It is brought to the client's directory first, checked, and removed afterwards: memory stays
        flat however large it is, and no half report is ever passed on.

        Args:
            request_id: The id that the API gave.
            unpack: The CSV; False for the archive that it came in.
            sha256: Compute the digest.

        Raises:
            ReportNotReady: It is not READY; the message says what it is.
            ReportFailed, ReportTimedOut, ReportExpired: There is no file.
            DownloadError: It could not be brought whole.

        .. versionadded:: 0.1.0
        """
        rooms = self._open()
        word(request_id, name="request_id")

        # The name first: whatever ends this early, what lies there is removed.
        target = rooms.directory / f".reports-async-{token_hex(8)}"
        try:
            saved = await rooms.downloader.fetch(
                partial(rooms.links.get, request_id, seen_ready=False),
                target=target,
                report_type="",
                request_id=request_id,
                tell=lambda _: None,
                unpack=unpack,
                sha256=sha256,
            )
            with target.open("rb") as file:
                courtesy = rooms.downloader.courtesy
                yield ReportStream(file, saved.size, saved.sha256, courtesy=courtesy)
        finally:
            with anyio.CancelScope(shield=True):
                await _removed(target)


async def _removed(path: Path) -> None:
    try:
        await to_thread.run_sync(_remove, path)
    except BaseException:
        # Native asyncio cancellation knows no shield.
        _remove(path)
        raise


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
