"""Error bodies: every shape that has been seen is read, and nothing else fails."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports_async._exceptions import ErrorDetail
from reports_async._sansio.error_bodies import clean, details

GATEWAY = {
    "error": [
        {
            "code": "INVALID_REQUEST_PARAM.GMP_GATEWAY_API",
            "field": "reportType",
            "description": "Invalid Request Param",
            "info": "The reportType is not valid.",
            "severity": "ERROR",
            "category": "DATA",
            "causes": [],
            "errorIdentifiers": {},
        }
    ]
}
SERVICE = {"errors": [{"code": "SYSTEM_ERROR", "message": "Try again."}, {"code": "OTHER"}]}
PROBLEM = {
    "type": "https://marketplace.walmart.com/errors/invalid-date-granularity",
    "title": "Invalid date granularity",
    "status": 400,
    "detail": "The value 'YEARLY' is not valid.",
    "instance": "/v3/reports/reportRequests",
}
SPRING = {
    "timestamp": "2026-03-01T12:00:00.000+00:00",
    "status": 500,
    "error": "Internal Server Error",
    "path": "/v3/reports",
}
OAUTH = {"error": "invalid_client", "error_description": "Client authentication failed"}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            GATEWAY,
            [
                ErrorDetail(
                    code="INVALID_REQUEST_PARAM.GMP_GATEWAY_API",
                    description="Invalid Request Param",
                    field="reportType",
                )
            ],
        ),
        (
            SERVICE,
            [
                ErrorDetail(code="SYSTEM_ERROR", description="Try again."),
                ErrorDetail(code="OTHER"),
            ],
        ),
        (
            PROBLEM,
            [ErrorDetail(description="Invalid date granularity: The value 'YEARLY' is not valid.")],
        ),
        (
            {**PROBLEM, "code": "REPORTS-400-001", "detail": None},
            [ErrorDetail(code="REPORTS-400-001", description="Invalid date granularity")],
        ),
        (SPRING, [ErrorDetail(description="Internal Server Error")]),
        ({**SPRING, "message": "No room"}, [ErrorDetail(description="No room")]),
        (
            OAUTH,
            [ErrorDetail(code="invalid_client", description="Client authentication failed")],
        ),
        (
            {"errors": {"error": [{"code": "NESTED", "info": "In two shells"}]}},
            [ErrorDetail(code="NESTED", description="In two shells")],
        ),
        ({"error": {"code": 17, "message": "One"}}, [ErrorDetail(code="17", description="One")]),
        ([{"code": "IN_A_LIST"}], [ErrorDetail(code="IN_A_LIST")]),
        ({"errors": ["just text"]}, [ErrorDetail(description="just text")]),
        ({"errors": "just text"}, [ErrorDetail(description="just text")]),
        ("just text", [ErrorDetail(description="just text")]),
        (
            {"title": "Invalid", "errors": {"name": ["is missing"]}},
            [ErrorDetail(description="Invalid")],
        ),
        ({}, []),
        ([], []),
        ([[], {}, None, True, 1.5], []),
        ({"errors": [], "requestId": "A"}, []),
    ],
)
def test_json(data: Any, expected: list[ErrorDetail]) -> None:
    """The three shapes of the API, problem+json, Spring's and OAuth's are all read."""
    assert expected == list(details(json.dumps(data).encode()))


XML = """<?xml version="1.0" encoding="UTF-8"?>
<ns2:errors xmlns:ns2="http://walmart.com/">
  <ns2:error>
    <ns2:code>UNAUTHORIZED.GMP_GATEWAY_API</ns2:code>
    <ns2:field>WM_SEC.ACCESS_TOKEN</ns2:field>
    <ns2:description>Unauthorized</ns2:description>
    <ns2:causes><ns2:cause/></ns2:causes>
  </ns2:error>
