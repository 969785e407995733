"""What commands that make a file share: where it is written, and how either kind is read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from leveret.cli.collector import without_collector
from leveret.cli.screen import printable, show_faults
from leveret.cli.waiting import Waiting
from leveret.errors import TopologyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from leveret.config import Topology

__all__ = ["OUTPUT", "CannotWrite", "load_or_exit", "note", "write_output"]

#: `-o FILE`: a path that may not exist yet.
OUTPUT: Callable[..., Callable[..., object]] = click.option(
    "--output",
    "-o",
    metavar="FILE",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write to FILE instead of standard output.",
)


class CannotWrite(click.ClickException):
    """A file that could not be written: exit status 2, as for a mistake in the command."""

    exit_code = 2

    def __init__(self, file: Path, error: OSError) -> None:
        super().__init__(f"cannot write {file}: {(error.strerror or str(error)).lower()}")


def load_or_exit(file: Path, status: int = 1) -> Topology:
    """Read a topology file or a definitions file; print the faults of a bad one and end."""
    from leveret.config.anyfile import load_any

    try:
        with Waiting(f"reading {printable(file.name)}"), without_collector():
            return load_any(file)
    except TopologyError as error:
        show_faults(error.faults)
        raise click.exceptions.Exit(status) from None


def write_output(content: str | bytes, output: Path | None) -> None:
    """Write text, in UTF-8, or bytes to a file, or to standard output where none is named.

    Raises:
        click.ClickException: the file cannot be written; exit status 2.

    """
    if output is None:
        click.echo(content, nl=False)
        return
    data = content.encode() if isinstance(content, str) else content
    try:
        output.write_bytes(data)
    except OSError as error:
        raise CannotWrite(output, error) from error


def note(lines: Iterable[str]) -> None:
    """Print remarks to stderr, a line each."""
    for line in lines:
        click.echo(f"note: {printable(line)}", err=True)
