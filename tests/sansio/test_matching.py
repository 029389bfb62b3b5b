"""Which request is the same as which."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve

from reports_async import EnumFilter, Filters, JobStatus, ReportRequest, RequestStatus
from reports_async._models import JobRecord
from reports_async._sansio import matching
from reports_async._sansio.endpoints import create_body

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PAYLOAD = {
    "rowFilters": [{"type": "enumFilter", "columnName": "PublishedStatus", "values": ["PUBLISHED"]}]
}
BODY = create_body(Filters(rows=[EnumFilter("PublishedStatus", ["PUBLISHED"])]))


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


def record(key="a", **changes):
    made = JobRecord(
        key=key,
        account="acme",
        report_type="ITEM_MX",
        version="v1",
        status=JobStatus.RECEIVED,
        reserved_at=ago(60),
        request_id=f"R-{key}",
    )
    return evolve(made, **changes)


def entry(request_id="R1", *, age=60.0, status="RECEIVED", **changes):
    made = ReportRequest(
        request_id=request_id,
        status=RequestStatus(status),
        raw_status=status,
        report_type="ITEM_MX",
        version="v1",
        submitted_at=None if age is None else ago(age),
    )
    return evolve(made, **changes)


def in_flight(*records, filters="{}"):
    return matching.in_flight(records, version="v1", filters=filters, since=ago(5400))


def reusable(*records, filters="{}"):
    return matching.reusable(records, version="v1", filters=filters, since=ago(3600))


def listed(*entries, filters="{}"):
    return matching.listed(entries, version="v1", filters=filters, since=ago(3600))


def made_by(*entries, known=frozenset(), filters="{}"):
    return matching.made_by(entries, known=known, version="v1", filters=filters, sent_at=ago(60))


@pytest.mark.parametrize(
    "status",
    [JobStatus.RESERVED, JobStatus.RECEIVED, JobStatus.INPROGRESS, JobStatus.READY],
)
def test_joined(status):
    """
    A request on its way can be joined, also one that has no id yet or waits to be downloaded.
    """
    found = record(status=status, request_id=None)

    assert found is in_flight(found)


def test_joined_is_the_newest():
    """
    Of several the newest is joined.
    """
    assert "b" == in_flight(record("x", version="v2"), record("b"), record("a")).key


@pytest.mark.parametrize(
    "changes",
    [
        {"status": JobStatus.SAVED},
        {"status": JobStatus.FAILED},
        {"status": JobStatus.EXPIRED},
        {"foreign": True},
        {"version": "v2"},
        {"filters": BODY},
        {"filters": None},
        {"reserved_at": ago(5400)},
        {"reserved_at": ago(60), "received_at": ago(5401)},
    ],
    ids="-".join,
)
def test_not_joined(changes):
    """
    What has ended, is another's, asks for something else or is too old, is not joined.
    """
    assert in_flight(record(**changes)) is None


def test_joined_with_filters():
    """
    The same filters are the same request.
    """
    assert in_flight(record(filters=BODY), filters=BODY) is not None


def test_age_counts_from_the_reply():
    """
    A request that was reserved long ago is as young as the reply to its create call.
    """
    found = record(reserved_at=ago(9000), received_at=ago(10))

    assert found is in_flight(found)
    assert found is reusable(found)


@pytest.mark.parametrize("status", [JobStatus.INPROGRESS, JobStatus.READY, JobStatus.SAVED])
def test_reused(status):
    """
    A young request can be reused: running, READY or saved, and whoever made it.
    """
    found = record(status=status, foreign=True)

    assert found is reusable(record("x", status=JobStatus.FAILED), found)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": JobStatus.FAILED},
        {"status": JobStatus.EXPIRED},
        {"request_id": None},
        {"version": "v2"},
        {"filters": BODY},
        {"filters": None},
        {"received_at": ago(3601)},
    ],
    ids="-".join,
)
def test_not_reused(changes):
    """
    What failed, has no id, asks for something else or is older than allowed, is not reused.
    """
    assert reusable(record(**changes)) is None


def test_reused_at_the_very_age():
    """
    A request of exactly the age that is allowed is reused.
    """
    assert reusable(record(received_at=ago(3600))) is not None


def test_listed():
    """
    The newest identical entry of the server's list is found, in whatever order they come.
    """
    entries = entry("old", age=120), entry("new", age=30), entry("older", age=600)

    assert "new" == listed(*entries).request_id
    assert "edge" == listed(entry("edge", age=3600)).request_id


def test_listed_with_payload():
    """
    An entry asks for what its payload says; without one it asks for everything.
    """
    plain, filtered = entry("plain"), entry("filtered", payload=PAYLOAD)

    assert "plain" == listed(plain, filtered).request_id
    assert "filtered" == listed(plain, filtered, filters=BODY).request_id
    assert listed(plain, filters=BODY) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "ERROR"},
        {"version": "v2"},
        {"version": None},
        {"age": None},
        {"age": 3601.0},
        {"payload": PAYLOAD},
    ],
    ids="-".join,
)
def test_not_listed(changes):
    """
    An entry that failed, asks for something else, is too old or of unknown age is not taken.
    """
    assert listed(entry(**changes)) is None


def test_adopted():
    """
    What a lost create has made is the newest request since then whose id is not known yet.
    """
    entries = entry("known", age=1), entry("ours", age=58), entry("before", age=60 + 121)

    assert "ours" == made_by(*entries, known={"known"}).request_id


def test_adopted_within_the_tolerance():
    """
    A submission date up to two minutes before the create is still its own: clocks are guessed.
    """
    assert made_by(entry(age=60 + 120)) is not None
    assert made_by(entry(age=60 + 121)) is None


def test_adopted_in_doubt():
    """
    An entry that tells no date, version or payload may well be ours; a dated one goes before it.
    """
    undated = entry("undated", age=None, version=None)

    assert undated is made_by(undated, filters=BODY)
    assert "dated" == made_by(undated, entry("dated")).request_id
    assert "dated" == made_by(entry("dated"), undated).request_id


@pytest.mark.parametrize(
    "changes",
    [{"version": "v2"}, {"payload": PAYLOAD}, {"source": "SC"}, {"source": "Scheduler"}],
    ids=["version", "payload", "person", "schedule"],
)
def test_not_adopted(changes):
    """
    What tells another version, payload or origin than ours is another's.
    """
    assert made_by(entry(**changes)) is None


def test_adopted_with_payload():
    """
    A payload that is ours, made by a program, makes it ours.
    """
    assert made_by(entry(payload=PAYLOAD, source="API"), filters=BODY) is not None


def test_adopted_though_failed():
    """
    A request that ended in ERROR already is ours all the same.
    """
    assert made_by(entry(status="ERROR")) is not None


def test_hour_holder():
    """
    The newest request of a type within the hour holds it, whatever became of it.
    """
    entries = entry("a", age=1800), entry("b", age=900, status="ERROR"), entry("c", age=None)

    assert "b" == matching.hour_holder(entries, since=ago(3600)).request_id


def test_nobody_holds_the_hour():
    """
    Requests of an hour ago or of unknown date hold nothing.
    """
    assert matching.hour_holder([], since=ago(3600)) is None
    assert matching.hour_holder([entry(age=3600.0), entry(age=None)], since=ago(3600)) is None
