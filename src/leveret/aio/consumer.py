"""A consumer as coroutines see it: deliveries one after the other, in an `async for`."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Self

from leveret.service.consuming import Subscription
from leveret.service.ordering import OrderedSubscription

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from leveret.aio.delivery import Delivery
    from leveret.errors import LeveretError
    from leveret.properties import FieldTable
    from leveret.service.core import Core

__all__ = ["Consumer", "Inbox"]


class Inbox:
    """Deliveries from a subscription, on their way to tasks. Any number of tasks may take."""

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
        self._line: deque[Delivery] = deque()
        # Tasks that wait for one, in order.
        self._takers: deque[asyncio.Future[None]] = deque()
        self._over = False
        #: Why there are no more deliveries; None while there may be, and where that was asked for.
        self.error: LeveretError | None = None
        kind = OrderedSubscription if core.partitions(queue) else Subscription
        self.subscription = kind(
            core,
            queue,
            make,
            self._came,
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
        self._core.check_open()
        self.subscription.start()

    def _came(self, delivery: Delivery) -> None:
        self._line.append(delivery)
        self._wake(1)

    def _ended(self, error: LeveretError | None) -> None:
        self.error = error
        self._over = True
        self._wake(len(self._takers))

    def _wake(self, count: int) -> None:
        while count and self._takers:
            taker = self._takers.popleft()
            if not taker.done():
                taker.set_result(None)
                count -= 1

    async def take(self, timeout_s: float | None = None) -> Delivery | None:
        """Return the next delivery, or None at the end, or where none came in time."""
        if timeout_s is None:
            return await self._take()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                return await self._take()
        return None

    async def _take(self) -> Delivery | None:
        while (delivery := await self._next()) is not None:
            expired = self.subscription.has_expired and not delivery.settled
            if not expired or delivery._is_held():
                break
        return delivery

    async def _next(self) -> Delivery | None:
        while not self._line:
            if self._over:
                return None
            taker = asyncio.get_running_loop().create_future()
            self._takers.append(taker)
            try:
                await taker
            except asyncio.CancelledError:
                if taker.done() and not taker.cancelled():
                    self._wake(1)  # it was this one's turn, which it does not take
                raise
        return self._line.popleft()

    @property
    def in_hands(self) -> int:
        """How many deliveries were taken and are not settled."""
        return max(self.subscription.held - len(self._line), 0)

    def close(self) -> None:
        """Take no more; what nobody took goes back to its queue."""
        self.subscription.cancel()
        while self._line:
            delivery = self._line.popleft()
            delivery._give_back()


class Consumer:
    """Deliveries of one queue, for `async for`; an async context manager that closes.

    The loop ends when the consumer is closed, and, where there is a timeout, when nothing came for
    so long. What was taken out of the loop stays the caller's to settle.
    """

    def __init__(self, inbox: Inbox, timeout_s: float | None) -> None:
        self._inbox = inbox
        self._timeout_s = timeout_s
        inbox.start()

    async def __aiter__(self) -> AsyncIterator[Delivery]:
        """Yield deliveries. Leaving the loop closes the consumer.

        Raises:
            ConsumerCancelledError: the queue is gone.

        """
        try:
            while (delivery := await self._inbox.take(self._timeout_s)) is not None:
                yield delivery
            if self._inbox.error is not None:
                raise self._inbox.error
        finally:
            self._inbox.close()

    async def close(self) -> None:
        """Take no more; what was delivered and not taken out of the loop goes back."""
        self._inbox.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._inbox.close()
