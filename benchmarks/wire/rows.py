"""What is measured: one row a load, with the goals set for it.

The varied streams have sizes from 16 to 100 bytes, 100 routing keys, message ids that never come
twice and, where said, a headers table with a value of its own in each message: nothing that a
broker could do once for identical frames helps there.
"""

from __future__ import annotations

from typing import Literal

from attrs import frozen

__all__ = ["ROWS", "Row"]

_VARIED = "-t topic -R 100 -s 16 -J 84 -I"
_HEADERS = f"{_VARIED} -H"


@frozen
class Row:
    """One load: its name, the generator's arguments, how many messages on which side.

    Goals: `rate` times RabbitMQ's rate at least; 1 / `cpu` of its processor time a message at
    most; 1 / `latency` of its p50 and p99 at most. `durable` rows go to a leveret that has a data
    directory.
    """

    key: str
    name: str
    arguments: str
    leveret_count: int
    rabbitmq_count: int
    rate: float | None = None
    cpu: float | None = None
    latency: float | None = None
    p99_only: bool = False
    durable: bool = False

    @property
    def kind(self) -> Literal["rate", "latency"]:
        """What its main figure is."""
        return "rate" if self.latency is None else "latency"


def _fast(key: str, name: str, arguments: str, ours: int, theirs: int) -> Row:
    return Row(key, name, arguments, ours, theirs, rate=10, cpu=10)


ROWS: tuple[Row, ...] = (
    _fast("publish", "publish, 16 B", "-m pub", 500_000, 100_000),
    _fast("publish-100", "publish, 100 B", "-m pub -s 100", 500_000, 100_000),
    _fast("publish-varied", "publish, varied", f"-m pub {_VARIED}", 300_000, 100_000),
    _fast("publish-headers", "publish, varied with headers", f"-m pub {_HEADERS}", 300_000, 80_000),
    _fast("confirms", "publish with confirms, 16 B", "-m pub -w 1000", 500_000, 100_000),
    _fast(
        "confirms-varied",
        "publish with confirms, varied",
        f"-m pub -w 1000 {_VARIED}",
        300_000,
        100_000,
    ),
    _fast("consume", "consume, 16 B", "-m con -P 500", 500_000, 150_000),
    _fast("consume-varied", "consume, varied", f"-m con -P 500 {_VARIED}", 300_000, 150_000),
    _fast("both", "publish and consume, 16 B", "-m e2e", 500_000, 150_000),
    _fast("both-100", "publish and consume, 100 B", "-m e2e -s 100", 500_000, 150_000),
    _fast("both-varied", "publish and consume, varied", f"-m e2e {_VARIED}", 300_000, 120_000),
    _fast(
        "both-headers",
        "publish and consume, varied with headers",
        f"-m e2e {_HEADERS}",
        300_000,
        100_000,
    ),
    _fast(
        "both-acks",
        "the same with confirms and acks, 16 B",
        "-m e2e -w 1000 -P 500",
        500_000,
        100_000,
    ),
    _fast(
        "both-acks-varied",
        "the same with confirms and acks, varied",
        f"-m e2e -w 1000 -P 500 {_VARIED}",
        300_000,
        100_000,
    ),
    Row("acks", "consume, acks one by one", "-m con -P 500 -A", 300_000, 100_000, rate=6),
    Row("1k", "publish and consume, 1 KiB", "-m e2e -s 1024", 150_000, 60_000, rate=5),
    _fast(
        "topic",
        "topic, 1,000 bindings, 100 keys",
        "-m e2e -t topic -R 100 -B 1000",
        300_000,
        100_000,
    ),
    _fast("fanout", "fan-out to 10 queues, a delivery", "-m e2e -t fanout -k 10", 100_000, 20_000),
    Row("64k", "publish and consume, 64 KiB", "-m e2e -s 65536", 12_000, 12_000, rate=1),
    Row("priority", "priorities, 5 levels", "-m e2e -q 5", 150_000, 60_000, rate=6),
    Row("ttl", "a time to live on each", "-m e2e -x 60000", 200_000, 80_000, rate=6),
    Row("dead", "each dead-lettered", "-m e2e -X", 60_000, 20_000, rate=6),
    Row("rpc", "request and reply, one in flight", "-m rpc", 4_000, 4_000, latency=2),
    Row("latency", "one way at 1,000/s", "-m lat -r 1000", 3_000, 3_000, latency=2),
    Row(
        "many",
        "1,000 connections, 10/s each",
        "-m many -k 1000 -r 10",
        40_000,
        40_000,
        cpu=3,
        latency=2,
        p99_only=True,
    ),
    Row(
        "durable-100",
        "durable, persistent 100 B, confirms, window 100",
        "-m pub -d -s 100 -w 100",
        100_000,
        20_000,
        rate=10,
        durable=True,
    ),
    Row(
        "durable-1000",
        "durable, persistent 100 B, confirms, window 1,000",
        "-m pub -d -s 100 -w 1000",
        200_000,
        30_000,
        rate=10,
        durable=True,
    ),
    Row(
        "durable-both",
        "durable, publish, consume and ack at once",
        "-m e2e -d -s 100 -w 1000 -P 500",
        150_000,
        40_000,
        rate=10,
        durable=True,
    ),
    Row(
        "durable-1k",
        "durable, persistent 1 KiB, confirms, window 1,000",
        "-m pub -d -s 1024 -w 1000",
        100_000,
        20_000,
        durable=True,
    ),
    Row(
        "durable-fanout",
        "durable, fan-out to 10 queues, a delivery",
        "-m e2e -d -s 100 -w 1000 -P 500 -t fanout -k 10",
        30_000,
        5_000,
        durable=True,
    ),
    Row(
        "durable-1",
        "durable, confirms, window 1: one sync each",
        "-m pub -d -s 100 -w 1",
        3_000,
        2_000,
        rate=1.5,
        durable=True,
    ),
)
