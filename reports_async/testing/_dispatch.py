"""The way of a request through the simulator: which host, which call, which fault, and the log."""

from __future__ import annotations

import json
from collections import Counter, deque
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

from attrs import define, evolve, field, frozen

from ._faults import ACTED, Fault, FaultPlan, strike
from ._filehost import PREFIX, FileHost, Links, azure_error
from ._gateway import Call, Gateway
from ._hooks import PREFIX as HOOKS
from ._hooks import Hooks
from ._ledger import Ledger
from ._replies import JSON, Refusal, Reply, http_date, refusal_reply, xml_reply
from ._verbs import Verbs

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from reports_async._http import HTTPRequest

    from ._rules import ErrorShape, Rules

KEPT: Final = 10_000
_REQUESTS: Final = "/v3/reports/reportRequests"
_ENDPOINTS: Final = {
    ("POST", "/v3/token"): "token",
    ("POST", _REQUESTS): "create",
    ("GET", _REQUESTS): "list",
    ("GET", "/v3/reports/downloadReport"): "link",
}
# Bait: neither host ever wants it back.
_COOKIE: Final = "ak_bmsc=do-not-return; Path=/; HttpOnly"


@frozen(kw_only=True)
class SimulatedCall:
    """
    One call that the simulator got, for inspection.

    `endpoint` is token, create, list, status, link, webhooks, file or other; `status` is 0 where
    no answer reached the caller.
    """

    at: datetime
    endpoint: str
    status: int
    report_type: str | None = None
    request_id: str | None = None

    @property
    def kind(self) -> str:
        """What was called and what was answered, e.g. ``list 200``."""
        return f"{self.endpoint} {self.status or 'no answer'}"

    def __str__(self) -> str:
        words = (f"{self.at:%H:%M:%S}", self.kind, self.report_type, self.request_id)
        return " ".join(filter(None, words))


@define(eq=False)
class Log:
    """What was called, how often, and what should not have been."""

    calls: deque[SimulatedCall] = field(factory=lambda: deque[SimulatedCall](maxlen=KEPT))
    counts: Counter[tuple[str, int]] = field(factory=Counter[tuple[str, int]])
    creates: Counter[str] = field(factory=Counter[str])
    violations: deque[str] = field(factory=lambda: deque[str](maxlen=KEPT))

    def add(self, call: SimulatedCall) -> None:
        """Note a call."""
        self.calls.append(call)
        self.counts[call.endpoint, call.status] += 1


