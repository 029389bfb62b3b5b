"""
Error bodies of every shape, read into `ErrorDetail`s.

The API, its gateways and the proxies before them write errors as JSON (three shapes of their own,
RFC 9457, Spring's), XML, HTML, plain text or not at all. Reading never fails: what cannot be read
says nothing. Secrets that a server repeats are taken out.
"""

from __future__ import annotations

import codecs
import contextlib
import html
import re
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

from reports_async._exceptions import ErrorDetail

from .json_values import Entry, folded, is_array, is_object, json_value

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_TEXT: Final = 300
_LONGEST_LINE: Final = 4096
_LARGEST_BODY: Final = 256 * 1024
_MOST_ENTRIES: Final = 20

_SIGNED_QUERY: Final = re.compile(r"(https?://[^\s?\"'<>]*\?)[^\s\"'<>]+", re.IGNORECASE)
_WEB_TOKEN: Final = re.compile(r"\beyJ[\w-]{8,}[\w.=-]*")


def details(body: bytes, *, secrets: tuple[str, ...] = ()) -> tuple[ErrorDetail, ...]:
    """Return what an error body says, entry by entry; nothing for an empty or unreadable one."""
    body = body[:_LARGEST_BODY].removeprefix(codecs.BOM_UTF8).strip()
    found = (_detail(entry, secrets=secrets) for entry in islice(_entries(body), _MOST_ENTRIES))
    return tuple(detail for detail in found if detail.code or detail.description)


def clean(text: object, *, secrets: tuple[str, ...] = ()) -> str:
    """Return a text that is fit for an error: one line, printable, not long, without secrets."""
    if isinstance(text, bool) or not isinstance(text, (str, int)):
        return ""
    line = str(text)
    for secret in secrets:
        line = line.replace(secret, "...")
    # Cut twice: the patterns below are not for megabytes, the reader is not for more than a line.
    line = line[:_LONGEST_LINE]
    line = _WEB_TOKEN.sub("...", _SIGNED_QUERY.sub(r"\1...", line))
    line = " ".join(line.split())
    line = "".join(character if character.isprintable() else "?" for character in line)
    return line if len(line) <= _LONGEST_TEXT else line[: _LONGEST_TEXT - 3] + "..."


def _entries(body: bytes) -> Iterator[Entry]:
    if body.startswith(b"<"):
        yield from _of_markup(body)
        return
    try:
        value = json_value(body)
    except ValueError:
        with contextlib.suppress(UnicodeDecodeError):
            yield {"description": body.decode()}
    else:
        yield from _of_json(value)


def _of_json(value: Any) -> Iterator[Entry]:
    if is_array(value):
        for item in value:
            yield from _of_json(item)
    elif is_object(value):
        entry = folded(value)
        inner = entry.get("errors") or entry.get("error")
        if is_array(inner) or is_object(inner):
            # {"error": [...]} of the gateway, {"errors": [...]} of the services.
            yield from _of_json(inner)
        yield entry
    else:
        yield {"description": value}


def _of_markup(body: bytes) -> Iterator[Entry]:
    # A proxy's page says what it is in its title; the rest of it is for people.
    lower = body.lower()
    start = lower.find(b"<title")
    if start >= 0:
        title = body[body.find(b">", start) + 1 :]
        end = title.lower().find(b"</title")
        text = title[:end] if end >= 0 else b""
        yield {"description": html.unescape(text.decode(errors="replace"))}
    elif b"<!doctype" not in lower and b"<!entity" not in lower:
        # Neither DTD nor entities: with them a few bytes can expand to gigabytes.
        yield from _of_xml(body)


def _of_xml(body: bytes) -> Iterator[Entry]:
    try:
        root = ET.fromstring(body.decode(errors="replace"))  # noqa: S314 -- no declarations, see above
    except (ET.ParseError, ValueError):
        return
    for element in root.iter():
        if _local(element) in ("error", "fault"):
            entry = {_local(child): child.text or "" for child in element if not len(child)}
            if entry:
                yield entry


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2].casefold()


def _detail(entry: Entry, *, secrets: tuple[str, ...]) -> ErrorDetail:
    def read(*names: str) -> str:
        texts = (clean(entry.get(name), secrets=secrets) for name in names)
        return next((text for text in texts if text), "")

    code = read("code", "errorcode")
    if "error_description" in entry:
        code = code or read("error")  # OAuth's shape (RFC 6749)
    title, detail = read("title"), read("detail")
    problem = ": ".join(text for text in (title, detail) if text)  # RFC 9457
    description = read("description", "message", "error_description", "errordescription")
    return ErrorDetail(
        code=code,
        # "error" is Spring's: the reason phrase.
        description=description or problem or read("info", "error", "errors", "faultstring"),
        field=read("field") or None,
    )
