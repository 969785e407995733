"""The state of a queue, and how messages leave it by themselves: limits, times to live, its lease.

The rules are those of RabbitMQ's classic queue (`rabbit_amqqueue_process`) and, where
`settings.type` says so, of a quorum queue on one node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from attrs import Factory, define, field

from leveret.queues.ages import Ages
from leveret.queues.consumers import Consumers
from leveret.queues.ready import FifoReady, PriorityReady, ReturnsFirstReady
from leveret.queues.ready_runs import FifoRuns
from leveret.queues.room import Room
from leveret.queues.rules import QueueRules
from leveret.queues.run import QueuedRun
from leveret.queues.settings import QueueSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from leveret.properties import FieldTable
    from leveret.queues.consumers import Consumer
    from leveret.queues.message import AnyMessage, QueuedMessage
    from leveret.queues.paged import PagedRun
    from leveret.queues.queue import Queue
    from leveret.queues.ready import Ready
    from leveret.queues.room import Retry

__all__ = ["QueueBase", "QueueHost", "QueueJournal"]


class QueueHost(Protocol):
    """What a queue needs of the virtual host it lives in."""

    @property
    def tick(self) -> Callable[[], float] | None:
        """What tells the seconds that went by, from any beginning; None where nobody asks."""
        ...

    @property
    def mark_gap_s(self) -> float:
        """The least time between two marks of `ages`, in seconds."""
        ...

    def now_ms(self) -> int:
        """Return the present in milliseconds."""
        ...

    def describe(self, kind: str, name: str) -> str:
        """Name a resource as RabbitMQ's texts do: `queue 'q' in vhost '/'`."""
        ...

    def call_at(self, deadline_ms: int, call: Callable[[], None]) -> object:
        """Call back when the clock reaches `deadline_ms`."""
        ...

    def soon(self, call: Callable[[], None]) -> None:
        """Call back before the operation that is under way returns, when it is through."""
        ...

    def message_died(self, queue: Queue, message: AnyMessage, reason: str) -> None:
        """Take a message that left the queue unconsumed; dead-letter it where that is set up.

        It must not call the queue back within this call.
        """
        ...

    def queue_ended(self, queue: Queue, reason: str) -> None:
        """Delete the queue: its lease ran out, or its last consumer left (S36, S92)."""
        ...

    def duplicate_dropped(self, queue: Queue, message: AnyMessage) -> None:
        """Hear that the queue took no message that it was given before."""
        ...


class QueueJournal(Protocol):
    """Where a durable queue notes what must survive the process.

    Only messages that are `stored` are noted: persistent ones, and all of a quorum queue.
    """

    def enqueued(self, entry: QueuedMessage) -> None:
        """Note a message that came in."""
        ...

    def delivered(self, entry: QueuedMessage) -> None:
        """Note that a message is with a consumer: after a crash it comes back redelivered."""
        ...

    def returned(self, entry: QueuedMessage) -> None:
        """Note that a message came back, and how often it did."""
        ...

    def settled(self, entry: QueuedMessage) -> None:
        """Note that a message is gone: acknowledged, dead or purged."""
        ...

    def enqueued_run(self, queued: QueuedRun) -> None:
        """Note messages that came in a row."""
        ...

    def delivered_run(self, queued: QueuedRun) -> None:
        """Note that messages in a row are with a consumer."""
        ...

    def settled_run(self, queued: QueuedRun) -> None:
        """Note that messages in a row are gone."""
        ...

    def page_out(self, entries: Sequence[QueuedMessage | QueuedRun]) -> tuple[list[PagedRun], int]:
        """Take durable messages out of memory; see `paged.MessagePager`."""
        ...


