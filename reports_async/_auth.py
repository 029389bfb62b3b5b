"""
The access token: made once for all callers, renewed before it expires, never shown.

It lives 15 minutes, shorter than one report. What to do about a 401 is `_api`'s business.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Final

import anyio

from ._exceptions import ReportsError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._sansio.replies import Token
    from .abc import Clock

EARLY: Final = 60.0
"""Renew this many seconds before the token ends, so that it cannot end on its way."""


class TokenKeeper:
    """
    Hand out a token that is good for the next minute.

    One caller renews it, the others wait for that one; if it fails, all of them are told, without
    a call each.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Token]], *, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        # Made for a renewal and dropped after it: one process may have thousands of accounts.
        self._lock: anyio.Lock | None = None
        self._value: str | None = None
        self._good_until = 0.0
        self._failures = 0
        self._failure: ReportsError | None = None

    async def token(self) -> str:
        """
        Return a token, renewing it if need be.

        Raises:
            AuthenticationError: The credentials were refused.
            TransportError, APIError: The token call failed.
        """
        if (value := self._fresh()) is not None:
            return value
        failures = self._failures
        lock = self._lock = self._lock or anyio.Lock()
        try:
            async with lock:
                if (value := self._fresh()) is not None:
                    return value
                if self._failure is not None and failures != self._failures:
                    # Failed while we waited for the same answer: a second call would not help.
                    raise copy(self._failure) from self._failure.__cause__
                return await self._renew()
        finally:
            if not lock.locked():
                self._lock = None

    def invalidate(self, value: str) -> None:
        """Forget a token that the API refused, unless it has been replaced already."""
        if self._value == value:
            self._value = None

    def _fresh(self) -> str | None:
        return self._value if self._clock.monotonic() < self._good_until else None

    async def _renew(self) -> str:
        asked = self._clock.monotonic()
        try:
            token = await self._fetch()
        except ReportsError as exc:
            # Copies, because each job writes its own request id into its error.
            self._failures += 1
            self._failure = copy(exc)
            self._failure.__cause__ = exc.__cause__
            raise
        self._failure = None
        # A token that lives less than two minutes is still used for half its life.
        self._good_until = asked + max(token.expires_in - EARLY, token.expires_in / 2)
        self._value = token.value
        return token.value

    def __repr__(self) -> str:
        left = self._good_until - self._clock.monotonic()
        state = "no token" if self._value is None else f"token good for {max(0.0, left):.0f} s"
        return f"<TokenKeeper {state}>"
