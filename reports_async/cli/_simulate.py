"""
The simulator for the command line: served for other programs, or inside `fetch --simulate`.

The inner one never touches the real store: its hours are not the real ones.
"""

from __future__ import annotations

import secrets
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
import click
from attrs import evolve

from reports_async._credentials import Credentials
from reports_async.stores import MemoryStore
from reports_async.testing import Rules, ScaledClock, Simulator, SimulatorServer

from ._exits import TABLE, Interrupted
from ._options import SIMULATED_SPEED, checked_speed
from ._run import run
from ._session import Session, make_clock, show_log, writable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from reports_async._models import Timeouts
    from reports_async.testing import SimulatedCall

    from ._options import Connection

LEAST_ROWS: Final = 1000
ROWS: Final = 5000

# "Generation takes up to 45 minutes": about that, so that the display shows what it will show.
GENERATION: Final = (2580.0, 2700.0)


def _any_seed() -> int:
    return secrets.randbelow(2**31)


@asynccontextmanager
async def simulated(
    connection: Connection, *, directory: Path, timeouts: Timeouts, rows: int | None
) -> AsyncGenerator[Session]:
    """Open a session with a simulator of its own, on a real port, which ends with it."""
    show_log(connection)
    writable(directory)
    # It starts at the present: there are no earlier runs to agree with.
    clock = ScaledClock(connection.speed or SIMULATED_SPEED)
    # Another seed each time: with the same ids, the files of the last run would be taken as done.
    simulator = Simulator(seed=_any_seed(), rows=rows or ROWS, generation=GENERATION)
    async with (
        SimulatorServer(simulator, clock=clock) as server,
        AsyncExitStack() as stack,
    ):
        yield Session(
            connection=evolve(connection, base_url=server.url),
            credentials=Credentials("simulated", "simulated"),
            clock=clock,
            make_store=MemoryStore,
            directory=directory,
            timeouts=timeouts,
            stack=stack,
        )


@click.command("simulate", epilog=TABLE)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8085,
    show_default=True,
    help="Of the API; 0 takes any that is free.",
)
@click.option(
    "--speed",
    type=float,
    metavar="N",
    callback=checked_speed,
    help=f"Let the server's clock run N times as fast: at {SIMULATED_SPEED:g}, 45 min take 5 s.",
)
@click.option(
    "--rows",
    type=click.IntRange(min=0),
    default=ROWS,
    show_default=True,
    metavar="N",
    help="Rows of a report.",
)
@click.option(
    "--seed", type=int, metavar="N", help="Ids, times and contents come from it; else from chance."
)
@click.option(
    "--generation",
    type=click.FloatRange(min=0, max=30 * 86400),
    metavar="S",
    help="Seconds that each report takes; else 5 to 45 minutes.",
)
@click.option("--strict-list", is_flag=True, help="Refuse lists that name no report type.")
def simulate_command(
    *,
    port: int,
    speed: float | None,
    rows: int,
    seed: int | None,
    generation: float | None,
    strict_list: bool,
) -> None:
    """
    Serve Walmart's On-request Reports API on this machine, until Ctrl-C.

    It takes any credentials and enforces the published rules: the hour of each type, budgets,
    expiring tokens and links. Each call is logged as one line on stderr, and what they came to
    is told at the end. Ctrl-C is the way to end it, and no error: the exit code is 0.
    """
    simulator = Simulator(
        rules=Rules(strict_list=strict_list),
        rows=rows,
        seed=_any_seed() if seed is None else seed,
        generation=(300.0, 2700.0) if generation is None else generation,
    )
    log = _Log()
    try:
        run(partial(_serve, simulator, port=port, speed=speed, log=log))
    except Interrupted:
        click.echo(f"Stopped{log}.", err=True)


async def _serve(simulator: Simulator, *, port: int, speed: float | None, log: _Log) -> None:
    clock = make_clock(speed)
    async with SimulatorServer(simulator, clock=clock, port=port, on_call=log.add) as server:
        click.echo(f"The simulated API is at {server.url}, until Ctrl-C. Use it from elsewhere:")
        click.echo("")
        click.echo("  export WALMART_CLIENT_ID=any WALMART_CLIENT_SECRET=any")
        fast = "" if speed is None else f" --speed {speed:g}"
        click.echo(f"  reports-async fetch ITEM_MX --base-url {server.url}{fast}")
        click.echo("")
        await anyio.sleep_forever()


class _Log:
    """One line per call, and how many there were of each kind."""

    def __init__(self) -> None:
        self._counts = Counter[str]()

    def add(self, call: SimulatedCall) -> None:
        """Write a call's line."""
        click.echo(str(call), err=True)
        self._counts[call.kind] += 1

    def __str__(self) -> str:
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(self._counts.items()))
        return told and f" after {told}"
