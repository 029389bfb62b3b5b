"""Tests of the rules: every switch checks its values."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from reports_async._exceptions import InvalidArgument
from reports_async.testing import Rules, Simulator


def test_durations() -> None:
    """
    Durations are seconds or timedeltas; a lifetime may be one or a pair to draw from.
    """
    rules = Rules(token_lifetime=timedelta(minutes=1), list_lag=3, link_lifetime=timedelta(hours=1))

    assert (60.0, 3.0, (3600.0, 3600.0)) == (
        rules.token_lifetime,
        rules.list_lag,
        rules.link_lifetime,
    )


@pytest.mark.parametrize(
    ("switch", "value"),
    [
        ("bad_credentials", 418),
        ("first_status", "READY"),
        ("id_field", "id"),
        ("times", "unix"),
        ("link_fields", "url"),
        ("unready_link", "maybe"),
        ("error_shape", "text"),
        ("without_accept", "json"),
        ("max_page_limit", 0),
        ("list_lag", -1),
        ("budget", True),
        ("refill", 0),
        ("replenishment", "s"),
        ("retry_after", "soon"),
        ("link_lifetime", (1080, 900)),
        ("file_format", "rar"),
    ],
)
def test_wrong_values(switch: str, value: Any) -> None:
    """
    A value that a switch does not have is refused, and the message names the switch.
    """
    with pytest.raises(InvalidArgument, match=switch):
        Rules(**{switch: value})


def test_secrets() -> None:
    """
    The repr of the rules does not show the secrets.
    """
    assert "hush" not in repr(Rules(credentials={"id": "hush"}))


@pytest.mark.parametrize("rows", [-1, 1.5, True])
def test_rows(rows: Any) -> None:
    """
    A number of rows that is no whole number is refused.
    """
    with pytest.raises(InvalidArgument, match="rows must be a whole number"):
        Simulator(rows=rows)


def test_generation() -> None:
    """
    A generation time that goes from longer to shorter is refused.
    """
    with pytest.raises(InvalidArgument, match="generation must go from the shorter"):
        Simulator(generation=(10, 5))
