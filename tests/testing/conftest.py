"""Fixtures for tests of the simulator: a caller that does everything right unless told."""

from __future__ import annotations

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define, field

from reports_async._http import HTTPRequest
from reports_async.testing import Rules, Simulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports_async.testing import Reply

START = datetime(2026, 1, 5, 8, tzinfo=UTC)


@define(eq=False)
class Caller:
    """
    Call a simulator as a well-behaved client would, at an instant of one's own.
    """

    simulator: Simulator = field(factory=Simulator)
    base: str = "https://marketplace.walmartapis.com"
    now: datetime = START
    client_id: str = "id"
    token: str | None = None
    usual: dict[str, str] = field(factory=dict[str, str])

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: dict[str, str | None] | None = None,
    ) -> HTTPRequest:
        every: dict[str, str | None] = {
            "WM_SVC.NAME": "tests",
            "WM_QOS.CORRELATION_ID": str(uuid.uuid4()),
            "Accept": "application/json",
            **self.usual,
            **(headers or {}),
        }
        given = {name: value for name, value in every.items() if value is not None}
        return HTTPRequest(method=method, url=self.base + path, headers=given, body=body)

    def login_request(
        self, secret: str = "secret", headers: dict[str, str | None] | None = None, **form: str
    ) -> HTTPRequest:
        pair = base64.b64encode(f"{self.client_id}:{secret}".encode()).decode()
        grant = form.get("grant_type", "client_credentials")
        return self.request(
            "POST",
            "/v3/token",
            body=f"grant_type={grant}".encode(),
            headers={
                "Authorization": f"Basic {pair}",
                "Content-Type": "application/x-www-form-urlencoded",
                **(headers or {}),
            },
        )

    def login(self, *args: Any, **kwargs: Any) -> Reply:
        reply = self.simulator.handle(self.login_request(*args, **kwargs), self.now)
        if reply.status == 200 and reply.body.startswith(b"{"):
            self.token = json.loads(reply.body)["access_token"]
        return reply

    def api_request(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: dict[str, str | None] | None = None,
    ) -> HTTPRequest:
        own: dict[str, str | None] = {"WM_SEC.ACCESS_TOKEN": self.token}
        if method == "POST":
            own["Content-Type"] = "application/json"
        return self.request(
            method, f"/v3/reports/{path}", body=body, headers={**own, **(headers or {})}
        )

    def call(self, method: str, path: str, **kwargs: Any) -> Reply:
        if self.token is None:
            self.login()
        return self.simulator.handle(self.api_request(method, path, **kwargs), self.now)

    def create(
        self, report_type: str = "ITEM_MX", *, version: str = "v1", body: Any = None, **kwargs: Any
    ) -> Reply:
        path = f"reportRequests?reportType={report_type}&reportVersion={version}"
        return self.call("POST", path, body=json.dumps(body or {}).encode(), **kwargs)

    def made(self, report_type: str = "ITEM_MX", **kwargs: Any) -> str:
        reply = self.create(report_type, **kwargs)
        assert 200 == reply.status, reply.body
        request_id: str = json.loads(reply.body)["requestId"]
        return request_id

    def list(self, query: str = "", **kwargs: Any) -> Reply:
        return self.call("GET", f"reportRequests{'?' if query else ''}{query}", **kwargs)

    def status(self, request_id: str, **kwargs: Any) -> Reply:
        return self.call("GET", f"reportRequests/{request_id}", **kwargs)

    def link(self, request_id: str, **kwargs: Any) -> Reply:
        return self.call("GET", f"downloadReport?requestId={request_id}", **kwargs)

    def url(self, request_id: str) -> str:
        url: str = json.loads(self.link(request_id).body)["downloadURL"]
        return url

    def fetch(self, url: str, headers: dict[str, str] | None = None, method: str = "GET") -> Reply:
        request = HTTPRequest(method=method, url=url, headers=headers or {})
        return self.simulator.handle(request, self.now)

    def ready(self, report_type: str = "ITEM_MX", **kwargs: Any) -> str:
        request_id = self.made(report_type, **kwargs)
        self.simulator.generation(request_id, 60)
        self.wait(60)
        return request_id


@pytest.fixture
def caller() -> Caller:
    """
    A caller of a simulator with the usual rules.
    """
    return Caller()


@pytest.fixture
def caller_of() -> Callable[..., Caller]:
    """
    Make callers of simulators with other rules.
    """

    def make(**rules: Any) -> Caller:
        return Caller(Simulator(rules=Rules(**rules)))

    return make


def _code(reply: Reply) -> str:
    code: str = json.loads(reply.body)["error"][0]["code"]
    return code


@pytest.fixture
def code() -> Callable[[Reply], str]:
    """
    Read the code of an error answer in the gateway's shape.
    """
    return _code
