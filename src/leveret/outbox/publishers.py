"""To whom a relay publishes: any function; one is here for RabbitMQ by way of pika."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from leveret.outbox.rows import OutboxMessage

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel

__all__ = ["Publish", "PublishAsync", "pika_publish"]

#: Publishes a message, and returns once it is confirmed; raises where it is not.
Publish: TypeAlias = Callable[[OutboxMessage], object]
#: The same for asyncio.
PublishAsync: TypeAlias = Callable[[OutboxMessage], Awaitable[object]]


def pika_publish(channel: BlockingChannel, *, mandatory: bool = True) -> Publish:
    """Return a function that publishes on a channel of pika's BlockingConnection, with confirms.

    So an outbox reaches a RabbitMQ. With `mandatory`, a message that no queue takes counts as
    failed. The channel belongs to the thread of the relay from now on.
    """
    import pika

    channel.confirm_delivery()

    def publish(message: OutboxMessage) -> None:
        properties = pika.BasicProperties(
            message_id=message.message_id,
            content_type=message.content_type,
            headers=message.headers,
            delivery_mode=2,
        )
        channel.basic_publish(
            message.exchange, message.routing_key, message.body, properties, mandatory
        )

    return publish
