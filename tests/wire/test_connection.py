"""A connection's life once it is open: its end from either side, its output, what it puts off.

Statements: S60 S68 S121 S123 S125.
"""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import spec
from raw_amqp.frames import (
    HEARTBEAT,
    PROTOCOL_HEADER,
    body,
    content,
    frame,
    header,
    lines,
    method,
    split,
)
from raw_amqp.peers import InMemoryPeer, start_ok

from leveret import Broker
from leveret.engine.permissions import Permission
from leveret.errors import ConnectionForced
from leveret.wire import Limits, State

if TYPE_CHECKING:
    from tests.wire.conftest import Bench

CLOSE = method(0, spec.Connection.Close(200, "bye", 0, 0))
CLOSE_OK = method(0, spec.Connection.CloseOk())
PUBLISH = method(1, spec.Basic.Publish(exchange="", routing_key="q"))


def declare(name: str = "q", **how: bool) -> spec.Queue.Declare:
    return spec.Queue.Declare(queue=name, **how)


def depth(bench: Bench, name: str = "q") -> int:
    return bench.broker.channel().queue_declare(name, passive=True).message_count


# -- the end


def test_a_client_closes_and_what_it_sent_behind_is_not_done(bench: Bench) -> None:
    peer = bench.login(1)
    peer.call(1, declare())
    peer.send(content(1, b"a", routing_key="q"), CLOSE, content(1, b"b", routing_key="q"))
    assert lines(peer.frames()) == ["0 connection.close-ok"]
    assert peer.dropped
    assert bench.broker.statistics().connections == 0
    assert depth(bench) == 1


def test_the_server_closes_and_waits_for_close_ok(bench: Bench) -> None:
    peer = bench.login(1, 2)
    peer.connection.close(ConnectionForced("shutdown"))
    assert peer.lines() == [
        "0 connection.close reply_code=320 reply_text='CONNECTION_FORCED - shutdown' class_id=0"
        " method_id=0"
    ]
    assert bench.broker.statistics().connections == 0
    peer.send(method(1, declare()), content(2, b"x", routing_key="q"), HEARTBEAT)
    assert (peer.frames(), peer.dropped) == ([], False)
    peer.connection.close(ConnectionForced("once more"))
    peer.connection.heartbeat()
    assert not peer.frames()
    peer.send(CLOSE_OK)
    assert (peer.frames(), peer.dropped) == ([], True)


@pytest.mark.parametrize(
    "said", [b"", PROTOCOL_HEADER, PROTOCOL_HEADER + start_ok()], ids=["header", "start", "tune"]
)
def test_a_client_that_is_not_known_yet_is_dropped_without_a_word(
    bench: Bench, said: bytes
) -> None:
    peer = bench.open()
    peer.send(said)
    peer.frames()
    peer.connection.close(ConnectionForced("shutdown"))
    assert (peer.frames(), peer.dropped) == ([], True)


def test_a_connection_that_is_lost_gives_everything_back(bench: Bench) -> None:
    peer = bench.login(1)
    peer.call(1, declare(exclusive=True))
    peer.call(1, declare("kept"))
    peer.send(content(1, b"x", routing_key="kept"))
    peer.call(1, spec.Basic.Get(queue="kept"))
    peer.lost()
    peer.lost()
    assert list(bench.broker.virtual_hosts["/"].queues) == ["kept"]
    assert depth(bench, "kept") == 1
    assert not peer.output()


@pytest.mark.parametrize("channels", [(), (1,)], ids=["no channel", "one"])
def test_a_virtual_host_deleted_closes_its_connections(
    bench: Bench, channels: tuple[int, ...]
) -> None:
    bench.broker.add_virtual_host("other")
    bench.broker.users.set_permission("guest", "other", Permission())
    peer = bench.login(*channels, virtual_host="other")
    bench.broker.remove_virtual_host("other")
    (line,) = peer.lines()
    assert "reply_text=\"CONNECTION_FORCED - vhost 'other' is deleted\"" in line
    peer.send(method(1, declare()), content(1, b"x", routing_key="q"), CLOSE_OK)
    assert (peer.frames(), peer.dropped) == ([], True)


