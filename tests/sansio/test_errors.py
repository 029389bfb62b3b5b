"""Error replies: the class of the tree, the code, the words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import evolve

from reports_async._credentials import Credentials
from reports_async._exceptions import (
    APIError,
    AuthenticationError,
    InvalidRequest,
    RateLimited,
    RequestNotFound,
    ServerError,
)
from reports_async._http import HTTPResponse
from reports_async._sansio.endpoints import (
    Call,
    ListQuery,
    Site,
    create_call,
    link_call,
    list_call,
    signed,
    status_call,
    token_call,
    webhook_call,
)
from reports_async._sansio.errors import error, is_coded, malformed

SITE = Site(base_url="https://api.example")
TOKEN = token_call(SITE, Credentials("me", "s3cret"), correlation_id="c-1")
CREATE = create_call(SITE, report_type="ITEM_MX", version="v1", body="{}")
LIST = list_call(SITE, ListQuery())
STATUS = status_call(SITE, "id-1")
LINK = link_call(SITE, "id-1")
SUBSCRIBE = webhook_call(SITE, "POST", "subscriptions", document={})
SUBSCRIPTIONS = webhook_call(SITE, "GET", "subscriptions")
ALL = [TOKEN, CREATE, LIST, STATUS, LINK]
BUT_TOKEN = [CREATE, LIST, STATUS, LINK]


def reply(status: int, *codes: str, description: str = "", **headers: str) -> HTTPResponse:
    """Return an error reply in the gateway's shape."""
    entries = [{"code": code, "description": description} for code in codes]
    return HTTPResponse(
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        body=json.dumps({"error": entries}).encode() if codes else b"",
    )


@pytest.mark.parametrize("call", ALL, ids=lambda call: str(call.endpoint))
@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 599, 408, 101, 600])
def test_failures_of_the_server(call: Call, status: int) -> None:
    """Any 5xx, 520 included, and a 408 are the server's failure."""
    failed = error(call, reply(status))

    assert ServerError is type(failed)
    assert (status, f"HTTP_{status}") == (failed.status, failed.code)


@pytest.mark.parametrize("call", ALL, ids=lambda call: str(call.endpoint))
@pytest.mark.parametrize("status", [400, 401, 404, 422, 500])
@pytest.mark.parametrize("code", ["SYSTEM_ERROR", "SYSTEM_ERROR.GMP_GATEWAY_API", "system_error"])
def test_system_error(call: Call, status: int, code: str) -> None:
    """SYSTEM_ERROR means "wait and try again", whatever the status."""
    failed = error(call, reply(status, code))

    assert ServerError is type(failed)
    assert code == failed.code


@pytest.mark.parametrize("call", ALL, ids=lambda call: str(call.endpoint))
def test_rate_limited(call: Call) -> None:
    """A 429 is the budget's end; when it is over is for those who know the clocks."""
    limited = error(call, reply(429, "REQUEST_THRESHOLD_VIOLATED.GMP_GATEWAY_API"))

    assert isinstance(limited, RateLimited)
    assert limited.retry_at is None
    assert "REQUEST_THRESHOLD_VIOLATED.GMP_GATEWAY_API" == limited.code


def test_rate_limited_in_other_clothes() -> None:
    """A 429 with any code, and that code with any 4xx, are the same."""
    assert RateLimited is type(error(LIST, reply(429)))
    assert RateLimited is type(error(LIST, reply(429, "SYSTEM_ERROR")))
    assert RateLimited is type(error(LIST, reply(403, "REQUEST_THRESHOLD_VIOLATED")))
    assert ServerError is type(error(LIST, reply(503, "REQUEST_THRESHOLD_VIOLATED")))


@pytest.mark.parametrize("status", [400, 401, 403])
def test_bad_credentials(status: int) -> None:
    """Bad credentials answer 400, 401 or 403 on the token call; the message says what to check."""
    refused = error(TOKEN, reply(status, "INVALID_REQUEST", description="Bad client"))

    assert AuthenticationError is type(refused)
    assert (
        f"Access token: the credentials were refused ({status} INVALID_REQUEST: Bad client). "
        "Check the client id and secret, and that they are of this market and environment. "
        "Correlation id: c-1."
    ) == str(refused)


@pytest.mark.parametrize("call", BUT_TOKEN, ids=lambda call: str(call.endpoint))
@pytest.mark.parametrize("status", [401, 403])
def test_refused_token(call: Call, status: int) -> None:
    """A 401 or 403 on any other call is about the token."""
    refused = error(call, reply(status, "UNAUTHORIZED.GMP_GATEWAY_API"))

    assert AuthenticationError is type(refused)
    assert "the API refused the access token" in str(refused)


