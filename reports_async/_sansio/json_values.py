"""
JSON that somebody else wrote: read with suspicion, and told apart by shape.

Nothing here knows what a field means.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Entry = dict[str, Any]
"""A JSON object."""

_DEEPEST: Final = 64


def json_value(body: bytes | str) -> Any:
    """
    Return the value of a JSON text.

    Raises:
        ValueError: It is not JSON, or is nested deeper than any honest message: walking through
            it would exhaust the stack.
    """
    try:
        value = json.loads(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    level: list[Any] = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return value
    raise ValueError("nested too deeply")


def is_object(value: Any) -> TypeGuard[Entry]:
    """Whether a value is a JSON object."""
    return isinstance(value, dict)


def is_array(value: Any) -> TypeGuard[list[Any]]:
    """Whether a value is a JSON array."""
    return isinstance(value, list)


def folded(entry: Mapping[str, Any]) -> Entry:
    """Return an object with folded names: requestId, requestID and requestid are one."""
    return {str(name).casefold(): value for name, value in entry.items()}


def _inside(value: Any) -> Iterable[Any]:
    if is_object(value):
        return value.values()
    return value if is_array(value) else ()
