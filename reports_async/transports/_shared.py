"""
What the transports do alike: headers, limits, whole replies, and the words of a failure.

Knows no HTTP library, and never puts a query, a header or a body into an error.
"""

from __future__ import annotations

import errno
import os
import string
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import anyio
from attrs import define

from reports_async._exceptions import TransportError
from reports_async._http import HTTPResponse, without_query
from reports_async._secrets import bare

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from reports_async._http import ByteStream, HTTPRequest

# An API reply is a page of JSON; whatever is larger is no reply to us and must not fill the memory.
MAX_BODY: Final = 16 * 1024 * 1024


def wire_url(url: str) -> str:
    """Return the URL with its escapes untouched; what no URL may hold (spaces...) is escaped."""
    return quote(url, safe=string.punctuation)


def wire_headers(request: HTTPRequest) -> dict[str, str]:
    """Return the headers to send. Bodies are asked for as they are: no coding, no guess."""
    headers = {
        name: value for name, value in request.headers.items() if name.lower() != "accept-encoding"
    }
    if all(name.lower() != "user-agent" for name in headers):
        # Gateways are known to turn away callers without a name.
        headers["User-Agent"] = "reports-async"
    headers["Accept-Encoding"] = "identity"
    return headers


def joined_headers(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers by lower-case name; repeated ones are joined as RFC 9110 (5.3) says."""
    headers: dict[str, str] = {}
    for raw_name, value in pairs:
        name = raw_name.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def failure(request: HTTPRequest, what: str) -> TransportError:
    """Return the error that says what became of a request."""
    return TransportError(f"{request.method} {without_query(request.url)}: {what}.")


@contextmanager
def limit(request: HTTPRequest, seconds: float | None, *, what: str) -> Generator[None]:
    """Give the block that many wall-clock seconds (None: no limit)."""
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError as exc:
        raise failure(request, f"{what} within {seconds:g} s") from exc


@define(eq=False, kw_only=True)
class Translated:
    """
    Turn a library's errors into `TransportError`, with the cause chained.

    Whatever leaves, cancellations too, leaves without the library's frames: their variables hold
    headers and addresses.

    Args:
        request: What was sent.
        before: What had not come yet.
        errors: The library's errors.
        telltales: Those among them whose text may repeat the whole address or a header, that is, a
            signature or a token. They are named, not shown.
    """

    request: HTTPRequest
    before: str
    errors: tuple[type[Exception], ...]
    telltales: tuple[type[Exception], ...]

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc is None:
            return
        bare(exc)
        if isinstance(exc, (*self.telltales, *self.errors)):
            what = f"the exchange failed before {self.before} came ({_named(exc)})"
            error = failure(self.request, what)
            try:
                raise error from (None if isinstance(exc, self.telltales) else exc)
            finally:
                # Or a telltale would still be found there.
                error.__context__ = None


def _named(exc: BaseException) -> str:
    """Return an error's name and, of a refused connection or the like, the system's own words."""
    name = type(exc).__name__
    if not isinstance(exc, OSError) or isinstance(exc, TimeoutError):
        return name
    # Not its text, which may repeat the address.
    number = exc.errno or 0
    return f"{name}: {os.strerror(number)}" if number in errno.errorcode else name


async def whole(
    opening: AbstractAsyncContextManager[ByteStream],
    request: HTTPRequest,
    *,
    timeout: float | None,  # noqa: ASYNC109 -- wall-clock seconds are the protocol's own words
) -> HTTPResponse:
    """Return the whole reply, within *timeout* seconds and `MAX_BODY` bytes."""
    # No bytes in a variable: an error on the way may be shown with them, and they may be a token.
    body = BytesIO()
    with limit(request, timeout, what="no whole reply came"):
        async with opening as reply:
            while body.write(await reply.read()):
                if body.tell() > MAX_BODY:
                    raise failure(request, f"the reply is larger than {MAX_BODY} bytes")
    return HTTPResponse(status=reply.status, headers=reply.headers, body=body.getvalue())
