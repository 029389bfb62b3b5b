"""
What the part asks of the disk: locks, flushes, and words for what can go wrong.

All of it blocks.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from ._exceptions import InvalidArgument

if sys.platform == "win32":  # pragma: no cover -- the suite is measured on POSIX
    import msvcrt
else:
    import fcntl

LONGEST_SUFFIX: Final = ".unpacked.part"
"""The longest that is added to the name of a file while it is unfinished."""

_HELP: Final = {
    errno.ENOSPC: "The disk is full: free some space",
    errno.EDQUOT: "The disk quota is used up: free some space",
    errno.EACCES: "It is not allowed to write there: change the permissions",
    errno.EPERM: "It is not allowed to write there: change the permissions",
    errno.EROFS: "The file system is read-only: choose another directory",
    errno.ENOENT: "The directory, or the unfinished file in it, was removed: make it again",
    errno.ENOTDIR: "A file stands where the directory should be: choose another path",
    errno.EEXIST: "A file stands where the directory should be: choose another path",
    errno.EISDIR: "A directory stands where the file should go: choose another path",
    errno.ELOOP: "A symbolic link stands where the unfinished file should go: remove it",
}


def explain(exc: OSError, *, target: Path) -> str:
    """Return what a disk error means for *target*, and what to do."""
    reason = _HELP.get(exc.errno or 0, exc.strerror or type(exc).__name__)
    return f"{target.name} could not be written in {target.parent}. {reason}."


def check_directory(directory: str | os.PathLike[str]) -> Path:
    """
    Make sure that files can be written into a directory; it is made if it does not exist.

    Raises:
        InvalidArgument: It is no path, cannot be made, is no directory, or is not writable.
    """
    try:
        path = Path(directory)
    except TypeError:
        raise InvalidArgument(f"directory must be a path, not {directory!r}.") from None
    try:
        path.mkdir(parents=True, exist_ok=True)
        # Permission bits lie (root, read-only mounts): only writing tells.
        with tempfile.TemporaryFile(dir=path):
            pass
    except (OSError, ValueError) as exc:
        raise InvalidArgument(
            "directory must be a directory that can be written to, or be made, but "
            f"{_shown(path)} is not: {_why(exc)}."
        ) from exc
    return path


def check_path(path: Path | None) -> None:
    """
    Make sure that a file can be made at a path; its directory is made if it does not exist.

    What stands there is replaced in the end, so it must be a file, or a link.

    Raises:
        InvalidArgument: Something else stands there, its name is none that the disk can keep, or
            its directory cannot be used.
    """
    if path is None:
        return
    try:
        check_directory(path.parent)
    except InvalidArgument as exc:
        raise InvalidArgument(f"path must lie in a directory that can be used. {exc}") from exc
    try:
        # The unfinished file stands beside it, with a longer name.
        _standing_at(path.with_name(path.name + LONGEST_SUFFIX))
        standing = _standing_at(path)
        directory = path.is_dir()
    except (OSError, ValueError) as exc:
        raise InvalidArgument(
            f"path must name a file, but {_shown(path)} cannot: {_why(exc)}."
        ) from exc
    if directory:
        raise InvalidArgument(f"path must name a file, but {path} is a directory.")
    if standing and not (stat.S_ISREG(standing) or stat.S_ISLNK(standing)):
        raise InvalidArgument(f"path must name a file, but {path} is a device, pipe or socket.")


def _standing_at(path: Path) -> int:
    """Return the mode of what stands at a path; 0 where nothing does."""
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return 0


def _shown(path: Path) -> str:
    return str(path) if str(path).isprintable() else repr(str(path))


def _why(exc: OSError | ValueError) -> str:
    return (exc.strerror if isinstance(exc, OSError) else None) or str(exc)


def lock(file: BinaryIO) -> bool:
    """Lock a file until it is closed; False: another has locked it."""
    try:
        if sys.platform == "win32":  # pragma: no cover -- the suite is measured on POSIX
            # Locks are mandatory there: lock a byte that no file has.
            file.seek(2**62)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            file.seek(0)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def is_at(file: BinaryIO, path: Path) -> bool:
    """Tell whether an open file is the one that stands there now."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def sync_directory(path: Path) -> None:
    """Bring what was made, renamed or removed in a directory to the disk."""
    # Directories cannot be opened on Windows, and some file systems cannot flush them; the file is
    # whole under its name all the same.
    with suppress(OSError):
        directory = os.open(path, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def boot_id() -> str | None:
    """Return what changes when the machine starts anew, None where that is not told."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return None
