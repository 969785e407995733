"""How long ago the message at a position came, without a time in each message.

A queue's positions grow with time, so now and then a mark is set: this position came at this time.
A message came behind the last mark that is not above it, and less than a gap behind: with a time in
each of a million messages that would be some 30 MB. Marks are set every tenth of a second at most,
and when there are many, every second one of the older half goes, so that an age is exact to a
tenth of a second or, where that is more, to a small part of itself. On a clock that a test moves it
is exact, until the clock has moved more often than there are marks.
"""

from __future__ import annotations

from bisect import bisect_right

from attrs import define, field

__all__ = ["Ages"]

#: The least time between two marks, in seconds: a publisher's tenth of a second makes no difference
#: to whoever watches a queue, and a mark costs ten times what a look at the clock does.
GAP_S = 0.1
#: At this many, the older half is thinned out. Measured: ages are then off by 5 % at most.
MOST_MARKS = 128


@define(eq=False)
class Ages:
    """Marks of one queue. mark is O(1), but for the thinning; came_at is O(log marks)."""

    most: int = MOST_MARKS
    # Both of one length, and growing.
    _positions: list[int] = field(factory=list, init=False)
    _times_s: list[float] = field(factory=list, init=False)

    def mark(self, position: int, now_s: float) -> None:
        """Note that `position` comes now, and none above it did."""
        positions, times_s = self._positions, self._times_s
        if len(positions) >= self.most:
            half = self.most // 2
            del positions[1:half:2]
            del times_s[1:half:2]
        positions.append(position)
        times_s.append(now_s)

    def clear(self) -> None:
        """Forget all: every message is gone."""
        self._positions.clear()
        self._times_s.clear()

    def came_at_s(self, position: int) -> float | None:
        """Return when a position came, or a little before; None where no mark tells."""
        if not self._positions:
            return None
        return self._times_s[max(0, bisect_right(self._positions, position) - 1)]

    def check(self) -> None:
        """Assert the invariants."""
        assert len(self._positions) == len(self._times_s) <= self.most
        assert self._positions == sorted(set(self._positions))
        assert self._times_s == sorted(self._times_s)
