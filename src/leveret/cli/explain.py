"""`leveret explain`: what a queue gets, what an exchange does, where a message goes and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from leveret.cli.collector import without_collector
from leveret.cli.fields import make_properties, nearest, short_string_fault
from leveret.cli.options import (
    refuse,
    with_message_options,
    written_headers,
    written_properties,
)
from leveret.cli.output import load_or_exit
from leveret.cli.screen import printable, show_error, show_explanation, show_route
from leveret.cli.topologies import TOPOLOGY_FILE, declare_or_exit
from leveret.cli.waiting import Waiting
from leveret.errors import AMQPError, NotFound

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Literal

    from leveret.config import Topology
    from leveret.properties import Properties

__all__ = ["explain"]


@click.command()
@click.argument("file", type=TOPOLOGY_FILE)
@click.argument("name")
@click.argument("key", required=False)
@with_message_options
@click.option("--queue", "kind", flag_value="queue", help="NAME is a queue.")
@click.option("--exchange", "kind", flag_value="exchange", help="NAME is an exchange.")
@click.option(
    "--with", "other", metavar="QUEUE", help="Can one message reach the queue NAME and this one?"
)
@click.option(
    "--vhost", metavar="NAME", default="/", show_default=True, help="The virtual host to look at."
)
@click.option("--json", "as_json", is_flag=True, help="Print the explanation as JSON.")
@click.pass_context
def explain(
    context: click.Context,
    file: Path,
    name: str,
    key: str | None,
    headers: tuple[str, ...],
    properties: tuple[str, ...],
    kind: Literal["queue", "exchange"] | None,
    other: str | None,
    vhost: str,
    as_json: bool,
) -> None:
    """Explain the queue or exchange NAME, or where a message with the routing KEY goes.

    Of a queue: what can reach it, and what becomes of it there. Of an exchange: who gets what, and
    which keys nobody takes. With KEY, a message to the exchange NAME: where it goes, and why not
    elsewhere. NAME "" is the default exchange. Nothing is published.

    FILE is a topology file or RabbitMQ's definitions.

    Exit status 1: there is no such name, or RabbitMQ would refuse the message. A message that
    reaches no queue is an answer too: exit status 0.
    """
    for word, value in (("name", name), ("key", key or ""), ("--with", other or "")):
        refuse(short_string_fault((word,), value))
    if key is None and (headers or properties):
        raise click.UsageError("--header and --property belong to a message: give its KEY too.")
    if other is not None and (key is not None or kind == "exchange"):
        raise click.UsageError("--with compares two queues: name one before it, without KEY.")
    if key is not None and kind == "queue":
        raise click.UsageError('A message to a queue goes to the exchange "" with its name as KEY.')
    message = make_properties(written_headers(headers), written_properties(properties))
    topology = load_or_exit(file)
    if key is not None:
        _message(context, topology, vhost, (name, key, message), as_json=as_json)
        return
    _object(context, topology, vhost, (name, kind, other), as_json=as_json)


def _object(
    context: click.Context,
    topology: Topology,
    vhost: str,
    asked: tuple[str, Literal["queue", "exchange"] | None, str | None],
    *,
    as_json: bool,
) -> None:
    from leveret.config import AmbiguousNameError, UnknownNameError

    name, kind, other = asked
    try:
        with Waiting(f"explaining {printable(name)}"), without_collector():
            explained = (
                topology.explain(name, kind=kind, virtual_host=vhost)
                if other is None
                else topology.explain_pair(name, other, virtual_host=vhost)
            )
    except UnknownNameError as error:
        show_error(str(error), error.remedy)
        context.exit(1)
    except AmbiguousNameError as error:
        raise click.UsageError(f"{error}: say --queue or --exchange.") from None
    if as_json:
        click.echo(explained.to_json(indent=2))
    else:
        show_explanation(str(explained))


def _message(
    context: click.Context,
    topology: Topology,
    vhost: str,
    message: tuple[str, str, Properties | None],
    *,
    as_json: bool,
) -> None:
    exchange, key, properties = message
    if vhost not in topology.virtual_hosts:
        show_error(f"no virtual host {vhost!r}", nearest(vhost, topology.virtual_hosts))
        context.exit(1)
    broker = declare_or_exit(topology)
    try:
        # The broker is this command's own: it may have the message, to refuse it as RabbitMQ does.
        broker.channel(vhost).basic_publish(exchange, key, b"", properties)
        trace = broker.explain(exchange, key, properties, vhost)
    except AMQPError as error:
        known = topology.virtual_hosts[vhost].exchanges
        remedy = nearest(exchange, known) if isinstance(error, NotFound) else ""
        show_error(f"{error.reply_code} {error.reply_text}", remedy)
        context.exit(1)
    if as_json:
        click.echo(trace.to_json(indent=2))
    else:
        show_route(str(trace))
