"""What a laid-out picture must keep: nothing on anything else, every line to be followed."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, TypeAlias

from leveret.config.draw_measure import LABEL_SIZE, text_width

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.config.draw_layout import Picture

#: Left, top, right, bottom.
Rectangle: TypeAlias = tuple[float, float, float, float]
#: A stretch of a line from corner to corner.
Stretch: TypeAlias = tuple[tuple[float, float], tuple[float, float]]

#: Two lines nearer than this look like one.
_APART = 0.75
#: How far lines may reach into what they lead to.
_TOUCH = 2.0


def boxes(picture: Picture) -> dict[str, Rectangle]:
    """Return the rectangle of every box, by its number, kind and name."""
    found: dict[str, Rectangle] = {}
    for number, placed in enumerate(picture.boxes):
        right, bottom = placed.x + placed.width, placed.y + placed.height
        found[f"{number} {placed.box.kind} {placed.box.name}"] = placed.x, placed.y, right, bottom
    return found


def labels(picture: Picture) -> dict[int, Rectangle]:
    """Return the rectangle of every label, by the number of its arrow."""
    found: dict[int, Rectangle] = {}
    for number, arrow in enumerate(picture.arrows):
        if arrow.label_at is not None:
            x, y = arrow.label_at
            width = max(text_width(line, LABEL_SIZE) for line in arrow.arrow.label)
            height = 1.25 * LABEL_SIZE * len(arrow.arrow.label)
            found[number] = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    return found


def stretches(picture: Picture) -> Iterator[tuple[int, Stretch]]:
    """Yield every stretch of every line with the number of its arrow."""
    for number, arrow in enumerate(picture.arrows):
        for line in arrow.lines:
            for stretch in itertools.pairwise(line):
                yield number, stretch


def check_layout(picture: Picture) -> None:
    """Assert that nothing lies on anything else, or outside the picture."""
    texts = {f"label {number}": rectangle for number, rectangle in labels(picture).items()}
    placed = boxes(picture) | texts
    for name, (left, top, right, bottom) in placed.items():
        assert 0 <= left < right <= picture.width, name
        assert 0 <= top < bottom <= picture.height, name
    for (one, a), (other, b) in itertools.combinations(placed.items(), 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (one, other)
    _check_lines(picture)


def _check_lines(picture: Picture) -> None:
    named, texts = boxes(picture), labels(picture)
    for number, stretch in stretches(picture):
        (x1, y1), (x2, y2) = stretch
        assert abs(x1 - x2) < 0.5 or abs(y1 - y2) < 0.5, f"arrow {number} is askew"
        assert 0 <= min(x1, x2) <= max(x1, x2) <= picture.width, f"arrow {number} is outside"
        assert 0 <= min(y1, y2) <= max(y1, y2) <= picture.height, f"arrow {number} is outside"
        for name, rectangle in named.items():
            assert not _runs_through(stretch, rectangle), f"arrow {number} runs through {name}"
        for other, rectangle in texts.items():
            if other != number:
                assert not _runs_through(stretch, rectangle), f"{number} runs through {other}"
    for across in (0, 1):
        level = (found for found in stretches(picture) if _is_along(found[1], across))
        ordered = sorted(level, key=lambda found: found[1][0][across])
        for index, (one, a) in enumerate(ordered):
            for other, b in ordered[index + 1 :]:
                if b[0][across] - a[0][across] >= _APART:
                    break
                assert one == other or _shared(a, b, 1 - across) <= 1.0, f"{one} lies on {other}"


def _runs_through(stretch: Stretch, rectangle: Rectangle) -> bool:
    (x1, y1), (x2, y2) = stretch
    left, top, right, bottom = rectangle
    return (
        max(x1, x2) > left + _TOUCH
        and min(x1, x2) < right - _TOUCH
        and max(y1, y2) > top + _TOUCH
        and min(y1, y2) < bottom - _TOUCH
    )


def _is_along(stretch: Stretch, across: int) -> bool:
    return abs(stretch[0][across] - stretch[1][across]) < 0.5


def _shared(a: Stretch, b: Stretch, along: int) -> float:
    """Return over how many pixels two stretches of one track run beside one another."""
    ends = [sorted(point[along] for point in stretch) for stretch in (a, b)]
    return min(ends[0][1], ends[1][1]) - max(ends[0][0], ends[1][0])
