"""
The simulated server: one pure function of a request and an instant, and orders for tests.

It reads no clock, opens no socket, and draws nothing but from its seed. `SimulatorTransport` serves
it in memory, `SimulatorServer` on real sockets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from reports_async._exceptions import InvalidArgument
from reports_async._validation import instant, one_of, seconds, word

from ._dispatch import Dispatcher
from ._faults import Fault
from ._rules import Rules, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from reports_async._http import HTTPRequest

    from ._dispatch import SimulatedCall
    from ._faults import Answer, Endpoint
    from ._ledger import SimulatedRequest
    from ._replies import Reply
    from ._rules import ErrorShape


class Simulator:
    """
    Walmart's On-request Reports API, with every published rule enforced.

    Args:
        rules: What the server is like where the documents leave it open.
        seed: Request ids, generation times and contents all come from it.
        rows: How long a report is, without its header.
        generation: How long a report takes: one duration, or a pair to draw from.

    Orders are keyed by a report type or a request id; an order for one request goes before one
    for its type.

    .. versionadded:: 0.1.0
    """

    def __init__(
        self,
        *,
        rules: Rules | None = None,
        seed: int = 0,
        rows: int = 1000,
        generation: float | timedelta | tuple[float, float] = (300.0, 2700.0),
    ) -> None:
        self._core = Dispatcher(
            rules=rules or Rules(),
            seed=seed,
            rows=_count(rows),
            generation=span(generation, name="generation"),
        )

    # Serving

    @property
    def rules(self) -> Rules:
        """What this server is like."""
        return self._core.rules

    @property
    def file_base_url(self) -> str:
        """Where signed addresses lead: scheme and host, not the API's unless the rules say so."""
        return self._core.file_base_url

    @file_base_url.setter
    def file_base_url(self, url: str) -> None:
        self._core.file_base_url = url.rstrip("/")

    def handle(self, request: HTTPRequest, now: datetime) -> Reply:
        """
        Answer one request that arrives at *now* by the server's clock.

        Requests to the host of `file_base_url`, or to the path of a file, go to the file host, all
        others to the API, whatever the name of their host.

        Raises:
            InvalidArgument: *now* is naive.
        """
        return self._core.handle(request, instant(now, name="now") or now)

    def prepare(self, request: HTTPRequest) -> None:
        """
        Do the slow part of answering a request for a file ahead: safe in another thread.

        Without it, `handle` does it itself.
        """
        if self._core.is_file(request.url):
            self._core.files.prepare(urlsplit(request.url).path)

    # Orders

    def fail(
        self,
        endpoint: Endpoint,
        *answers: Answer,
        times: int = 1,
        after_acting: bool = False,
        at: int | None = None,
        to: str | None = None,
        shape: ErrorShape | None = None,
        only: str | None = None,
    ) -> None:
        """
        Let the next calls of an endpoint go wrong, one answer per call.

        Args:
            endpoint: token, create, list, status, link, webhooks or file.
            answers: An error status, or: ``refuse`` (reset before the server acts), ``lose``
                (it acts, the connection breaks), ``hang`` (it acts and never answers), ``cut``
                (the body breaks off), ``stall`` (the body stops), ``short`` (the body and its
                declared length are too short), ``length`` (the declared length is too long),
                ``corrupt`` (a wrong byte), ``empty``, ``html`` (a page with 200), ``redirect``.
            times: Repeats all the answers.
            after_acting: The server does as it is told before it answers with an error.
            at: Bytes of the body before it is cut, stalls, ends or has its wrong byte (None: in
                the middle); for ``length``, by how much it lies.
            to: Where a redirect leads; None is the same path on the file host.
            shape: The error body, if not that of the rules.
            only: Only calls about this report type or request id.

        Raises:
            InvalidArgument: There is no such endpoint or answer.
        """
        ordered = [
            Fault(
                endpoint=endpoint,
                answer=answer,
                after_acting=after_acting,
                at=at,
                to=to,
                shape=shape,
                only=only,
            )
            for answer in answers * times
        ]
        for fault in ordered:
            self._core.faults.add(fault)

    def delay(
        self,
        endpoint: Endpoint,
        duration: float | timedelta,
        *,
        times: int = 1,
        only: str | None = None,
    ) -> None:
        """Let the next calls of an endpoint be answered late: the server acts at once."""
        late = seconds(duration, name="duration")
        for _ in range(times):
            self._core.faults.add(Fault(endpoint=endpoint, delay=late, only=only))

    def heal(self) -> None:
        """Drop the faults that have not come yet."""
        self._core.faults.clear()

    def generation(self, key: str, duration: float | timedelta) -> None:
        """Set how long a report takes."""
        self._core.ledger.times[key] = seconds(duration, name="duration")

    def never_ready(self, key: str) -> None:
        """Let a report never become ready."""
        self._core.ledger.times[key] = None

    def fail_generation(self, key: str) -> None:
        """Let a report end in ERROR, when it would have become READY."""
        self._core.ledger.failing.add(key)

    def statuses(self, key: str, words: Sequence[str]) -> None:
        """
        Let each look at a report tell the next of these words, known ones or not.

        READY and ERROR are then true and final; after the last word the truth is told again.
        """
        self._core.ledger.words[key] = tuple(words)

    def rows(self, key: str, number: int) -> None:
        """Set how long a report is, without its header."""
        self._core.files.rows[key] = _count(number)
        self._core.files.reset()

    def content(self, key: str, csv: bytes) -> None:
        """Set the CSV of a report; it is packed as the rules say."""
        self._core.files.contents[key] = csv
        self._core.files.reset()

    def raw_file(self, key: str, body: bytes) -> None:
        """Set the very bytes that the file host sends."""
        self._core.files.raw[key] = body
        self._core.files.reset()

    def expire_links(self) -> None:
        """Let no signed address given so far work any more."""
        self._core.links.expire()

    def expire_token(self) -> None:
        """Let no access token given so far work any more."""
        self._core.gateway.expire_tokens()

    def add_request(
        self,
        report_type: str,
        submitted_at: datetime,
        *,
        src: str = "SC",
        version: str = "v1",
        status: Literal["READY", "ERROR", "INPROGRESS"] | None = None,
        payload: Mapping[str, Any] | None = None,
        account: str | None = None,
    ) -> str:
        """
        Add a request that another program or person made; it takes the hour of its type.

        Args:
            report_type: Its type.
            submitted_at: When, by the server's clock.
            src: API, SC (Seller Center) or Scheduler.
            version: Its version.
            status: What it stays at; None lets it go the usual way.
            payload: Its create body.
            account: The client id that sees it; None lets all see it.

        Returns:
            Its id.
        """
        at = instant(submitted_at, name="submitted_at") or submitted_at
        if status is not None:
            one_of(status, ("READY", "ERROR", "INPROGRESS"), name="status")
        request_id = self._core.ledger.add(
            word(report_type, name="report_type"),
            version=version,
            submitted_at=at,
            payload=payload or {},
            source=src,
            account=account,
        )
        if status is not None:
            self._core.ledger.times[request_id] = None if status == "INPROGRESS" else 0.0
        if status == "ERROR":
            self._core.ledger.failing.add(request_id)
        return request_id

    def forget(self, request_id: str) -> None:
        """
        Lose a request, as the server does after 30 days.

        Raises:
            InvalidArgument: There is no such request.
        """
        self._known(request_id)
        self._core.ledger.forget(request_id)

    def notifications(self, request_id: str, now: datetime) -> tuple[HTTPRequest, ...]:
        """
        Return what the server would post about a request as it stands: one for each subscription.

        The simulator itself posts nothing. Where a subscription says OAUTH, the client secret is
        the access token.

        Raises:
            InvalidArgument: There is no such request, or *now* is naive.
        """
        self._known(request_id)
        request, at = self._core.ledger.get(request_id), instant(now, name="now") or now
        standing = self._core.ledger.settled(request_id, now=at)
        return tuple(self._core.hooks.notifications(request, standing, now=at))

    # Inspection

    @property
    def requests(self) -> tuple[SimulatedRequest, ...]:
        """All requests, oldest first, those of other programs too."""
        return self._core.ledger.all()

    @property
    def calls(self) -> tuple[SimulatedCall, ...]:
        """The latest calls, oldest first."""
        return tuple(self._core.log.calls)

    @property
    def last_call(self) -> SimulatedCall | None:
        """The latest call; None before the first."""
        return self._core.log.calls[-1] if self._core.log.calls else None

    @property
    def violations(self) -> tuple[str, ...]:
        """What a well-behaved client never does: cookies, tokens at the file host, stale ids."""
        return tuple(self._core.log.violations)

    def creates(self, report_type: str | None = None) -> int:
        """Count the create calls that were accepted."""
        return (
            self._core.log.creates.total()
            if report_type is None
            else self._core.log.creates[report_type]
        )

    def count(self, endpoint: str, status: int | None = None) -> int:
        """Count the calls of an endpoint; *status* 0 counts those that got no answer."""
        if status is not None:
            return self._core.log.counts[endpoint, status]
        return sum(
            number for (name, _), number in self._core.log.counts.items() if name == endpoint
        )

    def csv(self, request_id: str) -> Iterator[bytes]:
        """Iterate the CSV of a request: what a client's file must be, byte for byte."""
        self._known(request_id)
        return self._core.files.text(request_id).blocks()

    def digest(self, request_id: str) -> str:
        """Return the SHA-256 of that CSV, in hexadecimal."""
        self._known(request_id)
        return self._core.files.digest(request_id)

    def _known(self, request_id: str) -> None:
        if self._core.ledger.known(request_id) is None:
            raise InvalidArgument(f"The simulator has no request {request_id!r}.")

    def __repr__(self) -> str:
        return (
            f"<Simulator {len(self.requests)} requests, {self._core.log.counts.total()} calls, "
            f"{len(self._core.faults)} faults to come, {len(self._core.log.violations)} violations>"
        )


def _count(rows: Any) -> int:
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < 0:
        raise InvalidArgument(f"rows must be a whole number, not below zero, but is {rows!r}.")
    return rows
