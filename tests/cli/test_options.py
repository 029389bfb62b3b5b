"""Tests of the shared arguments: what is read, and what is refused before anything is sent."""

from __future__ import annotations

import pytest

from reports_async.cli._options import Connection, guess_market

BAD = [
    (["fetch"], "Missing argument 'TYPE...'"),
    (["fetch", "X", "--market", "xx"], "'xx' is not one of"),
    (["fetch", "X", "--speed", "9"], "--speed is for simulators"),
    (
        ["fetch", "X", "--speed", "9", "--base-url", "https://walmart.example"],
        "--speed is for simulators",
    ),
    (["fetch", "X", "--speed", "0", "--simulate"], "must be a number above zero"),
    (["fetch", "X", "--speed", "nan", "--simulate"], "must be a number above zero"),
    (["fetch", "X", "--simulate", "--base-url", "http://localhost:1"], "leave out --base-url"),
    (["fetch", "X", "--rows", "2000"], "--rows is for --simulate"),
    (["fetch", "X", "--simulate", "--rows", "999"], "999 is not in the range"),
    (["fetch", "X", "--max-age", "often"], "'often' is not a duration"),
    (["fetch", "X", "--max-age", "none"], "'none' is not a duration"),
    (["fetch", "X", "--base-url", "http://walmart.example"], "must begin with https://"),
    (["fetch", " "], "must not be empty or blank"),
    (["list", "--after", "tomorrow"], "'tomorrow' is not a time"),
    (["list", "--after", "99999999999999999d"], "99999999999999999d must be less than 100 years"),
    (["list", "--before", "999999d"], "999999d must be less than 100 years"),
    (["nothing"], "No such command 'nothing'"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD)
def test_a_wrong_command_line(program, arguments, words):
    """
    What is wrong with the command line is told in one line, and the exit code is 2.
    """
    result = program(*arguments)

    assert 2 == result.exit_code
    assert words in result.stderr
    assert 1 == result.stderr.count("\n")


@pytest.mark.parametrize(
    ("report_type", "market"),
    [
        ("ITEM_MX", "mx"),
        ("SOMETHING_NEW_CL", "cl"),
        ("ITEM_CA", "ca"),
        ("ITEM", "us"),
        ("DSV_ORDERS", "suppliers"),
        ("NEVER_HEARD_OF", "us"),
    ],
)
def test_market_by_the_type(report_type, market):
    """
    Without a market, a type's name tells it; the given one goes before.
    """
    assert market == guess_market(report_type)
    assert market == Connection().market_of(report_type)
    assert "cl" == Connection(market="cl").market_of(report_type)
    assert "us" == Connection().market_of(None)


def test_accounts():
    """
    Each host and country has its account, and all are meant unless an option says which.
    """
    assert ("us", "mx", "cl", "suppliers", "ca") == Connection().accounts()
    assert ("mx",) == Connection(market="mx").accounts()
    assert ("us", "mx", "cl", "ca") == Connection(base_url="http://localhost:1").accounts()


def test_the_way_back():
    """
    The options of a connection lead another run to the same API; what was not given is left out.
    """
    connection = Connection(market="mx", base_url="http://localhost:1", speed=540.0)

    assert [
        *("--market", "mx"),
        *("--base-url", "http://localhost:1"),
        *("--speed", "540"),
    ] == connection.arguments()
    assert [] == Connection().arguments()


def test_the_way_to_a_market():
    """
    A market that only a type's name told is named; the one given, or taken without a name, is not.
    """
    assert ["--market", "mx"] == Connection().to("mx").arguments()
    assert ["--market", "mx"] == Connection(market="mx").to("mx").arguments()
    assert [] == Connection().to("us").arguments()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("fetch ITEM_", {"ITEM_PERFORMANCE", "ITEM_MX", "ITEM_CONFIGURATION_DATA"}),
        ("fetch item_m", {"ITEM_MX"}),
        ("fetch --market mx ", {"ITEM_MX", "INVENTORY_MX"}),
        ("fetch --market global-mx ", {"ITEM_MX", "INVENTORY_MX"}),
        ("quota BUY", {"BUYBOX"}),
        ("list --type BUY", {"BUYBOX"}),
        ("re", {"resume"}),
    ],
)
def test_completion(program, monkeypatch, words, expected):
    """
    The shell completes commands and the report types of the market.
    """
    monkeypatch.setenv("COMP_WORDS", f"reports-async {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" "))))
    monkeypatch.setenv("_REPORTS_ASYNC_COMPLETE", "bash_complete")

    result = program()

    assert expected == {line.partition(",")[2] for line in result.stdout.splitlines()}
