"""
The calls and replies of ``/v3/webhooks``: who is told when a report is ready.

Written from Walmart's specification of its notifications for the US. Nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol, cast
from urllib.parse import quote, urlsplit

from attrs import field, frozen

from reports_async._exceptions import InvalidArgument
from reports_async._http import without_query
from reports_async._validation import checked_optional_word, checked_word, one_of, word

from .endpoints import webhook_call
from .error_bodies import clean
from .errors import error
from .json_values import Entry, folded, is_array, is_object, json_value
from .markets import MARKETS, is_loopback, market
from .replies import Unreadable, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attrs import Attribute

    from reports_async._http import HTTPResponse

    from .endpoints import Call, Site

_SUBSCRIPTIONS: Final = "subscriptions"
_TEST: Final = "test"
_STATUSES: Final = ("ACTIVE", "INACTIVE")

# "eventType REPORT_STATUS, version V1, resource REPORTS"
VERSION: Final = "V1"
RESOURCE: Final = "REPORTS"
_EVENTS: Final = MappingProxyType({"suppliers": "REPORT_STATUS_SUPPLIER"})
_EVENT: Final = "REPORT_STATUS"

# What "authDetails" may hold that nobody shall see; shorter ones are in any text by chance.
_SECRETS: Final = ("password", "clientSecret")
_SHORTEST: Final = 4


class Authentication(Protocol):
    """How Walmart proves to the receiver who it is: `BasicAuth`, `Hmac` or `OAuthServer`."""

    def details(self) -> dict[str, str]:
        """Return the `authDetails` of a subscription."""
        ...


@frozen(kw_only=True)
class Subscription:
    """
    One webhook subscription, as the server tells of it. Secrets are not kept.

    Args:
        subscription_id: Its id.
        event_type: What it is about, e.g. REPORT_STATUS.
        event_url: Where the notifications go.
        status: ACTIVE or INACTIVE: then none are sent.
        event_version: The version of the event.
        resource: The functional category of the event, e.g. REPORTS.
        partner_id: Whose it is.
        auth_method: BASIC_AUTH, HMAC or OAUTH; None where the calls prove nothing.
        auth_header: The header that proves it.

    .. versionadded:: 0.1.0
    """

    subscription_id: str
    event_type: str
    event_url: str | None = field(default=None, repr=lambda url: url and without_query(url))
    status: str | None = None
    event_version: str | None = None
    resource: str | None = None
    partner_id: str | None = None
    auth_method: str | None = None
    auth_header: str | None = None


def _known_status(_instance: Any, attribute: Attribute[Any], value: Any) -> None:
    if value is not None:
        one_of(value, _STATUSES, name=attribute.name)


def _checked_address(_instance: Any, attribute: Attribute[Any], url: Any) -> None:
    check_address(url, name=attribute.name)


def check_address(url: Any, *, name: str) -> None:
    """
    Refuse an address that nothing secret may be sent to.

    Raises:
        InvalidArgument: It is not https, nor http on this machine.
    """
    address = word(url, name=name)
    try:
        parts = urlsplit(address)
    except ValueError:  # brackets without an IPv6 address
        parts = urlsplit("")
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise InvalidArgument(f"{name} must be an absolute address: https://host.example/path.")
    if parts.scheme == "http" and not is_loopback(address):
        raise InvalidArgument(
            f"{name} must begin with https://; http:// is for loopback hosts only."
        )


def _checked_auth(_instance: Any, _attribute: Attribute[Any], auth: Any) -> None:
    # Not shown: it may be a secret.
    if auth is None:
        return
    if not hasattr(auth, "details"):
        raise InvalidArgument("auth must be BasicAuth, Hmac, OAuthServer or None.")
    if url := auth.details().get("authUrl"):
        check_address(url, name="auth.url")


def _checked_headers(_instance: Any, _attribute: Attribute[Any], headers: Any) -> None:
    # No value is shown: it may be a secret.
    if not isinstance(headers, Mapping):
        raise InvalidArgument("headers must be a mapping of names to values.")
    headers = cast("Mapping[object, object]", headers)
    if not all(isinstance(text, str) for pair in headers.items() for text in pair):
        raise InvalidArgument("headers must have strings for names and values.")


@frozen(kw_only=True)
class Query:
    """Which subscriptions to list; nothing given means all."""

    subscription_id: str | None = field(default=None, validator=checked_optional_word)
    event_type: str | None = field(default=None, validator=checked_optional_word)
    resource: str | None = field(default=None, validator=checked_optional_word)
    status: str | None = field(default=None, validator=_known_status)


@frozen(kw_only=True)
class Target:
    """
    What shall be told, and where to.

    Args:
        event_url: An https address; http on this machine only.
        event_type: Its version and `resource` belong to it.
        auth: How Walmart proves who it is; None for not at all.
        headers: More headers for each call.
    """

    event_url: str = field(repr=without_query, validator=_checked_address)
    event_type: str = field(validator=checked_word)
    auth: Authentication | None = field(repr=False, validator=_checked_auth)
    event_version: str = field(default=VERSION, validator=checked_word)
    resource: str = field(default=RESOURCE, validator=checked_word)
    headers: Mapping[str, str] = field(
        factory=dict[str, str], repr=False, hash=False, validator=_checked_headers
    )

    def document(self) -> dict[str, Any]:
        """Return it as the API wants it."""
        document: dict[str, Any] = {
            "eventType": self.event_type,
            "eventVersion": self.event_version,
            "resourceName": self.resource,
            "eventUrl": self.event_url,
        }
        if self.auth is not None:
            document["authDetails"] = self.auth.details()
        if self.headers:
            document["headers"] = dict(self.headers)
        return document

    def secrets(self) -> tuple[str, ...]:
        """Return what its document holds that nobody shall see."""
        details = {} if self.auth is None else self.auth.details()
        found = (*(details[name] for name in _SECRETS if name in details), *self.headers.values())
        return tuple(secret for secret in found if len(secret) >= _SHORTEST)


def check_market(name: str) -> None:
    """
    Refuse a market that has no webhooks, before anything is sent.

    Raises:
        InvalidArgument: It names the markets that have them.
    """
    if not market(name).webhooks:
        known = ", ".join(entry.name for entry in MARKETS.values() if entry.webhooks)
        raise InvalidArgument(
            f"The market {name} has no webhooks: Walmart offers them in {known}. "
            "Reports are waited for all the same, by polling."
        )


def event_type_of(market_name: str) -> str:
    """Return the event that tells of a report's status in a market."""
    return _EVENTS.get(market_name, _EVENT)


