"""
The API's front door: headers, credentials, tokens and call budgets.

What the calls themselves do is decided in `_verbs`.
"""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from attrs import define, field, frozen

from ._ledger import fingerprint
from ._replies import JSON, Refusal, Reply, epoch_ms, http_date, json_reply, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reports_async._http import HTTPRequest

    from ._rules import Rules

TOKEN_HEADER: Final = "wm_sec.access_token"  # noqa: S105 -- the name of a header, not a secret
_FORM: Final = "application/x-www-form-urlencoded"
_REMEMBERED: Final = 10_000
METERED: Final = frozenset({"status", "link", "list"})


@frozen(kw_only=True)
class Call:
    """A request to the simulator, taken apart. Header names are lower-case."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    now: datetime

    @classmethod
    def of(cls, request: HTTPRequest, now: datetime) -> Call:
        """Take a request apart."""
        parts = urlsplit(request.url)
        return cls(
            method=request.method,
            path=parts.path,
            query=tuple(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=request.body,
            now=now,
        )

    def parameter(self, name: str) -> str | None:
        """
        Return a query parameter; None where it is missing or empty.

        Raises:
            Refusal: It comes twice: nobody knows which one is meant.
        """
        values = [value for key, value in self.query if key == name]
        if len(values) > 1:
            raise Refusal(400, f"The parameter {name} comes {len(values)} times.", field=name)
        return values[0] or None if values else None


@frozen
class _Token:
    account: str
    market: str | None
    expires_at: datetime


@define(eq=False)
class Bucket:
    """
    A token bucket that refills gradually; exact, because it counts in datetimes.

    `_full_at` is when all tokens are back: each call that is made moves it one refill away.
    """

    size: int
    refill: timedelta
    _full_at: datetime | None = None

    def left(self, now: datetime) -> int:
        """Return how many calls may be made."""
        if self._full_at is None or self._full_at <= now:
            return self.size
        return max(0, self.size + (now - self._full_at) // self.refill)

    def take(self, now: datetime) -> bool:
        """Make a call; False if there is no token for it."""
        if not self.left(now):
            return False
        self._full_at = max(self._full_at or now, now) + self.refill
        return True

    def next_at(self, now: datetime) -> datetime:
        """Return when the next token comes; now, when the bucket is full."""
        if self._full_at is None or self._full_at <= now:
            return now
        return self._full_at - self.refill * (self.size - self.left(now) - 1)


@define(eq=False)
class Gateway:
    """Who may call, and how often."""

    seed: int
    rules: Rules
    violate: Callable[[str], None]
    _tokens: dict[str, _Token] = field(factory=dict[str, _Token])
    _buckets: dict[tuple[str, str], Bucket] = field(factory=dict[tuple[str, str], Bucket])
    _correlations: OrderedDict[str, None] = field(factory=OrderedDict[str, None])
    _serial: int = 0

    def check_headers(self, call: Call) -> None:
        """
        Check what every call must carry.

        Raises:
            Refusal: A header is missing or wrong.
        """
        if "cookie" in call.headers:
            self.violate(f"A cookie was sent to the API: {call.method} {call.path}.")
        if self.rules.without_accept == "refused" and not self.accepts_json(call):
            raise Refusal(406, "Accept must name application/json.", field="Accept")
        self._required(call, "WM_SVC.NAME")
        self._check_correlation(self._required(call, "WM_QOS.CORRELATION_ID"), call)
        if self.rules.channel_type:
            self._required(call, "WM_CONSUMER.CHANNEL.TYPE")
        self._expected(call, "WM_MARKET", self.rules.market)
        self._expected(call, "WM_GLOBAL_VERSION", self.rules.global_version)

    @staticmethod
    def accepts_json(call: Call) -> bool:
        """Tell whether the caller asks for JSON by name."""
        return JSON in call.headers.get("accept", "").lower()

    def _required(self, call: Call, name: str) -> str:
        value = call.headers.get(name.lower(), "").strip()
        if not value:
            raise Refusal(
                400, f"The header {name} is missing.", code="MISSING_REQUEST_HEADER", field=name
            )
        return value

    def _expected(self, call: Call, name: str, value: str | None) -> None:
        if value is not None and self._required(call, name) != value:
            raise Refusal(
                400,
                f"The header {name} must be {value}.",
                code="INVALID_REQUEST_HEADER",
                field=name,
            )

    def _check_correlation(self, value: str, call: Call) -> None:
        # "A fresh UUID each call": the server takes anything, a good client keeps to it.
        try:
            UUID(value)
        except ValueError:
            self.violate(f"The correlation id {value!r} is not a UUID: {call.method} {call.path}.")
        if value in self._correlations:
            self.violate(f"The correlation id {value} was used twice: {call.method} {call.path}.")
        self._correlations[value] = None
        if len(self._correlations) > _REMEMBERED:
            self._correlations.popitem(last=False)

    def token(self, call: Call) -> Reply:
        """
        Answer ``POST /v3/token``.

        Raises:
            Refusal: The credentials are wrong, or the call is not as the API wants it.
        """
        if not call.headers.get("content-type", "").lower().startswith(_FORM):
            raise Refusal(415, f"Content-Type must be {_FORM}.", field="Content-Type")
        form = dict(parse_qsl(call.body.decode("utf-8", "replace")))
        if form.get("grant_type") != "client_credentials":
            raise Refusal(400, "grant_type must be client_credentials.", field="grant_type")
        account = self._account(call.headers.get("authorization", ""))
        self._serial += 1
        digest = fingerprint(self.seed, "token", self._serial, account)
        token = base64.urlsafe_b64encode(digest * 4).decode().rstrip("=")
        self._tokens = {
            name: known for name, known in self._tokens.items() if known.expires_at > call.now
        }
        self._tokens[token] = _Token(
            account,
            call.headers.get("wm_market"),
            call.now + timedelta(seconds=self.rules.token_lifetime),
        )
        return json_reply(
            {
                "access_token": token,
                "token_type": "Bearer",
                "expires_in": int(self.rules.token_lifetime),
            }
        )

    def _account(self, authorization: str) -> str:
        scheme, _, encoded = authorization.partition(" ")
        try:
            pair = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            pair = ""
        account, colon, secret = pair.partition(":")
        known = self.rules.credentials
        if scheme.lower() != "basic" or not (colon and account and secret):
            raise self._wrong_credentials()
        if known is not None and known.get(account) != secret:
            raise self._wrong_credentials()
        return account

    def _wrong_credentials(self) -> Refusal:
        # "Bad credentials answer 400, also 401 or 403": never worth another try.
        return Refusal(
            self.rules.bad_credentials,
            "The client id or secret is wrong.",
            code="INVALID_TOKEN.GMP_GATEWAY_API",
            field="Authorization",
        )

    def admit(self, call: Call) -> str:
        """
        Return the account behind the token.

        Raises:
            Refusal: There is no good token, or it was made for another market.
        """
        token = self._tokens.get(call.headers.get(TOKEN_HEADER, ""))
        if token is None or token.expires_at <= call.now:
            raise Refusal(401, "The access token is missing, unknown or expired.")
        if token.market != call.headers.get("wm_market"):
            raise Refusal(
                400,
                "The header WM_MARKET differs from that of the token call.",
                code="INVALID_REQUEST_HEADER",
                field="WM_MARKET",
            )
        return token.account

    def holds_token(self, headers: Mapping[str, str]) -> bool:
        """Tell whether a header contains an access token."""
        return any(token in value for token in self._tokens for value in headers.values())

    def expire_tokens(self) -> None:
        """Let no token work any more."""
        self._tokens.clear()

    def spend(self, account: str, endpoint: str, now: datetime) -> Mapping[str, str]:
        """
        Take a token from the budget of an endpoint and return the headers that tell of it.

        Raises:
            Refusal: The budget is spent.
        """
        if not self.rules.budgets or endpoint not in METERED:
            return {}
        bucket = self._buckets.setdefault(
            (account, endpoint),
            Bucket(self.rules.budget, timedelta(seconds=self.rules.refill)),
        )
        made = bucket.take(now)
        headers = self._budget_headers(bucket, now)
        if not made:
            wait = self.retry_after(bucket.next_at(now), now)
            raise Refusal(
                429, f"The call budget of this {endpoint} is spent.", headers={**headers, **wait}
            )
        return headers

    def _budget_headers(self, bucket: Bucket, now: datetime) -> dict[str, str]:
        headers = {"x-current-token-count": str(bucket.left(now))}
        next_at = bucket.next_at(now)
        if self.rules.replenishment == "iso":
            headers["X-Next-Replenishment-Time"] = timestamp(next_at, "millis")
        elif self.rules.replenishment == "alternative":
            headers["x-next-replenish-time"] = str(epoch_ms(next_at))
        elif self.rules.replenishment == "ms":
            headers["X-Next-Replenishment-Time"] = str(epoch_ms(next_at))
        return headers

    def retry_after(self, at: datetime, now: datetime) -> dict[str, str]:
        """Return the header that tells when to come back, rounded up; or none."""
        seconds = -((now - at) // timedelta(seconds=1))
        if self.rules.retry_after == "none":
            return {}
        if self.rules.retry_after == "date":
            return {"Retry-After": http_date(now + timedelta(seconds=seconds + 1))}
        return {"Retry-After": str(seconds)}
