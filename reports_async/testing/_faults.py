"""Faults to order: which call gets which, and what it makes of an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, get_args

from attrs import define, evolve, field, frozen

from reports_async._exceptions import InvalidArgument
from reports_async._validation import one_of

from ._replies import Reply, html_reply, part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ._rules import ErrorShape

Endpoint = Literal["token", "create", "list", "status", "link", "webhooks", "file"]
"""The calls that faults can be ordered for."""

Mishap = Literal[
    "refuse",
    "lose",
    "hang",
    "cut",
    "stall",
    "short",
    "length",
    "corrupt",
    "empty",
    "html",
    "redirect",
]
"""What can go wrong with a call, besides an error status."""

Answer = int | Mishap
"""An error status, or the name of a mishap."""

ENDPOINTS: Final[tuple[str, ...]] = get_args(Endpoint)
_WORDS: Final[tuple[str, ...]] = get_args(Mishap)

ACTED: Final = frozenset({"lose", "hang", "cut", "stall", "short", "length", "corrupt"})
"""Mishaps that only befall an answer: the server has always acted before."""


@frozen(kw_only=True)
class Fault:
    """
    One ordered fault; see `Simulator.fail`.

    `only` narrows it to a report type or a request id. Without an `answer` the call is only late.
    """

    endpoint: str
    answer: Answer | None = None
    after_acting: bool = False
    at: int | None = None
    to: str | None = None
    shape: ErrorShape | None = None
    delay: float = 0.0
    only: str | None = None

    def __attrs_post_init__(self) -> None:
        one_of(self.endpoint, ENDPOINTS, name="endpoint")
        if isinstance(self.answer, str):
            one_of(self.answer, _WORDS, name="answer")
        elif self.answer is not None and not 400 <= self.answer <= 599:  # noqa: PLR2004 -- the error statuses of HTTP
            raise InvalidArgument(f"answer must be an error status or a word, not {self.answer!r}.")
        if self.at is not None and self.at < 0:
            raise InvalidArgument(f"at must not be negative, but is {self.at!r}.")


@define(eq=False)
class FaultPlan:
    """The faults that are still to come, in the order in which they were asked for."""

    _waiting: list[Fault] = field(factory=list[Fault])

    def add(self, fault: Fault) -> None:
        """Put one more in the queue."""
        self._waiting.append(fault)

    def take(self, endpoint: str, names: set[str | None]) -> Fault | None:
        """Return and use up the first fault for a call about these types and request ids."""
        for place, fault in enumerate(self._waiting):
            if fault.endpoint == endpoint and (fault.only is None or fault.only in names):
                return self._waiting.pop(place)
        return None

    def clear(self) -> None:
        """Drop what has not come yet."""
        self._waiting.clear()

    def __len__(self) -> int:
        return len(self._waiting)


def strike(fault: Fault, reply: Reply) -> Reply:
    """Return what a mishap makes of an answer."""
    return _MISHAPS[str(fault.answer)](reply, fault)


def _size(reply: Reply) -> int:
    return sum(map(len, reply.chunks()))


def _place(reply: Reply, at: int | None) -> int:
    return _size(reply) // 2 if at is None else at


def _with_length(reply: Reply, length: int) -> Reply:
    return reply.with_headers({"Content-Length": str(length)})


def _cut(reply: Reply, fault: Fault) -> Reply:
    return evolve(reply, cut_after=_place(reply, fault.at))


def _stall(reply: Reply, fault: Fault) -> Reply:
    return evolve(reply, stall_after=_place(reply, fault.at))


def _short(reply: Reply, fault: Fault) -> Reply:
    length = min(_place(reply, fault.at), _size(reply))
    shorter = evolve(reply, body=b"", source=lambda: part(reply.chunks(), 0, length))
    # Where a length is declared at all, it agrees with what comes: the quiet kind of loss.
    return _with_length(shorter, length) if "Content-Length" in reply.headers else shorter


def _length(reply: Reply, fault: Fault) -> Reply:
    size = _size(reply)
    declared = _with_length(reply, size + (1 if fault.at is None else fault.at))
    return evolve(declared, cut_after=size)


def _corrupt(reply: Reply, fault: Fault) -> Reply:
    place = _place(reply, fault.at)
    return evolve(reply, body=b"", source=lambda: _flipped(reply.chunks(), place))


def _flipped(chunks: Iterator[bytes], place: int) -> Iterator[bytes]:
    start = 0
    for chunk in chunks:
        here = place - start
        start += len(chunk)
        if 0 <= here < len(chunk):
            yield chunk[:here] + bytes([chunk[here] ^ 0xFF]) + chunk[here + 1 :]
        else:
            yield chunk


_MISHAPS: Final[Mapping[str, Callable[[Reply, Fault], Reply]]] = {
    "refuse": lambda reply, _: evolve(reply, refused=True),
    "lose": lambda reply, _: evolve(reply, lost=True),
    "hang": lambda reply, _: evolve(reply, silent=True),
    "cut": _cut,
    "stall": _stall,
    "short": _short,
    "length": _length,
    "corrupt": _corrupt,
    "empty": lambda _reply, _fault: Reply(status=200, headers={"Content-Length": "0"}),
    "html": lambda _reply, _fault: html_reply(),
    "redirect": lambda _, fault: Reply(
        status=302, headers={"Location": str(fault.to), "Content-Length": "0"}
    ),
}
