"""Publishing from threads: bodies, confirms, batches, room that is waited for."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

import leveret
from leveret import errors
from leveret.server import ServerLimits
from leveret.service import (
    BatchError,
    PublishTimeoutError,
    ServiceClosedError,
    UnroutableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from leveret.queues import Queue

TOPOLOGY = """
exchanges: {orders: topic, both: fanout}
queues:
  billing: {}
  small: {max_length: 2, overflow: reject-publish}
bindings:
  - orders[order.#] -> billing
  - both -> billing
  - both -> small
"""

#: Generous: what is waited for comes at once, but on a machine that is busy.
SOON_S = 60


@pytest.fixture
def topology(tmp_path: Path) -> Path:
    path = tmp_path / "topology.yaml"
    path.write_text(TOPOLOGY, encoding="utf-8")
    return path


@pytest.fixture
def broker(topology: Path) -> Iterator[leveret.Service]:
    with leveret.open(topology) as service:
        yield service


def wait_until_somebody_waits(broker: leveret.Service, queue: str) -> None:
    """Let others go on until one of them stands in line for room in a queue."""
    standing = threading.Event()
    while not standing.is_set():
        with broker.lock:
            if broker.engine.virtual_hosts["/"].queues[queue].room:
                standing.set()


@pytest.mark.parametrize(
    ("body", "sent", "content_type"),
    [
        (b"\x00\xff", b"\x00\xff", None),
        (bytearray(b"a"), b"a", None),
        (memoryview(b"a"), b"a", None),
        ("grüße", "grüße".encode(), "text/plain; charset=utf-8"),
        ({"id": 7}, b'{"id":7}', "application/json"),
        ([1, None], b"[1,null]", "application/json"),
        (7, b"7", "application/json"),
        (None, b"null", "application/json"),
    ],
)
def test_a_body_is_sent_as_what_it_is(
    broker: leveret.Service, body: Any, sent: bytes, content_type: str | None
) -> None:
    broker.publish("", "billing", body)
    delivery = broker.get("billing")
    assert delivery is not None
    assert (delivery.body, delivery.content_type) == (sent, content_type)
    if content_type == "application/json":
        assert delivery.json() == body


def test_a_body_that_json_has_no_form_for_is_refused(broker: leveret.Service) -> None:
    with pytest.raises(TypeError, match="a body of type set cannot be sent as JSON"):
        broker.publish("", "billing", {1, 2})


def test_headers_and_properties_go_along(broker: leveret.Service) -> None:
    properties = leveret.Properties(content_type="text/x-order", headers={"a": 1}, priority=3)
    broker.publish("orders", "order.new", "x", headers={"b": 2}, properties=properties)
    delivery = broker.get("billing")
    assert delivery is not None
    assert delivery.headers == {"a": 1, "b": 2}
    assert (delivery.exchange, delivery.routing_key) == ("orders", "order.new")
    assert (delivery.content_type, delivery.properties.priority) == ("text/x-order", 3)
    assert delivery.properties.delivery_mode == 2
    assert delivery.message_id is not None
    assert properties.message_id is None


def test_each_message_has_an_id_of_its_own(broker: leveret.Service) -> None:
    broker.publish_many([("", "billing", number) for number in range(100)])
    deliveries = [broker.get("billing") for _ in range(100)]
    assert len({delivery.message_id for delivery in deliveries if delivery}) == 100


def test_a_refusal_is_rabbitmqs_and_hurts_no_other_publish(broker: leveret.Service) -> None:
    with pytest.raises(errors.NotFound, match="no exchange 'ordres' in vhost '/'"):
        broker.publish("ordres", "order.new", "x")
    broker.publish("orders", "order.new", "x")
    assert broker.get("billing") is not None


def test_a_mandatory_message_that_no_queue_takes_is_refused(broker: leveret.Service) -> None:
    with pytest.raises(UnroutableError, match="with routing key 'invoice\\.new'"):
        broker.publish("orders", "invoice.new", "x", mandatory=True)
    broker.publish("orders", "invoice.new", "x")  # as over AMQP: dropped


def test_a_full_queue_is_waited_for_and_nobody_is_overtaken(broker: leveret.Service) -> None:
    broker.publish_many([("", "small", 0), ("", "small", 1)])
    with ThreadPoolExecutor(1) as others:
        waiting = others.submit(broker.publish_many, [("", "small", n) for n in range(2, 20)])
        wait_until_somebody_waits(broker, "small")
        taken = []
        for _ in range(20):
            delivery = broker.get("small", timeout=SOON_S)
            assert delivery is not None
            delivery.ack()
            taken.append(delivery.json())
        waiting.result(SOON_S)
    assert taken == list(range(20))


def test_a_full_queue_is_waited_for_no_longer_than_the_timeout(topology: Path) -> None:
    clock = leveret.ManualClock()
    with leveret.open(topology, clock=clock) as broker, ThreadPoolExecutor(1) as others:
        broker.publish_many([("", "small", 0), ("", "small", 1)])
        waiting = others.submit(broker.publish, "both", "", "x", timeout=5)
        wait_until_somebody_waits(broker, "small")
        clock.advance(seconds=5)
        with pytest.raises(PublishTimeoutError) as caught:
            waiting.result(SOON_S)
        assert str(caught.value) == (
            "queue 'small' is full (max-length 2), and nobody made room within 5000 ms;"
            " nothing was published"
        )
        # Nothing was half done: the queue that had room did not get it either.
        assert broker.statistics().queues["billing"].ready == 0
        assert broker.statistics().queues["small"].ready == 2


@pytest.mark.parametrize(
    "make_room",
    [
        lambda channel: channel.basic_get("small", auto_ack=True),
        lambda channel: channel.basic_consume("small", auto_ack=True),
        lambda channel: channel.queue_purge("small"),
        lambda channel: channel.queue_delete("small"),
    ],
    ids=["get", "consume", "purge", "delete"],
)
def test_whatever_makes_room_lets_a_publish_go_on(
    broker: leveret.Service, make_room: Callable[[leveret.Channel], object]
) -> None:
    broker.publish_many([("", "small", 0), ("", "small", 1)])
    with ThreadPoolExecutor(1) as others:
        waiting = others.submit(broker.publish, "both", "", "x", timeout=SOON_S)
        wait_until_somebody_waits(broker, "small")
        make_room(broker.channel())
        waiting.result(SOON_S)
    assert broker.statistics().queues["billing"].ready == 1


def test_expiry_makes_room(topology: Path) -> None:
    clock = leveret.ManualClock()
    with leveret.open(topology, clock=clock) as broker, ThreadPoolExecutor(1) as others:
        fleeting = leveret.Properties(expiration="1000")
        broker.publish("", "small", 0, properties=fleeting)
        broker.publish("", "small", 1, properties=fleeting)
        waiting = others.submit(broker.publish, "", "small", 2)
        wait_until_somebody_waits(broker, "small")
        clock.advance(seconds=1)
        waiting.result(SOON_S)
        delivery = broker.get("small")
        assert delivery is not None
        assert delivery.json() == 2


def test_a_batch_says_which_messages_were_not_taken(broker: leveret.Service) -> None:
    batch = [("", "billing", 0), ("ordres", "", 1), ("", "billing", 2)]
    outgoing = leveret.Outgoing("orders", "invoice", 3, mandatory=True)
    with pytest.raises(BatchError, match="2 of 4 messages were not taken; number 1: ") as caught:
        broker.publish_many([*batch, outgoing])
    assert {n: type(e) for n, e in caught.value.failures.items()} == {
        1: errors.NotFound,
        3: UnroutableError,
    }
    assert broker.statistics().queues["billing"].ready == 2


def test_closing_ends_a_publish_that_waits(topology: Path) -> None:
    broker = leveret.open(topology)
    broker.publish_many([("", "small", 0), ("", "small", 1)])
    with ThreadPoolExecutor(1) as others:
        waiting = others.submit(broker.publish, "", "small", 2)
        wait_until_somebody_waits(broker, "small")
        broker.close()
        with pytest.raises(ServiceClosedError):
            waiting.result(SOON_S)
    with pytest.raises(ServiceClosedError, match="publishes no more"):
        broker.publish("", "billing", 1)


def test_what_was_published_is_there_after_a_restart(topology: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with leveret.open(topology, data=data) as broker:
        broker.publish("", "billing", {"kept": True})
        broker.publish("", "billing", {"kept": False}, persistent=False)
        broker.publish("", "billing", {"later": True}, delay="1h")
    with leveret.open(topology, data=data, clock=leveret.ManualClock(4_000_000_000_000)) as broker:
        broker.engine.run_due()
        kept = [broker.get("billing"), broker.get("billing")]
        assert [delivery.json() for delivery in kept if delivery] == [
            {"kept": True},
            {"later": True},
        ]
        assert broker.get("billing") is None


def test_publishes_of_many_threads_share_their_way_to_the_disk(
    topology: Path, tmp_path: Path
) -> None:
    with leveret.open(topology, data=tmp_path / "data") as broker:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda n: broker.publish("orders", "order.x", n), range(200)))
        numbers = [d.json() for d in broker.consume("billing", auto_ack=True, timeout=0.01)]
        assert sorted(numbers) == list(range(200))


def test_a_delayed_message_comes_when_it_is_due_and_can_be_cancelled(topology: Path) -> None:
    clock = leveret.ManualClock()
    with leveret.open(topology, clock=clock) as broker:
        first = broker.publish("orders", "order.a", "a", delay="30s")
        second = broker.publish("orders", "order.b", "b", delay=30)
        assert first is not None
        assert second is not None
        assert broker.get("billing") is None
        assert first.cancel()
        assert not first.cancel()
        clock.advance(seconds=30)
        delivery = broker.get("billing")
        assert delivery is not None
        assert (delivery.text(), delivery.routing_key) == ("b", "order.b")
        assert not second.cancel()


def test_room_is_offered_to_the_next_in_line_when_the_first_gives_up(topology: Path) -> None:
    clock = leveret.ManualClock()
    with leveret.open(topology, clock=clock) as broker, ThreadPoolExecutor(2) as others:
        broker.publish_many([("", "small", 0), ("", "small", 1)])
        first = others.submit(broker.publish, "", "small", "first", timeout=1)
        wait_until_somebody_waits(broker, "small")
        clock.advance(seconds=1)
        with pytest.raises(PublishTimeoutError):
            first.result(SOON_S)
        second = others.submit(broker.publish, "", "small", "second")
        wait_until_somebody_waits(broker, "small")
        broker.get("small", auto_ack=True)
        second.result(SOON_S)


def _purge(queue: Queue) -> None:
    queue.purge()


def test_a_publish_that_lets_another_go_on_is_answered_itself(broker: leveret.Service) -> None:
    broker.publish_many([("", "small", 0), ("", "small", 1)])
    with ThreadPoolExecutor(2) as others:
        waiting = others.submit(broker.publish, "", "small", 2)
        wait_until_somebody_waits(broker, "small")
        with broker.lock:
            host = broker.engine.virtual_hosts["/"]
            # What makes room is done as the last thing of the next publish.
            host.soon(partial(_purge, host.queues["small"]))
            broker.publish("", "billing", 3, timeout=SOON_S)
        waiting.result(SOON_S)
    assert broker.statistics().queues["small"].ready == 1


def test_a_refused_publish_that_lets_another_go_on_hurts_it_not(broker: leveret.Service) -> None:
    broker.publish_many([("", "small", 0), ("", "small", 1)])
    with ThreadPoolExecutor(2) as others:
        waiting = others.submit(broker.publish, "", "small", 2)
        wait_until_somebody_waits(broker, "small")
        with broker.lock:
            host = broker.engine.virtual_hosts["/"]
            host.soon(partial(_purge, host.queues["small"]))
            with pytest.raises(errors.NotFound):
                broker.publish("ordres", "x", 3)
        waiting.result(SOON_S)
    broker.publish("", "billing", 4, timeout=SOON_S)


def test_publishers_wait_while_memory_is_short(topology: Path) -> None:
    limits = ServerLimits(memory_bytes=1_000_000)
    clock = leveret.ManualClock()
    with (
        leveret.open(topology, limits=limits, clock=clock) as broker,
        ThreadPoolExecutor(1) as others,
    ):
        broker.publish("", "billing", bytes(2_000_000))
        server = broker.serve(port=0).server
        while not server.alarms:  # memory is looked at once a second
            threading.Event().wait(0.01)
        waiting = others.submit(broker.publish, "", "billing", "x", timeout=10)
        stopped = threading.Event()
        while not stopped.is_set():
            with broker.lock:
                if broker.engine.next_deadline_ms() is not None:
                    stopped.set()
        clock.advance(seconds=10)
        with pytest.raises(PublishTimeoutError, match="publishers are stopped, since memory"):
            waiting.result(SOON_S)
        again = others.submit(broker.publish, "", "billing", "x")
        broker.engine.queue_purge("billing")
        again.result(SOON_S)
