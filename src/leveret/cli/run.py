"""`leveret run`: publish a file of messages through a topology and show where they went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from leveret.cli.message_input import MESSAGES_FILE, opened_messages, read_items
from leveret.cli.messages import BadLine
from leveret.cli.screen import show_faults, show_json, show_report, show_route
from leveret.cli.topologies import TOPOLOGY_FILE, open_broker_or_exit

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["run"]


@click.command()
@click.argument("file", type=TOPOLOGY_FILE)
@click.option(
    "--messages",
    "-m",
    "messages",
    metavar="MESSAGES.jsonl",
    required=True,
    type=MESSAGES_FILE,
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
    with opened_messages(messages) as (stream, name):
        for item in read_items(stream, name, with_bar=not trace):
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
