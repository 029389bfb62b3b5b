"""Records as text and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reports_async._models import JobRecord, JobStatus
from reports_async.stores import _codec

NOW = datetime(2026, 11, 23, 12, 0, 0, 123457, tzinfo=UTC)

COLUMNS = {"key": "a", "account": "acme", "report_type": "ITEM_MX", "reserved_at": NOW}

FULL = JobRecord(
    **COLUMNS,
    version="v1",
    filters=None,
    status=JobStatus.SAVED,
    holds_until=NOW,
    owner="me",
    lease_until=NOW,
    sent_at=NOW,
    request_id="R1",
    submitted_at=NOW,
    received_at=NOW,
    generated_at=NOW,
    path="/reports/á.csv",
    error="\ud800 broken\n",
    foreign=True,
    list_refused_at=NOW,
    others_took='{"ITEM":{"R0":[900,1764000000]}}',
)


@pytest.mark.parametrize("record", [FULL, JobRecord(**COLUMNS, version="v1")], ids=["full", "bare"])
def test_round_trip(record: JobRecord) -> None:
    """A record comes back equal from its row, to the microsecond."""
    row = _codec.row(record)

    assert [*_codec.COLUMNS, "body"] == list(row)
    assert record == _codec.loads(row.pop("body"), **row)


@pytest.mark.parametrize("year", [1, 1969, 2026, 9999])
def test_micros(year: int) -> None:
    """An instant of any year survives as microseconds."""
    instant = NOW.replace(year=year)

    assert instant == _codec.from_micros(_codec.to_micros(instant))


def test_fields_of_a_newer_version_are_left_out() -> None:
    """A field that this version does not know is no reason to refuse the record."""
    record = _codec.loads('{"version":"v1","invented":"tomorrow"}', **COLUMNS)

    assert JobRecord(**COLUMNS, version="v1") == record


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("{", {}, "Expecting property name"),
        ("[]", {}, "not a JSON object"),
        (None, {}, "the JSON object must be str"),
        ("{}", {}, "missing 1 required .* 'version'"),
        ('{"version":1}', {}, "version is 1"),
        ('{"version":"v1","foreign":"no"}', {}, "foreign is 'no'"),
        ('{"version":"v1","status":"LOST"}', {}, "'LOST' is not a valid JobStatus"),
        ('{"version":"v1","sent_at":"soon"}', {}, "Invalid isoformat"),
        ('{"version":"v1","sent_at":"2026-11-23T12:00:00"}', {}, "sent_at is '2026"),
        ('{"version":"v1"}', {"reserved_at": None}, "reserved_at is None"),
        ('{"version":"v1"}', {"reserved_at": 10**30}, "too large"),
        ('{"version":"v1"}', {"reserved_at": 10**18}, "out of range"),
    ],
)
def test_damage_is_told(text: Any, columns: dict[str, Any], message: str) -> None:
    """What is not a record is refused with the reason."""
    with pytest.raises(ValueError, match=message):
        _codec.loads(text, **{**COLUMNS, **columns})


def test_reader_warns_once(caplog: pytest.LogCaptureFixture) -> None:
    """An unreadable record is warned of once, however often it is met."""
    reader = _codec.Reader("the attic")

    assert reader.record("?", columns=COLUMNS) is None
    assert reader.record("?", columns=COLUMNS) is None

    (message,) = caplog.messages
    assert message.startswith("Skipped record 'a' in the attic, it cannot be read: Expecting value")


def test_unreadable_holder_still_holds() -> None:
    """Where only the text is damaged, the columns still say who holds the hour, and till when."""
    reader = _codec.Reader("the attic")

    holder = reader.holder("?", columns={**COLUMNS, "holds_until": _codec.to_micros(NOW)})
    lost = reader.holder("?", columns={**COLUMNS, "reserved_at": "yesterday"})

    expected = JobRecord(**COLUMNS, version="", filters=None, foreign=True, holds_until=NOW)
    assert expected == holder
    assert lost is None


def test_shifted() -> None:
    """Another clock tells holds and leases, and nothing else, by its own time."""
    hour = timedelta(hours=1)

    moved = _codec.shifted(FULL, hour)

    assert (NOW + hour, NOW + hour, NOW) == (
        moved.holds_until,
        moved.lease_until,
        moved.reserved_at,
    )
    assert FULL == _codec.shifted(moved, -hour)
    bare = JobRecord(**COLUMNS, version="v1")
    assert bare == _codec.shifted(bare, hour)
