"""What operations cost in a short queue and in one of a million messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.brokers import BODY, EXCHANGE, KEY, QUEUE, fill, open_channel
from benchmarks.measure import Comparison, Goal, Scale, Section, Side, interleave, ratios
from leveret.properties import Properties

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret import Channel

    Operation = Callable[[Channel, int], None]

__all__ = ["run"]

#: Growing with the logarithm, from 1,000 to 1,000,000 messages, costs twice; memory further away
#: from the processor adds to that. Growing with the length would cost a thousand times.
_LOGARITHMIC = Goal(at_most=4)


def _publish(channel: Channel, count: int) -> None:
    publish = channel.basic_publish
    for _ in range(count):
        publish(EXCHANGE, KEY, BODY)


def _get_and_ack(channel: Channel, count: int) -> None:
    get, ack = channel.basic_get, channel.basic_ack
    for _ in range(count):
        method, _, _ = get(QUEUE)
        assert method is not None
        ack(method.delivery_tag)


def _get_and_requeue(channel: Channel, count: int) -> None:
    get, nack = channel.basic_get, channel.basic_nack
    for _ in range(count):
        method, _, _ = get(QUEUE)
        assert method is not None
        nack(method.delivery_tag)


def _ack_unacked(channel: Channel, count: int) -> None:
    """Ack the oldest deliveries, the newest of them first."""
    ack = channel.basic_ack
    for tag in range(count, 0, -1):
        ack(tag)


def _requeue_unacked(channel: Channel, count: int) -> None:
    nack = channel.basic_nack
    for tag in range(1, count + 1):
        nack(tag)


def _fresh(length: int) -> Channel:
    channel = open_channel()
    fill(channel, length)
    return channel


def _with_priorities(length: int) -> Channel:
    channel = open_channel({"x-max-priority": 10})
    fill(channel, length, properties=[Properties(priority=number) for number in range(10)])
    return channel


def _all_unacked(length: int) -> Channel:
    channel = _fresh(length)
    for _ in range(length):
        channel.basic_get(QUEUE)
    return channel


def _all_returned(length: int) -> Channel:
    channel = _all_unacked(length)
    channel.basic_nack(0, multiple=True)
    return channel


#: what is done -> (how the queue is made, operation)
_CASES: dict[str, tuple[Callable[[int], Channel], Operation]] = {
    "publish": (_fresh, _publish),
    "get and ack": (_fresh, _get_and_ack),
    "get and nack, requeued": (_fresh, _get_and_requeue),
    "get and ack, priorities": (_with_priorities, _get_and_ack),
    "get and ack, all returned before": (_all_returned, _get_and_ack),
    "ack out of order, all unacked": (_all_unacked, _ack_unacked),
    "nack, requeued, all unacked": (_all_unacked, _requeue_unacked),
}


def run(scale: Scale) -> Section:
    short, long = scale.count(1_000), scale.count(1_000_000)
    # Few enough to leave the short queue near its length, many enough for the clock.
    count = short // 2
    sides = [_side(what, length, count) for what in _CASES for length in (short, long)]
    # A queue of a million takes seconds to fill, a round each.
    figures = interleave(sides, min(scale.rounds, 5))
    comparisons = [
        Comparison(
            f"{what}: cost at {long:,} over cost at {short:,}",
            ratios(figures[_label(what, long)], figures[_label(what, short)]),
            scale.goal(_LOGARITHMIC),
        )
        for what in _CASES
    ]
    return Section(
        f"Operations in a queue of {short:,} and of {long:,} messages",
        "operation",
        f"{count:,} operations each on a queue that was filled before.",
        tuple(figures.values()),
        comparisons,
    )


def _label(what: str, length: int) -> str:
    return f"{what}, {length:,}"


def _side(what: str, length: int, count: int) -> Side:
    make, operation = _CASES[what]

    def prepare() -> Callable[[], object]:
        channel = make(length)
        return lambda: operation(channel, count)

    return Side(_label(what, length), count, prepare)
