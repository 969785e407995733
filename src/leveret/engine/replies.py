"""Direct reply-to: replies that go straight to a waiting channel, through no queue (S116–S119).

A client consumes from the pseudo-queue `amq.rabbitmq.reply-to` and publishes requests with that
name as `reply_to`; the broker puts an address of the channel in its place, and a message published
to the default exchange with that address as routing key is delivered to the channel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.engine.ports import Random as RandomSource
    from leveret.queues import AnyMessage

__all__ = ["PSEUDO_QUEUE", "Replies", "ReplyConsumer"]

PSEUDO_QUEUE = "amq.rabbitmq.reply-to"
_PREFIX = PSEUDO_QUEUE + "."


@define(eq=False)
class ReplyConsumer:
    """A channel that waits for replies: its consumer tag and the address they come to."""

    tag: str
    address: str
    deliver: Callable[[str, AnyMessage], None]


@define(eq=False)
class Replies:
    """The reply consumers of a broker, by address."""

    _random: RandomSource
    # address -> who waits there
    _waiting: dict[str, ReplyConsumer] = field(factory=dict, init=False)

    def new_address(self) -> str:
        """Return an address that nobody can guess."""
        return f"{_PREFIX}{self._random.getrandbits(128):032x}"

    def add(self, consumer: ReplyConsumer) -> None:
        """Let a channel be reached."""
        self._waiting[consumer.address] = consumer

    def remove(self, consumer: ReplyConsumer) -> None:
        """Let a channel not be reached any more."""
        self._waiting.pop(consumer.address, None)

    def is_address(self, name: str) -> bool:
        """Say whether a name is that of a reply address, waited at or not."""
        return name.startswith(_PREFIX)

    def exists(self, name: str) -> bool:
        """Say whether somebody waits at an address (S118)."""
        return name == PSEUDO_QUEUE or name in self._waiting

    def deliver(self, message: AnyMessage) -> bool:
        """Deliver a message published to the default exchange, if its key is an address."""
        delivered = False
        for key in (message.routing_key, *message.extra_keys):
            consumer = self._waiting.get(key)
            if consumer is not None:
                consumer.deliver(consumer.tag, message)
                delivered = True
        return delivered
