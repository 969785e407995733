"""A queue: ready messages in order, unacknowledged ones counted, consumers in turn.

Everything happens at once and in the caller's turn; what reaches beyond the queue (a message that
dies, the queue's own end) goes to its `host`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from attrs import define

from leveret.queues.message import QueuedMessage
from leveret.queues.paged import PagedReady
from leveret.queues.queue_base import QueueHost
from leveret.queues.queue_runs import RunQueue
from leveret.queues.ready import FifoReady, ReturnsFirstReady
from leveret.queues.ready_runs import FifoRuns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence, Set

    from leveret.queues.consumers import Consumer, Receiver
    from leveret.queues.message import AnyMessage
    from leveret.queues.statistics import QueueStatistics

__all__ = ["MESSAGE_OVERHEAD", "Queue", "QueueHost"]

#: What a message costs beside its body, in bytes: measured, small messages from the wire.
MESSAGE_OVERHEAD = 300


@define(eq=False)
class Queue(RunQueue):
    """One queue.

    Publishing, getting and settling are O(1) on a plain queue, O(log n) with priorities or after
    a requeue; settings that are not used cost one test each.
    """

    # -- publishing

    def publish(self, message: AnyMessage) -> bool:
        """Take a message; return False where the queue's limit refuses it (S62, S96)."""
        if self._refuses and self._would_overflow(message):
            self._refuse(message)
            return False
        expires_at_ms = None
        if self._message_ttl_ms is not None or message.expiration_ms is not None:
            expires_at_ms = self._expiry(self._message_ttl_ms, message.expiration_ms)
        position = self._next_position
        self._next_position = position + 1
        if self._tick is not None and (now_s := self._tick()) > self._mark_due_s:
            self._mark(position, now_s)
        if self.consumers.registered and not self.ready_count:
            consumer = self._next_consumer()
            if consumer is not None:  # even a message with TTL 0 reaches a waiting consumer (S90)
                self._hand_fresh(message, consumer, position, expires_at_ms)
                return True
        entry = QueuedMessage(message, self, position, expires_at_ms)
        if self.journal is not None and (self._is_quorum or message.is_persistent):
            entry.stored = True
            self.journal.enqueued(entry)
        self.ready.push(entry)
        self.ready_count += 1
        self.ready_bytes += message.size
        if expires_at_ms is not None:
            self._may_expire = True
        if self._limited:
            self._drop_head()
        if self._may_expire:
            self._expire()
        return True

    def publish_again(self, message: AnyMessage) -> bool:
        """Take a message that was held back, or died, and may have been in this queue before."""
        return self.publish(message)

    def _refuse(self, message: AnyMessage) -> None:
        self._refused += 1
        if self.settings.overflow == "reject-publish-dlx":
            self._next_position += 1
            self._died["maxlen"] = self._died.get("maxlen", 0) + 1
            self.host.message_died(self, message, "maxlen")

    def _hand_fresh(
        self, message: AnyMessage, consumer: Consumer, position: int, expires_at_ms: int | None
    ) -> None:
        """Hand a message over as it comes; without acknowledgement it leaves no trace here."""
        self._delivered += 1
        consumer.delivered += 1
        if consumer.no_ack:
            self._acked += 1
            consumer.receiver.pass_on(consumer, message)
        else:
            self.unacked += 1
            self.unacked_bytes += message.size
            entry = QueuedMessage(message, self, position, expires_at_ms)
            if self.journal is not None and (self._is_quorum or message.is_persistent):
                entry.stored = True
                self.journal.enqueued(entry)
                self.journal.delivered(entry)
            consumer.receiver.receive(consumer, entry)

    # -- delivering

    def get(self, no_ack: bool = False) -> QueuedMessage | None:
        """Take the head out for basic.get; without `no_ack` it is unacknowledged from now on."""
        if self._lease_ends_ms is not None:
            self.touch()
        if self._may_expire:
            self._expire()
        entry = self.ready.pop()
        if entry is None:
            return None
        size = entry.message.size
        self.ready_count -= 1
        self.ready_bytes -= size
        self._delivered += 1
        if entry.redelivered:
            self._redelivered += 1
        if entry.stored:
            self._note_taken(entry, no_ack)
        if no_ack:
            self._acked += 1
        else:
            self.unacked += 1
            self.unacked_bytes += size
        if self._may_expire:
            self._expire()
        if self.room is not None:
            self.room.made()
        return entry

    def _run(self) -> None:
        """Deliver while a message is ready and a consumer can take it."""
        ready = self.ready
        while self.ready_count:
            if self._may_expire:
                self._expire()
                if not self.ready_count:
                    return
            if isinstance(ready, FifoRuns) and (head := ready.head_run()) is not None:
                if self.consumers.take_turns:
                    ready.part_head()
                elif self._deliver_run(ready, head):
                    continue
                else:
                    return
            consumer = self._next_consumer()
            if consumer is None:
                return
            entry = ready.pop()
            assert entry is not None
            size = entry.message.size
            self.ready_count -= 1
            self.ready_bytes -= size
            self._delivered += 1
            if entry.redelivered:
                self._redelivered += 1
            if entry.stored:
                self._note_taken(entry, consumer.no_ack)
            if consumer.no_ack:
                self._acked += 1
            else:
                self.unacked += 1
                self.unacked_bytes += size
            consumer.delivered += 1
            if self.room is not None:
                self.room.made()
            consumer.receiver.receive(consumer, entry)

    def _note_taken(self, entry: QueuedMessage, no_ack: bool) -> None:
        if self.journal is None:
            return
        if no_ack:
            self.journal.settled(entry)
        else:
            self.journal.delivered(entry)

    def _next_consumer(self) -> Consumer | None:
        if not self.settings.single_active_consumer:
            return self.consumers.next()
        active = self._active
        return active if active is not None and active.can_take() else None

    def run(self, unblocked: Iterable[Consumer]) -> None:
        """Deliver on, since these consumers may be able to take messages again."""
        if self.settings.single_active_consumer or self.consumers.unblock(unblocked):
            self._run()

    # -- settling

    def ack(self, entries: Sequence[QueuedMessage]) -> None:
        """Forget unacknowledged messages, all of one consumer or of none: they were handled."""
        self._settle(entries)
        self._acked += len(entries)
        if self.journal is not None:
            self._note_settled(entries)
        self._after_settling(entries)

    def _note_settled(self, entries: Iterable[QueuedMessage]) -> None:
        assert self.journal is not None
        for entry in entries:
            if entry.stored:
                self.journal.settled(entry)

    def ack_one(self, entry: QueuedMessage) -> None:
        """Forget one unacknowledged message: it was handled."""
        self.unacked -= 1
        self.unacked_bytes -= entry.message.size
        self._acked += 1
        if entry.stored and self.journal is not None:
            self.journal.settled(entry)
        consumer = entry.consumer
        if consumer is not None:
            consumer.unacked -= 1
            if not self.deleted and (consumer.blocked or self._active is consumer):
                self.run((consumer,))

    def discard(self, entries: Sequence[QueuedMessage]) -> None:
        """Let go of unacknowledged messages: they were rejected without requeue (S101)."""
        self._settle(entries)
        for entry in entries:
            self._kill(entry, "rejected")
        self._after_settling(entries)

    def requeue(self, entries: Sequence[QueuedMessage], *, failed: bool) -> None:
        """Put unacknowledged messages back where they stood (S80).

        `failed` tells basic.reject and recover from basic.nack, which in some versions does not
        count towards a quorum queue's delivery limit (S87).
        """
        consumers = [entry.consumer for entry in entries if entry.consumer is not None]
        self._settle(entries)
        if consumers:
            self.consumers.unblock(consumers)
        if not self._is_quorum:
            self._put_back(entries)
        else:
            to_back = self.rules.quorum_requeues_to_back and self.settings.delivery_limit is None
            self._return(entries, failed=failed, to_back=to_back)
        if self.consumers.registered:
            self._run()

    def _settle(self, entries: Sequence[QueuedMessage]) -> None:
        for entry in entries:
            self.unacked -= 1
            self.unacked_bytes -= entry.message.size
            if entry.consumer is not None:
                entry.consumer.unacked -= 1

    def _put_back(self, entries: Iterable[QueuedMessage]) -> None:
        for entry in entries:
            entry.redelivered = True
            entry.consumer = None
            if entry.stored and self.journal is not None:
                self.journal.returned(entry)
            self.ready.put_back(entry)
            self.ready_count += 1
            self.ready_bytes += entry.message.size
            if entry.expires_at_ms is not None:
                self._may_expire = True
        if self._limited:
            self._drop_head()
        if self._may_expire:
            self._expire()

    def _return(self, entries: Sequence[QueuedMessage], *, failed: bool, to_back: bool) -> None:
        """Take messages back into a quorum queue, which counts how often that happens (S87)."""
        settings, now = self.settings, []
        for entry in entries:
            if failed or self.rules.nack_counts_delivery:
                entry.delivery_count += 1
            limit = settings.delivery_limit
            if limit is not None and entry.delivery_count > limit:
                self._kill(entry, "delivery_limit")
                continue
            delay_ms = settings.retry_delay_ms(failed=failed, delivery_count=entry.delivery_count)
            if to_back:
                entry.redelivered, entry.consumer = True, None
                if entry.stored and self.journal is not None:
                    self.journal.returned(entry)
                self.ready.push(entry)
                self.ready_count += 1
                self.ready_bytes += entry.message.size
                self._may_expire = self._may_expire or entry.expires_at_ms is not None
            elif delay_ms:
                self.delayed += 1
                self.host.call_at(self.host.now_ms() + delay_ms, partial(self._delay_over, entry))
            else:
                now.append(entry)
        self._put_back(now)

    def _delay_over(self, entry: QueuedMessage) -> None:
        if not self.deleted:
            self.delayed -= 1
            self._put_back((entry,))
            self._run()

    def _after_settling(self, entries: Sequence[QueuedMessage]) -> None:
        consumer = entries[-1].consumer
        if consumer is not None:
            self.go_on(consumer)

    def go_on(self, consumer: Consumer) -> None:
        """Deliver on, where it waits for that: messages of this consumer were settled."""
        if consumer.blocked or self._active is consumer:
            self.run((consumer,))

    # -- consumers

    def is_active(self, consumer: Consumer) -> bool:
        """Say whether the consumer may be given messages: all are, but where one alone is (S84)."""
        return not self.settings.single_active_consumer or self._active is consumer

    def accepts(self, *, exclusive: bool) -> bool:
        """Say whether one more consumer may subscribe (S70, S84)."""
        if self.settings.single_active_consumer:
            return not exclusive
        if self._is_quorum:  # seen live: exclusive consumers are not enforced there
            return True
        if self._active is not None:
            return False
        return not (exclusive and self.consumers.registered)

    def subscribe(self, consumer: Consumer) -> None:
        """Add a consumer that `accepts` let pass. Deliveries begin with the next `start`."""
        self.consumers.add(consumer)
        self._had_consumers = True
        if self._active is None and (
            self.settings.single_active_consumer or (consumer.exclusive and not self._is_quorum)
        ):
            self._active = consumer

    def start(self) -> None:
        """Deliver what is ready to the consumers that can take it."""
        self._run()

    def unsubscribe(self, consumer: Consumer) -> None:
        """Take a consumer out; its unacknowledged messages stay out (S71)."""
        self.consumers.remove(consumer)
        self._succeed((consumer,))
        if not self._end_if_unused():
            self.touch()
            at_once = self.rules.runs_on_cancel or self._is_quorum
            if self.settings.single_active_consumer and at_once:
                self._run()

    def receiver_left(self, receiver: Receiver) -> None:
        """Drop all consumers of a channel that closes; an unused auto-delete queue ends (S36)."""
        left = [consumer for consumer in self.consumers if consumer.receiver is receiver]
        for consumer in left:
            self.consumers.remove(consumer)
        self._succeed(left)
        if left and not self._end_if_unused():
            self.touch()

    def take_back(self, entries: Sequence[QueuedMessage]) -> None:
        """Put back what a channel held that closed, and deliver on (S81)."""
        order = {id(entry): id(entry.consumer) for entry in entries}
        self._settle(entries)
        if self._is_quorum:
            # It returns them consumer by consumer, as seen live, not in order over all.
            firsts = list(dict.fromkeys(order.values()))
            ordered = sorted(entries, key=lambda entry: firsts.index(order[id(entry)]))
            self._return(ordered, failed=True, to_back=False)
        else:
            self._put_back(entries)
        self._run()

    def _succeed(self, left: Sequence[Consumer]) -> None:
        """Name the next active consumer where the active one left (S84)."""
        if self._active is not None and any(consumer is self._active for consumer in left):
            single = self.settings.single_active_consumer
            self._active = self.consumers.first() if single else None

    def _end_if_unused(self) -> bool:
        """Delete an auto-delete queue that had consumers and has none any more (S36)."""
        if not (self.auto_delete and self._had_consumers) or self.consumers.registered:
            return False
        self.host.queue_ended(self, "auto_delete")
        return True

    # -- out of turn

    def find(self, positions: Set[int]) -> Iterator[QueuedMessage]:
        """Yield the ready messages at these positions, in delivery order. O(n) at most."""
        missing = len(positions)
        for entry in self.ready if missing else ():
            if entry.position in positions:
                yield entry
                missing -= 1
                if not missing:
                    return

    def withdraw(self, positions: Set[int]) -> int:
        """Take ready messages out wherever they stand, as handled; return how many there were.

        All others keep their places, their flags and their counts. O(n), and for the head O(1).
        """
        removed = self.ready.remove(positions)
        self.ready_count -= len(removed)
        self.ready_bytes -= sum(entry.message.size for entry in removed)
        self._delivered += len(removed)
        self._acked += len(removed)
        if self.journal is not None:
            self._note_settled(removed)
        return len(removed)

    # -- the end

    def purge(self) -> int:
        """Drop all ready messages, dead-lettering none (S115); return how many there were."""
        count = self.ready_count
        ready = self.ready
        if isinstance(ready, PagedReady):
            ready.forget_runs(settled=self.journal is not None)
        if self.journal is not None:
            self._note_settled(ready)
        ready.clear()
        self.ready_count = self.ready_bytes = 0
        self._purged += count
        if self.room is not None:
            self.room.made()
        return count

    def delete(self) -> int:
        """End the queue: drop its messages, cancel its consumers; return how many were ready."""
        self.deleted = True
        self.journal = None  # the queue's own deletion stands there
        count = self.purge()
        for consumer in list(self.consumers):
            self.consumers.remove(consumer)
            consumer.receiver.consumer_cancelled(consumer)
        return count

    def restore(self, entry: QueuedMessage) -> None:
        """Take in a message that a journal kept; `restored` follows when all are in.

        They come in the order of their positions.
        """
        assert entry.position >= self._next_position
        self.ready.push(entry)
        self._next_position = entry.position + 1
        self.ready_count += 1
        self.ready_bytes += entry.message.size
        if entry.expires_at_ms is not None:
            self._may_expire = True

    def restored(self, next_position: int) -> None:
        """Apply limits and times to live to what was restored; go on at `next_position` or above.

        The journal may still know what became of messages at positions below.
        """
        self._next_position = max(self._next_position, next_position)
        self._mark_oldest()
        self._drop_head()
        self._expire()

    def page_out(self, keep: int) -> None:
        """Let what stands behind the first `keep` messages leave memory, where the journal has it.

        With priorities all stay.
        """
        if self.journal is None:
            return
        ready = self.ready
        if isinstance(ready, FifoReady | ReturnsFirstReady):
            self.ready = ready = PagedReady(ready)
        if isinstance(ready, PagedReady):
            ready.page_out(keep, self.journal)

    @property
    def memory_bytes(self) -> int:
        """What the messages in memory are worth, each with what it costs beside its body."""
        count, size = self.ready_count + self.unacked, self.ready_bytes + self.unacked_bytes
        ready = self.ready
        if isinstance(ready, PagedReady):
            count -= ready.paged_count
            size -= ready.paged_bytes
        return size + count * MESSAGE_OVERHEAD

    # -- looking

    def statistics(self) -> QueueStatistics:
        """Return the figures as they are now."""
        from leveret.queues.statistics import QueueStatistics

        return QueueStatistics(
            name=self.name,
            type=self.settings.type,
            ready=self.ready_count,
            unacked=self.unacked,
            delayed=self.delayed,
            oldest_age_ms=self.oldest_age_ms(),
            ready_bytes=self.ready_bytes,
            unacked_bytes=self.unacked_bytes,
            published=self._next_position,
            delivered=self._delivered,
            redelivered=self._redelivered,
            acked=self._acked,
            died=dict(self._died),
            purged=self._purged,
            refused=self._refused,
            consumers=tuple(consumer.statistics() for consumer in self.consumers),
        )

    def check(self) -> None:
        """Assert the invariants: sizes agree, and no able consumer waits beside a ready message."""
        self.ready.check()
        self.consumers.check()
        assert self.ready_count == len(self.ready)
        assert self.ready_bytes == sum(entry.message.size for entry in self.ready)
        assert self.unacked >= 0
        assert self.unacked_bytes >= 0
        assert self._active is None or self._active in list(self.consumers)
        if self.ready_count and not self.settings.single_active_consumer:
            assert not any(c.can_take() for c in self.consumers if not c.blocked)
