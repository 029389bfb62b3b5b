"""The values that users hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

from reports_async._exceptions import InvalidArgument
from reports_async._filters import Filters
from reports_async._models import (
    DownloadLink,
    JobRecord,
    JobStatus,
    Report,
    ReportRequest,
    ReportSpec,
    RequestStatus,
    Row,
    Timeouts,
)

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_statuses_are_strings() -> None:
    """A status prints and compares as the API's own word."""
    assert "READY" == RequestStatus.READY == str(RequestStatus.READY)
    assert "TIMED_OUT" == JobStatus.TIMED_OUT == f"{JobStatus.TIMED_OUT}"


def test_timeouts() -> None:
    """Generation has 90 minutes by default, the hour no limit."""
    default = Timeouts()

    assert (None, 5400.0, 30.0, 7200.0, 60.0) == (
        default.quota,
        default.generation,
        default.call,
        default.link,
        default.stall,
    )


def test_timeouts_in_any_unit() -> None:
    """A limit is seconds or a timedelta, None for none; zero is a limit."""
    limits = Timeouts(quota=0, generation=timedelta(hours=2), call=None, link=1.5, stall=5)

    assert (0.0, 7200.0, None, 1.5, 5.0) == (
        limits.quota,
        limits.generation,
        limits.call,
        limits.link,
        limits.stall,
    )


@pytest.mark.parametrize("name", ["quota", "generation", "call", "link", "stall"])
@pytest.mark.parametrize("value", [-1, timedelta(seconds=-1), "60", True, float("inf")])
def test_bad_timeouts(name: str, value: Any) -> None:
    """What is no duration is refused by name."""
    with pytest.raises(InvalidArgument, match=name):
        Timeouts(**{name: value})


def test_spec() -> None:
    """A spec is a type and defaults."""
    spec = ReportSpec("ITEM_MX")

    assert ("ITEM_MX", None, None, None) == (
        spec.report_type,
        spec.version,
        spec.filters,
        spec.max_age,
    )
    assert ("wait", False, None) == (spec.on_limit, spec.fresh, spec.path)


def test_spec_with_everything() -> None:
    """Ages become seconds, and paths Paths."""
    spec = ReportSpec(
        "ITEM",
        version="v4",
        filters=Filters(),
        max_age=timedelta(hours=1),
        on_limit="reuse",
        fresh=True,
        path="reports/item.csv",
    )

    assert (3600.0, Path("reports/item.csv")) == (spec.max_age, spec.path)
    assert Path("a.csv") == ReportSpec("ITEM", path=Path("a.csv")).path


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"report_type": ""}, "report_type"),
        ({"report_type": "ITEM MX"}, "report_type"),
        ({"report_type": None}, "report_type"),
        ({"version": " "}, "version"),
        ({"filters": {"rows": []}}, "filters must be a Filters value"),
        ({"max_age": -1}, "max_age"),
        ({"on_limit": "sleep"}, "on_limit must be one of wait, raise, reuse"),
        ({"path": ""}, "path must name a file"),
        ({"path": 5}, "path must name a file"),
        ({"path": b"a.csv"}, "path must name a file"),
    ],
)
def test_bad_spec(arguments: dict[str, Any], rule: str) -> None:
    """An argument that breaks a rule is refused by name, before anything is sent."""
    with pytest.raises(InvalidArgument, match=rule):
        ReportSpec(**{"report_type": "ITEM_MX", **arguments})


def test_request_expires_in_thirty_days() -> None:
    """A request is kept for 30 days from its submission, by the server's clock."""
    request = ReportRequest(
        request_id="id-1", status=RequestStatus.READY, raw_status="READY", submitted_at=AT
    )

    assert datetime(2026, 3, 31, 12, tzinfo=UTC) == request.expires_at
    assert evolve(request, submitted_at=None).expires_at is None


def test_requests_are_values() -> None:
    """A request can be compared and put into a set, whatever its payload is."""
    request = ReportRequest(
        request_id="id-1", status=RequestStatus.READY, raw_status="READY", payload={"a": []}
    )

    assert request == evolve(request)
    assert 1 == len({request, evolve(request)})


def test_link_keeps_its_signature() -> None:
    """Neither repr nor str of a link tells the signature."""
    link = DownloadLink(url="https://files.example/a.zip?sig=SECRET", expires_at=AT)

    assert "https://files.example/a.zip?..." == str(link)
    assert "SECRET" not in repr(link)
    assert "SECRET" not in f"{link}"


