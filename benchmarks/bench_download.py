"""
From link to file, beside curl and others: throughput, processor time, the loop's lag, memory.

The server is nginx on this machine. Files are written to memory where there is a file system for it
(``/dev/shm``): the wire is measured, not the disk. Contenders run in turn, each in a process of its
own; a run that other programs disturbed is made again. Speeds and processor times are compared
round by round with those of the first contender; the median of that is printed, and at the end all
that was to be reached. About twenty minutes; ``--only WORD`` runs the races with that word in
their title, and with ``--json FILE`` the figures of several such runs come together:
``plot_download.py`` draws them.

``idle`` is curl beside a loop that has nothing to do: the lag that the machine itself makes.
``bare`` is the shortest loop that can be written over Python's `ssl` and sockets. ``cp`` copies the
file without any network. A number behind a name is `Downloads.at_once`. In the last race the
application computes all the time, in the loop that downloads; curl is left in peace.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import quiet
from attrs import frozen
from download_table import BUSY, CAPS, LARGE, PLAIN, ROWS, SIXTEEN, STREAM, table, targets
from nginx import Server, nginx

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from download_table import Figures

MEBIBYTE = 1024 * 1024


@frozen(kw_only=True)
class Race:
    """
    One question: the same file, fetched by each contender; the first is what others are to.

    Args:
        times: So many times as many rounds: for a figure that swings.
        busy: The application computes all the time.
    """

    title: str
    file: str
    contenders: Sequence[str]
    scheme: str = "https"
    count: int = 1
    times: int = 1
    busy: bool = False


RACES = (
    Race(
        title=STREAM,
        file="random.bin",
        contenders=["curl", "idle", "bare", "reports_async", "aiohttp", "aiofiles", "httpx", "cp"],
        times=3,
    ),
    Race(
        title=PLAIN,
        file="random.bin",
        scheme="http",
        contenders=("curl", "bare", "reports_async", "aiohttp", "httpx"),
    ),
    Race(
        title=ROWS,
        file="rows.zip",
        contenders=("curl", "reports_async", "aiohttp", "aiofiles", "httpx"),
    ),
    Race(title=LARGE, file="large.zip", contenders=("curl", "reports_async", "aiohttp")),
    Race(
        title=SIXTEEN,
        file="sixteenth.bin",
        count=16,
        contenders=("curl", "idle", "reports_async", "aiohttp", "httpx"),
        times=3,
    ),
    Race(
        title=CAPS,
        file="sixteenth.bin",
        count=16,
        contenders=("curl", *(f"reports_async:{number}" for number in (1, 2, 4, 8, 16))),
    ),
    Race(
        title=BUSY,
        file="sixteenth.bin",
        contenders=("curl", "reports_async", "aiohttp", "httpx"),
        busy=True,
    ),
)


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


def make(served: Path, name: str, size: int) -> int:
    """Make a file unless it is there; return how many bytes come of it in the end."""
    sizes = {
        "random.bin": size,
        "sixteenth.bin": size // 16,
        "rows.zip": 300_000_000 * size // (1024 * MEBIBYTE),
        "large.zip": size,
    }
    path = served / name
    if not path.exists():
        print(f"making {name} ...", flush=True)
        (zipped_rows if path.suffix == ".zip" else random_file)(path, sizes[name])
    return sizes[name]


def run(name: str, race: Race, served: Path, server: Server) -> dict[str, float]:
    command = [sys.executable, str(Path(__file__).with_name("contender.py")), name]
    url = getattr(server, race.scheme) + race.file
    source = served / race.file if name == "cp" else url
    target = Path(tempfile.mkdtemp(dir=served.parent))
    try:
        output = subprocess.run(
            [
                *command,
                str(source),
                str(target),
                str(server.certificate),
                str(race.count),
                *["busy"] * race.busy,
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    finally:
        shutil.rmtree(target)
    figures: dict[str, float] = json.loads(output)
    return figures


def measured(race: Race, served: Path, server: Server, rounds: int) -> Iterator[Figures]:
    """Run the race round by round; gives what is known after each."""
    figures: Figures = {name: [] for name in race.contenders}
    again = rounds
    for turn in range(rounds + 1):
        for name in race.contenders:
            quiet.wait(server.pid)
            watch = quiet.Watch(server.pid)
            found = run(name, race, served, server)
            disturbed = watch.disturbed
            if turn and disturbed and again:
                again -= 1
                watch = quiet.Watch(server.pid)
                found = run(name, race, served, server)
                disturbed = watch.disturbed
            # After the first round caches are warm, and so is the memory.
            if turn:
                figures[name].append({**found, "disturbed": disturbed})
        if turn:
            yield figures


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--size", type=int, default=1024, help="MiB; 1024")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", help="races with that word in their title")
    parser.add_argument("--json", type=Path, help="keep the figures there, beside those in it")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    kept = options.json.read_text() if options.json and options.json.exists() else "{}"
    results: dict[str, dict] = json.loads(kept)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        directory = Path(name)
        directory.chmod(0o755)
        served = directory / "served"
        served.mkdir()
        with nginx(served, directory / "nginx") as server:
            for race in RACES:
                if not options.only or any(word in race.title for word in options.only):
                    size = race.count * make(served, race.file, options.size * MEBIBYTE)
                    for figures in measured(race, served, server, race.times * options.rounds):
                        results[race.title] = {"size": size, "figures": figures}
                        if options.json:
                            options.json.write_text(json.dumps(results))
                if race.title in results:
                    table(race.title, **results[race.title])
                    sys.stdout.flush()
    targets({title: result["figures"] for title, result in results.items()})


if __name__ == "__main__":
    main()
