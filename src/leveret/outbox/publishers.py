"""To whom a relay publishes: a service, RabbitMQ by way of pika, or any function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from leveret.outbox.rows import OutboxMessage
from leveret.properties import Properties

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel

__all__ = ["Publish", "PublishAsync", "Publisher", "pika_publish", "publish_by"]

#: Publishes a message, and returns once it is confirmed; raises where it is not.
Publish: TypeAlias = Callable[[OutboxMessage], object]
#: The same for asyncio.
PublishAsync: TypeAlias = Callable[[OutboxMessage], Awaitable[object]]


class Publisher(Protocol):
    """What `leveret.open` and `leveret.aio.open` return: its `publish` waits for the confirm."""

    def publish(
        self,
        exchange: str,
        routing_key: str,
        body: Any,
        *,
        headers: Any,
        properties: Properties,
    ) -> Any:
        """Publish a message."""
        ...


def publish_by(publisher: Publisher | Publish | PublishAsync) -> Callable[[OutboxMessage], Any]:
    """Return a function that publishes: what was given, or by the service that was given."""
    if not hasattr(publisher, "publish"):
        return cast("Callable[[OutboxMessage], Any]", publisher)
    service = cast("Publisher", publisher)

    def publish(message: OutboxMessage) -> Any:
        properties = Properties(
            message_id=message.message_id, content_type=message.content_type, delivery_mode=2
        )
        return service.publish(
            message.exchange,
            message.routing_key,
            message.body,
            headers=message.headers,
            properties=properties,
        )

    return publish


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
