"""The unfinished file beside a target."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import shutil
import stat
import subprocess
import sys
import threading
import zipfile

import pytest

from reports_async import _disk, _part
from reports_async._disk import check_directory, explain
from reports_async._exceptions import BadArchive, InvalidArgument
from reports_async._part import Discarded, Left, Part


@pytest.fixture
def target(tmp_path):
    return tmp_path / "reports" / "ITEM_MX_v1_1.csv"


@pytest.fixture
def part(target):
    part = Part(target)
    yield part
    part.discard()


def publish(part):
    return part.publish(check=lambda: None).size


def two_files(content):
    """Return an archive whose first file is not the report: it is unpacked when it is whole."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("readme.txt", "about the report")
        archive.writestr("report.csv", content)
    return file.getvalue()


def names(target):
    return sorted(path.name for path in target.parent.iterdir())


def test_life(part, target):
    """A part is made beside its target, readable for its owner only, and becomes it."""
    assert "<Part ITEM_MX_v1_1.csv.part not taken>" == repr(part)
    assert part.existing() is None
    assert part.take()
    part.append([b"SKU\n", b"A1\n"])

    assert "<Part ITEM_MX_v1_1.csv.part 7 bytes>" == repr(part)
    assert ["ITEM_MX_v1_1.csv.part"] == names(target)
    assert 0o600 == stat.S_IMODE(part.path.stat().st_mode)

    assert 7 == publish(part) == part.existing().size
    assert b"SKU\nA1\n" == target.read_bytes()
    assert ["ITEM_MX_v1_1.csv"] == names(target)
    assert not part.taken


def test_leftovers(part, target):
    """What a killed process left is written over, never trusted."""
    target.parent.mkdir()
    part.path.write_bytes(b"x" * 1000)
    target.with_name(target.name + ".unpacked.part").write_bytes(b"y" * 1000)

    assert part.take()
    part.append([gzip.compress(b"SKU\n", mtime=0)])

    assert 4 == publish(part)
    assert b"SKU\n" == target.read_bytes()
    assert ["ITEM_MX_v1_1.csv"] == names(target)


@pytest.mark.parametrize("unpacks", [True, False])
@pytest.mark.parametrize("seen", [True, False], ids=["seen from the start", "gone on with"])
@pytest.mark.parametrize(
    "body",
    [
        two_files(b"SKU\n"),
        gzip.compress(b"SKU\n", mtime=0),
        b"SKU\n",
        gzip.compress(gzip.compress(b"SKU\n"), mtime=0),
    ],
    ids=["zip", "gzip", "plain", "layers"],
)
def test_kept(target, unpacks, seen, body):
    """What is kept is the report, or the archive as it came, and its digest is told."""
    if not seen:
        target.parent.mkdir()
        target.with_name(target.name + ".part").write_bytes(body[:4])
        target.with_name(target.name + ".part.json").write_bytes(b"a note")
    part = Part(target, unpacks=unpacks, sha256=True)
    part.take()
    part.append([body[part.size :]])
    saved = part.publish(check=lambda: None)

    kept = b"SKU\n" if unpacks else body
    assert kept == target.read_bytes()
    assert (len(kept), hashlib.sha256(kept).hexdigest()) == (saved.size, saved.sha256)
    assert saved == Part(target, unpacks=unpacks, sha256=True).existing()
    assert saved.mark != Part(target, unpacks=not unpacks).existing().mark
    assert [target.name] == names(target)


def test_damaged_archive_is_not_kept(target):
    """An archive that is kept as it came was checked all the same."""
    body = bytearray(gzip.compress(b"SKU\n", mtime=0))
    body[-1] ^= 1
    part = Part(target, unpacks=False)
    part.take()
    part.append([bytes(body)])

    with pytest.raises(BadArchive, match="damaged"):
        part.publish(check=lambda: None)
    part.discard()
    assert [] == names(target)


def test_note(target):
    """A process that is killed leaves what it had, and a note; the next one finds both."""
    target.parent.mkdir()
    target.with_name(target.name + ".part").write_bytes(gzip.compress(b"SKU\n", mtime=0)[:9])
    target.with_name(target.name + ".part.json").write_bytes(b"a note")
    part = Part(target)
    part.take()

    assert (9, Left(note=b"a note", checked=True)) == (part.size, part.remembered())
    part.append([gzip.compress(b"SKU\n", mtime=0)[9:]])
    assert 4 == publish(part)
    assert b"SKU\n" == target.read_bytes()
    assert [target.name] == names(target)


