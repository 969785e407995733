"""`leveret export`: a topology file as RabbitMQ's definitions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from leveret.cli.collector import without_collector
from leveret.cli.output import OUTPUT, load_or_exit, note, write_output
from leveret.cli.screen import printable, show_error
from leveret.cli.topologies import TOPOLOGY_FILE
from leveret.cli.waiting import Waiting

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["export"]


@click.command()
@click.argument("file", type=TOPOLOGY_FILE)
@OUTPUT
@click.pass_context
def export(context: click.Context, file: Path, output: Path | None) -> None:
    """Write a topology FILE as RabbitMQ's definitions, JSON that it imports.

    What definitions have no words for, such as expectations, is named on standard error.
    """
    from leveret.config.definitions_out import to_definitions, unsaid_in_definitions

    topology = load_or_exit(file)
    with Waiting(f"exporting {printable(file.name)}"), without_collector():
        definitions = to_definitions(topology)
    try:
        text = json.dumps(definitions, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError:
        show_error(
            "JSON has no infinite numbers, and an argument of this topology is one",
            "Write a finite number.",
        )
        context.exit(1)
    write_output(text + "\n", output)
    note(f"not in the definitions: {line}" for line in unsaid_in_definitions(topology))