@define(eq=False)
class QueueBase:
    """What a queue is made of. `ready_count` is the number of messages in `ready`."""

    name: str
    host: QueueHost
    settings: QueueSettings = field(factory=QueueSettings)
    durable: bool = True
    exclusive_owner: object | None = None
    auto_delete: bool = False
    arguments: FieldTable = field(factory=dict)
    rules: QueueRules = field(factory=QueueRules)
    journal: QueueJournal | None = None
    #: What the journal knows the queue by; 0 while it knows it not.
    journal_id: int = 0
    ready: Ready = field(init=False)
    consumers: Consumers = field(factory=Consumers, init=False)
    ready_count: int = field(default=0, init=False)
    ready_bytes: int = field(default=0, init=False)
    unacked: int = field(default=0, init=False)
    unacked_bytes: int = field(default=0, init=False)
    #: Returned messages that wait before they are ready again (delayed retry).
    delayed: int = field(default=0, init=False)
    deleted: bool = field(default=False, init=False)
    #: Who waits until it can take more; None while nobody ever did.
    room: Room | None = field(default=None, init=False)
    # The single active consumer, or the exclusive one.
    _active: Consumer | None = field(default=None, init=False)
    _had_consumers: bool = field(default=False, init=False)
    _next_position: int = field(default=0, init=False)
    _limited: bool = field(default=False, init=False)
    _refuses: bool = field(default=False, init=False)
    _message_ttl_ms: int | None = field(default=None, init=False)
    _is_quorum: bool = field(default=False, init=False)
    # No setting asks for a look at each message, but for its time to live.
    _is_plain: bool = field(default=False, init=False)
    # What marks of the ages are made with; None while nobody asks for ages.
    _tick: Callable[[], float] | None = field(
        default=Factory(lambda self: self.host.tick, takes_self=True), init=False
    )
    _ages: Ages = field(factory=Ages, init=False)
    # When the next message that comes is marked in the ages.
    _mark_due_s: float = field(default=float("-inf"), init=False)
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
        self._is_quorum = self.settings.type == "quorum"
        if self.settings.max_priority is not None:
            self.ready = PriorityReady(self.settings.max_priority)
        elif self._is_quorum:
            self.ready = ReturnsFirstReady()
        else:
            self.ready = FifoReady()
        self.apply(self.settings)

    # -- ages

    def _mark(self, position: int, now_s: float) -> None:
        """Note when a message came, for the age of the oldest."""
        if not self.ready_count and not self.unacked and not self.delayed:
            self._ages.clear()
        self._ages.mark(position, now_s)
        self._mark_due_s = now_s + self.host.mark_gap_s

    def keep_ages(self) -> None:
        """Have `oldest_age_ms` tell the age of what comes from now on."""
        if self._tick is None and self.host.tick is not None:
            self._tick = self.host.tick
            self._mark_oldest()

    def _mark_oldest(self) -> None:
        """Have what is ready count from now."""
        first = self.ready.oldest()
        if first is not None and self._tick is not None:
            self._mark(first, self._tick())

    def oldest_age_ms(self) -> int | None:
        """Return how long the oldest ready message has been in the queue; None where none is.

        Exact to a tenth of a second, or to a tenth of itself where that is more. What was there
        before `keep_ages`, and what came back from a data directory, counts from then.
        """
        position = self.ready.oldest()
        came_at_s = None if position is None else self._ages.came_at_s(position)
        if came_at_s is None or self._tick is None:
            return None
        return max(0, round((self._tick() - came_at_s) * 1000))

    # -- settings and lease

    def apply(self, settings: QueueSettings) -> None:
        """Put settings in force, limits also for the messages that wait already (S100)."""
        self.settings = settings
        self._message_ttl_ms = settings.message_ttl_ms
        self._limited = settings.max_length is not None or settings.max_length_bytes is not None
        self._refuses = self._limited and settings.overflow != "drop-head"
        self._is_plain = (
            not self._limited and not self._is_quorum and not settings.single_active_consumer
        )
        self._drop_head()
        self._expire()
        if self.room is not None:
            self.room.made()
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
            self.host.queue_ended(cast("Queue", self), "expired")

    # -- limits

    def must_wait(self, message: AnyMessage, *, first: bool = False) -> bool:
        """Say whether a message would be refused, or would overtake others that wait for room.

        `first` says that it has waited, and is the first of them.
        """
        if not self._refuses or self.settings.overflow != "reject-publish":
            return False
        return (not first and bool(self.room)) or self._would_overflow(message)

    def wait_for_room(self, retry: Retry) -> Room:
        """Have `retry` called when the queue can take more; see `Room`."""
        if self.room is None:
            self.room = Room(self.host)
        self.room.wait(retry)
        return self.room

    def _would_overflow(self, message: AnyMessage) -> bool:
        settings = self.settings
        if settings.max_length is not None and self.ready_count + 1 > settings.max_length:
            return True
        limit = settings.max_length_bytes
        return limit is not None and self.ready_bytes + message.size > limit

    def _over_limit(self) -> bool:
        settings = self.settings
        if settings.max_length is not None and self.ready_count > settings.max_length:
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
        self.ready_count -= 1
        self.ready_bytes -= entry.message.size
        self._kill(entry, reason)
        return True

    def _kill(self, entry: QueuedMessage, reason: str) -> None:
        if self.room is not None:
            self.room.made()
        if entry.stored and self.journal is not None:
            self.journal.settled(entry)
        self._died[reason] = self._died.get(reason, 0) + 1
        self.host.message_died(cast("Queue", self), entry.message, reason)

    # -- expiry of messages

    def _expiry(self, ttl_ms: int | None, expiration_ms: int | None) -> int:
        """Return when the smaller of both times to live ends (S88)."""
        if ttl_ms is None or (expiration_ms is not None and expiration_ms < ttl_ms):
            ttl_ms = expiration_ms
        assert ttl_ms is not None
        return self.host.now_ms() + ttl_ms

    def _expire(self) -> None:
        """Let go of what is due at the head, and see that this runs again when more is (S89)."""
        if not self._may_expire:
            return
        now_ms = self.host.now_ms()
        if self._is_quorum and isinstance(self.ready, PriorityReady):
            self._expire_by_priority(self.ready, now_ms)
            return
        while (head := self._head()) is not None:
            if head.expires_at_ms is None:
                return
            if head.expires_at_ms > now_ms:
                self._expire_at(head.expires_at_ms)
                return
            if isinstance(head, QueuedRun):
                self._kill_run(head)
            else:
                self._kill_head("expired")
        self._may_expire = False

    def _kill_run(self, head: QueuedRun) -> None:
        """Let go of the run at the head, whose time to live is over."""
        assert isinstance(self.ready, FifoRuns)
        taken = self.ready.take_run(head, len(head))
        self.ready_count -= len(taken)
        self.ready_bytes -= taken.body_bytes
        for entry in taken.entries():
            self._kill(entry, "expired")

    def _head(self) -> QueuedMessage | QueuedRun | None:
        """Return the ready message, or the run of such, that is next."""
        ready = self.ready
        head = ready.head_run() if isinstance(ready, FifoRuns) else None
        return head or ready.peek()

    def _expire_by_priority(self, ready: PriorityReady, now_ms: int) -> None:
        """Let go of what is due at the head of each priority, as quorum queues do (S99)."""
        while due := [h for h in ready.heads() if h.is_due(now_ms)]:
            for head in due:
                ready.pop_head(head)
                self.ready_count -= 1
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
