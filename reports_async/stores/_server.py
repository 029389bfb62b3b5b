"""
What stores with a server share: addresses are checked before use and shown without what is secret
in them, and somebody's clock decides.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final, Literal, cast
from urllib.parse import unquote, urlsplit

from reports_async._exceptions import InvalidArgument, StoreError
from reports_async._http import without_query
from reports_async._validation import one_of

WhoseClock = Literal["server", "caller"]
"""Whose clock decides when an hour or a lease is over."""

_HOST: Final = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(:\d*)?")


def checked_clock(value: Any) -> WhoseClock:
    """Return whose clock decides."""
    return cast("WhoseClock", one_of(value, ("server", "caller"), name="clock"))


def require_asyncio(store: str) -> None:
    """Raise on other event loops, which the drivers do not know."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise StoreError(
            f"{store} works on asyncio only. On trio use SQLiteStore or MemoryStore."
        ) from None


def refusal(url: str, *, schemes: tuple[str, ...]) -> InvalidArgument | None:
    """
    Return the error for a URL that has none of the schemes or cannot be read; None for others.

    A password with unquoted special characters makes other parts out of its pieces, and those
    would be shown: it is refused, without being named.
    """
    if _is_readable(url, schemes):
        return None
    kinds = " or ".join(f"{scheme}://" for scheme in schemes)
    return InvalidArgument(
        f"url must begin with {kinds} and be well-formed; special characters in its password must "
        "be percent-encoded."
    )


def _is_readable(url: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    hosts = parts.netloc.rpartition("@")[2].split(",")
    return (
        parts.scheme in schemes
        and not parts.fragment
        and "@" not in parts.path
        and all(_HOST.fullmatch(host) for host in hosts)
    )


def trouble(exc: BaseException, *, url: str) -> str:
    """Return, in one line and without the password, what went wrong with a server."""
    reason = (str(exc).strip() or "no answer").splitlines()[0].rstrip(".")
    password = urlsplit(url).password
    if password:
        reason = reason.replace(password, "***").replace(unquote(password), "***")
    return (
        f"The store at {without_query(url)} cannot be used: {type(exc).__name__}: {reason}. Check "
        "the server and the URL; the next call connects anew."
    )
