"""Draw what ``bench_download.py`` measured: ``plot_download.py figures.json docs/download.svg``."""

from __future__ import annotations

import json
import sys
from html import escape
from pathlib import Path

from download_table import CAPS, LARGE, OURS, PLAIN, ROWS, STREAM, median

DRAWN = (STREAM, PLAIN, ROWS, LARGE, CAPS)
LABELS = {(title, "curl"): "curl, then unzip" for title in (ROWS, LARGE)}
LABELS |= {(CAPS, "curl"): "16 curls"}
LABELS |= {(CAPS, f"{OURS}:{number}"): f"{OURS}, {number}" for number in (1, 2, 4, 8, 16)}
LABELS |= {(title, "bare"): "bare sockets" for title in (STREAM, PLAIN)}

WIDTH, LEFT, BAR, GAP, TITLE = 760, 150, 18, 6, 34
GREEN, OTHERS, TEXT = "#2a7d5f", "#b8bec6", "#57606a"
FONT = 'font-family="system-ui, sans-serif" font-size="13"'


def text(x: float, y: float, words: str, *, end: bool = False, bold: bool = False) -> str:
    anchor = "end" if end else "start"
    weight = "600" if bold else "400"
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" fill="{TEXT}" text-anchor="{anchor}" '
        f'font-weight="{weight}" {FONT}>{escape(words)}</text>'
    )


def group(title: str, speeds: dict[str, float], top: float) -> tuple[list[str], float]:
    """Return one question's bars and where they end."""
    fastest = max(speeds.values())
    parts = [text(0, top + 20, f"{title}, MB/s", bold=True)]
    top += TITLE
    for name, speed in sorted(speeds.items(), key=lambda item: -item[1]):
        length = (WIDTH - LEFT - 70) * speed / fastest
        colour = GREEN if name.startswith(OURS) else OTHERS
        parts += [
            text(LEFT - 8, top + 14, name, end=True, bold=name.startswith(OURS)),
            f'<rect x="{LEFT}" y="{top}" width="{length:.0f}" height="{BAR}" fill="{colour}"/>',
            text(LEFT + length + 6, top + 14, f"{speed:.0f}"),
        ]
        top += BAR + GAP
    return parts, top + 12


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    parts: list[str] = []
    top = 0.0
    results = json.loads(source.read_text())
    for title in (title for title in DRAWN if title in results):
        result = results[title]
        speeds = {
            LABELS.get((title, name), name): result["size"] / median(found, "seconds") / 1e6
            for name, found in result["figures"].items()
            if name not in ("idle", "cp")
        }
        drawn, top = group(title, speeds, top)
        parts += drawn
    target.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top:.0f}" '
        f'viewBox="0 0 {WIDTH} {top:.0f}">' + "".join(parts) + "</svg>\n"
    )


if __name__ == "__main__":
    main()
