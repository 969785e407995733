"""Whose turn it is, against a naive model of RabbitMQ's `rabbit_queue_consumers`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from leveret.queues import Consumer
from leveret.queues.consumers import Consumers

if TYPE_CHECKING:
    from leveret.queues import AnyMessage, Queue, QueuedMessage, QueuedRun

OF_NO_QUEUE = cast("Queue", None)


@define(eq=False)
class Channel:
    """A channel that can be held back as a whole."""

    name: int
    open: bool = True

    def can_receive(self) -> bool:
        return self.open

    def receive(self, consumer: Consumer, entry: QueuedMessage) -> None:
        raise AssertionError("nobody delivers here")

    def room(self, count: int) -> int:
        return count

    def receive_run(self, consumer: Consumer, queued: QueuedRun) -> None:
        raise AssertionError("nobody delivers here")

    def pass_on(self, consumer: Consumer, message: AnyMessage) -> None:
        raise AssertionError("nobody delivers here")

    def consumer_cancelled(self, consumer: Consumer) -> None:
        raise AssertionError("no queue ends here")


@define
class NaiveConsumers:
    """Two lists. The first able one of the highest priority is served and goes to the end.

    One that is not able when its turn comes leaves the line; when its channel is looked at again,
    those of it that are able now enter at the end, in the order in which they left.
    """

    line: list[Consumer] = field(factory=list)
    blocked: list[Consumer] = field(factory=list)

    def next(self) -> Consumer | None:
        while self.line:
            highest = max(consumer.priority for consumer in self.line)
            consumer = next(c for c in self.line if c.priority == highest)
            self.line.remove(consumer)
            if consumer.can_take():
                self.line.append(consumer)
                return consumer
            self.blocked.append(consumer)
        return None

    def unblock(self, channel: Channel) -> bool:
        able = [c for c in self.blocked if c.receiver is channel and c.can_take()]
        for consumer in able:
            self.blocked.remove(consumer)
            self.line.append(consumer)
        return bool(able)

    def remove(self, consumer: Consumer) -> None:
        (self.line if consumer in self.line else self.blocked).remove(consumer)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 2), st.integers(-1, 1), st.integers(0, 2)),
        st.tuples(st.just("next"), st.just(0), st.just(0), st.just(0)),
        st.tuples(st.just("ack"), st.integers(0, 9), st.just(0), st.just(0)),
        st.tuples(st.just("hold"), st.integers(0, 2), st.just(0), st.just(0)),
        st.tuples(st.just("resume"), st.integers(0, 2), st.just(0), st.just(0)),
        st.tuples(st.just("remove"), st.integers(0, 9), st.just(0), st.just(0)),
    ),
    max_size=60,
)


@settings(print_blob=True)
@given(STEPS)
def test_turns_are_those_of_the_naive_model(steps: list[tuple[str, int, int, int]]) -> None:
    """S83: priorities, round robin among equals, and who is blocked lets the next have it."""
    channels = [Channel(name) for name in range(3)]
    consumers, naive = Consumers(), NaiveConsumers()
    for number, (step, which, priority, prefetch) in enumerate(steps):
        there = list(consumers)
        if step == "add":
            new = Consumer(
                f"c{number}",
                OF_NO_QUEUE,
                channels[which],
                no_ack=not prefetch,
                priority=priority,
                prefetch=prefetch,
            )
            consumers.add(new)
            naive.line.append(new)
        elif step == "next":
            served = consumers.next()
            assert served is naive.next()
            if served is not None and not served.no_ack:
                served.unacked += 1
        elif step == "ack" and there:
            acking = there[which % len(there)]
            if acking.unacked:
                acking.unacked -= 1
                channel = cast("Channel", acking.receiver)
                mates = [c for c in there if c.receiver is channel]
                assert consumers.unblock(mates) == naive.unblock(channel)
        elif step == "hold":
            channels[which].open = False
        elif step == "resume":
            channels[which].open = True
            mates = [c for c in there if c.receiver is channels[which]]
            assert consumers.unblock(mates) == naive.unblock(channels[which])
        elif step == "remove" and there:
            leaving = there[which % len(there)]
            consumers.remove(leaving)
            naive.remove(leaving)
        consumers.check()
        assert len(consumers) == len(naive.line) + len(naive.blocked)


def consumer(tag: str, channel: Channel, priority: int = 0, prefetch: int = 0) -> Consumer:
    return Consumer(tag, OF_NO_QUEUE, channel, priority=priority, prefetch=prefetch)


def turns(consumers: Consumers, count: int) -> str:
    """Serve `count` messages; return the tags served, `-` for nobody."""
    tags = ""
    for _ in range(count):
        served = consumers.next()
        tags += served.tag if served else "-"
        if served:
            served.unacked += 1
    return tags


def test_s83_equals_take_turns() -> None:
    consumers, channel = Consumers(), Channel(0)
    for tag in "abc":
        consumers.add(consumer(tag, channel))
    assert turns(consumers, 7) == "abcabca"


def test_s83_a_higher_priority_gets_all_it_can_take_and_then_the_next() -> None:
    consumers, channel = Consumers(), Channel(0)
    consumers.add(consumer("a", channel, priority=1, prefetch=2))
    consumers.add(consumer("b", channel, priority=5, prefetch=2))
    consumers.add(consumer("c", channel, priority=-3, prefetch=2))
    assert turns(consumers, 7) == "bbaacc-"


def test_a_negative_priority_comes_after_none() -> None:
    consumers, channel = Consumers(), Channel(0)
    consumers.add(consumer("a", channel, priority=-1, prefetch=1))
    consumers.add(consumer("b", channel, prefetch=1))
    assert turns(consumers, 3) == "ba-"


def test_those_of_one_channel_come_back_in_the_order_in_which_they_were_blocked() -> None:
    """`rabbit_queue_consumers:unblock` joins the channel's queue of blocked ones to the line."""
    consumers, channel = Consumers(), Channel(0)
    first, second = consumer("a", channel), consumer("b", channel)
    consumers.add(first)
    consumers.add(second)
    assert turns(consumers, 1) == "a"
    channel.open = False
    assert turns(consumers, 1) == "-"  # b is tried first, then a: both are out
    channel.open = True
    assert consumers.unblock([first, second])
    assert turns(consumers, 3) == "bab"


def test_one_that_takes_a_message_again_waits_behind_the_others() -> None:
    consumers, channel = Consumers(), Channel(0)
    first, second = consumer("a", channel, prefetch=1), consumer("b", channel)
    consumers.add(first)
    consumers.add(second)
    assert turns(consumers, 3) == "abb"
    first.unacked = 0
    assert consumers.unblock([first])
    assert turns(consumers, 4) == "babb"


def test_nobody_is_unblocked_who_cannot_take_or_was_not_blocked() -> None:
    consumers, channel = Consumers(), Channel(0)
    only = consumer("a", channel, prefetch=1)
    consumers.add(only)
    assert not consumers.unblock([only])
    assert turns(consumers, 2) == "a-"
    assert not consumers.unblock([only])
    assert consumers.next() is None


def test_who_leaves_gets_no_more_turns_blocked_or_not() -> None:
    consumers, channel = Consumers(), Channel(0)
    first, second = consumer("a", channel, prefetch=1), consumer("b", channel)
    consumers.add(first)
    consumers.add(second)
    assert turns(consumers, 3) == "abb"
    consumers.remove(first)
    consumers.remove(second)
    consumers.check()
    assert len(consumers) == 0
    assert consumers.next() is None
    assert consumers.first() is None
