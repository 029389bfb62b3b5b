"""Where a download may lead."""

from __future__ import annotations

import pytest

from reports_async._sansio.links import follow, is_local, is_local_url, objection, scrubbed


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.",
        "files.localhost",
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1",
        "::ffff:127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
    ],
)
def test_local(host):
    """This machine and private networks are local, however they are written."""
    assert is_local(host)


@pytest.mark.parametrize(
    "host", ["example.com", "8.8.8.8", "2001:4860:4860::8888", "10.example.com"]
)
def test_not_local(host):
    """Names and public addresses are not local."""
    assert not is_local(host)


def test_local_url():
    """The host counts, not the port."""
    assert is_local_url("http://127.0.0.1:8080/v3")
    assert not is_local_url("https://marketplace.walmartapis.com")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://files.example.com/a.zip?sig=x", None),
        ("http://files.example.com/a.zip", "http is not https"),
        ("ftp://files.example.com/a.zip", "ftp is not https"),
        ("/a.zip", "it is not a plain web address"),
        ("//files.example.com/a.zip", "no scheme is not https"),
        ("https://user:word@files.example.com/", "it is not a plain web address"),
        ("https://files.example.com/a b", "it is not a plain web address"),
        ("https://files.example.com/a\nb", "it is not a plain web address"),
        ("https://files.example.com\\a", "it is not a plain web address"),
        ("https://[::1", "it is not a valid address"),
        ("https://files.example.com:port/", "it is not a valid address"),
        ("https://127.0.0.1/a.zip", "127.0.0.1 is a local address"),
        ("https://localhost/a.zip", "localhost is a local address"),
    ],
)
def test_objection(url, expected):
    """A link is an https address out in the world."""
    assert expected == objection(url, local_allowed=False)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8080/a.zip", None),
        ("http://localhost:8080/a.zip", None),
        ("http://files.localhost:8080/a.zip", None),
        ("https://10.0.0.1/a.zip", None),
        ("http://10.0.0.1/a.zip", "http is not https"),
        ("http://files.example.com/a.zip", "http is not https"),
    ],
)
def test_local_allowed(url, expected):
    """Beside a local API a link may be local too; without https only on this machine."""
    assert expected == objection(url, local_allowed=True)


def test_weaker_scheme():
    """A redirect never leads to a weaker scheme, but may lead to a stronger one."""
    weak, strong = "http://127.0.0.1/a", "https://127.0.0.1/a"

    assert "it leads from https to http" == objection(weak, local_allowed=True, came_from=strong)
    assert objection(strong, local_allowed=True, came_from=weak) is None
    assert objection(weak, local_allowed=True, came_from=weak) is None


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/b.zip?sig=y", "https://a.example.com/b.zip?sig=y"),
        ("b.zip", "https://a.example.com/x/b.zip"),
        ("//b.example.com/b.zip", "https://b.example.com/b.zip"),
        ("https://b.example.com/b.zip#part", "https://b.example.com/b.zip"),
        ("https://[::1", "https://[::1"),
    ],
)
def test_follow(location, expected):
    """A location may be relative to where it came from; one that is no address stays as it is."""
    assert expected == follow("https://a.example.com/x/a.zip?sig=x", location)


def test_scrubbed():
    """The query of an address does not get into messages."""
    error = ValueError("cannot reach https://a.example.com/a.zip?sig=secret now")

    assert "cannot reach https://a.example.com/a.zip?... now" == scrubbed(error)
