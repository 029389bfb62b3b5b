"""CSV rows with longer fields than the `csv` module takes."""

from __future__ import annotations

import csv

import pytest

from reports_async._rows import LONGEST, split


@pytest.mark.parametrize("length", [200_000, LONGEST])
def test_long_field(length):
    """A long description is a field like any other."""
    text = "x" * length

    assert [["SKU", "Nombre"], ["1", text]] == list(split(["SKU,Nombre\n", f'1,"{text}"\n']))


def test_open_quote():
    """A quote that is never closed is an error, not the rest of the file in memory."""
    lines = ['1,"a\n', *["x" * 1024 * 1024] * 17]
    rows = split(iter(lines))

    with pytest.raises(csv.Error, match="larger than field limit"):
        next(rows)


def test_limit_of_others():
    """The limit that others have set for the process is neither used nor changed."""
    before = csv.field_size_limit(10)
    try:
        assert [["x" * 200]] == list(split(["x" * 200]))
        with pytest.raises(csv.Error):
            next(csv.reader(["x" * 200]))
    finally:
        assert 10 == csv.field_size_limit(before)
