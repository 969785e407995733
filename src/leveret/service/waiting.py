"""An operation that may have to wait: for room, for a message, for the disk.

The broker does not block. An operation is begun, and is done now or in a later turn; the face waits
in its own way, with a lock or with a future. Whoever stops waiting cancels it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.engine.broker import Broker
    from leveret.errors import LeveretError

__all__ = ["Operation"]


@define(eq=False, repr=False)
class Operation:
    """Something under way. Everything is called under the broker's lock.

    `waits_for` says what it waits for, for the text of a timeout.
    """

    broker: Broker
    done: bool = field(default=False, init=False)
    error: LeveretError | None = field(default=None, init=False)
    waits_for: str = field(default="", init=False)
    #: Called once, when it is done.
    on_done: Callable[[], object] | None = field(default=None, init=False)
    _timer: tuple[int, int] | None = field(default=None, init=False)

    def finish(self, error: LeveretError | None = None) -> None:
        """End it, well or with an error, and tell who waits."""
        if self.done:
            return
        self.done = True
        self.error = error
        if self._timer is not None:
            self.broker.timers.cancel(self._timer)
            self._timer = None
        if self.on_done is not None:
            self.on_done()

    def end_after(self, timeout_ms: int) -> None:
        """End it with `timeout_error` once so much time has passed on the broker's clock."""
        deadline_ms = self.broker.clock.now_ms() + timeout_ms
        self._timer = self.broker.timers.call_at(deadline_ms, partial(self._time_out, timeout_ms))

    def _time_out(self, timeout_ms: int) -> None:
        self._timer = None
        if not self.done:
            error = self.timeout_error(timeout_ms)
            self.cancel()
            self.finish(error)

    def timeout_error(self, timeout_ms: int) -> LeveretError | None:
        """Return what a timeout ends it with; None ends it well."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Take back what was begun, as far as that can be: nobody waits for it any more."""
