"""What `reports_async.stores` offers, with and without extras."""

from __future__ import annotations

import subprocess
import sys

import pytest

from reports_async import stores


def test_drivers_are_not_imported_unasked() -> None:
    """Importing the stores imports no driver of a database server."""
    program = "import reports_async.stores, sys; print({'redis', 'psycopg'} & set(sys.modules))"

    output = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert b"set()" == output.stdout.strip()


@pytest.mark.parametrize(
    ("name", "driver", "extra"),
    [("RedisStore", "redis", "redis"), ("PostgresStore", "psycopg", "postgres")],
)
def test_missing_extra(monkeypatch: pytest.MonkeyPatch, name: str, driver: str, extra: str) -> None:
    """Without its driver, asking for a store says what to install."""
    for module in [m for m in sys.modules if m == driver or m.startswith(f"{driver}.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, driver, None)
    monkeypatch.delitem(sys.modules, f"reports_async.stores._{extra}", raising=False)

    with pytest.raises(ImportError, match=rf'{name} .*pip install "reports-async\[{extra}\]"'):
        getattr(stores, name)


def test_unknown_name() -> None:
    """A store that does not exist is an ordinary missing attribute."""
    with pytest.raises(AttributeError, match="has no attribute 'OracleStore'"):
        _ = stores.OracleStore
