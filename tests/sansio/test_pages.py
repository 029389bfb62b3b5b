"""What a list is asked for where its pages are short, and which of them need not be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports_async._models import RequestStatus
from reports_async._sansio.pages import Catalogue

T0 = datetime(2026, 1, 5, 8, tzinfo=UTC)
IDS = st.sets(st.sampled_from([f"R{number}" for number in range(30)]))


def catalogue(*, ready=(), page=10, counts=True):
    known = Catalogue()
    known.begin(T0)
    known.learn(limit=page, total=0 if counts else None)
    for name in ready:
        known.ready(str(name), T0)
    return known


@pytest.mark.parametrize(
    ("waiting", "ready", "page", "expected"),
    [
        (27, 0, 100, (None, 1)),
        (5, 0, 10, (None, 1)),
        (27, 0, 10, (RequestStatus.READY, 1)),
        (20, 9, 10, (RequestStatus.READY, 1)),
        (14, 13, 10, (RequestStatus.READY, 2)),
        (10, 17, 10, (RequestStatus.INPROGRESS, 1)),
    ],
)
def test_narrow(waiting, ready, page, expected):
    """
    A list is asked for the ready ones while these are few, and for the others when those are.
    """
    narrowed = catalogue(ready=range(ready), page=page).narrow(waiting)

    assert expected == (narrowed.status, narrowed.pages)


def test_moved():
    """
    What is in progress no more is not on a list of these, however short that would be.
    """
    narrowed = catalogue(ready=range(17)).narrow(10, moved=True)

    assert (RequestStatus.READY, 2) == (narrowed.status, narrowed.pages)


@given(
    waiting=st.integers(1, 500),
    ready=st.integers(0, 500),
    page=st.integers(1, 200),
    counts=st.booleans(),
)
def test_never_dearer(waiting, ready, page, counts):
    """
    A narrowed list costs at least one call, and never more than all of it.
    """
    narrowed = catalogue(ready=range(ready), page=page, counts=counts).narrow(waiting)

    assert 1 <= narrowed.expected <= narrowed.pages
    assert narrowed.expected <= -(-(waiting + ready) // page)


@pytest.mark.parametrize(
    ("waiting", "ready", "page", "least", "most"),
    [
        (27, 0, 100, 1.0, 1.0),
        (5, 5, 10, 1.0, 1.0),
        (10, 17, 10, 1.0, 1.0),
        (27, 0, 10, 1.0, 1.1),
        (14, 13, 10, 1.0, 1.3),
        (100, 0, 10, 2.0, 4.0),
    ],
)
def test_forecast(waiting, ready, page, least, most):
    """
    What looks will cost counts those to come, which are cheap where few are ready, or few wait.
    """
    known = catalogue(ready=range(ready), page=page)

    assert least <= known.forecast(waiting) <= most
    assert (most == 1.0) == (known.forecast(waiting) == 1.0)


@given(waiting=st.integers(1, 60), ready=st.integers(0, 60), page=st.integers(1, 20))
def test_forecast_is_an_average(waiting, ready, page):
    """
    A forecast is the average of this look, and of those when one after the other is ready.
    """
    known = catalogue(ready=range(ready), page=page)
    costs = []
    for left in range(waiting, 0, -1):
        costs.append(known.narrow(left).expected)
        known.ready(f"new {left}", T0)

    expected = sum(costs) / len(costs)
    assert expected == pytest.approx(catalogue(ready=range(ready), page=page).forecast(waiting))


def test_before_the_first_answer():
    """
    Until an answer tells how much a page holds, little is asked for, and looks are one page each.
    """
    known = Catalogue()
    known.begin(T0)

    assert (RequestStatus.READY, 1) == (known.narrow(27).status, known.narrow(27).pages)
    assert 1.0 == known.forecast(27)
    known.learn(limit=10, total=0)
    assert 1.0 < known.forecast(27)
    known.learn(limit=100, total=0)
    assert (None, 1.0) == (known.narrow(27).status, known.forecast(27))


def test_a_count_saves_pages():
    """
    Pages of ready requests count for less where the server says how many there are.
    """
    told = catalogue(ready=range(14)).narrow(13)
    untold = catalogue(ready=range(14), counts=False).narrow(13)

    assert (RequestStatus.READY, 2) == (told.status, told.pages)
    assert 1.0 < told.expected < untold.expected == 2.0


def test_the_page_without_a_limit():
    """
    A page that does not tell its length changes nothing of what is believed of it.
    """
    known = catalogue(ready=range(4), page=10)
    known.learn(limit=None, total=3)

    assert RequestStatus.READY is known.narrow(12).status


@given(ready=IDS, shown=IDS, known=IDS, more=st.integers(1, 30))
def test_told_all(ready, shown, known, more):
    """
    With a true count, pages are left unread only if each entry on them is known already.
    """
    ready = ready | shown | known
    unread = ready - shown
    view = catalogue(ready=known)

    if unread:
        assert (unread <= known) == view.told_all(shown, len(ready))
    assert not view.told_all(shown, None)
    assert not view.told_all(shown, len(ready | known) + more)


@given(shown=IDS, known=IDS)
def test_a_false_count(shown, known):
    """
    A count of no more than what was shown, though there are more pages, saves none.
    """
    assert not catalogue(ready=known).told_all(shown, len(shown))


def test_what_was_submitted_earlier():
    """
    Only requests that are as new as the oldest that waits are in the list that is asked for.
    """
    known = Catalogue()
    known.ready("A", T0)
    known.ready("B", T0 + timedelta(minutes=5))

    known.begin(T0 + timedelta(minutes=5))
    known.ready("C", T0)

    assert known.told_all({"D"}, 2)
    assert not known.told_all({"D"}, 3)
