"""What a list is asked for where its pages are short."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports_async._models import RequestStatus
from reports_async._sansio.plan import narrow


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
    assert expected == narrow(waiting=waiting, ready=ready, page=page)


@given(waiting=st.integers(1, 500), ready=st.integers(0, 500), page=st.integers(1, 200))
def test_never_dearer(waiting, ready, page):
    """
    A narrowed list costs at least one call, and never more than all of it.
    """
    _, pages = narrow(waiting=waiting, ready=ready, page=page)

    assert 1 <= pages <= -(-(waiting + ready) // page)
