"""Consumers, prefetch, basic.get.

Statements: S69 S70 S71 S72 S73 S74 S75 S76 S79 S83 S85.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.engine.conftest import Make, Rig

    from leveret import Channel


@pytest.fixture
def q(broker: Rig) -> str:
    """Return a queue."""
    return broker.queue_declare("q").queue


# -- who may consume


@pytest.mark.parametrize("queue", ["q", "none"])
def test_s69_a_consumer_tag_is_used_once_on_a_channel(
    broker: Rig, channel: Channel, q: str, queue: str
) -> None:
    channel.basic_consume(q, consumer_tag="t")
    broker.channel().basic_consume(q, consumer_tag="t")
    text = "attempt to reuse consumer tag 't'"
    with broker.refusing(channel, 530, text, "basic.consume"):
        channel.basic_consume(queue, consumer_tag="t")


def test_s69_a_tag_is_free_again_after_cancel(channel: Channel, q: str) -> None:
    channel.basic_consume(q, consumer_tag="t")
    channel.basic_cancel("t")
    channel.basic_consume(q, consumer_tag="t")


def test_the_broker_makes_a_tag_where_none_is_given(channel: Channel, q: str) -> None:
    tags = {channel.basic_consume(q), channel.basic_consume(q, consumer_tag="")}
    assert len(tags) == 2
    assert all(tag.startswith("amq.ctag-") for tag in tags)


@pytest.mark.parametrize(("first", "second"), [(True, False), (False, True), (True, True)], ids=str)
def test_s70_exclusive_use(
    broker: Rig, channel: Channel, q: str, first: bool, second: bool
) -> None:
    broker.channel().basic_consume(q, exclusive=first)
    with broker.refusing(channel, 403, "queue 'q' in vhost '/' in exclusive use", "basic.consume"):
        channel.basic_consume(q, exclusive=second)


def test_s70_is_over_when_the_exclusive_consumer_leaves(
    broker: Rig, channel: Channel, q: str
) -> None:
    channel.basic_consume(q, exclusive=True, consumer_tag="t")
    channel.basic_cancel("t")
    inbox = broker.consume(broker.channel(), q, "u")
    broker.put(q, "1")
    assert inbox.take() == ["u:1"]


def test_s70_a_consumer_gets_what_its_own_connection_publishes(
    broker: Rig, channel: Channel, q: str
) -> None:
    inbox = broker.consume(channel, q, "t")
    channel.basic_publish("", q, "1")
    assert inbox.take() == ["t:1"]


# -- leaving


def test_s71_cancel_leaves_unacknowledged_messages_where_they_are(
    broker: Rig, channel: Channel, q: str
) -> None:
    inbox = broker.consume(channel, q, "t")
    broker.put(q, "1", "2", "3")
    channel.basic_cancel("t")
    broker.put(q, "4")
    assert inbox.take() == ["t:1", "t:2", "t:3"]
    assert broker.depth(q) == 1
    channel.basic_ack(2)
    channel.close()
    assert broker.drain(q) == ["1*", "3*", "4"]


def test_s72_cancelling_an_unknown_tag_is_fine(channel: Channel) -> None:
    channel.basic_cancel("nobody")
    assert channel.is_open


def test_s73_the_client_is_told_that_its_queue_is_gone(
    broker: Rig, channel: Channel, q: str
) -> None:
    told: list[str] = []
    channel.add_on_cancel_callback(told.append)
    channel.basic_consume(q, consumer_tag="a")
    channel.basic_consume(q, consumer_tag="b")
    channel.basic_cancel("b")
    broker.put(q, "1")
    broker.queue_delete(q)
    assert told == ["a"]
    assert channel.consumer_tags == []
    channel.basic_ack(1)
    channel.basic_cancel("a")
    assert channel.is_open


def test_s73_only_where_it_announced_that_it_understands(broker: Rig, q: str) -> None:
    connection = broker.connect()
    connection.cancel_notify = False
    channel = connection.channel()
    told: list[str] = []
    channel.add_on_cancel_callback(told.append)
    channel.basic_consume(q, consumer_tag="a")
    broker.queue_delete(q)
    assert (told, channel.consumer_tags) == ([], [])


# -- prefetch


def test_s74_a_prefetch_holds_for_consumers_started_after_it(
    broker: Rig, channel: Channel, q: str
) -> None:
    inbox = broker.consume(channel, q, "unlimited", arguments={"x-priority": 1})
    channel.basic_qos(prefetch_count=1)
    broker.consume(channel, q, "one", inbox, arguments={"x-priority": 2})
    channel.basic_qos(prefetch_count=2)
    broker.consume(channel, q, "two", inbox, arguments={"x-priority": 3})
    broker.put(q, *"12345")
    assert inbox.take() == ["two:1", "two:2", "one:3", "unlimited:4", "unlimited:5"]
    channel.basic_ack(1)
    broker.put(q, "6", "7")
    assert inbox.take() == ["two:6", "unlimited:7"]


@pytest.mark.parametrize(("prefetch", "expected"), [(1, "ab"), (2, "abab"), (0, "ababab")])
def test_seen_live_consumers_that_wait_take_turns(
    broker: Rig, channel: Channel, q: str, prefetch: int, expected: str
) -> None:
    channel.basic_qos(prefetch_count=prefetch)
    inbox = broker.consume(channel, q, "a")
    broker.consume(channel, q, "b", inbox)
    broker.put(q, *"123456")
    assert "".join(entry[0] for entry in inbox.take()) == expected


def test_seen_live_messages_that_wait_go_to_the_first_that_comes(
    broker: Rig, channel: Channel, q: str
) -> None:
    broker.put(q, *"123456")
    channel.basic_qos(prefetch_count=2)
    inbox = broker.consume(channel, q, "a")
    broker.consume(channel, q, "b", inbox)
    assert inbox.take() == ["a:1", "a:2", "b:3", "b:4"]


def test_seen_live_an_ack_brings_the_next_message_to_its_consumer(
    broker: Rig, channel: Channel, q: str
) -> None:
    channel.basic_qos(prefetch_count=1)
    inbox = broker.consume(channel, q, "a")
    broker.consume(channel, q, "b", inbox)
    broker.put(q, *"12345678")
    assert inbox.take() == ["a:1", "b:2"]
    channel.basic_ack(2)
    assert inbox.take() == ["b:3"]
    channel.basic_ack(1)
    assert inbox.take() == ["a:4"]
    channel.basic_ack(4, multiple=True)
    assert inbox.take() == ["a:5", "b:6"]


def test_s75_seen_live_a_global_prefetch_limits_the_channel_beside_each_consumers_own(
    old_broker: Rig,
) -> None:
    broker = old_broker
    channel = broker.channel()
    broker.queue_declare("q")
    broker.put("q", *"123456789")
    channel.basic_qos(prefetch_count=2)
    channel.basic_qos(prefetch_count=3, global_qos=True)
    inbox = broker.consume(channel, "q", "a")
    assert inbox.take() == ["a:1", "a:2"]
    broker.consume(channel, "q", "b", inbox)
    assert inbox.take() == ["b:3"]
    channel.basic_ack(1)
    assert inbox.take() == ["a:4"]
    channel.basic_qos(prefetch_count=0, global_qos=True)
    assert inbox.take() == ["b:5"]
    channel.basic_qos(prefetch_count=0)
    assert inbox.take() == []
    broker.consume(channel, "q", "c", inbox)
    assert inbox.take() == ["c:6", "c:7", "c:8", "c:9"]


def test_s75_seen_live_what_was_got_does_not_count_against_it(old_broker: Rig) -> None:
    broker = old_broker
    channel = broker.channel()
    broker.queue_declare("q")
    broker.put("q", *"123456")
    channel.basic_qos(prefetch_count=2, global_qos=True)
    inbox = broker.consume(channel, "q", "a")
    assert inbox.take() == ["a:1", "a:2"]
    assert broker.get(channel, "q").body == "3"
    channel.basic_ack(1)
    assert inbox.take() == ["a:4"]
    channel.basic_ack(3)
    assert inbox.take() == []
    channel.basic_qos(prefetch_count=4, global_qos=True)
    assert inbox.take() == ["a:5", "a:6"]


def test_s75_in_4_3_it_is_taken_as_per_consumer(make: Make) -> None:
    broker = make("4.3")
    channel = broker.channel()
    broker.queue_declare("q")
    channel.basic_qos(prefetch_count=1, global_qos=True)
    inbox = broker.consume(channel, "q", "a")
    broker.consume(channel, "q", "b", inbox)
    broker.put("q", "1", "2", "3")
    assert inbox.take() == ["a:1", "b:2"]


def test_s75_a_quorum_queue_has_no_global_prefetch(broker: Rig, channel: Channel) -> None:
    broker.queue_declare("q", arguments={"x-queue-type": "quorum"})
    channel.basic_qos(prefetch_count=1, global_qos=True)
    text = "queue 'q' in vhost '/' does not support global qos"
    with broker.refusing(channel, 540, text, "basic.consume"):
        channel.basic_consume("q")


def test_s76_zero_is_no_limit(broker: Rig, channel: Channel, q: str) -> None:
    channel.basic_qos(prefetch_count=1)
    channel.basic_qos(prefetch_count=0)
    inbox = broker.consume(channel, q, "t")
    broker.put(q, *"123")
    assert len(inbox.take()) == 3


def test_s76_no_ack_and_get_ignore_a_prefetch(broker: Rig, channel: Channel, q: str) -> None:
    channel.basic_qos(prefetch_count=1)
    inbox = broker.consume(channel, q, "t", auto_ack=True)
    broker.put(q, "1", "2")
    assert inbox.take() == ["t:1", "t:2"]
    channel.basic_cancel("t")
    broker.consume(channel, q, "u", inbox)
    broker.put(q, "3", "4", "5")
    assert inbox.take() == ["u:3"]
    assert broker.take(channel, q, 2) == [4, 5]


@pytest.mark.parametrize("global_qos", [True, False])
def test_s76_a_prefetch_size_is_not_implemented(
    broker: Rig, channel: Channel, global_qos: bool
) -> None:
    with broker.refusing(channel, 540, "prefetch_size!=0 (10)", "basic.qos"):
        channel.basic_qos(prefetch_size=10, global_qos=global_qos)


def test_flow_holds_deliveries_back(broker: Rig, channel: Channel, q: str) -> None:
    inbox = broker.consume(channel, q, "t")
    channel.pause()
    broker.put(q, "1", "2")
    assert (inbox.take(), broker.depth(q)) == ([], 2)
    channel.resume()
    assert inbox.take() == ["t:1", "t:2"]


def test_a_client_may_only_ask_for_flow(broker: Rig, channel: Channel) -> None:
    assert channel.flow(active=True)
    with broker.refusing(channel, 540, "active=false", "channel.flow"):
        channel.flow(active=False)


# -- consumer priorities


def test_s83_the_highest_priority_with_room_comes_first(
    broker: Rig, channel: Channel, q: str
) -> None:
    channel.basic_qos(prefetch_count=2)
    inbox = broker.consume(channel, q, "low", arguments={"x-priority": -1})
    broker.consume(channel, q, "none", inbox)
    broker.consume(channel, q, "high", inbox, arguments={"x-priority": 1 << 40})
    broker.put(q, *"1234567")
    assert inbox.take() == ["high:1", "high:2", "none:3", "none:4", "low:5", "low:6"]
    channel.basic_ack(3)
    assert inbox.take() == ["none:7"]


def test_s83_equals_take_turns(broker: Rig, channel: Channel, q: str) -> None:
    inbox = broker.consume(channel, q, "a", arguments={"x-priority": 5})
    broker.consume(channel, q, "b", inbox, arguments={"x-priority": 5})
    broker.consume(channel, q, "c", inbox)
    broker.put(q, *"1234")
    assert inbox.take() == ["a:1", "b:2", "a:3", "b:4"]


@pytest.mark.parametrize(("value", "kind"), [("x", "longstr"), (True, "bool")])
def test_s83_seen_live_a_priority_that_is_no_number(old_broker: Rig, value: Any, kind: str) -> None:
    channel = old_broker.channel()
    channel.queue_declare("q")
    text = f"invalid arg 'x-priority' for queue 'q' in vhost '/': \"expected integer, got {kind}\""
    with old_broker.refusing(channel, 406, text, "basic.consume"):
        channel.basic_consume("q", arguments={"x-priority": value})


# -- basic.get


def test_s85_getting_tells_how_many_are_left(broker: Rig, channel: Channel, q: str) -> None:
    assert channel.basic_get(q) == (None, None, None)
    broker.put(q, "1", "2", "3")
    assert [broker.get(channel, q).left for _ in range(3)] == [2, 1, 0]
    assert channel.basic_get(q) == (None, None, None)


def test_s79_tags_count_on_for_messages_that_need_no_ack(
    broker: Rig, channel: Channel, q: str
) -> None:
    broker.put(q, "1", "2")
    assert broker.get(channel, q, auto_ack=True).tag == 1
    assert broker.get(channel, q).tag == 2
    with broker.refusing(channel, 406, "unknown delivery tag 1", "basic.ack"):
        channel.basic_ack(1)
