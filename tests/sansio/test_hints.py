"""Hints in headers: budgets, waits and the server's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports_async._http import HTTPResponse
from reports_async._sansio.hints import FARTHEST, Hints, hints

DATE = "Sun, 01 Mar 2026 12:00:00 GMT"
SERVED = datetime(2026, 3, 1, 12, tzinfo=UTC)
NEXT = SERVED + timedelta(seconds=142)


def of(**headers: str) -> Hints:
    """Return the hints of a reply with these headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return hints(HTTPResponse(status=200, headers=named))


def test_no_hints() -> None:
    """A reply without such headers hints at nothing."""
    assert Hints() == of()


def test_date() -> None:
    """Date is the server's clock."""
    assert SERVED == of(date=DATE).served_at
    assert of(date="yesterday").served_at is None


@pytest.mark.parametrize(
    ("text", "tokens"), [("19", 19), ("0", 0), ("19.0", 19), (" 3 ", 3), ("200", 200)]
)
def test_tokens(text: str, tokens: int) -> None:
    """The count of calls left is read."""
    assert tokens == of(x_current_token_count=text).tokens


@pytest.mark.parametrize(
    "text", ["", "-1", "many", "nan", "inf", "1e300", "9" * 5000, "1,1", "201"]
)
def test_absurd_tokens(text: str) -> None:
    """A count that cannot be one is no hint."""
    assert of(x_current_token_count=text).tokens is None


@pytest.mark.parametrize("name", ["x_next_replenishment_time", "x_next_replenish_time"])
@pytest.mark.parametrize(
    "text",
    [
        "1772366542000",
        "1772366542",
        "1772366542.0",
        "2026-03-01T12:02:22Z",
        "2026-03-01T12:02:22.000+00:00",
    ],
)
def test_next_token(name: str, text: str) -> None:
    """The next token is told under two names, in milliseconds, seconds or ISO 8601."""
    assert NEXT == of(date=DATE, **{name: text}).next_token_at
    assert NEXT == of(**{name: text}).next_token_at


def test_next_token_under_a_second_name() -> None:
    """Where the first name says nothing of use, the second does."""
    told = of(x_next_replenishment_time="soon", x_next_replenish_time="1772366542000")

    assert NEXT == told.next_token_at


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "142",
        "-1772366542000",
        "nan",
        "9" * 400,
        "1772539342000",  # two days later
        "1772193742000",  # two days earlier
        "1772373601000",  # two hours and a second later
        "2027-03-01T12:02:22Z",
    ],
)
def test_absurd_next_token(text: str) -> None:
    """An instant that is more than two hours from the server's own clock is no hint."""
    assert of(date=DATE, x_next_replenishment_time=text).next_token_at is None


@pytest.mark.parametrize(("text", "wait"), [("142", 142.0), ("0", 0.0), ("1.5", 1.5)])
def test_retry_after_in_seconds(text: str, wait: float) -> None:
    """Retry-After may be seconds."""
    told = of(date=DATE, retry_after=text)

    assert (wait, None) == (told.retry_after, told.retry_at)


@pytest.mark.parametrize("text", [f"{NEXT.timestamp():.0f}", f"{NEXT.timestamp() * 1000:.0f}"])
@pytest.mark.parametrize("status", [200, 429])
def test_retry_after_as_an_epoch(text: str, status: int) -> None:
    """An epoch, which some give in place of seconds, is an instant of the server."""
    told = hints(HTTPResponse(status=status, headers={"date": DATE, "retry-after": text}))

    assert (None, NEXT) == (told.retry_after, told.retry_at)


def test_retry_after_as_a_date() -> None:
    """Retry-After may be a date, by the server's clock."""
    told = of(date=DATE, retry_after="Sun, 01 Mar 2026 12:02:22 GMT")

    assert (None, NEXT) == (told.retry_after, told.retry_at)


@pytest.mark.parametrize(
    "text",
    ["", "-5", "later", "inf", "7201", "86401", "1e9", "Mon, 01 Mar 2027 12:02:22 GMT"],
)
def test_absurd_retry_after(text: str) -> None:
    """A wait of more than two hours, or of less than nothing, is no hint."""
    told = of(date=DATE, retry_after=text)

    assert (None, None) == (told.retry_after, told.retry_at)


@pytest.mark.parametrize(
    ("text", "wait"), [("142", 142), ("7200", 7200), ("7201", 7200), ("1e9", 7200), ("inf", None)]
)
def test_refusal(text: str, wait: float | None) -> None:
    """A refusal that is for longer than can be is one for as long as can be."""
    told = hints(HTTPResponse(status=429, headers={"retry-after": text}))

    assert wait == told.retry_after


def test_refusal_until_a_date() -> None:
    """The date of a refusal is left to those who know the skew."""
    headers = {"date": DATE, "retry-after": "Mon, 01 Mar 2027 12:00:00 GMT"}
    told = hints(HTTPResponse(status=429, headers=headers))

    assert SERVED + timedelta(days=365) == told.retry_at


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "date",
                "retry-after",
                "x-current-token-count",
                "x-next-replenishment-time",
                "x-next-replenish-time",
            ]
        ),
        st.text() | st.integers().map(str) | st.floats().map(str) | st.just(DATE),
    )
)
@settings(deadline=None)
def test_any_headers(headers: dict[str, str]) -> None:
    """Whatever the headers say, hints can be waited for: nothing is negative or endless."""
    told = hints(HTTPResponse(status=429, headers=headers))

    assert told.tokens is None or told.tokens >= 0
    assert told.retry_after is None or 0 <= told.retry_after <= FARTHEST.total_seconds()
