"""A delivery as threads see it, and a message that is held back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from attrs import define, field

from leveret.service.received import Received

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType

    from leveret.durations import Duration
    from leveret.service.core import Core

__all__ = ["Delayed", "Delivery"]


@define(eq=False, repr=False)
class Delivery(Received):
    """A message that was handed out. As a context manager it acks, or rejects on an error.

    Its methods may be called by any thread.
    """

    _lock: AbstractContextManager[object] = field(kw_only=True, alias="lock")

    def ack(self) -> None:
        """Acknowledge it: it was handled.

        Raises:
            DeliveryLostError: it was settled before, or was given back meanwhile.

        """
        with self._lock:
            self._ack()

    def nack(self, requeue: bool = True) -> None:
        """Give it back to its queue (S80), or without `requeue` do as `reject`.

        Raises:
            DeliveryLostError: it was settled before, or was given back meanwhile.

        """
        with self._lock:
            self._nack(requeue)

    def reject(self) -> None:
        """Have it dropped, or dead-lettered where its queue says so (S101).

        Raises:
            DeliveryLostError: it was settled before, or was given back meanwhile.

        """
        self.nack(requeue=False)

    def extend(self, duration: Duration) -> None:
        """Keep it for so long from now, where its queue or consumer has a visibility timeout.

        Seconds, a text as in topology files ("30s"), or a timedelta.

        Raises:
            DeliveryLostError: it was settled before, or was given back meanwhile.
            ValueError: the duration is none.

        """
        with self._lock:
            self._extend(duration)

    def once(
        self,
        connection: Any,
        *,
        key: Callable[..., str | None] | None = None,
        scope: str | None = None,
        ttl: Duration = "7d",
    ) -> bool:
        """Say whether it is to be handled, and record so in the transaction of its effect.

        See `leveret.idempotency.once`, which says what it raises.
        """
        from leveret.idempotency import once

        return once(self, connection, key=key, scope=scope, ttl=ttl)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self.settled:
            if error is None:
                self.ack()
            else:
                self.reject()


@define(eq=False, repr=False)
class Delayed:
    """A message that the broker holds back until `due_ms` of its clock."""

    id: int
    due_ms: int
    _core: Core

    def __repr__(self) -> str:
        return f"<Delayed {self.id} until {self.due_ms}>"

    def cancel(self) -> bool:
        """Drop it; return False where it was on its way already."""
        with self._core.lock:
            return self._core.cancel_delayed(self.id)
