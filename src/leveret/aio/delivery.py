"""A delivery as coroutines see it, and a message that is held back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Self

from attrs import define

from leveret.service.received import Received

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from leveret.durations import Duration
    from leveret.service.core import Core

__all__ = ["Delayed", "Delivery"]


@define(eq=False, repr=False)
class Delivery(Received):
    """A message that was handed out. `async with` acks it, or rejects it on an error.

    Its methods belong to the loop of the service.
    """

    async def ack(self) -> None:
        """Acknowledge it: it was handled.

        Raises:
            DeliveryLostError: it was settled before, or was given back meanwhile.

        """
        self._ack()

    async def nack(self, requeue: bool = True) -> None:
        """Give it back to its queue (S80), or without `requeue` do as `reject`.

        Raises:
            DeliveryLostError: it was settled before, or was given back meanwhile.

        """
        self._nack(requeue)

    async def reject(self) -> None:
        """Have it dropped, or dead-lettered where its queue says so (S101).

        Raises:
            DeliveryLostError: it was settled before, or was given back meanwhile.

        """
        self._nack(requeue=False)

    async def extend(self, duration: Duration) -> None:
        """Keep it for so long from now, where its queue or consumer has a visibility timeout.

        Seconds, a text as in topology files ("30s"), or a timedelta.

        Raises:
            DeliveryLostError: it was settled before, or was given back meanwhile.
            ValueError: the duration is none.

        """
        self._extend(duration)

    async def once(
        self,
        connection: Any,
        *,
        key: Callable[..., str | None] | None = None,
        scope: str | None = None,
        ttl: Duration = "7d",
    ) -> bool:
        """Say whether it is to be handled, and record so in the transaction of its effect.

        See `leveret.idempotency.once`, which says what it raises. SQLAlchemy's AsyncSession and
        AsyncConnection do as well; all others are used in the event loop.
        """
        from leveret.idempotency import once

        record = partial(once, self, key=key, scope=scope, ttl=ttl)
        run_sync = getattr(connection, "run_sync", None)
        return bool(record(connection) if run_sync is None else await run_sync(record))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self.settled:
            if error is None:
                self._ack()
            else:
                self._nack(requeue=False)


@define(eq=False, repr=False)
class Delayed:
    """A message that the broker holds back until `due_ms` of its clock."""

    id: int
    due_ms: int
    _core: Core

    def __repr__(self) -> str:
        return f"<Delayed {self.id} until {self.due_ms}>"

    async def cancel(self) -> bool:
        """Drop it; return False where it was on its way already."""
        return self._core.cancel_delayed(self.id)
