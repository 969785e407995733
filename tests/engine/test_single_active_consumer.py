"""Single active consumers.

Statements: S84.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.engine.conftest import Inbox, Make, Rig

    from leveret import Channel

SAC = {"x-single-active-consumer": True}


@pytest.fixture
def q(broker: Rig) -> str:
    """Return a queue with a single active consumer."""
    return broker.queue_declare("q", arguments=SAC).queue


def test_s84_only_the_first_gets_messages(broker: Rig, channel: Channel, q: str) -> None:
    inbox = broker.consume(channel, q, "a")
    broker.consume(channel, q, "b", inbox, arguments={"x-priority": 9})
    broker.put(q, "1", "2")
    assert inbox.take() == ["a:1", "a:2"]


def test_s84_the_others_do_not_help_where_it_is_busy(broker: Rig, channel: Channel, q: str) -> None:
    channel.basic_qos(prefetch_count=1)
    inbox = broker.consume(channel, q, "a")
    broker.consume(channel, q, "b", inbox)
    broker.put(q, "1", "2")
    assert (inbox.take(), broker.depth(q)) == (["a:1"], 1)
    channel.basic_ack(1)
    assert inbox.take() == ["a:2"]


@pytest.mark.parametrize("profile", ["4.2", "4.3"])
def test_s84_after_its_cancel_the_next_takes_over_at_once(make: Make, profile: str) -> None:
    broker = make(profile)
    channel = broker.channel()
    broker.queue_declare("q", arguments=SAC)
    inbox = _two_of_which_the_first_is_cancelled(broker, channel)
    assert inbox.take() == ["b:2"]
    channel.basic_ack(1)
    channel.basic_ack(2)
    assert inbox.take() == ["b:3"]
    channel.close()
    assert broker.drain("q") == ["3*"]


def _two_of_which_the_first_is_cancelled(broker: Rig, channel: Channel) -> Inbox:
    channel.basic_qos(prefetch_count=1)
    broker.put("q", "1", "2", "3")
    inbox = broker.consume(channel, "q", "a")
    broker.consume(channel, "q", "b", inbox)
    assert inbox.take() == ["a:1"]
    channel.basic_cancel("a")
    return inbox


def test_s84_seen_live_in_3_10_it_waits_for_something_to_happen(make: Make) -> None:
    broker = make("3.10")
    channel = broker.channel()
    channel.queue_declare("q", arguments=SAC)
    inbox = _two_of_which_the_first_is_cancelled(broker, channel)
    assert inbox.take() == []
    channel.basic_nack(1)
    assert inbox.take() == ["b:1*"]
    channel.basic_ack(2)
    assert inbox.take() == ["b:2"]


def test_s84_the_end_of_its_channel_hands_over_too(broker: Rig, channel: Channel, q: str) -> None:
    other = broker.channel()
    inbox = broker.consume(channel, q, "a")
    broker.consume(other, q, "b", inbox)
    broker.put(q, "1", "2")
    channel.close()
    assert inbox.take() == ["a:1", "a:2", "b:1*", "b:2*"]


def test_s84_no_consumer_is_exclusive_there(broker: Rig, channel: Channel, q: str) -> None:
    with broker.refusing(channel, 403, "queue 'q' in vhost '/' in exclusive use", "basic.consume"):
        channel.basic_consume(q, exclusive=True)


def test_s84_basic_get_works_on_a_classic_queue(broker: Rig, channel: Channel, q: str) -> None:
    broker.put(q, "1")
    assert broker.get(channel, q).body == "1"


@pytest.mark.parametrize("profile", ["3.10", "4.2"])
def test_s84_but_not_on_a_quorum_queue(make: Make, profile: str) -> None:
    broker = make(profile)
    channel = broker.channel()
    channel.queue_declare("q", durable=True, arguments=SAC | {"x-queue-type": "quorum"})
    text = (
        "cannot obtain access to locked queue 'q' in vhost '/'. basic.get operations are not"
        " supported by quorum queues with single active consumer"
    )
    with broker.refusing(channel, 405, text, "basic.get"):
        channel.basic_get("q")


def test_s84_statistics_say_who_is_active(broker: Rig, channel: Channel, q: str) -> None:
    channel.basic_consume(q, consumer_tag="a")
    channel.basic_consume(q, consumer_tag="b")
    [queue] = broker.statistics().virtual_hosts[0].queues
    assert [(consumer.tag, consumer.active) for consumer in queue.consumers] == [
        ("a", True),
        ("b", False),
    ]
