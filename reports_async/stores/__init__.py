"""
Where requests and the hourly quota are remembered; all stores pass one contract suite.

A process: `MemoryStore`. A machine: `SQLiteStore`. Many machines: `RedisStore`, `PostgresStore`,
which need their extras; nothing of those is imported before it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from ._memory import MemoryStore
from ._sqlite import SQLiteStore

if TYPE_CHECKING:
    from ._postgres import PostgresStore
    from ._redis import RedisStore

__all__ = ["MemoryStore", "PostgresStore", "RedisStore", "SQLiteStore"]

_EXTRAS: Final = {"PostgresStore": "postgres", "RedisStore": "redis"}


def __getattr__(name: str) -> Any:
    if name not in _EXTRAS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    extra = _EXTRAS[name]
    try:
        return getattr(import_module(f"._{extra}", __name__), name)
    except ImportError as exc:
        raise ImportError(
            f'{name} needs an extra: pip install "reports-async[{extra}]" ({exc})'
        ) from exc
