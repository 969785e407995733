"""Where time comes from: integer milliseconds, read from the system or moved by hand.

The engine never reads a clock of the operating system. It is given a `Clock`, asks it for the
present, and is told by the face that owns it when something is due.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Clock", "ManualClock", "SystemClock", "ticker"]


class Clock(Protocol):
    """The present, in milliseconds since the Unix epoch."""

    def now_ms(self) -> int:
        """Return the present in milliseconds since the Unix epoch; never less than before."""
        ...


@define
class SystemClock:
    """Real time: the wall clock when the process began, moved on by the monotonic clock.

    Anchored to the monotonic clock so that a step of the wall clock expires nothing early.
    """

    _offset_ns: int = field(factory=lambda: time.time_ns() - time.monotonic_ns(), init=False)

    def now_ms(self) -> int:
        """Return the present in milliseconds since the Unix epoch."""
        return (time.monotonic_ns() + self._offset_ns) // 1_000_000


def ticker(clock: Clock) -> Callable[[], float]:
    """Return what tells how many seconds a clock went on, from any beginning.

    Measured: of the system's clock, that costs a third of `now_ms`.
    """
    return time.monotonic if type(clock) is SystemClock else lambda: clock.now_ms() / 1000


@define(eq=False)
class ManualClock:
    """A clock that stands still until a test moves it.

    A broker made with this clock registers itself; `advance` then steps through every deadline
    on the way, so that what happens at one deadline (a message dies and lands in a queue with a
    TTL of its own) can set the next.

    >>> clock = ManualClock()
    >>> clock.advance(seconds=1.5)
    >>> clock.now_ms() - ManualClock().now_ms()
    1500
    """

    _now_ms: int = 1_600_000_000_000
    # Brokers that live on this clock: (their next deadline or None, run what is due).
    _sleepers: list[tuple[Callable[[], int | None], Callable[[], object]]] = field(
        factory=list, init=False
    )

    def now_ms(self) -> int:
        """Return the present in milliseconds since the Unix epoch."""
        return self._now_ms

    def attach(
        self, next_deadline_ms: Callable[[], int | None], run_due: Callable[[], object]
    ) -> None:
        """Have `advance` stop at each deadline that `next_deadline_ms` names and call `run_due`."""
        self._sleepers.append((next_deadline_ms, run_due))

    def advance(self, seconds: float = 0, *, ms: int = 0) -> None:
        """Move time forward, firing every deadline on the way in order.

        Raises:
            ValueError: the step is negative.

        """
        step_ms = round(seconds * 1000) + ms
        if step_ms < 0:
            raise ValueError(f"a clock only moves forward, got {step_ms} ms")
        target_ms = self._now_ms + step_ms
        while (deadline_ms := self._next_deadline_ms()) is not None and deadline_ms <= target_ms:
            self._now_ms = max(self._now_ms, deadline_ms)
            for _, run_due in self._sleepers:
                run_due()
        self._now_ms = target_ms

    def _next_deadline_ms(self) -> int | None:
        deadlines = [
            d for next_deadline_ms, _ in self._sleepers if (d := next_deadline_ms()) is not None
        ]
        return min(deadlines, default=None)
