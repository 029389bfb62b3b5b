"""The key pair never shows its secret."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from reports_async._credentials import Credentials
from reports_async._exceptions import InvalidArgument

PAIR = Credentials("me", "s3cret")


def test_repr_has_no_secret() -> None:
    """The repr tells the client id and nothing more."""
    assert "Credentials(client_id='me')" == repr(PAIR) == str(PAIR)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_is_refused(protocol: int) -> None:
    """A secret is not written anywhere; the message says what to do instead."""
    with pytest.raises(TypeError, match="from_env") as excinfo:
        pickle.dumps(PAIR, protocol)

    assert "s3cret" not in str(excinfo.value)


def test_copies_are_the_same_object() -> None:
    """A frozen value needs no copies."""
    assert PAIR is copy.copy(PAIR)
    assert PAIR is copy.deepcopy({"pair": PAIR})["pair"]


def test_equality() -> None:
    """Equal pairs are equal, and can be keys."""
    assert Credentials("me", "s3cret") == PAIR
    assert Credentials("me", "other") != PAIR
    assert hash(Credentials("me", "s3cret")) == hash(PAIR)


def test_from_a_mapping() -> None:
    """Two variables hold the pair."""
    environ = {"WALMART_CLIENT_ID": "me", "WALMART_CLIENT_SECRET": "s3cret"}

    assert Credentials.from_env(environ) == PAIR


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a mapping the process environment is read."""
    monkeypatch.setenv("WALMART_CLIENT_ID", "me")
    monkeypatch.setenv("WALMART_CLIENT_SECRET", "s3cret")

    assert Credentials.from_env() == PAIR


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({}, "missing: WALMART_CLIENT_ID, WALMART_CLIENT_SECRET"),
        ({"WALMART_CLIENT_ID": "me"}, "missing: WALMART_CLIENT_SECRET"),
        ({"WALMART_CLIENT_ID": "", "WALMART_CLIENT_SECRET": "x"}, "missing: WALMART_CLIENT_ID"),
    ],
)
def test_missing_variables(environ: dict[str, str], missing: str) -> None:
    """A missing or empty variable is named, together with both that are wanted."""
    with pytest.raises(InvalidArgument) as excinfo:
        Credentials.from_env(environ)

    assert f"({missing})" in str(excinfo.value)
    assert "set WALMART_CLIENT_ID and WALMART_CLIENT_SECRET" in str(excinfo.value)


@pytest.mark.parametrize("value", ["", " ", "hid den", "hidden\n", "hid\x00den", "hiddeñ", None, 5])
@pytest.mark.parametrize("name", ["client_id", "client_secret"])
def test_bad_values(name: str, value: Any) -> None:
    """What cannot be a key is refused by name, never by value."""
    with pytest.raises(InvalidArgument, match=name) as excinfo:
        Credentials(**{"client_id": "me", "client_secret": "s3cret", name: value})

    assert "hid" not in str(excinfo.value)


def test_colon() -> None:
    """A colon would end the client id of Basic authentication; the secret may have one."""
    assert "a:b" == Credentials("me", "a:b").client_secret
    with pytest.raises(InvalidArgument, match="client_id must not contain a colon"):
        Credentials("m:e", "s3cret")
