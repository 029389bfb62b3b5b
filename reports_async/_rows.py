"""
The rows of a report's file, one by one.

The file is as Walmart wrote it; nothing is converted.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, Final

from ._exceptions import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# How ZIP and gzip begin.
_ARCHIVES: Final = (b"PK\x03\x04", b"\x1f\x8b")


class Row(dict[str, str]):
    """
    A row by its column names, which are the file's own; looked up without regard to case as well.

    The API's columns are headers for display: ``SKU`` in one report is ``Sku`` in another. Looking
    up by ``[]``, ``in`` and `get` folds the case; all else goes by the names as they are.

    .. versionadded:: 0.1.0
    """

    def __missing__(self, key: str) -> str:
        name = self._name(key)
        if name is None:
            raise KeyError(key)
        return self[name]

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or (isinstance(key, str) and self._name(key) is not None)

    def get(self, key: str, default: Any = None, /) -> Any:
        """Return a column's value; *default* where there is no such column."""
        try:
            return self[key]
        except KeyError:
            return default

    def _name(self, key: str) -> str | None:
        folded = key.casefold()
        return next((name for name in self if name.casefold() == folded), None)


def rows(path: Path) -> Iterator[Row]:
    """Iterate a CSV file, as `Report.rows` says."""
    with path.open("rb") as file:
        if file.read(4).startswith(_ARCHIVES):
            raise InvalidArgument(f"{path.name} is kept as an archive: unpack it first.")
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        header = next((row for row in reader if row), list[str]())
        for row in reader:
            if row:
                missing = [""] * (len(header) - len(row))
                yield Row(zip(header, row + missing, strict=False))
