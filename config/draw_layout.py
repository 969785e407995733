"""Where boxes, arrows and labels of a picture go: laid out in layers from left to right.

The layout of each virtual host is graphlay's. A label is a box of its own between the two parts of
its arrow, so that it gets room and stays on the arrow however many there are; where nothing else
leads to a box, it gets the room of that box, so that the line is straight. A host that would be
wider or higher than a screen is laid out from top to bottom instead, or in rows, whichever is the
better picture.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from leveret.config.draw_graph import printable
from leveret.config.draw_legend import LEGEND_LINE, Entry, legend
from leveret.config.draw_lines import Points, led_to, squared, through
from leveret.config.draw_measure import NAME_SIZE, box_size, label_size, text_width

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.config.draw_graph import Arrow, Box, Drawing, HostDrawing

__all__ = ["Frame", "Picture", "PlacedArrow", "PlacedBox", "lay_out"]

MARGIN = 24.0
_FRAME = 22.0
_FRAME_TITLE = 26.0
_TITLE = 26.0

#: What fits on a screen, in pixels; frames that are narrower stand side by side.
_WIDE, _HIGH = 1200.0, 1600.0
#: The shape that a larger picture should have: its width by its height.
_ASPECT = 1.5

_OPTIONS: dict[str, Any] = {
    "direction": "leftright",
    "spacing": {
        "layer_gap": 30.0,
        "node_gap": 16.0,
        "dummy_gap": 12.0,
        "port_gap": 16.0,
        "isolated_gap": 20.0,
        "isolated_max_columns": 6,
    },
    "routing": {"style": "orthogonal", "centre_ports": "all"},
}


@frozen
class PlacedBox:
    """A box and where its upper left corner is, in pixels."""

    box: Box
    x: float
    y: float
    width: float
    height: float


@frozen
class PlacedArrow:
    """An arrow: the corners of its lines, one before and one behind its label, and the label."""

    arrow: Arrow
    lines: tuple[Points, ...]
    #: The centre of the label, in pixels; None if there is none.
    label_at: tuple[float, float] | None = None


@frozen
class Frame:
    """A virtual host's frame."""

    name: str
    x: float
    y: float
    width: float
    height: float


@define(eq=False)
class Picture:
    """Everything at its place."""

    width: float = 0.0
    height: float = 0.0
    title: str = ""
    legend: list[Entry] = field(factory=list)
    boxes: list[PlacedBox] = field(factory=list)
    arrows: list[PlacedArrow] = field(factory=list)
    frames: list[Frame] = field(factory=list)


def lay_out(drawing: Drawing) -> Picture:
    """Return where everything goes.

    Raises:
        ModuleNotFoundError: the extra `draw` is not installed.

    """
    framed = len(drawing.hosts) > 1 or any(host.name != "/" for host in drawing.hosts)
    blocks = [_Block.of(host, framed=framed) for host in drawing.hosts]
    inner = max([_WIDE if len(blocks) > 1 else 0.0, *(block.width for block in blocks)])
    picture = Picture(title=drawing.route)
    y = MARGIN + (_TITLE if drawing.route else 0.0)
    rows = list(_rows(blocks, inner))
    inner = max((sum(b.width + MARGIN for b in row) - MARGIN for row in rows), default=0.0)
    inner = max(inner, min(text_width(drawing.route, NAME_SIZE), 2 * _WIDE))
    for row in rows:
        y = _place_row(picture, row, y, inner, framed=framed) + MARGIN
    picture.width = inner + 2 * MARGIN
    picture.legend = legend(drawing, MARGIN, y - 6.0, max(inner, 300.0))
    if picture.legend:
        y = picture.legend[-1].y + LEGEND_LINE
        ends = (entry.x + 30.0 + text_width(entry.text, NAME_SIZE) for entry in picture.legend)
        picture.width = max(picture.width, *ends)
    picture.height = max(y, 2 * MARGIN)
    return picture


@define(eq=False)
class _Block:
    """One virtual host laid out, its upper left corner at 0, 0."""

    host: HostDrawing
    layout: Any
    down: bool
    width: float
    height: float

    @classmethod
    def of(cls, host: HostDrawing, *, framed: bool) -> _Block:
        layout, down = _best_layout(host)
        width, height = _extent(layout)
        if framed:
            title = text_width(f"virtual host {printable(host.name)}", NAME_SIZE)
            width = max(width, title) + 2 * _FRAME
            height += _FRAME_TITLE + 8.0 + _FRAME
        return cls(host, layout, down, width, height)


