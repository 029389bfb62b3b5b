"""
From link to file, beside curl and others: throughput, processor time, the loop's lag, memory.

The server is nginx on this machine. Files are written to memory where there is a file system for it
(``/dev/shm``): the wire is measured, not the disk. Each figure is the median of interleaved runs.
``bench_download.py [MiB] [rounds]``; 1024 and 5 by default. ``idle`` is curl beside a loop that has
nothing to do: the lag that the machine itself makes. BENCH_JSON names a file for the figures, which
``plot_download.py`` draws.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen
from nginx import nginx

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MEBIBYTE = 1024 * 1024
MARGIN = "  {:<34}{:>10}{:>12}{:>12}{:>12}{:>12}{:>12}"
CONTENDERS = ["curl", "idle", "reports_async", "aiohttp", "aiofiles", "httpx"]


@frozen(kw_only=True)
class Race:
    """One question: the same file, fetched by each contender."""

    title: str
    url: str
    size: int
    count: int = 1
    contenders: Sequence[str] = tuple(CONTENDERS)
    base: str = "curl"


def random_file(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for _ in range(size // MEBIBYTE):
            file.write(os.urandom(MEBIBYTE))


def item_rows(count: int) -> Iterator[str]:
    """Rows like those of an item report: about 250 bytes, which pack to a fifth."""
    chance = random.Random(1)
    words = ["Camisa", "Zapato", "Mesa", "Silla", "Lámpara", "Cuaderno", "Bicicleta", "Taza"]
    for number in range(count):
        one, two, three = (chance.choice(words) for _ in range(3))
        yield (
            f"{chance.randrange(10**9)},SKU-{number:08d},"
            f'"{one} {two}, {chance.randrange(100)} cm",Hogar > {three},'
            f"{chance.randrange(10**4) / 100:.2f},MXN,PUBLISHED,,ACTIVE,"
            f"{chance.randrange(16**6):06X}WPID,{chance.randrange(10**13):013d},"
            f"https://i5.walmartimages.com/asr/{chance.randrange(16**8):08x}.jpeg,"
            f"Hogar,Muebles,2025-01-0{chance.randrange(1, 9)},2049-12-31,"
            f"2024-0{chance.randrange(1, 9)}-11,Marca {chance.randrange(50)},53131600,0\r\n"
        )


def zipped_rows(path: Path, size: int) -> None:
    block = "".join(item_rows(100_000)).encode()
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("ITEM_MX.csv", "w", force_zip64=True) as file,
    ):
        for start in range(0, size, len(block)):
            file.write(block[: size - start])


def run(name: str, race: Race, directory: Path, certificate: Path) -> dict[str, float]:
    command = [sys.executable, Path(__file__).with_name("contender.py"), name]
    target = Path(tempfile.mkdtemp(dir=directory))
    try:
        output = subprocess.run(
            [*command, race.url, target, certificate, str(race.count)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    finally:
        shutil.rmtree(target)
    figures: dict[str, float] = json.loads(output)
    return figures


def medians(race: Race, directory: Path, certificate: Path, rounds: int) -> dict[str, dict]:
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in race.contenders}
    for turn in range(rounds + 1):
        for name in race.contenders:
            found = run(name, race, directory, certificate)
            # The first round warms the caches.
            if turn:
                figures[name].append(found)
    return {
        name: {key: statistics.median(one[key] for one in found) for key in found[0]}
        for name, found in figures.items()
    }


def table(race: Race, figures: dict[str, dict], rounds: int) -> None:
    print(f"\n{race.title} (median of {rounds})")
    print(MARGIN.format("", "seconds", "MB/s", "x base", "CPU s", "lag p99 ms", "MiB"))
    base = figures[race.base]["seconds"]
    for name, one in figures.items():
        lag = f"+{one['lag'] - one['idle_lag']:.1f}" if "lag" in one else ""
        print(
            MARGIN.format(
                name,
                f"{one['seconds']:.2f}",
                f"{race.size * race.count / one['seconds'] / 1e6:.0f}",
                f"{base / one['seconds']:.2f}",
                f"{one['cpu']:.2f}",
                lag,
                f"+{one['memory']:.1f}" if "memory" in one else "",
            )
        )


def races(served: Path, http: str, https: str, size: int) -> list[Race]:
    rows, large = 300_000_000 * size // (1024 * MEBIBYTE), size
    print("making the files ...", flush=True)
    random_file(served / "random.bin", size)
    random_file(served / "sixteenth.bin", size // 16)
    zipped_rows(served / "rows.zip", rows)
    zipped_rows(served / "large.zip", large)
    few = ("curl", "idle", "reports_async", "aiohttp")
    return [
        Race(title="HTTPS, one file that does not pack", url=https + "random.bin", size=size),
        Race(title="HTTP, one file that does not pack", url=http + "random.bin", size=size),
        Race(title="HTTPS, ZIP to CSV, item rows", url=https + "rows.zip", size=rows),
        Race(
            title="HTTPS, ZIP to CSV, large",
            url=https + "large.zip",
            size=large,
            contenders=few,
        ),
        Race(
            title="HTTPS, 16 files at once",
            url=https + "sixteenth.bin",
            size=size // 16,
            count=16,
            contenders=few,
        ),
        Race(
            title="The floor: cp",
            url=str(served / "random.bin"),
            size=size,
            contenders=("cp",),
            base="cp",
        ),
    ]


def main() -> None:
    arguments = [*map(int, sys.argv[1:]), 1024, 5]
    size = arguments[0] * MEBIBYTE
    rounds = arguments[1] if len(sys.argv) > 2 else 5
    memory = Path("/dev/shm")
    results = {}
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        directory = Path(name)
        directory.chmod(0o755)
        served = directory / "served"
        served.mkdir()
        with nginx(served, directory / "nginx") as (http, https, certificate):
            for race in races(served, http, https, size):
                figures = medians(race, directory, certificate, rounds)
                table(race, figures, rounds)
                results[race.title] = {"size": race.size * race.count, "figures": figures}
    if target := os.environ.get("BENCH_JSON"):
        Path(target).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
