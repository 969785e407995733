"""A queue: ready messages in order, unacknowledged ones counted, consumers in turn.

The rules are those of RabbitMQ's classic queue (`rabbit_amqqueue_process`) and, where
`settings.type` says so, of a quorum queue on one node. Everything happens at once and in the
caller's turn; what reaches beyond the queue (a message that dies, the queue's own end) goes to
its `host`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from attrs import define, field, frozen

from leveret.queues.consumers import Consumer, Consumers, ConsumerStatistics, Receiver
from leveret.queues.message import AnyMessage, QueuedMessage
from leveret.queues.ready import FifoReady, PriorityReady, Ready, ReturnsFirstReady
from leveret.queues.rules import QueueRules
from leveret.queues.settings import QueueSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from leveret.properties import FieldTable

__all__ = ["Queue", "QueueHost", "QueueStatistics"]


class QueueHost(Protocol):
    """What a queue needs of the virtual host it lives in."""

    def now_ms(self) -> int:
        """Return the present in milliseconds."""
        ...

    def call_at(self, deadline_ms: int, call: Callable[[], None]) -> None:
        """Call back when the clock reaches `deadline_ms`."""
        ...

    def message_died(self, queue: Queue, message: AnyMessage, reason: str) -> None:
        """Take a message that left the queue unconsumed; dead-letter it where that is set up.

        It must not call the queue back within this call.
        """
        ...

    def queue_ended(self, queue: Queue, reason: str) -> None:
        """Delete the queue: its lease ran out, or its last consumer left (S36, S92)."""
        ...


@frozen
class QueueStatistics:
    """A queue's figures at one moment. Bytes are of bodies."""

    name: str
    type: str
    ready: int
    unacked: int
    delayed: int
    ready_bytes: int
    unacked_bytes: int
    published: int
    delivered: int
    redelivered: int
    acked: int
    # reason (rejected, expired, maxlen, delivery_limit) -> messages that died of it
    died: dict[str, int]
    purged: int
    refused: int
    consumers: tuple[ConsumerStatistics, ...]


