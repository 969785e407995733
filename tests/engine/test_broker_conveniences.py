"""`leveret.Broker` itself: its own channels never stay broken, its virtual hosts, its routes.

Statements: S123.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import leveret
from leveret.engine import Permission
from leveret.errors import (
    ChannelError,
    ConnectionWrongStateError,
    FrameSyntaxError,
    NotAllowed,
    NotFound,
    NotImplementedByBroker,
    PreconditionFailed,
)

if TYPE_CHECKING:
    from tests.engine.conftest import Rig


def test_everything_without_opening_a_channel(broker: Rig) -> None:
    broker.exchange_declare("orders", "topic")
    broker.exchange_declare("audit", "fanout")
    broker.exchange_bind("audit", "orders", "#")
    broker.queue_declare("billing")
    broker.queue_declare("everything")
    broker.queue_bind("billing", "orders", "order.created.#")
    broker.queue_bind("everything", "audit")
    broker.basic_publish(
        "orders", "order.created.eu", b"...", properties=leveret.Properties(priority=5)
    )
    method, properties, body = broker.basic_get("billing")
    assert method is not None
    assert properties is not None
    assert (method.routing_key, properties.priority, body) == ("order.created.eu", 5, b"...")
    broker.basic_ack(method.delivery_tag)
    broker.queue_unbind("billing", "orders", "order.created.#")
    broker.exchange_unbind("audit", "orders", "#")
    assert broker.queue_purge("everything").message_count == 1
    assert broker.queue_delete("everything").message_count == 0
    broker.exchange_delete("orders")


def test_getting_and_settling_go_together(broker: Rig) -> None:
    broker.queue_declare("q")
    broker.put("q", "1", "2", "3")
    for _ in range(3):
        broker.basic_get("q")
    broker.basic_nack(2)
    broker.basic_reject(3, requeue=False)
    broker.basic_ack(1)
    assert broker.drain("q") == ["2*"]


def test_a_queue_is_durable_here_unless_said_otherwise(broker: Rig) -> None:
    broker.queue_declare("q")
    broker.channel().queue_declare("q", durable=True)


def test_a_refused_call_leaves_a_working_broker(broker: Rig) -> None:
    broker.queue_declare("q")
    broker.put("q", "m")
    broker.queue_declare("r", arguments={"x-queue-type": "quorum"})
    for _ in range(3):
        with pytest.raises(NotFound):
            broker.basic_publish("none", "k", "m")
        with pytest.raises(PreconditionFailed):
            broker.basic_ack(99)
        with pytest.raises(NotImplementedByBroker):
            broker.queue_delete("r", if_unused=True)
        broker.queue_declare("q")
    assert broker.depth("q") == 1


def test_a_refused_declaration_takes_no_unacknowledged_message_along(broker: Rig) -> None:
    broker.queue_declare("q")
    broker.put("q", "m")
    broker.basic_get("q")
    with pytest.raises(NotFound):
        broker.queue_declare("none", passive=True)
    assert broker.depth("q") == 0
    broker.basic_ack(1)


def test_a_hard_error_ends_the_shared_connection_and_the_next_call_has_a_new_one(
    broker: Rig,
) -> None:
    channel, bystander = broker.channel(), broker.channel()
    with pytest.raises(NotImplementedByBroker):
        channel.basic_publish("", "q", "m", immediate=True)
    assert not bystander.is_open
    assert broker.channel().is_open
    broker.queue_declare("q")


def test_explain_says_where_a_message_would_go_and_publishes_nothing(broker: Rig) -> None:
    broker.queue_declare("q")
    broker.queue_bind("q", "amq.topic", "a.*")
    trace = broker.explain("amq.topic", "a.b")
    assert "q" in str(trace)
    assert broker.depth("q") == 0
    with pytest.raises(NotFound):
        broker.explain("none", "k")
    with pytest.raises(KeyError):
        broker.explain("amq.topic", "k", virtual_host="none")


def test_chance_is_repeatable_by_its_seed() -> None:
    first, second, third = (
        leveret.Broker(clock=leveret.ManualClock(), seed=seed).queue_declare("").queue
        for seed in (7, 7, 8)
    )
    assert first == second
    assert first != third


# -- connections and channels


def test_s123_a_channel_number_is_used_once(broker: Rig) -> None:
    connection = broker.connect()
    assert connection.channel(3).channel_number == 3
    assert connection.channel().channel_number == 1
    with pytest.raises(ChannelError, match=r"second 'channel\.open' seen"):
        connection.channel(3)


def test_the_lowest_free_number_is_taken_again(broker: Rig) -> None:
    connection = broker.connect()
    first, second = connection.channel(), connection.channel()
    first.close()
    assert connection.channel().number == 1
    assert second.number == 2


def test_there_is_an_end_of_channels(broker: Rig) -> None:
    connection = broker.connect()
    for _ in range(2047):
        connection.channel()
    with pytest.raises(ChannelError, match="no free channel"):
        connection.channel()


def test_a_closed_connection_says_why(broker: Rig) -> None:
    connection = broker.connect()
    channel = connection.channel()
    connection.close()
    connection.close()
    assert not channel.is_open
    with pytest.raises(ConnectionWrongStateError, match="the connection is closed: it was closed"):
        connection.channel()


# -- virtual hosts


def test_a_virtual_host_ends_with_all_it_holds(broker: Rig) -> None:
    broker.add_virtual_host("other")
    broker.users.set_permission("guest", "other", Permission())
    channel = broker.channel("other")
    channel.queue_declare("q")
    broker.remove_virtual_host("other")
    broker.remove_virtual_host("other")
    assert not channel.is_open
    with pytest.raises(NotAllowed):
        broker.channel("other")
    assert broker.channel().is_open


def test_adding_a_virtual_host_again_changes_nothing(broker: Rig) -> None:
    assert broker.add_virtual_host("/") is broker.virtual_hosts["/"]


def test_names_beyond_255_bytes_do_not_fit_amqp(broker: Rig) -> None:
    broker.queue_declare("é" * 127)
    with pytest.raises(FrameSyntaxError, match="queue has 256 bytes; AMQP allows at most 255"):
        broker.queue_declare("é" * 128)
    with pytest.raises(FrameSyntaxError, match="exchange has 256 bytes"):
        broker.exchange_declare("x" * 256)
