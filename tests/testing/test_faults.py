"""Each fault, as two clients see it: the one that it is for, and one beside it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pika
import pytest
from pika import exceptions

if TYPE_CHECKING:
    from leveret.testing import Amqp

Connect = Callable[..., Any]
Work = Callable[..., Any]
Refusal = Callable[[str], str]


def ack(channel: Any, method: Any, properties: Any, body: bytes) -> None:
    channel.basic_ack(method.delivery_tag)


def confirming(client: Any) -> Any:
    channel = client.channel()
    channel.confirm_delivery()
    return channel


def test_dropped_connections_end_without_a_word(amqp: Amqp, connect: Connect) -> None:
    worker, other = connect("worker-1"), connect("web")
    assert amqp.drop_connections("worker") == 1
    with pytest.raises(exceptions.StreamLostError):
        worker.channel()
    assert other.channel().is_open


def test_closed_connections_are_told_why_and_say_goodbye(amqp: Amqp, connect: Connect) -> None:
    one, two = connect(), connect()
    assert amqp.close_connections(320, "node going down") == 2
    for client in (one, two):
        with pytest.raises(exceptions.ConnectionClosedByBroker) as caught:
            client.channel()
        assert caught.value.reply_code == 320
        assert caught.value.reply_text == "CONNECTION_FORCED - node going down"
    amqp.wait_until(lambda: not amqp.left_open())


def test_a_code_that_closes_no_connection_is_refused(amqp: Amqp) -> None:
    with pytest.raises(ValueError, match="404 closes no connection"):
        amqp.close_connections(404)


def test_a_closed_channel_leaves_the_connection_and_other_clients_alone(
    amqp: Amqp, connect: Connect
) -> None:
    one, two = connect("one"), connect("two")
    channel, other = one.channel(), two.channel()
    assert amqp.close_channels(404, "no queue 'q' in vhost '/'", client="one") == 1
    with pytest.raises(exceptions.ChannelClosedByBroker) as caught:
        channel.queue_declare("q")
    assert (caught.value.reply_code, caught.value.reply_text) == (
        404,
        "NOT_FOUND - no queue 'q' in vhost '/'",
    )
    assert one.channel().is_open
    other.queue_declare("q")
    with pytest.raises(ValueError, match="320 closes no channel"):
        amqp.close_channels(320)


def test_the_next_declaration_is_refused_and_the_one_after_passes(
    amqp: Amqp, connect: Connect
) -> None:
    one, two = connect(), connect()
    amqp.refuse_declares(name="bill*")
    two.channel().queue_declare("shipping")
    with pytest.raises(exceptions.ChannelClosedByBroker) as caught:
        one.channel().queue_declare("billing", durable=True)
    assert caught.value.reply_code == 406
    assert caught.value.reply_text == (
        "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'billing' in vhost '/':"
        " received 'true' but current is 'false'"
    )
    two.channel().queue_declare("billing", durable=True)


def test_a_refused_declaration_can_have_another_code(amqp: Amqp, connect: Connect) -> None:
    channel = connect().channel()
    fault = amqp.refuse_declares(times=5, code=403, text="access to exchange refused")
    with pytest.raises(exceptions.ChannelClosedByBroker, match="ACCESS_REFUSED"):
        channel.exchange_declare("orders")
    fault.stop()
    connect().channel().exchange_declare("orders")


def test_the_next_publishes_are_nacked_and_not_taken(amqp: Amqp, connect: Connect) -> None:
    one, two = confirming(connect()), confirming(connect())
    one.queue_declare("q")
    amqp.nack_publishes(2)
    with pytest.raises(exceptions.NackError):
        one.basic_publish("", "q", b"lost")
    with pytest.raises(exceptions.NackError):
        two.basic_publish("", "q", b"lost too")
    two.basic_publish("", "q", b"taken")
    assert amqp.queue("q").bodies == [b"taken"]
    assert [step.what for step in amqp.published[0].steps] == ["published", "nacked"]


def test_held_confirms_come_when_they_are_released(amqp: Amqp, connect: Connect) -> None:
    one, two = confirming(connect()), confirming(connect())
    one.queue_declare("q")
    publishers = [
        threading.Thread(target=channel.basic_publish, args=("", "q", b"m"))
        for channel in (one, two)
    ]
    with amqp.hold_confirms():
        for publisher in publishers:
            publisher.start()
        amqp.wait_until(lambda: len(amqp.queue("q")) == 2)
        amqp.wait_idle()
        assert all(publisher.is_alive() for publisher in publishers)
        assert [m.steps[-1].what for m in amqp.published] == ["queued", "queued"]
    for publisher in publishers:
        publisher.join(5)
        assert not publisher.is_alive()
    assert [m.steps[-1].what for m in amqp.published] == ["confirmed", "confirmed"]


def test_blocked_publishers_are_told_and_consumers_go_on(amqp: Amqp, connect: Connect) -> None:
    publisher, consumer = connect(), connect()
    blocked: list[str] = []
    publisher.add_on_connection_blocked_callback(lambda _, frame: blocked.append("blocked"))
    publisher.add_on_connection_unblocked_callback(lambda _, frame: blocked.append("unblocked"))
    publishing, consuming = publisher.channel(), consumer.channel()
    consuming.queue_declare("q")
    with amqp.block_connections():
        publishing.basic_publish("", "q", b"the last that passes")
        while not blocked:
            publisher.process_data_events(1)
        publishing.basic_publish("", "q", b"not read")
        amqp.wait_idle()
        assert consuming.basic_get("q", auto_ack=True)[2] == b"the last that passes"
        assert consuming.basic_get("q", auto_ack=True)[2] is None
    while blocked != ["blocked", "unblocked"]:
        publisher.process_data_events(1)
    amqp.wait_until(lambda: amqp.queue("q").bodies == [b"not read"])


def test_a_publish_whose_frames_come_apart_still_passes_the_alarm(
    amqp: Amqp, connect: Connect
) -> None:
    """S125: the publish that has a client blocked is taken."""
    client, other = connect("in parts"), connect()
    other.channel().queue_declare("q")
    channel = client.channel()
    channel.queue_declare("q")
    sock = client._impl._transport._sock
    publish = b"\x00\x3c\x00\x28\x00\x00\x00\x01q\x00"
    header = b"\x00\x3c\x00\x00" + (1).to_bytes(8, "big") + b"\x00\x00"
    with amqp.block_connections():
        for kind, payload in ((1, publish), (2, header), (3, b"m")):
            frame = (
                bytes([kind]) + b"\x00\x01" + len(payload).to_bytes(4, "big") + payload + b"\xce"
            )
            sock.sendall(frame)
            amqp._turn()
        amqp.wait_until(lambda: amqp.queue("q").bodies == [b"m"])
        amqp.wait_until(lambda: amqp._server.clients[0].connection.blocked)


def test_slow_deliveries_come_one_by_one_as_time_passes(amqp: Amqp, work: Work) -> None:
    amqp.broker.queue_declare("q")
    amqp.broker.queue_declare("other")
    with amqp.slow_deliveries("10s"):
        slow, beside = work("q", ack), work("other", ack)
        for body in ("1", "2", "3"):
            amqp.publish("", "q", body)
        amqp.publish("", "other", "x")
        amqp.wait_idle()
        assert [body for body, _ in slow.deliveries] == [b"1"]
        assert [body for body, _ in beside.deliveries] == [b"x"]
        amqp.clock.advance("9s")
        amqp.wait_idle()
        assert len(slow.deliveries) == 1
        amqp.clock.advance("1s")
        amqp.wait_idle()
        assert len(slow.deliveries) == 2
    amqp.wait_idle()
    assert [body for body, _ in slow.deliveries] == [b"1", b"2", b"3"]


def test_what_is_delivered_twice_comes_as_redelivered(amqp: Amqp, work: Work) -> None:
    for name in ("q", "other"):
        amqp.broker.queue_declare(name)
    one, other = work("q", ack), work("other", ack)
    amqp.deliver_twice()
    amqp.publish("", "q", "a")
    amqp.wait_idle()
    amqp.publish("", "q", "b")
    amqp.publish("", "other", "c")
    amqp.wait_idle()
    assert one.deliveries == [(b"a", False), (b"a", True), (b"b", False)]
    assert other.deliveries == [(b"c", False)]
    amqp.assert_queues_empty()


def test_of_several_acknowledged_at_once_as_many_as_asked_for_come_again(
    amqp: Amqp, connect: Connect
) -> None:
    channel = connect().channel()
    channel.queue_declare("q")
    for body in (b"1", b"2", b"3"):
        channel.basic_publish("", "q", body)
        channel.basic_get("q")
    amqp.deliver_twice(2)
    channel.basic_ack(0, multiple=True)
    amqp.wait_idle()
    assert [(m.body, m.redelivered) for m in amqp.queue("q").messages] == [
        (b"1", True),
        (b"2", True),
    ]


def test_a_frame_is_cut_in_the_middle(amqp: Amqp, connect: Connect) -> None:
    other = connect("other").channel()
    client = connect("cut")
    assert amqp.cut_frame("cut") == 1
    with pytest.raises(exceptions.StreamLostError):
        client.channel()
    other.queue_declare("q")


def test_half_of_a_frame_is_all_that_a_client_gets(amqp: Amqp) -> None:
    with socket.create_connection((amqp.host, amqp.port)) as raw:
        raw.settimeout(5)
        assert amqp.wait_until(amqp.cut_frame) == 1
        raw.sendall(b"AMQP\x00\x00\x09\x01")
        received = b""
        while data := raw.recv(100_000):
            received += data
    size = int.from_bytes(received[3:7], "big") + 8
    assert len(received) == size // 2


def test_refused_logins_are_refused_whatever_the_password(
    amqp: Amqp, connect: Connect, refusal: Refusal
) -> None:
    inside = connect()
    with amqp.refuse_logins():
        for _ in range(2):
            assert refusal(amqp.url).startswith("ProbableAuthenticationError: ")
        assert inside.channel().is_open
    connect()
    amqp.refuse_logins(times=1)
    assert "ACCESS_REFUSED - Login was refused using authentication" in refusal(amqp.url)
    connect()


def test_a_restart_keeps_what_is_durable(amqp: Amqp, connect: Connect) -> None:
    client, other = connect(), connect()
    channel = client.channel()
    channel.exchange_declare("kept", "topic", durable=True)
    channel.exchange_declare("gone", "topic")
    channel.queue_declare("durable", durable=True)
    channel.queue_declare("transient")
    channel.queue_declare("mine", durable=True, exclusive=True)
    channel.queue_bind("durable", "kept", "a.#")
    channel.queue_bind("durable", "gone", "a.#")
    persistent = pika.BasicProperties(delivery_mode=2)
    channel.basic_publish("kept", "a.b", b"out", persistent)
    channel.basic_publish("kept", "a.b", b"waits", persistent)
    channel.basic_publish("kept", "a.b", b"transient")
    channel.basic_get("durable")
    amqp.restart()
    for lost in (client, other):
        with pytest.raises(exceptions.ConnectionClosedByBroker):
            lost.channel()
    assert amqp.queues == ["durable"]
    assert "kept" in amqp.exchanges
    assert "gone" not in amqp.exchanges
    view = amqp.queue("durable")
    assert [(m.body, m.redelivered) for m in view.messages] == [(b"out", True), (b"waits", False)]
    amqp.assert_routed("kept", "a.b", to=["durable"])
    again = connect().channel()
    assert again.basic_get("durable", auto_ack=True)[2] == b"out"
    assert [m.state["durable"] for m in amqp.published] == ["acked", "kept", "lost"]


def test_a_restart_keeps_a_stream_its_offsets_and_its_groups(amqp: Amqp, connect: Connect) -> None:
    channel = connect().channel()
    arguments = {"x-queue-type": "stream"}
    channel.queue_declare("events", durable=True, arguments=arguments)
    channel.basic_publish("", "events", b"first")
    channel.basic_publish("", "events", b"second")
    group = {"x-stream-offset": "first", "x-stream-group": "billing"}
    channel.basic_qos(prefetch_count=1)
    channel.basic_consume("events", lambda _, method, *__: None, arguments=group)
    channel.basic_ack(1)
    channel.queue_declare("events", passive=True)
    amqp.restart()
    assert [message.body for message in amqp.queue("events").messages] == [b"first", b"second"]
    (events,) = amqp.broker.statistics().virtual_hosts[0].queues
    assert events.stream is not None
    assert [(each.name, each.offset, each.lag) for each in events.stream.groups] == [
        ("billing", 0, 1)
    ]


def test_while_the_broker_is_down_nobody_connects_and_time_passes(
    amqp: Amqp, connect: Connect, refusal: Refusal
) -> None:
    client = connect()
    arguments = {"x-message-ttl": 60_000}
    client.channel().queue_declare("q", durable=True, arguments=arguments)
    amqp.publish("", "q", "m")
    url = amqp.url
    amqp.stop()
    amqp.stop()
    assert refusal(url).startswith("AMQPConnectionError: ")
    assert len(amqp.published) == 1
    with pytest.raises(RuntimeError, match="the broker is stopped"):
        amqp.url  # noqa: B018
    amqp.start()
    amqp.start()
    assert amqp.url == url
    assert len(amqp.queue("q")) == 1
    amqp.clock.advance("1m")
    assert len(amqp.queue("q")) == 0
    connect()


def test_faults_end_with_a_reset(amqp: Amqp, connect: Connect) -> None:
    amqp.refuse_logins()
    amqp.block_connections()
    amqp.hold_confirms()
    amqp.refuse_declares(99)
    amqp.reset()
    channel = confirming(connect())
    channel.queue_declare("q")
    channel.basic_publish("", "q", b"1")
    channel.basic_publish("", "q", b"2")
    assert len(amqp.queue("q")) == 2
