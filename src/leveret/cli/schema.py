"""`leveret schema`: the JSON Schema of the topology file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from leveret.cli.output import OUTPUT, write_output

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["schema"]


@click.command()
@OUTPUT
def schema(output: Path | None) -> None:
    """Write the JSON Schema of topology files, by which editors complete and explain keys."""
    from leveret import config

    write_output(json.dumps(config.schema(), indent=2, ensure_ascii=False) + "\n", output)
