"""The command group: what `leveret --help` shows, and what every command shares."""

from __future__ import annotations

import contextlib
import io
import sys

import click

from leveret.cli.check import check
from leveret.cli.consume import consume
from leveret.cli.diff import diff
from leveret.cli.draw import draw
from leveret.cli.expand import expand
from leveret.cli.explain import explain
from leveret.cli.export import export
from leveret.cli.fmt import fmt
from leveret.cli.get import get
from leveret.cli.import_ import import_
from leveret.cli.publish import publish
from leveret.cli.run import run
from leveret.cli.schema import schema
from leveret.cli.serve import serve
from leveret.cli.storage import storage
from leveret.cli.top import top

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="leveret", message="%(prog)s %(version)s")
def main() -> None:
    """Try RabbitMQ topologies without RabbitMQ.

    Exit status: 0 when all is well, 1 when something was found wrong, 2 when the command
    itself could not be understood or a file could not be read.
    """
    # Names from a file may hold any character; a terminal that cannot show one is told its code.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(OSError):
                stream.reconfigure(errors="backslashreplace")


main.add_command(check)
main.add_command(consume)
main.add_command(diff)
main.add_command(draw)
main.add_command(expand)
main.add_command(explain)
main.add_command(export)
main.add_command(fmt)
main.add_command(get)
main.add_command(import_)
main.add_command(publish)
main.add_command(run)
main.add_command(schema)
main.add_command(serve)
main.add_command(storage)
main.add_command(top)
