"""How often a download is tried again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports_async._sansio.patience import SLOWEST, Pace, Patience, Step
from reports_async._sansio.ranges import Setback, Trouble


def after(patience, trouble, **kwargs):
    return patience.after(Setback(trouble=trouble, reason="", **kwargs), jitter=1.0)


def test_expired_links():
    """Three fresh links are asked for, not a fourth."""
    patience = Patience()

    assert [Step(fresh_link=True)] * 3 == [after(patience, Trouble.EXPIRED) for _ in range(3)]
    assert after(patience, Trouble.EXPIRED) is None


def test_gone():
    """One fresh link is asked for when the file is not there."""
    patience = Patience()

    assert Step(fresh_link=True) == after(patience, Trouble.GONE)
    assert after(patience, Trouble.GONE) is None


def test_unavailable():
    """Five tries without a byte are enough; a host's wish to be left alone is obeyed."""
    patience = Patience()

    assert Step(delay=1.0) == after(patience, Trouble.UNAVAILABLE)
    assert Step(delay=60.0) == after(patience, Trouble.UNAVAILABLE, after=60.0)
    assert Step(delay=4.0) == after(patience, Trouble.CUT)
    assert Step(delay=8.0) == after(patience, Trouble.UNAVAILABLE)
    assert after(patience, Trouble.UNAVAILABLE) is None


def test_bytes_renew_patience():
    """A connection that brings bytes each time may break as often as it likes."""
    patience = Patience()
    for _ in range(100):
        for _ in range(3):
            assert after(patience, Trouble.EXPIRED)
        for _ in range(4):
            assert after(patience, Trouble.UNAVAILABLE)
        assert Step(delay=1.0) == after(patience, Trouble.CUT, brought=True)


def test_cuts_from_zero():
    """A host that cannot go on where it broke off is tried ten times."""
    patience = Patience()
    steps = [after(patience, Trouble.CUT, brought=True, from_zero=True) for _ in range(10)]

    assert [Step(delay=1.0)] * 9 + [None] == steps


@pytest.mark.parametrize("trouble", [Trouble.BAD, Trouble.SHORT])
def test_bad_bodies(trouble):
    """A body that is whole but bad is fetched again twice, bytes or no bytes."""
    patience = Patience()

    assert Step(delay=1.0, from_zero=True) == after(patience, trouble)
    assert Step(delay=1.0) == after(patience, Trouble.CUT, brought=True)
    assert Step(delay=2.0, from_zero=True) == after(patience, trouble)
    assert after(patience, trouble) is None


def test_restart():
    """A host that cannot send the rest is asked for the whole at once."""
    assert Step(from_zero=True) == after(Patience(), Trouble.RESTART)


def test_refused():
    """What is no use is not tried again."""
    assert after(Patience(), Trouble.REFUSED) is None


@given(st.lists(st.sampled_from([t for t in Trouble if t is not Trouble.RESTART]), min_size=30))
def test_it_ends(troubles):
    """Without progress every download ends soon."""
    patience = Patience()

    assert None in [after(patience, trouble, from_zero=True) for trouble in troubles[:12]]


def test_pace():
    """Each window must bring some bytes, however many the others brought."""
    pace = Pace(60.0, now=100.0)

    assert not pace.is_lost(10**9, now=159.0)
    assert not pace.is_lost(1, now=160.0)
    assert not pace.is_lost(60 * SLOWEST, now=220.0)
    assert not pace.is_lost(1, now=279.0)
    assert pace.is_lost(1, now=280.0)


def test_no_pace():
    """Without a limit every pace will do."""
    assert not Pace(None, now=0.0).is_lost(0, now=10.0**9)
