"""AMQPStorm in its own idioms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clients.conftest import Wanted

    from leveret.server.background import RunningServer


@pytest.fixture
def connection(wanted: Wanted, server: RunningServer) -> Iterator[Any]:
    with wanted.module("amqpstorm").Connection(
        "127.0.0.1", "guest", "guest", port=server.port
    ) as opened:
        yield opened


@pytest.fixture
def amqpstorm(wanted: Wanted) -> Any:
    return wanted.module("amqpstorm")


def test_a_message_with_properties_goes_round(amqpstorm: Any, connection: Any) -> None:
    with connection.channel() as channel:
        channel.queue.declare("q", arguments={"x-max-length": 5})
        message = amqpstorm.Message.create(
            channel, "é" * 100_000, {"headers": {"k": "v"}, "priority": 3, "app_id": "a"}
        )
        message.publish("q")
        got = channel.basic.get("q")
        assert (got.body, got.priority, got.app_id) == ("é" * 100_000, 3, "a")
        assert got.properties["headers"] == {"k": "v"}
        got.reject(requeue=True)
        got = channel.basic.get("q")
        assert got.redelivered
        got.ack()


def test_consuming_with_a_callback(connection: Any) -> None:
    with connection.channel() as channel:
        channel.queue.declare("q")
        channel.basic.qos(2)
        got: list[str] = []

        def on_message(message: Any) -> None:
            got.append(message.body)
            message.ack()
            if len(got) == 5:
                channel.stop_consuming()

        channel.basic.consume(on_message, "q")
        for number in range(5):
            channel.basic.publish(str(number), "q")
        channel.start_consuming()
        assert got == list("01234")


def test_inbound_messages_one_by_one(connection: Any) -> None:
    with connection.channel() as channel:
        channel.exchange.declare("x", "topic")
        channel.queue.declare("q", exclusive=True)
        channel.queue.bind("q", "x", "a.#")
        channel.basic.consume(queue="q", no_ack=True)
        for key in ("a", "b", "a.b"):
            channel.basic.publish(key, key, "x")
        got = []
        for message in channel.build_inbound_messages(break_on_empty=True):
            got.append(message.body)
            if len(got) == 2:
                break
        assert got == ["a", "a.b"]


def test_a_transaction_is_a_context(connection: Any) -> None:
    with connection.channel() as channel:
        channel.queue.declare("q")
        with channel.tx:
            channel.basic.publish("kept", "q")
            assert channel.basic.get("q") is None
        assert channel.basic.get("q").body == "kept"


def test_errors_have_their_codes(amqpstorm: Any, connection: Any) -> None:
    channel = connection.channel()
    channel.confirm_deliveries()
    with pytest.raises(amqpstorm.AMQPMessageError, match="NO_ROUTE"):
        channel.basic.publish("x", "nowhere", mandatory=True)
    with pytest.raises(amqpstorm.AMQPChannelError) as caught:
        channel.queue.declare("nowhere", passive=True)
    assert caught.value.error_code == 404
    channel.open()
    channel.queue.declare("q")
    assert channel.queue.purge("q")["message_count"] == 0


def test_a_reply_comes_directly(amqpstorm: Any, connection: Any) -> None:
    with connection.channel() as channel, connection.channel() as other:
        channel.queue.declare("rpc")
        channel.basic.consume(queue="amq.rabbitmq.reply-to", no_ack=True)
        message = amqpstorm.Message.create(channel, "?", {"reply_to": "amq.rabbitmq.reply-to"})
        message.publish("rpc")
        request = other.basic.get("rpc", no_ack=True)
        other.basic.publish("!", request.reply_to)
        reply = next(channel.build_inbound_messages(break_on_empty=False))
        assert reply.body == "!"
