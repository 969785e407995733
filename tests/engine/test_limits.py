"""Length limits and what happens beyond them.

Statements: S93 S94 S95 S96.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.engine.conftest import Make, Rig

    from leveret import Channel

TO_DEAD = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}

# (case, arguments, bodies published, bodies left)
LIMITS: list[tuple[str, dict[str, Any], str, str]] = [
    ("S93 the oldest goes", {"x-max-length": 3}, "0 1 2 3 4", "2 3 4"),
    ("S93 by bytes", {"x-max-length-bytes": 3}, "0 1 2 3 4", "2 3 4"),
    ("S93 one large body drops all", {"x-max-length-bytes": 3}, "0 1 toolong", ""),
    ("S93 bytes before count", {"x-max-length": 5, "x-max-length-bytes": 4}, "aa bb cc", "bb cc"),
    ("S93 count before bytes", {"x-max-length": 1, "x-max-length-bytes": 9}, "aa bb cc", "cc"),
    ("S94 nothing is kept", {"x-max-length": 0}, "0 1", ""),
    ("S94 nor any byte", {"x-max-length-bytes": 0}, "0 1", ""),
    (
        "S96 the new one goes",
        {"x-max-length": 3, "x-overflow": "reject-publish"},
        "0 1 2 3",
        "0 1 2",
    ),
    (
        "S96 the new one, by bytes",
        {"x-max-length-bytes": 3, "x-overflow": "reject-publish"},
        "01 23 4",
        "01 4",
    ),
]


@pytest.mark.parametrize("profile", ["3.10", "4.2"])
@pytest.mark.parametrize(
    ("arguments", "published", "left"), [case[1:] for case in LIMITS], ids=[c[0] for c in LIMITS]
)
def test_a_limit(
    make: Make, profile: str, arguments: dict[str, Any], published: str, left: str
) -> None:
    broker = make(profile)
    broker.queue_declare("q", arguments=arguments)
    broker.put("q", *published.split())
    assert broker.drain("q") == left.split()


def test_s93_only_ready_messages_count(broker: Rig, channel: Channel) -> None:
    broker.queue_declare("q", arguments={"x-max-length": 2})
    broker.put("q", "0", "1")
    broker.take(channel, "q", 2)
    broker.put("q", "2", "3")
    channel.basic_ack(0, multiple=True)
    assert broker.drain("q") == ["2", "3"]


def test_s93_what_is_dropped_is_dead_lettered(broker: Rig) -> None:
    broker.queue_declare("dead")
    broker.queue_declare("q", arguments=TO_DEAD | {"x-max-length": 1})
    broker.put("q", "0", "1", "2")
    dead = broker.drained("dead")
    assert [got.body for got in dead] == ["0", "1"]
    assert [got.headers["x-death"][0]["reason"] for got in dead] == ["maxlen", "maxlen"]


@pytest.mark.parametrize("limit", ["x-max-length", "x-max-length-bytes"])
def test_s94_with_no_room_a_consumer_that_waits_still_gets_it(
    broker: Rig, channel: Channel, limit: str
) -> None:
    broker.queue_declare("q", arguments={limit: 0})
    channel.basic_qos(prefetch_count=1)
    inbox = broker.consume(channel, "q", "t")
    broker.put("q", "1", "2")
    assert inbox.take() == ["t:1"]
    channel.basic_ack(1)
    assert inbox.take() == []


@pytest.mark.parametrize("profile", ["3.10", "4.2"])
def test_s95_requeueing_can_drop_from_the_head(make: Make, profile: str) -> None:
    broker = make(profile)
    channel = broker.channel()
    broker.queue_declare("dead")
    broker.queue_declare("q", arguments=TO_DEAD | {"x-max-length": 3})
    broker.put("q", *"012")
    broker.take(channel, "q", 2)
    broker.put("q", "a", "b")
    channel.basic_nack(1)
    channel.basic_nack(2)
    assert broker.drain("q") == ["2", "a", "b"]
    assert broker.drain("dead") == ["0", "1"]


def test_s95_seen_live_refusing_publishers_drops_nothing_that_returns(old_broker: Rig) -> None:
    broker = old_broker
    channel = broker.channel()
    broker.queue_declare("q", arguments={"x-max-length": 3, "x-overflow": "reject-publish"})
    broker.put("q", *"01234")
    broker.take(channel, "q", 2)
    broker.put("q", "a", "b", "c")
    channel.basic_nack(0, multiple=True)
    broker.put("q", "d")
    assert broker.drain("q") == ["0*", "1*", "2", "a", "b"]


@pytest.mark.parametrize(
    ("overflow", "dead"), [("reject-publish", []), ("reject-publish-dlx", ["1", "2"])]
)
def test_s96_a_refused_message_is_dead_lettered_where_asked(
    broker: Rig, channel: Channel, overflow: str, dead: list[str]
) -> None:
    broker.queue_declare("dead")
    broker.queue_declare("q", arguments=TO_DEAD | {"x-max-length": 1, "x-overflow": overflow})
    answers: list[tuple[int, bool, bool]] = []
    channel.confirm_delivery(lambda *answer: answers.append(answer))
    for body in "012":
        channel.basic_publish("", "q", body)
    assert answers == [(1, False, True), (2, False, False), (3, False, False)]
    got = broker.drained("dead")
    assert [one.body for one in got] == dead
    assert {one.headers["x-death"][0]["reason"] for one in got} <= {"maxlen"}
    assert broker.drain("q") == ["0"]


def test_s96_a_quorum_queue_knows_no_reject_publish_dlx(broker: Rig) -> None:
    arguments: dict[str, Any] = {"x-queue-type": "quorum", "x-max-length": 1}
    broker.queue_declare("q", arguments=arguments | {"x-overflow": "reject-publish-dlx"})
    broker.put("q", "0", "1")
    assert broker.drain("q") == ["1"]
