"""
The live display: one bar per report, drawn from its `Row` on a terminal.

It only draws. Columns have fixed widths and frames change eight times a second, so that nothing
jumps or flickers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from attrs import define, frozen
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ._format import duration, local, one_line, part, size
from ._progress import Phase, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from reports_async.abc import Clock

# "Generation takes up to 45 minutes", "one request per report type per hour": the API's rules.
WINDOW: Final = 2700.0
HOUR: Final = 3600.0
# READY is seen minutes after it is, so a little more than the window is not late yet.
LATE: Final = 3000.0

PHASE_WIDTH: Final = 11  # "downloading", "interrupted"
NUMBERS_WIDTH: Final = 17  # "999.9 of 999.9 MB"
SMALLEST_BAR: Final = 8
LARGEST_BAR: Final = 40
FRAMES: Final = 8  # a second
MARGIN: Final = 3  # for the ^C that terminals echo: wrapped, it would leave a stray line

STYLES: Final[Mapping[Phase, str]] = {
    Phase.STARTING: "dim",
    Phase.WAITING: "blue",
    Phase.REQUESTING: "cyan",
    Phase.CHECKING: "yellow",
    Phase.GENERATING: "cyan",
    Phase.READY: "green",
    Phase.DOWNLOADING: "magenta",
    Phase.INTERRUPTED: "yellow",
    Phase.SAVED: "green",
    Phase.FAILED: "red",
}


@frozen
class Marks:
    """The characters before a report's name."""

    spinner: str
    waiting: str
    saved: str
    failed: str

    def of(self, phase: Phase, *, frame: int | None) -> str:
        """Return the mark of a phase; active phases turn, unless there is no next frame."""
        match phase:
            case Phase.SAVED:
                return self.saved
            case Phase.FAILED:
                return self.failed
            case Phase.STARTING | Phase.WAITING:
                return self.waiting
            case _:
                return self.waiting if frame is None else self.spinner[frame % len(self.spinner)]


