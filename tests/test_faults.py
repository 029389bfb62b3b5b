"""Every fault of the README's table, played in virtual time, and what it must lead to."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest


def _scenes() -> Any:
    path = Path(__file__).parents[1] / "benchmarks" / "bench_faults.py"
    spec = importlib.util.spec_from_file_location("bench_faults", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


SCENES = _scenes()


@pytest.mark.parametrize("fault", SCENES.FAULTS)
def test_fault(fault: str) -> None:
    """
    A fault leads to one create, the right file or the error that is due, and leaves nothing behind.
    """
    outcome = SCENES.outcome(fault)

    assert outcome.good, outcome
