"""
The unfinished file beside a target: made, locked, filled, turned into the target, or removed.

All of it blocks and runs in worker threads. `discard` may be called at any moment from any other
thread: it stops what runs at its next block, and nothing is written after it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from attrs import define, field, frozen

from ._disk import LONGEST_SUFFIX, is_at, lock, sync_directory
from ._exceptions import BadArchive, TruncatedDownload
from ._intake import Intake
from ._sansio.archive import Kind, Limits, check_page, kind
from ._unpack import agrees, head_of, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

# A report is its seller's business: nobody else on the machine reads it.
_MODE: Final = 0o600
# A symbolic link of that name would lead the bytes elsewhere.
_FLAGS: Final = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

# As much is received before it is written: more falls out of the processor's cache.
_BUFFER: Final = 256 * 1024


class Discarded(Exception):
    """The part was discarded while this thread worked on it."""


class Held(Exception):
    """Another holds the lock."""


@frozen(kw_only=True)
class Saved:
    """
    A file in its place: its `size` in bytes and, where it was asked for, its SHA-256 in hex.

    `mark` tells it from another that has its name later, and from itself kept in another form.
    """

    size: int
    sha256: str | None = None
    mark: str


@frozen(kw_only=True)
class Left:
    """What a killed process left: its note, and whether the file has checksums in it."""

    note: bytes
    checked: bool


@define(eq=False, repr=False)
class Part:
    """
    ``<target>.part``, held by an operating system lock as long as this object works on it.

    The lock goes with the file, so a process that dies leaves a file but no lock. With a note
    beside it, such a file is gone on with; without one it is written over.

    Args:
        target: The name that the file gets in the end.
        limits: How far an archive may grow.
        unpacks: Turn an archive into what it holds; else it is checked, and kept as it came.
        sha256: Compute the digest of what is kept.
    """

    target: Path
    limits: Limits = field(factory=Limits, kw_only=True)
    unpacks: bool = field(default=True, kw_only=True)
    sha256: bool = field(default=False, kw_only=True)
    size: int = field(default=0, init=False)
    _intake: Intake | None = field(default=None, init=False)
    _buffer: memoryview | None = field(default=None, init=False)
    _file: BinaryIO | None = field(default=None, init=False)
    _mutex: threading.Lock = field(factory=threading.Lock, init=False)
    _stopped: threading.Event = field(factory=threading.Event, init=False)

    @property
    def path(self) -> Path:
        """Where the body goes."""
        return self._beside(".part")

    @property
    def taken(self) -> bool:
        """Tell whether there is something to discard."""
        return self._file is not None

    @property
    def _note(self) -> Path:
        return self._beside(".part.json")

    def _beside(self, suffix: str) -> Path:
        return self.target.with_name(self.target.name + suffix)

    @contextmanager
    def _working(self) -> Generator[None]:
        with self._mutex:
            self._check()
            yield

    def _check(self) -> None:
        if self._stopped.is_set():
            raise Discarded

    def existing(self) -> Saved | None:
        """Return what stands at the target; None if nothing does yet."""
        try:
            found = self.target.stat()
        except FileNotFoundError:
            return None
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, "Is a directory", str(self.target))
        digest = _sha256_of(self.target) if self.sha256 else None
        return Saved(size=found.st_size, sha256=digest, mark=self._mark(found))

    def _mark(self, found: os.stat_result) -> str:
        kept = "unpacked" if self.unpacks else "as it came"
        return f"{found.st_size} bytes, {kept}, {found.st_mtime_ns}"

    def claim(self, *, reuse: bool, mark: str | None = None) -> Saved | None:
        """
        Return the target if it is there and will do; None: the part is ours now.

        Args:
            reuse: It may.
            mark: It will only if it is the one with this mark; None for any.

        Raises:
            Held: Another process, or task, works on it.
        """

        def fitting() -> Saved | None:
            found = self.existing() if reuse else None
            return found if found is not None and mark in {None, found.mark} else None

        if (found := fitting()) is not None:
            self._sweep()
            return found
        if not self.take():
            raise Held
        # It may have been published between our look and our lock.
        return fitting()

    def _sweep(self) -> None:
        """Remove what a process left that died between publishing and tidying up."""
        with suppress(OSError):
            if self.path.exists() and self.take():
                self._remove()

    def take(self) -> bool:
        """Make and lock the file; False: another process, or task, works on it."""
        with self._working():
            self.target.parent.mkdir(parents=True, exist_ok=True)
            while True:
                with ExitStack() as stack:
                    file = os.fdopen(os.open(self.path, _FLAGS, _MODE), "r+b")
                    stack.callback(file.close)
                    if not lock(file):
                        return False
                    if is_at(file, self.path):
                        stack.pop_all()
                        self._file = file
                        self._take_over(file)
                        return True
                # Its last holder removed or renamed it between our opening and our locking.

    def _take_over(self, file: BinaryIO) -> None:
        if not self._note.exists():
            file.truncate(0)
        self.size = file.seek(0, os.SEEK_END)
        self._intake = None if self.size else self._new_intake()

    def _new_intake(self) -> Intake:
        return Intake(sink=self._sink, limits=self.limits, keeps=self.unpacks, sha256=self.sha256)

    def _sink(self) -> BinaryIO:
        if self.unpacks:
            return self._made_anew(LONGEST_SUFFIX)
        return Path(os.devnull).open("wb")

    def remembered(self) -> Left | None:
        """Return the note that was left, and whether the file is one with checksums in it."""
        with self._working():
            try:
                note = self._note.read_bytes()
            except FileNotFoundError:
                return None
            try:
                checked = kind(head_of(self._open_file())) is not Kind.PLAIN
            except TruncatedDownload:
                checked = False
            finally:
                self._open_file().seek(0, os.SEEK_END)
            return Left(note=note, checked=checked)

    def remember(self, note: bytes) -> None:
        """Leave a note for a process that comes after this one was killed."""
        with self._working():
            self._note.unlink(missing_ok=True)
            with os.fdopen(os.open(self._note, _FLAGS | os.O_EXCL, _MODE), "wb") as file:
                file.write(note)

    def append(self, blocks: Sequence[bytes | memoryview]) -> None:
        """Write the next bytes of the body, and unpack them while more come."""
        with self._working():
            file = self._open_file()
            file.writelines(blocks)
            file.flush()
            self.size += sum(map(len, blocks))
            if self._intake is not None:
                self._intake.take(blocks)

    def receive(self, read: Callable[[memoryview], int], *, seconds: float) -> bool:
        """Write what comes within that time, at least one block; False: nothing more comes."""
        if self._buffer is None:
            self._buffer = memoryview(bytearray(_BUFFER))
        until = time.monotonic() + seconds
        while size := read(self._buffer):
            self.append([self._buffer[:size]])
            if time.monotonic() >= until:
                return True
        return False

    def restart(self) -> None:
        """Forget what came so far."""
        with self._working():
            file = self._open_file()
            self._stop()
            self._note.unlink(missing_ok=True)
            file.seek(0)
            file.truncate(0)
            self.size = 0
            self._intake = self._new_intake()

    def publish(self, *, check: Callable[[], None]) -> Saved:
        """
        Verify the body, unpack it, give it its real name, and return what is there now.

        Args:
            check: Called between blocks; raises to stop.

        Raises:
            LinkExpired: The body is a message that says so.
            TruncatedDownload: The archive in it ends too early.
            BadArchive: It is not a readable report.
        """

        def go_on() -> None:
            self._check()
            check()

        with self._working():
            file = self._open_file()
            file.flush()
            finished, digest = self._finish(file, go_on)
            if self.sha256 and digest is None:
                digest = _sha256_of(finished)
            found = finished.stat()
            os.replace(finished, self.target)  # noqa: PTH105 -- over an old file, also on Windows
            sync_directory(self.target.parent)
            self._remove()
            return Saved(size=found.st_size, sha256=digest, mark=self._mark(found))

    def discard(self) -> None:
        """Stop whatever works on the file, remove it and let go of the lock. Never raises."""
        self._stopped.set()
        self._stop()
        with self._mutex:
            self._remove()

    def _stop(self) -> None:
        intake = self._intake
        if intake is not None:
            intake.stop()

    def _open_file(self) -> BinaryIO:
        assert self._file is not None, "taken first"
        return self._file

    def _finish(self, file: BinaryIO, check: Callable[[], None]) -> tuple[Path, str | None]:
        """Return the path of the verified file, on the disk for good, and its digest if known."""
        head = head_of(file)
        if not head:
            raise BadArchive("The body is empty.")
        made, digest = (None, None) if self._intake is None else self._intake.finish()
        self._stop()
        packed = kind(head)
        if packed is Kind.PLAIN:
            check_page(head)
            return self._as_it_is(file), digest
        whole = made is not None and agrees(file, made, limits=self.limits)
        if not self.unpacks:
            if not whole:
                with Path(os.devnull).open("wb") as nowhere:
                    unpack(file, nowhere, limits=self.limits, check=check)
            return self._as_it_is(file), digest
        path = self._beside(LONGEST_SUFFIX)
        if whole:
            _sync(path)
        else:
            path, digest = self._unpacked(file, LONGEST_SUFFIX, check), None
        if packed is Kind.ZIP:
            return path, digest
        # A host may have put its own gzip (a content-encoding) around the archive.
        with path.open("rb") as inner:
            head = head_of(inner)
            if kind(head) is Kind.PLAIN:
                check_page(head)
                return path, digest
            return self._unpacked(inner, ".inner.part", check), None

    def _as_it_is(self, file: BinaryIO) -> Path:
        if sys.platform == "win32":  # pragma: no cover -- the suite is measured on POSIX
            # An open file cannot be renamed there, and a closed one is not locked: a copy it is.
            path = self._beside(LONGEST_SUFFIX)
            file.seek(0)
            with path.open("wb") as sink:
                shutil.copyfileobj(file, sink)
                sink.flush()
                os.fsync(sink.fileno())
            return path
        else:  # noqa: RET505 -- type checkers know what is reachable only by branches
            os.fsync(file.fileno())
            return self.path

    def _unpacked(self, source: BinaryIO, suffix: str, check: Callable[[], None]) -> Path:
        with self._made_anew(suffix) as sink:
            unpack(source, sink, limits=self.limits, check=check)
            sink.flush()
            os.fsync(sink.fileno())
        return self._beside(suffix)

    def _made_anew(self, suffix: str) -> BinaryIO:
        path = self._beside(suffix)
        # Whoever holds the lock owns these names too: what lies here, a dead process left.
        path.unlink(missing_ok=True)
        return os.fdopen(os.open(path, _FLAGS | os.O_EXCL, _MODE), "wb")

    def _remove(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        self._stop()
        for path in (self._note, *map(self._beside, (LONGEST_SUFFIX, ".inner.part"))):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        with suppress(OSError), ExitStack() as stack:
            stack.callback(file.close)
            if sys.platform == "win32":  # pragma: no cover -- the suite is measured on POSIX
                # An open file cannot be removed there.
                file.close()
                self.path.unlink()
            elif is_at(file, self.path):
                # Still locked, so nobody else writes to it. Once it has its real name, the next
                # one of that name is another's.
                self.path.unlink()

    def __repr__(self) -> str:
        state = f"{self.size} bytes" if self.taken else "not taken"
        return f"<Part {self.path.name} {state}>"


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
