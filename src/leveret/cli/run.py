"""`leveret run`: publish a file of messages through a topology and show where they went."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from leveret.cli.messages import BadLine, WrittenMessage, read_messages
from leveret.cli.screen import show_faults, show_json, show_report, show_route
from leveret.cli.topologies import TOPOLOGY_FILE, CannotRead, open_broker_or_exit

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["run"]


@click.command()
@click.argument("file", type=TOPOLOGY_FILE)
@click.option(
    "--messages",
    "-m",
    "messages",
    metavar="MESSAGES.jsonl",
    required=True,
    type=click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True, path_type=Path),
    help="The messages, one JSON object a line; - reads them from standard input.",
)
@click.option("--trace", is_flag=True, help="Show the route of each message.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def run(context: click.Context, file: Path, messages: Path, trace: bool, as_json: bool) -> None:
    """Publish MESSAGES.jsonl through the topology in FILE and show what each queue holds.

    A line that is no message, or that RabbitMQ would refuse, is reported with its place; the
    rest still runs. Messages that reach no queue are part of the result.

    Exit status: 0 when every message was taken, 1 when one was not.
    """
    from leveret.cli.publisher import Publisher

    broker, topology = open_broker_or_exit(file)
    host = topology.virtual_hosts["/"]
    publisher = Publisher(broker, tuple(host.exchanges))
    traces: list[dict[str, Any]] = []
    with _opened(messages) as (stream, name):
        for item in _read(stream, name, with_bar=not trace):
            if isinstance(item, BadLine):
                publisher.refuse(item)
                show_faults(() if as_json else item.faults)
                continue
            refusal = publisher.publish(item)
            if refusal is not None:
                show_faults(() if as_json else (refusal,))
            elif trace:
                route = broker.explain(item.exchange, item.routing_key, item.properties)
                if as_json:
                    traces.append({"line": item.line} | route.to_dict())
                else:
                    show_route(str(route), f"{name}:{item.line}")
    report = publisher.report(tuple(host.queues))
    if as_json:
        show_json(report.to_dict() | ({"traces": traces} if trace else {}))
    else:
        show_report(report)
    context.exit(1 if report.refused else 0)


@contextlib.contextmanager
def _opened(messages: Path) -> Iterator[tuple[IO[bytes], str]]:
    """Open the messages; yield the stream and what faults call it."""
    if messages == Path("-"):
        yield sys.stdin.buffer, "<stdin>"
        return
    try:
        stream = messages.open("rb")
    except OSError as error:
        raise CannotRead(str(messages), error) from error
    with stream:
        yield stream, str(messages)


def _read(stream: IO[bytes], name: str, *, with_bar: bool) -> Iterator[WrittenMessage | BadLine]:
    """Yield what stands on each line that is not blank, with a progress bar on a long input.

    `with_bar=False` leaves the bar out: routes that scroll by show the progress themselves.
    """
    from leveret.cli.progress import Progress

    progress = Progress(_size(stream))
    try:
        for size, item in read_messages(stream, name):
            if with_bar:
                progress.advance(size)
            if item is not None:
                yield item
    except OSError as error:
        raise CannotRead(name, error) from error
    finally:
        progress.stop()


def _size(stream: IO[bytes]) -> int | None:
    """Return the size of a regular file in bytes; None for a pipe or a terminal."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
