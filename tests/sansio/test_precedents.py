"""How long reports of other programs took, as records tell it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports_async._sansio.precedents import KEPT, TEXTS, Precedent, Precedents, dumps, loads

ONE = Precedent("ITEM", "R1", 900.0, 1_764_000_000.0)
OTHER = Precedent("INVENTORY", "R2", 1200.0, 1_764_000_100.0)

whole = st.integers(0, 10_000).map(float)
made = st.builds(Precedent, st.text(max_size=9), st.text(max_size=9), whole, whole)


def by_name(precedents):
    return sorted(precedents, key=lambda one: one.request_id)


def noted(*precedents):
    kept = Precedents()
    for one in precedents:
        kept.note(one)
    return kept


@given(precedents=st.lists(made, unique_by=lambda one: one.request_id, max_size=20))
def test_text(precedents):
    """
    What is written is read again.
    """
    assert by_name(precedents) == by_name(loads(dumps(precedents)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 100_000,
        "null",
        '["ITEM"]',
        '{"ITEM": 5}',
        '{"ITEM": {"R1": 900}}',
        '{"ITEM": {"R1": [900]}}',
        '{"ITEM": {"R1": [900, "1764000000"]}}',
        '{"ITEM": {"R1": [true, 1764000000]}}',
        '{"ITEM": {"R1": [900, 1764000000, 5]}}',
        '{"ITEM": {"R1": [-1, 1764000000]}}',
        '{"ITEM": {"R1": [NaN, 1764000000]}}',
        '{"ITEM": {"R1": [%s, 1764000000]}}' % ("9" * 400),
    ],
)
def test_damaged(text):
    """
    What a record cannot have been told is left out.
    """
    assert [] == loads(text)


def test_the_newest():
    """
    A record tells of the newest only.
    """
    many = [Precedent("ITEM", f"R{number}", 900.0, float(number)) for number in range(KEPT + 5)]

    assert by_name(many[5:]) == by_name(loads(dumps(many)))
    assert f"<Precedents, {KEPT} to be written>" == repr(noted(*many))
    assert by_name(many[5:]) == by_name(loads(noted(*many).told(None)))


def test_told():
    """
    A record keeps what it told before.
    """
    assert by_name([ONE, OTHER]) == by_name(loads(noted(OTHER).told(dumps([ONE]))))
    assert noted().told(None) is None
    assert "as it was" == noted().told("as it was")


def test_told_once():
    """
    What one record is told is told to no other, unless it could not be written.
    """
    kept = noted(ONE)
    text = kept.told(None)
    kept.note(OTHER)

    assert [OTHER] == loads(kept.told(None))
    kept.untold(text)
    assert [ONE] == loads(kept.told(None))
    kept.untold(None)
    assert "<Precedents, 0 to be written>" == repr(kept)


def test_read():
    """
    A record is read once, and one that was written here not at all.
    """
    kept, text = noted(ONE), dumps([OTHER])
    own = kept.told(None)

    assert [] == kept.read(None)
    assert [OTHER] == kept.read(text)
    assert [] == kept.read(text)
    assert [] == kept.read(own)


def test_read_and_forgotten():
    """
    Of very many records it is forgotten that they were read.
    """
    kept, text = noted(), dumps([OTHER])
    kept.read(text)
    for number in range(TEXTS):
        kept.read(f"{number}")

    assert [OTHER] == kept.read(text)
