"""
Webhook calls, judged: whether the caller is who it says it is, and what it tells.

Functions of headers and bytes. Nothing that a notification says is believed: it names a request
that is worth a look, no more.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from attrs import field, frozen

from reports_async._exceptions import InvalidArgument, WebhookError
from reports_async._secrets import Secret

from .json_values import Entry, is_object, json_value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from attrs import Attribute

LARGEST: Final = 64 * 1024
"""Bytes of the largest body that is taken; real ones have less than one KiB."""

REPORT_EVENTS: Final = frozenset({"REPORT_STATUS", "REPORT_STATUS_SUPPLIER"})
"""The events that tell of reports: of sellers and of suppliers."""

BAD_REQUEST: Final = 400
UNAUTHORIZED: Final = 401
TOO_LARGE: Final = 413

_LONGEST_ID: Final = 200
# "authHeaderName": a token of RFC 9110.
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# What the API's own examples use.
_HEADER: Final = "Authorization"


class Verifier(Protocol):
    """Who tells a call of Walmart's from any other; `BasicAuth`, `Hmac` and `OAuth` do."""

    def admits(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Return whether a call is genuine. The names of *headers* are lower-case."""
        ...


def _as_secret(value: Any) -> Any:
    # What is no text stays as it is, to be refused.
    return Secret(value) if isinstance(value, str) else value


def _as_tokens(tokens: str | Iterable[str]) -> tuple[str, ...]:
    return tuple(_as_secret(token) for token in ([tokens] if isinstance(tokens, str) else tokens))


def _checked_text(_instance: Any, attribute: Attribute[Any], value: Any) -> None:
    # The value is never shown: it may be the secret, misplaced.
    if not isinstance(value, str) or not value.strip():
        raise InvalidArgument(f"{attribute.name} must be a string and not blank.")


def _checked_texts(_instance: Any, attribute: Attribute[Any], values: tuple[Any, ...]) -> None:
    if not values:
        raise InvalidArgument(f"{attribute.name} must name at least one.")
    for value in values:
        _checked_text(_instance, attribute, value)


def _checked_header(_instance: Any, _attribute: Attribute[Any], value: Any) -> None:
    if not (isinstance(value, str) and _HEADER_NAME.fullmatch(value)):
        raise InvalidArgument(f"header must be the name of an HTTP header, not {value!r}.")


@frozen
class BasicAuth:
    """
    BASIC_AUTH: the header is the Base64 of ``user:password``, with or without the word Basic.

    Args:
        user: The `userName` of the subscription.
        password: Its password.
        header: Its `authHeaderName`.

    .. versionadded:: 0.1.0
    """

    user: str = field(validator=_checked_text)
    password: str = field(repr=False, converter=_as_secret, validator=_checked_text)
    header: str = field(default=_HEADER, kw_only=True, validator=_checked_header)

    def admits(self, headers: Mapping[str, str], body: bytes) -> bool:  # noqa: ARG002 -- the protocol's signature
        """Return whether the header tells user and password."""
        return _same(_without_scheme(self._value(headers), "basic"), self._pair())

    def details(self) -> dict[str, str]:
        """Return what a subscription says of it."""
        return {
            "authMethod": "BASIC_AUTH",
            "userName": self.user,
            "password": self.password,
            "authHeaderName": self.header,
        }

    def _pair(self) -> str:
        pair = f"{self.user}:{self.password}".encode()
        return Secret(base64.b64encode(pair).decode())

    def _value(self, headers: Mapping[str, str]) -> str:
        return headers.get(self.header.lower(), "").strip()


@frozen
class Hmac:
    """
    HMAC: the header is the HMAC-SHA256 of the body, in hex or Base64: which one is not documented.

    Args:
        secret: The `clientSecret` of the subscription.
        header: Its `authHeaderName`.

    .. versionadded:: 0.1.0
    """

    secret: str = field(repr=False, converter=_as_secret, validator=_checked_text)
    header: str = field(default=_HEADER, kw_only=True, validator=_checked_header)

    def admits(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Return whether the header signs the body."""
        given = headers.get(self.header.lower(), "").strip()
        digest = hmac.new(self.secret.encode(), body, hashlib.sha256).digest()
        # Both are compared always: how long it takes tells nothing.
        in_hex = _same(given.lower(), digest.hex())
        in_base64 = _same(given, base64.b64encode(digest).decode())
        return in_hex or in_base64

    def details(self) -> dict[str, str]:
        """Return what a subscription says of it."""
        return {
            "authMethod": "HMAC",
            "clientSecret": self.secret,
            "authHeaderName": self.header,
        }


@frozen
class OAuth:
    """
    OAUTH: the header is ``Bearer`` and an access token that your own server has given to Walmart.

    Args:
        tokens: The one that is good now, or several. Where they change, write a `Verifier` that
            asks your server.
        header: The `authHeaderName` of the subscription.

    .. versionadded:: 0.1.0
    """

    tokens: tuple[str, ...] = field(repr=False, converter=_as_tokens, validator=_checked_texts)
    header: str = field(default=_HEADER, kw_only=True, validator=_checked_header)

    def admits(self, headers: Mapping[str, str], body: bytes) -> bool:  # noqa: ARG002 -- the protocol's signature
        """Return whether the header bears one of the tokens."""
        given = _without_scheme(headers.get(self.header.lower(), "").strip(), "bearer")
        # All are compared always: how long it takes tells nothing.
        return any([_same(given, token) for token in self.tokens])  # noqa: C419 -- see above


@frozen(kw_only=True)
class OAuthServer:
    """
    Where Walmart gets the access tokens for its calls: your server, for a subscription.

    Args:
        url: The `authUrl`: answers a POST with `access_token` and `expires_in`.
        client_id, client_secret: What Walmart shows there.
        header: The `authHeaderName`.

    .. versionadded:: 0.1.0
    """

    url: str = field(validator=_checked_text)
    client_id: str = field(validator=_checked_text)
    client_secret: str = field(repr=False, converter=_as_secret, validator=_checked_text)
    header: str = field(default=_HEADER, kw_only=True, validator=_checked_header)

    def details(self) -> dict[str, str]:
        """Return what a subscription says of it."""
        return {
            "authMethod": "OAUTH",
            "authUrl": self.url,
            "clientId": self.client_id,
            "clientSecret": self.client_secret,
            "authHeaderName": self.header,
        }


@frozen(kw_only=True)
class Notification:
    """
    What a webhook call says; not proof of anything.

    Args:
        event_type: REPORT_STATUS, REPORT_STATUS_SUPPLIER, or any other; empty where it has none.
        event_id: The same for every delivery of one event, None where it has none.
        request_id: The request that it tells of, None where it tells of none.
        body: The whole, parsed: what `ReportsClient.notify` takes.

    .. versionadded:: 0.1.0
    """

    event_type: str
    event_id: str | None
    request_id: str | None
    body: Mapping[str, Any] = field(repr=False, hash=False)

    @property
    def about_report(self) -> bool:
        """Whether it tells of a report's request."""
        return self.event_type in REPORT_EVENTS and self.request_id is not None


def check_size(size: int | None, *, limit: int) -> None:
    """
    Hold a size, None where it is not known, against a limit.

    Raises:
        WebhookError: It is too large (413).
    """
    if size is not None and size > limit:
        raise WebhookError(
            f"A webhook body of more than {limit} bytes was refused: notifications are short.",
            status=TOO_LARGE,
        )


def verified(
    headers: Mapping[str, str], body: bytes, *, verify: Verifier | None, limit: int = LARGEST
) -> Notification:
    """
    Return the notification of a call: its size, its signature and its form are right.

    Raises:
        WebhookError: Too large (413), not signed as agreed (401), or not a JSON object (400);
            in this order, so that a stranger's text is never parsed. Neither message tells any of
            the body.
    """
    check_size(len(body), limit=limit)
    lower = {name.lower(): value for name, value in headers.items()}
    if verify is not None and not verify.admits(lower, body):
        raise WebhookError(
            "A webhook call was refused: it is not signed as agreed. Compare the subscription's "
            "authentication with the receiver's.",
            status=UNAUTHORIZED,
        )
    return parse_notification(body)


def parse_notification(body: bytes) -> Notification:
    """
    Read the body of a webhook call; unknown events are read as well.

    Raises:
        WebhookError: It is not a JSON object.
    """
    try:
        event = json_value(body)
    except ValueError:
        event = None
    if not is_object(event):
        # Not chained: the error of the parser holds the whole body.
        raise WebhookError(
            "A webhook call was refused: its body is not a JSON object.", status=BAD_REQUEST
        )
    source: Any = event.get("source")
    told: Entry = source if is_object(source) else {}
    return Notification(
        event_type=_identifier(told.get("eventType")) or "",
        event_id=_identifier(told.get("eventId")),
        request_id=_identifier(notified_request(event)),
        body=event,
    )


def notified_ready(event: Mapping[str, object]) -> bool:
    """Tell whether a webhook body says READY: worth asking for the link, not to be believed."""
    payload = event.get("payload")
    if not isinstance(payload, Mapping):
        return False
    return cast("Mapping[str, object]", payload).get("requestStatus") == "READY"


def notified_request(event: Mapping[str, object]) -> str | None:
    """
    Return the request id that a webhook body (parsed JSON) tells of, or None.

    The rest of the body is not believed: a forged READY must gain nothing, so a webhook only says
    which request to look at.

    Raises:
        WebhookError: *event* is not a mapping.
    """
    if not hasattr(event, "get"):
        raise WebhookError(f"A webhook body is a JSON object, not {type(event).__name__}.")
    payload = event.get("payload")
    if not isinstance(payload, Mapping):
        return None
    request_id = cast("Mapping[str, object]", payload).get("requestId")
    return request_id if isinstance(request_id, str) and request_id else None


def _identifier(value: Any) -> str | None:
    fits = isinstance(value, str) and 0 < len(value) <= _LONGEST_ID and value.isprintable()
    return value if fits else None


def _without_scheme(value: str, scheme: str) -> str:
    first, _, rest = value.partition(" ")
    return rest.strip() if first.lower() == scheme else value


def _same(given: str, right: str) -> bool:
    # In constant time. What is not ASCII, or no text at all, is only another wrong value.
    return hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass")
    )
