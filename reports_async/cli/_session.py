"""
From a `Connection` to clients: credentials, clock, store and directory, in that order of checking.

One client per market, made when it is first asked for; all share the clock and the store. Nothing
is sent here.
"""

from __future__ import annotations

import logging
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import platformdirs
from attrs import define, field

from reports_async._client import ReportsClient
from reports_async._clock import SystemClock
from reports_async._credentials import Credentials
from reports_async._disk import check_directory
from reports_async._exceptions import InvalidArgument, StoreError
from reports_async._models import Timeouts
from reports_async.stores import SQLiteStore
from reports_async.testing import ScaledClock

from ._exits import CredentialsMissing, Unwritable
from ._format import one_line

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from reports_async._models import JobRecord
    from reports_async.abc import Clock, Store

    from ._options import Connection

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FAST_YEARS: Final = timedelta(days=30 * 365)
"""At 540 times as fast, three weeks."""


@define(eq=False, kw_only=True)
class Session:
    """
    What a command works with, as long as it runs.

    `make_store` is called once for each client: a client closes its store.
    """

    connection: Connection
    credentials: Credentials
    clock: Clock
    make_store: Callable[[], Store]
    directory: Path
    timeouts: Timeouts
    stack: AsyncExitStack
    _clients: dict[str, ReportsClient] = field(factory=dict[str, ReportsClient])

    async def client(self, market: str | None = None) -> ReportsClient:
        """Return the client of a market; None is the one that is taken where no type tells it."""
        market = market or self.connection.market_of(None)
        if market not in self._clients:
            client = ReportsClient(
                self.credentials,
                market=market,
                directory=self.directory,
                channel_type=self.connection.channel_type,
                base_url=self.connection.base_url,
                store=self.make_store(),
                timeouts=self.timeouts,
                clock=self.clock,
            )
            self._clients[market] = await self.stack.enter_async_context(client)
        return self._clients[market]

    async def records(self) -> list[tuple[str, JobRecord]]:
        """Return what the store remembers, newest first, of all accounts; each with its market."""
        found = [
            (self.connection.market or record.market or account, record)
            for account in self.connection.accounts()
            for record in await (await self.client(account)).jobs()
        ]
        return sorted(found, key=lambda entry: entry[1].reserved_at, reverse=True)

    async def market_of(self, request_id: str) -> str:
        """Return the market of a request: where it is remembered, else where `client` looks."""
        known = {record.request_id: market for market, record in await self.records()}
        return known.get(request_id, self.connection.market_of(None))


def credentials_of_environment() -> Credentials:
    """Read the two variables; what is wrong with them ends the program with its own code."""
    try:
        return Credentials.from_env()
    except InvalidArgument as error:
        raise CredentialsMissing(one_line(error)) from error


def show_log(connection: Connection) -> None:
    """Write the library's log to stderr, where that was asked for."""
    if connection.verbose:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        logger = logging.getLogger("reports_async")
        logger.setLevel(logging.DEBUG)
        logger.handlers = [handler]


def make_clock(speed: float | None) -> Clock:
    """
    Return the real clock, or one that runs *speed* times as fast.

    Fast clocks of the same speed agree, from one run of the program to the next: where they are
    follows from the real time alone. So what one run has written into its store is in the past of
    the following ones. Every `FAST_YEARS` of theirs they start again, lest they leave the calendar.
    """
    if speed is None:
        return SystemClock()
    now = datetime.now(UTC)
    start = now - (now - EPOCH) % (FAST_YEARS / speed)
    return ScaledClock(speed, start=start + (now - start) * speed)


def writable(directory: Path) -> Path:
    """Return a directory where files can be made, after making it and trying."""
    try:
        check_directory(directory)
    except InvalidArgument as error:
        raise Unwritable(one_line(error)) from error
    return directory


def store_path(speed: float | None) -> Path:
    """
    Return where this user's store is on this machine; its folder is there afterwards.

    Each fast clock has one of its own: years ahead of real time, it would take the requests of the
    real one for too old to be kept.
    """
    folder = platformdirs.user_data_path("reports-async", appauthor=False)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreError(
            f"The store's folder {folder} cannot be made: {error.strerror}."
        ) from error
    return folder / ("requests.sqlite3" if speed is None else f"fast-{speed:g}.sqlite3")


@asynccontextmanager
async def open_session(
    connection: Connection, *, directory: Path | None = None, timeouts: Timeouts | None = None
) -> AsyncGenerator[Session]:
    """
    Open what a command needs, and close it afterwards. Without a *directory* it writes no files.

    Raises:
        CredentialsMissing, Unwritable, StoreError: Before anything was sent.
    """
    show_log(connection)
    credentials = credentials_of_environment()
    path = store_path(connection.speed)
    async with AsyncExitStack() as stack:
        yield Session(
            connection=connection,
            credentials=credentials,
            clock=make_clock(connection.speed),
            make_store=partial(SQLiteStore, path),
            # A client checks its directory; who only looks may sit in one that is not writable.
            directory=Path(tempfile.gettempdir()) if directory is None else writable(directory),
            timeouts=timeouts or Timeouts(),
            stack=stack,
        )
