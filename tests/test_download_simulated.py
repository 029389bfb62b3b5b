"""Downloads from the simulator's file host, which can do what real ones can do to us."""

from __future__ import annotations

import base64
import json
import uuid
from typing import TYPE_CHECKING

import pytest
from attrs import define

from reports_async._download import Downloader
from reports_async._http import HTTPRequest
from reports_async._models import DownloadLink, Timeouts
from reports_async.testing import Rules, Simulator, SimulatorTransport

if TYPE_CHECKING:
    from pathlib import Path

    from reports_async.abc import Clock

pytestmark = pytest.mark.anyio


@define(eq=False)
class Simulated:
    """A simulator with one report that is ready, and a directory for it."""

    simulator: Simulator
    clock: Clock
    request_id: str
    directory: Path

    async def link(self, slot):
        host = SimulatorTransport(self.simulator, self.clock)

        async def call(method, path, headers, body=b""):
            headers = {
                "Accept": "application/json",
                "WM_QOS.CORRELATION_ID": str(uuid.uuid4()),
                **headers,
            }
            request = HTTPRequest(
                method=method,
                url=f"https://marketplace.walmartapis.com/v3/{path}",
                headers={"WM_SVC.NAME": "test", **headers},
                body=body,
            )
            return json.loads((await host.send(request, timeout=None)).body)

        basic = base64.b64encode(b"id:secret").decode()
        form = {"Authorization": f"Basic {basic}"}
        form["Content-Type"] = "application/x-www-form-urlencoded"
        token = await call("POST", "token", form, b"grant_type=client_credentials")
        access = {"WM_SEC.ACCESS_TOKEN": token["access_token"]}
        path = f"reports/downloadReport?requestId={self.request_id}"
        return DownloadLink(url=(await call("GET", path, access))["downloadURL"])

    async def fetch(self):
        downloader = Downloader(
            transport=SimulatorTransport(self.simulator, self.clock),
            clock=self.clock,
            timeouts=Timeouts(),
            api_base_url="https://marketplace.walmartapis.com",
        )
        target = self.directory / "ITEM_MX.csv"
        saved = await downloader.fetch(
            self.link,
            target=target,
            report_type="ITEM_MX",
            request_id=self.request_id,
            tell=lambda _: None,
        )
        assert [target] == list(self.directory.iterdir())
        assert b"".join(self.simulator.csv(self.request_id)) == target.read_bytes()
        assert saved.size == target.stat().st_size
        assert () == self.simulator.violations


@pytest.fixture
def simulated(tmp_path, clock):
    def make(**rules):
        simulator = Simulator(rules=Rules(**rules))
        request_id = simulator.add_request("ITEM_MX", clock.now(), status="READY")
        return Simulated(simulator, clock, request_id, tmp_path)

    return make


FAULTS = [
    "refuse",
    "lose",
    "cut",
    "short",
    "length",
    "corrupt",
    "empty",
    "html",
    "redirect",
    403,
    503,
]


@pytest.mark.parametrize("fault", FAULTS)
async def test_simulated_fault(simulated, fault):
    """Whatever the file host does once, the file is whole."""
    s = simulated()
    s.simulator.fail("file", fault)
    await s.fetch()

    # A length that was too long makes us ask for a rest that is not there.
    assert (3 if fault == "length" else 2) == s.simulator.count("file")


@pytest.mark.parametrize("file_format", ["zip", "gzip", "plain"])
@pytest.mark.parametrize("honour_range", [True, False])
@pytest.mark.parametrize("send_length", [True, False])
async def test_simulated_breaks(simulated, file_format, honour_range, send_length):
    """Whatever the file host can and cannot do, a body that broke off comes whole."""
    s = simulated(file_format=file_format, honour_range=honour_range, send_length=send_length)
    s.simulator.fail("file", "cut", "cut", at=1000)
    await s.fetch()

    statuses = [call.status for call in s.simulator.calls if call.endpoint == "file"]
    assert ([200, 206, 206] if honour_range else [200] * 3) == statuses
