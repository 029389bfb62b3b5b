"""
Webhook subscriptions of the simulated server, and the notifications that it would send for them.

It sends none: to post what `Hooks.notifications` makes is the test's part.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from attrs import define, field

from reports_async._http import HTTPRequest

from ._ledger import fingerprint
from ._replies import JSON, Refusal, Reply, json_reply, timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from ._gateway import Call
    from ._ledger import SimulatedRequest, Standing

PREFIX: Final = "/v3/webhooks/"
_SUBSCRIPTIONS: Final = PREFIX + "subscriptions"
_TEST: Final = PREFIX + "test"
# "Not documented for MX, CA, CL."
_WITHOUT: Final = frozenset({"mx", "ca", "cl"})
_EVENTS: Final = {"REPORT_STATUS": "partnerId", "REPORT_STATUS_SUPPLIER": "vendorId"}
_FILTERS: Final = ("subscriptionId", "eventType", "resourceName", "status")
_METHODS: Final = {
    "BASIC_AUTH": ("userName", "password", "authHeaderName"),
    "HMAC": ("clientSecret", "authHeaderName"),
    "OAUTH": ("authUrl", "clientId", "clientSecret", "authHeaderName"),
}
_PARTNER: Final = "10000000359"


@define(eq=False)
class Hooks:
    """Who has subscribed to what."""

    seed: int
    _subscriptions: dict[str, tuple[str, dict[str, Any]]] = field(
        factory=dict[str, tuple[str, dict[str, Any]]]
    )
    _serial: int = 0

    def handle(self, call: Call, account: str) -> Reply:
        """
        Answer a call below ``/v3/webhooks/``.

        Raises:
            Refusal: The market has no webhooks, or the call is not as the API wants it.
        """
        if call.headers.get("wm_market") in _WITHOUT:
            raise Refusal(404, "Notifications are not available in this market.", field="WM_MARKET")
        if (call.method, call.path) == ("POST", _SUBSCRIPTIONS):
            return self._create(call, account)
        if (call.method, call.path) == ("GET", _SUBSCRIPTIONS):
            return self._list(call, account)
        if (call.method, call.path) == ("POST", _TEST):
            _check_event(_document(call))
            return json_reply({"message": "Eventurl successfully validated"})
        if call.method == "DELETE" and call.path.startswith(f"{_SUBSCRIPTIONS}/"):
            return self._delete(call.path.rpartition("/")[2], account)
        raise Refusal(404, f"There is no {call.method} {call.path}.")

    def _create(self, call: Call, account: str) -> Reply:
        events = _document(call).get("events")
        if not isinstance(events, list) or not events:
            raise Refusal(400, "events must be a list with one at least.", field="events")
        entries: list[Any] = events  # pyright: ignore[reportUnknownVariableType]  # any JSON
        checked = [_check_event(entry) for entry in entries]
        made: list[dict[str, Any]] = []
        for entry in checked:
            self._serial += 1
            digest = fingerprint(self.seed, "subscription", self._serial, account)
            name = str(UUID(bytes=digest[:16]))
            kept = {**entry, "subscriptionId": name, "partnerId": _PARTNER}
            self._subscriptions[name] = account, kept
            made.append({key: kept[key] for key in kept if key not in ("authDetails", "headers")})
        return json_reply({"events": made})

    def _list(self, call: Call, account: str) -> Reply:
        wanted = {name: value for name in _FILTERS if (value := call.parameter(name)) is not None}
        found = [
            entry
            for owner, entry in self._subscriptions.values()
            if owner == account and all(entry.get(name) == wanted[name] for name in wanted)
        ]
        return json_reply({"events": found})

    def _delete(self, name: str, account: str) -> Reply:
        owner, _ = self._subscriptions.get(name, (None, None))
        if owner != account:
            raise Refusal(404, f"There is no subscription {name}.", field="subscriptionId")
        del self._subscriptions[name]
        return json_reply({"subscriptionId": name, "message": "Successfully deleted subscription"})

    def notifications(
        self, request: SimulatedRequest, standing: Standing, *, now: datetime
    ) -> Iterator[HTTPRequest]:
        """Iterate what the server would post about a request, one for each subscription."""
        for owner, entry in self._subscriptions.values():
            key = _EVENTS.get(entry["eventType"])
            if key is not None and entry["status"] == "ACTIVE" and request.account in (None, owner):
                body = self._body(request, standing, kind=entry["eventType"], key=key, now=now)
                yield HTTPRequest(
                    method="POST",
                    url=entry["eventUrl"],
                    headers={
                        "Content-Type": JSON,
                        **entry.get("headers", {}),
                        **_proof(entry.get("authDetails"), body),
                    },
                    body=body,
                )

    def _body(
        self,
        request: SimulatedRequest,
        standing: Standing,
        *,
        kind: str,
        key: str,
        now: datetime,
    ) -> bytes:
        event_id = fingerprint(self.seed, "event", request.request_id, standing.word)
        payload = {
            key: _PARTNER,
            "requestId": request.request_id,
            "requestStatus": standing.word,
            "requestSubmissionDate": timestamp(request.submitted_at, "millis"),
            "reportType": request.report_type,
            "reportVersion": request.version,
        }
        if standing.generated_at is not None:
            payload["reportGenerationDate"] = timestamp(standing.generated_at, "millis")
        source = {
            "eventType": kind,
            "eventTime": timestamp(now, "millis"),
            "eventId": str(UUID(bytes=event_id[:16])),
        }
        return json.dumps({"source": source, "payload": payload}).encode()


def _document(call: Call) -> Mapping[str, Any]:
    if not call.headers.get("content-type", "").lower().startswith(JSON):
        raise Refusal(415, f"Content-Type must be {JSON}.", field="Content-Type")
    try:
        document = json.loads(call.body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Refusal(400, "The body must be a JSON object.", code="INVALID_REQUEST_CONTENT")
    return document  # pyright: ignore[reportUnknownVariableType]  # keys of JSON objects are strings


def _check_event(entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise Refusal(400, "An event must be an object.", field="events")
    event: dict[str, Any] = entry  # pyright: ignore[reportUnknownVariableType]  # keys of JSON objects are strings
    for name in ("eventType", "eventVersion", "resourceName", "eventUrl"):
        if not event.get(name):
            raise Refusal(400, f"The field {name} is missing.", field=name)
    if event.get("authDetails") is not None:
        _check_details(event["authDetails"])
    return event


def _check_details(value: Any) -> None:
    details: dict[str, Any] = value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]  # keys of JSON objects are strings
    needed = _METHODS.get(str(details.get("authMethod")))
    if needed is None:
        raise Refusal(400, "authMethod must be BASIC_AUTH, OAUTH or HMAC.", field="authMethod")
    for name in needed:
        if not details.get(name):
            raise Refusal(400, f"The field {name} is missing.", field=name)


def _proof(details: Mapping[str, str] | None, body: bytes) -> dict[str, str]:
    """Return the header that shows who calls; for OAUTH the token is what the secret says."""
    if details is None:
        return {}
    if details["authMethod"] == "BASIC_AUTH":
        pair = f"{details['userName']}:{details['password']}"
        value = base64.b64encode(pair.encode()).decode()
    elif details["authMethod"] == "HMAC":
        value = hmac.new(details["clientSecret"].encode(), body, hashlib.sha256).hexdigest()
    else:
        value = f"Bearer {details['clientSecret']}"
    return {details["authHeaderName"]: value}
