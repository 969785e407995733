"""Deliveries that are not acknowledged in time.

Statements: S86.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from leveret.errors import ChannelWrongStateError, PreconditionFailed

if TYPE_CHECKING:
    from tests.engine.conftest import Make, Rig

    from leveret import Channel
    from leveret.errors import AMQPError

HALF_AN_HOUR_S = 1800


def timed_out(milliseconds: int, channel: int = 1) -> str:
    return (
        f"PRECONDITION_FAILED - delivery acknowledgement on channel {channel} timed out. Timeout"
        f" value used: {milliseconds} ms. This timeout value can be configured, see consumers doc"
        " guide to learn more"
    )


def closes(channel: Channel) -> list[AMQPError | None]:
    """Return the list that the channel's end will be noted in."""
    noted: list[AMQPError | None] = []
    channel.add_on_close_callback(lambda _, error: noted.append(error))
    return noted


def held(broker: Rig, how: str, arguments: dict[str, Any] | None = None) -> Channel:
    """Return channel 1 of a new connection; it holds the message of the queue `q`."""
    broker.queue_declare("q", arguments=arguments)
    broker.put("q", "m")
    channel = broker.connect().channel()
    if how == "get":
        broker.get(channel, "q")
    else:
        broker.consume(channel, "q", "t")
    return channel


@pytest.mark.parametrize("how", ["get", "consume"])
@pytest.mark.parametrize("kind", ["classic", "quorum"])
@pytest.mark.parametrize("profile", ["3.10", "3.13", "4.2"])
def test_s86_the_channel_is_closed(make: Make, profile: str, kind: str, how: str) -> None:
    broker = make(profile)
    channel = held(broker, how, {"x-queue-type": kind})
    ends = closes(channel)
    broker.advance(seconds=HALF_AN_HOUR_S, ms=-1)
    assert ends == []
    broker.advance(ms=1)
    [error] = ends
    assert isinstance(error, PreconditionFailed)
    assert error.reply_text == timed_out(1_800_000)
    assert (error.reply_code, error.class_id, error.method_id) == (406, 0, 0)
    assert channel.connection.is_open
    assert broker.drain("q") == ["m*"]
    with pytest.raises(ChannelWrongStateError, match="timed out"):
        channel.basic_ack(1)


def test_s86_an_acknowledgement_in_time_is_all_it_takes(broker: Rig) -> None:
    channel = held(broker, "consume")
    for tag in range(1, 10):
        broker.advance(seconds=HALF_AN_HOUR_S - 1)
        broker.put("q", "next")
        channel.basic_ack(tag)
    assert channel.is_open


def test_s86_the_oldest_delivery_counts(broker: Rig) -> None:
    channel = held(broker, "consume")
    broker.advance(seconds=1000)
    broker.put("q", "second")
    broker.put("q", "third")
    channel.basic_ack(1)
    channel.basic_ack(3)
    broker.advance(seconds=HALF_AN_HOUR_S, ms=-1)
    assert channel.is_open
    broker.advance(ms=1)
    assert not channel.is_open


def test_s86_without_acknowledgements_there_is_nothing_to_wait_for(broker: Rig) -> None:
    broker.queue_declare("q")
    broker.put("q", "m")
    channel = broker.channel()
    broker.consume(channel, "q", "t", auto_ack=True)
    broker.advance(seconds=10 * HALF_AN_HOUR_S)
    assert channel.is_open


@pytest.mark.parametrize(("timeout_ms", "open_after"), [(None, True), (5000, False)])
def test_s86_the_broker_may_be_told_otherwise(
    make: Make, timeout_ms: int | None, open_after: bool
) -> None:
    broker = make(consumer_timeout_ms=timeout_ms)
    channel = held(broker, "get")
    broker.advance(ms=4999)
    assert channel.is_open
    broker.advance(seconds=10 * HALF_AN_HOUR_S)
    assert channel.is_open is open_after


def test_s86_a_queue_may_have_a_timeout_of_its_own(broker: Rig) -> None:
    channel = held(broker, "get", {"x-consumer-timeout": 60_000})
    other = broker.connect().channel()
    broker.queue_declare("other")
    broker.put("other", "m")
    broker.get(other, "other")
    ends = closes(channel)
    broker.advance(seconds=60)
    [error] = ends
    assert error is not None
    assert error.reply_text == timed_out(60_000)
    assert other.is_open


# -- 4.3


@pytest.mark.parametrize("how", ["get", "consume"])
def test_s86_in_4_3_a_classic_queue_has_no_timeout(make: Make, how: str) -> None:
    broker = make("4.3")
    channel = held(broker, how)
    broker.advance(seconds=10 * HALF_AN_HOUR_S)
    assert channel.is_open
    channel.basic_ack(1)


def test_s86_in_4_3_the_consumer_of_a_quorum_queue_is_cancelled(make: Make) -> None:
    broker = make("4.3")
    channel = held(broker, "consume", {"x-queue-type": "quorum"})
    told: list[str] = []
    channel.add_on_cancel_callback(told.append)
    broker.advance(seconds=HALF_AN_HOUR_S)
    assert (told, channel.is_open) == (["t"], True)
    assert broker.drain("q") == ["m*"]


def test_s86_in_4_3_but_the_channel_is_closed_where_the_client_knows_no_cancel(
    make: Make,
) -> None:
    broker = make("4.3")
    broker.queue_declare("q", arguments={"x-queue-type": "quorum"})
    broker.put("q", "m")
    connection = broker.connect()
    connection.cancel_notify = False
    channel = connection.channel()
    ends = closes(channel)
    broker.consume(channel, "q", "t")
    broker.advance(seconds=HALF_AN_HOUR_S)
    [error] = ends
    assert error is not None
    assert error.reply_text == timed_out(1_800_000)


def test_s86_in_4_3_and_for_basic_get(make: Make) -> None:
    broker = make("4.3")
    channel = held(broker, "get", {"x-queue-type": "quorum"})
    ends = closes(channel)
    broker.advance(seconds=HALF_AN_HOUR_S)
    [error] = ends
    assert error is not None
    assert error.reply_text == timed_out(1_800_000)
