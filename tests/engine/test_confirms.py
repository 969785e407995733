"""Publisher confirms.

Statements: S57 S58 S61 S62 S63 S64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leveret import Properties

if TYPE_CHECKING:
    from tests.engine.conftest import Make, Rig

    from leveret import Channel


def confirming(channel: Channel) -> list[str]:
    """Turn confirms on; return the list that answers and returns will be noted in, in order."""
    heard: list[str] = []

    def note(tag: int, multiple: bool, acked: bool) -> None:
        heard.append(f"{'ack' if acked else 'nack'} {'..' * multiple}{tag}")

    channel.confirm_delivery(note)
    channel.add_on_return_callback(lambda _, __, ___, body: heard.append(f"return {body.decode()}"))
    return heard


def test_s57_the_return_comes_before_the_ack(channel: Channel) -> None:
    channel.queue_declare("q")
    heard = confirming(channel)
    channel.basic_publish("", "none", "a", mandatory=True)
    channel.basic_publish("", "q", "b", mandatory=True)
    assert heard == ["return a", "ack 1", "ack 2"]


def test_s58_an_unroutable_message_is_acked(channel: Channel) -> None:
    heard = confirming(channel)
    channel.basic_publish("", "none", "a")
    assert heard == ["ack 1"]


def test_s61_tags_count_from_one_on_each_channel_from_confirm_select(broker: Rig) -> None:
    first, second = broker.channel(), broker.channel()
    first.basic_publish("", "none", "unconfirmed")
    heard, other = confirming(first), confirming(second)
    for channel in (first, first, second):
        channel.basic_publish("", "none", "m")
    assert (heard, other) == (["ack 1", "ack 2"], ["ack 1"])


def test_s61_selecting_confirms_again_does_not_count_anew(channel: Channel) -> None:
    heard = confirming(channel)
    channel.basic_publish("", "none", "m")
    channel.confirm_delivery()
    channel.basic_publish("", "none", "m")
    assert heard == ["ack 1", "ack 2"]


def test_s61_a_refused_publish_uses_no_tag_but_closes_the_channel(
    broker: Rig, channel: Channel
) -> None:
    heard = confirming(channel)
    with broker.refusing(channel, 404, "no exchange 'x' in vhost '/'", "basic.publish"):
        channel.basic_publish("x", "k", "m")
    assert heard == []


# (case, length limit of each of the queues, queues each message goes to, answers)
COALESCED = [
    ("S61 acks are coalesced", "aaa", ["ack ..3"]),
    ("S61 one stays single", "a", ["ack 1"]),
    ("S62 nacks are coalesced", "nnn", ["nack ..3"]),
    (
        "S61 acks reach to the first nack, the rest one by one",
        "aana",
        ["ack ..2", "ack 4", "nack 3"],
    ),
    ("S62 nacks reach to the first ack", "nnaa", ["ack 3", "ack 4", "nack ..2"]),
]


@pytest.mark.parametrize(
    ("results", "answers"), [case[1:] for case in COALESCED], ids=[case[0] for case in COALESCED]
)
def test_a_face_that_waits_gets_answers_coalesced(
    channel: Channel, results: str, answers: list[str]
) -> None:
    channel.queue_declare("n", arguments={"x-max-length": 0, "x-overflow": "reject-publish"})
    channel.queue_declare("a")
    heard = confirming(channel)
    channel.coalesce_confirms = True
    for result in results:
        channel.basic_publish("", result, "m")
    assert heard == []
    channel.flush_confirms()
    channel.connection.broker.settle()
    assert heard == answers


def test_s62_a_full_queue_refuses(broker: Rig, channel: Channel) -> None:
    channel.queue_declare("q", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    heard = confirming(channel)
    for body in "123":
        channel.basic_publish("", "q", body)
    assert heard == ["ack 1", "nack 2", "nack 3"]
    assert broker.drain("q") == ["1"]


def test_s62_one_refusal_of_two_queues_is_a_refusal(broker: Rig, channel: Channel) -> None:
    channel.queue_declare("full", arguments={"x-max-length": 0, "x-overflow": "reject-publish"})
    channel.queue_declare("free")
    heard = confirming(channel)
    channel.basic_publish("", "full", "m", Properties(headers={"CC": ["free"]}))
    assert heard == ["nack 1"]
    assert broker.drain("free") == ["m"]


def test_s62_seen_live_a_mandatory_message_that_is_refused_is_not_returned(
    old_broker: Rig,
) -> None:
    channel = old_broker.channel()
    channel.queue_declare("q", arguments={"x-max-length": 0, "x-overflow": "reject-publish"})
    heard = confirming(channel)
    channel.basic_publish("", "q", "m", mandatory=True)
    assert heard == ["nack 1"]


def test_s62_dropping_the_head_is_taking(channel: Channel) -> None:
    channel.queue_declare("q", arguments={"x-max-length": 0})
    heard = confirming(channel)
    channel.basic_publish("", "q", "m")
    assert heard == ["ack 1"]


def test_s63_a_queue_deleted_between_publish_and_confirm_acks(channel: Channel) -> None:
    channel.queue_declare("q")
    heard = confirming(channel)
    channel.coalesce_confirms = True
    channel.basic_publish("", "q", "m")
    channel.queue_delete("q")
    channel.flush_confirms()
    channel.connection.broker.settle()
    assert heard == ["ack 1"]


@pytest.mark.parametrize("profile", ["3.10", "4.2"])
def test_s64_confirms_and_transactions_exclude_each_other(make: Make, profile: str) -> None:
    broker = make(profile)
    channel = broker.channel()
    channel.confirm_delivery()
    text = "cannot switch from confirm to tx mode"
    with broker.refusing(channel, 406, text, "tx.select"):
        channel.tx_select()
    channel = broker.channel()
    channel.tx_select()
    text = "cannot switch from tx to confirm mode"
    with broker.refusing(channel, 406, text, "confirm.select"):
        channel.confirm_delivery()
