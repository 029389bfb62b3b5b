"""
What to ask a file host for, and what its answer means: the whole file, the rest of it, or none.

The file host is a stranger: it gets no token, no Walmart header and no cookie, and nothing it
says about ranges is believed unless the numbers fit.
"""

from __future__ import annotations

import re
from enum import Enum
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import field, frozen

from reports_async._exceptions import BadArchive, DownloadError, LinkExpired, TruncatedDownload
from reports_async._http import HTTPRequest, without_query
from reports_async._secrets import Secret

from .archive import error_code, is_expiry

if TYPE_CHECKING:
    from collections.abc import Mapping

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_BUSY: Final = frozenset({408, 425, 429})
_ENCODINGS: Final = frozenset({"", "identity", "gzip", "x-gzip"})
_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.IGNORECASE)
# A weak one ("W/") compares meaning, not bytes.
_STRONG: Final = re.compile(r'"[^"]+"')
_EXPIRY_WORDS: Final = re.compile(rb"expired|signature", re.IGNORECASE)
# As many digits as no size has: longer numbers are nonsense, or an attack.
_DIGITS: Final = 18
# The longest that a stranger's Retry-After is obeyed, in seconds.
_LONGEST_REST: Final = 300.0


@frozen(kw_only=True)
class Received:
    """Bytes came: `received` so far, of `total` where the file host told it."""

    received: int
    total: int | None = None


@frozen(kw_only=True)
class Retry:
    """The download broke, or its link expired; it goes on. `reason` is fit for display."""

    reason: str


Progress: TypeAlias = Received | Retry


class Trouble(Enum):
    """What went wrong, and so what may help; `Patience` has the rules."""

    EXPIRED = "expired"
    """The link is no longer good: a new one is."""
    GONE = "gone"
    """No such file there; the link may be an old one."""
    UNAVAILABLE = "unavailable"
    """No answer, or "not now": later."""
    CUT = "cut"
    """The body broke off: go on from there, or start again."""
    RESTART = "restart"
    """The rest cannot be had by itself: start again."""
    SHORT = "short"
    """The whole body came, but it ends too early: fetch it again."""
    BAD = "bad"
    """The whole body came, but is not a report: fetch it again."""
    REFUSED = "refused"
    """Asking again is no use."""

    @property
    def error(self) -> type[DownloadError]:
        """The error that says so, when nothing helped."""
        return _ERRORS.get(self, DownloadError)


_ERRORS: Final = {
    Trouble.EXPIRED: LinkExpired,
    Trouble.CUT: TruncatedDownload,
    Trouble.SHORT: TruncatedDownload,
    Trouble.BAD: BadArchive,
}


@frozen(kw_only=True)
class Setback:
    """
    A try that failed. `reason` is a sentence without secrets.

    Args:
        after: Seconds that the file host wants to be left alone.
        brought: Bytes came before it failed.
        from_zero: The try had begun at the first byte.
    """

    trouble: Trouble
    reason: str
    after: float = 0.0
    brought: bool = False
    from_zero: bool = False


@frozen(kw_only=True)
class Take:
    """The body that follows begins at `offset` of a file of `total` bytes, if that is known."""

    offset: int
    total: int | None
    validator: str | None


@frozen(kw_only=True)
class Hop:
    """The file is elsewhere. `location` is as sent: it may be relative, and is not yet trusted."""

    location: str = field(converter=Secret, repr=without_query)


@frozen(kw_only=True)
class Resume:
    """
    What it takes to go on after `offset` bytes.

    `address` is the link without its query: a new link to the same file goes on, one to another
    file does not. `validator` proves that the file is still the same: a strong ETag or a
    Last-Modified date (RFC 9110, section 13.1.5).
    """

    address: str
    offset: int
    total: int | None
    validator: str


def resume_after(take: Take, *, url: str, received: int) -> Resume | None:
    """Return how to go on after *received* bytes; None: only from the start."""
    if take.validator is None or received == 0:
        return None
    return Resume(
        address=without_query(url), offset=received, total=take.total, validator=take.validator
    )


def fitting(resume: Resume | None, *, url: str) -> Resume | None:
    """Return *resume* if it is about the file behind *url*."""
    return resume if resume is not None and resume.address == without_query(url) else None


def next_request(url: str, *, resume: Resume | None) -> HTTPRequest:
    """Return the request for the file, or for the rest of it."""
    headers = {
        "Accept": "*/*",
        # Sizes and ranges count the bytes of the file itself.
        "Accept-Encoding": "identity",
        "User-Agent": "reports-async",
    }
    if resume is not None:
        headers["Range"] = f"bytes={resume.offset}-"
        headers["If-Range"] = resume.validator
    return HTTPRequest(method="GET", url=url, headers=headers)


def judge(
    status: int, headers: Mapping[str, str], *, resume: Resume | None, head: bytes = b""
) -> Take | Hop | Setback:
    """
    Say what an answer means.

    Args:
        status: The HTTP status.
        headers: The headers, names in lower case.
        resume: What was asked for: the rest of the file, or (None) all of it.
        head: The first bytes of the body of an error.
    """
    if status in _REDIRECTS and "location" in headers:
        return Hop(location=headers["location"])
    encodings = {word.strip() for word in headers.get("content-encoding", "").lower().split(",")}
    if status in (200, 206) and not encodings <= _ENCODINGS:
        told = ", ".join(sorted(encodings))
        return Setback(
            trouble=Trouble.REFUSED,
            reason=f"The file host encoded the file as {told:.60}, unasked.",
        )
    if status == HTTPStatus.OK:
        total = _number(headers.get("content-length", ""))
        return Take(offset=0, total=total, validator=_validator(headers))
    if resume is not None and status in (206, 416):
        return _rest(status, headers, resume)
    return _refusal(status, headers, head)


def _rest(status: int, headers: Mapping[str, str], resume: Resume) -> Take | Setback:
    found = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
    if (
        status == HTTPStatus.PARTIAL_CONTENT
        and found
        and resume.validator in (_validator(headers) or resume.validator)
    ):
        start, end, total = int(found[1]), int(found[2]), _number(found[3])
        known = resume.total if total is None else total
        same = resume.total is None or known == resume.total
        if start == resume.offset <= end and same and (known is None or end < known):
            return Take(offset=start, total=known, validator=resume.validator)
    return Setback(
        trouble=Trouble.RESTART,
        reason=f"The file host cannot go on at byte {resume.offset} (HTTP {status}).",
    )


def _refusal(status: int, headers: Mapping[str, str], head: bytes) -> Setback:
    code = error_code(head)
    told = f"The file host answered HTTP {status}" + (f" ({code})." if code else ".")
    if status in _BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        rest = _number(headers.get("retry-after", "")) or 0
        return Setback(
            trouble=Trouble.UNAVAILABLE, reason=told, after=min(float(rest), _LONGEST_REST)
        )
    expired = is_expiry(code) or _EXPIRY_WORDS.search(head) is not None
    if status in (401, 403) or (status >= HTTPStatus.BAD_REQUEST and expired):
        return Setback(
            trouble=Trouble.EXPIRED, reason=f"{told.removesuffix('.')}: the link is no longer good."
        )
    gone = status in (404, 410)
    return Setback(trouble=Trouble.GONE if gone else Trouble.REFUSED, reason=told)


def _validator(headers: Mapping[str, str]) -> str | None:
    if headers.get("accept-ranges", "").strip().lower() == "none":
        return None
    etag = headers.get("etag", "").strip()
    if _STRONG.fullmatch(etag):
        return etag
    return headers.get("last-modified", "").strip() or None


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None
