"""Streams beside a classic queue: appending, replaying, and both in a directory."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from benchmarks.brokers import BODY, EXCHANGE, KEY, QUEUE, fill, open_channel
from benchmarks.measure import Comparison, Goal, Scale, Section, Side, interleave, ratios
from leveret import Broker, Properties

if TYPE_CHECKING:
    from collections.abc import Callable

    import leveret
    from leveret.properties import FieldTable

__all__ = ["run"]

_STREAM: FieldTable = {"x-queue-type": "stream"}
_FIRST: FieldTable = {"x-stream-offset": "first"}
_GROUP: FieldTable = {**_FIRST, "x-stream-group": "billing"}
_PREFETCH = 100
#: Messages of one group commit.
_COMMIT = 1000
_APPEND, _PUBLISH = "stream, append", "classic queue, publish"
_REPLAY, _CONSUME = "stream, replay", "classic queue, consume a backlog"
_GROUPED = "stream, replay in a group"
_KEPT, _KEPT_CLASSIC = "stream, append in a directory", "classic queue, publish in a directory"
_READ = "stream, replay from the disk"


def run(scale: Scale) -> Section:
    count = scale.count(50_000)
    with tempfile.TemporaryDirectory() as folder:
        figures = interleave(
            [
                Side(_PUBLISH, count, lambda: _appending(count)),
                Side(_APPEND, count, lambda: _appending(count, _STREAM)),
                Side(_CONSUME, count, lambda: _consuming(count)),
                Side(_REPLAY, count, lambda: _consuming(count, _STREAM, _FIRST)),
                Side(_GROUPED, count, lambda: _consuming(count, _STREAM, _GROUP)),
                Side(_KEPT_CLASSIC, count, lambda: _keeping(count, folder)),
                Side(_KEPT, count, lambda: _keeping(count, folder, _STREAM)),
                Side(_READ, count, lambda: _reading(count, folder)),
            ],
            scale.rounds,
        )
    pairs = (
        (_APPEND, _PUBLISH),
        (_REPLAY, _CONSUME),
        (_GROUPED, _CONSUME),
        (_KEPT, _KEPT_CLASSIC),
        (_READ, _REPLAY),
    )
    goal = scale.goal(Goal(at_most=2.5))
    return Section(
        "Streams",
        "message",
        f"16 bytes, a direct exchange; consumers have a prefetch of {_PREFETCH} and acknowledge one"
        f" by one. In a directory: persistent, {_COMMIT:,} messages a commit; what is replayed from"
        " the disk is not in memory before.",
        tuple(figures.values()),
        [
            Comparison(
                f"{side}, over {base}",
                ratios(figures[side], figures[base]),
                None if side == _READ else goal,
            )
            for side, base in pairs
        ],
    )


def _appending(count: int, arguments: FieldTable | None = None) -> Callable[[], object]:
    channel = open_channel(arguments)
    return lambda: fill(channel, count)


def _consuming(
    count: int, arguments: FieldTable | None = None, where: FieldTable | None = None
) -> Callable[[], object]:
    channel = open_channel(arguments)
    fill(channel, count)
    return lambda: _consume(channel, count, where)


def _consume(channel: leveret.Channel, count: int, where: FieldTable | None) -> None:
    taken = 0
    acknowledge = channel.basic_ack

    def handle(_: object, method: leveret.Deliver, *__: object) -> None:
        nonlocal taken
        taken += 1
        acknowledge(method.delivery_tag)

    channel.basic_qos(prefetch_count=_PREFETCH)
    channel.basic_consume(QUEUE, handle, arguments=where)
    assert taken == count


def _kept(folder: str, arguments: FieldTable | None) -> tuple[Broker, leveret.Channel]:
    broker = Broker(data=tempfile.mkdtemp(dir=folder))
    return broker, open_channel(arguments, broker)


def _fill_kept(broker: Broker, channel: leveret.Channel, count: int) -> None:
    persistent = Properties(delivery_mode=2)
    for number in range(count):
        channel.basic_publish(EXCHANGE, KEY, BODY, persistent)
        if number % _COMMIT == _COMMIT - 1:
            broker.flush()
    broker.flush()


def _keeping(count: int, folder: str, arguments: FieldTable | None = None) -> Callable[[], object]:
    broker, channel = _kept(folder, arguments)
    return lambda: _fill_kept(broker, channel, count)


def _reading(count: int, folder: str) -> Callable[[], object]:
    broker, channel = _kept(folder, _STREAM)
    _fill_kept(broker, channel, count)
    broker.virtual_hosts["/"].queues[QUEUE].page_out(0)
    return lambda: _consume(channel, count, _FIRST)
