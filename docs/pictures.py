# ruff: noqa: INP001 -- a script, imported by nobody
"""
Make `docs/fetch.svg`: the live display of a real run against the simulator, drawn by the program.

Three reports are followed; when they are in three different phases, that moment is the picture.
Run it by ``nox -s pictures``.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from reports_async import Credentials, ReportsClient
from reports_async.cli._display import Board
from reports_async.cli._progress import Phase, Row
from reports_async.cli._reporters import FOOTER
from reports_async.testing import ScaledClock, Simulator, SimulatorServer

if TYPE_CHECKING:
    from reports_async import ReportJob

TARGET = Path(__file__).with_name("fetch.svg")
SPEED = 540
WIDTH = 84
HALF_WAY = 0.4
# No picture should make its viewer ask another host for a font.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def is_the_moment(rows: list[Row]) -> bool:
    """Say whether the reports are generating, waiting, and half downloaded."""
    generating, waiting, downloading = rows
    return (
        generating.phase is Phase.GENERATING
        and waiting.phase is Phase.WAITING
        and downloading.phase is Phase.DOWNLOADING
        and downloading.total is not None
        and HALF_WAY < downloading.received / downloading.total < 1
        and downloading.rate() is not None
    )


async def follow(row: Row, job: ReportJob, rows: list[Row], moment: asyncio.Event) -> None:
    """Apply a job's events to its row until the moment has come."""
    async for event in job.events():
        row.apply(event, tick=time.monotonic())
        if is_the_moment(rows):
            moment.set()
        if moment.is_set():
            return


def draw(board: Board) -> None:
    """Write the picture of a board."""
    console = Console(
        record=True, width=WIDTH, file=StringIO(), force_terminal=True, color_system="truecolor"
    )
    names = " ".join(row.report_type for row in board.rows)
    console.print(Text.assemble(("$ ", "green"), f"reports-async fetch {names}"))
    console.print(board)
    TARGET.write_text(
        console.export_svg(title="reports-async", code_format=FORMAT, unique_id="fetch"),
        encoding="utf-8",
    )


async def main() -> None:
    """Run three reports until the moment, and draw it."""
    clock = ScaledClock(SPEED)
    simulator = Simulator(seed=7)
    simulator.generation("ITEM", 2700)
    simulator.generation("BUYBOX", 1200)
    simulator.rows("BUYBOX", 400_000)
    # Somebody has pressed the button in Seller Center: that hour is taken.
    simulator.add_request("INVENTORY", clock.now() - timedelta(minutes=2))
    with tempfile.TemporaryDirectory() as directory:
        async with (
            SimulatorServer(simulator, clock=clock) as server,
            ReportsClient(
                Credentials("id", "secret"), base_url=server.url, directory=directory, clock=clock
            ) as client,
        ):
            jobs = [client.request_report(name) for name in ("ITEM", "INVENTORY", "BUYBOX")]
            rows = [Row(job.report_type) for job in jobs]
            moment = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                for row, job in zip(rows, jobs, strict=True):
                    group.create_task(follow(row, job, rows, moment))
                await moment.wait()
                # Drawn at once: the reports go on meanwhile.
                draw(Board(rows=rows, clock=clock, tick=time.monotonic, fast=True, footer=FOOTER))
                for job in jobs:
                    job.cancel()


if __name__ == "__main__":
    asyncio.run(main())