@pytest.mark.parametrize("call", [STATUS, LINK], ids=lambda call: str(call.endpoint))
@pytest.mark.parametrize(
    "response",
    [reply(404, "CONTENT_NOT_FOUND.GMP_REPORT_API"), reply(400, "CONTENT_NOT_FOUND"), reply(404)],
)
def test_request_not_found(call: Call, response: HTTPResponse) -> None:
    """An id that is wrong, expired or another seller's is not found."""
    lost = error(call, response)

    assert RequestNotFound is type(lost)
    assert "id-1" == lost.request_id
    assert "older than 30 days" in str(lost)


@pytest.mark.parametrize("call", [CREATE, LIST, TOKEN], ids=lambda call: str(call.endpoint))
def test_not_found_where_no_request_is_meant(call: Call) -> None:
    """A 404 on other calls is a refused call, not a lost request."""
    assert InvalidRequest is type(error(call, reply(404, "CONTENT_NOT_FOUND")))


@pytest.mark.parametrize("status", [400, 402, 405, 406, 409, 415, 422])
def test_refused_request(status: int) -> None:
    """All other 4xx are refusals of the request as it stands."""
    assert InvalidRequest is type(error(CREATE, reply(status, "ANYTHING")))


# The error codes of the overview page, each with its cause.
@pytest.mark.parametrize(
    ("call", "status", "code", "cause", "kind"),
    [
        (CREATE, 500, "SYSTEM_ERROR", "The system is not available.", ServerError),
        (CREATE, 400, "INVALID_REQUEST_PARAM", "reportType is missing.", InvalidRequest),
        (LIST, 400, "INVALID_REQUEST_PARAM", "Start date older than 30 days.", InvalidRequest),
        (LIST, 400, "INVALID_REQUEST_PARAM", "End date is missing.", InvalidRequest),
        (LIST, 400, "INVALID_REQUEST_PARAM", "Bad date format.", InvalidRequest),
        (
            CREATE,
            400,
            "MISSING_REQUEST_HEADER",
            "WM_CONSUMER.CHANNEL.TYPE is missing.",
            InvalidRequest,
        ),
        (CREATE, 400, "MISSING_REQUEST_PARAM", "reportType is missing.", InvalidRequest),
        (STATUS, 404, "CONTENT_NOT_FOUND", "The id is wrong.", RequestNotFound),
        (LINK, 404, "CONTENT_NOT_FOUND", "The request has expired.", RequestNotFound),
    ],
)
def test_codes_of_the_overview_page(
    call: Call, status: int, code: str, cause: str, kind: type[APIError]
) -> None:
    """Each documented code has its class and keeps its words."""
    failed = error(call, reply(status, code, description=cause))

    assert kind is type(failed)
    assert (status, code, cause) == (failed.status, failed.code, failed.errors[0].description)
    assert f"({status} {code}: {cause})" in str(failed)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
def test_redirect(status: int) -> None:
    """The API's redirects are not followed; the message says where to look."""
    failed = error(
        STATUS, HTTPResponse(status=status, headers={"location": "https://evil.example"})
    )

    assert ServerError is type(failed)
    assert "UNEXPECTED_REDIRECT" == failed.code
    assert (
        "Request id-1: the API answered with a redirect, which is not followed "
        f"({status} UNEXPECTED_REDIRECT). Check base_url."
    ) == str(failed)


def test_words_of_a_refused_create() -> None:
    """The message of a refused create says that nothing was created."""
    response = reply(
        400, "INVALID_REQUEST_PARAM", description="bad version", wm_qos_x="", date="today"
    )

    assert (
        "ITEM_MX: the API refused the request (400 INVALID_REQUEST_PARAM: bad version). "
        "Correct it; nothing was created."
    ) == str(error(CREATE, response))


def test_words_of_a_failed_create() -> None:
    """The message of a create that failed says that its outcome is not known."""
    assert (
        "ITEM_MX: the API failed (504 HTTP_504). A request may have been created all the same: "
        "look at the list before making another."
    ) == str(error(CREATE, reply(504)))


@pytest.mark.parametrize(("call", "again"), [(SUBSCRIBE, False), (SUBSCRIPTIONS, True)])
def test_words_of_a_failed_subscription(call: Call, *, again: bool) -> None:
    """What changes a subscription may have done so; to list them can be tried again."""
    words = str(error(call, reply(500, "SYSTEM_ERROR")))

    assert again is words.endswith("Try again later.")
    assert again is not words.endswith("done all the same: look before trying again.")


def test_words_of_a_limited_create() -> None:
    """The message of a create that came too early names the hour."""
    assert "The hour of this report type" in str(error(CREATE, reply(429)))


