"""
Receive Walmart's webhooks: an HTTP request becomes a verified event becomes `client.notify()`.

For aiohttp.web and any ASGI server. It answers at once, waits for nobody and believes nothing: a
notification only makes the client ask the server now.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, Protocol

from aiohttp import web

from ._exceptions import InvalidArgument, WebhookError
from ._sansio.notifications import (
    BAD_REQUEST,
    LARGEST,
    BasicAuth,
    Hmac,
    Notification,
    OAuth,
    OAuthServer,
    Verifier,
    check_size,
    verified,
)
from ._sansio.subscriptions import Authentication, Subscription
from ._subscriptions import Subscriptions

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping

    Message = MutableMapping[str, Any]
    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

__all__ = [
    "Authentication",
    "BasicAuth",
    "Hmac",
    "Notification",
    "Notified",
    "OAuth",
    "OAuthServer",
    "Receiver",
    "Subscription",
    "Subscriptions",
    "Verifier",
]

logger = logging.getLogger("reports_async")

REMEMBERED: Final = 4096
"""Events that are known again: repetitions come within minutes."""

OK: Final = 200
METHOD_NOT_ALLOWED: Final = 405

_DIGITS: Final = 18


class Notified(Protocol):
    """Who is told: a `ReportsClient`, or a `ReportsPool` for all its accounts."""

    def notify(self, event: Mapping[str, Any], /) -> None:
        """Take the parsed body of a notification."""
        ...


class Receiver:
    """
    Take REPORT_STATUS notifications, in any of three ways.

    ::

        receiver = Receiver(client, verify=Hmac(secret))

        app.router.add_post("/walmart", receiver.aiohttp)          # aiohttp.web
        Starlette(routes=[Route("/walmart", receiver)])            # ASGI: it is an application
        receiver.receive(headers, body)                            # anything else

    Other events are accepted and ignored, so that one address can serve many subscriptions.

    Args:
        client: Who is told.
        verify: How a genuine call is known, as in the subscription. None takes any call: only for
            those who checked it before, because each call may cost a look at the server.
        limit: Bytes of the largest body; a larger one is refused without being read.

    .. versionadded:: 0.1.0
    """

    def __init__(self, client: Notified, *, verify: Verifier | None, limit: int = LARGEST) -> None:
        if not hasattr(client, "notify"):
            raise InvalidArgument(f"client must have a method notify, but is {client!r}.")
        if verify is not None and not hasattr(verify, "admits"):
            # Not shown: it may be the secret.
            raise InvalidArgument(
                "verify must be Hmac, BasicAuth, OAuth, another Verifier or None."
            )
        if type(limit) is not int or limit < 1:
            raise InvalidArgument(f"limit must be a number of bytes above zero, not {limit!r}.")
        self._client = client
        self._verify = verify
        self._limit = limit
        self._known: OrderedDict[tuple[str | None, str | None], None] = OrderedDict()
        self._told = 0
        self._refused = 0

    def receive(self, headers: Mapping[str, str], body: bytes) -> Notification:
        """
        Check a call and tell the client; return at once what it said.

        A notification that came before is not told again.

        Raises:
            WebhookError: The call is refused; `status` is what to answer.
        """
        try:
            notification = verified(headers, body, verify=self._verify, limit=self._limit)
        except WebhookError as error:
            self._refuse(error)
            raise
        if not notification.about_report:
            logger.debug("%r was ignored: it is about no report", notification)
        elif (key := (notification.event_id, notification.request_id)) not in self._known:
            logger.debug("%r was received", notification)
            self._client.notify(notification.body)
            self._told += 1
            # "Duplicates are possible: dedupe by eventId". Only now: if nobody could be told, the
            # next try of the same is new.
            if None not in key:
                self._known[key] = None
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return notification

    def _refuse(self, error: WebhookError) -> None:
        self._refused += 1
        logger.warning("%s", error)

    async def aiohttp(self, request: web.Request) -> web.Response:
        """Handle a request of aiohttp.web."""
        if request.method != "POST":
            return _refusal(web.Response(status=METHOD_NOT_ALLOWED, headers={"Allow": "POST"}))
        try:
            body = await self._read(request.content_length, _pieces_of_aiohttp(request))
            self.receive(request.headers, body)
        except WebhookError as error:
            return _refusal(web.Response(status=error.status, text=f"{error}\n"))
        except ConnectionError:
            # The caller has left: nobody reads this answer.
            return _refusal(web.Response(status=BAD_REQUEST))
        return web.Response(status=OK)

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as an ASGI application, which this object is, too."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1003})
        else:
            await self._answer(scope, receive, send)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Do what `asgi` does."""
        await self.asgi(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await _respond(scope, send, METHOD_NOT_ALLOWED)
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        try:
            body = await self._read(_declared(headers), _pieces_of_asgi(receive))
            self.receive(headers, body)
        except WebhookError as error:
            await _respond(scope, send, error.status, text=f"{error}\n")
        except ConnectionError:
            # The caller has left: there is nobody to answer.
            return
        else:
            await _respond(scope, send, OK)

    async def _read(self, size: int | None, pieces: AsyncGenerator[bytes]) -> bytes:
        try:
            check_size(size, limit=self._limit)
            body = bytearray()
            async with aclosing(pieces):
                async for piece in pieces:
                    body += piece
                    check_size(len(body), limit=self._limit)
        except WebhookError as error:
            self._refuse(error)
            raise
        return bytes(body)

    def __repr__(self) -> str:
        return f"<Receiver {self._told} told, {self._refused} refused>"


def _declared(headers: Mapping[str, str]) -> int | None:
    length = headers.get("content-length", "")
    readable = length.isascii() and length.isdigit() and len(length) <= _DIGITS
    # What cannot be read is counted as it comes.
    return int(length) if readable else None


async def _pieces_of_aiohttp(request: web.Request) -> AsyncGenerator[bytes]:
    try:
        while piece := await request.content.readany():
            yield piece
    except web.RequestPayloadError as exc:
        raise WebhookError(
            "A webhook call was refused: its body is broken.", status=BAD_REQUEST
        ) from exc


def _refusal(response: web.Response) -> web.Response:
    # The rest of the body is not waited for.
    response.force_close()
    return response


async def _pieces_of_asgi(receive: Receive) -> AsyncGenerator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError("The caller of a webhook left within its body.")
        yield message.get("body", b"")
        more = message.get("more_body", False)


async def _respond(scope: Scope, send: Send, status: int, *, text: str = "") -> None:
    body = text.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    if status == METHOD_NOT_ALLOWED:
        headers.append((b"allow", b"POST"))
    if status != OK and scope.get("http_version", "1.1").startswith("1"):
        # The rest of the body is not waited for. Later versions of HTTP have no such header.
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    """Say yes to both ends of a server's life: nothing here has one."""
    for _ in range(2):
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
