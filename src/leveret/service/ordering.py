"""A partitioned queue in order: one message of each part at a time, while parts change hands.

A part has a single active consumer, and each worker subscribes to all parts. What keeps the order
beyond that is done here, and rests on three rules. A part's next message is begun when its last is
handled and settled, whoever settled it. A message that is to be tried again stays in hand, so that
its part waits; no thread or task does. And a worker that stops lets go of a part by closing the
part's channel, once its handler has ended: the broker then returns what was delivered and not begun
to its place in the queue before the next consumer becomes the active one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from attrs import define, field

from leveret.service.consuming import Subscription
from leveret.service.received import Received

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.engine.virtual_host import VirtualHost
    from leveret.errors import LeveretError
    from leveret.properties import FieldTable
    from leveret.queues import AnyMessage
    from leveret.service.core import Core

__all__ = ["OrderedSubscription", "Part", "part_of", "partitions"]

D = TypeVar("D", bound=Received)


def partitions(host: VirtualHost, name: str) -> tuple[str, ...]:
    """Return the parts of a partitioned queue, in order; () where `name` is none.

    It is a consistent-hash exchange without a queue of its name, to which queues are bound that
    are called like it, numbered from 1.
    """
    exchange = host.exchanges.get(name)
    if exchange is None or exchange.type != "x-consistent-hash" or name in host.queues:
        return ()
    queues = {one.destination for one in exchange.bindings if one.destination_type == "queue"}
    names = tuple(f"{name}.{number}" for number in range(1, len(queues) + 1))
    return names if queues == set(names) else ()


@define(eq=False, repr=False)
class Part(Subscription[D]):
    """The subscription of one part. Everything is called under the lock."""

    #: The delivery that is handed on, at work, or waits to be tried again.
    current: D | None = field(default=None, init=False)
    #: Delivered meanwhile: it is next.
    _next: D | None = field(default=None, init=False)
    _at_work: bool = field(default=False, init=False)
    _waits: bool = field(default=False, init=False)
    _draining: bool = field(default=False, init=False)

    def delivered(
        self, consumer_tag: str, delivery_tag: int, redelivered: bool, message: AnyMessage
    ) -> None:
        """Hand a delivery on, unless one is in hand."""
        if self._draining:
            return  # it goes back with the channel
        delivery = self.make(message, self, delivery_tag, redelivered, self.queue)
        self.held += 1
        if self.current is None:
            self._hand_on(delivery)
        else:
            self._next = delivery

    def _hand_on(self, delivery: D) -> None:
        self.current = delivery
        self.delivered_to(delivery)

    def expired(self, delivery_tag: int) -> None:
        """Hear that a delivery is held no more; what nobody has begun with is passed over."""
        super().expired(delivery_tag)
        self.core.broker.work.append(self._pass_over)

    def _pass_over(self) -> None:
        current = self.current
        if current is not None and not (self._at_work or self._waits or self._is_held(current)):
            self._go_on()

    def begin(self, delivery: Received) -> bool:
        """Have a handler begin; False where the message is not in hand any more."""
        if delivery is not self.current or delivery.settled:
            return False
        if not self._is_held(delivery):
            self._go_on()
            return False
        self._at_work = True
        return True

    def done(self, delivery: Received) -> None:
        """Take note that the handler has ended, and the delivery is settled, or waits."""
        if delivery is not self.current:
            return
        self._at_work = False
        if not self._waits or self._draining:
            self._go_on()

    def again(self, delivery: Received, message: AnyMessage, due_ms: int) -> None:
        """Keep a message in hand, as it is to go on, and hand it on again at a time."""
        delivery.message = message
        self.channel.replace_held(delivery.delivery_tag, message)
        self._waits = True
        self.core.broker.timers.call_at(due_ms, partial(self._due, delivery))

    def _due(self, delivery: Received) -> None:
        current = self.current
        if current is None or current is not delivery or not self._waits:
            return
        self._waits = False
        if self._is_held(current):
            self.delivered_to(current)
        else:
            self._go_on()

    def _is_held(self, delivery: Received) -> bool:
        return not self.channel.closed and self.channel.is_held(delivery.delivery_tag)

    def _go_on(self) -> None:
        """Hand on the next delivery, or let go of the part."""
        self.current, self._waits = None, False
        following = self._next
        self._next = None
        if self._draining:
            if not self.channel.closed:
                self.channel.close()
        elif following is not None and self._is_held(following):
            self._hand_on(following)

    def drain(self) -> None:
        """Take no more, and let go of the part once no handler is at work on it."""
        if self._draining or self._cancelled:
            return
        self._draining = self._cancelled = True
        self.core.subscriptions.pop(self, None)
        if self._at_work:
            return
        for delivery in (self.current, self._next):
            if delivery is not None and not delivery.settled:
                delivery.settled = "requeued"
        self._go_on()

    def _close_if_idle(self) -> None:
        """Wait for `done`: a handler may have settled, and be at work still."""


def part_of(delivery: Received) -> Part[Any] | None:
    """Return the part of a partitioned queue that a delivery is of; None where it is of none."""
    source = delivery._source
    return source if isinstance(source, Part) else None


@define(eq=False, repr=False)
class OrderedSubscription(Generic[D]):
    """What `Subscription` is for a queue, for all parts of a partitioned one."""

    core: Core
    queue: str
    make: Callable[..., D]
    delivered_to: Callable[[D], object]
    ended: Callable[[LeveretError | None], object] = lambda error: None
    prefetch: int = 0
    auto_ack: bool = False
    arguments: FieldTable = field(factory=dict)
    _parts: list[Part[D]] = field(factory=list, init=False)
    _over: bool = field(default=False, init=False)

    def start(self) -> None:
        """Subscribe to every part; deliveries may come before this returns.

        Raises:
            AMQPError: the broker refuses.

        """
        for name in partitions(self.core.connection.virtual_host, self.queue):
            part: Part[D] = Part(
                self.core,
                name,
                self.make,
                self.delivered_to,
                self._part_ended,
                prefetch=1,
                arguments=self.arguments,
            )
            self._parts.append(part)
            part.start()

    @property
    def held(self) -> int:
        """How many deliveries are not settled."""
        return sum(part.held for part in self._parts)

    @property
    def has_expired(self) -> bool:
        """Whether a delivery was ever taken back, since its visibility timeout was over."""
        return any(part.has_expired for part in self._parts)

    def cancel(self) -> None:
        """Take no more; parts with a handler at work are let go of when it has ended."""
        for part in self._parts:
            part.drain()
        self._part_ended(None)

    def _part_ended(self, error: LeveretError | None) -> None:
        if not self._over:
            self._over = True
            self.ended(error)
