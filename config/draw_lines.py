"""The lines of arrows: corners left out that are none, ends led to the middle of a label."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Point", "Points", "joined", "led_to", "squared", "through"]

Point: TypeAlias = tuple[float, float]
#: Corners of a line, in pixels.
Points: TypeAlias = tuple[Point, ...]

#: How far before a label a line turns to its middle.
_TURN = 12.0
#: By so much a line may miss the middle of a box.
_LITTLE = 7.0
#: By so much a level line may fall.
_ASKEW = 0.3
#: What nobody sees.
_STRAIGHT = 0.01


def joined(*parts: Iterable[Point]) -> Points:
    """Return lines that follow one another as one, without corners on a straight stretch."""
    corners: list[Point] = []
    for point in (point for part in parts for point in part):
        if corners and _same(corners[-1], point):
            continue
        if len(corners) > 1 and _on_a_line(corners[-2], corners[-1], point):
            corners.pop()
        corners.append(point)
    return tuple(corners)


def squared(points: Iterable[Point], *, down: bool) -> Points:
    """Return a line whose stretches are all level or plumb; the layout leaves some a little askew.

    `down` says which way the line sets out.
    """
    corners: list[Point] = []
    for x, y in points:
        if corners:
            (from_x, from_y) = corners[-1]
            if abs(x - from_x) > _ASKEW and abs(y - from_y) > _ASKEW:
                half_x, half_y = (x + from_x) / 2, (y + from_y) / 2
                corners += (
                    [(from_x, half_y), (x, half_y)] if down else [(half_x, from_y), (half_x, y)]
                )
        corners.append((x, y))
    return joined(corners)


def led_to(line: Points, middle: Point, reach: float, *, down: bool) -> Points:
    """Return a line that ends at a label, led to the label's middle if it is off by more than this.

    `down` says that lines come from above, not from the left.
    """
    (x, y), (to_x, to_y), before = line[-1], middle, line[-2]
    sideways = abs(before[0] - x) > _STRAIGHT if down else abs(before[1] - y) > _STRAIGHT
    if sideways or abs(x - to_x if down else y - to_y) <= reach:
        return line
    if down:
        turn = y + _limited((before[1] - y) / 2)
        return joined(line[:-1], [(x, turn), (to_x, turn), (to_x, y)])
    turn = x + _limited((before[0] - x) / 2)
    return joined(line[:-1], [(turn, y), (turn, to_y), (x, to_y)])


def through(before: Points, behind: Points, middle: Point, *, down: bool) -> Points:
    """Return two lines as one, straight where only a little is between their ends."""
    across = 0 if down else 1
    off = behind[0][across] - before[-1][across]
    if abs(off) < _LITTLE and len(behind) == 2:
        moved = (before[-1][0], behind[-1][1]) if down else (behind[-1][0], before[-1][1])
        return joined(before, [moved])
    if abs(off) < _LITTLE and len(before) == 2:
        moved = (behind[0][0], before[0][1]) if down else (before[0][0], behind[0][1])
        return joined([moved], behind)
    before = led_to(before, middle, 0.0, down=down)
    behind = led_to(behind[::-1], middle, 0.0, down=down)[::-1]
    return joined(before, [middle], behind)


def _limited(distance: float) -> float:
    return max(-_TURN, min(_TURN, distance))


def _same(a: Point, b: Point) -> bool:
    return abs(a[0] - b[0]) < _STRAIGHT and abs(a[1] - b[1]) < _STRAIGHT


def _on_a_line(a: Point, b: Point, c: Point) -> bool:
    """Tell whether the middle one of three points is on the way, level or plumb."""
    for axis in (0, 1):
        if abs(a[axis] - b[axis]) < _STRAIGHT and abs(b[axis] - c[axis]) < _STRAIGHT:
            other = 1 - axis
            return (b[other] - a[other]) * (c[other] - b[other]) >= 0
    return False
