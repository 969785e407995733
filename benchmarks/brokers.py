"""Brokers to measure: one direct exchange, one queue, and what a benchmark adds to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import leveret

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from leveret.properties import FieldTable, Properties

__all__ = ["BODY", "EXCHANGE", "KEY", "QUEUE", "cycle", "fill", "open_channel"]

EXCHANGE, QUEUE, KEY = "orders", "billing", "order.created"
BODY = b"x" * 16


def open_channel(
    arguments: FieldTable | None = None, broker: leveret.Broker | None = None
) -> leveret.Channel:
    """Return a channel of a new broker, whose queue has these arguments."""
    channel = (broker or leveret.Broker()).channel()
    channel.exchange_declare(EXCHANGE, "direct")
    channel.queue_declare(QUEUE, durable=True, arguments=arguments)
    channel.queue_bind(QUEUE, EXCHANGE, KEY)
    return channel


def fill(channel: leveret.Channel, count: int, *, properties: Sequence[Properties] = ()) -> None:
    """Publish messages, with these properties in turn."""
    for number in range(count):
        chosen = properties[number % len(properties)] if properties else None
        channel.basic_publish(EXCHANGE, KEY, BODY, chosen)


def cycle(channel: leveret.Channel, count: int) -> Callable[[], None]:
    """Return the call that publishes, gets and acks `count` messages one by one."""

    def call() -> None:
        publish, get, ack = channel.basic_publish, channel.basic_get, channel.basic_ack
        for _ in range(count):
            publish(EXCHANGE, KEY, BODY)
            method, _, _ = get(QUEUE)
            assert method is not None
            ack(method.delivery_tag)

    return call
