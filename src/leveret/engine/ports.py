"""What the engine needs from outside, and where it tells what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leveret.errors import AMQPError
    from leveret.properties import FieldValue
    from leveret.queues import AnyMessage, QueuedRun, QueueJournal
    from leveret.queues.stream_log import StreamStore

__all__ = ["AwaitsDurability", "ChannelListener", "Journal", "Random"]


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

    def delivered_run(self, consumer_tag: str, first_tag: int, queued: QueuedRun) -> None:
        """Hear of messages in a row for a consumer, with tags in a row: none is redelivered."""
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

    def expired(self, delivery_tag: int) -> None:
        """Hear that a delivery was taken back: its visibility timeout is over."""
        ...

    def consumer_cancelled(self, consumer_tag: str) -> None:
        """Hear that the queue of a consumer is gone: basic.cancel."""
        ...

    def closed(self, error: AMQPError | None) -> None:
        """Hear that the channel is closed, for `error` or, where it is None, as was asked."""
        ...


class AwaitsDurability(Protocol):
    """Has something to tell that promises durability, and waits until it is true."""

    def release(self, group: int) -> bool:
        """Tell what waited for the groups up to this one; say whether something waits still."""
        ...


class Journal(Protocol):
    """The port to durability: what the engine appends in one turn becomes durable as one group.

    The engine appends, and goes on. The face that owns the journal writes the group gathered so
    far, as one atomic step, and then calls `Broker.durable(group)`; what promised durability
    (confirms, commits, declarations of durable objects) is told to clients only after that.
    A dead letter leaves one queue and enters others within one turn, and so within one group.
    """

    @property
    def group(self) -> int:
        """The number of the group being gathered; groups become durable in order."""
        ...

    @property
    def has_news(self) -> bool:
        """Whether the group being gathered holds something."""
        ...

    @property
    def appended(self) -> int:
        """How many records were ever appended: a call that changed it promises durability."""
        ...

    def changed(
        self, kind: str, key: tuple[str, ...], value: Mapping[str, FieldValue] | None
    ) -> None:
        """Note an object as it is now, or with None that it is gone.

        Kinds and keys: `virtual_host` (name,), `exchange` and `queue` (virtual host, name),
        `binding` (virtual host, source, destination type, destination, routing key, arguments as
        text), `identifier` (virtual host, `exchange` or `queue`, its name, slot), `policy` and
        `operator_policy` (virtual host, name), `user` (name,), `permission` (user, virtual host),
        `topic_permission` (user, virtual host, exchange), `held_message` (virtual host, id),
        `held_ids` (virtual host,), `stream_offset` (virtual host, queue, group).
        """
        ...

    def queue_journal(self, queue_id: int) -> QueueJournal:
        """Return where a durable queue notes its messages; `queue_id` is never used again."""
        ...

    def stream_store(self, queue_id: int, durable_end: int) -> StreamStore:
        """Return where a stream keeps its messages, those below `durable_end` already."""
        ...
