"""A channel that tells the broker's events of every message it publishes, delivers and settles.

The plain channel tells nothing of what happens a million times a second. Who wants to follow each
message, as tests and RabbitMQ's firehose do, sets `Connection.channel_type` to this one before
channels are opened. Its events, with the `Message` object that went into the queue under `message`
(a dead letter's is told by `message.dead_lettered`, under `dead`):

- `message.published`: `targets` (names of queues), `mandatory`, `transaction`, `sequence` (of a
  confirm, or 0), `channel`
- `message.committed`: `targets`, of a message that was published in a transaction
- `message.refused`: `queue`, whose limit refused it
- `message.delivered`: `queue`, `consumer_tag` ("" for basic.get), `delivery_tag`, `redelivered`,
  `no_ack`, `channel`
- `message.acked`, `message.requeued`: `queue`, `reason`, `channel`
- `message.confirmed`: `sequence`, `taken`, `channel`
- `queue.purged`: `name`
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leveret.engine.channel import Channel
from leveret.engine.delays import queues_of
from leveret.engine.replies import PSEUDO_QUEUE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from leveret.engine.delays import Target
    from leveret.engine.methods import QueuePurgeOk
    from leveret.engine.transactions import Settlement
    from leveret.queues import AnyMessage, Consumer, Queue, QueuedMessage

__all__ = ["TracedChannel"]


class TracedChannel(Channel):
    """A channel whose messages can be followed through the broker's events."""

    __slots__ = ()

    takes_runs = False

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._answers = True

    def _tell(self, event: str, **fields: Any) -> None:
        self._host.emit(event, channel=self, **fields)

    def held(self) -> list[QueuedMessage]:
        """Return what the channel has not settled, in the order of delivery tags."""
        unacked = self._unacked if self._tx is None else self._tx.restore(self._unacked)
        return list(unacked.values())

    # -- publishing

    def _publish_answered(
        self, message: AnyMessage, targets: tuple[Target, ...], mandatory: bool
    ) -> None:
        self._tell(
            "message.published",
            message=message,
            targets=[queue.name for queue in queues_of(targets)],
            mandatory=mandatory,
            transaction=self._tx is not None,
            sequence=self._publish_seq,
        )
        super()._publish_answered(message, targets, mandatory)

    def deliver_to(self, message: AnyMessage, targets: tuple[Target, ...], mandatory: bool) -> bool:
        """Do as a plain channel does, and tell which queue refused."""
        if self._tx is not None:
            names = [queue.name for queue in queues_of(targets)]
            self._tell("message.committed", message=message, targets=names)
        refusing = [queue for queue in queues_of(targets) if queue.settings.overflow != "drop-head"]
        before = [queue.statistics().refused for queue in refusing]
        taken = super().deliver_to(message, targets, mandatory)
        for queue, refused in zip(refusing, before, strict=True):
            if queue.statistics().refused > refused:
                self._tell("message.refused", message=message, queue=queue.name)
        return taken

    def flush_confirms(self) -> None:
        """Do as a plain channel does, and tell what was confirmed."""
        for sequence in self._confirmed:
            self._tell("message.confirmed", sequence=sequence, taken=True)
        for sequence in self._refused:
            self._tell("message.confirmed", sequence=sequence, taken=False)
        super().flush_confirms()

    # -- consuming

    def take(self, queue: str, auto_ack: bool = False) -> tuple[int, bool, AnyMessage, int] | None:
        """Do as a plain channel does, and tell what was taken."""
        taken = super().take(queue, auto_ack)
        if taken is not None:
            tag, redelivered, message, _ = taken
            if not auto_ack:
                message = self._unacked[tag].message  # a quorum queue adds a header to a copy
            name = self.expand_queue_name(queue)
            self._tell_delivered(message, name, "", tag, redelivered, no_ack=auto_ack)
        return taken

    def receive(self, consumer: Consumer, entry: QueuedMessage) -> None:
        """Do as a plain channel does, and tell what was delivered."""
        self._tell_delivered(
            entry.message,
            entry.queue.name,
            consumer.tag,
            self._next_tag,
            entry.redelivered,
            no_ack=consumer.no_ack,
        )
        super().receive(consumer, entry)

    def pass_on(self, consumer: Consumer, message: AnyMessage) -> None:
        """Do as a plain channel does, and tell what was delivered."""
        name = consumer.queue.name
        self._tell_delivered(message, name, consumer.tag, self._next_tag, False, no_ack=True)
        super().pass_on(consumer, message)

    def _replied(self, tag: str, message: AnyMessage) -> None:
        self._tell_delivered(message, PSEUDO_QUEUE, tag, self._next_tag, False, no_ack=True)
        super()._replied(tag, message)

    def _tell_delivered(
        self,
        message: AnyMessage,
        queue: str,
        consumer_tag: str,
        delivery_tag: int,
        redelivered: bool,
        *,
        no_ack: bool,
    ) -> None:
        self._tell(
            "message.delivered",
            message=message,
            queue=queue,
            consumer_tag=consumer_tag,
            delivery_tag=delivery_tag,
            redelivered=redelivered,
            no_ack=no_ack,
        )

    # -- settling

    def basic_ack(self, delivery_tag: int = 0, multiple: bool = False) -> None:
        """Do as a plain channel does, and tell what was acknowledged."""
        if not multiple and self._tx is None and delivery_tag in self._unacked:
            self._tell_settled("message.acked", [self._unacked[delivery_tag]], "ack")
        super().basic_ack(delivery_tag, multiple)

    def settle_entries(self, how: Settlement, entries: Mapping[int, QueuedMessage]) -> None:
        """Do as a plain channel does, and tell what was settled; the queue tells of rejects."""
        if how == "ack":
            self._tell_settled("message.acked", entries.values(), how)
        elif how != "reject":
            self._tell_settled("message.requeued", entries.values(), how)
        super().settle_entries(how, entries)

    def _tell_settled(self, event: str, entries: Iterable[QueuedMessage], reason: str) -> None:
        for entry in entries:
            if not entry.queue.deleted:
                self._tell(event, message=entry.message, queue=entry.queue.name, reason=reason)

    def leave_queues(self) -> dict[Queue, list[QueuedMessage]]:
        """Do as a plain channel does, and tell what returns to its queue."""
        self._tell_settled("message.requeued", self.held(), "channel closed")
        return super().leave_queues()

    def queue_purge(self, queue: str) -> QueuePurgeOk:
        """Do as a plain channel does, and tell that the queue is empty now."""
        purged = super().queue_purge(queue)
        self._tell("queue.purged", name=self.expand_queue_name(queue))
        return purged
