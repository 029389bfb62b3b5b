"""
The host of the files: a stranger that trusts a signed address, and nothing else.

It must never be sent a token, a cookie or any header of Walmart's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote
from xml.sax.saxutils import escape

from attrs import define, field, frozen

from reports_async._models import RETENTION

from ._archive import Archive, Measure, measure
from ._ledger import draw, fingerprint
from ._replies import Reply, http_date, part, timestamp, whole_reply
from ._report import ReportText, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ._gateway import Call
    from ._ledger import Ledger, SimulatedRequest
    from ._rules import Rules

PREFIX: Final = "/v3/reports/getReport/"
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")
_TEXTS: Final = 16
_SMALL: Final = 256 * 1024
_KINDS: Final = {
    "zip": ("zip", "application/zip"),
    "gzip": ("csv.gz", "application/gzip"),
    "plain": ("csv", "text/csv; charset=utf-8"),
}
_CODES: Final = {
    403: "AuthenticationFailed",
    404: "BlobNotFound",
    405: "UnsupportedHttpVerb",
    416: "InvalidRange",
    500: "InternalError",
    503: "ServerBusy",
}


def azure_error(status: int, message: str, *, detail: str = "") -> Reply:
    """Return an error as cloud storage writes it."""
    code = _CODES.get(status, "OperationFailed")
    extra = f"<AuthenticationErrorDetail>{escape(detail)}</AuthenticationErrorDetail>"
    body = (
        '<?xml version="1.0" encoding="utf-8"?>'
        f"<Error><Code>{code}</Code><Message>{escape(message)}</Message>"
        f"{extra if detail else ''}</Error>"
    )
    reply = whole_reply(status, b"\xef\xbb\xbf" + body.encode(), kind="application/xml")
    return reply.with_headers({"x-ms-error-code": code})


@define(eq=False)
class Links:
    """Signed addresses: path and expiry under a key that can be changed."""

    seed: int
    rules: Rules
    _epoch: int = 0
    _serial: int = 0

    def sign(self, request: SimulatedRequest, *, now: datetime) -> tuple[str, datetime]:
        """Return a new address below the file host's root, and when it expires."""
        self._serial += 1
        low, high = self.rules.link_lifetime
        life = low + (high - low) * draw(self.seed, "link", self._serial)
        # The address tells whole seconds; rounded down, as what it tells must hold.
        expires_at = (now + timedelta(seconds=life)).replace(microsecond=0)
        path = f"{PREFIX}{request.request_id}/{file_name(request, self.rules)}"
        until = timestamp(expires_at, "Z")
        signature = quote(self._signature(path, until), safe="")
        query = f"sv=2024-11-04&se={quote(until, safe='')}&sr=b&sp=r&sig={signature}"
        return f"{path}?{query}", expires_at

    def refusal(self, call: Call) -> Reply | None:
        """Return the answer to an address that is not signed, wrongly signed, or too old."""
        query = dict(call.query)
        until = query.get("se", "")
        message = "Server failed to authenticate the request."
        if not hmac.compare_digest(
            self._signature(call.path, until).encode(), query.get("sig", "").encode()
        ):
            return azure_error(403, message, detail="Signature did not match.")
        if call.now >= datetime.strptime(until, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC):
            return azure_error(403, message, detail=f"Signature not valid after {until}.")
        return None

    def expire(self) -> None:
        """Let no address given so far work any more."""
        self._epoch += 1

    def _signature(self, path: str, until: str) -> str:
        key = fingerprint(self.seed, "key", self._epoch)
        value = hmac.digest(key, f"{path}\n{until}".encode(), "sha256")
        return base64.b64encode(value).decode()


def file_name(request: SimulatedRequest, rules: Rules) -> str:
    """Return ``<Type>Report_<partner>_<timestamp>`` and its ending."""
    kind = "".join(word.capitalize() for word in re.split(r"\W|_", request.report_type))
    ending = _KINDS[rules.file_format][0]
    return f"{kind}Report_10001234567_{request.submitted_at:%Y-%m-%dT%H%M%S}.{ending}"


@frozen(kw_only=True)
class _File:
    """What the host knows of one file."""

    size: int
    etag: str
    stream: Callable[[], Iterator[bytes]]


