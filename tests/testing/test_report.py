"""Tests of the contents of reports: the same every time, of any length, hard to read."""

from __future__ import annotations

import csv
import hashlib
import io
from typing import Any

import pytest

from reports_async.testing._report import BLOCK_ROWS, ReportText, digest


def text(report_type: str = "ITEM_MX", rows: int = 3, **arguments: Any) -> ReportText:
    return ReportText(report_type=report_type, tag="abcd1234", rows=rows, **arguments)


def parsed(report: ReportText) -> list[list[str]]:
    whole = b"".join(report.blocks()).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(whole, newline="")))


def test_item_mx() -> None:
    """
    The Mexican item report has the 22 columns that were seen, and rows that differ.
    """
    header, *rows = parsed(text(rows=2500))

    assert 22 == len(header)
    assert ["ID de la Tienda", "SKU", "Nombre del Producto"] == header[:3]
    assert {22} == {len(row) for row in rows}
    assert [f"MX-abcd1234-{number:08d}" for number in range(2500)] == [row[1] for row in rows]


def test_hard_to_read() -> None:
    """
    Rows hold what breaks careless readers: commas, quotes, both newlines, accents, percent.
    """
    names = "|".join(row[2] for row in parsed(text(rows=11)))

    for sign in (",", '"', "\n", "\r\n", "ñ", "%", ";"):
        assert sign in names


@pytest.mark.parametrize(("report_type", "columns"), [("INVENTORY_MX", 6), ("SOMETHING_NEW", 8)])
def test_other_tables(report_type: str, columns: int) -> None:
    """
    Other types have tables of their own, or the general one.
    """
    assert [columns] * 4 == [len(row) for row in parsed(text(report_type))]


def test_no_rows() -> None:
    """
    A report without rows has its header.
    """
    assert 1 == len(parsed(text(rows=0)))


@pytest.mark.parametrize("rows", [BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 2 * BLOCK_ROWS])
def test_block_borders(rows: int) -> None:
    """
    The number of rows is right whether or not it fills the blocks.
    """
    assert rows + 1 == len(parsed(text(rows=rows)))


def test_columns() -> None:
    """
    Columns that the create body excludes are left out, those that it includes kept, in any case.
    """
    assert "SKU" not in parsed(text(payload={"excludeColumns": ["sku", "precio"]}))[0]
    assert [["Precio", "MSI elegible"], ["19.00", "No"]] == parsed(
        text(rows=1, payload={"includeColumns": ["PRECIO", "MSI Elegible"]})
    )


def test_byte_order_mark() -> None:
    """
    A byte order mark comes first where the rules want one.
    """
    plain, marked = (b"".join(text(bom=bom).blocks()) for bom in (False, True))

    assert b"\xef\xbb\xbf" + plain == marked


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n"])
def test_own_content(content: bytes) -> None:
    """
    A test may bring its own CSV, even an empty one.
    """
    assert content == b"".join(text(content=content).blocks())


def test_digest() -> None:
    """
    The digest is the SHA-256 of the blocks, which are the same every time.
    """
    report = text(rows=2000)
    whole = b"".join(report.blocks())

    assert whole == b"".join(report.blocks()) == b"".join(text(rows=2000).blocks())
    assert hashlib.sha256(whole).hexdigest() == digest(report)
