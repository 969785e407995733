"""Publishing through an `x-delayed-message` exchange, in every way a message can come to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from leveret import Broker, ManualClock, Properties
from leveret.errors import CommandInvalid, PreconditionFailed
from leveret.queues import Message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def broker() -> Iterator[Broker]:
    broker = Broker(clock=ManualClock(0))
    broker.exchange_declare("later", "x-delayed-message", arguments={"x-delayed-type": "topic"})
    broker.queue_declare("q")
    broker.queue_bind("q", "later", "order.*")
    yield broker
    broker.check()


def delay(milliseconds: Any, **more: Any) -> Properties:
    return Properties(headers={"x-delay": milliseconds}, **more)


def advance(broker: Broker, ms: int) -> None:
    assert isinstance(broker.clock, ManualClock)
    broker.clock.advance(ms=ms)


def bodies(broker: Broker, queue: str = "q") -> list[bytes]:
    found = []
    while (body := broker.basic_get(queue, auto_ack=True)[2]) is not None:
        found.append(body)
    return found


def test_a_message_arrives_after_its_delay_with_the_header_below_zero(broker: Broker) -> None:
    broker.basic_publish("later", "order.new", b"x", delay(5000, message_id="7"))
    advance(broker, 4999)
    assert bodies(broker) == []
    (exchange,) = [
        one for one in broker.statistics().virtual_hosts[0].exchanges if one.name == "later"
    ]
    assert (exchange.published, exchange.routed, exchange.delayed) == (1, 1, 1)
    advance(broker, 1)
    method, properties, _ = broker.basic_get("q", auto_ack=True)
    assert method is not None
    assert properties == Properties(headers={"x-delay": -5000}, message_id="7")
    assert (method.exchange, method.routing_key) == ("later", "order.new")


@pytest.mark.parametrize("headers", [None, {}, {"x-delay": 0}, {"x-delay": "no"}])
def test_without_a_delay_it_is_routed_at_once_and_stays_as_it_is(
    broker: Broker, headers: dict[str, Any] | None
) -> None:
    broker.basic_publish("later", "order.new", b"x", Properties(headers=headers))
    assert broker.basic_get("q", auto_ack=True)[1] == Properties(headers=headers)


def test_the_shorter_delay_arrives_first(broker: Broker) -> None:
    broker.basic_publish("later", "order.new", b"second", delay(5000))
    broker.basic_publish("later", "order.new", b"first", delay(1000))
    advance(broker, 5000)
    assert bodies(broker) == [b"first", b"second"]


def test_its_time_to_live_begins_when_the_delay_is_over(broker: Broker) -> None:
    broker.basic_publish("later", "order.new", b"x", delay(5000, expiration="100"))
    advance(broker, 5099)
    assert broker.queue_declare("q", passive=True).message_count == 1
    advance(broker, 1)
    assert broker.queue_declare("q", passive=True).message_count == 0


def test_it_is_routed_by_the_bindings_of_then_and_by_its_copies_keys(broker: Broker) -> None:
    broker.queue_declare("r")
    copied: dict[str, Any] = {"x-delay": 10, "BCC": ["copy"]}
    broker.basic_publish("later", "none", b"x", Properties(headers=copied))
    broker.queue_bind("r", "later", "copy")
    advance(broker, 10)
    method, properties, _ = broker.basic_get("r", auto_ack=True)
    assert method is not None
    assert properties is not None
    assert properties.headers == {"x-delay": -10}


def test_a_message_that_then_reaches_no_queue_goes_to_the_alternate_or_is_unroutable(
    broker: Broker,
) -> None:
    broker.exchange_declare("rest", "fanout")
    broker.queue_declare("r")
    broker.queue_bind("r", "rest")
    broker.exchange_declare(
        "kept",
        "x-delayed-message",
        arguments={"x-delayed-type": "direct", "alternate-exchange": "rest"},
    )
    broker.basic_publish("kept", "none", b"kept", delay(10))
    broker.basic_publish("later", "none", b"lost", delay(10))
    assert bodies(broker, "r") == []
    advance(broker, 10)
    assert bodies(broker, "r") == [b"kept"]
    (unroutable,) = broker.statistics().virtual_hosts[0].unroutable
    assert (unroutable.exchange, unroutable.routing_key) == ("later", "none")


def test_a_confirm_says_that_it_is_held(broker: Broker) -> None:
    channel = broker.channel()
    confirmed: list[tuple[int, bool, bool]] = []
    channel.confirm_delivery(lambda *confirm: confirmed.append(confirm))
    channel.basic_publish("later", "order.new", b"x", delay(10))
    assert confirmed == [(1, False, True)]


def test_a_confirm_waits_until_it_is_held_on_the_disk(tmp_path: Path) -> None:
    broker = Broker(clock=ManualClock(0), data=tmp_path)
    arguments = {"x-delayed-type": "fanout"}
    broker.exchange_declare("later", "x-delayed-message", durable=True, arguments=arguments)
    broker.queue_declare("q")
    broker.queue_bind("q", "later")
    channel = broker.channel()
    confirmed: list[int] = []
    channel.confirm_delivery(lambda tag, *_: confirmed.append(tag))
    channel.basic_publish("later", "", b"kept", delay(10, delivery_mode=2))
    channel.basic_publish("later", "", b"lost", delay(10))
    assert confirmed == [2]
    broker.flush()
    assert confirmed == [2, 1]
    broker.close()
    clock = ManualClock(0)
    broker = Broker(clock=clock, data=tmp_path)
    clock.advance(ms=10)
    assert bodies(broker) == [b"kept"]
    broker.close()


@pytest.mark.parametrize("confirms", [False, True])
def test_mandatory_returns_what_is_delayed_and_it_arrives_all_the_same(
    broker: Broker, confirms: bool
) -> None:
    """RabbitMQ's plugin does so: nobody can know yet whether it will reach a queue."""
    channel = broker.channel()
    told: list[Any] = []
    channel.add_on_return_callback(lambda _, method, *__: told.append(method.reply_code))
    if confirms:
        channel.confirm_delivery(lambda *_: told.append("confirmed"))
    channel.basic_publish("later", "order.new", b"x", delay(10), mandatory=True)
    assert told == [312, *["confirmed"] * confirms]
    advance(broker, 10)
    assert bodies(broker) == [b"x"]
    channel.basic_publish("later", "order.new", b"x", delay(0), mandatory=True)
    assert told.count(312) == 1


