"""`leveret explain`: where one message would go, and why not elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from leveret.cli.fields import make_properties, nearest, short_string_fault
from leveret.cli.options import (
    refuse,
    with_message_options,
    written_headers,
    written_properties,
)
from leveret.cli.screen import show_error, show_route
from leveret.cli.topologies import TOPOLOGY_FILE, open_broker_or_exit
from leveret.errors import AMQPError, NotFound

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["explain"]


@click.command()
@click.argument("file", type=TOPOLOGY_FILE)
@click.argument("exchange")
@click.argument("key")
@with_message_options
@click.option("--json", "as_json", is_flag=True, help="Print the route as JSON.")
@click.pass_context
def explain(
    context: click.Context,
    file: Path,
    exchange: str,
    key: str,
    headers: tuple[str, ...],
    properties: tuple[str, ...],
    as_json: bool,
) -> None:
    """Explain where a message to EXCHANGE with the routing KEY goes, and why.

    EXCHANGE "" is the default exchange. Nothing is published. A message that reaches no queue
    is an answer too: exit status 0. Exit status 1 when RabbitMQ would refuse the message.
    """
    for name, value in (("exchange", exchange), ("key", key)):
        refuse(short_string_fault((name,), value))
    written = make_properties(written_headers(headers), written_properties(properties))
    broker, topology = open_broker_or_exit(file)
    try:
        # The broker is this command's own: it may have the message, to refuse it as RabbitMQ does.
        broker.channel().basic_publish(exchange, key, b"", written)
        trace = broker.explain(exchange, key, written)
    except AMQPError as error:
        known = topology.virtual_hosts["/"].exchanges
        remedy = nearest(exchange, known) if isinstance(error, NotFound) else ""
        show_error(f"{error.reply_code} {error.reply_text}", remedy)
        context.exit(1)
    if as_json:
        click.echo(trace.to_json(indent=2))
    else:
        show_route(str(trace))
