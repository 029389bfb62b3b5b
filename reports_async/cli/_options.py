"""
The arguments that several commands share, read and checked before anything is sent.

They become one frozen `Connection`; nothing below reads arguments or the environment.
"""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

import click
from attrs import evolve, frozen
from click.shell_completion import CompletionItem

from reports_async._exceptions import InvalidArgument
from reports_async._sansio.markets import MARKETS, checked_base_url, is_loopback
from reports_async._validation import seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

P = ParamSpec("P")
R = TypeVar("R")

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
# A report that takes 45 minutes takes five seconds.
SIMULATED_SPEED: Final = 540.0
FASTEST: Final = 100_000
_SUFFIXES: Final = {"_MX": "mx", "_CL": "cl", "_CA": "ca"}


@frozen(kw_only=True)
class Connection:
    """
    Which API to talk to, and how.

    `market` is None where the types shall tell; `speed` is how many times as fast as the wall the
    clock runs, None for the real clock.
    """

    market: str | None = None
    base_url: str | None = None
    speed: float | None = None
    channel_type: str | None = None
    verbose: bool = False

    def market_of(self, report_type: str | None) -> str:
        """Return the market of a report type: the one given, else the one its name tells."""
        return self.market or guess_market(report_type or "")

    def accounts(self) -> tuple[str, ...]:
        """Return a market of each account that may be meant: without options, of all there are."""
        if self.market:
            return (self.market,)
        # An account is of one host and country: the first market of each.
        names: dict[tuple[str, str], str] = {}
        for market in MARKETS.values():
            names.setdefault((self.base_url or market.base_url, market.country), market.name)
        return tuple(names.values())

    def to(self, market: str) -> Connection:
        """Return this connection with the market named, unless it is taken without that."""
        return self if market == self.market_of(None) else evolve(self, market=market)

    def faster(self) -> Connection:
        """Return this connection with a fast clock, as a simulator wants it."""
        return self if self.speed else evolve(self, speed=SIMULATED_SPEED)

    def arguments(self) -> list[str]:
        """Return the options that lead another run to the same API."""
        options = {
            "--market": self.market,
            "--base-url": self.base_url,
            "--speed": f"{self.speed:g}" if self.speed else None,
            "--channel-type": self.channel_type,
        }
        return [word for name, value in options.items() if value for word in (name, value)]


def guess_market(report_type: str) -> str:
    """Return the market that a report type belongs to, by its name; ``us`` where it says none."""
    for suffix, name in _SUFFIXES.items():
        if report_type.endswith(suffix):
            return name
    return next((name for name, it in MARKETS.items() if report_type in it.report_types), "us")


def duration(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """Read seconds, or a number with s, m, h or d."""
    if value is None:
        return None
    if not (found := _DURATION.fullmatch(value)):
        raise click.BadParameter(f"{value!r} is not a duration: write 90, 45m, 2h or 3d.")
    return float(found[1]) * _SECONDS[found[2]]


def limit(ctx: click.Context, param: click.Parameter, value: str) -> float | None:
    """Read a duration; ``none`` is no limit."""
    return None if value == "none" else duration(ctx, param, value)


def moment(
    _ctx: click.Context, _param: click.Parameter, value: str | None
) -> datetime | timedelta | None:
    """Read an instant in ISO 8601, UTC unless it says otherwise, or a duration: so long ago."""
    if value is None:
        return None
    if found := _DURATION.fullmatch(value):
        try:
            return timedelta(seconds=seconds(float(found[1]) * _SECONDS[found[2]], name=value))
        except InvalidArgument as error:
            raise click.BadParameter(str(error)) from error
    try:
        instant = datetime.fromisoformat(value)
    except ValueError as error:
        raise click.BadParameter(
            f"{value!r} is not a time: write 2026-01-31T08:00Z, or 2h for two hours ago."
        ) from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _checked_url(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else checked_base_url(value)
    except InvalidArgument as error:
        raise click.BadParameter(str(error)) from error


def checked_speed(
    _ctx: click.Context, _param: click.Parameter, value: float | None
) -> float | None:
    """Read how many times as fast a clock shall run."""
    if value is not None and not 0 < value <= FASTEST:
        raise click.BadParameter(f"must be a number above zero, up to {FASTEST:,}.")
    return value


def complete_types(
    ctx: click.Context, _param: click.Parameter, prefix: str
) -> list[CompletionItem]:
    """Complete a report type: the market's, or all that are known."""
    chosen = ctx.params.get("market")
    known = {
        report_type: name
        for name, market in MARKETS.items()
        if chosen in {None, name} and not (chosen is None and name.startswith("global-"))
        for report_type in market.report_types
    }
    return [
        CompletionItem(report_type, help=name)
        for report_type, name in known.items()
        if report_type.lower().startswith(prefix.lower())
    ]


OPTIONS: Final[Sequence[Callable[[Any], Any]]] = (
    click.option(
        "--market",
        type=click.Choice(tuple(MARKETS)),
        help="The market; without it, the one that the report type's name tells, else us.",
    ),
    click.option(
        "--base-url",
        metavar="URL",
        callback=_checked_url,
        help="Another address of the API, such as a simulator's.",
    ),
    click.option(
        "--speed",
        type=float,
        metavar="N",
        callback=checked_speed,
        help="Let the clock run N times as fast; for simulators only.",
    ),
    click.option("--channel-type", metavar="ID", help="WM_CONSUMER.CHANNEL.TYPE, if you have one."),
    click.option(
        "-v",
        "--verbose",
        is_flag=True,
        help="Show what the library logs, instead of the live display.",
    ),
)


as_json = click.option("--json", "as_json", is_flag=True, help="Write one JSON object a line.")


def connection(
    command: Callable[Concatenate[Connection, P], R],
) -> Callable[..., R]:
    """Add the options that say which API to talk to; the command gets a `Connection` first."""

    @functools.wraps(command)
    def wrapper(
        *,
        market: str | None,
        base_url: str | None,
        speed: float | None,
        channel_type: str | None,
        verbose: bool,
        **rest: Any,
    ) -> R:
        local = base_url is not None and is_loopback(base_url)
        if speed is not None and not (local or rest.get("simulate")):
            raise click.UsageError(
                "--speed is for simulators: use it with --simulate, or with a --base-url on this "
                "machine."
            )
        made = Connection(
            market=market,
            base_url=base_url,
            speed=speed,
            channel_type=channel_type,
            verbose=verbose,
        )
        return command(made, **rest)  # type: ignore[call-arg]  # click passes by name

    return functools.reduce(lambda made, option: option(made), reversed(OPTIONS), wrapper)
