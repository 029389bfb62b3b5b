"""Markets: hosts, headers, known types, and which addresses are let pass."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports_async._exceptions import InvalidArgument
from reports_async._sansio.markets import (
    MARKETS,
    account,
    checked_base_url,
    is_loopback,
    market,
    newest_version,
)


@pytest.mark.parametrize(
    ("name", "host", "headers"),
    [
        ("us", "marketplace.walmartapis.com", {}),
        ("mx", "marketplace.walmartapis.com", {"WM_MARKET": "mx"}),
        ("cl", "marketplace.walmartapis.com", {"WM_MARKET": "cl"}),
        ("suppliers", "api-gateway.walmart.com", {}),
        ("ca", "marketplace.walmartapis.com", {"WM_MARKET": "ca", "WM_GLOBAL_VERSION": "3.1"}),
        (
            "global-us",
            "marketplace.walmartapis.com",
            {"WM_MARKET": "us", "WM_GLOBAL_VERSION": "3.1"},
        ),
        (
            "global-ca",
            "marketplace.walmartapis.com",
            {"WM_MARKET": "ca", "WM_GLOBAL_VERSION": "3.1"},
        ),
        (
            "global-mx",
            "marketplace.walmartapis.com",
            {"WM_MARKET": "mx", "WM_GLOBAL_VERSION": "3.1"},
        ),
        (
            "global-cl",
            "marketplace.walmartapis.com",
            {"WM_MARKET": "cl", "WM_GLOBAL_VERSION": "3.1"},
        ),
    ],
)
def test_market(name: str, host: str, headers: dict[str, str]) -> None:
    """Each market has its host and the headers that name it."""
    found = market(name)

    assert name == found.name
    assert f"https://{host}" == found.base_url
    assert headers == dict(found.headers)


def test_all_markets_are_tested() -> None:
    """The table knows these markets, each under its own name."""
    assert [
        "us",
        "mx",
        "cl",
        "suppliers",
        "ca",
        "global-us",
        "global-ca",
        "global-mx",
        "global-cl",
    ] == list(MARKETS)
    assert list(MARKETS) == [entry.name for entry in MARKETS.values()]


def test_markets_have_addresses_that_pass() -> None:
    """Our own addresses keep the rule for addresses."""
    for entry in MARKETS.values():
        assert entry.base_url == checked_base_url(entry.base_url)


@pytest.mark.parametrize("name", ["", "MX", "uk", None, ["mx"]])
def test_unknown_market(name: Any) -> None:
    """An unknown market is refused, and the message names the ones there are."""
    with pytest.raises(InvalidArgument) as excinfo:
        market(name)

    assert "market" in str(excinfo.value)
    assert all(known in str(excinfo.value) for known in MARKETS)


def test_a_market_cannot_be_changed() -> None:
    """The headers of a market are the same for everyone: nobody can write into them."""
    with pytest.raises(TypeError):
        market("mx").headers["WM_MARKET"] = "us"  # type: ignore[index]  # that is the point


def test_webhooks() -> None:
    """Notifications are offered to American sellers and suppliers only."""
    assert ["us", "suppliers", "global-us"] == [
        entry.name for entry in MARKETS.values() if entry.webhooks
    ]


def test_known_types() -> None:
    """The known types of a market are there for completion, each of them once."""
    assert ("ITEM_MX", "INVENTORY_MX") == market("mx").report_types
    assert 27 == len(set(market("us").report_types)) == len(market("us").report_types)
    assert 6 == len(set(market("suppliers").report_types))
    assert {"us", "mx", "suppliers", "global-us", "global-mx"} == {
        entry.name for entry in MARKETS.values() if entry.report_types
    }


@pytest.mark.parametrize(
    ("report_type", "version"),
    [
        ("ITEM", "v6"),
        ("ITEM_PERFORMANCE", "v3"),
        ("ITEM_MX", "v1"),
        ("SETTLEMENT", "v1"),
        ("TOMORROWS_REPORT", "v1"),
    ],
)
def test_newest_version(report_type: str, version: str) -> None:
    """The newest known version is chosen, v1 for all others."""
    assert version == newest_version(report_type)


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("https://sandbox.walmartapis.com", "https://sandbox.walmartapis.com"),
        ("https://sandbox.walmartapis.com/", "https://sandbox.walmartapis.com"),
        ("HTTPS://proxy.example:8443/walmart//", "https://proxy.example:8443/walmart"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://api.localhost:8080", "http://api.localhost:8080"),
        ("http://LOCALHOST:8080/", "http://LOCALHOST:8080"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.8.9.1", "http://127.8.9.1"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]"),
    ],
)
def test_good_address(url: str, checked: str) -> None:
    """An https address, or a local one, is taken without its last slash."""
    assert checked == checked_base_url(url)
    assert checked == checked_base_url(checked)


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://marketplace.walmartapis.com", "https"),
        ("http://localhost.evil.example", "https"),
        ("http://128.0.0.1", "https"),
        ("http://[::2]", "https"),
        ("ftp://localhost", "https"),
        ("https://me:secret@host.example", "user or password"),
        ("https://host.example?a=b", "query or fragment"),
        ("https://host.example/?", "query or fragment"),
        ("https://host.example#top", "query or fragment"),
        ("https://host.example#", "query or fragment"),
        ("", "absolute"),
        ("host.example", "absolute"),
        ("https://", "absolute"),
        ("https://:443", "absolute"),
        ("https://[::1", "absolute"),
        ("https://host.example:port", "absolute"),
        ("https://host.example:99999", "absolute"),
        ("https://host.example:0", "absolute"),
        ("https://host.ex\nample", "spaces or control"),
        ("https://host.example/a b", "spaces or control"),
        ("https://host\u200b.example", "spaces or control"),
        (None, "string"),
        (b"https://host.example", "string"),
    ],
)
def test_bad_address(url: Any, rule: str) -> None:
    """Any other address is refused; the message names the argument and the rule, no secret."""
    with pytest.raises(InvalidArgument, match=rule) as excinfo:
        checked_base_url(url)

    assert "base_url" in str(excinfo.value)
    assert "secret" not in str(excinfo.value)


@given(st.text(max_size=60) | st.builds("https://{}".format, st.text(max_size=40)))
@settings(deadline=None)
def test_any_address(url: str) -> None:
    """Whatever the address, it is refused in our words or passes, and then passes again."""
    try:
        checked = checked_base_url(url)
    except InvalidArgument:
        return
    assert checked == checked_base_url(checked)
    assert 32 == len(account("id", checked))


def test_loopback() -> None:
    """Only an address on the machine itself is loopback."""
    assert is_loopback("http://localhost:1")
    assert is_loopback("http://127.0.0.1:1")
    assert is_loopback("https://[::1]")
    assert not is_loopback("https://marketplace.walmartapis.com")
    assert not is_loopback("https://192.168.0.1")


def test_account_is_the_same_everywhere() -> None:
    """The digest is written down here: a store is shared by machines and by versions."""
    digest = account("client-id", "https://marketplace.walmartapis.com")

    assert "41f678f7c5c4da5ea953835f788d2ab7" == digest


def test_account_knows_one_host_by_all_its_spellings() -> None:
    """Case, default port and path do not make another account."""
    plain = account("id", "https://host.example")

    assert plain == account("id", "https://HOST.example:443/prefix")
    assert account("id", "http://localhost") == account("id", "http://localhost:80")


def test_account_of_a_country() -> None:
    """The same country is the same account, whichever of the two APIs it is reached by."""
    for country in ("us", "mx", "ca", "cl"):
        assert country == MARKETS[country].country == MARKETS[f"global-{country}"].country
    assert account("id", "https://host.example") == account(
        "id", "https://host.example", country="us"
    )


def test_accounts_differ() -> None:
    """Another client, host or port is another account, and the client id cannot be read back."""
    digests = {
        account("a", "https://host.example"),
        account("b", "https://host.example"),
        account("a", "https://other.example"),
        account("a", "https://host.example:8443"),
        account("a", "https://host.example", country="mx"),
        account("a", "https://host.example", country="ca"),
    }

    assert 6 == len(digests)
    assert all("host" not in digest for digest in digests)
