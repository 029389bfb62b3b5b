"""
The API's verbs, awaited: the only room that knows both the wire and the transport.

It adds the token, keeps the budgets and the clock skew that replies teach, and retries safe calls.
It never repeats a create: whether to do so is decided in `_submit`.
"""

from __future__ import annotations

import logging
import random
import uuid
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from attrs import evolve

from ._auth import TokenKeeper
from ._exceptions import RateLimited, ReportsError, ServerError, TransportError
from ._hub import Hub
from ._sansio import endpoints, replies, subscriptions
from ._sansio.backoff import retry_delay
from ._sansio.budget import Bucket
from ._sansio.endpoints import Endpoint
from ._sansio.hints import TOO_MANY_REQUESTS
from ._sansio.skew import Skew, next_call_at
from ._sansio.telemetry import CallEnded

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from datetime import datetime
    from typing import TypeVar

    from ._credentials import Credentials
    from ._http import HTTPResponse
    from ._models import ReportRequest
    from .abc import Clock, Transport

    Value = TypeVar("Value")

logger = logging.getLogger("reports_async")

UNAUTHORIZED: Final = 401
SAFE_TRIES: Final = 4

REFUSALS: Final = 3
"""Refusals for the call budget, each waited for, before the caller is told."""

LOOKS: Final = (Endpoint.LIST, Endpoint.STATUS)

ONE_BY_ONE: Final = 0.25
"""Seconds until it is tried again whether the call before is answered."""


class _NoToken(Exception):
    """The token call failed, again and again: to repeat the call that wants one would not help."""

    def __init__(self, error: ReportsError) -> None:
        super().__init__()
        self.error = error


