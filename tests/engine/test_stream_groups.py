"""Consumer groups of a stream: stored offsets, one active consumer each, lag. Leveret's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from leveret.queues.stream import StreamQueue

if TYPE_CHECKING:
    from tests.engine.conftest import Inbox, Make, Rig

    from leveret import Channel

#: With bodies of `Rig.put_long`, ten messages a segment.
SMALL = {"stream_max_segment_size_bytes": 1000}


def start(broker: Rig, channel: Channel, arguments: dict[str, Any], tag: str = "c") -> Inbox:
    """Start a consumer of the stream."""
    return broker.consume(channel, "s", tag, arguments=arguments)


def the_stream(broker: Rig) -> StreamQueue:
    queue = broker.virtual_hosts["/"].queues["s"]
    assert isinstance(queue, StreamQueue)
    return queue


def join(
    broker: Rig, channel: Channel, prefetch: int = 10, offset: Any = "first", tag: str = "c"
) -> Inbox:
    channel.basic_qos(prefetch_count=prefetch)
    arguments = {"x-stream-offset": offset, "x-stream-group": "g"}
    return start(broker, channel, arguments, tag)


def lag(broker: Rig) -> dict[str, tuple[int, int]]:
    """Return each group's stored offset and lag."""
    (figures,) = broker.statistics().virtual_hosts[0].queues
    assert figures.stream is not None
    return {group.name: (group.offset, group.lag) for group in figures.stream.groups}


def test_a_group_goes_on_behind_what_was_acknowledged(broker: Rig, channel: Channel) -> None:
    broker.stream(5)
    assert join(broker, channel).take() == [f"c:m{n}" for n in range(5)]
    channel.basic_ack(2, multiple=True)
    channel.close()
    assert join(broker, broker.channel()).take() == ["c:m2*", "c:m3*", "c:m4*"]


def test_the_stored_offset_waits_for_all_below_it(broker: Rig, channel: Channel) -> None:
    broker.stream(5)
    join(broker, channel)
    assert lag(broker) == {"g": (-1, 5)}
    channel.basic_ack(2)
    channel.basic_ack(3)
    assert lag(broker) == {"g": (-1, 5)}
    channel.basic_ack(1)
    assert lag(broker) == {"g": (2, 2)}
    channel.basic_ack(5)
    channel.basic_ack(4)
    assert lag(broker) == {"g": (4, 0)}


def test_a_group_remembers_where_it_began_before_it_acknowledges(
    broker: Rig, channel: Channel
) -> None:
    broker.stream(3)
    join(broker, channel, offset="next")
    channel.close()
    broker.put("s", "m3")
    assert join(broker, broker.channel(), offset="next").take() == ["c:m3"]


@pytest.mark.parametrize(
    ("arguments", "group"),
    [
        ({"x-stream-automatic-offset-tracking": True}, "mine"),
        ({"x-stream-automatic-offset-tracking": "true"}, "mine"),
        ({"x-stream-automatic-offset-tracking": False}, None),
        ({"x-stream-group": "other"}, "other"),
        ({}, None),
    ],
)
def test_a_consumer_names_its_group_or_its_tag_does(
    broker: Rig, channel: Channel, arguments: dict[str, Any], group: str | None
) -> None:
    broker.stream(1)
    channel.basic_qos(prefetch_count=1)
    start(broker, channel, arguments, "mine")
    assert list(lag(broker)) == ([group] if group else [])


@pytest.mark.parametrize("name", ["x-stream-group", "x-stream-automatic-offset-tracking"])
def test_a_group_that_is_no_text_is_refused(broker: Rig, channel: Channel, name: str) -> None:
    broker.stream()
    channel.basic_qos(prefetch_count=1)
    text = f"invalid arg '{name}' for queue 's' in vhost '/': {{unacceptable_type,signedint}}"
    with broker.refusing(channel, 406, text, "basic.consume"):
        channel.basic_consume("s", arguments={name: 5})


def test_groups_do_not_know_of_each_other(broker: Rig, channel: Channel) -> None:
    broker.stream(4)
    channel.basic_qos(prefetch_count=1)
    for group in ("a", "b"):
        arguments = {"x-stream-offset": "first", "x-stream-group": group}
        start(broker, channel, arguments, group)
    channel.basic_ack(1)
    assert lag(broker) == {"a": (0, 3), "b": (-1, 4)}


def test_one_consumer_of_a_group_is_active_and_the_next_takes_over(
    broker: Rig, channel: Channel
) -> None:
    broker.stream(4)
    first = join(broker, channel, prefetch=2, tag="first")
    second = join(broker, broker.channel(), tag="second")
    assert first.take() + second.take() == ["first:m0", "first:m1"]
    channel.basic_ack(1)
    assert first.take() + second.take() == ["first:m2"]
    channel.basic_cancel("first")
    assert second.take() == ["second:m1*", "second:m2*", "second:m3"]
    channel.basic_ack(2)  # what was held may still be acknowledged
    assert lag(broker) == {"g": (1, 2)}


@pytest.mark.parametrize("profile", ["3.10", "4.2"])
def test_what_a_group_gives_back_comes_again_before_the_rest(make: Make, profile: str) -> None:
    broker = make(profile)
    broker.stream(5)
    channel = broker.channel()
    inbox = join(broker, channel, prefetch=3)
    assert inbox.take() == ["c:m0", "c:m1", "c:m2"]
    channel.basic_ack(1)
    channel.basic_nack(3)
    channel.basic_nack(2)
    assert inbox.take() == ["c:m3", "c:m2*", "c:m1*"]
    channel.basic_ack(4)
    assert lag(broker) == {"g": (0, 4)}
    channel.basic_reject(5, requeue=False)  # handled, since nothing dies in a stream
    channel.basic_ack(6)
    assert lag(broker) == {"g": (3, 1)}


def test_offsets_are_stored_asked_for_and_forgotten_by_hand(broker: Rig, channel: Channel) -> None:
    broker.stream(5)
    groups = the_stream(broker).groups
    assert groups.query("g") is None
    groups.store("g", 2)
    assert groups.query("g") == 2
    assert join(broker, channel).take() == ["c:m3", "c:m4"]
    assert not groups.delete("g")  # it has a consumer
    channel.close()
    assert groups.delete("g")
    assert join(broker, broker.channel()).take() == [f"c:m{n}" for n in range(5)]


def test_lag_counts_what_retention_left(broker: Rig, channel: Channel) -> None:
    broker.stream(**SMALL, max_length_bytes=1500)
    join(broker, channel, prefetch=1)
    broker.put_long(0, 31)
    assert lag(broker) == {"g": (-1, 11)}


def test_what_retention_dropped_while_it_was_given_back_is_passed_over(
    broker: Rig, channel: Channel
) -> None:
    broker.stream(**SMALL, max_length_bytes=1500)
    broker.put_long(0, 2)
    inbox = join(broker, channel, prefetch=2)
    broker.put_long(2, 29)
    inbox.take()
    channel.basic_nack(2, multiple=True)
    assert [line.split(":")[1].strip() for line in inbox.take()] == ["20", "21"]
    channel.basic_ack(4, multiple=True)
    assert lag(broker)["g"][0] == 21


def test_what_is_acknowledged_after_the_stream_is_gone_leaves_no_group(
    broker: Rig, channel: Channel
) -> None:
    broker.stream(2)
    join(broker, channel)
    broker.queue_delete("s")
    channel.basic_ack(1)
    broker.stream(2)
    assert lag(broker) == {}