def test_a_transaction_holds_it_when_it_is_committed(broker: Broker) -> None:
    channel = broker.channel()
    channel.tx_select()
    channel.basic_publish("later", "order.new", b"undone", delay(10))
    channel.tx_rollback()
    channel.basic_publish("later", "order.new", b"done", delay(10))
    advance(broker, 10)
    assert broker.statistics().delayed == 0
    channel.tx_commit()
    assert broker.statistics().delayed == 1
    advance(broker, 10)
    assert bodies(broker) == [b"done"]


def test_a_binding_from_another_exchange_delays_what_comes_over_it(broker: Broker) -> None:
    broker.exchange_declare("first", "fanout")
    broker.queue_declare("now")
    broker.queue_bind("now", "first")
    broker.exchange_bind("later", "first")
    broker.basic_publish("first", "order.new", b"x", delay(10))
    assert (bodies(broker, "now"), bodies(broker)) == ([b"x"], [])
    advance(broker, 10)
    assert (bodies(broker, "now"), bodies(broker)) == ([], [b"x"])


def test_dead_letters_come_back_later_through_it(broker: Broker) -> None:
    broker.queue_declare(
        "work",
        arguments={"x-dead-letter-exchange": "later", "x-dead-letter-routing-key": "order.again"},
    )
    broker.basic_publish("", "work", b"x", delay(1000))
    method, _, _ = broker.basic_get("work")
    assert method is not None
    broker.basic_reject(method.delivery_tag, requeue=False)
    assert bodies(broker) == []
    advance(broker, 1000)
    assert bodies(broker) == [b"x"]


def test_an_exchange_that_is_gone_when_the_time_comes_routes_nothing(broker: Broker) -> None:
    for body in (b"lost", b"found"):
        broker.basic_publish("later", "order.new", body, delay(10 if body == b"lost" else 20))
    broker.exchange_delete("later")
    assert broker.statistics().delayed == 2
    advance(broker, 10)
    assert broker.statistics().virtual_hosts[0].unroutable[0].exchange == "later"
    broker.exchange_declare("later", "fanout")
    broker.queue_bind("q", "later")
    advance(broker, 10)
    assert bodies(broker) == [b"found"]


def test_held_messages_can_be_looked_at_and_cancelled(broker: Broker) -> None:
    broker.basic_publish("later", "order.a", b"a", delay(20))
    broker.basic_publish("later", "order.b", b"b", delay(10))
    delays = broker.virtual_hosts["/"].delays
    held = [(one.exchange, one.message.routing_key, one.due_ms) for one in delays]
    assert held == [("later", "order.b", 10), ("later", "order.a", 20)]
    assert delays.cancel(next(iter(delays)).id)
    advance(broker, 20)
    assert bodies(broker) == [b"a"]


def test_a_policy_gives_it_an_alternate(broker: Broker) -> None:
    from leveret.engine import Policy

    broker.exchange_declare("rest", "fanout")
    broker.queue_bind("q", "rest")
    host = broker.virtual_hosts["/"]
    host.set_policy(Policy("p", "^later$", {"alternate-exchange": "rest"}, "exchanges"))
    broker.basic_publish("later", "none", b"x", delay(10))
    assert bodies(broker) == []
    advance(broker, 10)
    assert bodies(broker) == [b"x"]


def test_explain_shows_where_it_will_go(broker: Broker) -> None:
    trace = broker.explain("later", "order.new", delay(5000))
    assert trace.queues == ("q",)
    assert "held back for 5,000 ms, then routed as topic" in str(trace)


def test_refusals_close_the_channel_as_the_profile_says() -> None:
    broker = Broker(profile="4.2")
    with pytest.raises(PreconditionFailed, match="must be an existing exchange type"):
        broker.exchange_declare("x", "x-delayed-message")
    unknown = {"x-delayed-type": "foo"}
    with pytest.raises(PreconditionFailed, match="unknown exchange type 'foo'"):
        broker.exchange_declare("x", "x-delayed-message", arguments=unknown)
    with pytest.raises(CommandInvalid, match="unknown exchange type 'foo'"):
        Broker(profile="3.10").exchange_declare("x", "x-delayed-message", arguments=unknown)


def test_what_is_held_by_the_program_through_it_is_not_held_twice(broker: Broker) -> None:
    message = Message("later", "order.new", delay(1000), b"x")
    broker.virtual_hosts["/"].delays.hold(message, 10)
    advance(broker, 10)
    assert bodies(broker) == [b"x"]
