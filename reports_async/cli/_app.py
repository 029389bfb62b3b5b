"""
`reports-async`: the group of commands, and how all of them end.

A command's room is imported when it is called for, so that ``--help`` is quick.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, Final

import click

from reports_async._exceptions import ReportsError

from ._exits import TABLE, Exit, Interrupted, code_of, message
from ._format import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "fetch": ("_fetch", "Request reports, wait for them, leave the files."),
    "download": ("_fetch", "Go on with requests by their ids; leave the files."),
    "resume": ("_fetch", "Go on with all unfinished requests of this machine."),
    "list": ("_query", "Show the requests that the server has."),
    "status": ("_query", "Show one request."),
    "jobs": ("_query", "Show the requests that this machine remembers."),
    "quota": ("_quota", "Show when each report type's hour opens."),
    "webhooks": ("_webhooks", "Manage the notifications of reports' status."),
    "simulate": ("_simulate", "Serve a simulated API on this machine."),
}


class App(click.Group):
    """The commands, imported one by one; errors become one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """Return the names, in the order of a first visit."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 -- click's signature
        """Return a command, from its room."""
        if cmd_name not in COMMANDS:
            return None
        room, _ = COMMANDS[cmd_name]
        module = import_module(f".{room}", __package__)
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 -- click's signature
        """Write the commands' list without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, short) for name, (_, short) in COMMANDS.items()])

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program; where its output cannot be written, it says so in one line."""
        for stream in (sys.stdout, sys.stderr):
            # A name with letters that the terminal's encoding lacks is written with escapes.
            if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            why = error.strerror or one_line(error)
            with suppress(OSError):
                click.echo(f"Error: The output cannot be written: {why}.", err=True)
            with suppress(OSError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123 -- a device
                # Or what is left in the buffer would fail once more when the program ends.
                os.dup2(nowhere.fileno(), sys.stdout.fileno())
            sys.exit(Exit.FAILED)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; it ends the program by its result or by its error."""
        try:
            ctx.exit(super().invoke(ctx) or Exit.DONE)
        except click.UsageError as error:
            where = (error.ctx or ctx).command_path
            _end(ctx, f"{error.format_message()} See '{where} --help'.", Exit.USAGE)
        except ReportsError as error:
            _end(ctx, message(error), code_of(error))
        except KeyboardInterrupt:
            _end(ctx, str(Interrupted()), Exit.INTERRUPTED)


def _end(ctx: click.Context, message: str, code: Exit) -> None:
    with suppress(OSError):
        click.echo(f"Error: {message}", err=True)
    ctx.exit(code)


@click.group(cls=App, epilog=TABLE, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="reports-async")
def app() -> None:
    """
    Fetch Walmart Marketplace On-request reports: from request to verified CSV.

    The credentials come from WALMART_CLIENT_ID and WALMART_CLIENT_SECRET. Try it without any:

    \b
      reports-async fetch ITEM_MX --simulate
    """  # noqa: D301 -- that character is click's mark for lines that are not to be rewrapped
