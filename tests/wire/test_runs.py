"""Messages that come many at a time fare as if each had come alone, whatever is done with them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from pika import spec
from raw_amqp.frames import content, lines, method
from raw_amqp.peers import InMemoryPeer

from leveret import Broker, ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable

B, Ch, E, Q = spec.Basic, spec.Channel, spec.Exchange, spec.Queue

#: queue -> its arguments, and the keys it is bound with
QUEUES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "plain": ({}, ("a.*",)),
    "both": ({}, ("a.*", "b.*")),
    "limited": (
        {"x-max-length": 7, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"},
        ("b.1",),
    ),
    "refusing": ({"x-max-length": 4, "x-overflow": "reject-publish"}, ("b.2",)),
    "fading": ({"x-message-ttl": 50}, ("c",)),
    "ranked": ({"x-max-priority": 3}, ("c",)),
    "dead": ({}, ()),
}
KEYS = ("a.1", "a.2", "b.1", "b.2", "c", "none")
#: Channels on the consumer's connection; the first has the publisher's number.
CHANNELS = (1, 2, 3)

PROPERTIES = st.sampled_from(
    [
        {},
        {},
        {},
        {"delivery_mode": 2},
        {"message_id": "a"},
        {"message_id": "b" * 20, "headers": {"n": 1}},
        {"priority": 2},
        {"expiration": "20"},
        {"headers": {"CC": ["b.1"]}},
    ]
)
#: What a message is: key, size, properties, mandatory.
MESSAGES = st.tuples(
    st.sampled_from(KEYS), st.sampled_from([0, 1, 16, 90, 5000, 17_000]), PROPERTIES, st.booleans()
)
#: Some alike, then some others.
BATCHES = st.lists(st.tuples(MESSAGES, st.integers(1, 12)), min_size=1, max_size=4)
NUMBERS = st.sampled_from(CHANNELS)
COUNTS = st.integers(0, 9)


#: Channel, consumer tag (but for basic.get), delivery tag.
_DELIVERY = re.compile(r"(\d) basic\.(?:get-ok|deliver consumer_tag='([^']*)') delivery_tag=(\d+)")


@define(eq=False)
class Scene:
    """A publisher, and a consumer's connection; batches are sent at once or message by message."""

    together: bool
    broker: Broker = field(factory=lambda: Broker(clock=ManualClock(), seed=1))
    publisher: InMemoryPeer = field(init=False)
    consumer: InMemoryPeer = field(init=False)
    # channel -> what came on it
    heard: dict[int, list[str]] = field(factory=lambda: {number: [] for number in CHANNELS})
    # channel -> tags delivered and not settled
    held: dict[int, list[int]] = field(factory=lambda: {number: [] for number in CHANNELS})
    # publisher's sequence number -> whether it was acked
    confirmed: dict[int, bool] = field(factory=dict)
    returned: list[str] = field(factory=list)
    published: int = 0
    subscribed: int = 0
    no_ack: set[str] = field(factory=set)
    # consumer tag -> its channel
    tags: dict[str, int] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.publisher = InMemoryPeer(self.broker)
        self.publisher.login(channels=(1,))
        self.consumer = InMemoryPeer(self.broker)
        self.consumer.login(channels=CHANNELS)
        self.publisher.call(1, E.Declare(exchange="x", type="topic"))
        for queue, (arguments, keys) in QUEUES.items():
            self.publisher.call(1, Q.Declare(queue=queue, durable=True, arguments=arguments))
            for key in keys:
                self.publisher.call(1, Q.Bind(queue=queue, exchange="x", routing_key=key))
        self.publisher.call(1, spec.Confirm.Select())

    def publish(self, batch: list[tuple[Any, int]]) -> None:
        pieces = []
        for (key, size, properties, mandatory), count in batch:
            for _ in range(count):
                self.published += 1
                body = (b"%d." % self.published).ljust(size, b"x")[: max(size, 0)]
                pieces.append(content(1, body, "x", key, mandatory=mandatory, **properties))
        self.send(self.publisher, pieces)
        for line in lines(self.publisher.frames()):
            if found := re.match(r"1 basic\.(ack|nack) delivery_tag=(\d+) multiple=(\w+)", line):
                upto, good = int(found[2]), found[1] == "ack"
                first = 1 if found[3] == "True" else upto
                for sequence in range(first, upto + 1):
                    self.confirmed.setdefault(sequence, good)
            else:
                self.returned.append(line)
        self.listen()

    def send(self, peer: InMemoryPeer, pieces: list[bytes]) -> None:
        if self.together:
            peer.send(b"".join(pieces))
        else:
            for piece in pieces:
                peer.send(piece)

    def listen(self) -> None:
        for frame in self.consumer.frames():
            (line,) = lines([frame])
            if found := _DELIVERY.match(line):
                number, consumer, tag = found.groups()
                if consumer not in self.no_ack:
                    self.held[int(number)].append(int(tag))
            self.heard[frame.channel].append(line)

    def call(self, number: int, *calls: Any) -> None:
        self.send(self.consumer, [method(number, call) for call in calls])
        self.listen()

    def consume(self, number: int, queue: str, prefetch: int, no_ack: bool) -> None:
        tag = f"{queue}-{self.subscribed}"
        # One queue for each channel, so that what is heard there has one order.
        if any(n == number and not t.startswith(queue) for t, n in self.tags.items()):
            return
        self.subscribed += 1
        self.tags[tag] = number
        if no_ack:
            self.no_ack.add(tag)
        self.call(
            number,
            B.Qos(0, prefetch, False),
            B.Consume(queue=queue, consumer_tag=tag, no_ack=no_ack),
        )

    def settle(self, number: int, skip: int, count: int, how: str) -> None:
        held = self.held[number]
        taken = held[skip : skip + count]
        if not taken:
            return
        if how == "ack each":
            self.held[number] = held[:skip] + held[skip + count :]
            self.call(number, *(B.Ack(tag, False) for tag in taken))
        elif how in ("reject", "requeue"):
            self.held[number] = held[:skip] + held[skip + count :]
            self.call(number, *(B.Reject(tag, how == "requeue") for tag in taken))
        else:
            self.held[number] = held[skip + count :]
            last = taken[-1]
            ack = how == "ack multiple"
            self.call(number, B.Ack(last, True) if ack else B.Nack(last, True, True))

    def cancel(self, number: int) -> None:
        for tag, its_channel in list(self.tags.items()):
            if its_channel == number:
                self.call(number, B.Cancel(tag))

    def reopen(self, number: int) -> None:
        self.held[number].clear()
        self.tags = {tag: n for tag, n in self.tags.items() if n != number}
        self.call(number, Ch.Close(200, "", 0, 0), Ch.Open())

    def advance(self, ms: int) -> None:
        assert isinstance(self.broker.clock, ManualClock)
        self.broker.clock.advance(ms=ms)
        self.listen()

    def outcome(self) -> dict[str, Any]:
        self.broker.check()
        statistics = self.broker.statistics()
        return {
            "heard": self.heard,
            "confirmed": self.confirmed,
            "returned": self.returned,
            "statistics": statistics,
        }


