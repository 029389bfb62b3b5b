"""
Whether the server lists the requests of one report type at a time only.

Some lists name all types, others refuse calls without one; nothing tells but the refusal, which may
cost a token. So it is found out once and remembered with the requests that were waited for then.
Not for ever: servers change, and who never asks again would not learn of it.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from reports_async._exceptions import InvalidRequest

KEPT: Final = timedelta(days=7)
"""For how long a refusal is believed."""

APART: Final = timedelta(days=1)
"""How far two clocks may be apart: a refusal further ahead than that is not believed."""

_TYPE: Final = re.compile(r"report[ _-]?type", re.IGNORECASE)


def names_type(error: InvalidRequest) -> bool:
    """Tell whether the server refused a list because it names no type: its words speak of one."""
    words = [error.code]
    for detail in error.errors:
        words += [detail.code, detail.description, detail.field or ""]
    return any(_TYPE.search(word) for word in words)


class Strictness:
    """What is known of one account's list."""

    def __init__(self) -> None:
        self._refused_at: datetime | None = None

    @property
    def refused_at(self) -> datetime | None:
        """When a list without a type was last refused, by our clock; None if none was."""
        return self._refused_at

    def learn(self, refused_at: datetime | None, *, now: datetime) -> None:
        """Note a refusal, here or in an earlier process; the newest that can be true counts."""
        if refused_at is None or refused_at - now > APART:
            return
        known = self._refused_at
        if known is None or refused_at > known or known - now > APART:
            self._refused_at = refused_at

    def wants_type(self, now: datetime) -> bool:
        """Tell whether a list without a type would be refused, as far as is known."""
        return self._refused_at is not None and -APART <= now - self._refused_at < KEPT

    def __repr__(self) -> str:
        return f"<Strictness, refused {self._refused_at or 'never'}>"
