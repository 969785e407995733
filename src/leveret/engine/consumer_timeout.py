"""Consumers that do not acknowledge in time, and what becomes of them (S86)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leveret.engine.visibility import VisibilityMethods
from leveret.errors import PreconditionFailed

if TYPE_CHECKING:
    from leveret.queues import Consumer, QueuedMessage, QueuedRun

__all__ = ["TimeoutMethods"]


class TimeoutMethods(VisibilityMethods):
    """Watches the age of unacknowledged deliveries; RabbitMQ looks once a minute, this at once."""

    __slots__ = ()

    def watch(self, entry: QueuedMessage | QueuedRun) -> None:
        """See that a delivery or a run is looked at again when it should have been settled.

        A check that is due is due in time for every later delivery too, but for one from a queue
        with a timeout of its own; so this is called for these and where no check is due.
        """
        timeout_ms = self._timeout_of(entry)
        if timeout_ms is None:
            return
        deadline_ms = entry.delivered_at_ms + timeout_ms
        if self._timeout_check_ms is None or self._timeout_check_ms > deadline_ms:
            self._check_timeouts_at(deadline_ms)

    def _check_timeouts_at(self, deadline_ms: int) -> None:
        self._timeout_check_ms = deadline_ms
        if self._timeout_timer is not None:
            self._host.broker.timers.cancel(self._timeout_timer)
        self._timeout_timer = self._host.call_at(deadline_ms, self._check_timeouts)

    def _timeout_of(self, entry: QueuedMessage | QueuedRun) -> int | None:
        """Return how long a delivery may be unacknowledged, in milliseconds; None is for ever."""
        settings = entry.queue.settings
        if settings.type != "quorum" and not self._host.broker.profile.classic_consumer_timeout:
            return None
        own = settings.consumer_timeout_ms
        return self._host.broker.consumer_timeout_ms if own is None else own

    def _check_timeouts(self) -> None:
        if self.closed or self._timeout_check_ms is None:
            return
        now_ms = self._host.now_ms()
        if self._timeout_check_ms > now_ms:
            return
        self._timeout_check_ms = None
        self.part_runs()
        next_check_ms = None
        for entry in list(self._unacked.values()):
            timeout_ms = self._timeout_of(entry)
            if timeout_ms is None:
                continue
            deadline_ms = entry.delivered_at_ms + timeout_ms
            if deadline_ms > now_ms:
                next_check_ms = min(next_check_ms or deadline_ms, deadline_ms)
            elif self._time_out(entry, timeout_ms):
                return
        if next_check_ms is not None:
            self._check_timeouts_at(next_check_ms)

    def _time_out(self, entry: QueuedMessage, timeout_ms: int) -> bool:
        """Act on a delivery that is overdue; say whether the channel was closed for it (S86)."""
        consumer = entry.consumer
        soft = not self._host.broker.profile.classic_consumer_timeout
        if soft and consumer is not None and self.connection.cancel_notify:
            self._cancel_for_timeout(consumer)
            return False
        self.terminate(
            PreconditionFailed(
                f"delivery acknowledgement on channel {self.number} timed out. Timeout value used:"
                f" {timeout_ms} ms. This timeout value can be configured, see consumers doc guide"
                " to learn more"
            )
        )
        return True

    def _cancel_for_timeout(self, consumer: Consumer) -> None:
        if self._consumers.pop(consumer.tag, None) is not None:
            consumer.queue.unsubscribe(consumer)
            self.listener.consumer_cancelled(consumer.tag)
        held = {tag: e for tag, e in self._unacked.items() if e.consumer is consumer}
        for tag in held:
            del self._unacked[tag]
        self.settle_entries("reject_requeue", held)
