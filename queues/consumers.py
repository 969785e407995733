"""The consumers of one queue, and whose turn it is.

Turns are RabbitMQ's (`rabbit_queue_consumers`): the first consumer of the highest priority that
can take a message gets it and goes to the end of its priority's line (S83). One that cannot
(its prefetch is used up, or its channel's) leaves the line and comes back to its end when it can
again.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from leveret.properties import FieldTable
    from leveret.queues.message import AnyMessage, QueuedMessage
    from leveret.queues.queue import Queue
    from leveret.queues.run import QueuedRun
    from leveret.queues.statistics import ConsumerStatistics

__all__ = ["Consumer", "Consumers", "Receiver"]


class Receiver(Protocol):
    """The channel that a consumer belongs to, as a queue sees it."""

    def can_receive(self) -> bool:
        """Say whether the channel takes deliveries now (its own prefetch limit, flow)."""
        ...

    def receive(self, consumer: Consumer, entry: QueuedMessage) -> None:
        """Take a delivery. It must not call the queue back."""
        ...

    def room(self, count: int) -> int:
        """Return how many of `count` deliveries it takes now that it takes one."""
        ...

    def receive_run(self, consumer: Consumer, queued: QueuedRun) -> None:
        """Take deliveries in a row. It must not call the queue back."""
        ...

    def pass_on(self, consumer: Consumer, message: AnyMessage) -> None:
        """Take a fresh delivery that is never acknowledged. It must not call the queue back."""
        ...

    def consumer_cancelled(self, consumer: Consumer) -> None:
        """Take note that the queue is gone and the consumer with it (S73)."""
        ...


@define(eq=False)
class Consumer:
    """One subscription. `prefetch` is the limit of its unacknowledged messages; 0 is none."""

    tag: str
    queue: Queue
    receiver: Receiver
    no_ack: bool = False
    exclusive: bool = False
    priority: int = 0
    prefetch: int = 0
    arguments: FieldTable = field(factory=dict)
    #: How long a delivery is its own; None leaves it to the queue.
    visibility_timeout_ms: int | None = None
    unacked: int = field(default=0, init=False)
    delivered: int = field(default=0, init=False)
    # Out of the line, since it could not take a message when its turn came.
    blocked: bool = field(default=False, init=False)

    def can_take(self) -> bool:
        """Say whether a message may be delivered to it now (S74–S76)."""
        if self.prefetch and self.unacked >= self.prefetch and not self.no_ack:
            return False
        return self.receiver.can_receive()

    def room(self, count: int) -> int:
        """Return how many of `count` messages may be delivered to it now that one may."""
        if self.no_ack:
            return count
        if self.prefetch:
            count = min(count, self.prefetch - self.unacked)
        return self.receiver.room(count)

    def statistics(self) -> ConsumerStatistics:
        """Return its figures as they are now."""
        from leveret.queues.statistics import ConsumerStatistics

        return ConsumerStatistics(
            tag=self.tag,
            queue=self.queue.name,
            no_ack=self.no_ack,
            exclusive=self.exclusive,
            priority=self.priority,
            prefetch=self.prefetch,
            unacked=self.unacked,
            delivered=self.delivered,
            active=self.queue.is_active(self),
        )


@define(eq=False)
class Consumers:
    """The consumers of a queue in turn.

    `next` is O(1) amortised, the rest O(consumers) or less. A line is kept when it runs empty:
    with every consumer at its prefetch limit that is once a message.
    """

    # priority -> consumers in line
    _lines: dict[int, deque[Consumer]] = field(factory=dict, init=False)
    # the lines, highest priority first
    _order: list[deque[Consumer]] = field(factory=list, init=False)
    # (receiver, tag) -> consumer, in line or blocked, in order of registration
    registered: dict[tuple[Receiver, str], Consumer] = field(factory=dict, init=False)
    # consumers out of the line -> None, in the order in which they left it
    _blocked: dict[Consumer, None] = field(factory=dict, init=False)

    def __len__(self) -> int:
        return len(self.registered)

    def __iter__(self) -> Iterator[Consumer]:
        return iter(self.registered.values())

    def add(self, consumer: Consumer) -> None:
        """Put a new consumer at the end of its line."""
        self.registered[consumer.receiver, consumer.tag] = consumer
        if consumer.priority not in self._lines:
            self._lines[consumer.priority] = deque()
            self._order = [self._lines[p] for p in sorted(self._lines, reverse=True)]
        self._lines[consumer.priority].append(consumer)

    def remove(self, consumer: Consumer) -> None:
        """Take a consumer out, in line or not."""
        del self.registered[consumer.receiver, consumer.tag]
        self._blocked.pop(consumer, None)
        if not consumer.blocked:
            self._lines[consumer.priority].remove(consumer)
        if not self.registered:
            self._lines.clear()
            self._order = []

    def first(self) -> Consumer | None:
        """Return who stands first in line, able or not; a blocked one only where all are."""
        for line in self._order:
            if line:
                return line[0]
        return next(iter(self), None)

    def next(self) -> Consumer | None:
        """Return who gets the next message and send it to the end of its line, or None."""
        for line in self._order:
            while line:
                consumer = line[0]
                if consumer.can_take():
                    if len(line) > 1:
                        line.rotate(-1)
                    return consumer
                consumer.blocked = True
                self._blocked[consumer] = None
                line.popleft()
        return None

    @property
    def take_turns(self) -> bool:
        """Whether the next messages go to several in turn, and not all to one."""
        for line in self._order:
            if line:
                return len(line) > 1
        return False

    def unblock(self, consumers: Iterable[Consumer]) -> bool:
        """Let those of the blocked that can take a message again re-enter; say whether any did.

        They come in the order in which they were blocked, whatever order they are named in.
        """
        if not self._blocked:
            return False
        able = {c for c in consumers if c in self._blocked and c.can_take()}
        for consumer in [c for c in self._blocked if c in able] if len(able) > 1 else able:
            del self._blocked[consumer]
            consumer.blocked = False
            self._lines[consumer.priority].append(consumer)
        return bool(able)

    def check(self) -> None:
        """Assert that each consumer stands in its own line once, or is blocked."""
        in_line = [consumer for line in self._order for consumer in line]
        assert self._order == [self._lines[p] for p in sorted(self._lines, reverse=True)]
        assert len(in_line) == len(set(map(id, in_line)))
        assert {id(c) for c in in_line} == {id(c) for c in self if not c.blocked}
        assert {id(c) for c in self._blocked} == {id(c) for c in self if c.blocked}
        for priority, line in self._lines.items():
            assert all(consumer.priority == priority for consumer in line)
