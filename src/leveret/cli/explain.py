"""`leveret explain`: where one message would go, and why not elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from leveret.cli.fields import (
    INTEGER_PROPERTIES,
    FieldFault,
    header_faults,
    header_value,
    make_properties,
    nearest,
    property_fault,
    short_string_fault,
)
from leveret.cli.screen import show_error, show_route
from leveret.cli.topologies import TOPOLOGY_FILE, open_broker_or_exit
from leveret.errors import AMQPError, NotFound

if TYPE_CHECKING:
    from pathlib import Path

    from leveret.properties import FieldValue

__all__ = ["explain"]


@click.command()
@click.argument("file", type=TOPOLOGY_FILE)
@click.argument("exchange")
@click.argument("key")
@click.option(
    "--header",
    "headers",
    metavar="NAME=VALUE",
    multiple=True,
    help="A header; the value is read as YAML: total=5 is a number, total=\"'5'\" is text.",
)
@click.option(
    "--property",
    "properties",
    metavar="NAME=VALUE",
    multiple=True,
    help="A property, such as priority=5 or message_id=a7.",
)
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
        _refuse(short_string_fault((name,), value))
    written = make_properties(_headers(headers), _properties(properties))
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


def _headers(pairs: tuple[str, ...]) -> dict[str, FieldValue] | None:
    headers: dict[str, FieldValue] = {}
    for name, text in _split(pairs, "--header"):
        try:
            headers[name] = header_value(text)
        except ValueError as error:
            raise click.BadParameter(f"{name}: {error}", param_hint="--header") from None
    for fault in header_faults(("headers",), headers):
        _refuse(fault)
    return headers or None


def _properties(pairs: tuple[str, ...]) -> dict[str, int | str]:
    properties: dict[str, int | str] = {}
    for name, text in _split(pairs, "--property"):
        value: int | str = text
        if name in INTEGER_PROPERTIES and text.lstrip("-").isdecimal():
            value = int(text)
        _refuse(property_fault((name,), value))
        properties[name] = value
    return properties


def _split(pairs: tuple[str, ...], option: str) -> list[tuple[str, str]]:
    split = [pair.partition("=") for pair in pairs]
    for pair, (name, equals, _) in zip(pairs, split, strict=True):
        if not name or not equals:
            raise click.BadParameter(f"'{pair}' is not NAME=VALUE", param_hint=option)
    return [(name, value) for name, _, value in split]


def _refuse(fault: FieldFault | None) -> None:
    if fault is not None:
        raise click.UsageError(f"{fault.message}: {fault.remedy}")