@define(eq=False)
class Queue:
    """One queue.

    Publishing, getting and settling are O(1) on a plain queue, O(log n) with priorities or after
    a requeue; settings that are not used cost one test each.
    """

    name: str
    host: QueueHost
    settings: QueueSettings = field(factory=QueueSettings)
    durable: bool = True
    exclusive_owner: object | None = None
    auto_delete: bool = False
    arguments: FieldTable = field(factory=dict)
    rules: QueueRules = field(factory=QueueRules)
    ready: Ready = field(init=False)
    consumers: Consumers = field(factory=Consumers, init=False)
    ready_bytes: int = field(default=0, init=False)
    unacked: int = field(default=0, init=False)
    unacked_bytes: int = field(default=0, init=False)
    #: Returned messages that wait before they are ready again (delayed retry).
    delayed: int = field(default=0, init=False)
    deleted: bool = field(default=False, init=False)
    # The single active consumer, or the exclusive one.
    _active: Consumer | None = field(default=None, init=False)
    _had_consumers: bool = field(default=False, init=False)
    _next_position: int = field(default=0, init=False)
    _limited: bool = field(default=False, init=False)
    _refuses: bool = field(default=False, init=False)
    # The deadline that the expiry timer is set to; None while it is not set.
    _expiry_timer_ms: int | None = field(default=None, init=False)
    _may_expire: bool = field(default=False, init=False)
    _lease_ends_ms: int | None = field(default=None, init=False)
    _lease_timer: bool = field(default=False, init=False)
    _delivered: int = field(default=0, init=False)
    _redelivered: int = field(default=0, init=False)
    _acked: int = field(default=0, init=False)
    _purged: int = field(default=0, init=False)
    _refused: int = field(default=0, init=False)
    # reason -> messages that died of it
    _died: dict[str, int] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        if self.settings.max_priority is not None:
            self.ready = PriorityReady(self.settings.max_priority)
        elif self.settings.type == "quorum":
            self.ready = ReturnsFirstReady()
        else:
            self.ready = FifoReady()
        self.apply(self.settings)

    # -- settings

    def apply(self, settings: QueueSettings) -> None:
        """Put settings in force, also for the messages that wait already (S91, S100)."""
        self.settings = settings
        self._limited = settings.max_length is not None or settings.max_length_bytes is not None
        self._refuses = self._limited and settings.overflow != "drop-head"
        self._drop_head()
        self._expire()
        self._lease_ends_ms = None
        self.touch()

    def touch(self) -> None:
        """Renew the queue's lease: it was declared, got from, or left by a consumer (S92)."""
        if self.settings.expires_ms is None or self.consumers.registered:
            return
        self._lease_ends_ms = self.host.now_ms() + self.settings.expires_ms
        if not self._lease_timer:
            self._lease_timer = True
            self.host.call_at(self._lease_ends_ms, self._lease_due)

    def _lease_due(self) -> None:
        self._lease_timer = False
        if self._lease_ends_ms is None or self.deleted or self.consumers.registered:
            return
        if self._lease_ends_ms > self.host.now_ms():
            self._lease_timer = True
            self.host.call_at(self._lease_ends_ms, self._lease_due)
        else:
            self.host.queue_ended(self, "expired")

    # -- publishing

    def publish(self, message: AnyMessage) -> bool:
        """Take a message; return False where the queue's limit refuses it (S62, S96)."""
        if self._refuses and self._would_overflow(message):
            self._refused += 1
            if self.settings.overflow == "reject-publish-dlx":
                self._next_position += 1
                self._died["maxlen"] = self._died.get("maxlen", 0) + 1
                self.host.message_died(self, message, "maxlen")
            return False
        ttl_ms = self.settings.message_ttl_ms
        expires_at_ms = None
        if ttl_ms is not None or message.expiration_ms is not None:
            expires_at_ms = self._expiry(ttl_ms, message.expiration_ms)
        entry = QueuedMessage(message, self, self._next_position, expires_at_ms)
        self._next_position += 1
        if self.consumers.registered and not self.ready:
            consumer = self._next_consumer()
            if consumer is not None:  # even a message with TTL 0 reaches a waiting consumer (S90)
                self._hand(entry, consumer)
                return True
        self.ready.push(entry)
        self.ready_bytes += message.size
        if expires_at_ms is not None:
            self._may_expire = True
        if self._limited:
            self._drop_head()
        if self._may_expire:
            self._expire()
        return True

    def _expiry(self, ttl_ms: int | None, expiration_ms: int | None) -> int:
        """Return when the smaller of both times to live ends (S88)."""
        times = [time for time in (ttl_ms, expiration_ms) if time is not None]
        return self.host.now_ms() + min(times)

    def _would_overflow(self, message: AnyMessage) -> bool:
        settings = self.settings
        if settings.max_length is not None and len(self.ready) + 1 > settings.max_length:
            return True
        limit = settings.max_length_bytes
        return limit is not None and self.ready_bytes + message.size > limit

    def _over_limit(self) -> bool:
        settings = self.settings
        if settings.max_length is not None and len(self.ready) > settings.max_length:
            return True
        limit = settings.max_length_bytes
        return limit is not None and self.ready_bytes > limit

    def _drop_head(self) -> None:
        """Let the oldest ready messages go until the limits hold (S93–S95, S98)."""
        if self._limited and not self._refuses:
            while self._over_limit() and self._kill_head("maxlen"):
                pass

    def _kill_head(self, reason: str) -> bool:
        entry = self.ready.pop()
        if entry is None:
            return False
        self.ready_bytes -= entry.message.size
        self._kill(entry, reason)
        return True

    def _kill(self, entry: QueuedMessage, reason: str) -> None:
        self._died[reason] = self._died.get(reason, 0) + 1
        self.host.message_died(self, entry.message, reason)

    # -- expiry of messages

    def _expire(self) -> None:
        """Let go of what is due at the head, and see that this runs again when more is (S89)."""
        if not self._may_expire:
            return
        now_ms = self.host.now_ms()
        if self.settings.type == "quorum" and isinstance(self.ready, PriorityReady):
            self._expire_by_priority(self.ready, now_ms)
            return
        while (head := self.ready.peek()) is not None:
            if head.expires_at_ms is None:
                return
            if head.expires_at_ms > now_ms:
                self._expire_at(head.expires_at_ms)
                return
            self._kill_head("expired")
        self._may_expire = False

    def _expire_by_priority(self, ready: PriorityReady, now_ms: int) -> None:
        """Let go of what is due at the head of each priority, as quorum queues do (S99)."""
        while due := [h for h in ready.heads() if h.is_due(now_ms)]:
            for head in due:
                ready.pop_head(head)
                self.ready_bytes -= head.message.size
                self._kill(head, "expired")
        deadlines = [h.expires_at_ms for h in ready.heads() if h.expires_at_ms is not None]
        if deadlines:
            self._expire_at(min(deadlines))

    def _expire_at(self, deadline_ms: int) -> None:
        if self._expiry_timer_ms is None or deadline_ms < self._expiry_timer_ms:
            self._expiry_timer_ms = deadline_ms
            self.host.call_at(deadline_ms, self._expiry_due)

    def _expiry_due(self) -> None:
        self._expiry_timer_ms = None
        if not self.deleted:
            self._expire()

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
        self.ready_bytes -= size
        self._take(entry, size, no_ack)
        if self._may_expire:
            self._expire()
        return entry

    def _take(self, entry: QueuedMessage, size: int, no_ack: bool) -> None:
        self._delivered += 1
        if entry.redelivered:
            self._redelivered += 1
        if no_ack:
            self._acked += 1
        else:
            self.unacked += 1
            self.unacked_bytes += size

    def _hand(self, entry: QueuedMessage, consumer: Consumer) -> None:
        self._take(entry, entry.message.size, consumer.no_ack)
        consumer.delivered += 1
        consumer.receiver.receive(consumer, entry)

    def _run(self) -> None:
        """Deliver while a message is ready and a consumer can take it."""
        while self.ready:
            if self._may_expire:
                self._expire()
                if not self.ready:
                    return
            consumer = self._next_consumer()
            if consumer is None:
                return
            entry = self.ready.pop()
            assert entry is not None
            self.ready_bytes -= entry.message.size
            self._hand(entry, consumer)

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
        """Forget unacknowledged messages of one consumer: they were handled."""
        self._settle(entries)
        self._acked += len(entries)
        self._after_settling(entries)

    def ack_one(self, entry: QueuedMessage) -> None:
        """Forget one unacknowledged message: it was handled."""
        self.unacked -= 1
        self.unacked_bytes -= entry.message.size
        self._acked += 1
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
        if self.settings.type != "quorum":
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
            self.ready.put_back(entry)
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
                self.ready.push(entry)
                self.ready_bytes += entry.message.size
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
        if consumer is not None and (consumer.blocked or self._active is consumer):
            self.run((consumer,))

    # -- consumers

    def is_active(self, consumer: Consumer) -> bool:
        """Say whether the consumer may be given messages: all are, but where one alone is (S84)."""
        return not self.settings.single_active_consumer or self._active is consumer

    def accepts(self, *, exclusive: bool) -> bool:
        """Say whether one more consumer may subscribe (S70, S84)."""
        if self.settings.single_active_consumer:
            return not exclusive
        if self._active is not None:
            return False
        return not (exclusive and self.consumers.registered)

    def subscribe(self, consumer: Consumer) -> None:
        """Add a consumer that `accepts` let pass. Deliveries begin with the next `start`."""
        self.consumers.add(consumer)
        self._had_consumers = True
        if consumer.exclusive or (self.settings.single_active_consumer and self._active is None):
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
            if self.settings.single_active_consumer and self.rules.runs_on_cancel:
                self._run()

    def receiver_gone(self, receiver: Receiver, entries: Sequence[QueuedMessage]) -> None:
        """Drop all consumers of a closed channel and put back what it held (S81)."""
        left = [consumer for consumer in self.consumers if consumer.receiver is receiver]
        for consumer in left:
            self.consumers.remove(consumer)
        self._succeed(left)
        if left and self._end_if_unused():
            return
        self._settle(entries)
        if left:
            self.touch()
        if self.settings.type == "quorum":
            self._return(entries, failed=True, to_back=False)
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

    # -- the end

    def purge(self) -> int:
        """Drop all ready messages, dead-lettering none (S115); return how many there were."""
        count = len(self.ready)
        self.ready.clear()
        self.ready_bytes = 0
        self._purged += count
        return count

    def delete(self) -> int:
        """End the queue: drop its messages, cancel its consumers; return how many were ready."""
        self.deleted = True
        count = self.purge()
        for consumer in list(self.consumers):
            self.consumers.remove(consumer)
            consumer.receiver.consumer_cancelled(consumer)
        return count

    # -- looking

    def statistics(self) -> QueueStatistics:
        """Return the figures as they are now."""
        return QueueStatistics(
            name=self.name,
            type=self.settings.type,
            ready=len(self.ready),
            unacked=self.unacked,
            delayed=self.delayed,
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
        assert self.ready_bytes == sum(entry.message.size for entry in self.ready)
        assert self.unacked >= 0
        assert self.unacked_bytes >= 0
        assert self._active is None or self._active in list(self.consumers)
        if self.ready and not self.settings.single_active_consumer:
            assert not any(c.can_take() for c in self.consumers if not c.blocked)
