"""What the engine needs from outside, and where it tells what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from leveret.errors import AMQPError
    from leveret.queues import AnyMessage

__all__ = ["ChannelListener", "Random"]


class Random(Protocol):
    """Where chance comes from; a `random.Random` fits."""

    def randrange(self, stop: int, /) -> int:
        """Return a number from 0 to `stop - 1`."""
        ...

    def getrandbits(self, bits: int, /) -> int:
        """Return a number of that many random bits."""
        ...


class ChannelListener(Protocol):
    """Hears what a channel has to tell its client, in the order in which it happened.

    A listener notes down what it hears and returns; it must not call the broker from within.
    """

    def subscribed(self, consumer_tag: str) -> None:
        """Hear that basic.consume succeeded; its deliveries follow."""
        ...

    def delivered(
        self, consumer_tag: str, delivery_tag: int, redelivered: bool, message: AnyMessage
    ) -> None:
        """Hear of a message for a consumer: basic.deliver."""
        ...

    def returned(self, reply_code: int, reply_text: str, message: AnyMessage) -> None:
        """Hear of a mandatory message that reached no queue: basic.return."""
        ...

    def confirmed(self, delivery_tag: int, multiple: bool) -> None:
        """Hear that the broker took messages: basic.ack to a publisher."""
        ...

    def refused(self, delivery_tag: int, multiple: bool) -> None:
        """Hear that the broker did not take messages: basic.nack to a publisher."""
        ...

    def consumer_cancelled(self, consumer_tag: str) -> None:
        """Hear that the queue of a consumer is gone: basic.cancel."""
        ...

    def closed(self, error: AMQPError | None) -> None:
        """Hear that the channel is closed, for `error` or, where it is None, as was asked."""
        ...
