"""`leveret check`: read topology files and report every fault in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from leveret.cli.report import fault_to_dict
from leveret.cli.screen import printable, show, show_faults, show_json
from leveret.cli.topologies import TOPOLOGY_FILE, open_broker
from leveret.errors import Fault, TopologyError

if TYPE_CHECKING:
    from pathlib import Path

    from leveret.config import Topology

__all__ = ["check"]


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=TOPOLOGY_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print the faults as JSON.")
@click.pass_context
def check(context: click.Context, files: tuple[Path, ...], as_json: bool) -> None:
    """Check topology files: every fault with its place and what to do.

    Exit status: 0 when no file has a fault, 1 when one has.
    """
    found: list[Fault] = []
    for file in files:
        try:
            _, topology = open_broker(file)
        except TopologyError as error:
            found.extend(error.faults)
            if not as_json:
                show_faults(error.faults)
        else:
            if not as_json:
                show(f"{printable(str(file))}: ok, {_contents(topology)}")
    if as_json:
        show_json([fault_to_dict(fault) for fault in found])
    context.exit(1 if found else 0)


def _contents(topology: Topology) -> str:
    hosts = topology.virtual_hosts.values()
    return ", ".join(
        (
            _counted(sum(len(host.exchanges) for host in hosts), "exchange"),
            _counted(sum(len(host.queues) for host in hosts), "queue"),
            _counted(sum(len(host.bindings) for host in hosts), "binding"),
        )
    )


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
