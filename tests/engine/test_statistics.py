"""Figures of a broker, seen from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from leveret.engine.unroutable import Unroutable, UnroutableLog

if TYPE_CHECKING:
    from tests.engine.conftest import Rig

    from leveret import Channel
    from leveret.engine.statistics import ExchangeStatistics
    from leveret.queues.statistics import QueueStatistics


def queue(broker: Rig, name: str = "q") -> QueueStatistics:
    return {q.name: q for q in broker.statistics().virtual_hosts[0].queues}[name]


def exchange(broker: Rig, name: str) -> ExchangeStatistics:
    return {x.name: x for x in broker.statistics().virtual_hosts[0].exchanges}[name]


def test_a_queues_life_in_figures(broker: Rig, channel: Channel) -> None:
    arguments = {"x-max-length": 3, "x-message-ttl": 1000}
    broker.queue_declare("q", arguments=arguments)
    broker.put("q", "one", "two", "three", "four")
    first, second = broker.take(channel, "q", 2)
    channel.basic_ack(first)
    channel.basic_nack(second)
    figures = queue(broker)
    assert (figures.ready, figures.unacked) == (2, 0)
    assert (figures.published, figures.delivered, figures.acked) == (4, 2, 1)
    assert figures.died == {"maxlen": 1}
    tag = broker.get(channel, "q").tag
    figures = queue(broker)
    assert (figures.redelivered, figures.delivered) == (1, 3)
    assert (figures.ready_bytes, figures.unacked_bytes) == (len("four"), len("three"))
    channel.basic_reject(tag, requeue=False)
    broker.advance(seconds=1)
    assert queue(broker).died == {"maxlen": 1, "rejected": 1, "expired": 1}
    broker.put("q", "five")
    broker.queue_purge("q")
    assert queue(broker).purged == 1
    assert queue(broker).ready == 0


def test_every_message_is_accounted_for(broker: Rig, channel: Channel) -> None:
    broker.queue_declare("q", arguments={"x-max-length": 5})
    broker.put("q", *"0123456789")
    broker.take(channel, "q", 3)
    channel.basic_ack(1)
    channel.basic_reject(2, requeue=False)
    broker.get(channel, "q", auto_ack=True)
    figures = queue(broker)
    gone = figures.acked + sum(figures.died.values()) + figures.purged
    assert figures.published == figures.ready + figures.unacked + gone == 10


def test_what_a_full_queue_refused(broker: Rig) -> None:
    broker.queue_declare("q", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    broker.put("q", "1", "2", "3")
    assert queue(broker).refused == 2


def test_consumers(broker: Rig, channel: Channel) -> None:
    broker.queue_declare("q")
    channel.basic_qos(prefetch_count=2)
    channel.basic_consume("q", consumer_tag="t", arguments={"x-priority": 7})
    broker.put("q", "1", "2", "3")
    channel.basic_ack(1)
    [consumer] = queue(broker).consumers
    assert (consumer.tag, consumer.queue, consumer.priority) == ("t", "q", 7)
    assert (consumer.prefetch, consumer.unacked, consumer.delivered) == (2, 2, 3)
    assert (consumer.no_ack, consumer.exclusive, consumer.active) == (False, False, True)


def test_channels(broker: Rig) -> None:
    channel = broker.connect().channel(7)
    channel.confirm_delivery()
    channel.coalesce_confirms = True
    channel.basic_qos(prefetch_count=3)
    channel.basic_qos(prefetch_count=9, global_qos=True)
    channel.queue_declare("q")
    channel.basic_publish("", "q", "m")
    broker.get(channel, "q")
    [figures] = [c for c in broker.statistics().channels if c.number == 7]
    assert (figures.user, figures.unacked, figures.unconfirmed) == ("guest", 1, 1)
    assert (figures.prefetch, figures.global_prefetch) == (3, 9)
    assert (figures.confirms, figures.transactional, figures.consumers) == (True, False, ())
    channel.flush_confirms()
    assert channel.statistics().unconfirmed == 0


def test_exchanges(broker: Rig, channel: Channel) -> None:
    broker.queue_declare("q")
    broker.queue_bind("q", "amq.topic", "a.#")
    for key in ("a.b", "c", "c"):
        channel.basic_publish("amq.topic", key, "m")
    broker.put("q", "m")
    figures = exchange(broker, "amq.topic")
    assert (figures.type, figures.bindings) == ("topic", 1)
    assert (figures.published, figures.routed, figures.unroutable) == (3, 1, 2)
    assert exchange(broker, "").published == 1
    assert exchange(broker, "amq.fanout").published == 0


def test_what_was_unroutable_by_exchange_and_key(broker: Rig, channel: Channel) -> None:
    for key in ("a", "b", "a"):
        channel.basic_publish("amq.direct", key, "m")
        broker.advance(seconds=1)
    begin_ms = broker.clock.now_ms() - 3000
    host = broker.statistics().virtual_hosts[0]
    assert host.unroutable == (
        Unroutable("amq.direct", "b", 1, begin_ms + 1000),
        Unroutable("amq.direct", "a", 2, begin_ms + 2000),
    )
    assert (host.published, host.routed) == (3, 0)


def test_the_log_of_unroutable_messages_is_bounded() -> None:
    log = UnroutableLog(kept=3)
    for number in range(10):
        log.add("x", str(number), number)
        log.add("x", "often", number)
    assert [entry.routing_key for entry in log.entries()] == ["8", "9", "often"]
    assert (log.total, log.by_exchange) == (20, {"x": 20})


def test_a_broker_is_the_sum_of_its_virtual_hosts(broker: Rig, channel: Channel) -> None:
    other = broker.add_virtual_host("other")
    other.declare_queue("q", durable=True, owner=None, auto_delete=False, arguments={})
    broker.queue_declare("q")
    broker.queue_declare("r")
    broker.put("q", "12", "345")
    broker.put("r", "6")
    broker.get(channel, "q")
    figures = broker.statistics()
    assert (figures.ready, figures.unacked, figures.bytes) == (2, 1, 6)
    assert (figures.published, figures.routed) == (3, 3)
    assert [host.name for host in figures.virtual_hosts] == ["/", "other"]
    assert figures.connections == 1


def test_figures_are_those_of_a_moment(broker: Rig) -> None:
    broker.queue_declare("q")
    before = queue(broker)
    broker.put("q", "m")
    assert (before.ready, queue(broker).ready) == (0, 1)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        before.ready = 5  # type: ignore[misc]
