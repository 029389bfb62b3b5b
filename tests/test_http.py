"""Requests and replies as values, whose reprs keep secrets."""

from __future__ import annotations

import pytest

from reports_async._http import HTTPRequest, HTTPResponse, without_query


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://files.example/a.zip?sig=SECRET", "https://files.example/a.zip?..."),
        ("https://files.example/a.zip", "https://files.example/a.zip"),
        ("https://me:SECRET@files.example:8443/a", "https://files.example:8443/a"),
        ("https://files.example/a#SECRET", "https://files.example/a"),
        ("https://[SECRET", "<unreadable URL>"),
        ("", ""),
    ],
)
def test_without_query(url: str, shown: str) -> None:
    """An address is shown without query, fragment and password; unreadable ones not at all."""
    assert shown == without_query(url)


def test_repr_of_a_request() -> None:
    """The repr of a request has neither headers nor body, nor the query."""
    request = HTTPRequest(
        method="POST",
        url="https://api.example/v3/token?a=SECRET",
        headers={"WM_SEC.ACCESS_TOKEN": "SECRET"},
        body=b"SECRET",
    )

    assert "HTTPRequest(method='POST', url=https://api.example/v3/token?...)" == repr(request)


def test_repr_of_a_reply() -> None:
    """The repr of a reply is its status."""
    reply = HTTPResponse(status=200, headers={"location": "SECRET"}, body=b"SECRET")

    assert "HTTPResponse(status=200)" == repr(reply)


def test_defaults() -> None:
    """Headers and body may be left out."""
    assert ({}, b"") == (HTTPResponse(status=204).headers, HTTPResponse(status=204).body)
    assert ({}, b"") == (HTTPRequest(method="GET", url="").headers, HTTPResponse(status=1).body)
