"""Times to live of messages and queues.

Statements: S88 S89 S90 S91 S92.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from leveret import Properties

if TYPE_CHECKING:
    from tests.engine.conftest import Make, Rig

    from leveret import Channel

TO_DEAD = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}


@pytest.fixture
def dead(broker: Rig) -> str:
    """Return a queue for what dies in queues with the arguments `TO_DEAD`."""
    return broker.queue_declare("dead").queue


# (queue TTL, message expiration, milliseconds that the message lives)
SMALLER: list[tuple[int | None, str | None, int | None]] = [
    (100, None, 100),
    (None, "100", 100),
    (100, "50", 50),
    (50, "100", 50),
    (None, None, None),
]


@pytest.mark.parametrize(("queue_ms", "expiration", "lives_ms"), SMALLER)
def test_s88_the_shorter_time_to_live_holds(
    broker: Rig, queue_ms: int | None, expiration: str | None, lives_ms: int | None
) -> None:
    arguments = {} if queue_ms is None else {"x-message-ttl": queue_ms}
    broker.queue_declare("q", arguments=arguments)
    broker.put("q", "m", expiration=expiration)
    if lives_ms is None:
        assert broker.next_deadline_ms() is None
        broker.advance(seconds=1_000_000)
        assert broker.depth("q") == 1
        return
    broker.advance(ms=lives_ms - 1)
    assert broker.depth("q") == 1
    broker.advance(ms=1)
    assert broker.depth("q") == 0


def test_s89_messages_expire_at_the_head_alone(broker: Rig, channel: Channel, dead: str) -> None:
    broker.queue_declare("q", arguments=TO_DEAD)
    broker.put("q", "long", expiration="1000")
    broker.put("q", "short", expiration="10")
    broker.put("q", "none")
    broker.advance(ms=500)
    assert (broker.depth("q"), broker.depth(dead)) == (3, 0)
    assert broker.get(channel, "q").body == "long"
    assert (broker.drain(dead), broker.drain("q")) == (["short"], ["none"])


def test_s89_an_expired_message_is_never_delivered(broker: Rig, channel: Channel) -> None:
    broker.queue_declare("q")
    broker.put("q", "long", expiration="1000")
    broker.put("q", "short", expiration="10")
    broker.put("q", "last")
    broker.advance(ms=500)
    inbox = broker.consume(channel, "q", "t")
    assert inbox.take() == ["t:long", "t:last"]


def test_s89_dropping_the_head_uncovers_one_that_expires(broker: Rig) -> None:
    broker.queue_declare("q", arguments={"x-max-length": 2})
    broker.put("q", "a")
    broker.put("q", "b", expiration="10")
    broker.put("q", "c")
    broker.advance(ms=10)
    assert broker.drain("q") == ["c"]


@pytest.mark.parametrize("how", ["argument", "expiration"])
def test_s90_no_time_at_all_reaches_a_consumer_that_waits_and_nobody_else(
    broker: Rig, channel: Channel, dead: str, how: str
) -> None:
    by_argument = how == "argument"
    broker.queue_declare("q", arguments=TO_DEAD | ({"x-message-ttl": 0} if by_argument else {}))
    properties: dict[str, Any] = {} if by_argument else {"expiration": "0"}
    broker.put("q", "1", **properties)
    assert (broker.depth("q"), broker.drain(dead)) == (0, ["1"])
    channel.basic_qos(prefetch_count=1)
    inbox = broker.consume(channel, "q", "t")
    broker.put("q", "2", "3", **properties)
    assert (inbox.take(), broker.drain(dead)) == (["t:2"], ["3"])
    channel.basic_nack(1)
    assert (inbox.take(), broker.depth("q"), broker.drain(dead)) == ([], 0, ["2"])


def test_s91_a_requeued_message_expires_when_it_would_have(
    broker: Rig, channel: Channel, dead: str
) -> None:
    broker.queue_declare("q", arguments=TO_DEAD | {"x-message-ttl": 100})
    broker.put("q", "early", "late")
    broker.take(channel, "q", 2)
    broker.advance(ms=60)
    channel.basic_nack(1)
    broker.advance(ms=39)
    assert broker.depth("q") == 1
    broker.advance(ms=1)
    assert (broker.depth("q"), broker.drain(dead)) == (0, ["early"])
    channel.basic_nack(2)
    assert (broker.depth("q"), broker.drain(dead)) == (0, ["late"])


def test_s91_an_unacknowledged_message_does_not_expire(broker: Rig, channel: Channel) -> None:
    broker.queue_declare("q", arguments={"x-message-ttl": 100})
    broker.put("q", "m")
    tag = broker.get(channel, "q").tag
    broker.advance(seconds=10)
    channel.basic_ack(tag)
    assert channel.is_open


def test_s88_each_queue_counts_for_itself(broker: Rig, channel: Channel) -> None:
    for name, ttl_ms in (("a", 10), ("b", 20), ("c", 0)):
        broker.queue_declare(name, arguments={"x-message-ttl": ttl_ms})
        broker.queue_bind(name, "amq.fanout")
    channel.basic_publish("amq.fanout", "", "m", Properties(expiration="15"))
    assert [broker.depth(name) for name in "abc"] == [1, 1, 0]
    broker.advance(ms=10)
    assert [broker.depth(name) for name in "abc"] == [0, 1, 0]
    broker.advance(ms=5)
    assert broker.depth("b") == 0


# -- the lease of a queue

LEASE: dict[str, Any] = {"x-expires": 100}


@pytest.mark.parametrize("profile", ["3.10", "4.2"])
def test_s92_a_queue_that_nobody_uses_goes_and_nothing_is_dead_lettered(
    make: Make, profile: str
) -> None:
    broker = make(profile)
    broker.queue_declare("dead")
    broker.queue_declare("q", arguments=LEASE | TO_DEAD)
    broker.put("q", "1", "2")
    broker.advance(ms=99)
    assert broker.exists("q")
    broker.advance(ms=1)
    assert not broker.exists("q")
    assert broker.depth("dead") == 0


@pytest.mark.parametrize(
    ("use", "extends"),
    [("declare", True), ("passive", True), ("get", True), ("publish", False), ("purge", False)],
)
def test_s92_what_counts_as_use(broker: Rig, channel: Channel, use: str, extends: bool) -> None:
    broker.queue_declare("q", arguments=LEASE)
    broker.advance(ms=60)
    if use == "declare":
        broker.queue_declare("q", arguments=LEASE)
    elif use == "passive":
        broker.queue_declare("q", passive=True)
    elif use == "get":
        channel.basic_get("q")
    elif use == "publish":
        broker.put("q", "m")
    else:
        channel.queue_purge("q")
    broker.advance(ms=60)
    assert broker.exists("q") is extends
    broker.advance(ms=40)
    assert not broker.exists("q")


def test_s92_a_consumer_keeps_it_and_its_leaving_begins_the_lease(
    broker: Rig, channel: Channel
) -> None:
    broker.queue_declare("q", arguments=LEASE)
    channel.basic_consume("q", consumer_tag="t")
    broker.advance(seconds=10)
    assert broker.exists("q")
    channel.basic_cancel("t")
    broker.advance(ms=99)
    assert broker.exists("q")
    broker.advance(ms=1)
    assert not broker.exists("q")


def test_s92_unacknowledged_messages_do_not_keep_it(broker: Rig, channel: Channel) -> None:
    broker.queue_declare("q", arguments=LEASE)
    broker.put("q", "m")
    tag = broker.get(channel, "q").tag
    broker.advance(ms=100)
    assert not broker.exists("q")
    channel.basic_ack(tag)
    assert channel.is_open
