"""S86: a delivery that is not acknowledged in time closes its channel, with RabbitMQ's words."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pika
import pytest

import leveret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from judge.fixtures import Judge

pytest_plugins = ["judge.fixtures"]

TIMEOUT_MS = 500
DEADLINE_S = 10.0


@pytest.fixture
def url(judge: Judge) -> Iterator[str]:
    """Have new channels of the node look every 100 ms for what is overdue."""
    if judge.node is None:
        pytest.skip("only a private node can be told to time out early")
    judge.node.ctl("eval", settings(TIMEOUT_MS, tick_ms=100))
    yield judge.url
    judge.node.ctl("eval", settings(1_800_000, tick_ms=60_000))


def settings(timeout_ms: int, tick_ms: int) -> str:
    """Return the Erlang that sets how long a delivery may be held and how often that is seen to."""
    return (
        f"application:set_env(rabbit, consumer_timeout, {timeout_ms}),"
        f" application:set_env(rabbit, channel_tick_interval, {tick_ms})."
    )


def open_and_hold(connection: Any) -> Any:
    """Have a channel with a message that nobody acknowledges."""
    channel = connection.channel()
    channel.queue_declare("timeout", exclusive=True)
    channel.basic_consume("timeout", lambda *_: None)
    channel.basic_publish("", "timeout", b"m")
    return channel


def rabbitmq_closes(url: str) -> tuple[int, str]:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = open_and_hold(connection)
    said: list[Any] = []
    # The blocking channel keeps to itself why it was closed; the one it wraps tells.
    channel._impl.add_on_close_callback(lambda _, reason: said.append(reason))
    deadline = time.monotonic() + DEADLINE_S
    while not said and time.monotonic() < deadline:
        connection.process_data_events(0.1)
    connection.close()
    [reason] = said
    return reason.reply_code, reason.reply_text


def leveret_closes() -> tuple[int, str]:
    clock = leveret.ManualClock()
    broker = leveret.Broker(profile="3.10", clock=clock, consumer_timeout_ms=TIMEOUT_MS)
    channel = open_and_hold(broker.connect())
    said: list[Any] = []
    channel.add_on_close_callback(lambda _, error: said.append(error))
    clock.advance(ms=TIMEOUT_MS // 2)
    assert said == []
    clock.advance(seconds=120)
    [error] = said
    return error.reply_code, error.reply_text


def test_s86_a_delivery_held_too_long_closes_the_channel(url: str) -> None:
    assert leveret_closes() == rabbitmq_closes(url)
