"""A channel that tells of each message: through the broker's events, and changing nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leveret import Broker, ManualClock
from leveret.engine.traced import TracedChannel

if TYPE_CHECKING:
    from leveret.engine.events import Event
    from leveret.properties import FieldTable


@pytest.fixture
def heard() -> list[Event]:
    return []


@pytest.fixture
def channel(heard: list[Event]) -> TracedChannel:
    broker = Broker(clock=ManualClock(), seed=0)
    connection = broker.connect()
    connection.channel_type = TracedChannel
    channel = connection.channel()
    assert isinstance(channel, TracedChannel)
    channel.queue_declare("q")
    broker.events.subscribe(heard.append)
    return channel


def told(heard: list[Event]) -> list[str]:
    names = [event.name for event in heard]
    heard.clear()
    return names


def test_publishing_and_confirming_are_told(channel: TracedChannel, heard: list[Event]) -> None:
    channel.confirm_delivery()
    channel.basic_publish("", "q", "m")
    assert heard[0].fields["targets"] == ["q"]
    assert heard[1].fields["sequence"] == 1
    assert told(heard) == ["message.published", "message.confirmed"]


@pytest.mark.parametrize("multiple", [False, True])
def test_deliveries_and_what_becomes_of_them_are_told(
    channel: TracedChannel, heard: list[Event], multiple: bool
) -> None:
    channel.basic_publish("", "q", "m")
    message = heard[0].fields["message"]
    channel.basic_get("q")
    channel.basic_nack(1, multiple=multiple)
    channel.basic_consume("q", consumer_tag="t")
    channel.basic_ack(2, multiple=multiple)
    assert [e.fields["message"] is message for e in heard if "message" in e.fields] == [True] * 5
    assert told(heard) == [
        "message.published",
        "message.delivered",
        "message.requeued",
        "consumer.created",
        "message.delivered",
        "message.acked",
    ]
    channel.basic_publish("", "q", "n")
    channel.close()
    assert told(heard)[-1] == "message.requeued"


def test_what_a_transaction_puts_off_is_told_when_it_happens(
    channel: TracedChannel, heard: list[Event]
) -> None:
    channel.tx_select()
    channel.basic_publish("", "q", "m")
    assert told(heard) == ["message.published"]
    channel.tx_commit()
    assert told(heard) == ["message.committed"]
    channel.basic_get("q")
    channel.basic_ack(1)
    assert told(heard) == ["message.delivered"]
    assert len(channel.held()) == 1
    channel.tx_commit()
    assert told(heard) == ["message.acked"]
    assert channel.held() == []


def test_refusals_and_purges_are_told(channel: TracedChannel, heard: list[Event]) -> None:
    arguments: FieldTable = {"x-max-length": 1, "x-overflow": "reject-publish"}
    channel.queue_declare("small", arguments=arguments)
    channel.basic_publish("", "small", "1")
    channel.basic_publish("", "small", "2")
    channel.queue_purge("small")
    assert told(heard) == [
        "queue.created",
        "message.published",
        "message.published",
        "message.refused",
        "queue.purged",
    ]
