"""The figures of an open broker and of its workers at one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from leveret.engine.statistics import BrokerStatistics, VirtualHostStatistics
    from leveret.queues.statistics import QueueStatistics
    from leveret.service.working import WorkerStatistics

__all__ = ["ServiceStatistics"]


@frozen
class ServiceStatistics:
    """A service's figures: the broker's, and those of each worker since it was started."""

    broker: BrokerStatistics
    virtual_host_name: str
    workers: tuple[WorkerStatistics, ...]

    @property
    def virtual_host(self) -> VirtualHostStatistics:
        """The figures of the virtual host that the service works in."""
        hosts = {host.name: host for host in self.broker.virtual_hosts}
        return hosts[self.virtual_host_name]

    @property
    def queues(self) -> dict[str, QueueStatistics]:
        """The figures of its queues, by name."""
        return {queue.name: queue for queue in self.virtual_host.queues}

    @property
    def lag(self) -> dict[str, dict[str, int]]:
        """How many messages each group of each stream is behind: stream -> group -> messages."""
        streams = {name: queue.stream for name, queue in self.queues.items()}
        return {
            name: {group.name: group.lag for group in stream.groups}
            for name, stream in streams.items()
            if stream is not None
        }
