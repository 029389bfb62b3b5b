"""
What becomes of a body's bytes on their way to the disk: they are unpacked, and their digest taken.

Only a body that was seen from its first byte on can be treated so. What comes of it is believed
when the whole body is there and agrees.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, BinaryIO, Final

from attrs import define, field

from ._ahead import Ahead, Digest
from ._inflate import STREAMS
from ._sansio.archive import kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._sansio.archive import Limits
    from ._sansio.members import Made

# As many bytes tell how a body is packed.
_MARK: Final = 4


@define(eq=False, kw_only=True)
class Intake:
    """
    One body, from its first byte.

    Args:
        sink: Opens the file for what is unpacked.
        limits: How far it may grow.
        keeps: What is unpacked will be kept, not the body as it came.
        sha256: Take the digest of what will be kept.
    """

    sink: Callable[[], BinaryIO]
    limits: Limits
    keeps: bool
    sha256: bool
    _start: bytes | None = field(default=b"", init=False)
    _ahead: Ahead | None = field(default=None, init=False)
    _digest: Digest | None = field(default=None, init=False)

    def take(self, blocks: Sequence[bytes | memoryview]) -> None:
        """
        See the next bytes. Waits while the unpacking lags behind.

        Raises:
            OSError: The disk failed.
        """
        if self._start is not None:
            self._start = b"".join([self._start, *blocks])
            if len(self._start) < _MARK:
                return
            blocks, self._start = [self._start], None
            self._begin(bytes(blocks[0]))
        for block in blocks:
            if self._ahead is not None:
                self._ahead.feed(bytes(block))
            if self._digest is not None and not (self._ahead and self.keeps):
                self._digest.update(block)

    def _begin(self, start: bytes) -> None:
        self._digest = hashlib.sha256() if self.sha256 else None
        stream = STREAMS.get(kind(start))
        if stream is not None:
            digest = self._digest if self.keeps else None
            self._ahead = Ahead(stream(), self.sink(), self.limits, digest)

    def finish(self) -> tuple[Made | None, str | None]:
        """
        Return what was unpacked and the digest of what is kept; None where they are not known.

        Raises:
            OSError: The disk failed.
        """
        made = None if self._ahead is None else self._ahead.finish()
        return made, None if self._digest is None else self._digest.hexdigest()

    def stop(self) -> None:
        """Give up, or be done: no thread runs and no file is open afterwards."""
        if self._ahead is not None:
            self._ahead.stop()