# -- hard errors


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_close_ok_is_found_behind_what_was_sent_before_the_error_was_known(
    bench: Bench, cut: int
) -> None:
    peer = bench.login(1)
    peer.call(1, declare())
    stream = b"".join(
        (
            content(1, b"kept", routing_key="q"),
            content(1, b"refused", routing_key="q", immediate=True),
            *(content(1, b"lost", routing_key="q") for _ in range(3)),
        )
    )
    peer.send(stream[:-cut])
    assert [line.split()[1] for line in peer.lines()] == ["connection.close"]
    peer.send(stream[-cut:] + CLOSE_OK)
    assert (peer.frames(), peer.dropped) == ([], True)
    assert depth(bench) == 1


def test_a_run_of_publishes_is_done_up_to_the_one_that_fails(bench: Bench) -> None:
    peer = bench.login(1)
    peer.call(1, declare())
    run = [content(1, b"x", routing_key="q") for _ in range(5)]
    bad = PUBLISH + frame(2, 1, b"\0\x3c\0\0" + bytes(8) + b"\x80\0\x05x")
    peer.send(*run, bad, *run, CLOSE_OK)
    assert peer.lines() == [
        "0 connection.close reply_code=541 reply_text='INTERNAL_ERROR' class_id=0 method_id=0"
    ]
    assert peer.dropped
    assert depth(bench) == 5


@pytest.mark.parametrize(
    "broken",
    [
        frame(1, 1, b"\0\x3c\0\x0a\0\0\0\0\0\x01\0")[:-1] + b"\0",
        b"\x01\0\x01\xff\xff\xff\xff\0",
    ],
    ids=["end marker", "size"],
)
def test_behind_a_broken_frame_nothing_is_read(bench: Bench, broken: bytes) -> None:
    peer = bench.login(1)
    peer.send(broken, CLOSE_OK, method(1, declare()))
    (line,) = peer.lines()
    assert line.startswith("0 connection.close reply_code=501 reply_text='FRAME_ERROR - type 1, ")
    peer.send(CLOSE_OK, bytes(100_000))
    assert (peer.frames(), peer.dropped) == ([], False)


def test_a_broken_frame_behind_a_hard_error_changes_nothing(bench: Bench) -> None:
    peer = bench.login(1)
    peer.send(method(1, spec.Basic.Qos(5, 0, False)), b"\x09" * 100)
    assert len(peer.lines()) == 1
    peer.send(b"\x09" * 100)
    assert (peer.frames(), peer.dropped) == ([], False)


def test_other_connections_do_not_notice(bench: Bench) -> None:
    other = bench.login(1)
    other.call(1, declare())
    peer = bench.login(1)
    peer.send(content(1, b"x", routing_key="q", immediate=True))
    peer.send(b"\xff" * 1000)
    assert not other.frames()
    other.send(content(1, b"x", routing_key="q"))
    assert other.call(1, spec.Basic.Get(queue="q", no_ack=True))[-1] == "1 body b'x'"


# -- a publish remembered as bytes must not outlive its channel


def test_a_publish_after_its_channel_closed_is_refused(bench: Bench) -> None:
    peer = bench.login(1)
    peer.call(1, declare())
    message = content(1, b"x", routing_key="q")
    peer.send(message, method(1, spec.Channel.Close(200, "", 0, 0)))
    assert peer.lines() == ["1 channel.close-ok"]
    peer.send(message)
    (line,) = peer.lines()
    assert "CHANNEL_ERROR - expected 'channel.open'" in line
    assert depth(bench) == 1


def test_a_channel_of_the_same_number_publishes_as_itself(bench: Bench) -> None:
    peer = bench.login(1)
    peer.call(1, declare())
    message = content(1, b"x", routing_key="q")
    peer.send(message, method(1, spec.Channel.Close(200, "", 0, 0)), method(1, spec.Channel.Open()))
    peer.call(1, spec.Confirm.Select())
    peer.send(message)
    assert peer.lines() == ["1 basic.ack delivery_tag=1 multiple=False"]
    assert depth(bench) == 2


def test_a_publish_after_a_soft_error_is_dropped_until_close_ok(bench: Bench) -> None:
    peer = bench.login(1)
    peer.call(1, declare())
    message = content(1, b"x", routing_key="q")
    peer.send(message, content(1, b"x", "nowhere"), message, message)
    (line,) = peer.lines()
    assert line.startswith("1 channel.close reply_code=404")
    peer.send(message, method(1, spec.Channel.CloseOk()), method(1, spec.Channel.Open()), message)
    assert peer.lines() == ["1 channel.open-ok channel_id=b''"]
    assert depth(bench) == 2


