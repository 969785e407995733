"""`leveret draw`: a topology as a picture."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from leveret.cli.collector import without_collector
from leveret.cli.output import OUTPUT, load_or_exit, write_output
from leveret.cli.screen import printable, show_error
from leveret.cli.topologies import TOPOLOGY_FILE
from leveret.cli.waiting import Waiting
from leveret.errors import AMQPError, TopologyError

if TYPE_CHECKING:
    from pathlib import Path

    from leveret.config import Topology
    from leveret.config.draw import Format
    from leveret.exchanges import RouteTrace

__all__ = ["draw"]

# `config.draw.FORMATS` by name: `--help` is not to wait for that module.
_FORMATS: tuple[Format, ...] = ("mermaid", "dot", "svg", "png")


@click.command()
@click.argument("file", type=TOPOLOGY_FILE)
@OUTPUT
@click.option(
    "--format",
    "-f",
    "format_",
    type=click.Choice(_FORMATS),
    help="The format; by default by the end of the output's name, or mermaid.",
)
@click.option(
    "--explain",
    "message",
    nargs=2,
    metavar="EXCHANGE KEY",
    help="Light the route of a message in the virtual host /.",
)
@click.option(
    "--only",
    "names",
    metavar="NAME",
    multiple=True,
    help="Draw only this exchange or queue, and its neighbours; * and ? stand for anything.",
)
@click.option("--group", is_flag=True, help="Draw names that begin alike as one box.")
@click.pass_context
def draw(
    context: click.Context,
    file: Path,
    output: Path | None,
    format_: Format | None,
    message: tuple[str, str] | None,
    names: tuple[str, ...],
    group: bool,
) -> None:
    """Draw a topology FILE, or RabbitMQ's definitions, as a picture.

    Mermaid and DOT are text. SVG and PNG need the extra leveret[draw].
    """
    from leveret.config.draw_parts import TooLargeToDrawError

    format_ = format_ or _format_of(output)
    if format_ == "png" and output is None and sys.stdout.isatty():
        raise click.UsageError("a PNG image is nothing for a terminal: name a file with -o")
    topology = load_or_exit(file)
    try:
        with Waiting(f"drawing {printable(file.name)}"), without_collector():
            route = None if message is None else _route(topology, *message)
            picture = topology.draw(format_, route=route, group=group, names=names)
    except TooLargeToDrawError as error:
        show_error(str(error))
        context.exit(1)
    except (AMQPError, TopologyError) as error:
        show_error(str(error))
        context.exit(1)
    except ModuleNotFoundError as error:
        show_error(
            f"{format_} needs {error.name}", "Install leveret with its extra: leveret[draw]."
        )
        context.exit(2)
    write_output(picture, output)


def _format_of(output: Path | None) -> Format:
    from leveret.config.draw import FORMATS, format_of

    if output is None:
        return "mermaid"
    if (format_ := format_of(output.name)) is not None:
        return format_
    known = ", ".join(ending for endings in FORMATS.values() for ending in endings)
    raise click.UsageError(f"which format is '{output}'? Name it with --format, or end in {known}")


def _route(topology: Topology, exchange: str, key: str) -> RouteTrace:
    from leveret.broker import Broker
    from leveret.clock import ManualClock

    return Broker.from_topology(topology, clock=ManualClock(), seed=1).explain(exchange, key)
