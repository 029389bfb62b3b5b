"""
A `JobRecord` as text, for the stores that keep it outside the process; and back, with suspicion.

What a database compares (holds, leases) are columns of their own, in the store's terms; the rest
is one JSON object, so that a new field needs no new schema.
"""

from __future__ import annotations

import contextlib
import json
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast, get_args, get_type_hints

from attrs import define, evolve, field

from reports_async._models import JobRecord, JobStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)

COLUMNS: Final = (
    "key",
    "account",
    "report_type",
    "reserved_at",
    "holds_until",
    "owner",
    "lease_until",
)
"""The fields that are not in the JSON object, in the order in which stores keep them."""

_HINTS: Final = get_type_hints(JobRecord)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def to_micros(instant: datetime) -> int:
    """Return an instant as whole microseconds since 1970: exact, and comparable everywhere."""
    return length(instant - _EPOCH)


def length(duration: timedelta) -> int:
    """Return a duration in whole microseconds."""
    return duration // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the instant of `to_micros`."""
    return _EPOCH + micros * _MICROSECOND


def shifted(record: JobRecord, by: timedelta) -> JobRecord:
    """Return a record whose hold and lease are told by another clock, ahead *by* that much."""
    holds, lease = record.holds_until, record.lease_until
    return evolve(
        record,
        holds_until=None if holds is None else holds + by,
        lease_until=None if lease is None else lease + by,
    )


def row(record: JobRecord) -> dict[str, Any]:
    """Return `COLUMNS`, instants as `to_micros`, and the rest as JSON in ``body``."""
    columns = {name: getattr(record, name) for name in COLUMNS}
    rest = {name: getattr(record, name) for name in _HINTS if name not in COLUMNS}
    return {
        name: to_micros(value) if isinstance(value, datetime) else value
        for name, value in columns.items()
    } | {"body": json.dumps(rest, default=datetime.isoformat, separators=(",", ":"))}


def loads(text: str, **columns: Any) -> JobRecord:
    """
    Return the record of a JSON object and its columns.

    Fields that this version does not know are left out: a newer one wrote them. Instants may be
    text or `to_micros`.

    Raises:
        ValueError: It is not a record. The message says what is wrong.
    """
    try:
        values = json.loads(text)
    except (TypeError, OverflowError) as exc:
        raise ValueError(str(exc)) from exc
    if not isinstance(values, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 -- one kind of error for bad text
    known = {**cast("dict[str, Any]", values), **columns}
    try:
        return JobRecord(**{name: _read(name, known[name]) for name in _HINTS if name in known})
    except (TypeError, OverflowError) as exc:
        raise ValueError(str(exc)) from exc


def _read(name: str, value: Any) -> Any:
    hint = _HINTS[name]
    kinds = get_args(hint) or (hint,)
    if isinstance(value, kinds):
        return value
    if isinstance(value, str) and JobStatus in kinds:
        return JobStatus(value)
    if isinstance(value, int) and datetime in kinds:
        return from_micros(value)
    if isinstance(value, str) and datetime in kinds:
        instant = datetime.fromisoformat(value)
        if instant.utcoffset() is not None:
            return instant
    raise ValueError(f"{name} is {value!r}")


@define(eq=False)
class Reader:
    """Reads the rows of one store, and warns of each unreadable one once."""

    place: str
    _warned: set[str] = field(factory=set[str], init=False)

    def record(self, body: Any, *, columns: Mapping[str, Any]) -> JobRecord | None:
        """Return the record; None, after a warning, if it cannot be read."""
        try:
            return loads(body, **columns)
        except ValueError as exc:
            self.warn(columns["key"], exc)
            return None

    def holder(self, body: Any, *, columns: Mapping[str, Any]) -> JobRecord | None:
        """
        Return the record, or what its columns tell: a damaged text still holds its hour.

        None if the columns are damaged too.
        """
        record = self.record(body, columns=columns)
        if record is None:
            with contextlib.suppress(ValueError):
                return loads('{"version":"","filters":null,"foreign":true}', **columns)
        return record

    def warn(self, key: Any, exc: ValueError) -> None:
        """Log, once, that a record is skipped."""
        if key not in self._warned:
            self._warned.add(key)
            logger.warning("Skipped record %r in %s, it cannot be read: %s", key, self.place, exc)
