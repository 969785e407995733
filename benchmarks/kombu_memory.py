"""The peer for whole messages: kombu's `memory://` transport.

Two layers of it: its channel, with nothing above, which has the methods of a leveret channel; and
kombu's Producer and Queue on that channel, which is how kombu is used.
"""

from __future__ import annotations

import importlib
import itertools
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Side

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AVAILABLE", "CHANNEL", "PRODUCER", "consume_side", "cycle_sides", "open_channel"]

try:
    # Its functions are not typed; so imported, nobody expects them to be.
    _kombu: Any = importlib.import_module("kombu")
except ImportError:
    _kombu = None
AVAILABLE = _kombu is not None

CHANNEL, PRODUCER = "kombu memory, bare channel", "kombu memory, Producer and Queue"

# The transport's queues live as long as the process: every run takes a name of its own.
_serial = itertools.count()


def open_channel() -> tuple[Any, Any, str]:
    """Return connection, channel and the one name of exchange, queue and key."""
    connection = _kombu.Connection("memory://")
    channel = connection.channel()
    name = f"bench{next(_serial)}"
    channel.exchange_declare(name, "direct")
    channel.queue_declare(name)
    channel.queue_bind(name, name, name)
    return connection, channel, name


def cycle_sides(count: int, body: bytes) -> list[Side]:
    """Return the sides that publish, get and ack; none where kombu is not installed."""
    if not AVAILABLE:
        return []
    return [
        Side(CHANNEL, count, lambda: _channel_cycle(count, body)),
        Side(PRODUCER, count, lambda: _producer_cycle(count, body)),
    ]


def _channel_cycle(count: int, body: bytes) -> Callable[[], object]:
    _, channel, name = open_channel()

    def call() -> None:
        prepared, publish = channel.prepare_message, channel.basic_publish
        get, ack = channel.basic_get, channel.basic_ack
        for _ in range(count):
            publish(prepared(body), name, name)
            ack(get(name).delivery_tag)

    return call


def _producer_cycle(count: int, body: bytes) -> Callable[[], object]:
    _, channel, name = open_channel()
    producer = _kombu.Producer(channel)
    queue = _kombu.Queue(name, _kombu.Exchange(name, "direct"), name)(channel)

    def call() -> None:
        publish, get = producer.publish, queue.get
        for _ in range(count):
            publish(body, exchange=name, routing_key=name)
            get().ack()

    return call


def consume_side(count: int, body: bytes, prefetch: int) -> list[Side]:
    """Return the side that publishes and has a consumer ack; none where kombu is not installed."""

    def prepare() -> Callable[[], object]:
        connection, channel, name = open_channel()
        channel.basic_qos(0, prefetch, False)
        channel.basic_consume(
            name, False, lambda message: channel.basic_ack(message.delivery_tag), name
        )

        def call() -> None:
            prepared, publish, drain = (
                channel.prepare_message,
                channel.basic_publish,
                connection.drain_events,
            )
            for _ in range(count):
                publish(prepared(body), name, name)
                drain(timeout=1)

        return call

    return [Side("kombu memory, a waiting consumer", count, prepare)] if AVAILABLE else []
