"""Run contenders in turn, A B C A B C; print medians and ratios: machines drift, ratios do not."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def measure(contenders: Mapping[str, Callable[[], float]], *, rounds: int) -> dict[str, float]:
    """Return the median of each contender's figure, after one round that does not count."""
    figures: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, contender in contenders.items():
            figure = contender()
            if turn:
                figures[name].append(figure)
    return {name: statistics.median(values) for name, values in figures.items()}


def table(title: str, medians: Mapping[str, float], *, unit: str, base: str) -> None:
    """Print the medians, and each as a multiple of *base*."""
    print(f"\n{title}")
    for name, figure in medians.items():
        print(f"  {name:<44}{figure:>10.1f} {unit}{figure / medians[base]:>9.2f} x")
