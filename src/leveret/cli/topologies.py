"""Reads the topology file that a command names, with a kind word when that does not work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from leveret.cli.screen import show_faults
from leveret.errors import TopologyError

if TYPE_CHECKING:
    from leveret.broker import Broker
    from leveret.config import Topology

__all__ = [
    "TOPOLOGY_FILE",
    "CannotRead",
    "declare_or_exit",
    "open_broker",
    "open_broker_or_exit",
]

#: A readable file; anything else is a mistake in the command, exit status 2.
TOPOLOGY_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)

_SEED = 1


class CannotRead(click.ClickException):
    """A file that could not be read: exit status 2, as for a mistake in the command."""

    exit_code = 2

    def __init__(self, file: str, error: OSError) -> None:
        super().__init__(f"cannot read {file}: {(error.strerror or str(error)).lower()}")


def open_broker(file: Path) -> tuple[Broker, Topology]:
    """Return a broker with the topology of `file` declared, and that topology.

    The broker stands on a clock that nobody moves, so that nothing expires while a command runs,
    and its chance is the same in every run.

    Raises:
        TopologyError: the file has faults, or declares what the broker refuses.
        CannotRead: the system would not let the file be read.

    """
    from leveret.config import load

    try:
        topology = load(file)
    except OSError as error:
        raise CannotRead(str(file), error) from error
    return _declare(topology), topology


def open_broker_or_exit(file: Path) -> tuple[Broker, Topology]:
    """Do as `open_broker`; print the faults of a bad file and end with exit status 1."""
    try:
        return open_broker(file)
    except TopologyError as error:
        show_faults(error.faults)
        raise click.exceptions.Exit(1) from None


def declare_or_exit(topology: Topology) -> Broker:
    """Return a broker with a topology declared; print what it refuses and end with status 1."""
    try:
        return _declare(topology)
    except TopologyError as error:
        show_faults(error.faults)
        raise click.exceptions.Exit(1) from None


def _declare(topology: Topology) -> Broker:
    from leveret.broker import Broker
    from leveret.clock import ManualClock

    return Broker.from_topology(topology, clock=ManualClock(), seed=_SEED)
