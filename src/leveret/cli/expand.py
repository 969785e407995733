"""`leveret expand`: a topology file with everything spelled out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from leveret.cli.collector import without_collector
from leveret.cli.output import OUTPUT, write_output
from leveret.cli.screen import printable, show_error, show_faults
from leveret.cli.topologies import TOPOLOGY_FILE, CannotRead
from leveret.cli.waiting import Waiting
from leveret.errors import TopologyError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["expand"]


@click.command()
@click.argument("file", type=TOPOLOGY_FILE)
@OUTPUT
@click.option("--json", "as_json", is_flag=True, help="Print JSON, which is a topology file too.")
@click.option("--no-comments", is_flag=True, help="Do not say which short form made an object.")
@click.pass_context
def expand(
    context: click.Context, file: Path, output: Path | None, as_json: bool, no_comments: bool
) -> None:
    """Show a topology FILE with everything spelled out, in RabbitMQ's own words.

    What a short form stands for, defaults, included files and the environment are put in;
    passwords are not shown.
    """
    from leveret.config import load
    from leveret.config.expand import expand_to_json

    try:
        with Waiting(f"expanding {printable(file.name)}"), without_collector():
            topology = load(file)
            text = (
                expand_to_json(topology) if as_json else topology.expand(comments=not no_comments)
            )
    except OSError as error:
        raise CannotRead(str(file), error) from error
    except TopologyError as error:
        show_faults(error.faults)
        context.exit(1)
    except ValueError:
        show_error("JSON has no infinite numbers", "Leave out --json: YAML has them.")
        context.exit(1)
    write_output(text, output)