UNICODE: Final = Marks("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "◦", "✓", "✗")
ASCII: Final = Marks("|/-\\", ".", "+", "x")


@define(eq=False, kw_only=True)
class Board:
    """
    All reports of a run as one picture of the present; rich draws it.

    Args:
        rows: The reports, in the order of the command line.
        clock: The client's clock; waits and ages go by it.
        tick: The wall's monotonic seconds; the spinner goes by it.
        fast: Whether the clock is not the wall's: then the time of day says nothing.
        footer: One line of advice below, as long as something is under way.
        still: Whether nothing is: the last frame, whatever it shows.
    """

    rows: Sequence[Row]
    clock: Clock
    tick: Callable[[], float]
    fast: bool = False
    footer: str = ""
    still: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        marks = ASCII if options.ascii_only else UNICODE
        width = options.max_width
        room = max(1, options.size.height - 3)
        shown = self.rows if self.still else self._most_interesting(room)
        # The small print is the first to go where the terminal is low.
        small_print = 2 * len(self.rows) <= room
        lines: list[RenderableType] = [
            line for row in shown for line in self._lines(row, marks, width, small_print)
        ]
        if hidden := len(self.rows) - len(shown):
            lines.append(Text(f"  and {hidden} more", style="dim"))
        if not self.still and self.footer:
            lines.append(_small(self.footer, width - MARGIN))
        yield Group(*lines)

    def _most_interesting(self, room: int) -> Sequence[Row]:
        if len(self.rows) <= room:
            return self.rows
        quiet = {Phase.SAVED: 2, Phase.WAITING: 1, Phase.STARTING: 1}
        ranked = sorted(self.rows, key=lambda row: quiet.get(row.phase, 0))[:room]
        return [row for row in self.rows if row in ranked]

    def _lines(
        self,
        row: Row,
        marks: Marks,
        width: int,
        small_print: bool,  # noqa: FBT001 -- private
    ) -> list[RenderableType]:
        style = STYLES[row.phase]
        names = max(12, *(len(row.report_type) for row in self.rows))
        # Two for the mark, two between columns; the name gives way before the numbers do.
        names = max(8, min(names, width - 2 - 2 - PHASE_WIDTH - 2 - NUMBERS_WIDTH))
        bar = min(LARGEST_BAR, width - 2 - names - 2 - PHASE_WIDTH - 2 - NUMBERS_WIDTH - 2)
        grid = Table.grid(padding=(0, 2, 0, 0))
        for column in (names + 2, PHASE_WIDTH, NUMBERS_WIDTH):
            grid.add_column(width=column, no_wrap=True, overflow="ellipsis")
        mark = marks.of(row.phase, frame=None if self.still else int(self.tick() * FRAMES))
        name = Text.assemble((mark, style), " ", row.report_type)
        cells: list[RenderableType] = [name, Text(row.phase, style), Text(self._numbers(row))]
        if bar >= SMALLEST_BAR:
            grid.add_column(width=bar)
            cells.append(self._bar(row, bar))
        grid.add_row(*cells)
        if not small_print:
            return [grid]
        return [grid, _small(f"  {self._detail(row)}", width)]

    def _numbers(self, row: Row) -> str:
        now = self.clock.now()
        match row.phase:
            case Phase.WAITING if row.until is not None:
                return f"opens in {duration((row.until - now).total_seconds())}"
            case Phase.GENERATING:
                return f"{duration(row.elapsed(now) or 0)} of {duration(WINDOW)}"
            case Phase.DOWNLOADING | Phase.INTERRUPTED:
                return part(row.received, row.total)
            case Phase.SAVED if row.report is not None:
                return size(row.report.size)
            case _:
                return ""

    def _detail(self, row: Row) -> str:
        words = [row.request_id or ""]
        match row.phase:
            case Phase.WAITING if row.until is not None:
                # On a fast clock the time of day is nobody's.
                at = "" if self.fast else f" until {local(row.until)}"
                words = [f"one request per type per hour: this one is taken{at}"]
            case Phase.GENERATING if (row.elapsed(self.clock.now()) or 0) > LATE:
                words += ["longer than usual; still waiting"]
            case Phase.DOWNLOADING if (rate := row.rate()) is not None:
                words += [f"{size(rate)}/s"]
            case Phase.SAVED if row.took is not None:
                words += [f"ready after {duration(row.took)}"]
            case Phase.FAILED if row.error is not None:
                words = [one_line(row.error)]
            case _:
                pass
        return "  ".join(word for word in [*words, row.note] if word)

    def _bar(self, row: Row, width: int) -> RenderableType:
        style, now = STYLES[row.phase], self.clock.now()
        match row.phase:
            case Phase.WAITING if row.until is not None:
                done = 1 - (row.until - now).total_seconds() / HOUR
            case Phase.GENERATING:
                done = (row.elapsed(now) or 0) / WINDOW
                style = style if done * WINDOW <= LATE else "yellow"
            case Phase.DOWNLOADING | Phase.INTERRUPTED if row.total:
                done = row.received / row.total
            case Phase.READY | Phase.SAVED:
                done = 1.0
            case _:
                done = 0.0
        return ProgressBar(
            total=1,
            completed=min(1.0, max(0.0, done)),
            width=width,
            complete_style=style,
            finished_style=style,
        )


def _small(words: str, width: int) -> Text:
    line = Text(words, style="dim", no_wrap=True)
    line.truncate(width, overflow="ellipsis")
    return line


class LiveDisplay:
    """
    The board on a terminal, from entering to leaving; leaving restores the terminal.

    Nothing is drawn in between unless `refresh` is called: there is no thread behind it.
    """

    def __init__(self, board: Board, console: Console) -> None:
        self._board = board
        self._live = Live(
            board, console=console, auto_refresh=False, transient=False, vertical_overflow="crop"
        )

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._board.still = True
        self._live.stop()

    def refresh(self) -> None:
        """Draw the present."""
        self._live.refresh()
