"""Pictures as SVG, written by hand from the layout, and as PNG, which resvg makes of the SVG."""

from __future__ import annotations

from html import escape
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from leveret.config.draw_graph import printable
from leveret.config.draw_measure import LABEL_SIZE, LINE_HEIGHT, NAME_SIZE, SUBTITLE_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.config.draw_layout import Frame, Picture, PlacedArrow, PlacedBox
    from leveret.config.draw_legend import Entry
    from leveret.config.draw_lines import Point, Points

__all__ = ["png", "svg"]

_FONT = "Roboto, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
_CORNER = 7.0
_PNG_SCALE = 2.0

# kind of box -> fill, line, text
_COLOURS = {
    "exchange": ("#e3effa", "#2f6ea5", "#173a57"),
    "queue": ("#fdf3e0", "#b7791f", "#553708"),
}
_UNREACHED = ("#f1f1f1", "#b3b3b3", "#8a8a8a")
_DIM = ("#fafafa", "#d6d6d6", "#b0b0b0")
_LIT = ("#d9f2e1", "#1f7a4d", "#0d3d26")
# what is done -> fill, line, text
_ACTIONS = {
    "create": ("#d9f2e1", "#1f7a4d", "#0d3d26"),
    "update": ("#e3effa", "#2f6ea5", "#173a57"),
    "recreate": ("#fde6d3", "#c05621", "#6b2e10"),
    "replace": ("#fbf3cf", "#a97f08", "#5c4503"),
    "extra": ("#fbe2e2", "#c53030", "#742020"),
}
# what the legend shows -> fill, line, text
_SAMPLES = _COLOURS | _ACTIONS | {"unreached": _UNREACHED, "lit": _LIT, "unchanged": _DIM}
_WARNING = "#c53030"
# kind of arrow -> line
_LINES = {"binding": "#54606b", "alternate": "#2f6ea5", "dead-letter": "#8a5a00"}


def svg(picture: Picture) -> str:
    """Return a picture as an SVG document; what a box is warned of is its tooltip."""
    return "\n".join(_document(picture)) + "\n"


def png(picture: Picture) -> bytes:
    """Return a picture as a PNG image, of two pixels for each of the SVG.

    Raises:
        ModuleNotFoundError: the extra `draw` is not installed.

    """
    import resvg_py

    folder = files("font_roboto") / "files"
    with (
        as_file(folder / "Roboto-Regular.ttf") as regular,
        as_file(folder / "Roboto-Medium.ttf") as medium,
    ):
        return bytes(
            resvg_py.svg_to_bytes(
                svg_string=svg(picture),
                zoom=_PNG_SCALE,
                font_files=[str(regular), str(medium)],
                sans_serif_family="Roboto",
            )
        )


def _document(picture: Picture) -> Iterator[str]:
    width, height = round(picture.width), round(picture.height)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="{_FONT}">'
    )
    yield f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    if picture.title:
        title = printable(picture.title, 300)
        yield _text(24, 30, title, NAME_SIZE, "#2b3640", anchor="start", weight=500)
    for frame in picture.frames:
        yield from _frame(frame)
    # What is lit is drawn last, over what is not.
    for placed in sorted(
        picture.arrows, key=lambda placed: bool(placed.arrow.lit or placed.arrow.action)
    ):
        yield from _arrow(placed)
    for placed in picture.arrows:
        yield from _label(placed)
    for box in picture.boxes:
        yield from _box(box)
    for entry in picture.legend:
        yield from _legend(entry)
    yield "</svg>"


def _frame(frame: Frame) -> Iterator[str]:
    yield (
        f'<rect x="{frame.x:.1f}" y="{frame.y:.1f}" width="{frame.width:.1f}" '
        f'height="{frame.height:.1f}" rx="10" fill="#fcfcfd" stroke="#d5d9de"/>'
    )
    title = f"virtual host {printable(frame.name)}"
    yield _text(frame.x + 14, frame.y + 21, title, NAME_SIZE, "#6b7580", anchor="start", weight=500)


def _legend(entry: Entry) -> Iterator[str]:
    x, y, sample = entry.x, entry.y, entry.sample
    if sample in ("alternate", "dead-letter"):
        colour = _LINES[sample]
        yield (
            f'<path d="M {x:.1f} {y:.1f} h 13" fill="none" stroke="{colour}" stroke-width="1.3" '
            'stroke-dasharray="4 3"/>'
        )
        yield f'<path d="{_head(((x, y), (x + 20, y)))}" fill="{colour}"/>'
    elif sample == "warned":
        yield _warning(x + 4, y)
    else:
        fill, line, _ = _SAMPLES[sample]
        radius = 5.5 if sample == "exchange" else 2.0
        yield (
            f'<rect x="{x:.1f}" y="{y - 5.5:.1f}" width="20" height="11" rx="{radius}" '
            f'fill="{fill}" stroke="{line}" stroke-width="1.2"/>'
        )
    yield _text(x + 26, y + 3.7, entry.text, LABEL_SIZE, "#57616b", anchor="start")