def list_call(site: Site, query: Query) -> Call:
    """Return the call for all subscriptions, or for those that are asked for."""
    wanted = {
        "subscriptionId": query.subscription_id,
        "eventType": query.event_type,
        "resourceName": query.resource,
        "status": query.status,
    }
    parameters = {name: value for name, value in wanted.items() if value}
    return webhook_call(site, "GET", _SUBSCRIPTIONS, parameters=parameters)


def create_call(site: Site, target: Target) -> Call:
    """Return the call that subscribes: "To create a subscription, use status = ACTIVE"."""
    document = {"events": [{**target.document(), "status": "ACTIVE"}]}
    return webhook_call(site, "POST", _SUBSCRIPTIONS, document=document, secrets=target.secrets())


def test_call(site: Site, target: Target) -> Call:
    """Return the call that makes Walmart send a sample to an address."""
    return webhook_call(site, "POST", _TEST, document=target.document(), secrets=target.secrets())


def delete_call(site: Site, subscription_id: str) -> Call:
    """Return the call that ends a subscription."""
    word(subscription_id, name="subscription_id")
    if not subscription_id.strip("."):
        # Dot segments are taken out of a path, even quoted: this would be another endpoint.
        raise InvalidArgument(f"subscription_id must not be made of dots: {subscription_id!r}.")
    return webhook_call(site, "DELETE", f"{_SUBSCRIPTIONS}/{quote(subscription_id, safe='')}")


def parse_list(call: Call, response: HTTPResponse) -> tuple[Subscription, ...]:
    """Read the reply to a list call."""
    return read(call, response, _subscriptions)


def parse_created(call: Call, response: HTTPResponse) -> Subscription:
    """Read the reply to a create call. Without an id it is of no use."""
    return read(call, response, _created)


def parse_done(call: Call, response: HTTPResponse) -> str:
    """Read the reply to a test or delete call: done, and perhaps a message."""
    if not 200 <= response.status < 300:  # noqa: PLR2004 -- success in HTTP
        raise error(call, response)
    try:
        document = json_value(response.body)
    except ValueError:
        # The status has said all that matters.
        return ""
    if not is_object(document):
        return ""
    return clean(folded(document).get("message"), secrets=call.secrets)


def _subscriptions(_call: Call, entry: Entry) -> tuple[Subscription, ...]:
    if not {"events", "event"} & entry.keys():
        # An unreadable list must not pass for an empty one.
        raise Unreadable("it has no list of events")
    return tuple(_subscription(found) for found in _entries(entry))


def _created(_call: Call, entry: Entry) -> Subscription:
    for found in _entries(entry):
        return _subscription(found)
    raise Unreadable("it has no subscriptionId")


def _entries(value: Any) -> Iterator[Entry]:
    """
    Iterate the objects that have an id.

    The specification nests them as ``events: [{event: [...]}]`` or ``event: [...]``, its examples
    write ``events: [...]``, and one a bare object.
    """
    if is_array(value):
        for item in value:
            yield from _entries(item)
    elif is_object(value):
        entry = folded(value)
        if clean(entry.get("subscriptionid")):
            yield entry
            return
        for name in ("events", "event"):
            yield from _entries(entry.get(name))


def _subscription(entry: Entry) -> Subscription:
    details = entry.get("authdetails")
    auth = folded(details) if is_object(details) else {}
    return Subscription(
        subscription_id=clean(entry.get("subscriptionid")),
        event_type=clean(entry.get("eventtype")),
        event_url=_address(entry.get("eventurl")),
        status=clean(entry.get("status")) or None,
        event_version=clean(entry.get("eventversion")) or None,
        resource=clean(entry.get("resourcename")) or None,
        partner_id=clean(entry.get("partnerid")) or None,
        auth_method=clean(auth.get("authmethod")) or None,
        auth_header=clean(auth.get("authheadername")) or None,
    )


def _address(value: Any) -> str | None:
    # Not cleaned: an address is there to be compared, and its query belongs to it.
    return value if isinstance(value, str) and value.isprintable() and value else None
