"""What ``bench_download.py`` prints: a table for each race, and all that was to be reached."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Figures = dict[str, list[dict[str, float]]]

STREAM = "HTTPS, one file that does not pack"
PLAIN = "HTTP, one file that does not pack"
ROWS = "HTTPS, ZIP to CSV, item rows"
LARGE = "HTTPS, ZIP to CSV, large"
SIXTEEN = "HTTPS, 16 files at once"
CAPS = "HTTPS, 16 files wanted, so many at once"
BUSY = "HTTPS, one small file while the application computes"

OURS = "reports_async"
WORDS = {True: "reached", False: "NOT REACHED"}
LINE = "  {:<22}{:>9}{:>9}{:>9}{:>9}{:>9}{:>15}{:>10}"


def median(found: Sequence[dict[str, float]], key: str) -> float:
    return statistics.median(one[key] for one in found)


def ratio(figures: Figures, one: str, other: str, key: str) -> float:
    """Return the median of what *one* had for each of *other*'s, round by round."""
    pairs = zip(figures[one], figures[other], strict=True)
    return statistics.median(mine[key] / others[key] for mine, others in pairs)


def lag(figures: Figures, name: str) -> float:
    """Return by how much the loop's lag was above that of its own idle second, in ms."""
    return statistics.median(one["lag"] - one["idle_lag"] for one in figures[name])


@frozen
class Target:
    """One figure that was to be reached, at most so much or at least; without, to compare with."""

    race: str
    what: str
    figure: Callable[[Figures], float]
    at_least: float | None = None
    at_most: float | None = None

    def row(self, figures: Figures) -> str:
        got = self.figure(figures)
        bound, word = "", ""
        if self.at_least is not None:
            bound, word = f">= {self.at_least:g}", WORDS[got >= self.at_least]
        if self.at_most is not None:
            bound, word = f"<= {self.at_most:g}", WORDS[got <= self.at_most]
        return f"  {self.what:<66}{bound:>8}{got:>9.2f}  {word}".rstrip()


TARGETS = (
    Target(
        STREAM,
        "one HTTPS stream: bytes a second, of curl's",
        lambda found: ratio(found, "curl", OURS, "seconds"),
        at_least=0.95,
    ),
    Target(
        STREAM,
        "  for comparison: the shortest loop over Python's ssl",
        lambda found: ratio(found, "curl", "bare", "seconds"),
    ),
    Target(
        STREAM,
        "one HTTPS stream: processor seconds, of curl's",
        lambda found: ratio(found, OURS, "curl", "cpu"),
        at_most=1.3,
    ),
    Target(
        ROWS,
        "ZIP to CSV: times as fast as curl, then unzip",
        lambda found: ratio(found, "curl", OURS, "seconds"),
        at_least=2.7,
    ),
    Target(
        ROWS,
        "ZIP to CSV: times as fast as aiohttp's loop, then zipfile",
        lambda found: ratio(found, "aiohttp", OURS, "seconds"),
        at_least=2.2,
    ),
    Target(
        STREAM,
        "one HTTPS stream: the loop's lag above idle, p99, ms",
        lambda found: lag(found, OURS),
        at_most=3,
    ),
    Target(
        STREAM,
        "  for comparison: a loop that idles beside curl",
        lambda found: lag(found, "idle"),
    ),
    Target(
        SIXTEEN,
        "16 at once: the loop's lag above idle, p99, ms",
        lambda found: lag(found, OURS),
        at_most=10,
    ),
    Target(
        SIXTEEN,
        "  for comparison: a loop that idles beside curl",
        lambda found: lag(found, "idle"),
    ),
    Target(
        SIXTEEN,
        "16 at once: bytes a second, of 16 curls'",
        lambda found: ratio(found, "curl", OURS, "seconds"),
        at_least=0.9,
    ),
    Target(
        STREAM,
        "one HTTPS stream: memory above the idle client, MiB",
        lambda found: median(found[OURS], "memory"),
        at_most=24,
    ),
    Target(
        SIXTEEN,
        "16 at once: memory above the idle client, MiB",
        lambda found: median(found[OURS], "memory"),
        at_most=96,
    ),
)


def table(title: str, size: int, figures: Figures) -> None:
    """Print one race. Ratios are to the first contender: medians of the rounds' own."""
    base, rounds = next(iter(figures.items()))
    print(f"\n{title} (medians of {len(rounds)})")
    print(LINE.format("", "seconds", "MB/s", "speed", "CPU s", "CPU", "lag p99 ms", "MiB"))
    for name, found in figures.items():
        seconds = median(found, "seconds")
        watched = "lag" in found[0]
        print(
            LINE.format(
                name,
                f"{seconds:.2f}",
                f"{size / seconds / 1e6:.0f}",
                f"{ratio(figures, base, name, 'seconds'):.2f} x",
                f"{median(found, 'cpu'):.2f}",
                f"{ratio(figures, name, base, 'cpu'):.2f} x",
                f"{median(found, 'lag'):.1f} ({lag(figures, name):+.1f})" if watched else "",
                f"+{median(found, 'memory'):.1f}" if watched else "",
            )
        )
    disturbed = sum(one["disturbed"] for found in figures.values() for one in found)
    if disturbed:
        print(f"  {disturbed:.0f} of these runs were disturbed by other programs")


def targets(results: Mapping[str, Figures]) -> None:
    """Print what was to be reached, and what was."""
    rows = [target.row(results[target.race]) for target in TARGETS if target.race in results]
    print(f"\n  {'':<66}{'target':>8}{'reached':>9}")
    print("\n".join(rows))