@pytest.mark.parametrize("content", [b"P", b"SKU\nA1\n"])
def test_note_on_a_plain_file(target, content):
    """What is no archive has no checksums."""
    target.parent.mkdir()
    target.with_name(target.name + ".part").write_bytes(content)
    target.with_name(target.name + ".part.json").write_bytes(b"a note")
    part = Part(target)
    part.take()

    assert Left(note=b"a note", checked=False) == part.remembered()
    part.discard()


def test_new_note(part, target):
    """A note is written over the old one, and is gone before the file begins anew."""
    part.take()
    assert part.remembered() is None
    part.remember(b"one")
    part.remember(b"two")
    part.append([b"SKU\n"])
    assert b"two" == target.with_name(target.name + ".part.json").read_bytes()
    part.restart()

    assert [target.name + ".part"] == names(target)


def test_receive(part, target):
    """A thread writes what comes until the time is over, or the end of it."""
    pieces = [b"SKU\n", b"A1\n", b"A2\n", b""]

    def read(buffer):
        piece = pieces.pop(0)
        buffer[: len(piece)] = piece
        return len(piece)

    part.take()
    assert part.receive(read, seconds=0)
    assert 4 == part.size
    assert not part.receive(read, seconds=60)
    assert 10 == publish(part)
    assert b"SKU\nA1\nA2\n" == target.read_bytes()


def test_sweep(part, target):
    """What a process left that died before tidying up is removed when its file is found."""
    target.parent.mkdir()
    target.write_bytes(b"SKU\n")
    part.path.write_bytes(b"x" * 1000)
    target.with_name(target.name + ".unpacked.part").write_bytes(b"y" * 1000)

    assert 4 == part.claim(reuse=True).size
    assert ["ITEM_MX_v1_1.csv"] == names(target)


def test_no_sweep(part, target):
    """What another process works on is left alone, though its file is there already."""
    target.parent.mkdir()
    target.write_bytes(b"SKU\n")
    other = Part(target)
    other.take()

    assert 4 == part.claim(reuse=True).size
    assert ["ITEM_MX_v1_1.csv", "ITEM_MX_v1_1.csv.part"] == names(target)
    other.discard()


def test_restart(part, target):
    """A restarted part holds nothing of what came before."""
    part.take()
    part.append([b"a long beginning"])
    part.restart()
    part.append([b"SKU\n"])

    assert 4 == part.size == publish(part)
    assert b"SKU\n" == target.read_bytes()


def test_layers(part, target):
    """A host's own gzip around the archive is taken off as well."""
    part.take()
    part.append([gzip.compress(gzip.compress(b"SKU\n"), mtime=0)])

    assert 4 == publish(part)
    assert b"SKU\n" == target.read_bytes()
    assert ["ITEM_MX_v1_1.csv"] == names(target)


@pytest.mark.parametrize("body", [b"<html>", gzip.compress(b"<html>", mtime=0)])
def test_page(part, target, body):
    """A page is refused, packed or not, and nothing stays once the part is discarded."""
    part.take()
    part.append([body])

    with pytest.raises(BadArchive, match="HTML page"):
        publish(part)
    part.discard()

    assert [] == names(target)


def test_empty_body(part):
    """No bytes at all are not a report."""
    part.take()

    with pytest.raises(BadArchive, match="The body is empty"):
        publish(part)


def test_lock(part, target):
    """One at a time: the second gets the file when the first has let go of it."""
    second = Part(target)

    assert part.take()
    assert not second.take()
    part.discard()
    assert second.take()
    part.discard()
    assert ["ITEM_MX_v1_1.csv.part"] == names(target)
    second.discard()
    assert [] == names(target)


HOLDER = """
import pathlib, sys
from reports_async._part import Part
part = Part(pathlib.Path(sys.argv[1]))
print(part.take(), flush=True)
sys.stdin.read()
"""


