"""AMQP's methods: their class and method ids, and the answers that channel methods return.

Answers carry the fields of their AMQP method under pika's names.
"""

from __future__ import annotations

from typing import Self

from attrs import define, frozen

__all__ = [
    "Deliver",
    "GetOk",
    "Method",
    "QueueDeclareOk",
    "QueueDeleteOk",
    "QueuePurgeOk",
    "Return",
]


@frozen
class Method:
    """One AMQP method: what an error says it was caused by."""

    class_id: int
    method_id: int
    name: str


CHANNEL_FLOW = Method(20, 20, "channel.flow")
EXCHANGE_DECLARE = Method(40, 10, "exchange.declare")
EXCHANGE_DELETE = Method(40, 20, "exchange.delete")
EXCHANGE_BIND = Method(40, 30, "exchange.bind")
EXCHANGE_UNBIND = Method(40, 40, "exchange.unbind")
QUEUE_DECLARE = Method(50, 10, "queue.declare")
QUEUE_BIND = Method(50, 20, "queue.bind")
QUEUE_PURGE = Method(50, 30, "queue.purge")
QUEUE_DELETE = Method(50, 40, "queue.delete")
QUEUE_UNBIND = Method(50, 50, "queue.unbind")
BASIC_QOS = Method(60, 10, "basic.qos")
BASIC_CONSUME = Method(60, 20, "basic.consume")
BASIC_CANCEL = Method(60, 30, "basic.cancel")
BASIC_PUBLISH = Method(60, 40, "basic.publish")
BASIC_GET = Method(60, 70, "basic.get")
BASIC_ACK = Method(60, 80, "basic.ack")
BASIC_REJECT = Method(60, 90, "basic.reject")
BASIC_RECOVER = Method(60, 110, "basic.recover")
BASIC_NACK = Method(60, 120, "basic.nack")
CONFIRM_SELECT = Method(85, 10, "confirm.select")
TX_SELECT = Method(90, 10, "tx.select")
TX_COMMIT = Method(90, 20, "tx.commit")
TX_ROLLBACK = Method(90, 30, "tx.rollback")


@define
class GetOk:
    """basic.get-ok. `message_count` is what is ready after this message (S85)."""

    delivery_tag: int
    redelivered: bool
    exchange: str
    routing_key: str
    message_count: int


@define
class Deliver:
    """basic.deliver."""

    consumer_tag: str
    delivery_tag: int
    redelivered: bool
    exchange: str
    routing_key: str


@define
class Return:
    """basic.return."""

    reply_code: int
    reply_text: str
    exchange: str
    routing_key: str


class _Answer:
    """pika wraps an answer in a frame with a `method`; code written for it finds that here too."""

    __slots__ = ()

    @property
    def method(self) -> Self:
        """The answer itself."""
        return self


@frozen
class QueueDeclareOk(_Answer):
    """queue.declare-ok: the name, ready messages and consumers (S6)."""

    queue: str
    message_count: int
    consumer_count: int


@frozen
class QueueDeleteOk(_Answer):
    """queue.delete-ok: how many messages were ready."""

    message_count: int


@frozen
class QueuePurgeOk(_Answer):
    """queue.purge-ok: how many messages were ready."""

    message_count: int
