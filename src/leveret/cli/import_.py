"""`leveret import`: RabbitMQ's definitions into a topology file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from leveret.cli.collector import without_collector
from leveret.cli.output import OUTPUT, note, write_output
from leveret.cli.screen import printable, show_faults
from leveret.cli.topologies import TOPOLOGY_FILE, CannotRead
from leveret.cli.waiting import Waiting
from leveret.errors import TopologyError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["import_"]


@click.command("import")
@click.argument("definitions", type=TOPOLOGY_FILE)
@OUTPUT
@click.pass_context
def import_(context: click.Context, definitions: Path, output: Path | None) -> None:
    """Write RabbitMQ's DEFINITIONS, as JSON, as a topology file.

    Nothing is lost: what the topology language cannot say is kept in the file's section
    'definitions', named on standard error, and given back by 'leveret export'.
    """
    from leveret.config.importing import import_definitions

    try:
        with Waiting(f"importing {printable(definitions.name)}"), without_collector():
            imported = import_definitions(definitions.read_bytes(), str(definitions))
    except OSError as error:
        raise CannotRead(str(definitions), error) from error
    except TopologyError as error:
        show_faults(error.faults)
        context.exit(1)
    write_output(imported.text, output)
    note(imported.notes)
