"""
Ways over the network, behind `reports_async.abc.Transport`.

`AiohttpTransport` is what a client makes for itself. `HttpxTransport` runs on asyncio and trio and
is loaded when it is asked for: httpx is an extra.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._aiohttp import AiohttpTransport

if TYPE_CHECKING:
    from ._httpx import HttpxTransport

__all__ = ["AiohttpTransport", "HttpxTransport"]


def __getattr__(name: str) -> Any:
    if name != "HttpxTransport":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from ._httpx import HttpxTransport  # noqa: PLC0415 -- an extra, loaded when it is asked for
    except ModuleNotFoundError as exc:
        raise ImportError(
            'HttpxTransport needs httpx: pip install "reports-async[httpx]"', name="httpx"
        ) from exc
    return HttpxTransport
