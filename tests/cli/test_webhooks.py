"""`reports-async webhooks`: subscriptions from the command line."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from reports_async.cli._app import app

URL = "https://hooks.example/walmart"


@pytest.fixture
def secret(monkeypatch):
    monkeypatch.setenv("WALMART_WEBHOOK_SECRET", "hush-hush")


def test_life(ask, secret):
    """
    A subscription is made, shown, and ended; its secret is never shown.
    """
    made = ask("webhooks", "create", URL, "--auth", "hmac", "--header", "X-Signature")
    name = made.stdout.strip()
    shown = ask("webhooks", "list", "--json")
    table = ask("webhooks", "list", "--event", "REPORT_STATUS")
    ended = ask("webhooks", "delete", name)
    nothing = ask("webhooks", "list")

    assert [0] * 5 == [each.exit_code for each in (made, shown, table, ended, nothing)]
    assert {
        "subscription_id": name,
        "event_type": "REPORT_STATUS",
        "event_url": URL,
        "status": "ACTIVE",
        "auth_method": "HMAC",
        "auth_header": "X-Signature",
    } == json.loads(shown.stdout)
    assert ["REPORT_STATUS", "ACTIVE", "HMAC", name, URL] == table.stdout.splitlines()[1].split()
    assert "no such subscriptions" in nothing.stderr
    assert not any("hush-hush" in each.output for each in (made, shown, table))


@pytest.mark.parametrize(
    "arguments",
    [
        ("basic", "--user", "walmart"),
        ("oauth", "--auth-url", "https://a.example/token", "--client-id", "w"),
        ("none",),
    ],
)
def test_proofs(ask, secret, arguments):
    """
    All ways of proof can be subscribed to, and tried before.
    """
    tried = ask("webhooks", "test", URL, "--auth", *arguments)
    made = ask("webhooks", "create", URL, "--json", "--auth", *arguments)

    assert "Eventurl successfully validated\n" == tried.stderr
    assert {"basic": "BASIC_AUTH", "oauth": "OAUTH", "none": None}[arguments[0]] == json.loads(
        ask("webhooks", "list", "--json").stdout
    )["auth_method"]
    assert "subscription_id" in json.loads(made.stdout)


def test_secret_is_asked_for(server, monkeypatch):
    """
    Without the variable the secret is asked for, and not echoed.
    """
    monkeypatch.delenv("WALMART_WEBHOOK_SECRET", raising=False)
    arguments = [
        "webhooks",
        "create",
        URL,
        "--auth",
        "hmac",
        "--base-url",
        server.url,
        "--speed",
        "600",
    ]

    result = CliRunner().invoke(app, arguments, prog_name="reports-async", input="hush-hush\n")

    assert 0 == result.exit_code
    assert "Secret" in result.stderr
    assert "hush-hush" not in result.output


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (("basic",), "--user"),
        (("oauth", "--client-id", "w"), "--auth-url"),
        (("oauth", "--auth-url", "https://a.example"), "--client-id"),
    ],
)
def test_incomplete(ask, secret, calls, arguments, missing):
    """
    What a way of proof needs is asked for by name, before anything is sent.
    """
    result = ask("webhooks", "create", URL, "--auth", *arguments)

    assert 2 == result.exit_code
    assert f"needs {missing}" in result.stderr
    assert calls.empty()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((URL, "--auth", "hmac", "--user", "me"), "--auth hmac takes no --user"),
        ((URL, "--auth", "basic", "--user", "me", "--client-id", "w"), "takes no --client-id"),
        (("http://a.example", "--auth", "hmac"), "URL must begin with https://"),
        (("a.example", "--auth", "hmac"), "URL must be an absolute address"),
        (
            (URL, "--auth", "oauth", "--client-id", "w", "--auth-url", "http://a.example"),
            "--auth-url must begin with https://",
        ),
        ((URL, "--auth", "hmac", "--market", "mx"), "us, suppliers, global-us"),
    ],
)
@pytest.mark.parametrize("command", ["create", "test"])
def test_refused_before_the_secret_is_asked_for(ask, calls, command, arguments, message):
    """
    What cannot be subscribed to is refused before anybody is asked for a secret.
    """
    result = ask("webhooks", command, *arguments)

    assert 2 == result.exit_code
    assert message in " ".join(result.stderr.split())
    assert calls.empty()


def test_market_without(ask, calls):
    """
    A market without webhooks is a wrong command line; the message names those that have them.
    """
    result = ask("webhooks", "list", "--market", "mx")

    assert 2 == result.exit_code
    assert "us, suppliers, global-us" in result.stderr
    assert calls.empty()


def test_unknown(ask):
    """
    To end what is not there is a failure.
    """
    result = ask("webhooks", "delete", "S1")

    assert 1 == result.exit_code
    assert "no subscription S1" in result.stderr
