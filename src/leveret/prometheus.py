"""A broker's figures for Prometheus (extra `prometheus`: prometheus_client).

What RabbitMQ's own plugin tells has its names and labels, so that its dashboards and rules fit;
the rest begins with `leveret_`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import define
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)

from leveret.engine.statistics import BrokerStatistics

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from leveret.queues.statistics import QueueStatistics
    from leveret.service.statistics import ServiceStatistics
    from leveret.service.working import WorkerStatistics

__all__ = ["BrokerCollector"]

_QUEUE = ("vhost", "queue")

# name, what it is, how it is read from a queue's figures
_GAUGES = (
    ("rabbitmq_queue_messages", "Messages ready and unacknowledged", "messages"),
    ("rabbitmq_queue_messages_ready", "Messages ready to be delivered", "ready"),
    ("rabbitmq_queue_messages_unacked", "Messages delivered and not yet acknowledged", "unacked"),
    ("rabbitmq_queue_messages_ready_bytes", "Bytes of ready messages' bodies", "ready_bytes"),
    (
        "rabbitmq_queue_messages_unacked_bytes",
        "Bytes of unacknowledged messages' bodies",
        "unacked_bytes",
    ),
)
_COUNTERS = (
    ("leveret_queue_messages_published", "Messages that came into the queue", "published"),
    ("leveret_queue_messages_delivered", "Deliveries", "delivered"),
    ("leveret_queue_messages_redelivered", "Deliveries of messages that came back", "redelivered"),
    ("leveret_queue_messages_acked", "Messages acknowledged", "acked"),
)


class HasStatistics(Protocol):
    """A broker, or an open service."""

    def statistics(self) -> BrokerStatistics | ServiceStatistics:
        """Return the figures as they are now."""
        ...


@define(eq=False)
class BrokerCollector:
    """Reads the figures of a broker or a service whenever Prometheus asks.

    Give it to `prometheus_client.REGISTRY.register`. Where another thread asks, the source has to
    be one that threads may use: `leveret.open`, or a broker that is served.
    """

    source: HasStatistics

    def describe(self) -> Iterable[Metric]:
        """Return nothing: what there is, the figures say."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield every figure."""
        read = self.source.statistics()
        broker = read if isinstance(read, BrokerStatistics) else read.broker
        queues = [(host.name, queue) for host in broker.virtual_hosts for queue in host.queues]
        yield GaugeMetricFamily("rabbitmq_connections", "Open connections", broker.connections)
        yield GaugeMetricFamily("rabbitmq_channels", "Open channels", len(broker.channels))
        yield from _of_queues(queues)
        yield from _of_workers(getattr(read, "workers", ()))


def _of_queues(queues: list[tuple[str, QueueStatistics]]) -> Iterator[Metric]:
    for name, text, attribute in _GAUGES:
        gauge = GaugeMetricFamily(name, text, labels=_QUEUE)
        for host, queue in queues:
            gauge.add_metric((host, queue.name), getattr(queue, attribute))
        yield gauge
    for name, text, attribute in _COUNTERS:
        counter = CounterMetricFamily(name, text, labels=_QUEUE)
        for host, queue in queues:
            counter.add_metric((host, queue.name), getattr(queue, attribute))
        yield counter
    consumers = GaugeMetricFamily("rabbitmq_queue_consumers", "Consumers", labels=_QUEUE)
    oldest = GaugeMetricFamily(
        "leveret_queue_oldest_message_age_seconds",
        "How long the oldest ready message has been in the queue",
        labels=_QUEUE,
    )
    died = CounterMetricFamily(
        "leveret_queue_messages_died",
        "Messages that died: rejected, expired, maxlen, delivery_limit",
        labels=(*_QUEUE, "reason"),
    )
    lag = GaugeMetricFamily(
        "leveret_stream_group_lag",
        "Messages that a group of a stream's consumers has not acknowledged",
        labels=(*_QUEUE, "group"),
    )
    for host, queue in queues:
        consumers.add_metric((host, queue.name), len(queue.consumers))
        oldest.add_metric((host, queue.name), (queue.oldest_age_ms or 0) / 1000)
        for reason, count in queue.died.items():
            died.add_metric((host, queue.name, reason), count)
        for group in queue.stream.groups if queue.stream is not None else ():
            lag.add_metric((host, queue.name, group.name), group.lag)
    yield from (consumers, oldest, died, lag)


def _of_workers(workers: Iterable[WorkerStatistics]) -> Iterator[Metric]:
    labels = ("worker", "queue")
    seconds = SummaryMetricFamily(
        "leveret_worker_handler_seconds", "Time in handlers, and how often", labels=labels
    )
    in_flight = GaugeMetricFamily(
        "leveret_worker_in_flight", "Messages with a handler now", labels=labels
    )
    retried = CounterMetricFamily(
        "leveret_worker_retried", "Messages put back to be tried again", labels=labels
    )
    dead = CounterMetricFamily(
        "leveret_worker_dead_lettered", "Messages whose last attempt failed", labels=labels
    )
    for worker in workers:
        of = (worker.name, worker.queue)
        seconds.add_metric(of, count_value=worker.handled, sum_value=worker.seconds)
        in_flight.add_metric(of, worker.in_flight)
        retried.add_metric(of, worker.retried)
        dead.add_metric(of, worker.dead_lettered + worker.rejected)
    yield from (seconds, in_flight, retried, dead)