class Dispatcher:
    """The rooms of the simulator, put together."""

    def __init__(
        self, *, rules: Rules, seed: int, rows: int, generation: tuple[float, float]
    ) -> None:
        self.rules = rules
        self.file_base_url = "https://files.simulator.invalid"
        self.log = Log()
        self.faults = FaultPlan()
        self.ledger = Ledger(
            seed=seed, generation=generation, received=rules.first_status, lag=rules.list_lag
        )
        self.gateway = Gateway(seed=seed, rules=rules, violate=self.log.violations.append)
        self.links = Links(seed=seed, rules=rules)
        self.hooks = Hooks(seed)
        self.files = FileHost(
            seed=seed,
            rules=rules,
            ledger=self.ledger,
            links=self.links,
            default_rows=rows,
            violate=self.log.violations.append,
            holds_token=self.gateway.holds_token,
        )
        self._verbs = Verbs(
            rules=rules,
            ledger=self.ledger,
            links=self.links,
            gateway=self.gateway,
            file_base_url=lambda: self.file_base_url,
        )

    def handle(self, request: HTTPRequest, now: datetime) -> Reply:
        """Answer one request."""
        call = Call.of(request, now)
        endpoint = "file" if self.is_file(request.url) else _endpoint(call)
        subject = self._subject(call, endpoint)
        fault = self.faults.take(endpoint, set(subject))
        reply = self._act(call, endpoint) if fault is None else self._strike(call, endpoint, fault)
        arrives = not (reply.refused or reply.lost or reply.silent)
        report_type, request_id = subject
        self.log.add(
            SimulatedCall(
                at=now,
                endpoint=endpoint,
                status=reply.status if arrives else 0,
                report_type=report_type,
                request_id=request_id,
            )
        )
        return reply.with_headers({"Date": http_date(now), "Set-Cookie": _COOKIE})

    def is_file(self, url: str) -> bool:
        """Tell whether an address is one of the file host."""
        parts = urlsplit(url)
        own = parts.netloc == urlsplit(self.file_base_url).netloc
        return parts.path.startswith(PREFIX) or (own and not self.rules.same_host)

    def _subject(self, call: Call, endpoint: str) -> tuple[str | None, str | None]:
        query = dict(call.query)
        request_id = query.get("requestId")
        if endpoint == "status":
            request_id = call.path.rpartition("/")[2]
        elif endpoint == "file":
            request_id = call.path.removeprefix(PREFIX).partition("/")[0]
        request = self.ledger.known(request_id or "")
        return (request.report_type if request else query.get("reportType")), request_id

    def _strike(self, call: Call, endpoint: str, fault: Fault) -> Reply:
        acts = fault.answer is None or fault.after_acting or fault.answer in ACTED
        reply = self._act(call, endpoint) if acts else Reply(status=200)
        if isinstance(fault.answer, int):
            reply = self._failed(call, endpoint, fault.answer, fault.shape)
        elif fault.answer == "redirect" and fault.to is None:
            same = f"{self.file_base_url}{call.path}?{urlencode(call.query)}"
            reply = strike(evolve(fault, to=same), reply)
        elif fault.answer is not None:
            reply = strike(fault, reply)
        return evolve(reply, delay=fault.delay)

    def _failed(self, call: Call, endpoint: str, status: int, shape: ErrorShape | None) -> Reply:
        if endpoint == "file" and shape is None:
            return azure_error(status, "This failure was ordered.")
        return self._refused(call, Refusal(status, "This failure was ordered."), shape=shape)

    def _act(self, call: Call, endpoint: str) -> Reply:
        if endpoint == "file":
            return self.files.handle(call)
        try:
            reply = self._answer(call, endpoint)
        except Refusal as refusal:
            reply = self._refused(call, refusal)
        if not self.gateway.accepts_json(call) and reply.headers["Content-Type"] == JSON:
            xml = xml_reply(json.loads(reply.body), status=reply.status)
            return xml.with_headers({**reply.headers, **xml.headers})
        return reply

    def _refused(self, call: Call, refusal: Refusal, *, shape: ErrorShape | None = None) -> Reply:
        shape = shape or self.rules.error_shape
        return refusal_reply(refusal, shape=shape, path=call.path, now=call.now)

    def _answer(self, call: Call, endpoint: str) -> Reply:
        if endpoint == "other":
            raise Refusal(404, f"There is no {call.method} {call.path}.")
        self.gateway.check_headers(call)
        if endpoint == "token":
            return self.gateway.token(call)
        account = self.gateway.admit(call)
        budget = self.gateway.spend(account, endpoint, call.now)
        try:
            reply = self._verb(endpoint)(call, account)
        except Refusal as refusal:
            reply = self._refused(call, refusal)
        return reply.with_headers(budget)

    def _verb(self, endpoint: str) -> Callable[[Call, str], Reply]:
        verbs = {
            "create": self._create,
            "list": self._verbs.list,
            "status": self._verbs.status,
            "link": self._verbs.link,
            "webhooks": self.hooks.handle,
        }
        return verbs[endpoint]

    def _create(self, call: Call, account: str) -> Reply:
        reply = self._verbs.create(call, account)
        self.log.creates[call.parameter("reportType") or ""] += 1
        return reply


def _endpoint(call: Call) -> str:
    known = _ENDPOINTS.get((call.method, call.path))
    if known is not None:
        return known
    if call.path.startswith(HOOKS):
        return "webhooks"
    parent, _, request_id = call.path.rpartition("/")
    return "status" if call.method == "GET" and parent == _REQUESTS and request_id else "other"
