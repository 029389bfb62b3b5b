"""
Whether the server lists the requests of one report type at a time only.

Some lists name all types, others refuse calls without one; nothing tells but the refusal, which may
cost a token. So it is found out once and remembered with the requests that were waited for then.
Not for ever: servers change, and who never asks again would not learn of it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

KEPT: Final = timedelta(days=7)
"""For how long a refusal is believed."""


class Strictness:
    """What is known of one account's list."""

    def __init__(self) -> None:
        self._refused_at: datetime | None = None

    @property
    def refused_at(self) -> datetime | None:
        """When a list without a type was last refused, by our clock; None if none was."""
        return self._refused_at

    def learn(self, refused_at: datetime | None) -> None:
        """Note a refusal, here or in an earlier process; the newest counts."""
        if refused_at is not None and (self._refused_at is None or refused_at > self._refused_at):
            self._refused_at = refused_at

    def wants_type(self, now: datetime) -> bool:
        """Tell whether a list without a type would be refused, as far as is known."""
        # A clock that was set back must not make a refusal last longer.
        return self._refused_at is not None and abs(now - self._refused_at) < KEPT

    def __repr__(self) -> str:
        return f"<Strictness, refused {self._refused_at or 'never'}>"
