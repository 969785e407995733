"""Callbacks of a channel in process: pika's signatures, and calling the broker from within them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from leveret import Channel, Properties
from leveret.engine.methods import Deliver, Return
from leveret.errors import ChannelClosedByBroker, NotFound

if TYPE_CHECKING:
    from tests.engine.conftest import Rig

    from leveret.errors import AMQPError
    from leveret.queues import AnyMessage, QueuedRun


def test_a_delivery_comes_as_in_pika(broker: Rig, channel: Channel) -> None:
    seen: list[tuple[Any, ...]] = []
    broker.queue_declare("q")
    channel.basic_consume("q", lambda *arguments: seen.append(arguments), consumer_tag="t")
    properties = Properties(content_type="text/plain", headers={"a": 1})
    channel.basic_publish("", "q", "é", properties)
    assert seen == [(channel, Deliver("t", 1, False, "", "q"), properties, "é".encode())]


def test_so_does_a_return(channel: Channel) -> None:
    seen: list[tuple[Any, ...]] = []
    channel.add_on_return_callback(lambda *arguments: seen.append(arguments))
    channel.basic_publish("amq.fanout", "k", b"m", mandatory=True)
    assert seen == [(channel, Return(312, "NO_ROUTE", "amq.fanout", "k"), Properties(), b"m")]


def test_messages_that_wait_are_delivered_before_basic_consume_returns(
    broker: Rig, channel: Channel
) -> None:
    broker.queue_declare("q")
    broker.put("q", "1", "2")
    assert broker.consume(channel, "q", "t").take() == ["t:1", "t:2"]


def test_every_consumer_has_its_own_callback(broker: Rig, channel: Channel) -> None:
    broker.queue_declare("a")
    broker.queue_declare("b")
    first, second = broker.consume(channel, "a", "1"), broker.consume(channel, "b", "2")
    broker.put("a", "x")
    broker.put("b", "y")
    assert (first.take(), second.take()) == (["1:x"], ["2:y"])


def test_a_refused_basic_consume_leaves_its_callback_to_nobody(broker: Rig) -> None:
    channel = broker.channel()
    with pytest.raises(NotFound):
        broker.consume(channel, "none", "t")
    assert channel.consumer_tags == []


def test_answers_have_their_fields_where_pika_has_them(channel: Channel) -> None:
    answer = channel.queue_declare("q")
    assert answer.method.queue == answer.queue == "q"
    assert channel.queue_purge("q").method.message_count == 0
    assert channel.queue_delete("q").method.message_count == 0


# -- calling the broker from within


def test_a_callback_may_acknowledge_and_gets_the_next(broker: Rig, channel: Channel) -> None:
    bodies: list[bytes] = []

    def work(inner: Channel, method: Deliver, _: Properties, body: bytes) -> None:
        bodies.append(body)
        inner.basic_ack(method.delivery_tag)

    broker.queue_declare("q")
    channel.basic_qos(prefetch_count=1)
    channel.basic_consume("q", work)
    broker.put("q", *"0123456789")
    assert b"".join(bodies) == b"0123456789"
    assert broker.statistics().unacked == 0


def test_a_callback_may_publish_to_its_own_queue_without_sinking_deeper(
    broker: Rig, channel: Channel
) -> None:
    counted = 0

    def again(inner: Channel, _: Deliver, __: Properties, body: bytes) -> None:
        nonlocal counted
        counted += 1
        if int(body) < 5000:
            inner.basic_publish("", "q", str(int(body) + 1))

    broker.queue_declare("q")
    channel.basic_consume("q", again, auto_ack=True)
    broker.put("q", "1")
    assert counted == 5000


def test_what_a_callback_sets_off_comes_after_what_waits_already(
    broker: Rig, channel: Channel
) -> None:
    broker.queue_declare("q")
    order: list[str] = []

    def note(inner: Channel, _: Deliver, __: Properties, body: bytes) -> None:
        order.append(f"begin {body.decode()}")
        if body == b"1":
            inner.basic_publish("", "q", "3")
        order.append(f"end {body.decode()}")

    broker.put("q", "1", "2")
    channel.basic_consume("q", note, auto_ack=True)
    assert order == ["begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"]


def test_a_callback_may_cancel_its_own_consumer(broker: Rig, channel: Channel) -> None:
    broker.queue_declare("q")
    seen: list[bytes] = []

    def once(inner: Channel, method: Deliver, _: Properties, body: bytes) -> None:
        seen.append(body)
        inner.basic_ack(method.delivery_tag)
        inner.basic_cancel(method.consumer_tag)

    channel.basic_qos(prefetch_count=1)
    channel.basic_consume("q", once)
    broker.put("q", "1", "2")
    assert seen == [b"1"]
    assert broker.drain("q") == ["2"]


def test_a_server_answers_from_within_its_callback(broker: Rig, channel: Channel) -> None:
    broker.queue_declare("requests")

    def answer(inner: Channel, method: Deliver, properties: Properties, body: bytes) -> None:
        assert properties.reply_to is not None
        inner.basic_publish("", properties.reply_to, body.upper())
        inner.basic_ack(method.delivery_tag)

    broker.channel().basic_consume("requests", answer)
    replies = broker.consume(channel, "amq.rabbitmq.reply-to", "t", auto_ack=True)
    properties = Properties(reply_to="amq.rabbitmq.reply-to")
    channel.basic_publish("", "requests", "hello", properties)
    assert replies.take() == ["t:HELLO"]


def test_a_callback_may_close_its_channel(broker: Rig, channel: Channel) -> None:
    broker.queue_declare("q")
    channel.basic_consume("q", lambda inner, *_: inner.close())
    broker.put("q", "1")
    assert not channel.is_open
    assert broker.drain("q") == ["1*"]


# -- a callback that raises


def test_an_exception_from_a_callback_goes_to_who_set_it_off(broker: Rig, channel: Channel) -> None:
    broker.queue_declare("q")

    def work(_: Channel, __: Deliver, ___: Properties, body: bytes) -> None:
        if body == b"bad":
            raise LookupError("bad message")
        good.append(body)

    good: list[bytes] = []
    channel.basic_consume("q", work)
    publisher = broker.channel()
    with pytest.raises(LookupError, match="bad message"):
        publisher.basic_publish("", "q", "bad")
    publisher.basic_publish("", "q", "good")
    assert good == [b"good"]
    channel.basic_ack(1)
    assert channel.is_open
    assert publisher.is_open


def test_callbacks_behind_one_that_raised_are_made_with_the_next_call(
    broker: Rig, channel: Channel
) -> None:
    broker.queue_declare("q")
    broker.put("q", "bad", "good")
    seen: list[bytes] = []

    def work(_: Channel, __: Deliver, ___: Properties, body: bytes) -> None:
        seen.append(body)
        if body == b"bad":
            raise LookupError

    with pytest.raises(LookupError):
        channel.basic_consume("q", work)
    assert seen == [b"bad"]
    broker.settle()
    assert seen == [b"bad", b"good"]


def test_a_refusal_inside_a_callback_closes_the_callbacks_channel(broker: Rig) -> None:
    channel, publisher = broker.channel(), broker.channel()
    broker.queue_declare("q")
    channel.basic_consume("q", lambda inner, *_: inner.basic_ack(99))
    with pytest.raises(ChannelClosedByBroker, match="unknown delivery tag 99"):
        publisher.basic_publish("", "q", "m")
    assert not channel.is_open
    assert publisher.is_open
    assert broker.drain("q") == ["m*"]


# -- the end


def test_the_end_of_a_channel_is_told_with_what_ended_it(broker: Rig) -> None:
    ends: list[tuple[Channel, AMQPError | None]] = []
    asked, failed = broker.channel(), broker.channel()
    for channel in (asked, failed):
        channel.add_on_close_callback(lambda *arguments: ends.append(arguments))
    asked.close()
    asked.close()
    with pytest.raises(NotFound) as caught:
        failed.basic_get("none")
    assert ends == [(asked, None), (failed, caught.value)]


def test_a_channel_is_closed_at_the_end_of_a_with_block(broker: Rig) -> None:
    with broker.connect() as connection, connection.channel() as channel:
        assert channel.is_open
    assert not channel.is_open
    assert not connection.is_open
    assert connection not in broker.connections


# -- a listener instead


class Log:
    """A listener that notes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def subscribed(self, consumer_tag: str) -> None:
        self.heard.append(("subscribed", consumer_tag))

    def delivered(
        self, consumer_tag: str, delivery_tag: int, redelivered: bool, message: AnyMessage
    ) -> None:
        self.heard.append(("delivered", consumer_tag, delivery_tag, redelivered, message.body))

    def delivered_run(self, consumer_tag: str, first_tag: int, queued: QueuedRun) -> None:
        self.heard.append(("delivered run", consumer_tag, first_tag, len(queued)))

    def returned(self, reply_code: int, reply_text: str, message: AnyMessage) -> None:
        self.heard.append(("returned", reply_code, reply_text, message.body))

    def confirmed(self, delivery_tag: int, multiple: bool) -> None:
        self.heard.append(("confirmed", delivery_tag, multiple))

    def refused(self, delivery_tag: int, multiple: bool) -> None:
        self.heard.append(("refused", delivery_tag, multiple))

    def expired(self, delivery_tag: int) -> None: ...

    def consumer_cancelled(self, consumer_tag: str) -> None:
        self.heard.append(("cancelled", consumer_tag))

    def closed(self, error: AMQPError | None) -> None:
        self.heard.append(("closed", error))


def test_a_listener_hears_everything_in_its_order(broker: Rig) -> None:
    log = Log()
    channel = broker.connect().channel(5, listener=log)
    channel.queue_declare("q", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    channel.basic_publish("", "q", "1")
    channel.confirm_delivery()
    channel.basic_publish("", "none", "2", mandatory=True)
    channel.basic_publish("", "q", "3")
    channel.basic_consume("q", consumer_tag="t")
    channel.queue_delete("q")
    channel.close()
    assert log.heard == [
        ("returned", 312, "NO_ROUTE", b"2"),
        ("confirmed", 1, False),
        ("refused", 2, False),
        ("subscribed", "t"),
        ("delivered", "t", 1, False, b"1"),
        ("cancelled", "t"),
        ("closed", None),
    ]


def test_callbacks_are_for_channels_without_a_listener(broker: Rig) -> None:
    channel = broker.connect().channel(listener=Log())
    with pytest.raises(TypeError, match="this channel has a listener"):
        channel.add_on_cancel_callback(print)
