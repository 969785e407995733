"""Deadlines in one sorted line, run in order when the clock has come to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field
from sortedcontainers import SortedDict

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Timers"]


@define(eq=False)
class Timers:
    """Calls to make at given times. All operations are O(log n) in the deadlines waiting.

    Deadlines at the same millisecond run in the order of their creation.
    """

    # (deadline in ms, number of creation) -> call
    _calls: SortedDict[tuple[int, int], Callable[[], None]] = field(
        factory=lambda: SortedDict(), init=False
    )
    _created: int = field(default=0, init=False)
    #: Called when a deadline comes before all others: whoever waits for the first one waits anew.
    on_earlier: Callable[[], object] | None = field(default=None, init=False)

    def call_at(self, deadline_ms: int, call: Callable[[], None]) -> tuple[int, int]:
        """Have `call` made when `deadline_ms` is reached; return what `cancel` takes."""
        self._created += 1
        key = (deadline_ms, self._created)
        self._calls[key] = call
        if self.on_earlier is not None and self._calls.peekitem(0)[0] == key:
            self.on_earlier()
        return key

    def cancel(self, key: tuple[int, int]) -> None:
        """Have a call not made; fine where it was made already."""
        self._calls.pop(key, None)

    def next_deadline_ms(self) -> int | None:
        """Return the earliest deadline in milliseconds, or None."""
        return self._calls.peekitem(0)[0][0] if self._calls else None

    def pop_due(self, now_ms: int) -> Callable[[], None] | None:
        """Take out and return the earliest call that is due, or None."""
        if self._calls and self._calls.peekitem(0)[0][0] <= now_ms:
            return self._calls.popitem(0)[1]
        return None
