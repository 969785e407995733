"""`leveret export`: a topology file as RabbitMQ's definitions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from leveret.cli.output import OUTPUT, load_or_exit, note, write_output
from leveret.cli.topologies import TOPOLOGY_FILE

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["export"]


@click.command()
@click.argument("file", type=TOPOLOGY_FILE)
@OUTPUT
def export(file: Path, output: Path | None) -> None:
    """Write a topology FILE as RabbitMQ's definitions, JSON that it imports.

    What definitions have no words for, such as expectations, is named on standard error.
    """
    from leveret.config.definitions_out import to_definitions, unsaid_in_definitions

    topology = load_or_exit(file)
    definitions = to_definitions(topology)
    write_output(json.dumps(definitions, indent=2, ensure_ascii=False) + "\n", output)
    note(f"not in the definitions: {line}" for line in unsaid_in_definitions(topology))
