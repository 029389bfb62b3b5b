"""
From an error reply to the error to raise: which class, and what its message says.

Status and code decide; the endpoint decides what a failure means there. Nothing is raised here but
what the caller raises.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

from reports_async._exceptions import (
    APIError,
    AuthenticationError,
    ErrorDetail,
    InvalidRequest,
    RateLimited,
    RequestNotFound,
    ServerError,
)

from .endpoints import Endpoint
from .error_bodies import clean, details

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reports_async._http import HTTPResponse

    from .endpoints import Call

MALFORMED_REPLY: Final = "MALFORMED_REPLY"
UNEXPECTED_REDIRECT: Final = "UNEXPECTED_REDIRECT"

# The codes of the API that a reply may carry in spite of its 200.
_KNOWN: Final = ("SYSTEM_ERROR", "CONTENT_NOT_FOUND")
_ONE_REQUEST: Final = frozenset({Endpoint.STATUS, Endpoint.LINK})
_REFUSED: Final = frozenset({401, 403})
_SUBJECTS: Final = {
    Endpoint.TOKEN: "Access token",
    Endpoint.CREATE: "New request",
    Endpoint.LIST: "List of requests",
    Endpoint.STATUS: "Status",
    Endpoint.LINK: "Download link",
    Endpoint.WEBHOOKS: "Webhook subscription",
}

_UNCERTAIN: Final = (
    "A request may have been created all the same: look at the list before making another."
)
_PERHAPS_DONE: Final = "It may have been done all the same: look before trying again."
_REFUSALS: Final = {
    True: (
        "the credentials were refused",
        "Check the client id and secret, and that they are of this market and environment.",
    ),
    False: (
        "the API refused the access token",
        "Check that the credentials may use the Reports API of this market.",
    ),
}
_WORDS: Final[Mapping[tuple[type[APIError], bool], tuple[str, str]]] = {
    (RateLimited, True): (
        "the API allows no call now",
        "The hour of this report type, or the budget of the call, is used up: wait.",
    ),
    (RateLimited, False): (
        "the API allows no call now",
        "The budget of the call is used up: wait.",
    ),
    (InvalidRequest, True): (
        "the API refused the request",
        "Correct it; nothing was created.",
    ),
    (InvalidRequest, False): ("the API refused the request", "Correct it before trying again."),
    (RequestNotFound, False): (
        "the API does not know the request",
        "The id is wrong, older than 30 days or another seller's: make a new request.",
    ),
}
"""What happened and what to do next, by the kind of error and whether the call was a create."""


def error(call: Call, response: HTTPResponse) -> APIError:
    """
    Return the error that a reply stands for; the caller raises it.

    A call whose request is the one sent (signed) gives its correlation id, and keeps its token out
    of the texts. `RateLimited.retry_at` is left for those who know the clock skew.
    """
    found = details(response.body, secrets=_secrets(call))
    kind = _kind(call, response.status, tuple(detail.code for detail in found))
    first = next((detail.code for detail in found if detail.code), "")
    if 300 <= response.status < 400:  # noqa: PLR2004 -- the redirects of HTTP
        first = UNEXPECTED_REDIRECT
    return _made(kind, call, response, code=first or _uncoded(response.status), found=found)


def malformed(call: Call, response: HTTPResponse, *, reason: str) -> APIError:
    """
    Return the error for a reply that says 200 and is not what it should be.

    Some services answer 200 with an error body: then the body decides.
    """
    # Only what has a code: other texts may be the reply itself, with a token or a link in it.
    every = details(response.body, secrets=_secrets(call))
    found = tuple(detail for detail in every if detail.code)
    codes = tuple(detail.code for detail in found)
    if call.endpoint in _ONE_REQUEST and _has(codes, "CONTENT_NOT_FOUND"):
        kind: type[APIError] = RequestNotFound
    else:
        kind = ServerError
    code = next((code for code in codes if _has((code,), *_KNOWN)), MALFORMED_REPLY)
    if code == MALFORMED_REPLY:
        found = (ErrorDetail(code=code, description=reason), *found)
    return _made(kind, call, response, code=code, found=found)


def is_coded(error: APIError) -> bool:
    """Tell whether the API itself has spoken: a gateway's page, of an outage, has no code."""
    return error.code != _uncoded(error.status)


