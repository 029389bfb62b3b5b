"""The hourly gate as a specification: values in, values out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from reports_async._models import JobRecord
from reports_async._sansio import window

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def make(key: str = "a", **changes: object) -> JobRecord:
    record = JobRecord(
        key=key,
        account="acme",
        report_type="ITEM_MX",
        version="v1",
        reserved_at=NOW,
        holds_until=at(window.PERIOD),
    )
    return evolve(record, **changes)


def test_nobody_holds_an_open_hour() -> None:
    """An hour is open when no record holds it any more, and from the very instant it ends."""
    assert window.holder([], now=NOW) is None
    assert window.holder([make(holds_until=None)], now=NOW) is None
    assert window.holder([make(holds_until=NOW)], now=NOW) is None


def test_the_latest_of_several_holds() -> None:
    """Among several records that hold the hour, the one that holds longest is named."""
    records = [make("a"), make("c", holds_until=at(10)), make("b"), make("d", holds_until=None)]

    assert "b" == window.holder(records, now=NOW).key
    assert "b" == window.holder(reversed(records), now=NOW).key


def test_a_hold_within_the_tolerance_is_believed() -> None:
    """A hold that ends a little after the period is left as it is."""
    record = make(holds_until=at(window.PERIOD + window.TOLERANCE))

    assert record is window.holder([record], now=NOW)


def test_a_hold_from_a_clock_set_back_counts_one_period() -> None:
    """A hold that ends years ahead comes back as one period from now, still held."""
    record = make(holds_until=at(1e8))

    held = window.holder([record], now=NOW)

    assert evolve(record, holds_until=at(window.PERIOD)) == held


@pytest.mark.parametrize(
    ("until", "expected"),
    [(None, 0.0), (at(-5), 0.0), (at(90.5), 90.5), (at(4000), 3600.0)],
)
def test_wait(until: datetime | None, expected: float) -> None:
    """A wait is what is left of the hour, neither negative nor longer than a period."""
    assert expected == window.wait(make(holds_until=until), now=NOW)


def test_an_open_hour_goes_to_who_asks() -> None:
    """Reserving an open hour gives the asking record as it is."""
    record = make("b")

    assert record is window.reserve([make("a", holds_until=at(0))], record, now=NOW)


def test_a_taken_hour_stays_with_its_holder() -> None:
    """Reserving a taken hour gives its holder, whatever version or filters are asked for."""
    first = make("a")

    assert first == window.reserve([first], make("b", version="v9", filters="{1}"), now=NOW)


def test_types_and_accounts_have_hours_of_their_own() -> None:
    """Another type or another account does not wait."""
    other_type = make("b", report_type="INVENTORY_MX")
    other_account = make("c", account="other")

    assert other_type is window.reserve([make("a")], other_type, now=NOW)
    assert other_account is window.reserve([make("a")], other_account, now=NOW)


def test_reserving_again_changes_nothing() -> None:
    """A repeated reservation, its answer lost, finds what is stored under its key."""
    stored = make(request_id="R1")

    assert stored is window.reserve([stored], make(holds_until=at(3700)), now=at(60))


@pytest.mark.parametrize(
    "record",
    [
        make(),
        make(owner="me", lease_until=at(50)),
        make(owner="you", lease_until=None),
        make(owner="you", lease_until=NOW),
        make(owner="you", lease_until=at(window.PERIOD + window.TOLERANCE + 1)),
    ],
    ids=["nobody's", "mine", "without lease", "lease over", "lease of a clock set back"],
)
def test_claim_succeeds(record: JobRecord) -> None:
    """Nobody's record, one's own, and one whose lease is over can be claimed."""
    claimed = window.claim(record, owner="me", now=NOW, lease=90)

    assert evolve(record, owner="me", lease_until=at(90)) == claimed


@pytest.mark.parametrize("until", [1, window.PERIOD + window.TOLERANCE])
def test_claim_fails_while_another_works(until: float) -> None:
    """A lease of another that still runs keeps everyone else away."""
    record = make(owner="you", lease_until=at(until))

    assert window.claim(record, owner="me", now=NOW, lease=90) is None


def test_a_long_lease_is_no_stray() -> None:
    """Leases longer than a period are honoured among those who use such leases."""
    record = make(owner="you", lease_until=at(9000))

    assert window.claim(record, owner="me", now=NOW, lease=9000) is None


def test_retained_for_30_days() -> None:
    """A record is of use for 30 days from its reservation."""
    assert window.retained(make(), now=NOW + timedelta(days=30, seconds=-1))
    assert not window.retained(make(), now=NOW + timedelta(days=30))


# One step of somebody: who asks, how much true time passes first, what becomes of the request.
steps = st.lists(
    st.tuples(
        st.sampled_from("abcdef"),
        st.sampled_from([0.0, 1.0, 60.0, 1799.0, 3599.0, 3600.0, 3601.0]),
        st.sampled_from(["lost", "confirmed", "refused", "clock set back"]),
        st.sampled_from(["ITEM_MX", "INVENTORY_MX"]),
    ),
    max_size=40,
)


@given(steps)
def test_never_two_grants_in_a_period(steps: list[tuple[str, float, str, str]]) -> None:
    """
    Whatever is reserved, confirmed late, refused, lost, or said by a clock that goes back: two
    requests that may exist never lie within one period.
    """
    kept: dict[str, JobRecord] = {}
    sent: dict[str, list[float]] = {}
    true_time = behind = 0.0
    for number, (who, passed, fate, report_type) in enumerate(steps):
        true_time += passed
        if fate == "clock set back":
            behind += 5000.0
        now = at(true_time - behind)
        record = make(
            f"{who}{number}",
            report_type=report_type,
            reserved_at=now,
            holds_until=now + timedelta(seconds=window.PERIOD),
        )
        winner = window.reserve(kept.values(), record, now=now)
        kept[winner.key] = winner
        if winner is not record:
            assert 0.0 < window.wait(winner, now=now) <= window.PERIOD
            continue
        if fate == "refused":
            del kept[record.key]
            continue
        true_time += 20.0 if fate == "confirmed" else 0.0
        if fate == "confirmed":
            until = record.holds_until + timedelta(seconds=20)
            kept[record.key] = evolve(record, holds_until=until)
        sent.setdefault(report_type, []).append(true_time)

    for moments in sent.values():
        gaps = [later - earlier for earlier, later in pairwise(moments)]
        assert all(gap >= window.PERIOD for gap in gaps)
