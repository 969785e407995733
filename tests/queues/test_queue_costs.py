"""What operations cost in a short queue and in a long one: counted in steps, not timed.

A step is a line of Python that is run, and, where a sorted structure works, a comparison. A cost
that grows with the length, be it only a little, shows at once between a thousand and a million.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any, Self, cast

import pytest
from attrs import define, field

from leveret.properties import Properties
from leveret.queues import Consumer, Message, Queue, QueuedMessage, QueueSettings
from leveret.queues.ready import FifoReady, PriorityReady, Ready

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.queues import AnyMessage, QueuedRun

OF_NO_QUEUE = cast("Queue", None)

PLAIN = Message("", "q", Properties(), b"x" * 100)


@define
class Lines:
    """Counts the lines of Python that run within a `with`."""

    count: int = 0
    _before: Any = None

    def __enter__(self) -> Self:
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def _trace(self, frame: object, event: str, argument: object) -> Any:
        self.count += event == "line"
        return self._trace

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)


@define(eq=False)
class Nowhere:
    """A host that forgets what it is told."""

    tick = None
    mark_gap_s = 0.0

    def now_ms(self) -> int:
        return 1_000_000

    def describe(self, kind: str, name: str) -> str:
        return f"{kind} '{name}'"

    def call_at(self, deadline_ms: int, call: Callable[[], None]) -> None:
        return

    def soon(self, call: Callable[[], None]) -> None:
        call()

    def message_died(self, queue: Queue, message: AnyMessage, reason: str) -> None:
        return

    def duplicate_dropped(self, queue: Queue, message: AnyMessage) -> None:
        raise NotImplementedError

    def queue_ended(self, queue: Queue, reason: str) -> None:
        return


@define(eq=False)
class Taker:
    """A channel that keeps what it gets."""

    taken: list[QueuedMessage] = field(factory=list)

    def can_receive(self) -> bool:
        return True

    def receive(self, consumer: Consumer, entry: QueuedMessage) -> None:
        consumer.unacked += 1
        entry.consumer = consumer
        self.taken.append(entry)

    def room(self, count: int) -> int:
        return count

    def receive_run(self, consumer: Consumer, queued: QueuedRun) -> None:
        raise AssertionError("nobody publishes runs here")

    def pass_on(self, consumer: Consumer, message: AnyMessage) -> None:
        raise AssertionError("every delivery here is acknowledged")

    def consumer_cancelled(self, consumer: Consumer) -> None:
        raise AssertionError("no queue ends here")


def taken(queue: Queue) -> QueuedMessage:
    entry = queue.get()
    assert entry is not None
    return entry


def steps_of_a_working_life(queue: Queue, message: Message) -> int:
    """Return the lines that run while messages come, go, come back, die and are consumed."""
    channel = Taker()
    consumer = Consumer("c", queue, channel, prefetch=2)
    with Lines() as lines:
        queue.publish(message)
        queue.ack_one(taken(queue))
        first, second, third = taken(queue), taken(queue), taken(queue)
        queue.requeue([second], failed=True)
        queue.requeue([first], failed=True)
        queue.discard([third])
        queue.ack([taken(queue)])
        queue.subscribe(consumer)
        queue.start()
        queue.ack_one(channel.taken.pop(0))
        queue.requeue([channel.taken.pop(0)], failed=True)
        queue.unsubscribe(consumer)
        queue.receiver_left(channel)
        queue.take_back(channel.taken)
        queue.publish(message)
        queue.statistics()
    return lines.count


KINDS: dict[str, tuple[QueueSettings, Message]] = {
    "priorities": (
        QueueSettings(max_priority=10),
        Message("", "q", Properties(priority=4), b"x"),
    ),
    "TTL": (QueueSettings(message_ttl_ms=60_000), PLAIN),
    "expiration": (QueueSettings(), Message("", "q", Properties(expiration="60000"), b"", 60_000)),
    "lease": (QueueSettings(expires_ms=60_000), PLAIN),
    "quorum": (QueueSettings(type="quorum", delivery_limit=20), PLAIN),
    "single active consumer": (QueueSettings(single_active_consumer=True), PLAIN),
}


def filled(settings: QueueSettings, message: Message, length: int) -> Queue:
    queue = Queue("q", Nowhere(), settings)
    for _ in range(length):
        queue.publish(message)
    return queue


def assert_as_cheap(short: int, long: int) -> None:
    """Allow for what a longer sorted structure needs now and then, not for a loop over it."""
    assert long <= 1.5 * short, f"{short} steps in a short queue, {long} in a long one"


def test_the_count_sees_a_loop_over_a_queue() -> None:
    queue = filled(QueueSettings(), PLAIN, 1_000)
    with Lines() as lines:
        queue.check()
    assert lines.count > 1_000


def test_a_plain_queue_of_a_million_costs_what_one_of_a_thousand_does() -> None:
    short, long = (filled(QueueSettings(), PLAIN, length) for length in (1_000, 1_000_000))
    assert len(long.ready) > 900_000
    assert_as_cheap(steps_of_a_working_life(short, PLAIN), steps_of_a_working_life(long, PLAIN))


@pytest.mark.parametrize("kind", KINDS)
def test_no_setting_makes_a_long_queue_dear(kind: str) -> None:
    settings, message = KINDS[kind]
    steps = [
        steps_of_a_working_life(filled(settings, message, length), message)
        for length in (1_000, 50_000)
    ]
    assert_as_cheap(*steps)


@pytest.mark.parametrize("overflow", ["drop-head", "reject-publish", "reject-publish-dlx"])
def test_a_limit_that_acts_on_every_message_costs_the_same_at_any_length(overflow: str) -> None:
    steps = []
    for length in (1_000, 50_000):
        settings = QueueSettings(max_length=length, overflow=overflow)
        queue = filled(settings, PLAIN, length)
        with Lines() as lines:
            for _ in range(10):
                queue.publish(PLAIN)
        assert len(queue.ready) == length
        steps.append(lines.count)
    assert_as_cheap(*steps)


def test_a_queue_of_which_all_was_returned_costs_little_more() -> None:
    steps = []
    for length in (1_000, 50_000):
        queue = filled(QueueSettings(), PLAIN, length)
        queue.requeue([taken(queue) for _ in range(length)], failed=True)
        steps.append(steps_of_a_working_life(queue, PLAIN))
    assert_as_cheap(*steps)


# -- comparisons


class Position(int):
    """A position that counts how often it is compared."""

    compared = 0

    def __lt__(self, other: int) -> bool:
        Position.compared += 1
        return int(self) < other

    def __gt__(self, other: int) -> bool:
        Position.compared += 1
        return int(self) > other


@pytest.mark.parametrize("ready", [FifoReady(), PriorityReady(10)], ids=["FIFO", "priorities"])
def test_coming_back_among_returned_messages_takes_a_logarithm_of_comparisons(
    ready: Ready,
) -> None:
    length = 100_000
    for position in range(0, 2 * length, 2):
        ready.put_back(QueuedMessage(PLAIN, OF_NO_QUEUE, position))
    for place in (0.01, 0.3, 0.5, 0.99):
        Position.compared = 0
        between = Position(2 * int(place * length) + 1)
        ready.put_back(QueuedMessage(PLAIN, OF_NO_QUEUE, between))
        assert 0 < Position.compared <= 2 * math.log2(length) + 4
    Position.compared = 0
    head = ready.pop()
    assert head is not None
    assert head.position == 0
    assert Position.compared == 0


def test_a_message_that_was_never_returned_is_compared_with_none() -> None:
    ready = FifoReady()
    for position in range(10_000):
        ready.push(QueuedMessage(PLAIN, OF_NO_QUEUE, Position(position)))
    Position.compared = 0
    while ready.pop() is not None:
        pass
    assert Position.compared == 0
