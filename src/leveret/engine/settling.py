"""Settling what was delivered: basic.ack, nack, reject and recover."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leveret.engine import methods
from leveret.engine.channel_base import ChannelBase, amqp_method
from leveret.errors import AMQPError, NotImplementedByBroker, PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leveret.engine.transactions import Settlement
    from leveret.queues import Consumer, Queue, QueuedMessage

__all__ = ["SettleMethods"]


class SettleMethods(ChannelBase):
    """Taking deliveries out of the unacknowledged ones, for good or back to their queues."""

    __slots__ = ()

    def basic_ack(self, delivery_tag: int = 0, multiple: bool = False) -> None:
        """Acknowledge a delivery, or with `multiple` all up to it; 0 then means all (S77–S79).

        Raises:
            PreconditionFailed: the tag is not that of an unacknowledged delivery.

        """
        if self.closed:
            self.check_open()
        broker = self._host.broker
        try:
            entry = None if multiple or self._tx else self._unacked.pop(delivery_tag, None)
            if entry is None:
                self._settle("ack", delivery_tag, multiple)
            else:
                entry.queue.ack_one(entry)
                if entry.consumer is not None:
                    self._held -= 1
                    if self._global_prefetch:
                        self.run_consumers()
        except AMQPError as error:
            raise self.fail(error, methods.BASIC_ACK) from None
        if broker.work or broker.outbox:
            broker.settle()

    @amqp_method(methods.BASIC_NACK)
    def basic_nack(
        self, delivery_tag: int = 0, multiple: bool = False, requeue: bool = True
    ) -> None:
        """Refuse a delivery, or with `multiple` all up to it; 0 then means all.

        With `requeue` they go back where they stood (S80), else they are dropped or
        dead-lettered (S101).

        Raises:
            PreconditionFailed: the tag is not that of an unacknowledged delivery (S77).

        """
        self._settle("nack_requeue" if requeue else "reject", delivery_tag, multiple)

    @amqp_method(methods.BASIC_REJECT)
    def basic_reject(self, delivery_tag: int = 0, requeue: bool = True) -> None:
        """Refuse one delivery: requeued (S80), or else dropped or dead-lettered (S101).

        Raises:
            PreconditionFailed: the tag is not that of an unacknowledged delivery (S77).

        """
        self._settle("reject_requeue" if requeue else "reject", delivery_tag, False)

    @amqp_method(methods.BASIC_RECOVER)
    def basic_recover(self, requeue: bool = False) -> None:
        """Requeue all unacknowledged messages of the channel (S82).

        Raises:
            NotImplementedByBroker: `requeue` is False.

        """
        if not requeue:
            raise NotImplementedByBroker("requeue=false")
        entries, self._unacked = self._unacked, {}
        self._oldest_tag = self._next_tag
        self.settle_entries("reject_requeue", entries)

    def _settle(self, how: Settlement, delivery_tag: int, multiple: bool) -> None:
        entries = self._collect(delivery_tag, multiple)
        if self._tx is not None:
            self._tx.settle(how, entries.items())
        else:
            self.settle_entries(how, entries)

    def _collect(self, delivery_tag: int, multiple: bool) -> dict[int, QueuedMessage]:
        """Take the deliveries meant out of the unacknowledged ones (S77, S78)."""
        unacked = self._unacked
        if multiple and delivery_tag == 0:
            self._unacked = {}
            self._oldest_tag = self._next_tag
            return unacked
        if delivery_tag not in unacked:
            raise PreconditionFailed(f"unknown delivery tag {delivery_tag}")
        if not multiple:
            return {delivery_tag: unacked.pop(delivery_tag)}
        # Walked by number, not by iterating the dict: a dict keeps its removed entries in place,
        # and looking for its first one again and again would cost the square of their number.
        oldest, self._oldest_tag = self._oldest_tag, delivery_tag + 1
        tags = range(oldest, delivery_tag + 1)
        return {tag: unacked.pop(tag) for tag in tags if tag in unacked}

    def settle_entries(self, how: Settlement, entries: Mapping[int, QueuedMessage]) -> None:
        """Settle deliveries that were taken out of the unacknowledged ones.

        Those of one queue and consumer are settled together, and the groups go in RabbitMQ's
        order (`foreach_per_queue`): by name; what basic.get took stands alone and first.
        """
        settled = list(entries.values())
        if not settled:
            return
        consumer = settled[0].consumer
        if consumer is not None and all(entry.consumer is consumer for entry in settled):
            self._held -= len(settled)
            self._settle_group(how, settled)
        else:
            self._settle_by_group(how, entries)
        if self._global_prefetch:
            self.run_consumers()

    def _settle_by_group(self, how: Settlement, entries: Mapping[int, QueuedMessage]) -> None:
        # sort key -> deliveries
        groups: dict[tuple[str, str, int], list[QueuedMessage]] = {}
        for tag, entry in entries.items():
            consumer = entry.consumer
            if consumer is None:
                groups[entry.queue.name, "", tag] = [entry]
            else:
                groups.setdefault((entry.queue.name, consumer.tag, 0), []).append(entry)
                self._held -= 1
        for key in sorted(groups):
            self._settle_group(how, groups[key])

    def _settle_group(self, how: Settlement, entries: list[QueuedMessage]) -> None:
        queue = entries[0].queue
        if queue.deleted:
            return
        if how == "ack":
            queue.ack(entries)
        elif how == "reject":
            queue.discard(entries)
        else:
            queue.requeue(entries, failed=how == "reject_requeue")

    def run_consumers(self) -> None:
        """Let consumers that were held back by a limit of the channel take messages again."""
        # queue -> its consumers on this channel
        queues: dict[Queue, list[Consumer]] = {}
        for consumer in self._consumers.values():
            queues.setdefault(consumer.queue, []).append(consumer)
        for queue, consumers in queues.items():
            queue.run(consumers)
