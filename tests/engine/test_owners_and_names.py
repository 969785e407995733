"""Whose a queue is and how it is called: exclusive queues, reserved and server-made names.

Statements: S8 S8b S9 S10 S11 S12 S13 S21.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.conftest import Rig

    from leveret import Channel

LOCKED = (
    "cannot obtain exclusive access to locked queue 'q' in vhost '/'. It could be originally"
    " declared on another connection or the exclusive property value does not match that of the"
    " original declaration."
)


# -- exclusive

OTHERS: dict[str, Callable[[Channel], object]] = {
    "queue.declare": lambda other: other.queue_declare("q", exclusive=True),
    "queue.declare passive": lambda other: other.queue_declare("q", passive=True),
    "queue.declare not exclusive": lambda other: other.queue_declare("q"),
    "queue.bind": lambda other: other.queue_bind("q", "amq.direct"),
    "basic.get": lambda other: other.basic_get("q"),
    "basic.consume": lambda other: other.basic_consume("q"),
    "queue.purge": lambda other: other.queue_purge("q"),
    "queue.delete": lambda other: other.queue_delete("q"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_s8_an_exclusive_queue_is_locked_to_other_connections(broker: Rig, name: str) -> None:
    broker.channel().queue_declare("q", exclusive=True)
    other = broker.connect().channel()
    with broker.refusing(other, 405, LOCKED, name.split()[0]):
        OTHERS[name](other)


def test_s8_unbinding_an_exclusive_queue_from_elsewhere_is_not_refused(broker: Rig) -> None:
    channel = broker.channel()
    channel.queue_declare("q", exclusive=True)
    broker.connect().channel().queue_unbind("q", "amq.direct", "k")


def test_s8b_another_connection_may_publish_into_an_exclusive_queue(broker: Rig) -> None:
    channel = broker.channel()
    channel.queue_declare("q", exclusive=True)
    other = broker.connect().channel()
    other.basic_publish("", "q", "hello", mandatory=True)
    assert broker.get(channel, "q").body == "hello"


@pytest.mark.parametrize("exclusive", [True, False])
def test_s9_the_lock_is_checked_before_equivalence(broker: Rig, exclusive: bool) -> None:
    broker.channel().queue_declare("q", exclusive=exclusive, auto_delete=True)
    other = broker.connect().channel()
    with broker.refusing(other, 405, LOCKED, "queue.declare"):
        other.queue_declare("q", exclusive=True, durable=True, arguments={"x-max-length": 1})


def test_s10_another_channel_of_the_same_connection_uses_an_exclusive_queue(broker: Rig) -> None:
    connection = broker.connect()
    connection.channel().queue_declare("q", exclusive=True)
    other = connection.channel()
    other.queue_declare("q", exclusive=True)
    other.queue_declare("q", exclusive=True, durable=True)
    other.queue_bind("q", "amq.fanout")
    other.basic_publish("amq.fanout", "", "m")
    assert broker.get(other, "q").body == "m"


def test_s10_an_exclusive_queue_ends_with_its_connection_and_nothing_is_dead_lettered(
    broker: Rig,
) -> None:
    broker.queue_declare("dead")
    connection = broker.connect()
    channel = connection.channel()
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    channel.queue_declare("q", exclusive=True, arguments=arguments)
    broker.put("q", "1", "2")
    broker.get(channel, "q")
    channel.close()
    assert broker.exists("q")
    connection.close()
    assert not broker.exists("q")
    assert broker.depth("dead") == 0


# -- names


@pytest.mark.parametrize("name", ["amq.x", "amq.", "amq.gen-mine"])
def test_s11_reserved_names_are_refused(broker: Rig, name: str) -> None:
    channel = broker.channel()
    text = f"queue name '{name}' contains reserved prefix 'amq.*'"
    with broker.refusing(channel, 403, text, "queue.declare"):
        channel.queue_declare(name, arguments={"x-max-length": -1})
    channel = broker.channel()
    text = f"exchange name '{name}' contains reserved prefix 'amq.*'"
    with broker.refusing(channel, 403, text, "exchange.declare"):
        channel.exchange_declare(name)


def test_s11_a_reserved_name_that_exists_may_be_declared_again(channel: Channel) -> None:
    name = channel.queue_declare("").queue
    channel.queue_declare(name)
    channel.queue_declare(name, passive=True)
    channel.exchange_declare("amq.topic", "topic", durable=True)
    channel.exchange_declare("amq.topic", passive=True)


def test_s11_a_passive_declare_of_a_reserved_name_that_is_missing(
    broker: Rig, channel: Channel
) -> None:
    with broker.refusing(channel, 404, "no queue 'amq.q' in vhost '/'", "queue.declare"):
        channel.queue_declare("amq.q", passive=True)


def test_s12_the_broker_names_a_queue_and_an_empty_name_means_it(
    broker: Rig, channel: Channel
) -> None:
    name = channel.queue_declare("", exclusive=True).queue
    assert name.startswith("amq.gen-")
    assert len(name) == len("amq.gen-") + 22
    channel.queue_bind("", "amq.topic", "a.*")
    channel.basic_publish("amq.topic", "a.b", "hello")
    assert broker.get(channel, "").body == "hello"
    channel.basic_consume("", consumer_tag="t")
    channel.queue_unbind("", "amq.topic", "a.*")
    channel.queue_purge("")
    assert channel.queue_declare(name, passive=True, exclusive=True).consumer_count == 1
    channel.queue_delete("")
    assert not broker.exists(name)


def test_s12_the_last_queue_declared_counts_a_named_or_passive_one_too(
    broker: Rig, channel: Channel
) -> None:
    channel.queue_declare("a")
    channel.queue_declare("b")
    broker.put("a", "from a")
    broker.put("b", "from b")
    channel.queue_declare("a", passive=True)
    assert broker.get(channel, "").body == "from a"


def test_s12_two_server_made_names_differ(channel: Channel) -> None:
    assert channel.queue_declare("").queue != channel.queue_declare("").queue


UNDECLARED: dict[str, Callable[[Channel], object]] = {
    "queue.bind": lambda channel: channel.queue_bind("", "amq.direct", "k"),
    "queue.unbind": lambda channel: channel.queue_unbind("", "amq.direct", "k"),
    "basic.get": lambda channel: channel.basic_get(""),
    "basic.consume": lambda channel: channel.basic_consume(""),
    "queue.purge": lambda channel: channel.queue_purge(""),
    "queue.delete": lambda channel: channel.queue_delete(""),
}


@pytest.mark.parametrize("method", UNDECLARED)
def test_s12_an_empty_name_with_no_queue_declared(
    broker: Rig, channel: Channel, method: str
) -> None:
    broker.channel().queue_declare("another channel's")
    with broker.refusing(channel, 404, "no previously declared queue", method):
        UNDECLARED[method](channel)


def test_s12_seen_live_a_passive_declare_takes_an_empty_name_for_a_name(old_broker: Rig) -> None:
    channel = old_broker.channel()
    channel.queue_declare("a")
    with old_broker.refusing(channel, 404, "no queue '' in vhost '/'", "queue.declare"):
        channel.queue_declare("", passive=True)


@pytest.mark.parametrize("durable", [True, False])
def test_s13_a_quorum_queue_needs_a_name(broker: Rig, channel: Channel, durable: bool) -> None:
    text = "Cannot declare a server-named queue for type rabbit_quorum_queue"
    with broker.refusing(channel, 406, text, "queue.declare"):
        channel.queue_declare("", durable=durable, arguments={"x-queue-type": "quorum"})


def test_s21_line_ends_are_stripped_from_names(broker: Rig, channel: Channel) -> None:
    assert channel.queue_declare("\r\nq\n").queue == "q"
    channel.exchange_declare("\nx\r", "fanout")
    channel.queue_bind("q\n", "x\n")
    channel.basic_publish("x", "k\nept", "m")
    assert broker.get(channel, "q").routing_key == "k\nept"
    channel.queue_unbind("q\n", "x\n")
    channel.queue_declare("q\r", passive=True)
    channel.queue_delete("q\n")
    channel.exchange_delete("x\n")
    assert not broker.exists("q")


def test_s21_seen_live_other_methods_take_line_ends_as_they_are(old_broker: Rig) -> None:
    old_broker.queue_declare("q")
    calls: dict[str, Callable[[Channel], object]] = {
        "basic.get": lambda channel: channel.basic_get("q\n"),
        "basic.consume": lambda channel: channel.basic_consume("q\n"),
        "queue.purge": lambda channel: channel.queue_purge("q\n"),
    }
    for method, call in calls.items():
        channel = old_broker.channel()
        with old_broker.refusing(channel, 404, "no queue 'q\n' in vhost '/'", method):
            call(channel)
