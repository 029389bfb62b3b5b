"""
The one door from the wire: replies are read here, in all the spellings that have been seen.

Above this room nobody sees a header or a raw dictionary. Readers return values or raise an error
of the tree, nothing else, whatever the bytes are.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from attrs import evolve, field, frozen

from reports_async._models import DownloadLink, ReportRequest, RequestStatus
from reports_async._secrets import Secret

from .error_bodies import clean
from .errors import error, malformed
from .hints import Hints, hints
from .instants import parse_instant
from .json_values import Entry, folded, is_array, is_object, json_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports_async._http import HTTPResponse

    from .endpoints import Call

__all__ = [
    "Hints",
    "LinkReply",
    "Page",
    "Token",
    "Unreadable",
    "error",
    "hints",
    "parse_created",
    "parse_link",
    "parse_page",
    "parse_status",
    "parse_token",
    "read",
    "request_status",
]

_T = TypeVar("_T")

_LONGEST_ID: Final = 200
_LIFETIME: Final = 900.0  # "expires_in": 900
_LONGEST_LIFETIME: Final = 86400.0


@frozen(kw_only=True)
class Token:
    """An access token. `expires_in` counts seconds from the reply."""

    value: str = field(converter=Secret)
    expires_in: float


@frozen(kw_only=True)
class Page:
    """One page of the list. `limit` is the server's own: it may be less than was asked for."""

    requests: tuple[ReportRequest, ...]
    next_cursor: str | None
    limit: int | None
    total: int | None


@frozen(kw_only=True)
class LinkReply:
    """The request, and its link where there is one: not ready and failed ones have none."""

    request: ReportRequest
    link: DownloadLink | None


class Unreadable(ValueError):
    """The body is not what it should be; the text says why."""


def request_status(word: object) -> RequestStatus:
    """Return what the API's word stands for; UNKNOWN for words that are not listed."""
    plain = word.strip().upper().replace("_", "") if isinstance(word, str) else ""
    return RequestStatus(plain) if plain in RequestStatus.__members__ else RequestStatus.UNKNOWN


def parse_token(call: Call, response: HTTPResponse) -> Token:
    """Read the reply to a token call."""
    return read(call, response, _token)


def parse_created(call: Call, response: HTTPResponse) -> ReportRequest:
    """Read the reply to a create call. Without a request id it is of no use."""
    return read(call, response, _created)


def parse_status(call: Call, response: HTTPResponse) -> ReportRequest:
    """Read the reply to a status call."""
    return read(call, response, _one)


def parse_page(call: Call, response: HTTPResponse) -> Page:
    """Read the reply to a list call. Entries without an id are left out."""
    return read(call, response, _page)


def parse_link(call: Call, response: HTTPResponse) -> LinkReply:
    """Read the reply to a download link call. Not ready and failed may be 200 without a link."""
    return read(call, response, _link_reply)


def read(call: Call, response: HTTPResponse, reader: Callable[[Call, Entry], _T]) -> _T:
    """
    Return what *reader* makes of a reply's JSON object; the names in it are folded.

    A reader raises `Unreadable` for an object that is not what it should be.
    """
    if not 200 <= response.status < 300:  # noqa: PLR2004 -- success in HTTP
        raise error(call, response)
    try:
        return reader(call, _object(response.body))
    except ValueError as exc:
        reason = str(exc) if isinstance(exc, Unreadable) else "it is not JSON"
    # Not chained: a JSON error, and the frames it came through, hold the whole body, and that may
    # hold a token or a link.
    raise malformed(call, response, reason=reason)


def _object(body: bytes) -> Entry:
    value = json_value(body)
    if not is_object(value):
        raise Unreadable("it is no JSON object")
    return folded(value)


def _token(_call: Call, entry: Entry) -> Token:
    value = _word(entry.get("access_token"))
    if value is None or not value.isascii():
        raise Unreadable("it has no access_token")
    lifetime = entry.get("expires_in", _LIFETIME)
    try:
        seconds = float(lifetime)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not seconds > 0:
        raise Unreadable("its expires_in is not a number of seconds")
    return Token(value=value, expires_in=min(seconds, _LONGEST_LIFETIME))


