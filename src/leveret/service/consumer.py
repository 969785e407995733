"""A consumer as threads see it: deliveries one after the other, in a loop."""

from __future__ import annotations

from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Self

from leveret.service.consuming import Subscription
from leveret.service.ordering import OrderedSubscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leveret.errors import LeveretError
    from leveret.properties import FieldTable
    from leveret.service.core import Core
    from leveret.service.delivery import Delivery

__all__ = ["Consumer", "Inbox"]


class Inbox:
    """Deliveries from a subscription, on their way to threads. Any number of threads may take."""

    def __init__(
        self,
        core: Core,
        queue: str,
        make: Callable[..., Delivery],
        prefetch: int,
        auto_ack: bool,
        arguments: FieldTable | None,
    ) -> None:
        self._core = core
        self._line: SimpleQueue[Delivery | None] = SimpleQueue()
        #: Why there are no more deliveries; None while there may be, and where that was asked for.
        self.error: LeveretError | None = None
        kind = OrderedSubscription if core.partitions(queue) else Subscription
        self.subscription = kind(
            core,
            queue,
            make,
            self._line.put,
            self._ended,
            prefetch=prefetch,
            auto_ack=auto_ack,
            arguments=arguments or {},
        )

    def start(self) -> None:
        """Subscribe.

        Raises:
            AMQPError: the broker refuses.

        """
        with self._core.lock:
            self._core.check_open()
            self.subscription.start()

    def _ended(self, error: LeveretError | None) -> None:
        self.error = error
        self._line.put(None)

    def take(self, timeout_s: float | None = None) -> Delivery | None:
        """Return the next delivery, or None at the end, or where none came in time."""
        while True:
            try:
                delivery = self._line.get(timeout=timeout_s)
            except Empty:
                return None
            if delivery is None:
                self._line.put(None)  # for the others who wait, and for the next call
                return None
            if not self.subscription.has_expired:
                return delivery
            with self._core.lock:
                if delivery.settled or delivery._is_held():
                    return delivery

    @property
    def in_hands(self) -> int:
        """How many deliveries were taken and are not settled; to be read under the lock."""
        return max(self.subscription.held - self._line.qsize(), 0)

    def close(self) -> None:
        """Take no more; what nobody took goes back to its queue."""
        with self._core.lock:
            self.subscription.cancel()
            self.give_back()

    def give_back(self) -> None:
        """Give back what nobody took; called under the lock."""
        while True:
            try:
                delivery = self._line.get_nowait()
            except Empty:
                break
            if delivery is not None:
                delivery._give_back()
        self._line.put(None)


class Consumer:
    """Deliveries of one queue, to be looped over; a context manager that closes.

    The loop ends when the consumer is closed, and, where there is a timeout, when nothing came for
    so long. What was taken out of the loop stays the caller's to settle.
    """

    def __init__(self, inbox: Inbox, timeout_s: float | None) -> None:
        self._inbox = inbox
        self._timeout_s = timeout_s
        inbox.start()

    def __iter__(self) -> Iterator[Delivery]:
        """Yield deliveries. Leaving the loop closes the consumer.

        Raises:
            ConsumerCancelledError: the queue is gone.

        """
        try:
            while (delivery := self._inbox.take(self._timeout_s)) is not None:
                yield delivery
            if self._inbox.error is not None:
                raise self._inbox.error
        finally:
            self.close()

    def close(self) -> None:
        """Take no more; what was delivered and not taken out of the loop goes back."""
        self._inbox.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
