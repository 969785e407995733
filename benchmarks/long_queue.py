"""What operations cost in a short queue and in one of a million messages."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from attrs import define

from benchmarks.brokers import BODY, EXCHANGE, KEY, QUEUE, fill, open_channel
from benchmarks.measure import Comparison, Figure, Goal, Scale, Section, Side, interleave, ratios
from leveret.properties import Properties

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret import Channel

__all__ = ["run"]

#: Growing with the logarithm, from 1,000 to 1,000,000 messages, costs twice; memory further away
#: from the processor adds to that. Growing with the length would cost a thousand times.
_LOGARITHMIC = Goal(at_most=4)


@define
class _Filled:
    """A channel with a filled queue, and its oldest delivery that is not settled."""

    channel: Channel
    oldest_tag: int = 1


def _publish(filled: _Filled, count: int) -> None:
    publish = filled.channel.basic_publish
    for _ in range(count):
        publish(EXCHANGE, KEY, BODY)


def _get_and_ack(filled: _Filled, count: int) -> None:
    get, ack = filled.channel.basic_get, filled.channel.basic_ack
    for _ in range(count):
        method, _, _ = get(QUEUE)
        assert method is not None
        ack(method.delivery_tag)


def _get_and_requeue(filled: _Filled, count: int) -> None:
    get, nack = filled.channel.basic_get, filled.channel.basic_nack
    for _ in range(count):
        method, _, _ = get(QUEUE)
        assert method is not None
        nack(method.delivery_tag)


def _ack_unacked(filled: _Filled, count: int) -> None:
    """Ack the oldest deliveries, the newest of them first."""
    ack = filled.channel.basic_ack
    for tag in reversed(_oldest_tags(filled, count)):
        ack(tag)


def _requeue_unacked(filled: _Filled, count: int) -> None:
    nack = filled.channel.basic_nack
    for tag in _oldest_tags(filled, count):
        nack(tag)


def _oldest_tags(filled: _Filled, count: int) -> range:
    tags = range(filled.oldest_tag, filled.oldest_tag + count)
    filled.oldest_tag += count
    return tags


def _fresh(length: int) -> _Filled:
    channel = open_channel()
    fill(channel, length)
    return _Filled(channel)


def _with_priorities(length: int) -> _Filled:
    channel = open_channel({"x-max-priority": 10})
    fill(channel, length, properties=[Properties(priority=number) for number in range(10)])
    return _Filled(channel)


def _all_unacked(length: int) -> _Filled:
    filled = _fresh(length)
    for _ in range(length):
        filled.channel.basic_get(QUEUE)
    return filled


def _all_returned(length: int) -> _Filled:
    filled = _all_unacked(length)
    filled.channel.basic_nack(0, multiple=True)
    return filled


#: how the queue is filled -> what is done to it -> operation
_CASES: dict[Callable[[int], _Filled], dict[str, Callable[[_Filled, int], None]]] = {
    _fresh: {
        "publish": _publish,
        "get and ack": _get_and_ack,
        "get and nack, requeued": _get_and_requeue,
    },
    _with_priorities: {"get and ack, priorities": _get_and_ack},
    _all_returned: {"get and ack, all returned before": _get_and_ack},
    _all_unacked: {
        "ack out of order, all unacked": _ack_unacked,
        "nack, requeued, all unacked": _requeue_unacked,
    },
}


def run(scale: Scale) -> Section:
    short, long = scale.count(1_000), scale.count(1_000_000)
    # Few enough to leave a short queue near its length, many enough for the clock.
    count = short // 2
    figures: dict[str, Figure] = {}
    comparisons: list[Comparison] = []
    for make, operations in _CASES.items():
        figures |= _measure(make, operations, (short, long), count, scale.rounds)
        comparisons += [
            Comparison(
                f"{what}: cost at {long:,} over cost at {short:,}",
                ratios(figures[_label(what, long)], figures[_label(what, short)]),
                scale.goal(_LOGARITHMIC),
            )
            for what in operations
        ]
    return Section(
        f"Operations in a queue of {short:,} and of {long:,} messages",
        "operation",
        f"{count:,} operations each on a queue that was filled before: the short one afresh for"
        " each round, the long one once.",
        tuple(figures.values()),
        comparisons,
    )


def _label(what: str, length: int) -> str:
    return f"{what}, {length:,}"


def _measure(
    make: Callable[[int], _Filled],
    operations: dict[str, Callable[[_Filled, int], None]],
    lengths: tuple[int, int],
    count: int,
    rounds: int,
) -> dict[str, Figure]:
    short, long = lengths
    filled = make(long)
    gc.collect()
    gc.freeze()  # or the collection before each timing walks over a million messages
    try:
        sides = []
        for what, operation in operations.items():
            sides += [
                Side(_label(what, short), count, _timed(operation, count, lambda: make(short))),
                Side(_label(what, long), count, _timed(operation, count, lambda: filled)),
            ]
        return interleave(sides, rounds)
    finally:
        gc.unfreeze()


def _timed(
    operation: Callable[[_Filled, int], None], count: int, filled: Callable[[], _Filled]
) -> Callable[[], Callable[[], object]]:
    def prepare() -> Callable[[], object]:
        ready = filled()
        return lambda: operation(ready, count)

    return prepare
