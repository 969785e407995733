"""The stream of what happens in a broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leveret import Properties

if TYPE_CHECKING:
    from tests.engine.conftest import Rig

    from leveret import Channel
    from leveret.engine import Event


def names(heard: list[Event]) -> list[str]:
    """Return the names of what was heard, and forget it."""
    taken = [event.name for event in heard]
    heard.clear()
    return taken


def test_topology(broker: Rig, channel: Channel) -> None:
    heard: list[Event] = []
    broker.events.subscribe(heard.append)
    channel.exchange_declare("x", "fanout")
    channel.queue_declare("q")
    channel.queue_bind("q", "x")
    assert [(event.name, event.virtual_host) for event in heard] == [
        ("exchange.created", "/"),
        ("queue.created", "/"),
        ("binding.created", "/"),
    ]
    assert heard[0].fields == {"name": "x", "type": "fanout"}
    assert heard[0].time_ms == broker.clock.now_ms()
    heard.clear()
    channel.queue_bind("q", "x")
    channel.queue_declare("q")
    channel.exchange_declare("x", "fanout")
    assert names(heard) == []
    channel.queue_unbind("q", "x")
    channel.queue_delete("q")
    channel.exchange_delete("x")
    assert names(heard) == ["binding.deleted", "queue.deleted", "exchange.deleted"]


def test_consumers(broker: Rig, channel: Channel) -> None:
    heard: list[Event] = []
    broker.queue_declare("q")
    broker.events.subscribe(heard.append)
    channel.basic_consume("q", consumer_tag="t")
    channel.basic_cancel("t")
    assert [(event.name, event.fields) for event in heard] == [
        ("consumer.created", {"queue": "q", "consumer_tag": "t"}),
        ("consumer.deleted", {"queue": "q", "consumer_tag": "t"}),
    ]


def test_deaths(broker: Rig, channel: Channel) -> None:
    heard: list[Event] = []
    broker.queue_declare("q", arguments={"x-max-length": 1})
    broker.put("q", "1")
    broker.events.subscribe(heard.append)
    broker.put("q", "2")
    assert names(heard) == ["message.dropped"]
    channel.basic_reject(broker.get(channel, "q").tag, requeue=False)
    assert names(heard) == ["message.rejected"]
    broker.put("q", "3", expiration="5")
    broker.advance(ms=5)
    [event] = heard
    assert event.name == "message.expired"
    assert event.fields["queue"] == "q"
    assert event.fields["message"].body == b"3"


def test_dead_letters_say_from_where_to_where(broker: Rig) -> None:
    heard: list[Event] = []
    broker.queue_declare("dead")
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    broker.queue_declare("q", arguments=arguments | {"x-message-ttl": 0})
    broker.events.subscribe(heard.append)
    broker.put("q", "m")
    event = heard[-1]
    assert event.name == "message.dead_lettered"
    message, dead = event.fields["message"], event.fields["dead"]
    assert (message.routing_key, dead.routing_key) == ("q", "dead")
    assert event.fields == {
        "queue": "q",
        "reason": "expired",
        "targets": ["dead"],
        "message": message,
        "dead": dead,
    }


def test_messages_that_reach_nobody(broker: Rig, channel: Channel) -> None:
    heard: list[Event] = []
    broker.events.subscribe(heard.append)
    channel.basic_publish("", "none", "m", Properties(message_id="1"))
    channel.basic_publish("", "none", "m", mandatory=True)
    assert heard[0].fields["message"].properties.message_id == "1"
    assert names(heard) == ["message.unroutable", "message.returned"]


def test_queues_that_end_say_why(broker: Rig) -> None:
    heard: list[Event] = []
    channel = broker.connect().channel()
    channel.queue_declare("lease", arguments={"x-expires": 5})
    channel.queue_declare("auto", auto_delete=True)
    channel.queue_declare("mine", exclusive=True)
    channel.basic_consume("auto", consumer_tag="t")
    broker.events.subscribe(heard.append)
    broker.advance(ms=5)
    channel.basic_cancel("t")
    channel.connection.close()
    reasons = {e.fields["name"]: e.fields["reason"] for e in heard if e.name == "queue.deleted"}
    assert reasons == {"lease": "expired", "auto": "auto_delete", "mine": "exclusive"}


def test_a_subscription_ends_and_without_any_nothing_is_made(broker: Rig) -> None:
    first: list[Event] = []
    second: list[Event] = []
    stop = broker.events.subscribe(first.append)
    stop_too = broker.events.subscribe(second.append)
    broker.queue_declare("a")
    stop()
    stop()
    broker.queue_declare("b")
    assert broker.events.active
    stop_too()
    assert not broker.events.active
    broker.queue_declare("c")
    assert (len(first), len(second)) == (1, 2)