</ns2:errors>"""


@pytest.mark.parametrize(
    "text",
    [
        XML,
        XML.replace("ns2:", "").replace(' xmlns:ns2="http://walmart.com/"', ""),
        "\ufeff" + XML,
        XML.replace("UTF-8", "UTF-16"),
    ],
)
def test_xml(text: str) -> None:
    """XML is read with and without namespaces, whatever encoding it claims."""
    assert (
        ErrorDetail(
            code="UNAUTHORIZED.GMP_GATEWAY_API",
            description="Unauthorized",
            field="WM_SEC.ACCESS_TOKEN",
        ),
    ) == details(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY b "boom">]><errors><error><code>&b;</code></error></errors>',
        "<!doctype a><errors><error><code>A</code></error></errors>",
        "<errors><error/></errors>",
        "<errors><error>text only</error></errors>",
        "<errors><error><code>",
        "<errors/>",
        "<a\x00b/>",
        "<",
    ],
)
def test_xml_that_says_nothing(text: str) -> None:
    """Declarations, which can be bombs, and broken or empty documents say nothing."""
    assert () == details(text.encode())


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("<html><head><title>502 Bad Gateway</title></head></html>", "502 Bad Gateway"),
        ("<!DOCTYPE html>\n<HTML><TITLE id='t'>Sorry &amp;\n bye</TITLE>", "Sorry & bye"),
    ],
)
def test_html(text: str, title: str) -> None:
    """A proxy's page is described by its title."""
    assert (ErrorDetail(description=title),) == details(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "<html><title>never closed",
        "<html><title",
        "<!DOCTYPE html><p>Sorry",
        "<html><body><p>Sorry</p></body></html>",
    ],
)
def test_html_without_a_title(text: str) -> None:
    """A page without a title says nothing."""
    assert () == details(text.encode())


def test_plain_text() -> None:
    """Plain text is its own description, on one line."""
    assert (ErrorDetail(description="upstream connect error"),) == details(
        b"upstream\r\n  connect error\n"
    )


@pytest.mark.parametrize("body", [b"", b"  \n", b"\xff\xfe\xfd\x00", b"PK\x03\x04\x00\xff"])
def test_nothing(body: bytes) -> None:
    """Empty and binary bodies say nothing."""
    assert () == details(body)


def test_not_more_than_twenty() -> None:
    """A long list of errors is cut: nobody reads a thousand."""
    body = json.dumps([{"code": str(number)} for number in range(1000)]).encode()

    assert [str(number) for number in range(20)] == [detail.code for detail in details(body)]


def test_long_descriptions_are_cut() -> None:
    """A description has at most 300 characters."""
    (detail,) = details(json.dumps({"message": "word " * 1000}).encode())

    assert 300 == len(detail.description)
    assert detail.description.endswith("...")


def test_known_secrets_are_taken_out() -> None:
    """What the request carried is in no text, whichever field repeats it."""
    body = json.dumps({"code": "t0ken", "message": "bad t0ken", "field": "x-t0ken"}).encode()

    assert (ErrorDetail(code="...", description="bad ...", field="x-..."),) == details(
        body, secrets=("t0ken",)
    )


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (
            "see https://files.example/a.zip?sv=1&sig=SECRET, please",
            "see https://files.example/a.zip?... please",
        ),
        ("HTTP://files.example?sig=SECRET", "HTTP://files.example?..."),
        ("token eyJraWQiOiIzZjVhYTFmNS.abc-_.def== expired", "token ... expired"),
        ("a\tb\n\x00c\u2028d\ud800", "a b ?c d?"),
        (42, "42"),
        (True, ""),
        (None, ""),
        (1.5, ""),
        ({}, ""),
        ("", ""),
    ],
)
def test_clean(text: object, cleaned: str) -> None:
    """Texts are one printable line without signatures and tokens; other values are none."""
    assert cleaned == clean(text)


@given(st.binary() | st.text().map(str.encode) | st.text().map(lambda text: f"<{text}".encode()))
@settings(deadline=None)
def test_any_body(body: bytes) -> None:
    """Whatever the bytes are, reading them does not fail."""
    for detail in details(body):
        assert detail.description.isprintable()
        assert len(detail.description) <= 300


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["error", "errors", "code", "message", "field", "title", "x"]),
                inner,
                max_size=4,
            )
        ),
    )
)
@settings(deadline=None)
def test_any_json(data: Any) -> None:
    """Whatever JSON it is, reading it does not fail and finds nothing empty."""
    for detail in details(json.dumps(data).encode()):
        assert detail.code or detail.description
