"""
How long reports of other programs took, as text in a record of one of ours.

The server's list tells it; nothing else in the store would. So it is written down with the next of
our requests that something becomes of, and read by whoever reads that record.
"""

from __future__ import annotations

import json
from heapq import nlargest
from typing import TYPE_CHECKING, Final

from attrs import frozen

from .json_values import is_array, is_object, json_value

if TYPE_CHECKING:
    from collections.abc import Iterable

KEPT: Final = 100
"""How many of the newest one record tells of: about 6 KB."""

TEXTS: Final = 1024
"""How many texts are remembered to have been read: to read one again costs time only."""

LATEST: Final = 10**11
"""No moment is later, in seconds since 1970."""


@frozen
class Precedent:
    """
    One report that is ready.

    Args:
        report_type: Its type.
        request_id: Its request.
        seconds: From its submission until it was ready.
        at: When it was submitted, in seconds since 1970, by the server's clock.
    """

    report_type: str
    request_id: str
    seconds: float
    at: float


class Precedents:
    """What of this one account's records do not tell yet."""

    def __init__(self) -> None:
        self._news: dict[str, Precedent] = {}
        self._read: dict[int, None] = {}

    def note(self, precedent: Precedent) -> None:
        """Remember what the list told until it is written down."""
        self._news[precedent.request_id] = precedent
        if len(self._news) > KEPT:
            del self._news[min(self._news, key=lambda name: self._news[name].at)]

    def read(self, text: str | None) -> list[Precedent]:
        """Return, once for each text, what a record tells."""
        if text is None or hash(text) in self._read:
            return []
        self._skip(text)
        return loads(text)

    def _skip(self, text: str) -> None:
        while len(self._read) >= TEXTS:
            del self._read[next(iter(self._read))]
        self._read[hash(text)] = None

    def told(self, text: str | None) -> str | None:
        """Return what a record that tells *text* is to tell: this record, and no other."""
        if not self._news:
            return text
        known, news = loads(text or ""), self._news.values()
        text = dumps([*known, *news])
        self._news = {}
        self._skip(text)
        return text

    def untold(self, text: str | None) -> None:
        """Take back what a record was to tell that could not be written."""
        for precedent in loads(text or ""):
            self.note(precedent)

    def __repr__(self) -> str:
        return f"<Precedents, {len(self._news)} to be written>"


def dumps(precedents: Iterable[Precedent]) -> str:
    """Return the newest as JSON: by type and request, whole seconds that it took, and `at`."""
    types: dict[str, dict[str, tuple[int, int]]] = {}
    newest = {one.request_id: one for one in precedents}.values()
    for one in nlargest(KEPT, newest, key=lambda one: one.at):
        requests = types.setdefault(one.report_type, {})
        requests[one.request_id] = round(one.seconds), round(one.at)
    return json.dumps(types, separators=(",", ":"))


def loads(text: str) -> list[Precedent]:
    """Return what `dumps` wrote; what it cannot have written is left out."""
    try:
        types = json_value(text)
    except ValueError:
        return []
    return [
        Precedent(report_type, request_id, *numbers)
        for report_type, requests in (types.items() if is_object(types) else ())
        for request_id, numbers in (requests.items() if is_object(requests) else ())
        if is_array(numbers) and list(map(_is_moment, numbers)) == [True, True]
    ]


def _is_moment(value: object) -> bool:
    return type(value) is int and 0 <= value < LATEST
