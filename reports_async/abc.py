"""
The protocols between this library and the world: time, transport, memory.

Anything of the right shape will do; no base class needs to be inherited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ._http import BlockingStream, ByteStream, HTTPRequest, HTTPResponse

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from ._models import JobRecord

__all__ = [
    "BlockingStream",
    "ByteStream",
    "Clock",
    "HTTPRequest",
    "HTTPResponse",
    "Store",
    "Transport",
]


class Clock(Protocol):
    """
    Time, as the library sees it: all its waiting goes through here.

    Network timeouts do not: a socket lives in real time.
    """

    def now(self) -> datetime:
        """Return the present instant: aware, UTC. It may jump, as wall clocks do."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, from an arbitrary start."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for that many of this clock's seconds; a checkpoint even for zero."""
        ...


class Transport(Protocol):
    """
    Carry one request over the network, no more: no retries, no redirects, no cookies, no cache.

    Both calls raise `TransportError` when no (whole) answer comes, with the cause chained, and
    leave nothing behind when cancelled.
    """

    async def send(self, request: HTTPRequest, *, timeout: float | None) -> HTTPResponse:  # noqa: ASYNC109 -- a socket lives in real time, not in the reader's scope
        """Return the whole reply, within *timeout* wall-clock seconds (None: no limit)."""
        ...

    def stream(
        self, request: HTTPRequest, *, timeout: float | None, stall: float | None
    ) -> AbstractAsyncContextManager[ByteStream]:
        """
        Open a reply whose body is read piece by piece, without decoding any content-encoding.

        Args:
            request: The request.
            timeout: Wall-clock seconds for the headers to arrive.
            stall: Wall-clock seconds that a single read may go without receiving anything.
        """
        ...

    async def aclose(self) -> None:
        """Let go of the connections that this transport itself opened."""
        ...


class Store(Protocol):
    """
    Where requests and the hourly quota are remembered.

    One record is one request, from its reservation on. A record *holds the hour* of its account
    and report type while ``holds_until`` lies ahead. `reports_async._sansio.window` says the rule;
    a store carries it out in one atomic step, for all tasks, threads, processes or machines that
    share it.

    Where the store cannot be used, every method but `aclose` raises `StoreError`, with the cause
    chained: then nothing is sent that could not be remembered. Any other error is taken for one.

    *now* is the caller's clock, and so are all instants that come in and go out. A store for many
    machines may compare by a clock of its own: it then trusts only differences (``holds_until -
    now``), and gives `holds_until` and `lease_until` back in terms of the *now* it is asked with.
    """

    async def reserve(self, record: JobRecord, *, now: datetime) -> JobRecord:
        """
        Take the hour: keep *record* if no other holds the hour of its account and type.

        Returns the record that holds the hour afterwards: the hour is yours if its key is yours.
        Asking again with a key that holds the hour changes nothing. Records older than 30 days
        are forgotten on the way.
        """
        ...

    async def claim(self, key: str, *, owner: str, now: datetime, lease: float) -> bool:
        """
        Become, or stay, the one who works on a record; True if so.

        It succeeds when nobody owns the record, *owner* does, or the last lease (seconds) is over:
        so a process that died holds nobody up for longer than its lease.
        """
        ...

    async def save(self, record: JobRecord, *, now: datetime) -> None:
        """
        Write a record over the one of the same key; owner and lease stay as they are.

        A key that is not there is added as given, without asking who holds the hour.
        """
        ...

    async def delete(self, key: str) -> None:
        """Forget a record and give back the hour it holds; unknown keys are no error."""
        ...

    async def records(
        self, account: str, *, now: datetime, report_type: str | None = None
    ) -> Sequence[JobRecord]:
        """Return an account's records of the last 30 days, newest reservation first."""
        ...

    async def aclose(self) -> None:
        """Let go of what the store opened. What it remembers, it keeps as its kind can."""
        ...
