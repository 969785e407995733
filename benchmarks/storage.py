"""Durability in process: what a persistent message costs, how it comes back, what it takes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from benchmarks.measure import Comparison, Goal, Scale, Section, Side, interleave, ratios
from leveret import Broker, Properties

__all__ = ["run"]

_BODY = bytes(100)
_PERSISTENT = Properties(delivery_mode=2)
#: Messages of one group commit.
_GROUP = 1000
_MIB = 1024 * 1024
_DURABLE, _MEMORY = "leveret, in a directory", "leveret, in memory"

#: Publishes messages of 1 KiB, then takes all; prints the most memory that this process took.
_LONG_QUEUE = """
import sys
from pathlib import Path
from leveret import Broker, Properties
count, limit, directory = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
broker = Broker()
broker.open_data(directory, memory_bytes=limit)
broker.queue_declare("q")
channel, persistent = broker.channel(), Properties(delivery_mode=2)
for number in range(count):
    channel.basic_publish("", "q", number.to_bytes(1024, "big"), persistent)
    if number % 1000 == 999:
        broker.flush()
for number in range(count):
    assert channel.basic_get("q", auto_ack=True)[2] == number.to_bytes(1024, "big")
    if number % 1000 == 999:
        broker.flush()
broker.close()
# Not getrusage, which counts what the parent took when it started this process.
lines = Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024)
"""


def run(scale: Scale) -> Section:
    count, many, long = scale.count(100_000), scale.count(1_000_000), scale.count(1_000_000)
    with tempfile.TemporaryDirectory() as folder:
        figures = interleave(
            [
                Side(
                    _DURABLE, count, lambda: lambda: _publish(count, tempfile.mkdtemp(dir=folder))
                ),
                Side(_MEMORY, count, lambda: lambda: _publish(count, None)),
            ],
            min(scale.rounds, 5),
        )
        kept = tempfile.mkdtemp(dir=folder)
        _publish(many, kept)
        stored = sum(file.stat().st_size for file in Path(kept).iterdir()) / many
        seconds = tuple(_recover(kept) for _ in range(min(scale.rounds, 5)))
        most = int(
            subprocess.run(
                [
                    sys.executable,
                    "-c",
                    _LONG_QUEUE,
                    str(long),
                    str(128 * _MIB),
                    tempfile.mkdtemp(dir=folder),
                ],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
    return Section(
        "Persistent messages of 100 B, a thousand a group commit",
        "message",
        "In process, one at a time; over the wire they come in runs: see `make bench-wire`.",
        tuple(figures.values()),
        [
            Comparison(
                "in a directory over in memory", ratios(figures[_DURABLE], figures[_MEMORY])
            ),
            Comparison(f"bytes on the disk a message, {many:,} waiting", (stored,), None, "bytes"),
            Comparison(f"recovery of {many:,}", seconds, scale.goal(Goal(at_most=5)), "s"),
            Comparison(
                f"the most memory, {long:,} of 1 KiB published and taken, limit 128 MiB",
                (most,),
                None,
                "MiB",
            ),
        ],
    )


def _publish(count: int, directory: str | None) -> None:
    broker = Broker(data=directory)
    broker.queue_declare("q")
    channel = broker.channel()
    for number in range(count):
        channel.basic_publish("", "q", _BODY, _PERSISTENT)
        if number % _GROUP == _GROUP - 1:
            broker.flush()
    broker.close()


def _recover(directory: str) -> float:
    began = perf_counter()
    broker = Broker(data=directory)
    seconds = perf_counter() - began
    broker.close()
    return seconds