def _created(call: Call, entry: Entry) -> ReportRequest:
    request_id = _word(entry.get("requestid"), longest=_LONGEST_ID)
    if request_id is None:
        raise Unreadable("it has no requestId")
    return _request(call, entry, request_id=request_id)


def _one(call: Call, entry: Entry) -> ReportRequest:
    request = _request(call, entry, request_id=_asked_for(call, entry))
    if not request.raw_status:
        raise Unreadable("it has no requestStatus")
    return request


def _page(call: Call, entry: Entry) -> Page:
    total = _count(entry.get("totalcount"))
    listed = entry.get("requests")
    if listed is None and total == 0:
        listed = []
    if not is_array(listed):
        # An unreadable list must not pass for an empty one: "no such request" has consequences.
        raise Unreadable("it has no list of requests")
    entries = [folded(item) for item in listed if is_object(item)]
    known = [(_word(item.get("requestid"), longest=_LONGEST_ID), item) for item in entries]
    requests = tuple(_request(call, item, request_id=word) for word, item in known if word)
    if listed and not requests:
        raise Unreadable("none of its requests has an id")
    cursor = entry.get("nextcursor")
    return Page(
        requests=requests,
        next_cursor=cursor if isinstance(cursor, str) and cursor.strip() else None,
        limit=_count(entry.get("limit")) or None,
        total=total,
    )


def _link_reply(call: Call, entry: Entry) -> LinkReply:
    request = _request(call, entry, request_id=_asked_for(call, entry))
    url = _url(entry)
    if url is None:
        if not request.raw_status:
            raise Unreadable("it has neither a link nor a status")
        return LinkReply(request=request, link=None)
    if not request.raw_status:
        # The overview page's form: link and expiration only. Only a READY request has a link.
        request = evolve(request, status=RequestStatus.READY, raw_status=RequestStatus.READY.value)
    expiration = entry.get("downloadurlexpirationtime", entry.get("downloadurlsexpirationtime"))
    return LinkReply(
        request=request, link=DownloadLink(url=url, expires_at=parse_instant(expiration))
    )


def _request(call: Call, entry: Entry, *, request_id: str) -> ReportRequest:
    # A hundred thousand jobs may keep the same few words.
    raw_status = sys.intern(clean(entry.get("requeststatus")))
    return ReportRequest(
        request_id=request_id,
        status=request_status(raw_status),
        raw_status=raw_status,
        report_type=clean(entry.get("reporttype")) or call.report_type,
        version=clean(entry.get("reportversion")) or None,
        submitted_at=parse_instant(entry.get("requestsubmissiondate")),
        generated_at=parse_instant(entry.get("reportgenerationdate")),
        source=clean(entry.get("src")) or None,
        payload=_payload(entry.get("payload")),
        description=clean(entry.get("errordescription")) or clean(entry.get("description")) or None,
    )


def _asked_for(call: Call, entry: Entry) -> str:
    """Return the id of the request that was asked for: the reply's own, which must be that one."""
    told, asked = _word(entry.get("requestid"), longest=_LONGEST_ID), call.request_id
    request_id = told or asked
    if request_id is None:
        raise Unreadable("it has no requestId")
    if asked is not None and request_id.casefold() != asked.casefold():
        raise Unreadable("it is about another request")
    return asked or request_id


def _url(entry: Entry) -> str | None:
    found = entry.get("downloadurl") or entry.get("downloadurls")
    every = found if is_array(found) else [found]
    links = list(dict.fromkeys(str(link) for link in every if link))
    if not links:
        return None
    if len(links) > 1:
        # Taking the first could pass a part of the report for the whole.
        raise Unreadable("it has several links, and one file was asked for")
    link = _word(links[0])
    if link is None or not _is_address(link):
        raise Unreadable("its link is not an address")
    return link


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _word(value: Any, *, longest: int | None = None) -> str | None:
    """Return a value that is fit for an address or a header, or None."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    text = str(value).strip()
    if not text or not text.isprintable() or any(character.isspace() for character in text):
        return None
    return None if longest is not None and len(text) > longest else text


def _count(value: Any) -> int | None:
    text = _word(value, longest=9)
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def _payload(value: Any) -> dict[str, Any] | None:
    if not value:
        return None
    # Not an object, and not nothing: kept so that it never passes for "no filters".
    return value if is_object(value) else {"payload": value}
