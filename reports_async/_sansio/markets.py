"""
Walmart's markets: which host, which headers, which report types are known there.

The types are for completion and for the choice of a version only. New ones appear about monthly,
so the list is open: an unknown type is sent as it is.
"""

from __future__ import annotations

import hashlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from attrs import field, frozen

from reports_async._exceptions import InvalidArgument
from reports_async._validation import one_of

from .links import is_loopback_host

if TYPE_CHECKING:
    from collections.abc import Mapping

HOME: Final = "us"
"""The country that is meant where none is named."""

_MARKETPLACE: Final = "https://marketplace.walmartapis.com"
_SUPPLIERS: Final = "https://api-gateway.walmart.com"

_US_TYPES: Final = (
    "ITEM",
    "ITEM_PERFORMANCE",
    "INVENTORY",
    "CANCELLATION",
    "DELIVERY_DEFECT",
    "PROMO",
    "RETURN_OVERRIDES",
    "CPA",
    "SHIPPING_CONFIGURATION",
    "SHIPPING_PROGRAM",
    "FITMENT_MISSING_ATTR",
    "FITMENT_ACES_COVERAGE",
    "BUYBOX",
    "ASSORTMENT_RECOMMENDATIONS",
    "LAGTIME",
    "API_traffic_report",
    "SEARCH_INSIGHTS_PERF_REPORT",
    "SEARCH_INSIGHTS_SQR_REPORT",
    "INVENTORY_RECOMMENDATIONS",
    "SEM_PERFORMANCE",
    "SEM_SEARCH_TERMS",
    "INVENTORY_RECON",
    "SETTLEMENT",
    "WFS_ORDERS",
    "WFS_CUSTOMER_RETURNS",
    "CONTENT_QUALITY",
    "LISTING_QUALITY",
)
_MX_TYPES: Final = ("ITEM_MX", "INVENTORY_MX")
_SUPPLIER_TYPES: Final = (
    "DSV_ORDERS",
    "INVENTORY_DSV",
    "INVOICES",
    "ITEM_CONFIGURATION_DATA",
    "PRODUCT_CONTENT_DATA",
    "VENDOR_MANAGED_PRICING",
)

# All other types have v1 only.
_NEWEST: Final = MappingProxyType({"ITEM": "v6", "ITEM_PERFORMANCE": "v3"})


@frozen(kw_only=True)
class Market:
    """
    One market of the API.

    Args:
        name: As the user writes it, e.g. ``mx``.
        base_url: Scheme and host, without a slash at the end.
        headers: What tells the market on every call, the token call included.
        webhooks: Whether the API offers REPORT_STATUS notifications there.
        report_types: The known ones; not all there are.
    """

    name: str
    base_url: str = _MARKETPLACE
    headers: Mapping[str, str] = field(
        factory=dict[str, str], converter=MappingProxyType[str, str], hash=False
    )
    webhooks: bool = False
    report_types: tuple[str, ...] = ()

    @property
    def country(self) -> str:
        """The country, as the API writes it: one key pair may serve several."""
        return self.headers.get("WM_MARKET", HOME)


def _global(country: str) -> dict[str, str]:
    # "WM_MARKET and WM_GLOBAL_VERSION: 3.1 required" on the global API.
    return {"WM_MARKET": country, "WM_GLOBAL_VERSION": "3.1"}


_ALL: Final = (
    Market(name="us", webhooks=True, report_types=_US_TYPES),
    Market(name="mx", headers={"WM_MARKET": "mx"}, report_types=_MX_TYPES),
    Market(name="cl", headers={"WM_MARKET": "cl"}),
    Market(name="suppliers", base_url=_SUPPLIERS, webhooks=True, report_types=_SUPPLIER_TYPES),
    # Canada's own API wants signatures; its sellers are reached through the global one.
    Market(name="ca", headers=_global("ca")),
    Market(name="global-us", headers=_global("us"), webhooks=True, report_types=_US_TYPES),
    Market(name="global-ca", headers=_global("ca")),
    Market(name="global-mx", headers=_global("mx"), report_types=_MX_TYPES),
    Market(name="global-cl", headers=_global("cl")),
)

MARKETS: Final[Mapping[str, Market]] = MappingProxyType({entry.name: entry for entry in _ALL})


def market(name: str) -> Market:
    """Return the market of that name; `InvalidArgument` names them all."""
    return MARKETS[one_of(name, tuple(MARKETS), name="market")]


def newest_version(report_type: str) -> str:
    """Return the newest version that is known of a report type; ``v1`` for unknown types."""
    return _NEWEST.get(report_type, "v1")


def checked_base_url(url: str) -> str:
    """
    Return the address of an API, without a slash at the end.

    The token and the secret travel there, so it is https, except on the machine itself.

    Raises:
        InvalidArgument: It is not such an address; the message says why, never what it was:
            what stands before an ``@`` may be a password.
    """
    parts = _split(url)
    if "@" in parts.netloc:
        raise InvalidArgument("base_url must not contain a user or password.")
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise InvalidArgument("base_url must not contain a query or fragment.")
    here = is_loopback_host(parts.hostname or "")
    if parts.scheme != "https" and not (parts.scheme == "http" and here):
        raise InvalidArgument(
            "base_url must begin with https://; http:// is for loopback hosts only "
            "(localhost, 127.0.0.0/8, ::1)."
        )
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def is_loopback(base_url: str) -> bool:
    """Whether an address that `checked_base_url` let pass is on the machine itself."""
    return is_loopback_host(urlsplit(base_url).hostname or "")


def account(client_id: str, base_url: str, *, country: str = HOME) -> str:
    """
    Return what names an account in a store: a digest of client id, API host and country.

    The same on every machine and for every spelling of the host; nothing can be read back from it.
    """
    parts = _split(base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    identity = f"{client_id}\n{parts.hostname}:{port}"
    if country != HOME:
        # The global API has several for one key pair: a report of one is not the other's.
        identity += f"\n{country}"
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def _split(url: str) -> SplitResult:
    if not isinstance(url, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # users are not always typed
        raise InvalidArgument(f"base_url must be a string, not {type(url).__name__}.")
    # urlsplit drops newlines and tabs silently, so they are looked for first.
    if not url.isprintable() or any(character.isspace() for character in url):
        raise InvalidArgument("base_url must not contain spaces or control characters.")
    try:
        parts = urlsplit(url)
        valid = bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without an IPv6 address, a port that is no number
        valid = False
    else:
        if valid:
            return parts
    raise InvalidArgument("base_url must be an absolute address, e.g. https://host.example.")
