"""Message priorities.

Statements: S80 S97 S98 S99.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leveret import Properties

if TYPE_CHECKING:
    from tests.engine.conftest import Make, Rig

    from leveret import Channel

MAX_3 = {"x-max-priority": 3}


def put(broker: Rig, priorities: list[int | None]) -> None:
    """Publish a message of each priority to `q`; its body is its number."""
    for number, priority in enumerate(priorities):
        broker.basic_publish("", "q", str(number), Properties(priority=priority))


MIXED = [1, 3, 2, 3, None, 9]


@pytest.mark.parametrize("profile", ["3.10", "4.2"])
def test_s97_the_highest_first_and_then_in_order(make: Make, profile: str) -> None:
    broker = make(profile)
    broker.queue_declare("q", arguments=MAX_3)
    put(broker, MIXED)
    assert broker.drain("q") == ["1", "3", "5", "2", "0", "4"]


def test_s97_a_priority_beyond_the_maximum_is_delivered_as_sent(broker: Rig) -> None:
    broker.queue_declare("q", arguments=MAX_3)
    put(broker, [9])
    assert [got.properties.priority for got in broker.drained("q")] == [9]


@pytest.mark.parametrize("arguments", [{}, {"x-max-priority": 0}])
def test_s97_without_priorities_they_mean_nothing(broker: Rig, arguments: dict[str, int]) -> None:
    broker.queue_declare("q", arguments=arguments)
    put(broker, [0, 3, 1])
    assert broker.drain("q") == ["0", "1", "2"]


def test_s97_what_a_consumer_holds_already_is_not_called_back(
    broker: Rig, channel: Channel
) -> None:
    broker.queue_declare("q", arguments=MAX_3)
    channel.basic_qos(prefetch_count=1)
    put(broker, [1, 1])
    inbox = broker.consume(channel, "q", "t")
    put(broker, [3])
    assert inbox.take() == ["t:0"]
    channel.basic_ack(1)
    assert inbox.take() == ["t:0"]
    assert inbox.properties[-1].priority == 3


@pytest.mark.parametrize(
    ("nacks", "left"),
    [(["1", "3"], "1* 5* 0 4"), (["4 multiple"], "1* 3* 5* 2* 0 4")],
)
def test_s80_a_requeued_message_returns_to_its_place_in_its_priority(
    broker: Rig, channel: Channel, nacks: list[str], left: str
) -> None:
    broker.queue_declare("q", arguments=MAX_3)
    put(broker, MIXED)
    broker.take(channel, "q", 4)
    for nack in nacks:
        channel.basic_nack(int(nack.split()[0]), multiple="multiple" in nack)
    assert broker.drain("q") == left.split()


@pytest.mark.parametrize("profile", ["3.10", "4.2"])
@pytest.mark.parametrize(
    ("overflow", "left"),
    [("drop-head", [2, 1, 1, 1]), ("reject-publish", [3, 2, 1, 1])],
    ids=["S98 drop-head", "S98 reject-publish"],
)
def test_beyond_a_length_limit(make: Make, profile: str, overflow: str, left: list[int]) -> None:
    broker = make(profile)
    broker.queue_declare("q", arguments=MAX_3 | {"x-max-length": 4, "x-overflow": overflow})
    put(broker, [1, 2, 3] * 3)
    assert [got.properties.priority for got in broker.drained("q")] == left


def test_s99_an_expired_message_waits_behind_a_higher_one_that_is_not(
    broker: Rig, channel: Channel
) -> None:
    broker.queue_declare("q", arguments=MAX_3)
    channel.basic_publish("", "q", "low", Properties(priority=1, expiration="10"))
    channel.basic_publish("", "q", "high", Properties(priority=2, expiration="1000"))
    broker.advance(ms=500)
    assert broker.depth("q") == 2
    assert broker.get(channel, "q").body == "high"
    assert broker.depth("q") == 0


def test_s99_an_expired_head_goes_though_others_wait_behind_it(broker: Rig) -> None:
    broker.queue_declare("q", arguments=MAX_3)
    broker.put("q", "low", priority=1, expiration="1000")
    broker.put("q", "high", priority=2, expiration="10")
    broker.advance(ms=10)
    assert broker.drain("q") == ["low"]


def test_s99_in_4_3_a_quorum_queue_has_priorities_and_expires_each_by_itself(
    make: Make,
) -> None:
    broker = make("4.3")
    broker.queue_declare("q", arguments=MAX_3 | {"x-queue-type": "quorum"})
    broker.put("q", "low", priority=1, expiration="10")
    broker.put("q", "high", priority=2, expiration="1000")
    broker.advance(ms=500)
    assert broker.depth("q") == 1
    assert broker.drain("q") == ["high"]
