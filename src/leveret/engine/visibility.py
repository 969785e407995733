"""Deliveries that are their consumer's for a time only: the visibility timeout, leveret's own.

A queue or a consumer may set `x-visibility-timeout`. A delivery that is not settled by then goes
back to its queue as redelivered, and its channel lives on. What the client says of it afterwards
comes too late, which is no fault of its own: it is passed over. A tag that never was is refused.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from attrs import define, field

from leveret.engine.settling import SettleMethods

if TYPE_CHECKING:
    from collections.abc import Container

    from leveret.queues import Consumer, Queue, QueuedMessage

__all__ = ["Leases", "VisibilityMethods"]

#: Tags that expired and that the client did not settle since; the oldest are forgotten first, and
#: then refused as unknown. A client that never settles would have them grow for ever.
EXPIRED_KEPT = 10_000
#: Deadlines that may stand there for nothing before they are sorted out.
SPARE_DEADLINES = 64


@define(eq=False)
class Leases:
    """When the deliveries of one channel expire. O(log n) each, O(1) where they come in order.

    What was settled is not taken out at once, which would cost each acknowledgement: it goes when
    it comes to the head, or when most of what stands there is settled.
    """

    # delivery tag -> its deadline
    _deadlines: dict[int, int] = field(factory=dict, init=False)
    # heap of (deadline, tag); one that `_deadlines` does not have is void
    _heap: list[tuple[int, int]] = field(factory=list, init=False)

    def __len__(self) -> int:
        return len(self._deadlines)

    def __contains__(self, tag: object) -> bool:
        return tag in self._deadlines

    def set(self, tag: int, deadline_ms: int) -> None:
        """Have a delivery expire at a time, whatever was said of it before."""
        self._deadlines[tag] = deadline_ms
        heappush(self._heap, (deadline_ms, tag))

    def next_ms(self, held: Container[int]) -> int | None:
        """Return when the first of those that are held expires; None where none does."""
        heap, deadlines = self._heap, self._deadlines
        while heap:
            deadline_ms, tag = heap[0]
            if deadlines.get(tag) == deadline_ms:
                if tag in held:
                    return deadline_ms
                del deadlines[tag]
            heappop(heap)
        return None

    def trim(self, held: Container[int], count: int) -> None:
        """Forget what is settled, where `count` are held and much more stands here."""
        if len(self._heap) > 2 * count + SPARE_DEADLINES:
            kept = {tag: at for tag, at in self._deadlines.items() if tag in held}
            self._deadlines = kept
            self._heap = [(at, tag) for tag, at in kept.items()]
            heapify(self._heap)

    def pop_due(self, held: Container[int], now_ms: int) -> list[int]:
        """Take out the tags of those held that have expired, in the order of their deadlines."""
        due = []
        while (deadline_ms := self.next_ms(held)) is not None and deadline_ms <= now_ms:
            tag = heappop(self._heap)[1]
            del self._deadlines[tag]
            due.append(tag)
        return due

    def check(self) -> None:
        """Assert that each deadline stands in the heap."""
        assert {(at, tag) for tag, at in self._deadlines.items()} <= set(self._heap)


class VisibilityMethods(SettleMethods):
    """Taking deliveries back that were not settled in time."""

    __slots__ = ()

    def extend(self, delivery_tag: int, milliseconds: int) -> bool:
        """Have a delivery expire so many milliseconds from now; say whether it is held still.

        Where the delivery has no visibility timeout it never expires, and that stays so.

        Raises:
            ChannelWrongStateError: the channel is closed.
            ValueError: the time is negative.

        """
        self.check_open()
        if milliseconds < 0:
            raise ValueError(f"a delivery cannot be extended by {milliseconds} ms")
        leases = self._leases
        if leases is not None and delivery_tag in leases and delivery_tag in self._unacked:
            self._lease(delivery_tag, self._now_ms() + milliseconds)
        return self.is_held(delivery_tag)

    def visibility_timeout_ms(self, queue: Queue, consumer: Consumer | None) -> int | None:
        """Return how long a delivery is its consumer's, whose own argument goes first."""
        if consumer is not None and consumer.visibility_timeout_ms is not None:
            return consumer.visibility_timeout_ms
        return queue.settings.visibility_timeout_ms

    def lease(self, delivery_tag: int, entry: QueuedMessage) -> None:
        """See that a delivery comes back when its time is over, where it has one."""
        timeout_ms = self.visibility_timeout_ms(entry.queue, entry.consumer)
        if timeout_ms is not None:
            self._lease(delivery_tag, entry.delivered_at_ms + timeout_ms)

    def lease_restored(self) -> None:
        """Have what a rollback brought back expire as before; an extension is lost."""
        for tag, entry in self._unacked.items():
            if self._leases is None or tag not in self._leases:
                self.lease(tag, entry)

    def _lease(self, tag: int, deadline_ms: int) -> None:
        if self._leases is None:
            self._leases = Leases()
        self._leases.trim(self._unacked, len(self._unacked))
        self._leases.set(tag, deadline_ms)
        self._watch_leases()

    def _watch_leases(self) -> None:
        """See that somebody looks when the first of the deliveries expires."""
        assert self._leases is not None
        first_ms, timer = self._leases.next_ms(self._unacked), self._lease_timer
        if first_ms is None or (timer is not None and timer[0] <= first_ms):
            return
        if timer is not None:
            self._host.broker.timers.cancel(timer)
        self._lease_timer = self._host.call_at(first_ms, self._check_leases)

    def _check_leases(self) -> None:
        self._lease_timer = None
        assert self._leases is not None
        expired = self._leases.pop_due(self._unacked, self._now_ms())
        entries = {tag: self._unacked.pop(tag) for tag in sorted(expired)}
        for tag in entries:
            self._expired[tag] = None
            self.listener.expired(tag)
        while len(self._expired) > EXPIRED_KEPT:
            del self._expired[next(iter(self._expired))]
        self.settle_entries("reject_requeue", entries)
        self._watch_leases()
