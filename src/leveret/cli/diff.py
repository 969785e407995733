"""`leveret diff`: what it takes to make one topology of another."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leveret.cli.collector import without_collector
from leveret.cli.output import load_or_exit, write_output
from leveret.cli.screen import show, show_error, show_json
from leveret.cli.waiting import Waiting

if TYPE_CHECKING:
    from rich.text import Text

    from leveret.config import Topology
    from leveret.config.draw import Format

__all__ = ["diff"]

# the mark of an object in the text of a difference -> its style
_STYLES = {"+": "green", "~": "cyan", "!": "bold red", "±": "yellow", "-": "magenta"}


class _Side(click.Path):
    """A readable file; a broker's address is told what to do instead."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | os.PathLike[str]:
        if re.match(r"(amqps?|https?)://", os.fspath(value)):
            self.fail(
                "a broker's address cannot be compared yet. Save its definitions (rabbitmqctl"
                " export_definitions FILE, or GET /api/definitions) and name that file.",
                param,
                ctx,
            )
        return super().convert(value, param, ctx)


_SIDE = _Side(exists=True, dir_okay=False, readable=True, path_type=Path)


@click.command()
@click.argument("wanted", metavar="A", type=_SIDE)
@click.argument("present", metavar="B", type=_SIDE)
@click.option("--json", "as_json", is_flag=True, help="Print the difference as JSON.")
@click.option(
    "--draw",
    "picture",
    metavar="PICTURE",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Draw it too, into a file that ends in .mmd, .dot, .svg or .png.",
)
@click.pass_context
def diff(
    context: click.Context, wanted: Path, present: Path, as_json: bool, picture: Path | None
) -> None:
    """Show what it takes to make B, which is there, into A, which is wanted.

    Each of them is a topology file or RabbitMQ's definitions.

    Exit status: 0 when there is no difference, 1 when there is one, 2 when a file is no good.
    """
    from leveret.config.draw import format_of

    format_ = None if picture is None else format_of(picture.name)
    if picture is not None and format_ is None:
        raise click.BadParameter(f"'{picture}' ends in no known format", param_hint="--draw")
    sides = load_or_exit(wanted, status=2), load_or_exit(present, status=2)
    with Waiting("comparing"), without_collector():
        difference = sides[0].diff(sides[1])
        text = "" if as_json else str(difference)
    if as_json:
        show_json(difference.to_dict())
    elif sys.stdout.isatty():
        show(_coloured(text))
    else:
        click.echo(text)
    if format_ is not None:
        _draw(context, sides, format_, picture)
    context.exit(1 if difference else 0)


def _draw(
    context: click.Context,
    sides: tuple[Topology, Topology],
    format_: Format,
    picture: Path | None,
) -> None:
    from leveret.config.draw import draw_difference
    from leveret.config.draw_parts import TooLargeToDrawError

    try:
        with Waiting("drawing"), without_collector():
            drawn = draw_difference(*sides, format_)
        write_output(drawn, picture)
    except TooLargeToDrawError as error:
        show_error(str(error))
    except ModuleNotFoundError as error:
        show_error(
            f"{format_} needs {error.name}", "Install leveret with its extra: leveret[draw]."
        )
        context.exit(2)


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
