"""What a feature of a queue costs each message, over the plain path, and what it costs unused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import leveret
from benchmarks import kombu_memory
from benchmarks.brokers import BODY, EXCHANGE, KEY, QUEUE, cycle, fill, open_channel
from benchmarks.measure import Comparison, Goal, Scale, Section, Side, interleave, ratios
from leveret.properties import Properties

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from leveret.properties import FieldTable

__all__ = ["consume", "run", "unused"]

_PLAIN = "plain"
_DEAD = "dead"
_DELAY = "later"
_DEAD_LETTER: FieldTable = {"x-dead-letter-exchange": _DEAD}
_AT_MOST = Goal(at_most=2.5)
_DELAYED = "delayed, through an exchange"
#: Its route is not remembered, a timer is set and fires, and a header is written anew.
_AT_MOST_DELAYED = Goal(at_most=20)
#: Messages that wait all the while, so that lanes, limits and deadlines have something to hold.
_WAITING = 1_000


def run(scale: Scale) -> Section:
    count, waiting = scale.count(50_000), scale.count(_WAITING)
    priorities = [Properties(priority=number) for number in range(10)]
    expiring = [Properties(expiration="600000")]
    ttl: FieldTable = {"x-message-ttl": 600_000}
    sides = [
        Side(_PLAIN, count, lambda: _cycle(count, waiting)),
        Side(
            "priorities, 10 levels",
            count,
            lambda: _cycle(count, waiting, {"x-max-priority": 10}, priorities),
        ),
        Side("TTL of the queue", count, lambda: _cycle(count, waiting, ttl)),
        Side("TTL of each message", count, lambda: _cycle(count, waiting, {}, expiring)),
        Side("limit that drops each", count, lambda: _into_full(count, waiting)),
        Side("dead-letter each, full queue", count, lambda: _dead_letter_when_full(count)),
        Side("dead-letter each, rejected", count, lambda: _dead_letter_when_rejected(count)),
        Side(
            "visibility timeout",
            count,
            lambda: _cycle(count, waiting, {"x-visibility-timeout": 600_000}),
        ),
        Side(_DELAYED, count, lambda: _delayed(count)),
        Side("properties that need no look", count, lambda: _cycle(count, waiting, {}, _idle())),
    ]
    figures = interleave(
        [*sides, *kombu_memory.cycle_sides(scale.count(10_000), BODY)[:1]], scale.rounds
    )
    plain = figures[_PLAIN]
    comparisons = [
        Comparison(f"{side.name}, over plain", ratios(figures[side.name], plain), goal)
        for side in sides[1:]
        for goal in [scale.goal(_AT_MOST_DELAYED if side.name == _DELAYED else _AT_MOST)]
    ]
    if kombu_memory.CHANNEL in figures:
        slowest = max(
            (figures[side.name] for side in sides if side.name != _DELAYED),
            key=lambda figure: 1 / figure.per_second,
        )
        comparisons.append(
            Comparison(
                f"slowest of these but the delayed ({slowest.side}) faster than kombu, plain",
                ratios(figures[kombu_memory.CHANNEL], slowest),
            )
        )
    return Section(
        "Features of queues",
        "message",
        f"Publish, get, ack with {waiting:,} messages waiting. A queue that drops: publish into a"
        " full one, where each drops the head. Dead letters: a queue of length 0 whose dead go to"
        " another, got and acked there; or got, rejected, and got again and acked there. Delayed:"
        " through an x-delayed-message exchange, then the clock moves on, and it is got and acked."
        " kombu's memory transport has none of these features and is shown without.",
        tuple(figures.values()),
        comparisons,
    )


def _idle() -> Sequence[Properties]:
    return [Properties(content_type="application/json", delivery_mode=1, message_id="m")]


def _cycle(
    count: int,
    waiting: int,
    arguments: FieldTable | None = None,
    properties: Sequence[Properties] = (),
) -> Callable[[], object]:
    channel = open_channel(arguments)
    fill(channel, waiting, properties=properties)
    if not properties:
        return cycle(channel, count)
    # `count` properties in turn, without the arithmetic in the loop
    chosen = [properties[number % len(properties)] for number in range(count)]

    def call() -> None:
        publish, get, ack = channel.basic_publish, channel.basic_get, channel.basic_ack
        for each in chosen:
            publish(EXCHANGE, KEY, BODY, each)
            method, _, _ = get(QUEUE)
            assert method is not None
            ack(method.delivery_tag)

    return call


def _delayed(count: int) -> Callable[[], object]:
    clock = leveret.ManualClock()
    channel = open_channel(broker=leveret.Broker(clock=clock))
    channel.exchange_declare(_DELAY, "x-delayed-message", arguments={"x-delayed-type": "direct"})
    channel.queue_bind(QUEUE, _DELAY, KEY)
    in_1_ms = Properties(headers={"x-delay": 1})

    def call() -> None:
        publish, get, ack = channel.basic_publish, channel.basic_get, channel.basic_ack
        for _ in range(count):
            publish(_DELAY, KEY, BODY, in_1_ms)
            clock.advance(ms=1)
            method, _, _ = get(QUEUE)
            assert method is not None
            ack(method.delivery_tag)

    return call


def _into_full(count: int, limit: int) -> Callable[[], object]:
    channel = open_channel({"x-max-length": limit})
    fill(channel, limit)
    return lambda: fill(channel, count)


def _with_dead_letters(arguments: FieldTable) -> leveret.Channel:
    channel = open_channel({**_DEAD_LETTER, **arguments})
    channel.exchange_declare(_DEAD, "direct")
    channel.queue_declare(_DEAD, durable=True)
    channel.queue_bind(_DEAD, _DEAD, KEY)
    return channel


def _dead_letter_when_full(count: int) -> Callable[[], object]:
    channel = _with_dead_letters({"x-max-length": 0})

    def call() -> None:
        publish, get, ack = channel.basic_publish, channel.basic_get, channel.basic_ack
        for _ in range(count):
            publish(EXCHANGE, KEY, BODY)
            method, _, _ = get(_DEAD)
            assert method is not None
            ack(method.delivery_tag)

    return call


def _dead_letter_when_rejected(count: int) -> Callable[[], object]:
    channel = _with_dead_letters({})

    def call() -> None:
        publish, get, ack = channel.basic_publish, channel.basic_get, channel.basic_ack
        reject = channel.basic_reject
        for _ in range(count):
            publish(EXCHANGE, KEY, BODY)
            method, _, _ = get(QUEUE)
            assert method is not None
            reject(method.delivery_tag, requeue=False)
            method, _, _ = get(_DEAD)
            assert method is not None
            ack(method.delivery_tag)

    return call


def unused(scale: Scale) -> Section:
    """Measure the plain path in a broker where every feature is in use, but on other queues."""
    count = scale.count(100_000)
    bare, beside = "plain, in a bare broker", "plain, beside 100 queues that use every feature"
    figures = interleave(
        [
            Side(bare, count, lambda: cycle(open_channel(), count)),
            Side(beside, count, lambda: cycle(open_channel(broker=_busy_broker()), count)),
        ],
        2 * scale.rounds,
    )
    return Section(
        "Features that are not used",
        "message",
        "The plain queue of two brokers; one of them has policies, an alternate exchange, queues"
        " with priorities, TTL, limits, dead letters and timers that run, and had a subscriber to"
        " its events.",
        tuple(figures.values()),
        [
            Comparison(
                "beside used features, over bare",
                ratios(figures[beside], figures[bare]),
                scale.goal(Goal(at_most=1.05)),
            )
        ],
    )


def _busy_broker() -> leveret.Broker:
    broker = leveret.Broker()
    broker.events.subscribe(lambda event: None)()
    channel = broker.channel()
    channel.exchange_declare(_DEAD, "fanout")
    channel.exchange_declare(
        "busy", "topic", arguments={"alternate-exchange": _DEAD}, auto_delete=False
    )
    kinds: Sequence[FieldTable] = (
        {"x-max-priority": 10},
        {"x-message-ttl": 600_000, **_DEAD_LETTER},
        {"x-max-length": 5, **_DEAD_LETTER},
        {"x-expires": 600_000},
        {"x-queue-type": "quorum", "x-delivery-limit": 3},
    )
    for number in range(100):
        name = f"busy{number}"
        channel.queue_declare(name, durable=True, arguments=kinds[number % len(kinds)])
        channel.queue_bind(name, "busy", f"*.{number % 10}.#")
    for number in range(100):
        expiring = Properties(priority=number % 10, expiration="600000")
        channel.basic_publish("busy", f"key.{number % 10}", BODY, expiring)
    return broker


def consume(scale: Scale) -> Section:
    count = scale.count(50_000)
    waiting, backlog = "leveret, a waiting consumer", "leveret, a backlog"
    plain_backlog = "publish all, then get and ack all"
    kombu = "kombu memory, a waiting consumer"
    figures = interleave(
        [
            Side(_PLAIN, count, lambda: cycle(open_channel(), count)),
            Side(plain_backlog, count, lambda: _drain(count)),
            Side(waiting, count, lambda: _consume_as_it_comes(count)),
            Side(backlog, count, lambda: _consume_backlog(count)),
            *kombu_memory.consume_side(scale.count(10_000), BODY, 100),
        ],
        scale.rounds,
    )
    comparisons = [
        Comparison(
            f"{side}, over {base}",
            ratios(figures[side], figures[base]),
            scale.goal(_AT_MOST),
        )
        for side, base in ((waiting, _PLAIN), (backlog, plain_backlog))
    ]
    if kombu in figures:
        comparisons.append(
            Comparison("leveret faster than kombu memory", ratios(figures[kombu], figures[waiting]))
        )
    return Section(
        "Consume with prefetch 100, each message acked in its callback",
        "message",
        "Publish included. Plain: publish, get, ack one by one. A waiting consumer is called as"
        " each message comes; a backlog is published first and taken when somebody subscribes.",
        tuple(figures.values()),
        comparisons,
    )


def _drain(count: int) -> Callable[[], object]:
    channel = open_channel()

    def call() -> None:
        fill(channel, count)
        get, ack = channel.basic_get, channel.basic_ack
        for _ in range(count):
            method, _, _ = get(QUEUE)
            assert method is not None
            ack(method.delivery_tag)

    return call


def _consumer(channel: leveret.Channel) -> Callable[[], object]:
    """Return what subscribes a consumer that acks each message."""
    ack = channel.basic_ack
    channel.basic_qos(prefetch_count=100)
    return lambda: channel.basic_consume(
        QUEUE, lambda _channel, method, _properties, _body: ack(method.delivery_tag)
    )


def _consume_as_it_comes(count: int) -> Callable[[], object]:
    channel = open_channel()
    _consumer(channel)()
    return lambda: fill(channel, count)


def _consume_backlog(count: int) -> Callable[[], object]:
    channel = open_channel()
    subscribe = _consumer(channel)

    def call() -> None:
        fill(channel, count)
        subscribe()
        if channel.statistics().unacked:
            raise AssertionError("messages are left")

    return call
