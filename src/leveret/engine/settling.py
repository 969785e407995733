"""Settling what was delivered: basic.ack, nack, reject and recover."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leveret.engine import methods
from leveret.engine.channel_base import ChannelBase, amqp_method
from leveret.errors import AMQPError, NotImplementedByBroker, PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leveret.engine.transactions import Settlement
    from leveret.queues import AnyMessage, Consumer, Queue, QueuedMessage, QueuedRun

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
                if not self._ack_as_runs(delivery_tag, multiple):
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

    def ack_each(self, first_tag: int, count: int) -> None:
        """Acknowledge deliveries with tags in a row, as so many calls of `basic_ack` would.

        Raises:
            PreconditionFailed: a tag is not that of an unacknowledged delivery.

        """
        end_tag = first_tag + count
        while first_tag < end_tag:
            acked = 0
            if self._tx is None:
                acked = self._ack_in_a_row(first_tag, end_tag)
            if not acked:
                self.basic_ack(first_tag)
            first_tag += acked or 1

    def _ack_in_a_row(self, first_tag: int, end_tag: int) -> int:
        """Acknowledge deliveries of one consumer together; return how many there were."""
        runs, unacked = self._held_runs, self._unacked
        if runs and runs[0].first_tag == first_tag:
            head = runs[0]
            count = min(end_tag, head.end_tag) - first_tag
            self._ack_runs(first_tag + count - 1)
        else:
            entry = unacked.get(first_tag)
            consumer = entry.consumer if entry is not None else None
            if consumer is None:
                return 0
            taken: dict[int, QueuedMessage] = {}
            while entry is not None and entry.consumer is consumer and first_tag < end_tag:
                taken[first_tag] = unacked.pop(first_tag)
                first_tag += 1
                entry = unacked.get(first_tag)
            count = len(taken)
            self.settle_entries("ack", taken)
        broker = self._host.broker
        if broker.work or broker.outbox:
            broker.settle()
        return count

    def _ack_as_runs(self, delivery_tag: int, multiple: bool) -> bool:
        """Acknowledge whole runs or the beginning of one; say whether that was what was meant."""
        runs = self._held_runs
        if not runs or self._tx is not None:
            return False
        if not multiple:
            if runs[0].first_tag != delivery_tag:
                return False
        elif self._unacked:
            return False
        else:
            delivery_tag = delivery_tag or runs[-1].end_tag - 1
            if not any(held.first_tag <= delivery_tag < held.end_tag for held in runs):
                return False
        self._ack_runs(delivery_tag)
        return True

    def _ack_runs(self, delivery_tag: int) -> None:
        """Acknowledge what is held in runs up to a tag."""
        runs, acked = self._held_runs, []
        while runs and runs[0].first_tag <= delivery_tag:
            head = runs[0]
            count = delivery_tag + 1 - head.first_tag
            acked.append(runs.popleft() if count >= len(head) else head.take(count))
        if not self._unacked:
            self._oldest_tag = delivery_tag + 1
        self._forget_runs(acked)

    def _forget_runs(self, acked: list[QueuedRun]) -> None:
        """Settle runs that were acknowledged, consumer by consumer as `settle_entries` does."""
        # (queue, consumer tag) -> runs
        groups: dict[tuple[str, str], list[QueuedRun]] = {}
        for held in acked:
            self._held -= len(held)
            assert held.consumer is not None
            groups.setdefault((held.queue.name, held.consumer.tag), []).append(held)
        for key in sorted(groups):
            held = groups[key][0]
            assert held.consumer is not None
            if not held.queue.deleted:
                for each in groups[key]:
                    held.queue.ack_run(each)
                held.queue.go_on(held.consumer)
        if self._global_prefetch:
            self.run_consumers()

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
        self.part_runs()
        self._expired.clear()
        entries, self._unacked = self._unacked, {}
        self._oldest_tag = self._next_tag
        self.settle_entries("reject_requeue", entries)

    def is_held(self, delivery_tag: int) -> bool:
        """Say whether a delivery is the client's still: not settled, and not expired."""
        runs = self._held_runs
        return delivery_tag in self._unacked or any(
            held.first_tag <= delivery_tag < held.end_tag for held in runs
        )

    def replace_held(self, delivery_tag: int, message: AnyMessage) -> None:
        """Have an unacknowledged delivery be of another message from now on.

        For one that is rejected next: its dead letter then says more. leveret's own.
        """
        if self._held_runs:
            self.part_runs()
        self._unacked[delivery_tag].message = message

    def _settle(self, how: Settlement, delivery_tag: int, multiple: bool) -> None:
        entries = self._collect(delivery_tag, multiple)
        if self._tx is not None:
            self._tx.settle(how, entries.items())
        else:
            self.settle_entries(how, entries)

    def _collect(self, delivery_tag: int, multiple: bool) -> dict[int, QueuedMessage]:
        """Take the deliveries meant out of the unacknowledged ones (S77, S78)."""
        if self._held_runs:
            self.part_runs()
        unacked = self._unacked
        if multiple and delivery_tag == 0:
            self._unacked = {}
            self._expired.clear()
            self._oldest_tag = self._next_tag
            return unacked
        if self._expired and self._is_late(delivery_tag, multiple):
            if not multiple:
                return {}
        elif delivery_tag not in unacked:
            raise PreconditionFailed(f"unknown delivery tag {delivery_tag}")
        if not multiple:
            return {delivery_tag: unacked.pop(delivery_tag)}
        # Walked by number, not by iterating the dict: a dict keeps its removed entries in place,
        # and looking for its first one again and again would cost the square of their number.
        oldest, self._oldest_tag = self._oldest_tag, delivery_tag + 1
        tags = range(oldest, delivery_tag + 1)
        return {tag: unacked.pop(tag) for tag in tags if tag in unacked}

    def _is_late(self, delivery_tag: int, multiple: bool) -> bool:
        """Say whether a delivery had expired by now that it is settled; forget those meant."""
        is_late = delivery_tag in self._expired
        if multiple and (is_late or delivery_tag in self._unacked):
            self._expired = {tag: None for tag in self._expired if tag > delivery_tag}
        elif is_late:
            del self._expired[delivery_tag]
        return is_late

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
