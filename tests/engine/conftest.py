"""A broker on a clock that a test moves, with the steps tests take again and again.

Every broker made here is checked when its test is over.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from attrs import define, field, frozen

from leveret import Broker, Channel, ManualClock, Properties
from leveret.errors import AMQPError, ChannelWrongStateError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.engine.methods import Deliver, Return

#: AMQP 0-9-1's reply codes, and which of them close the whole connection.
NAMES = {
    403: "ACCESS_REFUSED",
    404: "NOT_FOUND",
    405: "RESOURCE_LOCKED",
    406: "PRECONDITION_FAILED",
    502: "SYNTAX_ERROR",
    503: "COMMAND_INVALID",
    530: "NOT_ALLOWED",
    540: "NOT_IMPLEMENTED",
    541: "INTERNAL_ERROR",
}

#: Method -> (class id, method id), from the specification's XML.
METHOD_IDS = {
    "channel.flow": (20, 20),
    "exchange.declare": (40, 10),
    "exchange.delete": (40, 20),
    "exchange.bind": (40, 30),
    "exchange.unbind": (40, 40),
    "queue.declare": (50, 10),
    "queue.bind": (50, 20),
    "queue.purge": (50, 30),
    "queue.delete": (50, 40),
    "queue.unbind": (50, 50),
    "basic.qos": (60, 10),
    "basic.consume": (60, 20),
    "basic.publish": (60, 40),
    "basic.get": (60, 70),
    "basic.ack": (60, 80),
    "basic.reject": (60, 90),
    "basic.recover": (60, 110),
    "basic.nack": (60, 120),
    "confirm.select": (85, 10),
    "tx.select": (90, 10),
    "tx.commit": (90, 20),
    "tx.rollback": (90, 30),
}


@frozen
class Got:
    """One message from basic.get, its body as text."""

    tag: int
    redelivered: bool
    exchange: str
    routing_key: str
    left: int
    properties: Properties
    body: str

    @property
    def headers(self) -> dict[str, Any]:
        """The headers table, empty where there is none."""
        return self.properties.headers or {}


@define
class Inbox:
    """What consumers were given and not yet looked at by the test, in order."""

    # (consumer tag, delivery tag, body, redelivered)
    deliveries: list[tuple[str, int, str, bool]] = field(factory=list)
    properties: list[Properties] = field(factory=list)

    def __call__(
        self, channel: Channel, method: Deliver, properties: Properties, body: bytes
    ) -> None:
        self.deliveries.append(
            (method.consumer_tag, method.delivery_tag, body.decode(), method.redelivered)
        )
        self.properties.append(properties)

    def take(self) -> list[str]:
        """Return `consumer:body` of what came since the last look, a `*` where redelivered."""
        taken = [f"{tag}:{body}{'*' * again}" for tag, _, body, again in self.deliveries]
        self.deliveries.clear()
        return taken


class Rig(Broker):
    """A broker whose time a test moves, and what a test wants to say in one line."""

    def advance(self, seconds: float = 0, *, ms: int = 0) -> None:
        """Move time on."""
        assert isinstance(self.clock, ManualClock)
        self.clock.advance(seconds, ms=ms)

    def put(self, queue: str, *bodies: str, **properties: Any) -> None:
        """Publish bodies to a queue through the default exchange."""
        for body in bodies:
            self.basic_publish("", queue, body, Properties(**properties))

    def try_get(self, channel: Channel, queue: str, auto_ack: bool = False) -> Got | None:
        """Take one message, or None."""
        method, properties, body = channel.basic_get(queue, auto_ack)
        if method is None:
            return None
        assert properties is not None
        assert body is not None
        return Got(
            method.delivery_tag,
            method.redelivered,
            method.exchange,
            method.routing_key,
            method.message_count,
            properties,
            body.decode(),
        )

    def get(self, channel: Channel, queue: str, auto_ack: bool = False) -> Got:
        """Take one message, which must be there."""
        got = self.try_get(channel, queue, auto_ack)
        assert got is not None, f"{queue} is empty"
        return got

    def take(self, channel: Channel, queue: str, count: int) -> list[int]:
        """Take messages without acknowledging them; return their delivery tags."""
        return [self.get(channel, queue).tag for _ in range(count)]

    def drained(self, queue: str) -> list[Got]:
        """Take out all that is ready, for good."""
        channel, taken = self.channel(), []
        while (got := self.try_get(channel, queue, auto_ack=True)) is not None:
            taken.append(got)
        return taken

    def drain(self, queue: str) -> list[str]:
        """Take out all that is ready, for good; return bodies, a `*` where redelivered."""
        return [got.body + "*" * got.redelivered for got in self.drained(queue)]

    def depth(self, queue: str) -> int:
        """Return how many messages are ready."""
        return self.queue_declare(queue, passive=True).message_count

    def exists(self, queue: str) -> bool:
        """Say whether there is such a queue, without renewing its lease."""
        return queue in self.virtual_hosts["/"].queues

    def consume(
        self, channel: Channel, queue: str, tag: str, inbox: Inbox | None = None, **options: Any
    ) -> Inbox:
        """Start a consumer; return where its deliveries come to."""
        inbox = Inbox() if inbox is None else inbox
        channel.basic_consume(queue, inbox, consumer_tag=tag, **options)
        return inbox

    def stream(self, count: int = 0, **arguments: Any) -> None:
        """Declare the stream `s`, and publish `count` messages to it: m0, m1 and so on."""
        more = {f"x-{name.replace('_', '-')}": value for name, value in arguments.items()}
        self.queue_declare("s", durable=True, arguments={"x-queue-type": "stream"} | more)
        self.put("s", *(f"m{n}" for n in range(count)))

    def put_long(self, first: int, count: int) -> None:
        """Publish numbers to the stream `s`, each of which counts 100 bytes in a segment."""
        self.put("s", *(f"{n:<36}" for n in range(first, first + count)))

    def returns(self, channel: Channel) -> list[tuple[int, str, str, str, str]]:
        """Return the list that a channel's basic.return will be noted in."""
        noted: list[tuple[int, str, str, str, str]] = []

        def note(_: Channel, method: Return, __: Properties, body: bytes) -> None:
            noted.append(
                (
                    method.reply_code,
                    method.reply_text,
                    method.exchange,
                    method.routing_key,
                    body.decode(),
                )
            )

        channel.add_on_return_callback(note)
        return noted

    @contextmanager
    def refusing(self, channel: Channel, code: int, text: str, method: str) -> Iterator[None]:
        """Expect what is done on `channel` inside to be refused with exactly this.

        Soft codes must close the channel alone, hard ones its connection too.
        """
        with pytest.raises(AMQPError) as caught:
            yield
        error = caught.value
        assert error.reply_text == f"{NAMES[code]} - {text}"
        assert (error.reply_code, error.method_name) == (code, method)
        assert (error.class_id, error.method_id) == METHOD_IDS[method]
        assert not channel.is_open
        assert channel.connection.is_open is (code < 500)
        with pytest.raises(ChannelWrongStateError):
            channel.basic_qos()


class Make(Protocol):
    """Makes a broker of a profile."""

    def __call__(self, profile: str = "4.2", **options: Any) -> Rig: ...


@pytest.fixture
def make() -> Iterator[Make]:
    """Make brokers, all of which are checked at the end."""
    made: list[Rig] = []

    def make_one(profile: str = "4.2", **options: Any) -> Rig:
        made.append(Rig(profile, ManualClock(), seed=1, **options))
        return made[-1]

    yield make_one
    for broker in made:
        broker.check()


@pytest.fixture(params=["3.10", "4.2"])
def broker(make: Make, request: pytest.FixtureRequest) -> Rig:
    """Return a broker of the profile compared with a live RabbitMQ, and one of the default's."""
    profile: str = request.param
    return make(profile)


@pytest.fixture
def old_broker(make: Make) -> Rig:
    """Return a broker of the profile that was compared with a live RabbitMQ 3.10.8."""
    return make("3.10")


@pytest.fixture
def channel(broker: Rig) -> Channel:
    """Return a channel of the broker's."""
    return broker.channel()