@define(eq=False)
class FileHost:
    """The files of all requests, made anew for each download."""

    seed: int
    rules: Rules
    ledger: Ledger
    links: Links
    default_rows: int
    violate: Callable[[str], None]
    holds_token: Callable[[Mapping[str, str]], bool]
    rows: dict[str, int] = field(factory=dict[str, int])
    contents: dict[str, bytes] = field(factory=dict[str, bytes])
    raw: dict[str, bytes] = field(factory=dict[str, bytes])
    _texts: OrderedDict[str, ReportText] = field(factory=OrderedDict[str, ReportText])
    _measures: dict[str, Measure] = field(factory=dict[str, Measure])

    def reset(self) -> None:
        """Make every file anew: the orders about rows or contents changed."""
        self._texts.clear()
        self._measures.clear()

    def _order(self, orders: Mapping[str, Any], request: SimulatedRequest, default: Any) -> Any:
        return orders.get(request.request_id, orders.get(request.report_type, default))

    def text(self, request_id: str) -> ReportText:
        """Return the CSV of a request; only the latest few are kept at hand."""
        text = self._texts.get(request_id)
        if text is None:
            request = self.ledger.get(request_id)
            text = ReportText(
                report_type=request.report_type,
                tag=fingerprint(self.seed, "text", request_id).hex()[:8],
                rows=self._order(self.rows, request, self.default_rows),
                payload=request.payload,
                bom=self.rules.bom,
                content=self._order(self.contents, request, None),
            )
            self._texts[request_id] = text
            if len(self._texts) > _TEXTS:
                self._texts.popitem(last=False)
        return text

    def digest(self, request_id: str) -> str:
        """Return the SHA-256 of the CSV of a request."""
        return digest(self.text(request_id))

    def prepare(self, path: str) -> None:
        """Measure the file of an address: slow for a large one, so it may go in a thread."""
        request = self._request(path)
        if request is not None:
            self._file(request)

    def _request(self, path: str) -> SimulatedRequest | None:
        return self.ledger.known(path.removeprefix(PREFIX).partition("/")[0])

    def handle(self, call: Call) -> Reply:
        """Answer a request for a file."""
        stray = [
            name
            for name in call.headers
            if name.startswith("wm_") or name in ("authorization", "cookie")
        ]
        if stray or self.holds_token(call.headers):
            self.violate(f"The file host was sent {', '.join(sorted(stray)) or 'an access token'}.")
            return azure_error(400, "This host wants nothing of Walmart's.")
        if call.method != "GET":
            return azure_error(405, f"No {call.method} here.")
        refusal = self.links.refusal(call)
        if refusal is not None:
            return refusal
        request = self._request(call.path)
        if request is None or call.now - request.submitted_at > RETENTION:
            return azure_error(404, "The specified blob does not exist.")
        return self._send(call, request, self._file(request))

    def _file(self, request: SimulatedRequest) -> _File:
        raw = self._order(self.raw, request, None)
        if raw is not None:
            etag = f'"0x{hashlib.sha256(raw).hexdigest()[:15].upper()}"'
            return _File(size=len(raw), etag=etag, stream=lambda: iter((raw,) if raw else ()))
        text = self.text(request.request_id)
        measured = self._measures.get(request.request_id)
        if measured is None:
            measured = measure(text.blocks(), file_format=self.rules.file_format)
            self._measures[request.request_id] = measured
        archive = Archive(
            name=file_name(request, self.rules).partition(".")[0] + ".csv",
            measure=measured,
            file_format=self.rules.file_format,
            descriptor=self.rules.descriptor,
            zip64=self.rules.zip64,
        )
        return _File(
            size=archive.size,
            etag=f'"0x{measured.size:X}{measured.crc:08X}"',
            stream=lambda: archive.stream(text.blocks()),
        )

    def _send(self, call: Call, request: SimulatedRequest, file: _File) -> Reply:
        made_at = http_date(request.ready_at or request.submitted_at)
        headers = {"Content-Type": _KINDS[self.rules.file_format][1]}
        if self.rules.etag:
            headers["ETag"] = file.etag
        if self.rules.last_modified:
            headers["Last-Modified"] = made_at
        if self.rules.honour_range:
            headers["Accept-Ranges"] = "bytes"
        status, start, stop = 200, 0, file.size
        wanted = self._range(call, file, {headers.get("ETag"), headers.get("Last-Modified")})
        if wanted is not None:
            start, stop = wanted
            if start >= file.size:
                told = {"Content-Range": f"bytes */{file.size}"}
                return azure_error(416, "The range lies behind the end.").with_headers(told)
            status = 206
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{file.size}"
        if self.rules.send_length:
            headers["Content-Length"] = str(stop - start)

        def body() -> Iterator[bytes]:
            return part(file.stream(), start, stop)

        if stop - start <= _SMALL and file.size <= _SMALL:
            return Reply(status=status, headers=headers, body=b"".join(body()))
        return Reply(status=status, headers=headers, source=body)

    def _range(
        self, call: Call, file: _File, validators: set[str | None]
    ) -> tuple[int, int] | None:
        match = _RANGE.fullmatch(call.headers.get("range", ""))
        if not self.rules.honour_range or match is None or not any(match.groups()):
            return None
        condition = call.headers.get("if-range")
        # RFC 9110: a part only of the same file; else the whole of the new one.
        if condition is not None and condition not in validators:
            return None
        first, last = match.groups()
        if not first:
            return max(0, file.size - int(last)), file.size
        stop = min(int(last) + 1, file.size) if last else file.size
        # A last byte before the first makes the whole header invalid, and so ignored.
        return None if last and int(last) < int(first) else (int(first), stop)
