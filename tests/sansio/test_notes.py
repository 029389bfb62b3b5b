"""What one process leaves for the next."""

from __future__ import annotations

import json

import pytest

from reports_async._sansio import notes
from reports_async._sansio.ranges import Resume, Take

ADDRESS = "https://files.example.com/a.zip?..."
TAKE = Take(offset=0, total=100, validator='"v1"')


def written(take=TAKE, boot="b-1", **changes):
    note = notes.written(take, address=ADDRESS, request_id="r-1", boot=boot)
    return json.dumps({**json.loads(note), **changes}).encode()


def read(note, *, request_id="r-1", size=50, boot="b-1", checked=True):
    return notes.read(note, request_id=request_id, size=size, boot=boot, checked=checked)


@pytest.mark.parametrize("total", [100, None])
def test_note(total):
    """What was written is read again: how to go on."""
    note = written(Take(offset=0, total=total, validator='"v1"'))

    assert Resume(address=ADDRESS, offset=50, total=total, validator='"v1"') == read(note)


def test_nothing_to_write():
    """A file that nothing proves to be the same is not gone on with."""
    take = Take(offset=0, total=100, validator=None)

    assert notes.written(take, address=ADDRESS, request_id="r-1", boot=None) is None


@pytest.mark.parametrize(
    ("note", "changes"),
    [
        (b"", {}),
        (b"[]", {}),
        (b"{", {}),
        (written(), {"request_id": "r-2"}),
        (written(), {"size": 0}),
        (written(), {"size": 101}),
        (written(address=1), {}),
        (written(validator=None), {}),
        (written(validator='"a"\r\nX: y'), {}),
        (written(total="100"), {}),
    ],
)
def test_unfit_notes(note, changes):
    """A note about something else, or that says nothing, is not followed."""
    assert read(note, **changes) is None


@pytest.mark.parametrize(
    ("then", "now", "goes_on"),
    [("b-1", "b-1", True), ("b-1", "b-2", False), (None, None, False)],
)
def test_power_cut(then, now, goes_on):
    """A file without checksums is not trusted over a start of the machine, an archive is."""
    note = written(boot=then)

    assert goes_on == (read(note, boot=now, checked=False) is not None)
    assert read(note, boot=now) is not None
