"""What the part asks of the disk; `test_part.py` has the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports_async._disk import boot_id, check_path
from reports_async._exceptions import InvalidArgument


def test_check_path(tmp_path):
    """A file's directory is made; a directory in its place is refused."""
    check_path(None)
    check_path(tmp_path / "new" / "a.csv")

    assert (tmp_path / "new").is_dir()
    with pytest.raises(InvalidArgument, match="is a directory"):
        check_path(tmp_path / "new")
    (tmp_path / "file").touch()
    with pytest.raises(InvalidArgument, match="must lie in a directory that can be used"):
        check_path(tmp_path / "file" / "a.csv")


def test_no_boot_id(monkeypatch):
    """Where the system does not tell its starts apart, none is told."""

    def refuse(*_args):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", refuse)

    assert boot_id() is None
