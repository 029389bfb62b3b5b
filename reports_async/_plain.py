"""
The four calls of the API, plain: for those who want to see each request and reply for themselves.

`ReportsClient` offers them beside `fetch_report`. They know the budgets that the server told, and
write new requests down for the hourly gate; they wait for no budget and repeat no create. The
others are tried again, up to four times in all, where no answer came or the server failed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from attrs import evolve

from ._models import RETENTION, ReportSpec, RequestStatus
from ._sansio import endings, endpoints, markets
from ._sansio.endpoints import Endpoint, ListQuery
from ._subscriptions import Subscriptions
from ._tasks import apart
from ._validation import word

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from datetime import datetime

    from ._api import Api
    from ._filters import Filters
    from ._models import DownloadLink, ReportRequest
    from ._quota import Gate
    from ._tasks import Home
    from ._workshop import Workshop
    from .abc import Clock


EDGE: Final = timedelta(minutes=1)
"""How far a list keeps from the 30 days: what lies there is forgotten any moment."""


class PlainCalls:
    """The part of `ReportsClient` that only calls and answers."""

    _api: Api
    _gate: Gate
    _clock: Clock
    _market: str
    _home: Home
    _closed: bool

    if TYPE_CHECKING:

        def _open(self) -> Workshop: ...

    async def create_request(
        self, report_type: str, *, version: str | None = None, filters: Filters | None = None
    ) -> ReportRequest:
        """
        Make a request: exactly one call, whatever the store says of the hour.

        What it makes is written into the store, so that the hourly gate knows of it, also where
        the caller is cancelled meanwhile.

        Raises:
            InvalidRequest, AuthenticationError: Refused; nothing was made.
            RateLimited: The hour of the type is taken.
            TransportError, ServerError: Nobody knows whether it was made.
        """
        rooms = self._open()
        spec = ReportSpec(report_type, version=version, filters=filters)
        chosen = spec.version or markets.newest_version(spec.report_type)
        body = endpoints.create_body(filters)

        async def make() -> ReportRequest:
            request = await self._api.create(report_type=report_type, version=chosen, body=body)
            await self._gate.remember(
                request,
                report_type=report_type,
                version=chosen,
                filters=body,
                skew=self._api.skew,
                foreign=False,
            )
            return request

        # Once the call is out, its reply is written down, whoever lost interest.
        return await apart(rooms.tasks, make)

    async def get_request(self, request_id: str) -> ReportRequest:
        """
        Return a request as the server tells of it.

        Raises:
            RequestNotFound: The id is wrong, older than 30 days, or another seller's.
            RateLimited: The budget is spent; where the server told so before, nothing is sent.
        """
        self._check_open()
        word(request_id, name="request_id")
        self._api.check(Endpoint.STATUS, request_id=request_id)
        return await self._api.status(request_id)

    def list_requests(
        self,
        *,
        report_type: str | None = None,
        request_id: str | None = None,
        status: RequestStatus | str | None = None,
        submitted_after: datetime | None = None,
        submitted_before: datetime | None = None,
    ) -> AsyncGenerator[ReportRequest, None]:
        """
        Iterate the requests of the last 30 days, those of other programs too; all pages.

        On trio, leave the iteration early by `contextlib.aclosing`, to be spared a warning.

        Args:
            report_type: Only of this type. Some accounts must give one.
            request_id: Only this one.
            status: RECEIVED, INPROGRESS, READY or ERROR.
            submitted_after: Together with *submitted_before*; not older than 30 days; aware.
            submitted_before: The other end.

        Raises:
            InvalidArgument: At once, before anything is sent.
            RateLimited: The budget is spent, perhaps between two pages: each is a call.
        """
        self._check_open()
        query = ListQuery(
            report_type=report_type,
            request_id=request_id,
            status=status,
            submitted_after=submitted_after,
            submitted_before=submitted_before,
        )
        query.check(now=self._clock.now())
        if query.submitted_after is not None:
            # "Not older than 30 days" is judged when the call arrives, by the server's clock.
            edge = self._api.skew.to_server(self._clock.now()) - RETENTION + EDGE
            query = evolve(query, submitted_after=max(query.submitted_after, edge))
        self._api.check(Endpoint.LIST, report_type=report_type, request_id=request_id)
        return self._api.requests(query)

    async def get_download_url(self, request_id: str) -> DownloadLink:
        """
        Return a signed link to the file; treat it as a secret.

        Costs one of 20 calls an hour, and another for each try after a failure.

        Raises:
            ReportNotReady: There is no link yet.
            ReportFailed: There will be none.
            RequestNotFound: The id is wrong, older than 30 days, or another seller's.
            RateLimited: The budget is spent; where the server told so before, nothing is sent.
        """
        self._check_open()
        word(request_id, name="request_id")
        self._api.check(Endpoint.LINK, request_id=request_id)
        reply = await self._api.link(request_id)
        if reply.link is not None:
            return reply.link
        request = reply.request
        if request.status is RequestStatus.ERROR:
            raise endings.failed(request)
        raise endings.without_link(request)

    @property
    def report_types(self) -> tuple[str, ...]:
        """
        The report types that are known of this market: not all that there are.

        .. versionadded:: 0.1.0
        """
        return markets.market(self._market).report_types

    @property
    def subscriptions(self) -> Subscriptions:
        """The webhook subscriptions of this account: list, create, test, delete."""
        return Subscriptions(self._api, market=self._market, check_open=self._check_open)

    def local_time(self, instant: datetime) -> datetime:
        """
        Return our time of an instant that the server told: the two clocks need not agree.

        The difference is learned from the replies; before the first one, it is taken for none.
        """
        return self._api.skew.to_local(instant)

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("This ReportsClient is closed; make a new one.")
        self._home.check()