@pytest.mark.parametrize("before", [b"", content(1, b"x", routing_key="q")], ids=["none", "one"])
def test_no_bytes_pass_for_a_publish_where_there_was_none(bench: Bench, before: bytes) -> None:
    peer = bench.login(1)
    peer.call(1, declare())
    peer.send(before)
    peer.connection.block("low on memory")
    peer.send(b"\xff" * 100 + before)
    assert "reply_code=501" in peer.lines()[0]


# -- bodies


@pytest.mark.parametrize("profile", ["3.10", "4.2"])
def test_s68_a_body_over_the_limit_is_refused_and_not_kept(profile: str) -> None:
    broker = Broker(profile=profile)
    peer = InMemoryPeer(broker).login(channels=(1,))
    size = broker.profile.max_message_bytes + 1
    peer.send(PUBLISH, header(1, size))
    part = body(1, bytes(131_064))
    for _ in range(size // 131_064):
        peer.send(part)
    assert sum(map(len, peer.connection.channels[1].content.parts)) == 0
    assert not peer.frames()
    peer.send(body(1, bytes(size % 131_064)))
    assert peer.lines() == [
        f"1 channel.close reply_code=406 reply_text='PRECONDITION_FAILED - message size {size} is"
        f" larger than max size {size - 1}' class_id=60 method_id=40"
    ]


def test_a_body_of_absurd_size_costs_nothing(bench: Bench) -> None:
    peer = bench.login(1)
    peer.send(PUBLISH, header(1, 2**64 - 1), body(1, b"x"))
    assert (peer.frames(), peer.dropped) == ([], False)


@pytest.mark.parametrize("part_bytes", [0, 1, 100, 4096], ids="{} bytes a frame".format)
def test_a_body_in_small_parts_takes_no_more_than_it_says(bench: Bench, part_bytes: int) -> None:
    peer = bench.login(1)
    peer.call(1, declare())
    size = 300_000
    peer.send(PUBLISH, header(1, size))
    tracemalloc.start()
    if part_bytes:
        peer.send(*[body(1, bytes(part_bytes))] * (size // part_bytes - 1))
    else:
        peer.send(body(1, b"") * 100_000)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1.2 * size
    left = size - (size // part_bytes - 1) * part_bytes if part_bytes else size
    peer.send(body(1, bytes(left)[:100_000]), *[body(1, bytes(100_000))] * (left // 100_000 - 1))
    assert depth(bench) == 1
    assert peer.call(1, spec.Basic.Get(queue="q"))[2] == f"1 body {bytes(8)!r}… 131064"


def test_large_headers_of_unfinished_messages_count_too(bench: Bench) -> None:
    peer = bench.login(1, 2, limits=Limits(unfinished_max=150_000))
    for number in (1, 2):
        begun = method(number, spec.Basic.Publish(exchange="", routing_key="q"))
        peer.send(begun, header(number, 10, headers={"large": "x" * 100_000}))
    assert peer.lines()[-1].startswith("0 connection.close reply_code=506 ")


def test_unfinished_bodies_have_a_limit_together(bench: Bench) -> None:
    peer = bench.login(*range(1, 11), limits=Limits(unfinished_max=1_000_000))
    for number in range(1, 11):
        publish = spec.Basic.Publish(exchange="", routing_key="q")
        peer.send(method(number, publish), header(number, 150_000))
    (line,) = peer.lines()
    assert line.startswith("0 connection.close reply_code=506 reply_text='RESOURCE_ERROR - ")


# -- output


def test_who_takes_the_output_is_woken_once(bench: Bench) -> None:
    peer = bench.login(1)
    before = peer.wakes
    peer.send(*[method(1, spec.Basic.Qos(0, 1, False))] * 5)
    assert peer.wakes == before + 1
    assert len(peer.frames()) == 5
    peer.send(method(1, spec.Basic.Qos(0, 1, False)))
    assert peer.wakes == before + 2


def test_deliveries_pause_where_a_client_does_not_read_and_go_on_when_it_does(
    bench: Bench,
) -> None:
    limits = Limits(output_high=10_000, output_low=2_000)
    consumer, publisher = bench.login(1, limits=limits), bench.login(1)
    consumer.call(1, declare())
    consumer.call(1, spec.Basic.Consume(queue="q", consumer_tag="t", no_ack=True))
    publisher.send(*(content(1, bytes(1000), routing_key="q") for _ in range(50)))
    unsent = consumer.connection.unsent
    assert 10_000 < unsent < 12_500
    assert depth(bench) > 30
    taken = b"".join(consumer.connection.take_output())
    consumer.connection.output_drained(2_001)
    assert not consumer.connection.out
    got = len(split(taken)[0])
    while depth(bench):
        consumer.connection.output_drained(2_000)
        got += len(split(consumer.output())[0])
    got += len(split(consumer.output())[0])
    assert got == 150


def test_channels_of_a_client_that_does_not_read_pause_together_and_each_has_its_turn(
    bench: Bench,
) -> None:
    limits = Limits(output_high=10_000, output_low=2_000)
    consumer, publisher = bench.login(1, 2, 3, limits=limits), bench.login(1)
    queues = {1: "q1", 2: "q2", 3: "q3"}
    for number, queue in queues.items():
        consumer.call(number, declare(queue))
        publisher.send(*(content(1, bytes(1000), routing_key=queue) for _ in range(100)))
        consumer.send(method(number, spec.Basic.Consume(queue=queue, no_ack=True)))
        assert consumer.connection.unsent < 13_500
    while any(before := [depth(bench, queue) for queue in queues.values()]):
        for _ in queues:
            consumer.output()  # all of it is read
            assert consumer.connection.unsent < 13_500
        after = [depth(bench, queue) for queue in queues.values()]
        assert all(now < then or not then for then, now in zip(before, after, strict=True))


def test_many_small_messages_are_delivered_turn_by_turn(bench: Bench) -> None:
    consumer, publisher = bench.login(1, limits=Limits(output_pieces=100)), bench.login(1)
    consumer.call(1, declare())
    publisher.send(content(1, b"x", routing_key="q") * 1000)
    consumer.call(1, spec.Basic.Consume(queue="q", no_ack=True))
    left = depth(bench)
    assert left > 750
    while left:
        consumer.output()
        left, before = depth(bench), left
        assert 0 < before - left <= 102


def test_heartbeats_are_for_open_connections(bench: Bench) -> None:
    peer = bench.open()
    peer.connection.heartbeat()
    assert not peer.output()
    peer.login(heartbeat=7)
    assert peer.connection.heartbeat_s == 7
    peer.connection.heartbeat()
    assert peer.output() == HEARTBEAT


# -- turns


def test_a_long_input_is_worked_off_turn_by_turn(bench: Bench) -> None:
    peer = bench.login(1)
    peer.call(1, declare())
    stream = b"".join(content(1, b"x" * 50, routing_key="q") for _ in range(2000))
    peer.connection.receive(stream, lambda: True)
    done = depth(bench)
    assert 0 < done < 500
    assert peer.connection.behind
    turns = 0
    while peer.connection.behind:
        peer.connection.receive(b"", lambda: True)
        turns += 1
    assert turns > 5
    assert depth(bench) == 2000


# -- S125


def test_s125_a_publisher_is_told_that_it_is_blocked_at_its_first_publish(bench: Bench) -> None:
    peer = bench.login(1)
    peer.call(1, declare())
    message = content(1, b"x", routing_key="q")
    peer.send(message)
    peer.connection.block("low on memory")
    assert peer.call(1, spec.Basic.Qos(0, 1, False)) == ["1 basic.qos-ok"]
    assert not peer.connection.blocked
    peer.send(message)
    assert peer.lines() == ["0 connection.blocked reason='low on memory'"]
    assert peer.connection.blocked
    assert depth(bench) == 2
    peer.connection.unblock()
    assert peer.lines() == ["0 connection.unblocked"]
    assert not peer.connection.blocked


def test_s125_a_client_that_cannot_be_told_is_blocked_all_the_same(bench: Bench) -> None:
    peer = bench.login(1, properties={})
    peer.connection.block("low on memory")
    peer.send(content(1, b"x", routing_key="q"))
    assert (peer.frames(), peer.connection.blocked) == ([], True)
    peer.connection.unblock()
    assert (peer.frames(), peer.connection.blocked) == ([], False)


# -- any bytes


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_any_bytes_from_a_stranger_are_survived(parts: list[bytes]) -> None:
    broker = Broker()
    for prefix in (b"", PROTOCOL_HEADER, PROTOCOL_HEADER + start_ok()):
        peer = InMemoryPeer(broker)
        peer.send(prefix)
        for part in parts:
            peer.send(part)
        assert peer.connection.state in State
        split(peer.output())
