"""
What is written beside an unfinished file, so that another process can go on with it.

A note proves nothing about the file host's side: `If-Range` does. It holds no secret, for the
query of a signed link is not in it.
"""

from __future__ import annotations

import json

from .json_values import is_object, json_value
from .ranges import Resume, Take


def written(take: Take, *, address: str, request_id: str, boot: str | None) -> bytes | None:
    """Return the note about a file that begins to come; None: it cannot be gone on with."""
    if take.validator is None:
        return None
    note = {
        "address": address,
        "boot": boot,
        "request_id": request_id,
        "total": take.total,
        "validator": take.validator,
    }
    return json.dumps(note).encode()


def read(
    note: bytes, *, request_id: str, size: int, boot: str | None, checked: bool
) -> Resume | None:
    """
    Return how to go on after *size* bytes that a process left; None: only from the start.

    Args:
        note: What that process wrote; anything may stand there.
        request_id: Whose file is wanted.
        size: How much of it is there.
        boot: What machine starts are told apart by. After a power cut a file may have holes.
        checked: The file is an archive, whose checksums would tell of holes.
    """
    try:
        found = json_value(note)
    except ValueError:
        return None
    if not is_object(found) or found.get("request_id") != request_id or size == 0:
        return None
    if not checked and (boot is None or found.get("boot") != boot):
        return None
    address, total, validator = (found.get(name) for name in ("address", "total", "validator"))
    if not (isinstance(address, str) and isinstance(validator, str) and validator.isprintable()):
        return None
    if total is not None and not (isinstance(total, int) and size <= total):
        return None
    return Resume(address=address, offset=size, total=total, validator=validator)
