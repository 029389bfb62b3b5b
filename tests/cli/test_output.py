"""Where the output goes: letters that it cannot hold, and disks that are full."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

FULL = Path("/dev/full")


@pytest.mark.parametrize("as_json", [False, True])
def test_letters_that_the_encoding_lacks(start, monkeypatch, tmp_path, as_json):
    """
    A directory's name in letters that stdout's encoding lacks costs no report, and no word of it.
    """
    monkeypatch.setenv("PYTHONIOENCODING", "koi8-r")
    where = tmp_path / "Łódź"
    options = ["--json"] if as_json else []
    process = start("fetch", "ITEM", "INVENTORY", "--directory", str(where), *options)
    stdout, stderr = process.communicate(timeout=60)

    assert 0 == process.returncode, stderr
    if as_json:
        shown = [json.loads(line) for line in stdout.splitlines()]
        paths = {one["path"] for one in shown if one.get("path")}
    else:
        paths = {line.encode("ascii").decode("unicode_escape") for line in stdout.splitlines()}
    assert {str(path) for path in where.iterdir()} == paths
    assert 2 == len(paths)


@pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")
@pytest.mark.parametrize("arguments", [["jobs", "--help"], ["quota", "ITEM"]])
def test_a_disk_that_is_full(start, arguments):
    """
    Who only asks, and cannot be answered, is told in one line.
    """
    with FULL.open("wb") as full:
        process = start(*arguments, stdout=full)
        _, stderr = process.communicate(timeout=60)

    assert 1 == process.returncode
    assert "Error: The output cannot be written: No space left on device.\n" == stderr
