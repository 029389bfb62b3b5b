"""How numbers, sizes, times and errors are written for people. It decides nothing else."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_UNITS: Final = ("kB", "MB", "GB", "TB")


def duration(seconds: float) -> str:
    """Return a duration as ``MM:SS``, or ``H:MM:SS`` from an hour on; never below zero."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


def size(count: float) -> str:
    """Return a number of bytes in decimal units, as download pages write it."""
    if count < 1000:  # noqa: PLR2004 -- the step from unit to unit
        return f"{count:.0f} B"
    power = min(int(math.log10(count) / 3), len(_UNITS))
    return f"{count / 1000**power:.1f} {_UNITS[power - 1]}"


def part(received: int, total: int | None) -> str:
    """Return how much of a file has come, in the unit of the whole."""
    if total is None:
        return size(received)
    whole, unit = size(total).split(" ")
    scale = 1 if unit == "B" else 1000 ** (_UNITS.index(unit) + 1)
    came = f"{received / scale:.0f}" if unit == "B" else f"{received / scale:.1f}"
    return f"{came} of {whole} {unit}"


def local(instant: datetime) -> str:
    """Return the time of day on the wall of whoever sits at the terminal."""
    return f"{instant.astimezone():%H:%M:%S}"


def stamp(instant: datetime | None) -> str:
    """Return an instant in UTC, as the API and Seller Center write it; ``-`` where unknown."""
    return "-" if instant is None else f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def iso(instant: datetime | None) -> str | None:
    """Return an instant for machines: ISO 8601, UTC, whole seconds."""
    return None if instant is None else f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def one_line(error: BaseException) -> str:
    """Return an error's message without line breaks; its name where it has no message."""
    return " ".join(str(error).split()) or type(error).__name__


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """
    Yield lines of aligned columns.

    Nothing is cut or wrapped, whatever the terminal's width: ids are there to be copied.
    """
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        yield "  ".join(
            cell.ljust(width) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
