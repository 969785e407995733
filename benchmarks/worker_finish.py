"""What the workers that are measured have in common: a no-op handler that knows the last one."""

from __future__ import annotations

import itertools
import threading
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

__all__ = ["Contender", "Finish"]

#: For a machine that is busy with something else.
_PATIENCE_S = 60


@frozen
class Contender:
    """A worker to measure.

    `open` starts it, with the handler and with what ends it, and returns the call that publishes so
    many messages and returns when all are handled. `messages` go through it in a round, and
    `one_at_a_time` where its latency is measured (0: it is not).
    """

    name: str
    open: Callable[[Finish, ExitStack], Callable[[int], object]]
    messages: int = 20_000
    one_at_a_time: int = 2_000


class Finish:
    """The handler, for any number of threads: it counts, and tells when the last was handled."""

    def __init__(self) -> None:
        self._began_ns = self._handled_ns = 0
        self.expect(0)

    def expect(self, count: int, reached: Callable[[], object] | None = None) -> None:
        """Begin: `count` messages will come; the last calls `reached`, if that is not `wait`."""
        self._last = count
        self._reached = threading.Event()
        self._tell = reached or self._reached.set
        self._count = itertools.count(1)
        self._began_ns = perf_counter_ns()

    def __call__(self, _message: Any = None) -> None:
        """Handle a message."""
        self._handled_ns = perf_counter_ns()
        # A step of this iterator is not interrupted by another thread.
        if next(self._count) == self._last:
            self._tell()

    def wait(self) -> None:
        """Wait until the last was handled."""
        if not self._reached.wait(_PATIENCE_S):
            raise TimeoutError(f"not all of {self._last} messages were handled")

    @property
    def latest_us(self) -> float:
        """From `expect` to the latest message, in microseconds."""
        return (self._handled_ns - self._began_ns) / 1000
