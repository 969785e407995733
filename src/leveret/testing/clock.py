"""The clock of a broker under test: it stands still, or runs, and a test moves it on either way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from attrs import define, field

from leveret.clock import ManualClock, SystemClock
from leveret.testing.durations import milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from leveret.engine import Broker
    from leveret.testing.durations import Duration

__all__ = ["ClockMode", "MovableClock", "RunningClock"]

#: "manual" stands still until it is moved; "real" runs as well.
ClockMode: TypeAlias = Literal["manual", "real"]


@define(eq=False)
class RunningClock:
    """Real time, and whatever it was moved on beyond that. One broker lives on it."""

    _system: SystemClock = field(factory=SystemClock, init=False)
    _ahead_ms: int = 0
    broker: Broker | None = field(default=None, init=False)

    def now_ms(self) -> int:
        """Return the present in milliseconds since the Unix epoch."""
        return self._system.now_ms() + self._ahead_ms

    def advance(self, seconds: float = 0, *, ms: int = 0) -> None:
        """Move time on, firing every deadline on the way in order."""
        target_ms = self.now_ms() + round(seconds * 1000) + ms
        while self.broker is not None and (due_ms := self.broker.next_deadline_ms()) is not None:
            if due_ms > target_ms:
                break
            self._move_to(due_ms)
            self.broker.run_due()
        self._move_to(target_ms)

    def _move_to(self, time_ms: int) -> None:
        self._ahead_ms += max(time_ms - self.now_ms(), 0)


@define(eq=False)
class MovableClock:
    """What a test moves: `amqp.clock`. Clients stay in real time."""

    #: "manual" or "real".
    mode: ClockMode
    _lock: Callable[[], AbstractContextManager[object]]
    _clock: ManualClock | RunningClock = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.renew()

    def renew(self, *, keep_time: bool = False) -> ManualClock | RunningClock:
        """Return a clock for another broker; `keep_time` has it go on from the present."""
        if self.mode == "manual":
            self._clock = ManualClock(self.now_ms()) if keep_time else ManualClock()
        else:
            ahead_ms = self.now_ms() - SystemClock().now_ms() if keep_time else 0
            self._clock = RunningClock(ahead_ms)
        return self._clock

    def attach(self, broker: Broker) -> None:
        """Have `advance` run what is due in a broker that was made with this clock."""
        if isinstance(self._clock, RunningClock):
            self._clock.broker = broker

    def now_ms(self) -> int:
        """Return the broker's present in milliseconds since the Unix epoch."""
        return self._clock.now_ms()

    def advance(self, duration: Duration) -> None:
        """Move the broker's time on by "30s", by seconds, by a timedelta.

        Every deadline on the way fires in order: messages expire, queues end, consumers time out.

        Raises:
            ValueError: the duration is negative, or a text without a unit.

        """
        with self._lock():
            self._clock.advance(ms=milliseconds(duration))
