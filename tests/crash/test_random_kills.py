"""``kill -9`` of ``reports-async fetch`` at a random moment, then ``resume``: nothing is lost."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("click", reason="the command line is an extra")

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def script() -> Any:
    path = Path(__file__).with_name("random_kills.py")
    spec = importlib.util.spec_from_file_location("random_kills", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


async def test_random_kills() -> None:
    """
    However often and whenever the program is killed, `resume` brings the file, with one create.
    """
    outcomes = await script().play_many(5, seed=20260101)

    assert [] == [outcome for outcome in outcomes if not outcome.good]
    assert any(outcome.kills for outcome in outcomes)
