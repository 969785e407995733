"""The command group: what `leveret --help` shows, and what every command shares."""

from __future__ import annotations

import contextlib
import importlib
import io
import sys

import click

__all__ = ["main"]

#: Command -> the module that has it, under the module's own name.
_COMMANDS = {
    "check": "check",
    "consume": "consume",
    "diff": "diff",
    "dlq": "dlq",
    "draw": "draw",
    "expand": "expand",
    "explain": "explain",
    "export": "export",
    "fmt": "fmt",
    "get": "get",
    "import": "import_",
    "publish": "publish",
    "run": "run",
    "schema": "schema",
    "serve": "serve",
    "storage": "storage",
    "top": "top",
}


class _Commands(click.Group):
    """Imports a command when it is asked for: each needs other libraries, and some need many."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; None where there is none of that name."""
        name = _COMMANDS.get(cmd_name)
        if name is None:
            return None
        command: click.Command = getattr(importlib.import_module(f"leveret.cli.{name}"), name)
        return command


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="leveret", message="%(prog)s %(version)s")
def main() -> None:
    """Try RabbitMQ topologies without RabbitMQ.

    Exit status: 0 when all is well, 1 when something was found wrong, 2 when the command
    itself could not be understood or a file could not be read.
    """
    # Names from a file may hold any character; a terminal that cannot show one is told its code.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(OSError):
                stream.reconfigure(errors="backslashreplace")
