"""A channel: the unit of conversation with the broker, with pika's method names.

An error closes the channel, or where AMQP says so the connection, in process as over the wire; the
method that caused it raises it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leveret.engine.run_methods import RunMethods
from leveret.engine.topology_methods import TopologyMethods
from leveret.engine.tx_methods import TransactionMethods

if TYPE_CHECKING:
    from leveret.engine.callbacks import OnCancel, OnClose, OnReturn
    from leveret.engine.statistics import ChannelStatistics
    from leveret.queues import Queue

__all__ = ["Channel"]


class Channel(TopologyMethods, TransactionMethods, RunMethods):
    """One channel of a connection. Not thread-safe.

    What it has to tell its client (deliveries, returns, confirms, cancels) goes to its listener,
    or, in process, to the callbacks registered here, which are called before the method that set
    them off returns.
    """

    __slots__ = ()

    def close(self) -> None:
        """Close the channel; its unacknowledged messages return to their queues (S81)."""
        self.terminate(None)
        self.connection.broker.settle()

    def add_on_return_callback(self, callback: OnReturn) -> None:
        """Have `callback(channel, method, properties, body)` called for returned messages."""
        self.callbacks().on_return.append(callback)

    def add_on_cancel_callback(self, callback: OnCancel) -> None:
        """Have `callback(consumer_tag)` called when the broker cancels a consumer (S73)."""
        self.callbacks().on_cancel.append(callback)

    def add_on_close_callback(self, callback: OnClose) -> None:
        """Have `callback(channel, error)` called when the channel is closed."""
        self.callbacks().on_close.append(callback)

    @property
    def consumer_tags(self) -> list[str]:
        """The tags of the channel's consumers."""
        return list(self._consumers)

    def unacked_of(self, queue: Queue) -> int:
        """Return how many messages of a queue the channel holds."""
        entries = list(self._unacked.values())
        in_runs = sum(len(held) for held in self._held_runs if held.queue is queue)
        if self._tx is not None:
            entries += [e for _, put_off in self._tx.settlements for e in put_off.values()]
        return in_runs + sum(entry.queue is queue for entry in entries)

    def statistics(self) -> ChannelStatistics:
        """Return the figures as they are now."""
        from leveret.engine.statistics import ChannelStatistics

        held = sum(count for _, _, count, _ in self._held_confirms)
        return ChannelStatistics(
            number=self.number,
            user=self.connection.access.user.name,
            unacked=len(self._unacked) + sum(map(len, self._held_runs)),
            unconfirmed=len(self._confirmed) + len(self._refused) + held,
            prefetch=self._prefetch,
            global_prefetch=self._global_prefetch,
            confirms=self._publish_seq > 0,
            transactional=self._tx is not None,
            consumers=tuple(consumer.statistics() for consumer in self._consumers.values()),
        )

    def check(self) -> None:
        """Assert that tags are in order and that consumers' counts are those of their messages."""
        assert list(self._unacked) == sorted(self._unacked)
        ends = [
            *self._unacked,
            *(tag for h in self._held_runs for tag in (h.first_tag, h.end_tag - 1)),
        ]
        assert ends == sorted(ends)
        assert all(self._oldest_tag <= tag < self._next_tag for tag in self._unacked)
        assert not self._expired.keys() & self._unacked.keys()
        if self._leases is not None:
            self._leases.check()
        for tag, consumer in self._consumers.items():
            assert consumer.tag == tag
            assert consumer in list(consumer.queue.consumers)

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
