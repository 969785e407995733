"""The life of a message in process: publish, route, enqueue, get, ack, by a direct exchange."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from benchmarks import kombu_memory
from benchmarks.brokers import BODY, EXCHANGE, KEY, QUEUE, cycle, fill, open_channel
from benchmarks.measure import Comparison, Goal, Scale, Section, Side, interleave, ratios
from leveret.engine.methods import GetOk
from leveret.properties import NO_PROPERTIES
from leveret.queues import Message, Queue, QueuedMessage

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run"]

_LEVERET, _FLOOR = "leveret, all three", "the same objects, no broker"


def run(scale: Scale) -> Section:
    count = scale.count(100_000)
    sides = [
        Side(_LEVERET, count, lambda: cycle(open_channel(), count)),
        *kombu_memory.cycle_sides(scale.count(10_000), BODY),
        Side(_FLOOR, count, lambda: _floor(count)),
        Side("leveret, publish alone, all kept", count, lambda: _publish(count)),
        Side("leveret, get alone", count, lambda: _get(count)),
        Side("leveret, ack alone", count, lambda: _ack(count)),
    ]
    figures = interleave(sides, scale.rounds)
    leveret = figures[_LEVERET]
    comparisons = [
        Comparison(
            "leveret, messages a second",
            tuple(1e9 / ns for ns in leveret.cpu_ns),
            scale.goal(Goal(at_least=400_000)),
            "/s",
        )
    ]
    comparisons += [
        Comparison(
            f"leveret faster than {peer}",
            ratios(figures[peer], leveret),
            scale.goal(Goal(at_least=20)) if peer == kombu_memory.PRODUCER else None,
        )
        for peer in (kombu_memory.CHANNEL, kombu_memory.PRODUCER)
        if peer in figures
    ]
    comparisons.append(Comparison("leveret over no broker", ratios(leveret, figures[_FLOOR])))
    return Section(
        "Publish, route, enqueue, get, ack",
        "message",
        "One message at a time, 16 bytes, a direct exchange with one binding. 'No broker' makes the"
        " objects of the message and its answer, and moves them through a dictionary and a deque.",
        tuple(figures.values()),
        comparisons,
    )


def _publish(count: int) -> Callable[[], object]:
    channel = open_channel()
    return lambda: fill(channel, count)


def _get(count: int) -> Callable[[], object]:
    channel = open_channel()
    fill(channel, count)

    def call() -> None:
        get = channel.basic_get
        for _ in range(count):
            get(QUEUE)

    return call


def _ack(count: int) -> Callable[[], object]:
    channel = open_channel()
    fill(channel, count)
    for _ in range(count):
        channel.basic_get(QUEUE)

    def call() -> None:
        ack = channel.basic_ack
        for tag in range(1, count + 1):
            ack(tag)

    return call


def _floor(count: int) -> Callable[[], object]:
    """Return the least that Python can do with the same objects and no rule at all."""
    channel = open_channel()
    queue = channel.connection.broker.virtual_hosts["/"].queues[QUEUE]
    # exchange -> {routing key -> queues}
    routes: dict[str, dict[str, tuple[Queue, ...]]] = {EXCHANGE: {KEY: (queue,)}}
    ready: deque[QueuedMessage] = deque()
    # delivery tag -> message
    unacked: dict[int, QueuedMessage] = {}

    def call() -> None:
        for tag in range(count):
            message = Message(EXCHANGE, KEY, NO_PROPERTIES, BODY)
            for target in routes[EXCHANGE][KEY]:
                ready.append(QueuedMessage(message, target, tag))
            entry = ready.popleft()
            unacked[tag] = entry
            GetOk(tag, entry.redelivered, message.exchange, message.routing_key, len(ready))
            del unacked[tag]

    return call
