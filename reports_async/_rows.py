"""
CSV rows, one by one, with longer fields than the `csv` module takes.

Its limit of 128 Ki characters is the whole process's, and so not ours to raise: the module behind
it is loaded once more, with a limit of its own.
"""

from __future__ import annotations

import csv
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST: Final = 16 * 1024 * 1024
"""Characters of a field: an open quote must not bring the rest of a large file into memory."""


def _loaded_again(name: str) -> Any:
    spec = find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_OURS: Final = _loaded_again("_csv")
_OURS.field_size_limit(LONGEST)


def split(lines: Iterable[str]) -> Iterator[list[str]]:
    """
    Iterate the rows that the lines of a CSV file make up.

    Raises:
        csv.Error: A field is longer than `LONGEST`.
    """
    try:
        yield from _OURS.reader(lines)
    except _OURS.Error as exc:
        # Users know the error of the module that they can import.
        raise csv.Error(str(exc)) from exc
