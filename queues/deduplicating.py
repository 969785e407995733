"""A queue that takes no message a second time (`x-message-deduplication`).

What counts as a second time is asked for with the queue's arguments:

- without a cache, while a message with the same identifier is in the queue, ready or
  unacknowledged: so do the RabbitMQ plugin, and LavinMQ's latest;
- with `x-cache-size` or `x-cache-ttl`, for as long as the identifier is remembered, whatever became
  of the message: so does LavinMQ up to 2.4, and so does an exchange.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from leveret.deduplication import DeduplicationSettings, Identifiers
from leveret.queues.queue import Queue
from leveret.routing.values import value_form

if TYPE_CHECKING:
    from collections.abc import Sequence, Set

    from leveret.properties import FieldValue
    from leveret.queues.consumers import Consumer
    from leveret.queues.message import AnyMessage, QueuedMessage
    from leveret.queues.run import MessageRun
    from leveret.queues.statistics import QueueStatistics
    from leveret.routing.values import Form

__all__ = ["DeduplicatingQueue"]


@define(eq=False)
class DeduplicatingQueue(Queue):
    """A queue whose arguments ask for it. Beside a plain queue's, O(1) for what is in it."""

    #: What it remembers; None where it looks at what is in it.
    identifiers: Identifiers | None = field(default=None, init=False)
    _duplicates: int = field(default=0, init=False)
    _deduplication: DeduplicationSettings = field(factory=DeduplicationSettings, init=False)
    # The identifiers of what is in the queue, where it has no cache.
    _present: set[Form] = field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        self._deduplication = DeduplicationSettings.of(self.arguments) or self._deduplication
        if self._deduplication.has_cache:
            self.identifiers = Identifiers(self._deduplication)
        super().__attrs_post_init__()

    def takes_run(self, run: MessageRun) -> bool:
        """Say no: each message is looked at."""
        return False

    # -- in

    def publish(self, message: AnyMessage) -> bool:
        """Take a message, or drop it as a duplicate; False where the queue's limit refuses it."""
        identifier = self._deduplication.identifier(message.properties)
        if identifier is None:
            return super().publish(message)
        if self.identifiers is None:
            return self._publish_absent(message, value_form(identifier))
        now_ms = self.host.now_ms()
        if self.identifiers.has(identifier, now_ms):
            return self._drop_duplicate(message)
        if not super().publish(message):
            return False
        self._remember(message, identifier, now_ms)
        return True

    def publish_again(self, message: AnyMessage) -> bool:
        """Take a message that was held back, or died: no publisher sent it twice."""
        identifier = self._deduplication.identifier(message.properties)
        now_ms = self.host.now_ms()
        if self.identifiers is None or identifier is None:
            return self.publish(message)
        if not self.identifiers.has(identifier, now_ms):
            return self.publish(message)
        return super().publish(message)

    def _publish_absent(self, message: AnyMessage, form: Form) -> bool:
        if form in self._present:
            return self._drop_duplicate(message)
        self._present.add(form)
        if super().publish(message):
            return True
        self._present.discard(form)
        return False

    def _drop_duplicate(self, message: AnyMessage) -> bool:
        self._duplicates += 1
        self.host.duplicate_dropped(self, message)
        return True

    def _remember(self, message: AnyMessage, identifier: FieldValue, now_ms: int) -> None:
        assert self.identifiers is not None
        stored = self.journal is not None and (self._is_quorum or message.is_persistent)
        durable = stored and self._deduplication.persistent
        self.identifiers.add(identifier, message.properties, now_ms, durable=durable)

    # -- out: whatever leaves may come again

    def _leaves(self, message: AnyMessage) -> None:
        identifier = self._deduplication.identifier(message.properties)
        if identifier is not None:
            self._present.discard(value_form(identifier))

    def _hand_fresh(
        self, message: AnyMessage, consumer: Consumer, position: int, expires_at_ms: int | None
    ) -> None:
        if consumer.no_ack:
            self._leaves(message)
        super()._hand_fresh(message, consumer, position, expires_at_ms)

    def get(self, no_ack: bool = False) -> QueuedMessage | None:
        """Take the head out for basic.get; see `Queue.get`."""
        entry = super().get(no_ack)
        if no_ack and entry is not None:
            self._leaves(entry.message)
        return entry

    def _run(self) -> None:
        while self.ready_count:
            self._expire()
            if not self.ready_count or (consumer := self._next_consumer()) is None:
                return
            entry = self.get(consumer.no_ack)
            assert entry is not None
            consumer.delivered += 1
            consumer.receiver.receive(consumer, entry)

    def _kill(self, entry: QueuedMessage, reason: str) -> None:
        self._leaves(entry.message)
        super()._kill(entry, reason)

    def ack(self, entries: Sequence[QueuedMessage]) -> None:
        """Forget unacknowledged messages; see `Queue.ack`."""
        for entry in entries:
            self._leaves(entry.message)
        super().ack(entries)

    def ack_one(self, entry: QueuedMessage) -> None:
        """Forget one unacknowledged message; see `Queue.ack_one`."""
        self._leaves(entry.message)
        super().ack_one(entry)

    def withdraw(self, positions: Set[int]) -> int:
        """Take ready messages out wherever they stand; see `Queue.withdraw`."""
        for entry in self.find(positions):
            self._leaves(entry.message)
        return super().withdraw(positions)

    def purge(self) -> int:
        """Drop all ready messages; see `Queue.purge`."""
        if self._present:
            for entry in self.ready:
                self._leaves(entry.message)
        return super().purge()

    # -- a restart

    def restore(self, entry: QueuedMessage) -> None:
        """Take in a message that a journal kept; see `Queue.restore`."""
        identifier = self._deduplication.identifier(entry.message.properties)
        if self.identifiers is None and identifier is not None:
            self._present.add(value_form(identifier))
        super().restore(entry)

    # -- looking

    def statistics(self) -> QueueStatistics:
        """Return the figures as they are now."""
        from attrs import evolve

        return evolve(super().statistics(), duplicates=self._duplicates)

    def check(self) -> None:
        """Assert the invariants; with nothing unacknowledged, those in the queue are all."""
        super().check()
        if self.identifiers is not None:
            self.identifiers.check()
        elif not (self.unacked or self.delayed):
            found = [self._deduplication.identifier(e.message.properties) for e in self.ready]
            assert self._present == {value_form(one) for one in found if one is not None}
