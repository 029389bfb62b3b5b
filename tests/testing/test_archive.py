"""Tests of the packing: the standard library reads every kind, and the size is known before."""

from __future__ import annotations

import gzip
import io
import itertools
import struct
import zipfile

import pytest

from reports_async.testing._archive import Archive, Measure, measure

BLOCKS = [b"SKU,Precio\r\n", b"A-1,19.00\r\n" * 5000, b"", b"A-2,1.00\r\n"]
WHOLE = b"".join(BLOCKS)


@pytest.mark.parametrize(
    ("descriptor", "zip64"), list(itertools.product([True, False], [True, False]))
)
def test_zip(*, descriptor: bool, zip64: bool) -> None:
    """
    A ZIP of each kind is read by the standard library, and is as long as was said.
    """
    archive = Archive(
        name="Informe.csv",
        measure=measure(BLOCKS, file_format="zip"),
        descriptor=descriptor,
        zip64=zip64,
    )

    body = b"".join(archive.stream(BLOCKS))

    assert archive.size == len(body)
    with zipfile.ZipFile(io.BytesIO(body)) as file:
        assert file.testzip() is None
        assert ["Informe.csv"] == file.namelist()
        assert WHOLE == file.read("Informe.csv")
    # Behind the signature, versions, method, time and CRC stand the two sizes.
    crc, packed, size = struct.unpack_from("<3L", body, 14)
    large = 0xFFFFFFFF
    expected = (
        (large, large)
        if zip64
        else (0, 0)
        if descriptor
        else (archive.measure.deflated, len(WHOLE))
    )
    assert expected == (packed, size)
    assert descriptor == (crc == 0)


def test_gzip() -> None:
    """
    A gzip file is read by the standard library, and is as long as was said.
    """
    archive = Archive(name="x", measure=measure(BLOCKS, file_format="gzip"), file_format="gzip")
    body = b"".join(archive.stream(BLOCKS))

    assert WHOLE == gzip.decompress(body)
    assert archive.size == len(body)


def test_plain() -> None:
    """
    A plain file is the CSV itself, in pieces that are never empty.
    """
    archive = Archive(name="x", measure=measure(BLOCKS, file_format="plain"), file_format="plain")
    pieces = list(archive.stream(BLOCKS))

    assert WHOLE == b"".join(pieces)
    assert b"" not in pieces
    assert archive.size == len(WHOLE)


def test_four_gigabytes() -> None:
    """
    A report of more than 4 GiB uses the large records by itself.
    """
    huge = Archive(name="x.csv", measure=Measure(size=5 * 2**30, crc=1, deflated=2**20))
    same = Archive(name="x.csv", measure=huge.measure, zip64=True)

    assert same.size == huge.size
