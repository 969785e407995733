"""What pika does not let one do is sent as bare frames: RabbitMQ and leveret refuse it alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pika
import pika.exceptions
import pytest
from pika import spec

import leveret
from leveret.errors import ConnectionClosedByBroker

if TYPE_CHECKING:
    from collections.abc import Callable

    from judge.fixtures import Judge

pytest_plugins = ["judge.fixtures"]

Refusal = tuple[int, str]


def from_rabbitmq(url: str, *frames: Any) -> Refusal:
    """Return how RabbitMQ closes the connection that the frames are sent on."""
    channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
    channel.queue_declare("frames", exclusive=True)
    for frame in frames:
        content = (spec.BasicProperties(), b"") if isinstance(frame, spec.Basic.Publish) else None
        channel._impl._send_method(frame, content)
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as caught:
        channel.exchange_declare("amq.direct", passive=True)
    return caught.value.reply_code, caught.value.reply_text


def from_leveret(call: Callable[[leveret.Channel], object]) -> Refusal:
    """Return how leveret closes the connection of a channel that the call is made on."""
    channel = leveret.Broker(profile="3.10", clock=leveret.ManualClock()).connect().channel()
    channel.queue_declare("frames", exclusive=True)
    with pytest.raises(ConnectionClosedByBroker) as caught:
        call(channel)
    assert not channel.connection.is_open
    return caught.value.reply_code, caught.value.reply_text


def test_s60_immediate_is_not_implemented(judge: Judge) -> None:
    frame = spec.Basic.Publish(exchange="", routing_key="frames", immediate=True)
    assert from_leveret(
        lambda channel: channel.basic_publish("", "frames", b"", immediate=True)
    ) == from_rabbitmq(judge.url, frame)


def test_s69_a_consumer_tag_is_used_once(judge: Judge) -> None:
    def consume_twice(channel: leveret.Channel) -> None:
        channel.basic_consume("frames", consumer_tag="t")
        channel.basic_consume("missing", consumer_tag="t")

    frames = [spec.Basic.Consume(queue=queue, consumer_tag="t") for queue in ("frames", "missing")]
    assert from_leveret(consume_twice) == from_rabbitmq(judge.url, *frames)