def test_other_process(part, target):
    """The lock holds between processes, and dies with its process."""
    command = [sys.executable, "-c", HOLDER, str(target)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        assert b"True" == process.stdout.readline().strip()
        assert not part.take()
        process.kill()
        process.wait()
    assert ["ITEM_MX_v1_1.csv.part"] == names(target)
    assert part.take()


def test_directory_taken_away(part, target):
    """A directory that is removed before the file is published is an error of the disk."""
    part.take()
    part.append([gzip.compress(b"SKU\n", mtime=0)])
    shutil.rmtree(target.parent)

    with pytest.raises(FileNotFoundError):
        publish(part)


@pytest.mark.parametrize("again", [True, False])
def test_lost_race(part, target, monkeypatch, again):
    """A file that its holder removed before our lock came through is not ours: we look again."""
    lock = _part.lock

    def late(file):
        monkeypatch.setattr(_part, "lock", lock)
        part.path.unlink()
        if again:
            part.path.touch()
        return lock(file)

    monkeypatch.setattr(_part, "lock", late)

    assert part.take()
    part.append([b"SKU\n"])
    assert 4 == publish(part)


def test_next_holder(part, target):
    """What another makes after our file got its real name is left alone."""
    part.take()
    part.append([b"SKU\n"])
    part.path.rename(target)
    part.path.write_bytes(b"another's")
    part.discard()

    assert ["ITEM_MX_v1_1.csv", "ITEM_MX_v1_1.csv.part"] == names(target)


def test_discarded(part, target):
    """After it is discarded nothing is written any more."""
    part.take()
    part.append([b"SKU\n"])
    part.discard()

    assert [] == names(target)
    for work in (part.take, part.restart, lambda: part.append([b"x"]), lambda: publish(part)):
        with pytest.raises(Discarded):
            work()


def test_discard_while_it_works(part, target):
    """Discarding stops a thread at its next block, and waits until it has stopped."""
    part.take()
    part.append([two_files(b"SKU\n" * 1024 * 1024)])
    working, outcome = threading.Event(), []

    def check():
        working.set()
        # The flag of `discard`: what a slow disk would take, this test waits for.
        assert part._stopped.wait(10)

    def work():
        try:
            part.publish(check=check)
        except Discarded:
            outcome.append("stopped")

    thread = threading.Thread(target=work)
    thread.start()
    assert working.wait(10)
    part.discard()

    assert [] == names(target)
    thread.join()
    assert ["stopped"] == outcome


def test_directory_in_the_way(part, target):
    """A directory in the target's place is an error, not a file that is there."""
    target.mkdir(parents=True)

    with pytest.raises(IsADirectoryError):
        part.existing()


def test_link_in_the_way(part, target, tmp_path):
    """A symbolic link in the part's place leads nowhere."""
    target.parent.mkdir()
    part.path.symlink_to(tmp_path / "victim")

    with pytest.raises(OSError) as excinfo:
        part.take()
    assert errno.ELOOP == excinfo.value.errno
    assert not (tmp_path / "victim").exists()


def test_directory_that_cannot_be_synced(part, target, monkeypatch):
    """A file system that cannot flush a directory keeps nobody from a whole file."""
    fsync = os.fsync

    def refuse(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    part.take()
    part.append([b"SKU\n"])
    monkeypatch.setattr(os, "fsync", refuse)

    assert 4 == publish(part)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space"), "The disk is full: free some space."),
        (OSError(errno.EACCES, "Denied"), "not allowed to write there: change the permissions."),
        (OSError(errno.ENOENT, "Nothing"), "was removed: make it again."),
        (OSError(errno.EIO, "Input/output error"), "Input/output error."),
        (OSError("odd"), "OSError."),
    ],
)
def test_told(error, expected, target):
    """A disk error says which file, where, and what to do."""
    message = explain(error, target=target)

    assert message.startswith(f"ITEM_MX_v1_1.csv could not be written in {target.parent}. ")
    assert message.endswith(expected)


def test_check_directory(tmp_path):
    """A directory is made when it is missing, and left as it is when it is there."""
    check_directory(tmp_path / "a" / "b")
    check_directory(tmp_path / "a" / "b")

    assert [] == list((tmp_path / "a" / "b").iterdir())


def test_no_directory(tmp_path):
    """A file is no directory, and nothing can be made in it."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InvalidArgument, match=f"directory must be .*but {path} is not"):
            check_directory(path)


def test_directory_without_writing(tmp_path, monkeypatch):
    """A directory that nothing can be written into is refused."""

    def refuse(**_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(_disk.tempfile, "TemporaryFile", refuse)

    with pytest.raises(InvalidArgument, match=r"is not: Read-only file system\."):
        check_directory(tmp_path)