def _box(placed: PlacedBox) -> Iterator[str]:
    box = placed.box
    fill, line, ink = _COLOURS[box.kind]
    if box.action is not None:
        fill, line, ink = _ACTIONS[box.action]
    elif box.lit is not None:
        fill, line, ink = _LIT if box.lit else _DIM
    elif not box.reached:
        fill, line, ink = _UNREACHED
    if box.warnings and not box.lit:
        line = _WARNING
    x, y, width, height = placed.x, placed.y, placed.width, placed.height
    radius = 4.0 if box.kind == "queue" else 13.0
    yield "<g>"
    hints = [box.name or box.title, *box.warnings]
    yield f"<title>{escape(' — '.join(printable(hint, 300) for hint in hints))}</title>"
    stroke = 2.4 if box.lit else 1.6 if box.warnings else 1.2
    if box.members > 1:
        yield (
            f'<rect x="{x + 4:.1f}" y="{y + 4:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'rx="{radius:.1f}" fill="{fill}" stroke="{line}" stroke-width="{stroke}"/>'
        )
    yield (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'rx="{radius:.1f}" fill="{fill}" stroke="{line}" stroke-width="{stroke}"/>'
    )
    middle = x + width / 2
    baseline = y + 8 + NAME_SIZE
    if box.warnings:
        yield _warning(x + 11, y + height / 2)
        middle += 8
    yield _text(middle, baseline, box.title, NAME_SIZE, ink, weight=500)
    if box.subtitle:
        below = baseline + SUBTITLE_SIZE * LINE_HEIGHT + 1
        yield _text(middle, below, box.subtitle, SUBTITLE_SIZE, ink, opacity=0.75)
    yield "</g>"


def _warning(x: float, y: float) -> str:
    """Return a small warning triangle whose left corner is near `x`."""
    return (
        f'<path d="M {x:.1f} {y + 5:.1f} l 6 -11 l 6 11 z" fill="{_WARNING}"/>'
        f'<path d="M {x + 6:.1f} {y - 2.5:.1f} v 3.6 m 0 1.5 v 0.9" stroke="#ffffff" '
        'stroke-width="1.3"/>'
    )


def _arrow_colour(placed: PlacedArrow) -> str:
    arrow = placed.arrow
    if arrow.action is not None:
        return _ACTIONS[arrow.action][1]
    if arrow.lit is not None:
        return _LIT[1] if arrow.lit else _DIM[1]
    if arrow.warnings:
        return _WARNING
    return _LINES[arrow.kind] if arrow.reached else _UNREACHED[1]


def _arrow(placed: PlacedArrow) -> Iterator[str]:
    colour = _arrow_colour(placed)
    width = 2.6 if placed.arrow.lit else 1.3
    dashed = "" if placed.arrow.kind == "binding" else ' stroke-dasharray="6 4"'
    yield "<g>"
    if placed.arrow.warnings:
        hints = (printable(warning, 300) for warning in placed.arrow.warnings)
        yield f"<title>{escape(' — '.join(hints))}</title>"
    # It begins under its box, whose corners are round.
    first, *more = placed.lines
    lines = [(_towards(first[0], first[1], -_CORNER), *first[1:]), *more]
    for number, points in enumerate(lines, 1):
        whole = number < len(lines)  # the line to a label has no head
        yield (
            f'<path d="{_path(points, 0.0 if whole else 6.0)}" fill="none" stroke="{colour}" '
            f'stroke-width="{width}"{dashed}/>'
        )
    yield f'<path d="{_head(placed.lines[-1])}" fill="{colour}"/>'
    yield "</g>"


def _path(points: Points, short: float) -> str:
    """Return a line through points, its corners rounded; it ends `short` of the last one."""
    (x0, y0), *middle = points[:-1]
    last = _towards(points[-1], points[-2], short)
    steps = [f"M {x0:.1f} {y0:.1f}"]
    before = points[0]
    for corner, after in zip(middle, [*points[2:-1], last], strict=False):
        radius = min(_CORNER, _distance(before, corner) / 2, _distance(corner, after) / 2)
        begin, end = _towards(corner, before, radius), _towards(corner, after, radius)
        steps.append(f"L {begin[0]:.1f} {begin[1]:.1f}")
        steps.append(f"Q {corner[0]:.1f} {corner[1]:.1f} {end[0]:.1f} {end[1]:.1f}")
        before = corner
    steps.append(f"L {last[0]:.1f} {last[1]:.1f}")
    return " ".join(steps)


def _head(points: Points) -> str:
    tip, before = points[-1], points[-2]
    base = _towards(tip, before, 8.0)
    length = _distance(tip, base) or 1.0
    nx, ny = (tip[1] - base[1]) / length * 4.0, (base[0] - tip[0]) / length * 4.0
    return (
        f"M {tip[0]:.1f} {tip[1]:.1f} L {base[0] + nx:.1f} {base[1] + ny:.1f} "
        f"L {base[0] - nx:.1f} {base[1] - ny:.1f} Z"
    )


def _towards(start: Point, end: Point, distance: float) -> Point:
    whole = _distance(start, end)
    if not whole:
        return start
    part = min(distance / whole, 1.0)  # negative: away from the end
    return start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part


def _distance(a: Point, b: Point) -> float:
    return float(((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5)


def _label(placed: PlacedArrow) -> Iterator[str]:
    if placed.label_at is None:
        return
    x, y = placed.label_at
    lines = placed.arrow.label
    ink = _arrow_colour(placed)
    baseline = y - len(lines) * LABEL_SIZE * LINE_HEIGHT / 2 + LABEL_SIZE
    for number, line in enumerate(lines):
        at = baseline + number * LABEL_SIZE * LINE_HEIGHT
        yield _text(x, at, line, LABEL_SIZE, ink, weight=500 if placed.arrow.lit else 400)


def _text(
    x: float,
    y: float,
    text: str,
    size: float,
    colour: str,
    *,
    anchor: str = "middle",
    weight: int = 400,
    opacity: float = 1.0,
) -> str:
    faint = f' fill-opacity="{opacity}"' if opacity < 1 else ""
    bold = f' font-weight="{weight}"' if weight != 400 else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
        f'fill="{colour}"{faint}{bold}>{escape(text)}</text>'
    )
