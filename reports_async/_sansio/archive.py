"""
What a body is, which of its files is the report, and what the file on disk is called.

Decides by bytes and names that are handed in; opens, reads and unpacks nothing.
"""

from __future__ import annotations

import hashlib
import re
from enum import Enum
from typing import TYPE_CHECKING, Final

from attrs import field, frozen
from attrs.validators import optional

from reports_async._exceptions import BadArchive, LinkExpired, TruncatedDownload
from reports_async._validation import checked_count

if TYPE_CHECKING:
    from collections.abc import Sequence

# How many bytes of a body `kind`, `check_page` and `error_code` want to see.
HEAD: Final = 4096
_END: Final = b"PK\x05\x06"
_END_SIZE: Final = 22
# A ZIP's end record, and the longest comment that may follow it.
TAIL: Final = _END_SIZE + 0xFFFF

_MAGIC: Final = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b")

_PAGES: Final = (b"<!doctype", b"<html", b"<head", b"<body", b"<!--", b"<?xml", b"<error")
_JSON: Final = re.compile(rb'\{\s*"[^"]*"\s*:|\[\s*[{"]')
# How text begins that has bytes of zero.
_WIDE: Final = (b"\xff\xfe", b"\xfe\xff")
_CODE: Final = re.compile(rb"<code>\s*([\w.-]{1,80})\s*</code>", re.IGNORECASE)
_EXPIRED: Final = frozenset(
    {"accessdenied", "authenticationfailed", "authorizationfailure", "expiredtoken"}
    | {"invalidauthenticationinfo", "requestexpired", "signaturedoesnotmatch"}
)

# How many names an error lists.
_TOLD: Final = 5

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]|\.{2,}")
_DEVICES: Final = frozenset(
    {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}
    | {f"{port}{number}" for port in ("COM", "LPT") for number in range(10)}
)


class Kind(Enum):
    """How a body is packed, told by its first bytes: names and content types are guesses."""

    ZIP = "ZIP"
    GZIP = "gzip"
    PLAIN = "plain"


@frozen(kw_only=True)
class Limits:
    """
    How much a body may grow by unpacking.

    Args:
        ratio: Times the size of the body, once more than `floor` bytes came out.
        floor: Bytes up to which no ratio is suspicious: a few lines pack to almost nothing.
        total: Bytes in all; None for no limit, for a report has no largest size.
    """

    ratio: int = field(default=1000, validator=checked_count)
    floor: int = field(default=64 * 1024 * 1024, validator=checked_count)
    total: int | None = field(default=None, validator=optional(checked_count))

    def check(self, unpacked: int, *, packed: int) -> None:
        """Raise `BadArchive` when *packed* bytes must not become *unpacked* bytes."""
        if self.total is not None and unpacked > self.total:
            raise BadArchive(
                f"The archive unpacks to more than the {self.total} bytes allowed. "
                "Downloads(limits=Limits(total=...)) allows more."
            )
        if unpacked > self.floor and unpacked > self.ratio * packed:
            raise BadArchive(
                f"The archive of {packed} bytes unpacks to more than {self.ratio} times its size. "
                "Downloads(limits=Limits(ratio=...)) allows more."
            )


def kind(head: bytes) -> Kind:
    """Tell how a body is packed; a piece of a mark is a body that broke off."""
    if head.startswith(_MAGIC[:2]):
        return Kind.ZIP
    if head.startswith(_MAGIC[2]):
        return Kind.GZIP
    if head and any(magic.startswith(head) for magic in _MAGIC):
        raise TruncatedDownload(f"The body ended after {len(head)} bytes.")
    return Kind.PLAIN


def check_end(tail: bytes) -> None:
    """Raise `TruncatedDownload` unless the last bytes of a ZIP hold its end record, whole."""
    start = tail.rfind(_END)
    record = tail[start:] if start >= 0 else b""
    if len(record) < _END_SIZE + int.from_bytes(record[20:22], "little"):
        raise TruncatedDownload("The ZIP archive ends before its end record.")


def error_code(head: bytes) -> str | None:
    """Return the code of a blob store's XML error (``<Code>``), None where there is none."""
    found = _CODE.search(head)
    return found[1].decode("ascii", "replace") if found else None


def is_expiry(code: str | None) -> bool:
    """Tell whether a blob store's error code means that the link's signature is no longer good."""
    return code is not None and code.lower() in _EXPIRED


def check_page(head: bytes) -> None:
    """
    Refuse a body that is a web page, an error message or no text where a report was expected.

    Raises:
        LinkExpired: A blob store says so, whatever the status was.
        BadArchive: It is anything else that no CSV begins with.
    """
    if b"\0" in head and not head.startswith(_WIDE):
        raise BadArchive("The file host sent something that is no text in place of the report.")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    lower = start.lower()
    if _JSON.match(start):
        raise BadArchive("The file host sent a JSON message in place of the report.")
    if not lower.startswith(_PAGES):
        return
    code = error_code(start)
    if is_expiry(code):
        raise LinkExpired(f"The file host refused the link: {code}.")
    if lower.startswith((b"<?xml", b"<error")):
        raise BadArchive(f"The file host sent an XML message ({code}) in place of the report.")
    raise BadArchive("The file host sent an HTML page in place of the report.")


def choose(names: Sequence[str]) -> int:
    """
    Return the index of the archive's one report.

    Folders, hidden files and what macOS adds do not count. A single file is the report, whatever
    its name; among several, the single ``*.csv`` is.
    """
    files = [
        index
        for index, name in enumerate(names)
        if not name.endswith("/")
        and not name.startswith("__MACOSX/")
        and not name.rpartition("/")[2].startswith(".")
    ]
    reports = [index for index in files if names[index].lower().endswith(".csv")]
    for found in (files, reports):
        if len(found) == 1:
            return found[0]
    told = ", ".join(repr(names[index][:60]) for index in files[:_TOLD]) or "nothing"
    more = ", and more" if files[_TOLD:] else ""
    raise BadArchive(f"The archive must hold one CSV file, but holds {told}{more}.")


def file_name(report_type: str, version: str, request_id: str) -> str:
    """
    Return the name of a report's file: ``ITEM_MX_v1_<request id>.csv``.

    Names from the server never leave the directory. A part that had to be altered gets a digest,
    behind a mark that no unaltered part can hold: so two ids of a type never share a file.
    """
    parts = (_safe(report_type, 60), _safe(version, 20), _safe(request_id, 80))
    return "_".join(parts) + ".csv"


def _safe(part: str, limit: int) -> str:
    clean = _UNSAFE.sub("_", part).lstrip(".-")[:limit].rstrip(".") or "_"
    if clean.partition(".")[0].upper() in _DEVICES:
        # Windows opens the console for "CON.anything", in every directory.
        clean = f"_{clean}"
    if clean == part:
        return part
    digest = hashlib.sha256(part.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{clean}~{digest[:12]}"
