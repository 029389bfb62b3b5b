"""
Where a download may lead: the rules for signed links and for the redirects behind them.

Judges addresses as they are written. It resolves no names, so a public name that points to a
private address is not seen here.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address
from typing import Final
from urllib.parse import SplitResult, urldefrag, urljoin, urlsplit

# Redirects of one download: "the file host's at most five".
MAX_HOPS: Final = 5

_QUERY: Final = re.compile(r"\?\S*")
_NUMERIC: Final = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)


def is_local(host: str) -> bool:
    """
    Tell whether a host, as it is written, is this machine or a private network.

    Resolvers also take ``127.1`` or ``0x7f000001`` for an address: such disguises count as local.
    """
    host = host.rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return _NUMERIC.fullmatch(host.rpartition(".")[2]) is not None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return not address.is_global or address.is_multicast


def is_local_url(url: str) -> bool:
    """Tell whether a URL's host is local; see `is_local`."""
    return is_local(urlsplit(url).hostname or "")


def follow(url: str, location: str) -> str:
    """Return where a redirect leads: *location* may be relative to *url*."""
    try:
        return urldefrag(urljoin(url, location)).url
    except ValueError:
        # Not an address at all: `objection` says so.
        return location


def objection(url: str, *, local_allowed: bool, came_from: str | None = None) -> str | None:
    """
    Return why an address must not be asked, in words without its query; None if it may.

    Args:
        url: A signed link, or where it redirects to.
        local_allowed: The API itself is on this machine or network, as a simulator is.
        came_from: The address that redirected here.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "it is not a valid address"
    if not url.isprintable() or " " in url or "\\" in url or not host or "@" in parts.netloc:
        return "it is not a plain web address"
    if came_from is not None and came_from.startswith("https:") and parts.scheme != "https":
        return f"it leads from https to {parts.scheme}"
    if is_local(host) and not local_allowed:
        return f"{host} is a local address"
    return _scheme_objection(parts, host)


def _scheme_objection(parts: SplitResult, host: str) -> str | None:
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback_host(host)):
        return None
    return f"{parts.scheme or 'no scheme'} is not https"


def is_loopback_host(host: str) -> bool:
    """Tell whether a name or number means this machine (RFC 6761)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def scrubbed(text: object) -> str:
    """Return the text of an error with the queries of all addresses hidden: they are secrets."""
    return _QUERY.sub("?...", str(text))
