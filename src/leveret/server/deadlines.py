"""The broker's deadlines, kept by an event loop's clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from leveret.clock import ManualClock

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from leveret.engine.broker import Broker

__all__ = ["Deadlines"]


@define(eq=False)
class Deadlines:
    """Has a broker do what is due when it is due.

    `soon` has a call made by the loop's next turn, from whichever thread; `lock` is held while
    the broker is used.
    """

    loop: asyncio.AbstractEventLoop
    soon: Callable[[Callable[[], object]], object]
    lock: AbstractContextManager[object]
    _broker: Broker | None = field(default=None, init=False)
    # When the first deadline comes; None while none is waited for.
    _timer: asyncio.TimerHandle | None = field(default=None, init=False)
    _timer_ms: int | None = field(default=None, init=False)
    # The loop's next turn looks for an earlier deadline.
    _look_due: bool = field(default=False, init=False)

    def keep(self, broker: Broker) -> None:
        """Keep a broker's deadlines from now on.

        Raises:
            RuntimeError: another server keeps them.

        """
        if broker.timers.on_earlier is not None:
            raise RuntimeError("the broker is served already")
        self._broker = broker
        broker.timers.on_earlier = self._earlier
        self._earlier()

    def drop(self) -> None:
        """Keep the broker's deadlines no longer."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._timer_ms = None
        if self._broker is not None:
            self._broker.timers.on_earlier = None
            self._broker = None

    def _earlier(self) -> None:
        if not self._look_due:
            self._look_due = True
            self.soon(self._look)

    def _look(self) -> None:
        """Wait for the first deadline; one on a manual clock comes with the clock."""
        with self.lock:
            self._look_due = False
            broker = self._broker
            if broker is None or isinstance(broker.clock, ManualClock):
                return
            deadline_ms = broker.next_deadline_ms()
            if deadline_ms == self._timer_ms:
                return
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._timer_ms = deadline_ms
            if deadline_ms is not None:
                delay_ms = max(deadline_ms - broker.clock.now_ms(), 0)
                self._timer = self.loop.call_later(delay_ms / 1000, self._run_due)

    def _run_due(self) -> None:
        with self.lock:
            self._timer = self._timer_ms = None
            try:
                if self._broker is not None:
                    self._broker.run_due()
            finally:
                self._look()
