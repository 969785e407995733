"""Transactions.

Statements: S26 S64 S65 S66 S77.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leveret import Properties

if TYPE_CHECKING:
    from tests.engine.conftest import Rig

    from leveret import Channel


@pytest.fixture
def tx(broker: Rig, channel: Channel) -> Channel:
    """Return a transactional channel; there is a queue `q` with messages 1, 2 and 3."""
    channel.queue_declare("q")
    broker.put("q", "1", "2", "3")
    channel.tx_select()
    return channel


@pytest.mark.parametrize("method", ["tx.commit", "tx.rollback"])
def test_s64_there_is_nothing_to_end_without_tx_select(
    broker: Rig, channel: Channel, method: str
) -> None:
    with broker.refusing(channel, 406, "channel is not transactional", method):
        channel.tx_commit() if method == "tx.commit" else channel.tx_rollback()


def test_s65_publishes_are_seen_at_commit(broker: Rig, tx: Channel) -> None:
    tx.basic_publish("", "q", "4")
    tx.basic_publish("", "q", "5")
    assert broker.depth("q") == 3
    tx.tx_commit()
    assert broker.drain("q") == ["1", "2", "3", "4", "5"]
    tx.tx_commit()
    assert broker.depth("q") == 0


def test_s65_selecting_again_changes_nothing(broker: Rig, tx: Channel) -> None:
    tx.basic_publish("", "q", "4")
    tx.tx_select()
    tx.tx_commit()
    assert broker.depth("q") == 4


def test_s65_rollback_drops_publishes(broker: Rig, tx: Channel) -> None:
    tx.basic_publish("", "q", "4")
    tx.tx_rollback()
    tx.tx_commit()
    assert broker.drain("q") == ["1", "2", "3"]


def test_s65_rollback_leaves_deliveries_unacknowledged_and_not_requeued(
    broker: Rig, tx: Channel
) -> None:
    broker.take(tx, "q", 3)
    tx.basic_ack(2)
    tx.basic_nack(1)
    tx.tx_rollback()
    assert broker.depth("q") == 0
    tx.basic_nack(0, multiple=True)
    tx.tx_commit()
    assert broker.drain("q") == ["1*", "2*", "3*"]


def test_s65_acks_and_nacks_take_effect_at_commit(broker: Rig, tx: Channel) -> None:
    broker.take(tx, "q", 3)
    tx.basic_nack(1)
    tx.basic_ack(2)
    tx.basic_reject(3, requeue=False)
    assert broker.depth("q") == 0
    tx.tx_commit()
    tx.close()
    assert broker.drain("q") == ["1*"]


def test_s65_mandatory_messages_are_returned_at_commit(broker: Rig, tx: Channel) -> None:
    returns = broker.returns(tx)
    tx.basic_publish("", "none", "m", mandatory=True)
    assert returns == []
    tx.tx_commit()
    assert returns == [(312, "NO_ROUTE", "", "none", "m")]


def test_s65_a_time_to_live_begins_at_commit(broker: Rig, tx: Channel) -> None:
    tx.queue_declare("short", arguments={"x-message-ttl": 1000})
    tx.basic_publish("", "short", "m")
    broker.advance(seconds=5)
    tx.tx_commit()
    broker.advance(ms=999)
    assert broker.depth("short") == 1
    broker.advance(ms=1)
    assert broker.depth("short") == 0


def test_s65_publishing_looks_for_queues_when_it_is_called(broker: Rig, tx: Channel) -> None:
    tx.basic_publish("", "later", "m")
    tx.basic_publish("", "q", "4")
    broker.queue_declare("later")
    broker.queue_delete("q")
    tx.tx_commit()
    assert broker.depth("later") == 0
    assert tx.is_open


def test_s65_closing_the_channel_rolls_back_and_requeues(broker: Rig, tx: Channel) -> None:
    broker.take(tx, "q", 2)
    tx.basic_ack(1)
    tx.basic_publish("", "q", "4")
    tx.close()
    assert broker.drain("q") == ["1*", "2*", "3"]


def test_s77_a_tag_used_twice_is_refused_at_once_inside_a_transaction(
    broker: Rig, tx: Channel
) -> None:
    broker.get(tx, "q")
    tx.basic_ack(1)
    with broker.refusing(tx, 406, "unknown delivery tag 1", "basic.ack"):
        tx.basic_ack(1)
    assert broker.drain("q") == ["1*", "2", "3"]


def test_s26_a_publish_is_checked_at_once_inside_a_transaction(broker: Rig, tx: Channel) -> None:
    with broker.refusing(tx, 404, "no exchange 'x' in vhost '/'", "basic.publish"):
        tx.basic_publish("x", "k", "m")


def test_s66_so_are_its_properties(broker: Rig, tx: Channel) -> None:
    with broker.refusing(tx, 406, "invalid expiration 'x': no_integer", "basic.publish"):
        tx.basic_publish("", "q", "m", Properties(expiration="x"))


def test_s65_a_queue_that_refuses_at_commit_closes_the_channel(broker: Rig, tx: Channel) -> None:
    tx.queue_declare("full", arguments={"x-max-length": 0, "x-overflow": "reject-publish"})
    tx.basic_publish("", "full", "refused")
    tx.basic_publish("", "q", "taken")
    with broker.refusing(tx, 406, "partial tx completion", "tx.commit"):
        tx.tx_commit()
    assert broker.drain("q") == ["1", "2", "3", "taken"]
