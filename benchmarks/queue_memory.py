"""Memory of waiting messages beyond their bodies, by the interpreter's own account of it."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from typing import TYPE_CHECKING

from benchmarks import kombu_memory
from benchmarks.brokers import EXCHANGE, KEY, open_channel
from benchmarks.measure import Comparison, Goal, Scale, Section
from leveret.properties import Properties

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run"]

_BODY_BYTES = 100


def run(scale: Scale) -> Section:
    count, fewer = scale.count(1_000_000), scale.count(100_000)
    goal = scale.goal(Goal(at_most=400))
    comparisons = [
        Comparison(
            f"leveret, {count:,} messages, one routing key",
            (_beyond_body(_leveret(), count),),
            goal,
            "bytes",
        ),
        Comparison(
            f"leveret, {fewer:,} messages, properties and a message id of its own each",
            (_beyond_body(_leveret_with_properties(), fewer),),
            None,
            "bytes",
        ),
    ]
    if kombu_memory.AVAILABLE:
        comparisons.append(
            Comparison(
                f"kombu memory, {fewer:,} messages", (_beyond_body(_kombu(), fewer),), None, "bytes"
            )
        )
    return Section(
        "Memory per waiting message beyond its body",
        "message",
        f"Bodies of {_BODY_BYTES} bytes, a bytes object each, whose own size is taken off: "
        f"{sys.getsizeof(bytes(_BODY_BYTES))} bytes. Measured with tracemalloc.",
        (),
        comparisons,
    )


def _beyond_body(publish: Callable[[bytes], object], count: int) -> float:
    """Return bytes for each message, the body's own taken off."""
    publish(bytes(_BODY_BYTES))
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(count):
            publish(number.to_bytes(_BODY_BYTES, "big"))
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (after - before) / count - sys.getsizeof(bytes(_BODY_BYTES))


def _leveret() -> Callable[[bytes], object]:
    channel = open_channel()
    return lambda body: channel.basic_publish(EXCHANGE, KEY, body)


def _leveret_with_properties() -> Callable[[bytes], object]:
    channel = open_channel()

    def publish(body: bytes) -> None:
        properties = Properties(
            content_type="application/json", delivery_mode=2, message_id=body[-8:].hex()
        )
        channel.basic_publish(EXCHANGE, KEY, body, properties)

    return publish


def _kombu() -> Callable[[bytes], object]:
    _, channel, name = kombu_memory.open_channel()
    return lambda body: channel.basic_publish(channel.prepare_message(body), name, name)