def report_with(path: Path, content: bytes) -> Report:
    """Return a report whose file has this content."""
    path.write_bytes(content)
    return Report(
        path=path,
        report_type="ITEM_MX",
        version="v1",
        request_id="id-1",
        submitted_at=AT,
        generated_at=None,
        expires_at=AT + timedelta(days=30),
        size=len(content),
    )


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"", []),
        (b"SKU,Precio\r\n", []),
        (b"SKU,Precio\r\n1,2.50\r\n", [{"SKU": "1", "Precio": "2.50"}]),
        (b"\xef\xbb\xbfSKU\n1\n", [{"SKU": "1"}]),
        (
            b'SKU,Nombre\n1,"two\r\nlines, ""quoted"""\n',
            [{"SKU": "1", "Nombre": 'two\r\nlines, "quoted"'}],
        ),
        ("SKU,Categoría\n1,Niños\n".encode(), [{"SKU": "1", "Categoría": "Niños"}]),
        (b"SKU,Precio\n1\n", [{"SKU": "1", "Precio": ""}]),
        (b"SKU\n1,surplus\n", [{"SKU": "1"}]),
        (b"SKU\n\n1\n\n", [{"SKU": "1"}]),
        (b"\xef\xbb\xbf\r\n\nSKU,Sku,SKU\n1,2,3\n", [{"SKU": "3", "Sku": "2"}]),
    ],
)
def test_rows(tmp_path: Path, content: bytes, rows: list[dict[str, str]]) -> None:
    """Rows are dictionaries by the header: without byte order mark, whole, never out of step."""
    assert rows == list(report_with(tmp_path / "report.csv", content).rows())


def test_rows_are_read_one_by_one(tmp_path: Path) -> None:
    """Rows come as they are asked for, from the start each time."""
    report = report_with(tmp_path / "report.csv", b"SKU\n" + b"1\n" * 100_000)
    rows = report.rows()

    assert {"SKU": "1"} == next(rows)
    assert 100_000 == sum(1 for _ in report.rows())
    rows.close()  # type: ignore[attr-defined]  # a generator is an iterator that can be closed


def test_bytes_that_are_not_utf_8(tmp_path: Path) -> None:
    """A file in another encoding is not guessed at: what came before it is told, then an error."""
    rows = report_with(tmp_path / "report.csv", b"SKU\n" + b"1\n" * 10_000 + b"Se\xf1or\n").rows()

    assert {"SKU": "1"} == next(rows)
    with pytest.raises(UnicodeDecodeError):
        list(rows)


def test_values_are_frozen() -> None:
    """A value stays as it is."""
    with pytest.raises(FrozenInstanceError):
        Timeouts().call = 1.0  # type: ignore[misc]  # that is the point


def test_record() -> None:
    """A record begins as a reservation without filters."""
    record = JobRecord(key="k", account="a", report_type="ITEM_MX", version="v1", reserved_at=AT)

    assert (JobStatus.RESERVED, "{}", None, None) == (
        record.status,
        record.filters,
        record.sent_at,
        record.request_id,
    )


def test_columns_without_regard_to_case(tmp_path):
    """Columns are looked up by any spelling; the file's own comes first, and is what is listed."""
    [row] = report_with(tmp_path / "report.csv", "SKU,Sku,Año\nA1,A2,2025\n".encode()).rows()

    assert ("A1", "A2", "A1", "2025") == (row["SKU"], row["Sku"], row["sku"], row["AÑO"])
    assert ("2025", None, "-") == (row.get("año"), row.get("price"), row.get("price", "-"))
    assert "sku" in row
    assert "price" not in row
    assert 1 not in row
    assert {"SKU": "A1", "Sku": "A2", "Año": "2025"} == row
    with pytest.raises(KeyError, match="price"):
        row["price"]


@given(
    st.lists(st.text("aAbBßSsÉé\u0130\u0131\u017f", min_size=1), min_size=1, unique_by=str.casefold)
)
def test_columns_in_any_case(names):
    """A column is found by its name in upper, lower and any case, and only by that."""
    row = Row(zip(names, map(str, range(len(names))), strict=True))

    for number, name in enumerate(names):
        for said in (name, name.casefold(), name.swapcase()):
            if said.casefold() == name.casefold():
                assert (True, str(number)) == (said in row, row[said])
    assert "/" not in row
