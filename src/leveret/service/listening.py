"""A channel's listener that hears nothing: the faces' own override what they listen to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leveret.errors import AMQPError
    from leveret.queues import AnyMessage, QueuedRun

__all__ = ["SilentListener"]


class SilentListener:
    """See `engine.ports.ChannelListener`."""

    def subscribed(self, consumer_tag: str) -> None:
        """Hear that basic.consume succeeded."""

    def delivered(
        self, consumer_tag: str, delivery_tag: int, redelivered: bool, message: AnyMessage
    ) -> None:
        """Hear of a message for a consumer."""

    def delivered_run(self, consumer_tag: str, first_tag: int, queued: QueuedRun) -> None:
        """Hear of messages in a row for a consumer."""
        for delivery_tag, entry in enumerate(queued.entries(), first_tag):
            self.delivered(consumer_tag, delivery_tag, False, entry.message)

    def returned(self, reply_code: int, reply_text: str, message: AnyMessage) -> None:
        """Hear of a mandatory message that reached no queue."""

    def confirmed(self, delivery_tag: int, multiple: bool) -> None:
        """Hear that the broker took messages."""

    def refused(self, delivery_tag: int, multiple: bool) -> None:
        """Hear that the broker did not take messages."""

    def expired(self, delivery_tag: int) -> None:
        """Hear that a delivery was taken back."""

    def consumer_cancelled(self, consumer_tag: str) -> None:
        """Hear that the queue of a consumer is gone."""

    def closed(self, error: AMQPError | None) -> None:
        """Hear that the channel is closed."""
