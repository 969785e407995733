"""How large texts, boxes and labels of a picture are, in pixels."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leveret.config.draw_graph import Box

__all__ = [
    "LABEL_SIZE",
    "LINE_HEIGHT",
    "NAME_SIZE",
    "SUBTITLE_SIZE",
    "box_size",
    "label_size",
    "text_width",
]

#: Sizes of text.
NAME_SIZE, SUBTITLE_SIZE, LABEL_SIZE = 13.0, 10.5, 10.5
#: The height of a line of text, in its size.
LINE_HEIGHT = 1.3

_NARROW = frozenset("iljtfr.,:;'|!()[]{} I-\"*")
_WIDE = frozenset("mwMW@%…")


def box_size(box: Box) -> tuple[float, float]:
    """Return the width and height of a box."""
    width = max(text_width(box.title, NAME_SIZE), text_width(box.subtitle, SUBTITLE_SIZE))
    width += 18.0 if box.warnings else 0.0
    height = LINE_HEIGHT * (NAME_SIZE + (SUBTITLE_SIZE if box.subtitle else 0.0))
    return max(width + 26.0, 64.0), height + 16.0


def label_size(lines: Sequence[str]) -> tuple[float, float]:
    """Return the width and height of what stands on an arrow; without any, room for the line."""
    if not lines:
        return 8.0, 8.0
    width = max(text_width(line, LABEL_SIZE) for line in lines)
    return width + 8.0, len(lines) * LABEL_SIZE * LINE_HEIGHT + 2.0


def text_width(text: str, size: float) -> float:
    """Return about how wide a text is in any sans-serif font, rather too wide."""
    return size * sum(map(_character_width, text))


def _character_width(character: str) -> float:
    if character in _NARROW:
        return 0.38
    if character in _WIDE:
        return 0.92
    if character.isascii():
        return 0.7 if character.isupper() else 0.58
    return 1.0 if unicodedata.east_asian_width(character) in "WF" else 0.7
