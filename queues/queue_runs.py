"""How a queue takes, hands over and settles messages by the run (`run.py`).

Only a plain queue does: classic, without limit; with priorities until its consumers are busy. All
others get each message as one of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from attrs import define

from leveret.queues.paged import PagedReady
from leveret.queues.queue_base import QueueBase
from leveret.queues.ready import FifoReady, PriorityReady
from leveret.queues.ready_runs import FifoRuns
from leveret.queues.run import QueuedRun

if TYPE_CHECKING:
    from leveret.queues.consumers import Consumer
    from leveret.queues.queue import Queue
    from leveret.queues.run import MessageRun

__all__ = ["RunQueue"]


@define(eq=False)
class RunQueue(QueueBase):
    """The part of a queue that deals with runs. Costs are those of one message, for each run."""

    def takes_run(self, run: MessageRun) -> bool:
        """Say whether `publish_run` may be called with it now."""
        if not self._is_plain or isinstance(self.ready, PagedReady):
            return False
        if isinstance(self.ready, PriorityReady) and self.consumers.take_turns:
            return False  # each is to go to whoever is next when it comes, not by priority
        if self.journal is None:
            return True
        persistent = run.is_persistent
        if persistent and isinstance(self.ready, PriorityReady):
            return False
        if persistent:  # the journal notes no deadline for a run
            return not run.expiration and self._message_ttl_ms is None
        return persistent is not None

    def publish_run(self, run: MessageRun, expiration_ms: int | None) -> None:
        """Take messages, as so many calls of `publish` would; `expiration_ms` is that of each."""
        stop = len(run)
        expires_at_ms = None
        if self._message_ttl_ms is not None or expiration_ms is not None:
            expires_at_ms = self._expiry(self._message_ttl_ms, expiration_ms)
        queued = QueuedRun(run, cast("Queue", self), self._next_position, 0, stop, expires_at_ms)
        if self._tick is not None and (now_s := self._tick()) > self._mark_due_s:
            self._mark(self._next_position, now_s)
        self._next_position += stop
        if self.journal is not None and run.is_persistent:
            self.journal.enqueued_run(queued)
        if self.consumers.registered and not self.ready_count:
            consumer = None if self.consumers.take_turns else self.consumers.next()
            while consumer is not None:
                self._hand_run(queued.take(consumer.room(len(queued))), consumer)
                if not len(queued):
                    return
                consumer = self.consumers.next()
        if isinstance(self.ready, PriorityReady):  # whoever waited took all in their order
            for entry in queued.entries():
                self.ready.push(entry)
        else:
            self._runs_ready().push_run(queued)
        self.ready_count += len(queued)
        self.ready_bytes += queued.body_bytes
        if expires_at_ms is not None:
            self._may_expire = True
        if self.consumers.take_turns:
            self.start()
        if self._may_expire:
            self._expire()

    def _runs_ready(self) -> FifoRuns:
        ready = self.ready
        if not isinstance(ready, FifoRuns):
            assert isinstance(ready, FifoReady)
            self.ready = ready = FifoRuns.of(ready)
        return ready

    def _hand_run(self, queued: QueuedRun, consumer: Consumer) -> None:
        count = len(queued)
        self._delivered += count
        consumer.delivered += count
        if queued.stored and self.journal is not None:
            if consumer.no_ack:
                self.journal.settled_run(queued)
            else:
                self.journal.delivered_run(queued)
        if consumer.no_ack:
            self._acked += count
        else:
            self.unacked += count
            self.unacked_bytes += queued.body_bytes
        consumer.receiver.receive_run(consumer, queued)

    def start(self) -> None:
        """Deliver what is ready to the consumers that can take it."""
        raise NotImplementedError

    def _deliver_run(self, ready: FifoRuns, head: QueuedRun) -> bool:
        """Deliver from the run at the head; say whether a consumer could take any of it."""
        consumer = self.consumers.next()
        if consumer is None:
            return False
        taken = ready.take_run(head, consumer.room(len(head)))
        self.ready_count -= len(taken)
        self.ready_bytes -= taken.body_bytes
        self._hand_run(taken, consumer)
        return True

    def ack_run(self, held: QueuedRun) -> None:
        """Forget unacknowledged messages: they were handled. The caller calls `run` behind it."""
        count = len(held)
        self.unacked -= count
        self.unacked_bytes -= held.body_bytes
        self._acked += count
        if held.stored and self.journal is not None:
            self.journal.settled_run(held)
        if held.consumer is not None:
            held.consumer.unacked -= count
