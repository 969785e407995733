"""What channels write: deliveries, returns, confirms, cancellations, replies; and what they ask.

Statements: S10 S22 S57 S61 S62 S73 S81 S84 S86 S87 S103 S116 S117 S123.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import spec
from raw_amqp.frames import Frame, content, frame, lines, method
from raw_amqp.peers import InMemoryPeer

from leveret import Broker, Properties

if TYPE_CHECKING:
    from tests.wire.conftest import Bench

B, Ch, E, Q = spec.Basic, spec.Channel, spec.Exchange, spec.Queue


def bodies(frames: list[Frame]) -> list[bytes]:
    """Return the bodies in frames, each of them joined."""
    found: list[bytes] = []
    for each in frames:
        if each.kind == 2:
            found.append(b"")
        elif each.kind == 3:
            found[-1] += each.payload
    return found


def names(found: list[str]) -> list[str]:
    return [line.split()[1] for line in found]


# -- deliveries


@pytest.mark.parametrize("consumer_number", [1, 2, 300, 65_535])
@pytest.mark.parametrize("size", [0, 1, 20_000, 131_064, 131_065, 400_000])
def test_a_message_is_delivered_on_whatever_channel_its_consumer_has(
    bench: Bench, consumer_number: int, size: int
) -> None:
    publisher, consumer = bench.login(1), bench.login(consumer_number)
    consumer.call(consumer_number, Q.Declare(queue="q"))
    consumer.call(consumer_number, B.Consume(queue="q", consumer_tag="t"))
    data = bytes(n % 251 for n in range(size))
    publisher.send(content(1, data, routing_key="q", message_id="m", delivery_mode=2))
    frames = consumer.frames()
    assert {frame.channel for frame in frames} == {consumer_number}
    assert bodies(frames) == [data]
    assert lines(frames)[:2] == [
        f"{consumer_number} basic.deliver consumer_tag='t' delivery_tag=1 redelivered=False"
        " exchange='' routing_key='q'",
        f"{consumer_number} header {size} delivery_mode=2 message_id='m'",
    ]


@pytest.mark.parametrize("frame_max", [8192, 10_000, 131_072])
@pytest.mark.parametrize("asked", ["get", "deliver", "return"])
def test_no_frame_is_larger_than_its_receiver_agreed_to(
    bench: Bench, frame_max: int, asked: str
) -> None:
    publisher = bench.login(1)
    receiver = bench.login(1, frame_max=frame_max)
    receiver.call(1, Q.Declare(queue="q"))
    sizes = [0, 1, frame_max - 9, frame_max - 8, frame_max - 7, 3 * frame_max]
    frames: list[Frame] = []
    if asked == "deliver":
        receiver.call(1, B.Consume(queue="q", no_ack=True))
    for size in sizes:
        message = content(1, bytes(size), routing_key="q", frame_max=frame_max)
        if asked == "return":
            receiver.send(
                content(1, bytes(size), routing_key="none", mandatory=True, frame_max=frame_max)
            )
        else:
            publisher.send(message)
        if asked == "get":
            receiver.send(method(1, B.Get(queue="q", no_ack=True)))
        frames += receiver.frames()
    assert max(len(frame.data) for frame in frames) <= frame_max
    assert [len(data) for data in bodies(frames)] == sizes


def test_addresses_of_all_consumers_together_are_remembered_up_to_a_limit(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leveret.wire.channel.ADDRESSES_KEPT", 10)
    consumer, publisher = bench.login(1, 2), bench.login(1)
    for number in (1, 2):
        for tag in ("a", "b"):
            queue = f"q{number}{tag}"
            consumer.call(number, spec.Queue.Declare(queue=queue))
            consumer.call(
                number, spec.Queue.Bind(queue=queue, exchange="amq.topic", routing_key="#")
            )
            consumer.call(number, spec.Basic.Consume(queue=queue, consumer_tag=tag, no_ack=True))
    for key in range(30):
        publisher.send(content(1, b"x", "amq.topic", f"key.{key}"))
        heard = [line for line in consumer.lines() if "basic.deliver" in line]
        assert len(heard) == 4
        assert all(f"routing_key='key.{key}'" in line for line in heard)
        channels = consumer.connection.channels.values()
        known = sum(len(parts) for each in channels for parts in each._consumers.values())
        assert known <= 10


def test_one_message_for_many_is_the_same_for_each(bench: Bench) -> None:
    publisher = bench.login(1)
    consumers = [bench.login(number, frame_max=8192) for number in (1, 2, 3)]
    for number, consumer in enumerate(consumers, 1):
        consumer.call(number, Q.Declare(queue=f"q{number}"))
        consumer.call(number, Q.Bind(queue=f"q{number}", exchange="amq.fanout"))
        consumer.call(number, B.Consume(queue=f"q{number}", consumer_tag="t", no_ack=True))
    publisher.send(content(1, b"x" * 9000, "amq.fanout", "k", headers={"a": [1]}))
    heard = [[line[2:] for line in consumer.lines()] for consumer in consumers]
    assert heard[0] == heard[1] == heard[2]
    assert len(heard[0]) == 4


def test_a_message_published_in_the_process_comes_over_the_wire(bench: Bench) -> None:
    peer = bench.login(1)
    peer.call(1, Q.Declare(queue="q"))
    properties = Properties(headers={"k": 1}, priority=3, timestamp=5)
    bench.broker.channel().basic_publish("", "q", "hello", properties)
    assert peer.call(1, B.Get(queue="q"))[1:] == [
        "1 header 5 headers={'k': 1} priority=3 timestamp=5",
        "1 body b'hello'",
    ]


def test_a_message_from_the_wire_is_read_in_the_process(bench: Bench) -> None:
    peer = bench.login(1)
    peer.call(1, Q.Declare(queue="q"))
    peer.send(content(1, b"hello", routing_key="q", headers={"k": None}, app_id="a"))
    _, properties, data = bench.broker.channel().basic_get("q")
    assert (properties, data) == (Properties(headers={"k": None}, app_id="a"), b"hello")


def test_unacked_messages_of_a_channel_that_closes_go_to_another_first(bench: Bench) -> None:
    """S81."""
    peer = bench.login(1, 2)
    peer.call(1, Q.Declare(queue="q"))
    peer.send(*(content(1, b"%d" % n, routing_key="q") for n in range(3)))
    peer.call(1, B.Get(queue="q"))
    peer.call(2, B.Consume(queue="q", consumer_tag="t"))
    assert not peer.frames()
    found = peer.call(1, Ch.Close(200, "", 0, 0))
    assert sorted(names(found)) == ["basic.deliver", "body", "channel.close-ok", "header"]
    assert any("redelivered=True" in line for line in found)


def test_s87_the_count_of_deliveries_is_a_long(bench: Bench) -> None:
    peer = bench.login(1)
    peer.call(1, Q.Declare(queue="q", durable=True, arguments={"x-queue-type": "quorum"}))
    peer.send(content(1, b"x", routing_key="q", content_type="c"))
    peer.call(1, B.Get(queue="q"))
    peer.call(1, B.Reject(1, requeue=True))
    peer.send(method(1, B.Get(queue="q")))
    head = peer.frames()[1]
    assert b"\x10x-delivery-countl\0\0\0\0\0\0\0\x01" in head.payload


def test_s103_deaths_are_counted_in_longs_and_dated(bench: Bench) -> None:
    peer = bench.login(1)
    peer.call(1, Q.Declare(queue="dead"))
    peer.call(
        1,
        Q.Declare(
            queue="q",
            arguments={
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": "dead",
                "x-message-ttl": 10,
            },
        ),
    )
    peer.send(content(1, b"x", routing_key="q"))
    bench.advance(10)
    peer.send(method(1, B.Get(queue="dead")))
    payload = peer.frames()[1].payload
    assert b"\x05countl\0\0\0\0\0\0\0\x01" in payload
    seconds = bench.broker.clock.now_ms() // 1000
    assert b"\x04timeT" + seconds.to_bytes(8, "big") in payload
    assert b"\x06reasonS\0\0\0\x07expired" in payload
    assert b"\x0crouting-keysA\0\0\0\x06S\0\0\0\x01q" in payload


def test_s86_a_consumer_that_does_not_acknowledge_loses_its_channel(bench: Bench) -> None:
    peer = bench.login(3)
    peer.call(3, Q.Declare(queue="q"))
    peer.send(content(3, b"x", routing_key="q"))
    peer.call(3, B.Consume(queue="q", consumer_tag="t"))
    bench.advance(1_800_000 + 60_000)
    (line,) = peer.lines()
    assert "reply_code=406" in line
    assert "delivery acknowledgement on channel 3 timed out" in line
    peer.call(3, Ch.CloseOk())
    assert peer.call(3, Ch.Open()) == ["3 channel.open-ok channel_id=b''"]


def test_s73_a_client_that_takes_it_hears_of_its_cancelled_consumer(bench: Bench) -> None:
    able, unable = bench.login(1), bench.login(1, properties={})
    for peer in (able, unable):
        peer.call(1, Q.Declare(queue="q"))
        peer.call(1, B.Consume(queue="q", consumer_tag="t"))
    bench.broker.channel().queue_delete("q")
    assert able.lines() == ["1 basic.cancel consumer_tag='t' nowait=True"]
    assert not unable.lines()
    able.call(1, Q.Declare(queue="q"))
    assert able.call(1, B.Consume(queue="q", consumer_tag="t")) == [
        "1 basic.consume-ok consumer_tag='t'"
    ]


# -- confirms


def expanded(found: list[str]) -> list[str]:
    """Return acks and nacks one by one."""
    answers: list[str] = []
    open_tags = set(range(1, 10_000))
    for line in found:
        _, name, tag_text, multiple, *_ = line.split()
        tag = int(tag_text.partition("=")[2])
        tags = {n for n in open_tags if n <= tag} if multiple == "multiple=True" else {tag}
        assert tags <= open_tags
        open_tags -= tags
        answers += [f"{name} {n}" for n in sorted(tags)]
    return sorted(answers, key=lambda answer: int(answer.split()[1]))


def test_s61_confirms_of_one_turn_go_out_in_one_frame(bench: Bench) -> None:
    peer = bench.login(1)
    peer.call(1, spec.Confirm.Select())
    peer.send(*(content(1, b"x", routing_key="none") for _ in range(100)))
    assert peer.lines() == ["1 basic.ack delivery_tag=100 multiple=True"]
    peer.send(content(1, b"x", routing_key="none"))
    assert peer.lines() == ["1 basic.ack delivery_tag=101 multiple=False"]


def test_s61_tags_are_each_channel_s_own(bench: Bench) -> None:
    peer = bench.login(1, 2)
    peer.call(1, spec.Confirm.Select())
    peer.call(2, spec.Confirm.Select(nowait=True))
    peer.send(*(content(n, b"x", routing_key="none") for n in (1, 2, 1)))
    assert sorted(peer.lines()) == [
        "1 basic.ack delivery_tag=2 multiple=True",
        "2 basic.ack delivery_tag=1 multiple=False",
    ]


def test_s57_a_return_stands_before_its_confirm(bench: Bench) -> None:
    peer = bench.login(1)
    peer.call(1, spec.Confirm.Select())
    peer.send(*(content(1, b"%d" % n, routing_key="none", mandatory=True) for n in range(3)))
    assert names(peer.lines()) == ["basic.return", "header", "body"] * 3 + ["basic.ack"]


def test_s62_each_message_refused_by_a_queue_is_nacked(bench: Bench) -> None:
    peer = bench.login(1)
    arguments = {"x-max-length": 2, "x-overflow": "reject-publish"}
    peer.call(1, Q.Declare(queue="q", arguments=arguments))
    peer.call(1, spec.Confirm.Select())
    keys = ["q", "none", "q", "q", "none", "q"]
    peer.send(*(content(1, b"x", routing_key=key) for key in keys))
    assert expanded(peer.lines()) == [
        "basic.ack 1",
        "basic.ack 2",
        "basic.ack 3",
        "basic.nack 4",
        "basic.ack 5",
        "basic.nack 6",
    ]


def test_what_was_taken_before_an_error_is_confirmed_before_the_channel_closes(
    bench: Bench,
) -> None:
    peer = bench.login(1)
    peer.call(1, spec.Confirm.Select())
    peer.send(content(1, b"x", routing_key="none"), content(1, b"x", "nowhere"))
    assert names(peer.lines()) == ["basic.ack", "channel.close"]
    peer.call(1, Ch.CloseOk())
    assert not peer.connection.confirming


# -- answers that are not wanted (S22), and those that come on their own


def test_s22_a_consumer_without_an_answer_is_delivered_to(bench: Bench) -> None:
    peer = bench.login(1)
    peer.call(1, Q.Declare(queue="q"))
    peer.send(content(1, b"x", routing_key="q"))
    assert names(peer.call(1, B.Consume(queue="q", consumer_tag="t", nowait=True))) == [
        "basic.deliver",
        "header",
        "body",
    ]
    assert names(peer.call(1, B.Consume(queue="q", consumer_tag="u"))) == ["basic.consume-ok"]


def test_consume_ok_stands_before_the_first_delivery(bench: Bench) -> None:
    peer = bench.login(1)
    peer.call(1, Q.Declare(queue="q"))
    peer.send(content(1, b"x", routing_key="q"))
    assert names(peer.call(1, B.Consume(queue="q"))) == [
        "basic.consume-ok",
        "basic.deliver",
        "header",
        "body",
    ]


def test_s84_who_is_cancelled_makes_room_for_the_next(bench: Bench) -> None:
    peer = bench.login(1)
    peer.call(1, Q.Declare(queue="q", arguments={"x-single-active-consumer": True}))
    for tag in ("t", "u"):
        peer.call(1, B.Consume(queue="q", consumer_tag=tag, no_ack=True))
    assert names(peer.call(1, B.Cancel("t"))) == ["basic.cancel-ok"]
    peer.send(content(1, b"x", routing_key="q"))
    assert "consumer_tag='u'" in peer.lines()[0]


def test_s117_a_reply_goes_to_the_channel_that_asked(bench: Bench) -> None:
    client, server = bench.login(4), bench.login(1)
    server.call(1, Q.Declare(queue="rpc"))
    client.call(4, B.Consume(queue="amq.rabbitmq.reply-to", consumer_tag="c", no_ack=True))
    client.send(content(4, b"?", routing_key="rpc", reply_to="amq.rabbitmq.reply-to"))
    _, properties, _ = bench.broker.channel().basic_get("rpc")
    assert properties is not None
    assert properties.reply_to is not None
    server.send(content(1, b"!" * 200_000, routing_key=properties.reply_to, correlation_id="7"))
    frames = client.frames()
    assert lines(frames)[0].startswith("4 basic.deliver consumer_tag='c' delivery_tag=1")
    assert lines(frames)[1] == "4 header 200000 correlation_id='7'"
    assert bodies(frames) == [b"!" * 200_000]


def test_s10_exclusive_queues_go_with_their_connection(bench: Bench) -> None:
    owner, other = bench.login(1), bench.login(1)
    owner.call(1, Q.Declare(queue="q", exclusive=True))
    assert "reply_code=405" in other.call(1, Q.Declare(queue="q", passive=True))[0]
    owner.lost()
    other.call(1, Ch.CloseOk())
    other.call(1, Ch.Open())
    assert "reply_code=404" in other.call(1, Q.Declare(queue="q", passive=True))[0]


# -- any names


@given(st.binary(min_size=1, max_size=255).filter(lambda n: not n.startswith(b"amq.")))
def test_names_of_any_bytes_go_through(name: bytes) -> None:
    peer: Any = InMemoryPeer(Broker()).login(channels=(1,))
    short = bytes((len(name),)) + name
    kept = name.replace(b"\r", b"").replace(b"\n", b"")
    if not kept:
        return
    peer.send(frame(1, 1, b"\0\x32\0\x0a\0\0" + short + b"\x02" + bytes(4)))
    (answer,) = peer.frames()
    assert answer.payload == b"\0\x32\0\x0b" + bytes((len(kept),)) + kept + bytes(8)
    stripped = bytes((len(kept),)) + kept
    peer.send(
        frame(1, 1, b"\0\x3c\0\x28\0\0\0" + stripped + b"\0") + frame(2, 1, b"\0\x3c" + bytes(12)),
        frame(1, 1, b"\0\x3c\0\x46\0\0" + stripped + b"\x01"),
    )
    get_ok, _ = peer.frames()
    assert get_ok.payload[13:] == b"\0" + stripped + bytes(4)
