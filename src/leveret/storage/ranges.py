"""A set of positions as ranges: acknowledged in order, a million of them are one."""

from __future__ import annotations

from bisect import bisect_right

from attrs import define, field

__all__ = ["Ranges"]


@define
class Ranges:
    """Positions in ranges that do not touch, in order: where each begins, and where it ends."""

    firsts: list[int] = field(factory=list)
    behinds: list[int] = field(factory=list)

    @property
    def end(self) -> int:
        """The position behind the last; 0 where there is none."""
        return self.behinds[-1] if self.behinds else 0

    def add(self, first: int, behind: int) -> None:
        """Add positions, none of which is there yet. O(1) in order, else O(ranges)."""
        firsts, behinds = self.firsts, self.behinds
        at = bisect_right(firsts, first)
        joins = at > 0 and behinds[at - 1] == first
        if at < len(firsts) and firsts[at] == behind:
            if joins:
                behinds[at - 1] = behinds.pop(at)
                del firsts[at]
            else:
                firsts[at] = first
        elif joins:
            behinds[at - 1] = behind
        else:
            firsts.insert(at, first)
            behinds.insert(at, behind)

    def __contains__(self, position: int) -> bool:
        """Say whether a position is there. O(log ranges)."""
        at = bisect_right(self.firsts, position)
        return at > 0 and position < self.behinds[at - 1]
