"""`leveret publish`: publish a message, or a file of them, to a broker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from leveret.cli.client import broker_url, run_client
from leveret.cli.fields import make_properties, short_string_fault
from leveret.cli.message_input import MESSAGES_FILE, opened_messages, read_items
from leveret.cli.messages import BadLine, WrittenMessage
from leveret.cli.options import (
    refuse,
    with_message_options,
    written_headers,
    written_properties,
)
from leveret.cli.screen import show, show_faults, show_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aio_pika.abc import AbstractConnection

    from leveret.cli.publish_bulk import PublishReport

__all__ = ["publish"]


@click.command()
@click.argument("url", type=broker_url)
@click.argument("exchange", required=False)
@click.argument("key", required=False)
@click.argument("body", required=False)
@click.option(
    "--messages",
    "-m",
    "messages",
    metavar="MESSAGES.jsonl",
    type=MESSAGES_FILE,
    help="Publish these, one JSON object a line; - reads them from standard input.",
)
@with_message_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def publish(
    context: click.Context,
    url: str,
    exchange: str | None,
    key: str | None,
    body: str | None,
    messages: Path | None,
    headers: tuple[str, ...],
    properties: tuple[str, ...],
    as_json: bool,
) -> None:
    """Publish BODY to EXCHANGE with the routing KEY, or MESSAGES.jsonl, to the broker at URL.

    Every message is confirmed by the broker before the command ends. A message that reaches no
    queue is counted, and no error.

    Exit status: 0 when the broker took every message, 1 when it did not, 2 when it could not be
    reached.
    """
    if (messages is None) is (exchange is None):
        raise click.UsageError("give either EXCHANGE and KEY, or --messages")
    if messages is None:
        if exchange is None or key is None:
            raise click.UsageError('a KEY is missing; "" is the empty one')
        for name, value in (("exchange", exchange), ("key", key)):
            refuse(short_string_fault((name,), value))
        written = make_properties(written_headers(headers), written_properties(properties))
        one = WrittenMessage(
            "message", 1, _line(exchange, key), exchange, key, written, (body or "").encode()
        )
        report = run_client(url, lambda connection: _publish(connection, [one], as_json))
    elif headers or properties:
        raise click.UsageError("--header and --property are for one message, not for a file")
    else:
        with opened_messages(messages) as (stream, name):
            items = read_items(stream, name, with_bar=True)
            report = run_client(url, lambda connection: _publish(connection, items, as_json))
    if as_json:
        show_json(report.to_dict())
    else:
        show(_summary(report))
    context.exit(0 if report.all_taken else 1)


async def _publish(
    connection: AbstractConnection, items: Iterable[WrittenMessage | BadLine], as_json: bool
) -> PublishReport:
    from leveret.cli.publish_bulk import BulkPublisher, Stopped

    publisher = BulkPublisher(connection)
    try:
        for item in items:
            if isinstance(item, BadLine):
                publisher.skip(item)
            else:
                await publisher.publish(item)
    except Stopped:
        pass
    report = await publisher.finish()
    if not as_json:
        show_faults(report.faults)
    return report


def _line(exchange: str, key: str) -> str:
    """Return the line that a message from the command line would be, to place faults on it."""
    return json.dumps({"exchange": exchange, "routing_key": key}, ensure_ascii=False)


def _summary(report: PublishReport) -> str:
    text = (
        f"{report.lines:,} message{'' if report.lines == 1 else 's'}: {report.routed:,} routed,"
        f" {report.unroutable:,} unroutable, {report.refused:,} refused"
    )
    return f"{text}, {report.unanswered:,} unanswered" if report.unanswered else text
