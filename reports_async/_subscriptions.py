"""
Webhook subscriptions of an account: who is told when a report is ready.

Each method is one call of the API. What comes of a subscription is received in `webhooks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._sansio import subscriptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._api import Api
    from ._sansio.subscriptions import Authentication, Subscription


class Subscriptions:
    """
    What `ReportsClient.subscriptions` offers.

    Every method raises `InvalidArgument`, before anything is sent, where the client's market has
    no webhooks; the message names the markets that have them.

    .. versionadded:: 0.1.0
    """

    def __init__(self, api: Api, *, market: str, check_open: Callable[[], None]) -> None:
        self._api = api
        self._market = market
        self._check_open = check_open

    async def list(
        self,
        *,
        subscription_id: str | None = None,
        event_type: str | None = None,
        resource: str | None = None,
        status: str | None = None,
    ) -> tuple[Subscription, ...]:
        """
        Return the subscriptions of the account, those to other events too.

        Args:
            subscription_id: Only this one.
            event_type: Only those to this event, e.g. REPORT_STATUS.
            resource: Only those of this category, e.g. REPORTS.
            status: ACTIVE or INACTIVE.
        """
        self._check()
        query = subscriptions.Query(
            subscription_id=subscription_id,
            event_type=event_type,
            resource=resource,
            status=status,
        )
        return await self._api.list_subscriptions(query)

    async def create(
        self,
        event_url: str,
        *,
        auth: Authentication | None,
        event_type: str | None = None,
        event_version: str = subscriptions.VERSION,
        resource: str = subscriptions.RESOURCE,
        headers: Mapping[str, str] | None = None,
    ) -> Subscription:
        """
        Let the notifications of report requests go to an address.

        Args:
            event_url: An https address that leads to your `webhooks.Receiver`.
            auth: How Walmart proves there who it is: `BasicAuth`, `Hmac`, `OAuthServer`, or None
                for not at all.
            event_type: None is REPORT_STATUS, or REPORT_STATUS_SUPPLIER for suppliers.
            event_version: What version of it.
            resource: The category that it belongs to.
            headers: More headers for each notification.

        Raises:
            TransportError, ServerError: Nobody knows whether it was made: see `list`.
        """
        target = self._target(
            event_url,
            event_type,
            auth=auth,
            event_version=event_version,
            resource=resource,
            headers={} if headers is None else headers,
        )
        return await self._api.subscribe(target)

    async def test(
        self,
        event_url: str,
        *,
        auth: Authentication | None,
        event_type: str | None = None,
        event_version: str = subscriptions.VERSION,
        resource: str = subscriptions.RESOURCE,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """
        Make Walmart send a sample there, now; return what it says to that.

        Takes the arguments of `create`; nothing is subscribed.

        Raises:
            InvalidRequest: The address did not answer as it should.
        """
        target = self._target(
            event_url,
            event_type,
            auth=auth,
            event_version=event_version,
            resource=resource,
            headers={} if headers is None else headers,
        )
        return await self._api.send_sample(target)

    async def delete(self, subscription_id: str) -> None:
        """
        End a subscription.

        Raises:
            InvalidRequest: There is none of that id.
        """
        self._check()
        await self._api.unsubscribe(subscription_id)

    def _target(
        self, event_url: str, event_type: str | None, **settings: Any
    ) -> subscriptions.Target:
        self._check()
        return subscriptions.Target(
            event_url=event_url,
            event_type=event_type or subscriptions.event_type_of(self._market),
            **settings,
        )

    def _check(self) -> None:
        self._check_open()
        subscriptions.check_market(self._market)

    def __repr__(self) -> str:
        return f"<Subscriptions of market {self._market}>"
