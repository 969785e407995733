"""A topology as a picture: `topology.draw()` and `leveret draw`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from leveret.config.draw_parts import check_size, grouped, only
from leveret.config.draw_sketch import drawing_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leveret.config.draw_graph import Drawing
    from leveret.config.findings import Finding
    from leveret.config.model import Topology
    from leveret.exchanges import RouteTrace

__all__ = ["FORMATS", "Format", "draw", "draw_difference", "format_of"]

Format: TypeAlias = Literal["mermaid", "dot", "svg", "png"]
#: Format -> the ends of the names of its files.
FORMATS: dict[Format, tuple[str, ...]] = {
    "mermaid": (".mmd", ".mermaid"),
    "dot": (".dot", ".gv"),
    "svg": (".svg",),
    "png": (".png",),
}


def draw(
    topology: Topology,
    format: Format = "mermaid",  # noqa: A002 # what a caller would look for
    *,
    route: RouteTrace | None = None,
    group: bool = False,
    names: Iterable[str] = (),
) -> str | bytes:
    """Return a picture of a topology: text, or bytes for PNG.

    `route` lights one route in the virtual host "/"; `group` draws names that begin alike as one
    box; `names` are patterns with `*` and `?`, to draw only what matches and its neighbours.

    Raises:
        TooLargeToDrawError: nobody could read the picture.
        ModuleNotFoundError: SVG or PNG is asked for and the extra `draw` is not installed.

    """
    names = tuple(names)

    def drawing(findings: Iterable[Finding] = ()) -> Drawing:
        drawn = drawing_of(topology, findings, route)
        drawn = only(drawn, names) if names else drawn
        return grouped(drawn) if group else drawn

    # The checker takes longer than a look at the size.
    check_size(drawing(), is_grouped=group)
    return _render(drawing(topology.check() if topology.sources else ()), format)


def draw_difference(wanted: Topology, present: Topology, format: Format) -> str | bytes:  # noqa: A002
    """Return a picture of what makes `present` into `wanted`: text, or bytes for PNG.

    Raises:
        TooLargeToDrawError: more changes than anybody could read in a picture.
        ModuleNotFoundError: SVG or PNG is asked for and the extra `draw` is not installed.

    """
    from leveret.config.draw_diff import difference_drawing

    drawing = difference_drawing(wanted, present)
    check_size(drawing)
    return _render(drawing, format)


def format_of(name: str) -> Format | None:
    """Return the format that the name of a file says by its end; None if it says none."""
    for format_, endings in FORMATS.items():
        if name.lower().endswith(endings):
            return format_
    return None


def _render(drawing: Drawing, format: Format) -> str | bytes:  # noqa: A002
    from leveret.config.draw_text import dot, mermaid

    if format == "mermaid":
        return mermaid(drawing)
    if format == "dot":
        return dot(drawing)
    from leveret.config.draw_layout import lay_out
    from leveret.config.draw_svg import png, svg

    picture = lay_out(drawing)
    return svg(picture) if format == "svg" else png(picture)