class Api:
    """The calls of one account, with what their replies teach: budgets and clock skew."""

    def __init__(
        self,
        site: endpoints.Site,
        credentials: Credentials,
        *,
        transport: Transport,
        clock: Clock,
        call_timeout: float | None,
    ) -> None:
        self._site = site
        self._credentials = credentials
        self._transport = transport
        self._clock = clock
        self._timeout = call_timeout
        self._auth = TokenKeeper(self._fetch_token, clock=clock)
        # The clock is not asked here: a client may be made before its event loop runs.
        # Who shares the store is not known yet: one of those looks for all, each asks for links.
        self.budgets = {endpoint: Bucket(polite=False) for endpoint in LOOKS}
        self.budgets[Endpoint.LINK] = Bucket()
        # Whether another program is known to be at work, beside what is missing of the budgets.
        self.shared = False
        self.skew = Skew()
        self._dated = False
        self.hub = Hub()
        self._sent = Counter[Endpoint]()
        self._open = Counter[Endpoint]()

    async def authorize(self) -> None:
        """
        Have a token at hand, so that the next call is the one that is meant.

        Raises:
            AuthenticationError: The credentials were refused.
        """
        await self._auth.token()

    async def create(self, *, report_type: str, version: str, body: str) -> ReportRequest:
        """
        Make a request: one call, never repeated, but for a token that was refused.

        Raises:
            InvalidRequest, AuthenticationError, RequestNotFound: Surely nothing was made.
            RateLimited: The hour of the type is taken; nothing was made by this call.
            TransportError, ServerError: Nobody knows whether it was made.
        """
        call = endpoints.create_call(
            self._site, report_type=report_type, version=version, body=body
        )
        sent = self._clock.now()
        request = await self._call(call, replies.parse_created, tries=1)
        if request.submitted_at is not None and not self._dated:
            # A server that sends no Date tells its time by our own submissions.
            received = self._clock.now()
            self.skew = Skew.measured(request.submitted_at, sent=sent, received=received)
        return request

    async def status(self, request_id: str, *, tries: int = SAFE_TRIES) -> ReportRequest:
        """Return one request as it stands."""
        call = endpoints.status_call(self._site, request_id)
        return await self._call(call, replies.parse_status, tries=tries)

    async def page(
        self, query: endpoints.ListQuery, *, cursor: str | None = None, tries: int = SAFE_TRIES
    ) -> replies.Page:
        """Return one page of the list: the query's first, or the one that *cursor* leads to."""
        if cursor is None:
            call = endpoints.list_call(self._site, query)
        else:
            call = endpoints.next_page_call(self._site, cursor)
        return await self._call(call, replies.parse_page, tries=tries)

    async def requests(self, query: endpoints.ListQuery) -> AsyncGenerator[ReportRequest, None]:
        """
        Iterate all pages of the list; a page is fetched when it is needed.

        Raises:
            RateLimited: Perhaps in the middle: each page is a call.
        """
        cursor: str | None = None
        seen: set[str] = set()
        while True:
            page = await self.page(query, cursor=cursor)
            for request in page.requests:
                yield request
            cursor = page.next_cursor
            # The same cursor has come back twice: a repeated one or an empty page ends the list.
            if cursor is None or cursor in seen or not page.requests:
                return
            seen.add(cursor)
            self.check(Endpoint.LIST, report_type=query.report_type, request_id=query.request_id)

    async def link(self, request_id: str, *, tries: int = SAFE_TRIES) -> replies.LinkReply:
        """Return the request with a download link, or without one where it is not ready."""
        call = endpoints.link_call(self._site, request_id)
        return await self._call(call, replies.parse_link, tries=tries)

    async def list_subscriptions(
        self, query: subscriptions.Query
    ) -> tuple[subscriptions.Subscription, ...]:
        """Return the webhook subscriptions of the account."""
        call = subscriptions.list_call(self._site, query)
        return await self._call(call, subscriptions.parse_list, tries=SAFE_TRIES)

    async def subscribe(self, target: subscriptions.Target) -> subscriptions.Subscription:
        """Make a webhook subscription: one call, because a second would be a second one."""
        call = subscriptions.create_call(self._site, target)
        return await self._call(call, subscriptions.parse_created, tries=1)

    async def send_sample(self, target: subscriptions.Target) -> str:
        """Make the server send a sample to an address; return what it says to that."""
        call = subscriptions.test_call(self._site, target)
        return await self._call(call, subscriptions.parse_done, tries=1)

    async def unsubscribe(self, subscription_id: str) -> None:
        """End a webhook subscription: one call, because a second would not find it."""
        call = subscriptions.delete_call(self._site, subscription_id)
        await self._call(call, subscriptions.parse_done, tries=1)

    async def afford(self, endpoint: Endpoint, *, until: float | None = None) -> bool:
        """
        Wait until the budget has a call for *endpoint*.

        Returns False, at once, where that will be only after *until* (monotonic seconds).
        """
        while not self.affords(endpoint):
            delay = self._delay(endpoint)
            if until is not None and self._clock.monotonic() + delay > until:
                return False
            await self._clock.sleep(delay)
        return True

    async def in_turn(self, endpoint: Endpoint, call: Callable[[], Awaitable[Value]]) -> Value:
        """
        Await *call*, one of *endpoint*, when the budget has it; again where that is refused.

        Raises:
            RateLimited: Others spend from the same budget, and have been quicker again and again.
        """
        for _ in range(REFUSALS):
            await self.afford(endpoint)
            try:
                return await call()
            except RateLimited as exc:
                logger.info("A %s call is waited for: %s", endpoint, exc)
        await self.afford(endpoint)
        return await call()

    def affords(self, endpoint: Endpoint) -> bool:
        """Tell whether the budget has a call for *endpoint* now."""
        return self._delay(endpoint) <= 0

    def _delay(self, endpoint: Endpoint) -> float:
        bucket, now = self.budgets[endpoint], self._clock.monotonic()
        if self._open[endpoint] and (bucket.spare or bucket.stale(now)):
            # Others spend as well, or may have: the reply tells what they have left.
            return ONE_BY_ONE
        return bucket.wait(now)

    def check(
        self, endpoint: Endpoint, *, report_type: str | None = None, request_id: str | None = None
    ) -> None:
        """
        Raise `RateLimited` where the server has told that it would refuse the call.

        The published figures alone refuse nothing here: only what the server said.
        """
        bucket, now = self.budgets[endpoint], self._clock.monotonic()
        if not bucket.told or bucket.left(now):
            return
        retry_at = self._clock.now() + timedelta(seconds=bucket.wait(now))
        raise RateLimited(
            f"The budget of {endpoint} calls is spent; the next can be made at "
            f"{retry_at:%H:%M:%S} UTC. Nothing was sent.",
            status=TOO_MANY_REQUESTS,
            code="CALL_BUDGET_SPENT",
            retry_at=retry_at,
            report_type=report_type,
            request_id=request_id,
        )

    async def _call(
        self,
        call: endpoints.Call,
        parse: Callable[[endpoints.Call, HTTPResponse], Value],
        *,
        tries: int,
    ) -> Value:
        async def once() -> Value:
            return parse(*await self._authorized(call))

        try:
            return await self._patiently(once, endpoint=call.endpoint, tries=tries)
        except _NoToken as failure:
            error = failure.error
        raise error

    async def _patiently(
        self, once: Callable[[], Awaitable[Value]], *, endpoint: Endpoint, tries: int
    ) -> Value:
        for attempt in range(tries - 1):
            try:
                return await once()
            except (TransportError, ServerError) as exc:
                if not self._allows(endpoint):
                    # A call that has no token is not made, a second try neither.
                    raise
                delay = retry_delay(attempt, jitter=random.random())  # noqa: S311 -- spread, not secrecy
                logger.debug("%s call failed, again in %.1f s: %s", endpoint, delay, exc)
                await self._clock.sleep(delay)
        return await once()

    def _allows(self, endpoint: Endpoint) -> bool:
        bucket = self.budgets.get(endpoint)
        return bucket is None or bucket.available(self._clock.monotonic()) > 0

    def _spend(self, endpoint: Endpoint) -> None:
        self.budgets[endpoint] = self.budgets[endpoint].spend(self._clock.monotonic())

    async def _authorized(self, call: endpoints.Call) -> tuple[endpoints.Call, HTTPResponse]:
        """Return the call as it was sent, which the error of a bad reply needs, and the reply."""
        # Spent before the first await: two that found the last token here cannot both use it.
        spent_at = self._clock.monotonic()
        if call.endpoint in self.budgets:
            self._spend(call.endpoint)
        try:
            token = await self._token()
        except BaseException:
            if (bucket := self.budgets.get(call.endpoint)) is not None:
                now = self._clock.monotonic()
                self.budgets[call.endpoint] = bucket.unspent(now, since=spent_at)
            raise
        sent, response = await self._send(call, token)
        if response.status == UNAUTHORIZED:
            # A token can die early. A 401 surely did nothing, so even a create is safe to repeat.
            self._auth.invalidate(token)
            sent, response = await self._send(call, await self._token())
        return sent, response

    async def _token(self) -> str:
        try:
            return await self._auth.token()
        except ReportsError as exc:
            raise _NoToken(exc) from exc

    async def _send(self, call: endpoints.Call, token: str) -> tuple[endpoints.Call, HTTPResponse]:
        request = endpoints.signed(call, token=token, correlation_id=str(uuid.uuid4()))
        sent = evolve(call, request=request)
        return sent, await self._exchange(sent)

    async def _exchange(self, call: endpoints.Call) -> HTTPResponse:
        sent = self._clock.now()
        response, alone = await self._carry(call)
        received = self._clock.now()
        hints = replies.hints(response)
        if hints.served_at is not None:
            self._dated = True
            self.skew = Skew.measured(hints.served_at, sent=sent, received=received)
        refused = response.status == TOO_MANY_REQUESTS
        retry_at = self._learn(call.endpoint, hints, refused=refused, alone=alone)
        if refused:
            error = replies.error(call, response)
            assert isinstance(error, RateLimited)
            error.retry_at = retry_at
            raise error
        return response

    async def _carry(self, call: endpoints.Call) -> tuple[HTTPResponse, bool]:
        """Return the reply, and whether no other call to its endpoint was on its way meanwhile."""
        endpoint = call.endpoint
        alone = not self._open[endpoint]
        self._open[endpoint] += 1
        self._sent[endpoint] += 1
        serial = self._sent[endpoint]
        at, began, status = self._clock.now(), self._clock.monotonic(), None
        try:
            response = await self._transport.send(call.request, timeout=self._timeout)
            status = response.status
        except TransportError as exc:
            exc.report_type = exc.report_type or call.report_type
            exc.request_id = exc.request_id or call.request_id
            raise
        finally:
            self._open[endpoint] -= 1
            self.hub.tell(
                None,
                CallEnded(
                    at=at,
                    seconds=self._clock.monotonic() - began,
                    endpoint=endpoint,
                    status=status,
                    report_type=call.report_type,
                    request_id=call.request_id,
                ),
            )
        return response, alone and serial == self._sent[endpoint]

    def _learn(
        self, endpoint: Endpoint, hints: replies.Hints, *, refused: bool, alone: bool
    ) -> datetime | None:
        now, monotonic = self._clock.now(), self._clock.monotonic()
        retry_at = next_call_at(hints, now=now, skew=self.skew, refused=refused)
        wait = None if retry_at is None else max(0.0, (retry_at - now).total_seconds())
        if endpoint in self.budgets:
            bucket = self.budgets[endpoint]
            if refused:
                bucket = bucket.refused(monotonic, retry_in=wait)
            else:
                bucket = bucket.learn(monotonic, tokens=hints.tokens, next_in=wait, alone=alone)
            self.budgets[endpoint] = bucket
            # Who is noticed at one kind of look makes the other as well.
            others = self.shared or any(self.budgets[look].drained for look in LOOKS)
            for kind in self.budgets:
                noticed = others if kind in LOOKS else self.shared
                polite = self.budgets[kind].polite or (self.shared and not refused)
                self.budgets[kind] = evolve(self.budgets[kind], others=noticed, polite=polite)
        return retry_at

    async def _fetch_token(self) -> replies.Token:
        async def once() -> replies.Token:
            call = endpoints.token_call(
                self._site, self._credentials, correlation_id=str(uuid.uuid4())
            )
            return replies.parse_token(call, await self._exchange(call))

        return await self._patiently(once, endpoint=Endpoint.TOKEN, tries=SAFE_TRIES)

    def __repr__(self) -> str:
        now = self._clock.monotonic()
        left = ", ".join(f"{name} {bucket.left(now)}" for name, bucket in self.budgets.items())
        return f"<Api {self._site.base_url}, calls left: {left}>"