STEPS: st.SearchStrategy[Callable[[Scene], None]] = st.one_of(
    BATCHES.map(lambda batch: lambda scene: scene.publish(batch)),
    BATCHES.map(lambda batch: lambda scene: scene.publish(batch)),
    st.tuples(
        NUMBERS, st.sampled_from(list(QUEUES)), st.sampled_from([0, 1, 3, 8]), st.booleans()
    ).map(lambda how: lambda scene: scene.consume(*how)),
    st.tuples(
        NUMBERS,
        st.sampled_from([0, 0, 0, 1, 4]),
        st.integers(1, 9),
        st.sampled_from(["ack each", "ack each", "ack multiple", "reject", "requeue", "nack"]),
    ).map(lambda how: lambda scene: scene.settle(*how)),
    st.tuples(NUMBERS, st.sampled_from(list(QUEUES))).map(
        lambda how: lambda scene: scene.call(how[0], B.Get(queue=how[1]))
    ),
    NUMBERS.map(lambda number: lambda scene: scene.cancel(number)),
    NUMBERS.map(lambda number: lambda scene: scene.reopen(number)),
    st.sampled_from([10, 30, 60]).map(lambda ms: lambda scene: scene.advance(ms)),
    st.sampled_from(list(QUEUES)).map(lambda q: lambda scene: scene.call(1, Q.Purge(queue=q))),
    st.tuples(NUMBERS, st.sampled_from([0, 3])).map(
        lambda how: lambda scene: scene.call(how[0], B.Qos(0, how[1], True))
    ),
)


@settings(deadline=None)
@given(st.lists(STEPS, min_size=3, max_size=25))
def test_a_batch_does_what_its_messages_do_one_by_one(steps: list[Callable[[Scene], None]]) -> None:
    together, alone = Scene(together=True), Scene(together=False)
    for step in steps:
        step(together)
        step(alone)
    assert together.outcome() == alone.outcome()
