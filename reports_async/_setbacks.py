"""
What it means that a look has failed: the wait goes on, another way perhaps, or it is over for some.

Looks fail for a moment, for an hour, or for good, and an outage speaks with many voices: what it
says is believed when it says so again and again.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from attrs import define, field

from ._exceptions import (
    APIError,
    AuthenticationError,
    InvalidRequest,
    RateLimited,
    RequestNotFound,
    ServerError,
    TransportError,
)
from ._sansio.endpoints import Endpoint
from ._sansio.errors import is_coded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._sansio.plan import Look
    from ._watches import Watch, Watches
    from .abc import Clock

logger = logging.getLogger("reports_async")

LAG: Final = 300.0
"""Seconds after a submission for which a 404 means "not listed yet", not "gone"."""

PATIENCE: Final = 3
"""Looks that may be refused, one after the other, for their token or as unknown, before the jobs
are told; and lists that may fail before status calls are made beside them."""


@define(eq=False, repr=False, kw_only=True)
class Setbacks:
    """
    Of the looks at one account's requests.

    Args:
        list_refused: Is told of lists, of a type or of all, that the server took for bad requests.
    """

    clock: Clock
    watches: Watches
    list_refused: Callable[[str | None, InvalidRequest], None]
    _refusals: int = field(default=0, init=False)
    # How many lists have failed since one succeeded.
    _lists: int = field(default=0, init=False)
    # How many looks at a request were answered with a 404.
    _unknown: dict[str, int] = field(factory=dict[str, int], init=False)

    @property
    def lists_fail(self) -> bool:
        """Whether lists have failed again and again."""
        return self._lists >= PATIENCE

    def over(self, look: Look) -> None:
        """Take note of a look that has succeeded."""
        self._refusals = 0
        if look.endpoint is Endpoint.LIST:
            self._lists = 0

    def seen(self, request_id: str) -> None:
        """Take note that the server knows a request."""
        self._unknown.pop(request_id, None)

    def end(self) -> None:
        """Forget what was said of requests: nobody waits."""
        self._unknown.clear()

    def weigh(self, look: Look, error: APIError | TransportError) -> Iterable[Watch]:
        """Take note of a look that has failed; return those who can wait no longer for it."""
        listing = look.endpoint is Endpoint.LIST
        match error:
            case RateLimited():
                pass  # the budget has learned from it
            case TransportError() | ServerError():
                self._lists += listing
            case AuthenticationError():
                return self._refused(look, error)
            case InvalidRequest() if listing:
                # What a gateway says without a reason is an outage, but for "bad request".
                if is_coded(error) or error.status == HTTPStatus.BAD_REQUEST:
                    self.list_refused(look.report_type, error)
                else:
                    self._lists += 1
            case _:
                return self._rejected(look, error)
        logger.info("%r failed, the wait goes on: %s", look, error)
        return ()

    def _refused(self, look: Look, error: AuthenticationError) -> Iterable[Watch]:
        """Go on through a storm of 401s, which may pass; credentials that stay refused do not."""
        if look.endpoint is Endpoint.LIST and error.status == HTTPStatus.FORBIDDEN:
            # Of lists alone, perhaps: status calls are made beside them then.
            self._lists += 1
        else:
            self._refusals += 1
        if self._refusals < PATIENCE:
            logger.warning("%r was refused, the wait goes on: %s", look, error)
            return ()
        return self.watches

    def _rejected(self, look: Look, error: APIError) -> Iterable[Watch]:
        watches = () if look.request_id is None else self.watches.of(look.request_id)
        if not isinstance(error, RequestNotFound):
            return watches
        now = self.clock.now()
        if any((now - watch.submitted_at).total_seconds() < LAG for watch in watches):
            # A request may be unknown for minutes after its create: lists and status lag.
            return ()
        # A gateway's page, perhaps, or a server of many that lags: what was made is not gone.
        for request_id in {watch.request_id for watch in watches}:
            self._unknown[request_id] = self._unknown.get(request_id, 0) + 1
        return tuple(one for one in watches if self._unknown[one.request_id] >= PATIENCE)

    def __repr__(self) -> str:
        return f"<Setbacks {self._lists} lists have failed, {self._refusals} looks were refused>"
