"""How long ago the message at a position came, without a time in each message.

A queue's positions grow with time, so now and then a mark is set: this position came at this time.
A message came behind the last mark that is not above it, and less than a gap behind: with a time in
each of a million messages that would be some 30 MB. Marks are set every tenth of a second at most,
and when there are many, the older they are the fewer stay, so that an age is exact to a tenth of a
second or, where that is more, to a tenth of itself. On a clock that a test moves it is exact, until
the clock has moved more often than there are marks.
"""

from __future__ import annotations

from bisect import bisect_right

from attrs import define, field

__all__ = ["Ages"]

#: The least time between two marks, in seconds: a publisher's tenth of a second makes no difference
#: to whoever watches a queue, and a mark costs ten times what a look at the clock does.
GAP_S = 0.1
#: At this many they are thinned out; those of a week that stay are some 300.
MOST_MARKS = 512
#: By which part of itself an age may be too large.
ERROR = 0.1


@define(eq=False)
class Ages:
    """Marks of one queue. mark is O(1), but for the thinning; came_at is O(log marks)."""

    most: int = MOST_MARKS
    # Both of one length, and growing.
    _positions: list[int] = field(factory=list, init=False)
    _times_s: list[float] = field(factory=list, init=False)

    def mark(self, position: int, now_s: float) -> None:
        """Note that `position` comes now, and none above it did."""
        if len(self._positions) >= self.most:
            self._thin_out(now_s)
        self._positions.append(position)
        self._times_s.append(now_s)

    def _thin_out(self, now_s: float) -> None:
        """Drop each mark without which no age would be off by more than `ERROR` of itself."""
        times_s = self._times_s
        kept = [len(times_s) - 1]
        for index in range(len(times_s) - 2, 0, -1):
            newer_s = times_s[kept[-1]]
            if newer_s - times_s[index - 1] > ERROR * (now_s - newer_s):
                kept.append(index)
        kept.append(0)
        kept.reverse()
        self._positions = [self._positions[index] for index in kept]
        self._times_s = [times_s[index] for index in kept]
        if len(kept) > self.most * 3 // 4:  # a clock that leaps, or one that counts years
            del self._positions[1::2], self._times_s[1::2]

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
