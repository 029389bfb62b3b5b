"""The scan itself, arguments that are refused, and the files that are left."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import sqlite3
import stat
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reports_async import Credentials, DownloadLink, ReportsClient, SQLiteStore, StoreError, stores
from reports_async._secrets import Secret, bare
from reports_async.testing import SimulatorTransport

pytestmark = pytest.mark.anyio


def plant_in_a_variable(needles):
    kept = str(needles.client_secret)
    raise ValueError(type(kept))


def plant_in_a_context(needles):
    try:
        int(needles.client_secret + "")
    except ValueError:
        raise KeyError("no") from None


def plant_in_a_group(needles):
    raise ExceptionGroup("no", [ValueError(str(needles.client_secret))])


@pytest.mark.parametrize("plant", [plant_in_a_variable, plant_in_a_context, plant_in_a_group])
def test_the_scan_finds(run, plant):
    """
    Something secret in a variable, a hidden context or a group is found.
    """
    with run.step():
        plant(run.needles)

    assert run.leaks()


def test_the_scan_finds_in_logs(run):
    """
    Something secret in a variable of a logged traceback is found.
    """
    try:
        plant_in_a_variable(run.needles)
    except ValueError:
        logging.getLogger("reports_async").debug("It broke", exc_info=True)

    assert run.leaks()


def test_secret():
    """
    A secret is a text that does not show itself and is not pickled.
    """
    secret = Secret("hidden")

    assert "hidden" == secret
    assert "<secret>" == repr(secret)
    assert "{'a': <secret>}" == repr({"a": secret})
    assert secret is copy.copy(secret)
    assert secret is copy.deepcopy([secret])[0]
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)


def test_bare():
    """
    An error loses its frames, with all that led to it and all that it groups, circles included.
    """
    first, second = caught(KeyError("first")), caught(ValueError("second"))
    error = caught(ExceptionGroup("both", [first, second]))
    error.__cause__, first.__context__ = second, error

    assert error is bare(error)
    assert [None] * 3 == [one.__traceback__ for one in (first, second, error)]


def caught(error):
    with suppress(Exception):
        raise error
    return error


def make_store(name, url):
    try:
        return getattr(stores, name)(url)
    except ImportError:
        pytest.skip("the extra is not installed")


@pytest.mark.parametrize(
    "use",
    [
        lambda needles: Credentials("id", needles.client_secret + "\n"),
        lambda needles: Credentials(needles.client_secret + ":", "x"),
        lambda needles: Credentials.from_env({"WALMART_CLIENT_SECRET": needles.client_secret}),
        lambda needles: Credentials.from_env(
            {"WALMART_CLIENT_ID": "id", "WALMART_CLIENT_SECRET": needles.client_secret + "\n"}
        ),
        lambda _needles: Credentials.from_env(),
        lambda needles: pickle.dumps(Credentials("id", needles.client_secret)),
        lambda needles: pickle.dumps(DownloadLink(url=f"https://a.example/?{needles.query}")),
        lambda needles: make_store("RedisStore", Secret(f"redis://:{needles.client_secret}/#@a")),
        lambda needles: make_store(
            "PostgresStore", Secret(f"postgresql://me:{needles.client_secret}/#@a")
        ),
    ],
)
def test_mistakes(run, monkeypatch, use):
    """
    Arguments that are refused are not shown, nor is the environment that they came from.
    """
    monkeypatch.setenv("WALMART_CLIENT_SECRET", run.needles.client_secret)
    monkeypatch.delenv("WALMART_CLIENT_ID", raising=False)
    with run.step():
        use(run.needles)

    assert run.errors
    assert [] == run.leaks()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("name", ["RedisStore", "PostgresStore"])
async def test_password_of_a_store(run, name):
    """
    The password of a store's server is not shown when it cannot be reached.
    """
    scheme = {"RedisStore": "redis", "PostgresStore": "postgresql"}[name]
    url = Secret(f"{scheme}://me:{run.needles.client_secret}@127.0.0.1:9/0")
    store = make_store(name, url)
    run.see(store)
    with run.step():
        await store.records("account", now=datetime.now(UTC))

    assert [StoreError] == [type(error) for error in run.errors]
    assert [] == run.leaks()


async def test_files_are_their_owners(watched, credentials, clock, tmp_path):
    """
    Reports, unfinished ones too, and the store with its journals are readable by their owner only.
    """
    simulator = watched(rows=20)
    path = tmp_path / "store.sqlite3"
    modes: dict[str, int] = {}

    def look():
        for file in filter(Path.is_file, tmp_path.rglob("*")):
            modes[file.suffix] = modes.get(file.suffix, 0) | file.stat().st_mode

    simulator.on_call = look
    before = os.umask(0)
    try:
        async with ReportsClient(
            credentials,
            market="mx",
            directory=tmp_path / "reports",
            store=SQLiteStore(path),
            transport=SimulatorTransport(simulator, clock),
            clock=clock,
        ) as client:
            await client.jobs()
            # While somebody has the store open, its journals stay.
            with closing(sqlite3.connect(path)) as other:
                other.execute("SELECT * FROM job").fetchall()
                await client.fetch_report("ITEM_MX")
                look()
    finally:
        os.umask(before)

    assert {".sqlite3", ".sqlite3-wal", ".sqlite3-shm", ".part", ".csv"} <= modes.keys()
    assert {stat.S_IFREG | 0o600} == set(modes.values())
