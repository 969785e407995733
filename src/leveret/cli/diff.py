"""`leveret diff`: what it takes to make one topology of another."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from leveret.cli.output import load_or_exit
from leveret.cli.screen import show, show_json
from leveret.cli.topologies import TOPOLOGY_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from rich.text import Text

__all__ = ["diff"]

# the mark of an object in the text of a difference -> its style
_STYLES = {"+": "green", "~": "cyan", "!": "bold red", "±": "yellow", "-": "magenta"}


@click.command()
@click.argument("wanted", metavar="A", type=TOPOLOGY_FILE)
@click.argument("present", metavar="B", type=TOPOLOGY_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print the difference as JSON.")
@click.pass_context
def diff(context: click.Context, wanted: Path, present: Path, as_json: bool) -> None:
    """Show what it takes to make B, which is there, into A, which is wanted.

    Each of them is a topology file or RabbitMQ's definitions.

    Exit status: 0 when there is no difference, 1 when there is one, 2 when a file is no good.
    """
    difference = load_or_exit(wanted, status=2).diff(load_or_exit(present, status=2))
    if as_json:
        show_json(difference.to_dict())
    elif sys.stdout.isatty():
        show(_coloured(str(difference)))
    else:
        click.echo(str(difference))
    context.exit(1 if difference else 0)


def _coloured(text: str) -> Text:
    from rich.text import Text

    coloured = Text()
    for number, line in enumerate(text.split("\n")):
        coloured.append("\n" if number else "")
        mark = line[2:3]
        if line.startswith("  ") and mark in _STYLES:
            coloured.append(line, style=_STYLES[mark])
        elif line.startswith(" "):
            coloured.append(line, style="dim" if line.startswith(" " * 8) else "")
        else:
            coloured.append(line, style="bold")
    return coloured
