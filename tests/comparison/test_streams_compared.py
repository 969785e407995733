"""Streams over AMQP: what RabbitMQ 3.10 answers, leveret does.

Statements: S13 S18 S126 S127 S128 S129 S130 S132 S133.
"""

from __future__ import annotations

import contextlib
import datetime
import time
from typing import TYPE_CHECKING, Any

import pika
import pika.exceptions
import pytest

import leveret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from judge.fixtures import Judge
    from pika.adapters.blocking_connection import BlockingChannel

pytest_plugins = ["judge.fixtures"]

STREAM: dict[str, Any] = {"x-queue-type": "stream"}
NAME = "leveret-stream"
COUNT = 10
DEADLINE_S = 30.0
#: How long nothing has to come until it is believed that nothing does.
QUIET_S = 0.3
HOUR = datetime.timedelta(hours=1)


@pytest.fixture(scope="module")
def ours() -> Iterator[str]:
    with leveret.Broker("3.10").serve(port=0) as server:
        yield f"{server.url}/%2F"


@contextlib.contextmanager
def channel_to(url: str) -> Iterator[BlockingChannel]:
    """Open a channel; the stream is gone afterwards."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        yield connection.channel()
    finally:
        if connection.is_open:
            connection.close()
        with contextlib.closing(pika.BlockingConnection(pika.URLParameters(url))) as again:
            again.channel().queue_delete(NAME)


def answer(url: str, talk: Callable[[BlockingChannel], object]) -> object:
    """Return what a conversation comes to: its result, or code and text of its refusal."""
    with channel_to(url) as channel:
        try:
            return talk(channel)
        except (
            pika.exceptions.ChannelClosedByBroker,
            pika.exceptions.ConnectionClosedByBroker,
        ) as error:
            return type(error).__name__, error.reply_code, error.reply_text


def compare(judge: Judge, ours: str, talk: Callable[[BlockingChannel], object]) -> None:
    theirs = answer(judge.url, talk)
    assert answer(ours, talk) == theirs


def declare(channel: BlockingChannel, **arguments: Any) -> None:
    channel.queue_declare(NAME, durable=True, arguments=STREAM | arguments)


def fill(channel: BlockingChannel) -> None:
    """Declare the stream, and publish to it one by one."""
    declare(channel)
    with contextlib.closing(channel.connection.channel()) as publisher:
        publisher.confirm_delivery()
        for number in range(COUNT):
            headers = {"n": number} if number % 2 else None
            properties = pika.BasicProperties(headers=headers, priority=number or None)
            publisher.basic_publish("", NAME, f"m{number}".encode(), properties)


def consumed(
    channel: BlockingChannel, arguments: dict[str, Any], expected: int, **options: Any
) -> list[Any]:
    """Return what a consumer gets that acknowledges nothing."""
    got: list[Any] = []

    def note(_: Any, method: Any, properties: Any, body: bytes) -> None:
        got.append(
            (
                body,
                *(method.delivery_tag, method.redelivered, method.exchange, method.routing_key),
                *(list((properties.headers or {}).items()), properties.priority),
            )
        )

    channel.basic_consume(NAME, note, arguments=arguments, **options)
    events = channel.connection.process_data_events
    deadline = time.monotonic() + DEADLINE_S
    while len(got) < expected and time.monotonic() < deadline:
        events(0.05)
    events(QUIET_S)
    return got


@pytest.mark.parametrize(
    "properties",
    [
        {"durable": False},
        {"durable": True, "exclusive": True},
        {"durable": True, "auto_delete": True},
    ],
    ids=["transient", "exclusive", "auto-delete"],
)
def test_s126_properties(judge: Judge, ours: str, properties: dict[str, bool]) -> None:
    compare(judge, ours, lambda ch: ch.queue_declare(NAME, arguments=STREAM, **properties))


def test_s13_a_server_made_name(judge: Judge, ours: str) -> None:
    compare(judge, ours, lambda ch: ch.queue_declare("", durable=True, arguments=STREAM))


ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "x-max-age": ("7D", "1Y", "1M", "5h", "5m", "07D", "7d", "7", "0D", "7DD", "1 D", "10S", 7),
    "x-max-length-bytes": (0, 1_000_000, -1, "x"),
    "x-stream-max-segment-size-bytes": (500, 3_000_000_000, 3_000_000_001, -1, "x"),
    "x-initial-cluster-size": (1, 0, -1, "x"),
    "x-queue-leader-locator": ("balanced", "client-local", "x"),
    "x-message-ttl": (1000,),
    "x-expires": (1000,),
    "x-max-length": (5,),
    "x-max-priority": (5,),
    "x-overflow": ("drop-head",),
    "x-single-active-consumer": (True,),
    "x-delivery-limit": (4,),
    "x-queue-mode": ("lazy",),
    "x-unknown": (1,),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in ARGUMENTS.items() for value in values]
)
def test_s18_arguments(judge: Judge, ours: str, name: str, value: Any) -> None:
    compare(judge, ours, lambda ch: declare(ch, **{name: value}))


@pytest.mark.parametrize("kind", ["classic", "quorum"])
@pytest.mark.parametrize(
    ("name", "value"),
    [("x-max-age", "7D"), ("x-stream-max-segment-size-bytes", 5), ("x-initial-cluster-size", 1)],
)
def test_s18_other_types_refuse_them(
    judge: Judge, ours: str, kind: str, name: str, value: Any
) -> None:
    compare(judge, ours, lambda ch: declare(ch, **{"x-queue-type": kind, name: value}))


@pytest.mark.parametrize("what", ["basic_get", "queue_purge"])
def test_s127_what_is_not_implemented(judge: Judge, ours: str, what: str) -> None:
    def talk(channel: BlockingChannel) -> None:
        declare(channel)
        getattr(channel, what)(NAME)

    compare(judge, ours, talk)


@pytest.mark.parametrize("prefetch", [0, 5])
@pytest.mark.parametrize("global_prefetch", [0, 5])
@pytest.mark.parametrize("auto_ack", [False, True])
def test_s128_prefetch_and_acknowledgements(
    judge: Judge, ours: str, prefetch: int, global_prefetch: int, auto_ack: bool
) -> None:
    def talk(channel: BlockingChannel) -> list[Any]:
        declare(channel)
        channel.basic_qos(prefetch_count=prefetch)
        if global_prefetch:
            channel.basic_qos(prefetch_count=global_prefetch, global_qos=True)
        return consumed(channel, {}, 0, auto_ack=auto_ack)

    compare(judge, ours, talk)


@pytest.mark.parametrize(
    "arguments",
    [{"x-priority": 5}, {"x-cancel-on-ha-failover": True}, {"x-unknown": 1}],
    ids=lambda arguments: next(iter(arguments)),
)
def test_s128_consumer_arguments(judge: Judge, ours: str, arguments: dict[str, Any]) -> None:
    def talk(channel: BlockingChannel) -> list[Any]:
        declare(channel)
        channel.basic_qos(prefetch_count=5)
        return consumed(channel, arguments, 0)

    compare(judge, ours, talk)


NOW = datetime.datetime.now(datetime.UTC)


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        ("first", 10),
        ("last", 1),
        ("next", 0),
        (None, 0),
        (0, 10),
        (3, 7),
        (9, 1),
        (10, 0),
        (20, 0),
        (-1, 10),
        ("7D", 10),
        ("1h", 10),
        (NOW - HOUR, 10),
        (NOW + HOUR, 0),
        ("3", 0),
    ],
)
def test_s129_s132_where_consumers_begin(
    judge: Judge, ours: str, offset: Any, expected: int
) -> None:
    def talk(channel: BlockingChannel) -> list[Any]:
        fill(channel)
        channel.basic_qos(prefetch_count=100)
        arguments = {} if offset is None else {"x-stream-offset": offset}
        return consumed(channel, arguments, expected, exclusive=offset == "first")

    compare(judge, ours, talk)


@pytest.mark.parametrize(
    ("settle", "then"),
    [
        (lambda ch: ch.basic_ack(1), 3),
        (lambda ch: ch.basic_ack(2), 3),
        (lambda ch: ch.basic_ack(0, multiple=True), 4),
        (lambda ch: ch.basic_nack(1), 0),
        (lambda ch: ch.basic_reject(1, requeue=False), 0),
    ],
    ids=["first", "second", "both", "nack", "reject"],
)
def test_s130_what_settling_comes_to(
    judge: Judge, ours: str, settle: Callable[[BlockingChannel], object], then: int
) -> None:
    def talk(channel: BlockingChannel) -> list[Any]:
        fill(channel)
        channel.basic_qos(prefetch_count=2)
        got: list[Any] = []
        channel.basic_consume(
            NAME, lambda *parts: got.append(parts[3]), arguments={"x-stream-offset": "first"}
        )
        events = channel.connection.process_data_events
        deadline = time.monotonic() + DEADLINE_S
        for wanted in (2, then):
            while len(got) < wanted and time.monotonic() < deadline:
                events(0.05)
            if wanted == 2:
                settle(channel)
        events(QUIET_S)
        return got

    compare(judge, ours, talk)


@pytest.mark.parametrize("flag", ["if_unused", "if_empty"])
def test_s133_flags_of_a_deletion(judge: Judge, ours: str, flag: str) -> None:
    def talk(channel: BlockingChannel) -> tuple[int, bool]:
        fill(channel)
        channel.basic_qos(prefetch_count=2)
        cancelled: list[str] = []
        channel.add_on_cancel_callback(lambda frame: cancelled.append(frame.method.consumer_tag))
        channel.basic_consume(NAME, lambda *_: None)
        count = channel.queue_delete(NAME, **{flag: True}).method.message_count
        deadline = time.monotonic() + DEADLINE_S
        while not cancelled and time.monotonic() < deadline:
            channel.connection.process_data_events(0.05)
        return count, bool(cancelled)

    compare(judge, ours, talk)


@pytest.mark.parametrize("arguments", [{"x-max-age": "7D"}, {"x-queue-type": "classic"}])
def test_s126_redeclared_otherwise(judge: Judge, ours: str, arguments: dict[str, Any]) -> None:
    def talk(channel: BlockingChannel) -> None:
        declare(channel)
        declare(channel, **arguments)

    compare(judge, ours, talk)
