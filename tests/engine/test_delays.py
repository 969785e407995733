"""Messages held back until a time: `VirtualHost.delays`, what exchanges and workers build on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leveret import Broker, ManualClock, Properties
from leveret.queues import Message

if TYPE_CHECKING:
    from pathlib import Path

    from leveret.engine.delays import Delays

PERSISTENT = Properties(delivery_mode=2)


@pytest.fixture
def broker() -> Broker:
    broker = Broker(clock=ManualClock(0))
    broker.queue_declare("q")
    return broker


def delays_of(broker: Broker) -> Delays:
    return broker.virtual_hosts["/"].delays


def message(body: bytes, exchange: str = "", key: str = "q", **more: object) -> Message:
    return Message(exchange, key, Properties(delivery_mode=2, **more), body)  # type: ignore[arg-type]


def drain(broker: Broker, queue: str = "q") -> list[bytes]:
    bodies = []
    while (body := broker.basic_get(queue, auto_ack=True)[2]) is not None:
        bodies.append(body)
    broker.check()
    return bodies


def advance(broker: Broker, ms: int) -> None:
    assert isinstance(broker.clock, ManualClock)
    broker.clock.advance(ms=ms)


def test_a_held_message_arrives_when_it_is_due_and_not_before(broker: Broker) -> None:
    delays_of(broker).hold(message(b"later"), 1000)
    advance(broker, 999)
    assert drain(broker) == []
    assert broker.statistics().delayed == 1
    advance(broker, 1)
    assert drain(broker) == [b"later"]
    assert broker.statistics().delayed == 0


def test_messages_arrive_by_time_and_at_one_time_in_the_order_of_holding(broker: Broker) -> None:
    for body, due_ms in ((b"c", 30), (b"a", 10), (b"d", 30), (b"b", 10)):
        delays_of(broker).hold(message(body), due_ms)
    assert [held.message.body for held in delays_of(broker)] == [b"a", b"b", b"c", b"d"]
    advance(broker, 30)
    assert drain(broker) == [b"a", b"b", b"c", b"d"]


def test_what_is_due_already_arrives_with_the_next_step_of_the_clock(broker: Broker) -> None:
    advance(broker, 50)
    delays_of(broker).hold(message(b"late"), 10)
    assert drain(broker) == []
    broker.run_due()
    assert drain(broker) == [b"late"]


def test_a_cancelled_message_never_arrives_and_is_cancelled_once(broker: Broker) -> None:
    first = delays_of(broker).hold(message(b"first"), 10)
    delays_of(broker).hold(message(b"second"), 10)
    assert delays_of(broker).cancel(first)
    assert not delays_of(broker).cancel(first)
    advance(broker, 10)
    assert drain(broker) == [b"second"]
    assert not delays_of(broker).cancel(first + 1)


def test_into_a_queue_it_goes_straight_and_keeps_exchange_and_routing_key(broker: Broker) -> None:
    broker.exchange_declare("orders", "topic")
    delays_of(broker).hold(message(b"x", "orders", "order.created"), 10, queue="q")
    advance(broker, 10)
    method, _, body = broker.basic_get("q", auto_ack=True)
    assert method is not None
    assert (method.exchange, method.routing_key, body) == ("orders", "order.created", b"x")


def test_through_an_exchange_it_is_routed_by_the_bindings_of_then(broker: Broker) -> None:
    broker.exchange_declare("orders", "topic")
    delays_of(broker).hold(message(b"x", "orders", "order.created"), 10)
    broker.queue_bind("q", "orders", "order.*")
    advance(broker, 10)
    assert drain(broker) == [b"x"]


@pytest.mark.parametrize(
    ("exchange", "key", "queue"),
    [
        ("", "q", "gone"),
        ("gone", "q", None),
        ("orders", "nobody", None),
        ("", "gone", None),
    ],
)
def test_what_reaches_no_queue_any_more_is_counted_as_unroutable(
    broker: Broker, exchange: str, key: str, queue: str | None
) -> None:
    broker.exchange_declare("orders", "topic")
    delays_of(broker).hold(message(b"x", exchange, key), 10, queue=queue)
    advance(broker, 10)
    assert drain(broker) == []
    (unroutable,) = broker.statistics().virtual_hosts[0].unroutable
    assert (unroutable.exchange, unroutable.routing_key) == (exchange, key)
    assert broker.statistics().delayed == 0


def test_a_full_queue_is_tried_again_until_it_takes_the_message(broker: Broker) -> None:
    broker.queue_declare("full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    broker.basic_publish("", "full", b"first")
    delays_of(broker).hold(message(b"second"), 10, queue="full")
    advance(broker, 5000)
    assert broker.statistics().delayed == 1
    assert drain(broker, "full") == [b"first"]
    advance(broker, 1000)
    assert drain(broker, "full") == [b"second"]


def test_a_waiting_consumer_is_given_a_message_that_is_due(broker: Broker) -> None:
    seen: list[bytes] = []
    broker.channel().basic_consume("q", lambda *args: seen.append(args[3]), auto_ack=True)
    delays_of(broker).hold(message(b"x"), 10)
    advance(broker, 10)
    assert seen == [b"x"]


def test_a_deleted_virtual_host_takes_what_it_holds_with_it(broker: Broker) -> None:
    host = broker.add_virtual_host("other")
    host.delays.hold(message(b"x"), 10)
    broker.remove_virtual_host("other")
    advance(broker, 10)
    assert broker.next_deadline_ms() is None


def test_persistent_messages_are_held_through_a_restart(tmp_path: Path) -> None:
    clock = ManualClock(0)
    broker = Broker(clock=clock, data=tmp_path)
    broker.queue_declare("q")
    kept = message(b"kept", correlation_id="7", headers={"CC": ["other"]})
    kept.extra_keys = ("other",)
    delays = delays_of(broker)
    ids = [
        delays.hold(kept, 100),
        delays.hold(Message("", "q", Properties(delivery_mode=1), b"lost"), 100),
        delays.hold(message(b"cancelled"), 100),
        delays.hold(message(b"", "nowhere", "no.one"), 200, queue="q"),
    ]
    assert delays.cancel(ids[2])
    broker.close()
    clock = ManualClock(clock.now_ms())
    broker = Broker(clock=clock, data=tmp_path)
    assert broker.storage is not None
    assert broker.storage.recovery.messages == 2
    delays = delays_of(broker)
    assert [(held.id, held.due_ms, held.queue) for held in delays] == [
        (ids[0], 100, None),
        (ids[3], 200, "q"),
    ]
    (first, _) = delays
    assert (first.message.extra_keys, first.message.properties) == (("other",), kept.properties)
    assert delays.hold(message(b"new"), 150) not in ids
    clock.advance(ms=100)
    broker.queue_declare("other")
    assert drain(broker) == [b"kept"]
    clock.advance(ms=100)
    assert drain(broker) == [b"new", b""]
    broker.close()
    assert len(delays_of(Broker(clock=clock, data=tmp_path))) == 0


def test_an_id_is_never_given_twice_even_where_nothing_is_held_any_more(tmp_path: Path) -> None:
    ids = []
    for _ in range(3):
        broker = Broker(clock=ManualClock(), data=tmp_path)
        ids.append(delays_of(broker).hold(message(b"x"), 10))
        assert delays_of(broker).cancel(ids[-1])
        broker.close()
    assert len(set(ids)) == 3


def test_a_message_whose_time_came_while_the_broker_was_down_arrives_at_once(
    tmp_path: Path,
) -> None:
    broker = Broker(clock=ManualClock(), data=tmp_path)
    broker.queue_declare("q")
    delays_of(broker).hold(message(b"x"), 100)
    broker.close()
    broker = Broker(clock=ManualClock(5000), data=tmp_path)
    broker.run_due()
    assert drain(broker) == [b"x"]
    broker.close()


def test_holding_and_what_caused_it_stand_in_one_group(tmp_path: Path) -> None:
    broker = Broker(clock=ManualClock(), data=tmp_path)
    broker.queue_declare("q")
    broker.basic_publish("", "q", b"x", PERSISTENT)
    broker.flush()
    method, _, _ = broker.basic_get("q")
    assert method is not None
    broker.flush()
    storage = broker.storage
    assert storage is not None
    group = storage.journal.group
    broker.basic_ack(method.delivery_tag)
    delays_of(broker).hold(message(b"x"), 100, queue="q")
    assert storage.journal.group == group
    storage.database.close()  # a crash: neither was written
    broker = Broker(clock=ManualClock(), data=tmp_path)
    assert len(delays_of(broker)) == 0
    assert drain(broker) == [b"x"]
    broker.close()