def test_words_of_a_refused_list() -> None:
    """A call that is about no report is named by what it asks for."""
    assert (
        "List of requests: the API refused the request (400 HTTP_400). "
        "Correct it before trying again."
    ) == str(error(LIST, reply(400)))


def test_words_name_type_and_request() -> None:
    """Where both are known the message names both, and so do the attributes."""
    call = list_call(SITE, ListQuery(report_type="ITEM_MX", request_id="id-1"))
    failed = error(call, reply(500))

    assert str(failed).startswith("ITEM_MX, request id-1: ")
    assert ("ITEM_MX", "id-1") == (failed.report_type, failed.request_id)


def test_html_of_a_proxy() -> None:
    """A proxy's page becomes a short message."""
    page = b"<html><head><title>502 Bad Gateway</title></head><body>...</body></html>"
    failed = error(STATUS, HTTPResponse(status=502, body=page))

    assert (
        "Request id-1: the API failed (502 HTTP_502: 502 Bad Gateway). Try again later."
    ) == str(failed)


@pytest.mark.parametrize(
    ("response", "coded"),
    [
        (HTTPResponse(status=404), False),
        (HTTPResponse(status=404, body=b"<html><title>404 Not Found</title></html>"), False),
        (reply(404, description="not here"), False),
        (reply(404, "CONTENT_NOT_FOUND"), True),
    ],
)
def test_who_has_spoken(response: HTTPResponse, *, coded: bool) -> None:
    """What has no code is not the API's own word: a gateway's, perhaps."""
    assert coded is is_coded(error(STATUS, response))


def test_correlation_id() -> None:
    """The correlation id is the one that was sent, or else the one that came back."""
    sent = evolve(STATUS, request=signed(STATUS, token="t0ken", correlation_id="sent"))
    response = HTTPResponse(status=500, headers={"wm_qos.correlation_id": "came back"})

    assert "sent" == error(sent, response).correlation_id
    assert "came back" == error(STATUS, response).correlation_id
    assert error(STATUS, reply(500)).correlation_id is None
    assert str(error(sent, response)).endswith(" Correlation id: sent.")


@pytest.mark.parametrize("secret", ["s3cret", "bWU6czNjcmV0"])
def test_credentials_are_not_repeated(secret: str) -> None:
    """A server that repeats the secret does not get it into the error."""
    refused = error(TOKEN, reply(400, "BAD", description=f"no such key: {secret}!"))

    assert secret not in str(refused) + repr(refused.errors)
    assert "no such key: ...!" in str(refused)


def test_token_is_not_repeated() -> None:
    """A server that repeats the token does not get it into the error."""
    sent = evolve(STATUS, request=signed(STATUS, token="t0ken", correlation_id="c"))
    refused = error(sent, reply(401, "UNAUTHORIZED", description="t0ken has expired"))

    assert "t0ken" not in str(refused) + repr(refused.errors)


def test_malformed() -> None:
    """A 200 that is not what it should be says why, and keeps what else it says."""
    body: Any = {"errors": [{"code": "ODD", "description": "what?"}, {"message": "a token"}]}
    failed = malformed(
        STATUS,
        HTTPResponse(status=200, body=json.dumps(body).encode()),
        reason="it has no requestStatus",
    )

    assert ServerError is type(failed)
    assert (200, "MALFORMED_REPLY") == (failed.status, failed.code)
    assert ["MALFORMED_REPLY", "ODD"] == [detail.code for detail in failed.errors]
    assert (
        "Request id-1: the reply cannot be used "
        "(200 MALFORMED_REPLY: it has no requestStatus). Try again later."
    ) == str(failed)


def test_malformed_create() -> None:
    """A create whose reply cannot be read may have succeeded all the same."""
    failed = malformed(CREATE, HTTPResponse(status=200, body=b"{}"), reason="it has no requestId")

    assert "look at the list" in str(failed)


@pytest.mark.parametrize(
    ("call", "code", "kind"),
    [
        (STATUS, "CONTENT_NOT_FOUND", RequestNotFound),
        (LINK, "CONTENT_NOT_FOUND.GMP", RequestNotFound),
        (LIST, "CONTENT_NOT_FOUND", ServerError),
        (STATUS, "SYSTEM_ERROR", ServerError),
        (CREATE, "SYSTEM_ERROR", ServerError),
    ],
)
def test_error_with_status_200(call: Call, code: str, kind: type[APIError]) -> None:
    """A known error code counts, even where the status says 200."""
    failed = malformed(call, reply(200, code), reason="it has no requestId")

    assert kind is type(failed)
    assert code == failed.code


def test_missing_header_of_a_token_call() -> None:
    """A header that is missing is not blamed on the credentials, not even by the token call."""
    failed = error(TOKEN, reply(400, "MISSING_REQUEST_HEADER"))

    assert InvalidRequest is type(failed)
