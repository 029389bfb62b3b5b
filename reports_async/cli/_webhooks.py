"""
`reports-async webhooks`: who is told when a report is ready: list, create, test, delete.

Nothing is received here: that is for a server of your own, with `reports_async.webhooks`. Secrets
come from the environment or a hidden question, never from the command line: others can read it.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from reports_async._exceptions import InvalidArgument
from reports_async._sansio.notifications import BasicAuth, Hmac, OAuthServer
from reports_async._sansio.subscriptions import check_address, check_market

from . import _options as options
from ._exits import TABLE
from ._reporters import emit, print_table
from ._run import run
from ._session import open_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports_async._sansio.subscriptions import Authentication, Subscription

    from ._options import Connection

VARIABLE: Final = "WALMART_WEBHOOK_SECRET"


@click.group("webhooks", epilog=TABLE)
def webhooks_command() -> None:
    """
    Manage the notifications of reports' status: who is told when a report is ready.

    Walmart offers them in the US (--market us) and to suppliers (--market suppliers).
    """


def _subscription_object(subscription: Subscription) -> dict[str, Any]:
    return {
        "subscription_id": subscription.subscription_id,
        "event_type": subscription.event_type,
        "event_url": subscription.event_url,
        "status": subscription.status,
        "auth_method": subscription.auth_method,
        "auth_header": subscription.auth_header,
    }


@webhooks_command.command("list", epilog=TABLE)
@click.option("--event", "event_type", metavar="TYPE", help="Only those to this event.")
@options.as_json
@options.connection
def _list_command(connection: Connection, /, *, event_type: str | None, as_json: bool) -> None:
    """Show the subscriptions of the account, those to other events too."""
    found = run(partial(_list, connection, event_type))
    if as_json:
        for subscription in found:
            emit(_subscription_object(subscription))
        return
    print_table(
        ("EVENT", "STATUS", "PROOF", "SUBSCRIPTION ID", "ADDRESS"),
        [
            (
                subscription.event_type or "-",
                subscription.status or "-",
                subscription.auth_method or "-",
                subscription.subscription_id,
                subscription.event_url or "-",
            )
            for subscription in found
        ],
        nothing="The account has no such subscriptions.",
    )


async def _list(connection: Connection, event_type: str | None) -> tuple[Subscription, ...]:
    async with open_session(connection) as session:
        client = await session.client()
        return await client.subscriptions.list(event_type=event_type)


def _target(command: Callable[..., None]) -> Callable[..., None]:
    """Add the arguments that say where notifications go, and how they prove whose they are."""
    for option in reversed(
        (
            click.argument("event_url", metavar="URL"),
            click.option(
                "--auth",
                type=click.Choice(("hmac", "basic", "oauth", "none")),
                required=True,
                help=f"How Walmart proves who calls. The secret is read from {VARIABLE}, "
                "or asked for.",
            ),
            click.option("--header", default="Authorization", show_default=True, metavar="NAME"),
            click.option("--user", metavar="NAME", help="The user, for basic."),
            click.option("--auth-url", metavar="URL", help="Who gives out tokens, for oauth."),
            click.option("--client-id", metavar="ID", help="Walmart's id there, for oauth."),
            click.option(
                "--event",
                "event_type",
                metavar="TYPE",
                help="Another event than the market's for reports.",
            ),
        )
    ):
        command = option(command)
    return command


def _authentication(
    *, auth: str, header: str, user: str | None, auth_url: str | None, client_id: str | None
) -> Authentication | None:
    needed = {
        "basic": {"--user": user},
        "oauth": {"--auth-url": auth_url, "--client-id": client_id},
    }
    for kind, options_of in needed.items():
        for name, value in options_of.items():
            if kind == auth and not value:
                raise click.UsageError(f"--auth {auth} needs {name}.")
            if kind != auth and value:
                raise click.UsageError(f"--auth {auth} takes no {name}.")
    if auth == "none":
        return None
    if auth == "hmac":
        return Hmac(_secret(), header=header)
    if auth == "basic":
        return BasicAuth(user or "", _secret(), header=header)
    return OAuthServer(
        url=auth_url or "", client_id=client_id or "", client_secret=_secret(), header=header
    )


def _check(connection: Connection, **addresses: str | None) -> None:
    """Refuse what could not be subscribed to, before a secret is asked for."""
    try:
        check_market(connection.market_of(None))
        for name, address in addresses.items():
            if address is not None:
                check_address(address, name=name)
    except InvalidArgument as exc:
        raise click.UsageError(str(exc)) from exc


def _secret() -> str:
    # The ground floor knows no environment; the command line may.
    return os.environ.get(VARIABLE) or click.prompt("Secret", hide_input=True, err=True)


@webhooks_command.command("create", epilog=TABLE)
@_target
@options.as_json
@options.connection
def _create_command(
    connection: Connection, /, *, event_url: str, event_type: str | None, as_json: bool, **auth: Any
) -> None:
    """Let the notifications of reports go to URL."""
    _check(connection, URL=event_url, **{"--auth-url": auth["auth_url"]})
    proof = _authentication(**auth)
    made = run(partial(_create, connection, event_url, proof, event_type))
    if as_json:
        emit(_subscription_object(made))
    else:
        click.echo(made.subscription_id)


async def _create(
    connection: Connection, event_url: str, auth: Authentication | None, event_type: str | None
) -> Subscription:
    async with open_session(connection) as session:
        client = await session.client()
        return await client.subscriptions.create(event_url, auth=auth, event_type=event_type)


@webhooks_command.command("test", epilog=TABLE)
@_target
@options.connection
def _test_command(
    connection: Connection, /, *, event_url: str, event_type: str | None, **auth: Any
) -> None:
    """Make Walmart send a sample to URL, now; nothing is subscribed."""
    _check(connection, URL=event_url, **{"--auth-url": auth["auth_url"]})
    proof = _authentication(**auth)
    said = run(partial(_test, connection, event_url, proof, event_type))
    click.echo(said or "Sent.", err=True)


async def _test(
    connection: Connection, event_url: str, auth: Authentication | None, event_type: str | None
) -> str:
    async with open_session(connection) as session:
        client = await session.client()
        return await client.subscriptions.test(event_url, auth=auth, event_type=event_type)


@webhooks_command.command("delete", epilog=TABLE)
@click.argument("subscription_id", metavar="ID")
@options.connection
def _delete_command(connection: Connection, /, *, subscription_id: str) -> None:
    """End a subscription, by its id."""
    run(partial(_delete, connection, subscription_id))


async def _delete(connection: Connection, subscription_id: str) -> None:
    async with open_session(connection) as session:
        client = await session.client()
        await client.subscriptions.delete(subscription_id)
