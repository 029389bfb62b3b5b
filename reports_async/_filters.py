"""
What a report shall contain: row filters, columns and dates, as values.

How they are written on the wire is decided in `_sansio.endpoints`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from attrs import field, frozen

from ._exceptions import InvalidArgument
from ._validation import (
    as_strings,
    as_utc,
    checked_instant,
    checked_optional_text,
    checked_strings,
    checked_text,
    one_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from attrs import Attribute

GRANULARITIES = ("DAILY", "WEEKLY", "MONTHLY", "QUARTERLY")


def _not_empty(_instance: Any, attribute: Attribute[Any], value: tuple[str, ...]) -> None:
    if not value:
        raise InvalidArgument(f"{attribute.name} must name at least one value.")


@frozen
class EnumFilter:
    """Keep the rows whose column has one of the values."""

    column: str = field(validator=checked_text)
    values: tuple[str, ...] = field(converter=as_strings, validator=[checked_strings, _not_empty])


@frozen
class MultiValueFilter:
    """Keep the rows whose multi-value column has one of the values."""

    column: str = field(validator=checked_text)
    values: tuple[str, ...] = field(converter=as_strings, validator=[checked_strings, _not_empty])


@frozen
class RangeFilter:
    """Keep the rows whose column lies between the bounds; at least one bound is needed."""

    column: str = field(validator=checked_text)
    start: str | None = field(default=None, kw_only=True, validator=checked_optional_text)
    end: str | None = field(default=None, kw_only=True, validator=checked_optional_text)

    def __attrs_post_init__(self) -> None:
        if self.start is None and self.end is None:
            raise InvalidArgument("RangeFilter needs start, end or both.")


RowFilter = EnumFilter | RangeFilter | MultiValueFilter
"""The kinds of row filter that the API knows."""


def _as_rows(values: Iterable[RowFilter]) -> tuple[RowFilter, ...]:
    try:
        return tuple(values)
    except TypeError:  # a single filter, perhaps: refused by name below
        return cast("tuple[RowFilter, ...]", values)


def _checked_rows(_instance: Any, attribute: Attribute[Any], values: tuple[object, ...]) -> None:
    if isinstance(values, tuple):  # pyright: ignore[reportUnnecessaryIsInstance]  # see `_as_rows`
        values = tuple(row for row in values if not isinstance(row, RowFilter))
        if not values:
            return
    raise InvalidArgument(
        f"{attribute.name} must be a list of EnumFilter, RangeFilter or MultiValueFilter values, "
        f"not {values!r}."
    )


@frozen(kw_only=True)
class Filters:
    """
    What a report shall contain. Nothing given means everything.

    Args:
        rows: Row filters; a row must pass all of them.
        exclude_columns: Columns to leave out (marketplaces).
        include_columns: Columns to keep (suppliers only).
        data_start: First instant of the data, for the types that have dates.
        data_end: Last instant of the data; together with *data_start* or not at all.
        granularity: DAILY, WEEKLY, MONTHLY or QUARTERLY (ITEM_PERFORMANCE v3).
    """

    rows: tuple[RowFilter, ...] = field(default=(), converter=_as_rows, validator=_checked_rows)
    exclude_columns: tuple[str, ...] = field(
        default=(), converter=as_strings, validator=checked_strings
    )
    include_columns: tuple[str, ...] = field(
        default=(), converter=as_strings, validator=checked_strings
    )
    data_start: datetime | None = field(default=None, converter=as_utc, validator=checked_instant)
    data_end: datetime | None = field(default=None, converter=as_utc, validator=checked_instant)
    granularity: Literal["DAILY", "WEEKLY", "MONTHLY", "QUARTERLY"] | None = None

    def __attrs_post_init__(self) -> None:
        # INVALID_REQUEST_PARAM, "start or end date missing": the API wants both or none.
        if (self.data_start is None) != (self.data_end is None):
            raise InvalidArgument("data_start and data_end must be given together.")
        if self.data_start and self.data_end and self.data_end < self.data_start:
            raise InvalidArgument("data_end must not be before data_start.")
        if self.granularity is not None:
            one_of(self.granularity, GRANULARITIES, name="granularity")