def _uncoded(status: int | None) -> str:
    return f"HTTP_{status}"


def _has(codes: tuple[str, ...], *wanted: str) -> bool:
    # Gateways add their name behind a dot: REQUEST_THRESHOLD_VIOLATED.GMP_GATEWAY_API.
    return any(code.partition(".")[0].upper() in wanted for code in codes)


def _kind(call: Call, status: int, codes: tuple[str, ...]) -> type[APIError]:
    if status == 429 or (400 <= status < 500 and _has(codes, "REQUEST_THRESHOLD_VIOLATED")):  # noqa: PLR2004 -- HTTP
        return RateLimited
    # "SYSTEM_ERROR: wait, try again", whatever the status. 408 says no more than a timeout does.
    if not 400 <= status < 500 or status == 408 or _has(codes, "SYSTEM_ERROR"):  # noqa: PLR2004 -- HTTP
        return ServerError
    # "Bad credentials answer 400", but they are not to blame for a channel type that is missing.
    blamed = call.endpoint is Endpoint.TOKEN and not _has(codes, "MISSING_REQUEST_HEADER")
    if status in _REFUSED or (blamed and status == 400):  # noqa: PLR2004 -- HTTP
        return AuthenticationError
    if call.endpoint in _ONE_REQUEST and (status == 404 or _has(codes, "CONTENT_NOT_FOUND")):  # noqa: PLR2004 -- HTTP
        return RequestNotFound
    return InvalidRequest


def _made(
    kind: type[APIError],
    call: Call,
    response: HTTPResponse,
    *,
    code: str,
    found: tuple[ErrorDetail, ...],
) -> APIError:
    correlation_id = _correlation_id(call, response)
    description = next((detail.description for detail in found if detail.description), "")
    facts = f"{response.status} {code}" + (f": {description}" if description else "")
    happened, next_step = _words(kind, call, code)
    message = f"{_subject(call)}: {happened} ({facts}). {next_step}"
    if correlation_id:
        message += f" Correlation id: {correlation_id}."
    arguments: dict[str, Any] = {
        "status": response.status,
        "code": code,
        "errors": found,
        "correlation_id": correlation_id,
        "report_type": call.report_type,
        "request_id": call.request_id,
    }
    return kind(message, **arguments)


def _subject(call: Call) -> str:
    if call.report_type and call.request_id:
        return f"{call.report_type}, request {call.request_id}"
    if call.request_id:
        return f"Request {call.request_id}"
    return call.report_type or _SUBJECTS[call.endpoint]


def _words(kind: type[APIError], call: Call, code: str) -> tuple[str, str]:
    """Return what happened and what to do next."""
    creating = call.endpoint is Endpoint.CREATE
    if code == UNEXPECTED_REDIRECT:
        return "the API answered with a redirect, which is not followed", "Check base_url."
    if kind is ServerError:
        happened = "the reply cannot be used" if code == MALFORMED_REPLY else "the API failed"
        if creating:
            return happened, _UNCERTAIN
        changing = call.endpoint is Endpoint.WEBHOOKS and call.request.method != "GET"
        return happened, _PERHAPS_DONE if changing else "Try again later."
    if kind is AuthenticationError:
        return _REFUSALS[call.endpoint is Endpoint.TOKEN]
    return _WORDS[kind, creating]


def _correlation_id(call: Call, response: HTTPResponse) -> str | None:
    sent = call.request.headers.get("WM_QOS.CORRELATION_ID")
    return sent or clean(response.headers.get("wm_qos.correlation_id")) or None


def _secrets(call: Call) -> tuple[str, ...]:
    """Return what the request carried and no text may show."""
    token = call.request.headers.get("WM_SEC.ACCESS_TOKEN", "")
    basic = call.request.headers.get("Authorization", "").removeprefix("Basic ")
    secret = base64.b64decode(basic).decode().partition(":")[2]
    return tuple(text for text in (token, basic, secret, *call.secrets) if text)
