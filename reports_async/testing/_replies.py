"""What the simulator answers, as a value, and how its bodies are written. It decides nothing."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, field, frozen

if TYPE_CHECKING:
    from ._rules import ErrorShape, TimeFormat

JSON: Final = "application/json"

REASONS: Final = {
    400: "INVALID_REQUEST_PARAM",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "CONTENT_NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    406: "NOT_ACCEPTABLE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "REQUEST_THRESHOLD_VIOLATED.GMP_GATEWAY_API",
    504: "DOWNSTREAM_SYSTEM_TIME_OUT",
}

PAGE: Final = (
    b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head>"
    b"<body><h1>We will be right back</h1></body></html>\n"
)


@frozen(kw_only=True)
class Reply:
    """
    One answer of the simulator, and what the network makes of it.

    Args:
        status: The HTTP status.
        headers: Names as they are written on the wire.
        body: A short body, whole.
        source: Makes the pieces of a long body; then `body` is empty.
        refused: The connection is reset before the server acts.
        lost: The server acted, but its answer never arrives: the connection breaks.
        silent: The server acted, but never answers, nor ends the connection.
        cut_after: The connection breaks after that many bytes of the body.
        stall_after: Nothing more comes after that many bytes of the body.
        delay: Seconds of the server's clock before the answer comes.
    """

    status: int
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    body: bytes = field(default=b"", repr=False)
    source: Callable[[], Iterator[bytes]] | None = field(default=None, repr=False)
    refused: bool = False
    lost: bool = False
    silent: bool = False
    cut_after: int | None = None
    stall_after: int | None = None
    delay: float = 0.0

    def chunks(self) -> Iterator[bytes]:
        """Iterate the body in pieces, none of them empty."""
        if self.source is not None:
            return self.source()
        return iter((self.body,) if self.body else ())

    def with_headers(self, headers: Mapping[str, str]) -> Reply:
        """Return the same answer with more headers."""
        return evolve(self, headers={**self.headers, **headers})


class Refusal(Exception):
    """The server says no: becomes an error body of the shape that the rules ask for."""

    def __init__(
        self,
        status: int,
        description: str,
        *,
        code: str | None = None,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.code = code or REASONS.get(status, "SYSTEM_ERROR")
        self.field = field
        self.headers = headers or {}


def whole_reply(status: int, body: bytes, *, kind: str) -> Reply:
    """Return an answer whose body is there, with its type and length."""
    headers = {"Content-Type": kind, "Content-Length": str(len(body))}
    return Reply(status=status, headers=headers, body=body)


def json_reply(document: Mapping[str, Any], *, status: int = 200) -> Reply:
    """Return a JSON answer."""
    return whole_reply(status, json.dumps(document, ensure_ascii=False).encode(), kind=JSON)


def xml_reply(document: Mapping[str, Any], *, status: int = 200) -> Reply:
    """Return the same document as XML, as the API does to those who do not ask for JSON."""
    body = f'<?xml version="1.0" encoding="UTF-8"?><response>{_elements(document)}</response>'
    return whole_reply(status, body.encode(), kind="application/xml")


def _elements(value: Any) -> str:
    if isinstance(value, Mapping):
        items: Mapping[str, Any] = value  # pyright: ignore[reportUnknownVariableType]  # keys of JSON objects are strings
        return "".join(f"<{name}>{_elements(item)}</{name}>" for name, item in items.items())
    if isinstance(value, (list, tuple)):
        entries: tuple[Any, ...] = tuple(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]  # any JSON
        return "".join(f"<item>{_elements(entry)}</item>" for entry in entries)
    return html.escape(str(value))


def html_reply(*, status: int = 200) -> Reply:
    """Return a page for people, as a proxy or a sign-in wall sends."""
    return whole_reply(status, PAGE, kind="text/html; charset=utf-8")


def refusal_reply(refusal: Refusal, *, shape: ErrorShape, path: str, now: datetime) -> Reply:
    """Return the error answer in one of the shapes that were seen."""
    if shape == "html":
        reply = html_reply(status=refusal.status)
    elif shape == "xml":
        reply = xml_reply({"errors": {"error": _entry(refusal)}}, status=refusal.status)
    else:
        document = _error_document(refusal, shape=shape, path=path, now=now)
        reply = json_reply(document, status=refusal.status)
    if shape == "problem":
        reply = reply.with_headers({"Content-Type": "application/problem+json"})
    return reply.with_headers(refusal.headers)


def _error_document(
    refusal: Refusal, *, shape: ErrorShape, path: str, now: datetime
) -> dict[str, Any]:
    if shape == "errors":
        entry = {"code": refusal.code, "message": refusal.description, "field": refusal.field}
        return {"errors": [entry]}
    if shape == "problem":
        return {
            "type": f"https://marketplace.walmart.com/errors/{refusal.code.lower()}",
            "title": refusal.code,
            "status": refusal.status,
            "detail": refusal.description,
            "instance": path,
        }
    if shape == "spring":
        return {
            "timestamp": timestamp(now, "millis"),
            "status": refusal.status,
            "error": refusal.code,
            "path": path,
        }
    return {"error": [_entry(refusal)]}


def _entry(refusal: Refusal) -> dict[str, Any]:
    return {
        "code": refusal.code,
        "field": refusal.field or "",
        "description": refusal.description,
        "info": refusal.description,
        "severity": "ERROR",
        "category": "REQUEST",
        "causes": [],
        "errorIdentifiers": {},
    }


def timestamp(instant: datetime, times: TimeFormat) -> str:
    """Return an instant (UTC) the way the API writes it: with whole seconds, rounded down."""
    text = instant.strftime("%Y-%m-%dT%H:%M:%S")
    if times == "naive":
        return text
    return f"{text}.{instant.microsecond // 1000:03d}Z" if times == "millis" else f"{text}Z"


def http_date(instant: datetime) -> str:
    """Return an instant as HTTP headers write it."""
    return format_datetime(instant, usegmt=True)


def epoch_ms(instant: datetime) -> int:
    """Return epoch milliseconds, rounded up: who comes back then is not a moment too early."""
    epoch = datetime.fromtimestamp(0, instant.tzinfo)
    return -((epoch - instant) // timedelta(milliseconds=1))


def part(chunks: Iterator[bytes], start: int, stop: int) -> Iterator[bytes]:
    """Iterate the bytes from *start* to before *stop* of a body in pieces."""
    position = 0
    for chunk in chunks:
        if position >= stop:
            return
        piece = chunk[max(start - position, 0) : stop - position]
        position += len(chunk)
        if piece:
            yield piece
