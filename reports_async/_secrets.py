"""
What is kept out of sight: texts that do not show themselves, errors without foreign frames.

Secret are the client's secret and the header made of it, access tokens, the queries of signed
links, and the passwords of stores. They are in no log, repr, pickle, event, error or store; and, as
a traceback may be shown with the variables of its frames, in none of those of this library: a room
holds them as `Secret`, and lets no error through that leads into the frames of another library.
What callers, their transports and their error hooks do with a secret is theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

Error = TypeVar("Error", bound=BaseException)


class Secret(str):
    """A text whose repr tells nothing, and that is not pickled; for all else, the text itself."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        return super().__new__(cls, text)

    def __repr__(self) -> str:
        return "<secret>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("A secret is not pickled, so that it is never written anywhere.")


def bare(error: Error) -> Error:
    """Return an error, and all that led to it, without the frames that they came through."""
    for one in _chain(error):
        one.__traceback__ = None
    return error


def _chain(error: BaseException) -> Iterator[BaseException]:
    known: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in known:
            known.add(id(one))
            yield one
            waiting += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
