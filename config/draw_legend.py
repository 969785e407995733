"""What the shapes and colours of a picture mean, said below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from attrs import frozen

from leveret.config.diff import ACTIONS
from leveret.config.draw_measure import LABEL_SIZE, text_width

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.config.diff import Action
    from leveret.config.draw_graph import Drawing

__all__ = ["LEGEND_LINE", "Entry", "Sample", "legend"]

#: The height of a line of the legend, in pixels.
LEGEND_LINE = 20.0

#: A shape, a line, or the colours of an action.
Sample: TypeAlias = Literal[
    "exchange", "queue", "alternate", "dead-letter", "warned", "unreached", "lit", "unchanged",
    "create", "update", "recreate", "replace", "extra",
]  # fmt: skip

#: Action -> what it means for a box or an arrow.
_ACTION_WORDS: dict[Action, str] = {
    "create": "to create",
    "update": "to update",
    "recreate": "to recreate",
    "replace": "to bind anew",
    "extra": "extra",
}
_SAMPLE_WIDTH, _GAP = 26.0, 18.0


@frozen
class Entry:
    """A sample and what it means; where its left end and its middle are, in pixels."""

    sample: Sample
    text: str
    x: float
    y: float


def legend(drawing: Drawing, left: float, top: float, width: float) -> list[Entry]:
    """Return what a picture needs explained, in lines no wider than `width`."""
    entries: list[Entry] = []
    x, y = left, top + LEGEND_LINE / 2
    for sample, text in _samples(drawing):
        needed = _SAMPLE_WIDTH + text_width(text, LABEL_SIZE)
        if x > left and x + needed > left + width:
            x, y = left, y + LEGEND_LINE
        entries.append(Entry(sample, text, x, y))
        x += needed + _GAP
    return entries


def _samples(drawing: Drawing) -> Iterator[tuple[Sample, str]]:
    boxes = [box for host in drawing.hosts for box in host.boxes.values()]
    arrows = [arrow for host in drawing.hosts for arrow in host.arrows]
    if not boxes:
        return
    if drawing.difference:
        done = {box.action for box in boxes} | {arrow.action for arrow in arrows}
        yield from ((action, _ACTION_WORDS[action]) for action in ACTIONS if action in done)
        yield "unchanged", "stays as it is"
        return
    yield "exchange", "exchange"
    yield "queue", "queue"
    kinds = {arrow.kind for arrow in arrows}
    if "alternate" in kinds:
        yield "alternate", "alternate exchange"
    if "dead-letter" in kinds:
        yield "dead-letter", "dead letters"
    if drawing.route:
        yield "lit", "the way of the message"
    elif not all(box.reached for box in boxes):
        yield "unreached", "nothing leads here"
    if any(box.warnings for box in boxes) or any(arrow.warnings for arrow in arrows):
        yield "warned", "leveret check warns"
