"""
A thread that unpacks an archive while it is received.

Bounded: who feeds it waits while it lags behind. What it made is a guess until `finish` was asked
and the archive's directory agrees. An archive that cannot be unpacked as it comes is no error here.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

from attrs import define, field

from ._exceptions import BadArchive
from ._inflate import DAMAGE, NotNow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._inflate import GzipStream, ZipStream
    from ._sansio.archive import Limits
    from ._sansio.members import Made

CANNOT: Final[tuple[type[Exception], ...]] = (NotNow, BadArchive, *DAMAGE)

# Blocks that wait: enough for both threads to work all the time.
_WAITING: Final = 4


class Digest(Protocol):
    """What `hashlib` makes."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Count more bytes."""
        ...

    def hexdigest(self) -> str:
        """Return the digest of all bytes so far."""
        ...


@define(eq=False, repr=False)
class Ahead:
    """
    The unpacking of one archive into *sink*, which is this object's to close.

    Args:
        stream: How it is packed.
        sink: Open for writing, empty.
        limits: How far it may grow; past that the work ends, and is left to who has it all.
        digest: Fed with what comes out.
    """

    _stream: ZipStream | GzipStream
    _sink: BinaryIO
    _limits: Limits
    _digest: Digest | None = None
    _waiting: deque[bytes] = field(factory=deque[bytes], init=False)
    _changed: threading.Condition = field(factory=threading.Condition, init=False)
    _ended: bool = field(default=False, init=False)
    _over: bool = field(default=False, init=False)
    _error: OSError | None = field(default=None, init=False)
    _made: Made | None = field(default=None, init=False)
    _thread: threading.Thread = field(init=False)

    def __attrs_post_init__(self) -> None:
        # Daemonic: `stop` ends it; an interpreter that nobody told so should not wait for it.
        self._thread = threading.Thread(target=self._run, name="reports-async unpack", daemon=True)
        self._thread.start()

    def feed(self, block: bytes) -> None:
        """
        Hand over the next bytes; waits while too many wait already.

        Raises:
            OSError: The disk failed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._over or len(self._waiting) < _WAITING)
            if self._error is not None:
                raise self._error
            if not self._over:
                self._waiting.append(block)
                self._changed.notify_all()

    def finish(self) -> Made | None:
        """
        Return what was made of all that was fed; None: nothing that can be used.

        Raises:
            OSError: The disk failed.
        """
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._made

    def stop(self) -> None:
        """Give up: returns when the thread has ended and the sink is closed."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._thread.join()
        self._sink.close()

    def _run(self) -> None:
        size = fed = 0
        try:
            for block in self._blocks():
                fed += len(block)
                for piece in self._stream.feed(block):
                    if self._over:
                        return
                    size += len(piece)
                    self._limits.check(size, packed=fed)
                    self._sink.write(piece)
                    if self._digest is not None:
                        self._digest.update(piece)
            self._sink.flush()
            self._made = self._stream.made()
        except OSError as exc:
            self._error = exc
        except CANNOT:
            # Whoever has the whole archive says what is the matter.
            pass
        finally:
            with self._changed:
                self._over = True
                self._waiting.clear()
                self._changed.notify_all()

    def _blocks(self) -> Iterator[bytes]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended or self._over)
                if self._over or not self._waiting:
                    return
                block = self._waiting.popleft()
                self._changed.notify_all()
            yield block

    def __repr__(self) -> str:
        return f"<Ahead {'over' if self._over else 'at work'}>"
