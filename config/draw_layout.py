"""Where boxes, arrows and labels of a picture go: laid out in layers from left to right.

The layout of each virtual host is graphlay's. A label is a box of its own between the two parts of
its arrow, so that it gets room and stays on the arrow however many there are. This module measures
the texts and puts the hosts below one another.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import define, field, frozen

from leveret.config.draw_graph import printable

if TYPE_CHECKING:
    from leveret.config.draw_graph import Arrow, Box, Drawing, HostDrawing

__all__ = [
    "LABEL_SIZE",
    "NAME_SIZE",
    "SUBTITLE_SIZE",
    "Frame",
    "Picture",
    "PlacedArrow",
    "PlacedBox",
    "lay_out",
    "text_width",
]

#: Sizes of text in pixels.
NAME_SIZE, SUBTITLE_SIZE, LABEL_SIZE = 13.0, 10.5, 10.5

_LINE = 1.3  # height of a line of text, in its size
_MARGIN = 24.0
_FRAME = 22.0
_FRAME_TITLE = 26.0
_LEGEND = 20.0
_TITLE = 26.0
_LEGEND = 20.0

_OPTIONS: dict[str, Any] = {
    "direction": "leftright",
    "spacing": {
        "layer_gap": 34.0,
        "node_gap": 16.0,
        "dummy_gap": 12.0,
        "port_gap": 9.0,
        "isolated_gap": 20.0,
        "isolated_max_columns": 6,
    },
    "routing": {"style": "orthogonal"},
}


#: Corners of a line, in pixels.
Points: TypeAlias = tuple[tuple[float, float], ...]


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
    legend: str = ""
    boxes: list[PlacedBox] = field(factory=list)
    arrows: list[PlacedArrow] = field(factory=list)
    frames: list[Frame] = field(factory=list)
    #: graphlay's layouts, one for each virtual host; they can count what overlaps.
    layouts: list[Any] = field(factory=list)


def lay_out(drawing: Drawing) -> Picture:
    """Return where everything goes.

    Raises:
        ModuleNotFoundError: the extra `draw` is not installed.

    """
    picture = Picture(title=drawing.route)
    y = _MARGIN + (_TITLE if drawing.route else 0.0)
    framed = len(drawing.hosts) > 1 or any(host.name != "/" for host in drawing.hosts)
    for host in drawing.hosts:
        y = _place_host(picture, host, y, framed) + _MARGIN
    widest = max(text_width(drawing.route, NAME_SIZE), *(f.width for f in picture.frames), 0.0)
    for number, frame in enumerate(picture.frames):
        picture.frames[number] = Frame(frame.name, frame.x, frame.y, widest, frame.height)
    picture.width = widest + 2 * _MARGIN
    picture.legend = _legend(drawing)
    if picture.legend:
        y += _LEGEND
        picture.width = max(picture.width, text_width(picture.legend, LABEL_SIZE) + 2 * _MARGIN)
    picture.height = max(y, 2 * _MARGIN)
    if not framed:
        picture.frames.clear()
    return picture


def _place_host(picture: Picture, host: HostDrawing, top: float, framed: bool) -> float:
    """Lay one virtual host out below what is there; return where it ends."""
    import graphlay

    graph = graphlay.Graph()
    for id_, box in host.boxes.items():
        width, height = _box_size(box)
        graph.node(id_, width=width, height=height, label="")
    for number, arrow in enumerate(host.arrows):
        if arrow.label:
            width, height = _label_size(arrow)
            graph.node(number, width=width, height=height, label="")
            graph.edge(arrow.source, number)
            graph.edge(number, arrow.target)
        else:
            graph.edge(arrow.source, arrow.target)
    layout = graphlay.layout(graph, options=_OPTIONS)
    picture.layouts.append(layout)
    head = _FRAME_TITLE + 8.0 if framed else 0.0
    bounds = layout.bounds
    dx = _MARGIN + (_FRAME if framed else 0.0) - bounds["min"]["x"]
    dy = top + head - bounds["min"]["y"]
    nodes = iter(layout.nodes)
    for box, node in zip(host.boxes.values(), nodes, strict=False):
        picture.boxes.append(_placed_box(box, node, dx, dy))
    _place_arrows(picture, host, layout, dx, dy)
    width = bounds["max"]["x"] - bounds["min"]["x"]
    end: float = top + head + bounds["max"]["y"] - bounds["min"]["y"] + (_FRAME if framed else 0.0)
    title = text_width(f"virtual host {printable(host.name)}", NAME_SIZE)
    inner = max(width, title) + (2 * _FRAME if framed else 0.0)
    picture.frames.append(Frame(host.name, _MARGIN, top, inner, end - top))
    return end


def _legend(drawing: Drawing) -> str:
    """Return what the colours mean that do not explain themselves."""
    boxes = [box for host in drawing.hosts for box in host.boxes.values()]
    warned = any(box.warnings for box in boxes) or any(
        arrow.warnings for host in drawing.hosts for arrow in host.arrows
    )
    words = []
    if drawing.difference:
        return "Green: to create. Orange: to recreate. Yellow: bound anew. Red: extra. Grey: stays."
    if drawing.route:
        words.append("Green: the way of the message.")
    elif not all(box.reached for box in boxes):
        words.append("Grey: no binding and no dead letter comes here.")
    if warned:
        words.append("Red: leveret check has a warning.")
    return " ".join(words)


def _placed_box(box: Box, node: dict[str, Any], dx: float, dy: float) -> PlacedBox:
    width, height = node["size"]["width"], node["size"]["height"]
    centre = node["center"]
    return PlacedBox(
        box, centre["x"] - width / 2 + dx, centre["y"] - height / 2 + dy, width, height
    )


def _place_arrows(picture: Picture, host: HostDrawing, layout: Any, dx: float, dy: float) -> None:
    edges = iter(layout.edges)
    labels = iter(layout.nodes[len(host.boxes) :])

    def line() -> Points:
        return tuple((point["x"] + dx, point["y"] + dy) for point in next(edges)["points"])

    for arrow in host.arrows:
        if arrow.label:
            centre = next(labels)["center"]
            at = centre["x"] + dx, centre["y"] + dy
            picture.arrows.append(PlacedArrow(arrow, (line(), line()), at))
        else:
            picture.arrows.append(PlacedArrow(arrow, (line(),)))


def _box_size(box: Box) -> tuple[float, float]:
    name = text_width(printable(box.name), NAME_SIZE)
    width = max(name, text_width(box.subtitle, SUBTITLE_SIZE)) + (18.0 if box.warnings else 0.0)
    height = NAME_SIZE * _LINE + (SUBTITLE_SIZE * _LINE if box.subtitle else 0.0)
    return max(width + 26.0, 64.0), height + 16.0


def _label_size(arrow: Arrow) -> tuple[float, float]:
    width = max(text_width(line, LABEL_SIZE) for line in arrow.label)
    return width + 8.0, len(arrow.label) * LABEL_SIZE * _LINE + 2.0


_NARROW = frozenset("iljtfr.,:;'|!()[]{} I-\"*")
_WIDE = frozenset("mwMW@%…")


def text_width(text: str, size: float) -> float:
    """Return about how wide a text is in pixels, in any sans-serif font, rather too wide."""
    return size * sum(map(_character_width, text))


def _character_width(character: str) -> float:
    if character in _NARROW:
        return 0.38
    if character in _WIDE:
        return 0.92
    if character.isascii():
        return 0.7 if character.isupper() else 0.58
    return 1.0 if unicodedata.east_asian_width(character) in "WF" else 0.7
