"""Acknowledging, refusing, requeueing.

Statements: S77 S78 S79 S80 S81 S82.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.conftest import Make, Rig

    from leveret import Channel


@pytest.fixture
def q(broker: Rig) -> str:
    """Return a queue with messages 0 to 4."""
    broker.queue_declare("q")
    broker.put("q", *"01234")
    return "q"


# -- tags

UNKNOWN: list[tuple[str, str, Callable[[Channel], object], int]] = [
    ("S77 never given out", "basic.ack", lambda c: c.basic_ack(7), 7),
    ("S77 never given out", "basic.nack", lambda c: c.basic_nack(7), 7),
    ("S77 never given out", "basic.reject", lambda c: c.basic_reject(7), 7),
    ("S77 used already", "basic.ack", lambda c: c.basic_ack(1), 1),
    ("S77 used already, multiple", "basic.ack", lambda c: c.basic_ack(1, multiple=True), 1),
    ("S77 above the last, multiple", "basic.nack", lambda c: c.basic_nack(9, multiple=True), 9),
    ("S78 zero", "basic.ack", lambda c: c.basic_ack(0), 0),
    ("S78 zero", "basic.nack", lambda c: c.basic_nack(0), 0),
    ("S78 zero", "basic.reject", lambda c: c.basic_reject(0), 0),
]


@pytest.mark.parametrize(
    ("method", "call", "tag"), [c[1:] for c in UNKNOWN], ids=[f"{c[0]} {c[1]}" for c in UNKNOWN]
)
def test_an_unknown_tag_is_refused_and_nothing_is_settled(
    broker: Rig, channel: Channel, q: str, method: str, call: Callable[[Channel], object], tag: int
) -> None:
    broker.take(channel, q, 3)
    channel.basic_ack(1)
    with broker.refusing(channel, 406, f"unknown delivery tag {tag}", method):
        call(channel)
    assert broker.drain(q) == ["1*", "2*", "3", "4"]


def test_s78_zero_with_multiple_is_all(broker: Rig, channel: Channel, q: str) -> None:
    channel.basic_ack(0, multiple=True)
    channel.basic_nack(0, multiple=True)
    broker.take(channel, q, 3)
    channel.basic_ack(0, multiple=True)
    channel.close()
    assert broker.drain(q) == ["3", "4"]


def test_s78_multiple_is_all_up_to_the_tag(broker: Rig, channel: Channel, q: str) -> None:
    broker.take(channel, q, 5)
    channel.basic_ack(2)
    channel.basic_ack(4, multiple=True)
    channel.close()
    assert broker.drain(q) == ["4*"]


def test_s78_seen_live_multiple_with_none_outstanding(old_broker: Rig) -> None:
    channel = old_broker.channel()
    channel.basic_ack(0, multiple=True)
    with old_broker.refusing(channel, 406, "unknown delivery tag 5", "basic.ack"):
        channel.basic_ack(5, multiple=True)


def test_s79_tags_are_a_channels_own(broker: Rig, channel: Channel, q: str) -> None:
    assert broker.take(channel, q, 2) == [1, 2]
    other = broker.channel()
    assert broker.take(other, q, 1) == [1]
    with broker.refusing(other, 406, "unknown delivery tag 2", "basic.ack"):
        other.basic_ack(2)
    channel.basic_ack(2)
    assert channel.is_open


# -- requeueing

STEPS: dict[str, Callable[[Channel], object]] = {
    "nack 2": lambda channel: channel.basic_nack(2),
    "nack 1": lambda channel: channel.basic_nack(1),
    "nack 3": lambda channel: channel.basic_nack(3),
    "nack 3 multiple": lambda channel: channel.basic_nack(3, multiple=True),
    "reject 3": lambda channel: channel.basic_reject(3),
    "recover": lambda channel: channel.basic_recover(requeue=True),
    "close": lambda channel: channel.close(),
    "close connection": lambda channel: channel.connection.close(),
}

# (case, steps after getting three of five, what is left in order)
RETURNS: list[tuple[str, str, str]] = [
    ("S80 where it stood", "nack 2", "1* 3 4"),
    ("S80 whatever order they return in", "nack 2; nack 1; nack 3", "0* 1* 2* 3 4"),
    ("S80 several at once", "nack 3 multiple", "0* 1* 2* 3 4"),
    ("S80 by reject", "reject 3", "2* 3 4"),
    ("S82 by recover", "recover", "0* 1* 2* 3 4"),
    ("S81 by the channel's end", "close", "0* 1* 2* 3 4"),
    ("S81 by the connection's end", "close connection", "0* 1* 2* 3 4"),
    ("S81 some before, some by the end", "nack 2; close", "0* 1* 2* 3 4"),
]


@pytest.mark.parametrize("profile", ["3.10", "4.2"])
@pytest.mark.parametrize(
    ("steps", "left"), [case[1:] for case in RETURNS], ids=[case[0] for case in RETURNS]
)
def test_a_classic_queue_takes_messages_back(
    make: Make, profile: str, steps: str, left: str
) -> None:
    broker = make(profile)
    broker.queue_declare("q")
    broker.put("q", *"01234")
    channel = broker.connect().channel()
    broker.take(channel, "q", 3)
    for step in steps.split("; "):
        STEPS[step](channel)
    assert broker.drain("q") == left.split()


def test_s80_a_later_message_waits_until_earlier_ones_are_back(
    broker: Rig, channel: Channel, q: str
) -> None:
    broker.take(channel, q, 3)
    channel.basic_nack(2)
    got = broker.get(channel, q)
    assert (got.body, got.redelivered, got.tag) == ("1", True, 4)
    channel.basic_nack(1)
    assert broker.get(channel, q).body == "0"


def test_s80_a_requeued_message_is_not_routed_again(broker: Rig, channel: Channel) -> None:
    channel.queue_declare("a")
    channel.queue_declare("b")
    channel.queue_bind("a", "amq.fanout")
    channel.queue_bind("b", "amq.fanout")
    channel.basic_publish("amq.fanout", "k", "m")
    broker.get(channel, "a")
    channel.basic_nack(1)
    got = broker.get(channel, "a")
    assert (got.exchange, got.routing_key) == ("amq.fanout", "k")
    assert broker.drain("b") == ["m"]


def test_s80_a_requeued_message_goes_to_who_waits(broker: Rig, channel: Channel) -> None:
    channel.queue_declare("q")
    channel.basic_qos(prefetch_count=2)
    inbox = broker.consume(channel, "q", "a")
    broker.consume(channel, "q", "b", inbox)
    broker.put("q", *"0123")
    assert inbox.take() == ["a:0", "b:1", "a:2", "b:3"]
    channel.basic_nack(1)
    assert inbox.take() == ["a:0*"]
    channel.basic_nack(4)
    assert inbox.take() == ["b:3*"]


def test_s81_others_get_what_a_closed_channel_held_before_anything_later(
    broker: Rig, channel: Channel, q: str
) -> None:
    other = broker.channel()
    broker.take(channel, q, 3)
    other.basic_qos(prefetch_count=4)
    channel.basic_nack(3)
    channel.close()
    assert broker.consume(other, q, "t").take() == ["t:0*", "t:1*", "t:2*", "t:3"]


def test_s81_what_consumers_held_returns_in_order(broker: Rig, channel: Channel, q: str) -> None:
    other = broker.channel()
    channel.basic_qos(prefetch_count=2)
    inbox = broker.consume(channel, q, "a")
    broker.consume(channel, q, "b", inbox)
    assert inbox.take() == ["a:0", "a:1", "b:2", "b:3"]
    waiting = broker.consume(other, q, "c")
    assert waiting.take() == ["c:4"]
    channel.close()
    assert waiting.take() == ["c:0*", "c:1*", "c:2*", "c:3*"]


def test_s82_recover_gives_consumers_their_messages_again(broker: Rig, channel: Channel) -> None:
    channel.queue_declare("q")
    inbox = broker.consume(channel, "q", "t")
    broker.put("q", *"0123")
    inbox.take()
    channel.basic_nack(2)
    assert inbox.take() == ["t:1*"]
    channel.basic_recover(requeue=True)
    assert inbox.deliveries == [
        ("t", 6, "0", True),
        ("t", 7, "1", True),
        ("t", 8, "2", True),
        ("t", 9, "3", True),
    ]


def test_s82_tags_go_on_after_recover(broker: Rig, channel: Channel, q: str) -> None:
    broker.take(channel, q, 2)
    channel.basic_recover(requeue=True)
    assert broker.take(channel, q, 3) == [3, 4, 5]


def test_s82_recover_without_requeue_is_not_implemented(broker: Rig, channel: Channel) -> None:
    with broker.refusing(channel, 540, "requeue=false", "basic.recover"):
        channel.basic_recover(requeue=False)


def test_what_is_left_of_a_deleted_queue_may_still_be_settled(
    broker: Rig, channel: Channel, q: str
) -> None:
    broker.take(channel, q, 3)
    broker.queue_delete(q)
    broker.queue_declare(q)
    channel.basic_ack(1)
    channel.basic_nack(2)
    channel.basic_reject(3, requeue=False)
    assert broker.depth(q) == 0
