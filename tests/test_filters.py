"""Filters are values that cannot be wrong in ways that the API would refuse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from reports_async._exceptions import InvalidArgument
from reports_async._filters import EnumFilter, Filters, MultiValueFilter, RangeFilter

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_no_filters() -> None:
    """Nothing given means everything."""
    empty = Filters()

    assert ((), (), ()) == (empty.rows, empty.exclude_columns, empty.include_columns)
    assert (None, None, None) == (empty.data_start, empty.data_end, empty.granularity)


def test_lists_become_tuples() -> None:
    """Any iterable will do; a filter is a value and can be compared and hashed."""
    one = Filters(
        rows=[EnumFilter("Status", ["A", "B"])],
        exclude_columns=iter(["SKU"]),
        include_columns=("Price",),
    )
    other = Filters(
        rows=(EnumFilter("Status", ("A", "B")),),
        exclude_columns=["SKU"],
        include_columns=["Price"],
    )

    assert one == other
    assert hash(one) == hash(other)


def test_dates_are_utc() -> None:
    """Dates of the data are kept in UTC."""
    there = AT.astimezone(timezone(timedelta(hours=-6)))
    filters = Filters(data_start=there, data_end=there, granularity="WEEKLY")

    assert (AT, UTC) == (filters.data_start, filters.data_start and filters.data_start.tzinfo)
    assert "WEEKLY" == filters.granularity


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"data_start": AT}, "data_start and data_end must be given together"),
        ({"data_end": AT}, "data_start and data_end must be given together"),
        (
            {"data_start": AT, "data_end": AT - timedelta(seconds=1)},
            "data_end must not be before data_start",
        ),
        ({"data_start": datetime(2026, 3, 1)}, "data_start must be timezone-aware"),  # noqa: DTZ001 -- that is the point
        ({"granularity": "YEARLY"}, "granularity must be one of DAILY, WEEKLY, MONTHLY, QUARTERLY"),
        ({"exclude_columns": "SKU"}, "exclude_columns must be a list of strings"),
        ({"include_columns": ["SKU", ""]}, "include_columns must not be empty or blank"),
        ({"include_columns": ["caf\udce9"]}, "include_columns must be text that can be sent"),
        ({"rows": ["Status"]}, "rows must be a list of EnumFilter"),
        ({"rows": EnumFilter("Status", ["A"])}, "rows must be a list of EnumFilter"),
        ({"rows": None}, "rows must be a list of EnumFilter"),
    ],
)
def test_bad_filters(arguments: dict[str, Any], rule: str) -> None:
    """What the API would refuse is refused here, by name."""
    with pytest.raises(InvalidArgument, match=rule):
        Filters(**arguments)


@pytest.mark.parametrize("kind", [EnumFilter, MultiValueFilter])
@pytest.mark.parametrize(
    ("column", "values", "rule"),
    [
        (" ", ["A"], "column must not be empty"),
        ("Status", [], "values must name at least one value"),
        ("Status", "A", "values must be a list of strings"),
        ("Status", ["A", None], "values must be text"),
    ],
)
def test_bad_value_filter(kind: type[EnumFilter], column: str, values: Any, rule: str) -> None:
    """A filter by values has a column and at least one value."""
    with pytest.raises(InvalidArgument, match=rule):
        kind(column, values)


def test_range_filter() -> None:
    """A range may be open at one end."""
    assert (None, "5.00") == (
        RangeFilter("Price", end="5.00").start,
        RangeFilter("Price", end="5.00").end,
    )
    assert RangeFilter("Price", start="1") != RangeFilter("Price", end="1")


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({}, "needs start, end or both"),
        ({"start": ""}, "start must not be empty"),
        ({"end": " "}, "end must not be empty"),
        ({"start": 5}, "start must be text"),
    ],
)
def test_bad_range_filter(arguments: dict[str, Any], rule: str) -> None:
    """A range has a bound at least, and bounds are text as the API wants them."""
    with pytest.raises(InvalidArgument, match=rule):
        RangeFilter("Price", **arguments)
