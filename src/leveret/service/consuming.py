"""Consuming for both faces: a subscription with a channel of its own, and one message at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from attrs import define, field

from leveret.errors import LeveretError
from leveret.service.errors import ConsumerCancelledError, ServiceClosedError
from leveret.service.listening import SilentListener
from leveret.service.received import Received
from leveret.service.waiting import Operation

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.engine import Channel
    from leveret.errors import AMQPError
    from leveret.properties import FieldTable
    from leveret.queues import AnyMessage
    from leveret.service.core import Core

__all__ = ["Getting", "Source", "Subscription"]

D = TypeVar("D", bound=Received)


class Source(Protocol):
    """Where a delivery came from."""

    @property
    def channel(self) -> Channel:
        """The channel that holds it."""
        ...

    def settled(self) -> None:
        """Take note that one of its deliveries was settled."""
        ...


@define(eq=False, repr=False)
class Subscription(SilentListener, Generic[D]):
    """A consumer of one queue. Everything is called under the lock.

    `delivered_to` is given each delivery, made with `make`; `ended` is told why there will be no
    more (None: as was asked). Neither may call the broker.
    """

    core: Core
    queue: str
    make: Callable[[AnyMessage, Source, int, bool, str], D]
    delivered_to: Callable[[D], object]
    ended: Callable[[LeveretError | None], object] = lambda error: None
    prefetch: int = 0
    auto_ack: bool = False
    arguments: FieldTable = field(factory=dict)
    channel: Channel = field(init=False)
    _tag: str = field(default="", init=False)
    _cancelled: bool = field(default=False, init=False)
    #: Deliveries that are not settled.
    held: int = field(default=0, init=False)
    #: Whether a delivery was ever taken back, since its visibility timeout was over.
    has_expired: bool = field(default=False, init=False)

    def start(self) -> None:
        """Subscribe; deliveries may come before this returns.

        Raises:
            AMQPError: the broker refuses, as where there is no such queue.

        """
        self.channel = self.core.connection.channel(listener=self)
        try:
            self.channel.basic_qos(prefetch_count=self.prefetch)
            self._tag = self.channel.basic_consume(
                self.queue, auto_ack=self.auto_ack, arguments=self.arguments
            )
        except LeveretError:
            self._cancelled = True
            self.channel.close()
            raise
        self.core.subscriptions[self] = None

    def cancel(self) -> None:
        """Take no more; what was delivered may still be settled, and the channel ends with it."""
        if self._cancelled:
            return
        self._cancelled = True
        self.channel.basic_cancel(self._tag)
        self._end(None)
        self._close_if_idle()

    def close(self) -> None:
        """Take no more, and give back what is not settled."""
        self._cancelled = True
        self._end(None)
        if not self.channel.closed:
            self.channel.close()

    def settled(self) -> None:
        """Take note that a delivery was settled."""
        self.held -= 1
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        if self._cancelled and self.held <= 0 and not self.channel.closed:
            self.channel.close()

    def _end(self, error: LeveretError | None) -> None:
        if self in self.core.subscriptions:
            del self.core.subscriptions[self]
            self.ended(error)

    # -- what the channel tells

    def delivered(
        self, consumer_tag: str, delivery_tag: int, redelivered: bool, message: AnyMessage
    ) -> None:
        """Hand a delivery on."""
        delivery = self.make(message, self, delivery_tag, redelivered, self.queue)
        if self.auto_ack:
            delivery.settled = "acked"
        else:
            self.held += 1
        self.delivered_to(delivery)

    def expired(self, delivery_tag: int) -> None:
        """Hear that a delivery is held no more."""
        self.has_expired = True
        self.held -= 1
        self.core.connection.broker.work.append(self._close_if_idle)

    def consumer_cancelled(self, consumer_tag: str) -> None:
        """Hear that the queue is gone."""
        self._cancelled = True
        self._end(ConsumerCancelledError(f"queue '{self.queue}' was deleted"))

    def closed(self, error: AMQPError | None) -> None:
        """Hear that the channel was closed: for a consumer's timeout, or with its virtual host."""
        self._cancelled = True
        why = str(error) if error is not None else "the service was closed"
        kind = ConsumerCancelledError if error is not None else ServiceClosedError
        self._end(kind(f"queue '{self.queue}' is not consumed from any more: {why}"))


@define(eq=False, repr=False)
class Getting(Operation, Generic[D]):
    """Waits for one message of a queue."""

    subscription: Subscription[D] = field(init=False)
    delivery: D | None = field(default=None, init=False)

    def got(self, delivery: D) -> None:
        """Take what was waited for."""
        self.delivery = delivery
        self.broker.work.append(self.subscription.cancel)
        self.finish()

    def timeout_error(self, timeout_ms: int) -> None:
        """End well: there is none."""

    def cancel(self) -> None:
        """Wait no longer; a message that came meanwhile goes back."""
        delivery, self.delivery = self.delivery, None
        if delivery is not None:
            delivery._give_back()
        self.subscription.close()