def _rows(blocks: list[_Block], width: float) -> Iterator[list[_Block]]:
    """Yield blocks that stand side by side, in their order."""
    row: list[_Block] = []
    used = 0.0
    for block in blocks:
        if row and used + block.width > width:
            yield row
            row, used = [], 0.0
        row.append(block)
        used += block.width + MARGIN
    if row:
        yield row


def _place_row(
    picture: Picture, row: list[_Block], top: float, inner: float, *, framed: bool
) -> float:
    """Put blocks side by side; return where they end."""
    x = MARGIN
    height = max(block.height for block in row)
    for block in row:
        last = block is row[-1]
        if framed:
            width = MARGIN + inner - x if last else block.width
            picture.frames.append(Frame(block.host.name, x, top, width, height))
        inset = (_FRAME, _FRAME_TITLE + 8.0) if framed else (0.0, 0.0)
        _place_block(picture, block, x + inset[0], top + inset[1])
        x += block.width + MARGIN
    return top + height


# --- one virtual host ---------------------------------------------------------------


def _best_layout(host: HostDrawing) -> tuple[Any, bool]:
    """Return a layout that fits a screen, or else the best of three; whether it goes down."""
    level = _layout(host, down=False)
    width, height = _extent(level)
    if width <= _WIDE and height <= _HIGH:
        return level, False
    candidates = [
        (0.0, level, False),
        (0.25, _layout(host, down=False, rows=True), False),
        (0.3, _layout(host, down=True), True),
    ]
    _, best, down = min(candidates, key=lambda one: one[0] + _badness(one[1]))
    return best, down


def _badness(layout: Any) -> float:
    width, height = _extent(layout)
    return abs(math.log(max(width, 1.0) / max(height, 1.0) / _ASPECT))


def _extent(layout: Any) -> tuple[float, float]:
    least, most = layout.bounds["min"], layout.bounds["max"]
    return most["x"] - least["x"], most["y"] - least["y"]


def _layout(host: HostDrawing, *, down: bool, rows: bool = False) -> Any:
    import graphlay

    graph = graphlay.Graph()
    for id_, box in host.boxes.items():
        width, height = box_size(box)
        graph.node(id_, width=width, height=height, label="")
    leading = Counter(arrow.target for arrow in host.arrows)
    for number, arrow in enumerate(host.arrows):
        width, height = label_size(arrow.label)
        if leading[arrow.target] == 1:
            wide, high = box_size(host.boxes[arrow.target])
            width, height = (max(width, wide), height) if down else (width, max(height, high))
        graph.node(number, width=width, height=height, label="")
        graph.edge(arrow.source, number)
        graph.edge(number, arrow.target)
    options = dict(_OPTIONS)
    if down:
        options["direction"] = "topbottom"
    if rows:
        options["wrap"] = {"viewport_aspect": _ASPECT + 0.5}
    return graphlay.layout(graph, options=options)


def _place_block(picture: Picture, block: _Block, left: float, top: float) -> None:
    layout, least = block.layout, block.layout.bounds["min"]
    dx, dy = left - least["x"], top - least["y"]
    for box, node in zip(block.host.boxes.values(), layout.nodes, strict=False):
        width, height = node["size"]["width"], node["size"]["height"]
        x, y = node["center"]["x"] + dx - width / 2, node["center"]["y"] + dy - height / 2
        picture.boxes.append(PlacedBox(box, x, y, width, height))
    edges = iter(layout.edges)
    labels = layout.nodes[len(block.host.boxes) :]

    def line() -> Points:
        points = ((point["x"] + dx, point["y"] + dy) for point in next(edges)["points"])
        return squared(points, down=block.down)

    for arrow, label in zip(block.host.arrows, labels, strict=True):
        middle = label["center"]["x"] + dx, label["center"]["y"] + dy
        before, behind = line(), line()
        picture.arrows.append(_placed_arrow(arrow, before, behind, middle, down=block.down))


def _placed_arrow(
    arrow: Arrow, before: Points, behind: Points, middle: tuple[float, float], *, down: bool
) -> PlacedArrow:
    if not arrow.label:
        return PlacedArrow(arrow, (through(before, behind, middle, down=down),))
    reach = min(label_size(arrow.label)[1] / 2 - 1.0, 8.0)
    before = led_to(before, middle, reach, down=down)
    behind = led_to(behind[::-1], middle, reach, down=down)[::-1]
    return PlacedArrow(arrow, (before, behind), middle)
