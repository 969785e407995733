"""Pictures as text: Mermaid, which GitHub shows, and DOT, which Graphviz draws."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from leveret.config.draw_graph import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from leveret.config.draw_graph import Arrow, Box, BoxId, Drawing, HostDrawing

__all__ = ["dot", "mermaid"]

_MERMAID_CLASSES = (
    "classDef exchange fill:#e3effa,stroke:#2f6ea5,color:#173a57",
    "classDef queue fill:#fdf3e0,stroke:#b7791f,color:#553708",
    "classDef unreached fill:#eeeeee,stroke:#aaaaaa,color:#777777",
    "classDef warned stroke:#c53030,stroke-width:2px",
    "classDef lit fill:#d9f2e1,stroke:#1f7a4d,stroke-width:3px,color:#0d3d26",
    "classDef create fill:#d9f2e1,stroke:#1f7a4d,color:#0d3d26",
    "classDef recreate fill:#fde6d3,stroke:#c05621,color:#6b2e10",
    "classDef extra fill:#fbe2e2,stroke:#c53030,color:#742020,stroke-dasharray:4",
    "classDef dim fill:#fafafa,stroke:#cccccc,color:#999999",
)


_LIT_LINE, _DIM_LINE = "stroke:#1f7a4d,stroke-width:3px", "stroke:#cccccc"
_ACTION_LINES = {
    "create": "#1f7a4d",
    "update": "#2f6ea5",
    "recreate": "#c05621",
    "replace": "#a97f08",
    "extra": "#c53030",
}


def mermaid(drawing: Drawing) -> str:
    """Return a picture as a Mermaid flowchart.

    Names stand in labels only, escaped; the identifiers are numbers.
    """
    lines = ["flowchart LR"]
    if drawing.route:
        lines.append(f"    %% {_comment(drawing.route)}")
    styled: defaultdict[str, list[int]] = defaultdict(list)  # style -> arrows
    number = 0
    for place, host in enumerate(drawing.hosts):
        ids = _ids(host, place)
        grouped = len(drawing.hosts) > 1 or host.name != "/"
        pad = "    "
        if grouped:
            lines.append(f'    subgraph v{place}["virtual host {_mermaid_text(host.name)}"]')
            pad = "        "
        for box in host.boxes.values():
            lines.append(f"{pad}{ids[box.id]}{_mermaid_box(box)}:::{_mermaid_class(box)}")
        for arrow in host.arrows:
            lines.append(f"{pad}{ids[arrow.source]} {_mermaid_arrow(arrow)} {ids[arrow.target]}")
            if arrow.action is not None:
                styled[f"stroke:{_ACTION_LINES[arrow.action]},stroke-width:2px"].append(number)
            elif arrow.lit is not None:
                styled[_LIT_LINE if arrow.lit else _DIM_LINE].append(number)
            number += 1
        if grouped:
            lines.append("    end")
        warned = [ids[box.id] for box in host.boxes.values() if box.warnings and box.lit is None]
        if warned:
            lines.append(f"    class {','.join(warned)} warned")
    lines.extend(f"    {line}" for line in _MERMAID_CLASSES)
    for style, arrows in styled.items():
        lines.append(f"    linkStyle {','.join(map(str, arrows))} {style}")
    return "\n".join(lines) + "\n"


def _ids(host: HostDrawing, place: int) -> dict[BoxId, str]:
    return {id_: f"n{place}_{number}" for number, id_ in enumerate(host.boxes)}


def _title(box: Box) -> list[str]:
    name = box.title
    return [f"⚠ {name}" if box.warnings else name, *filter(None, [box.subtitle])]


def _mermaid_box(box: Box) -> str:
    title = "<br/>".join(map(_mermaid_text, _title(box)))
    return f'{{{{"{title}"}}}}' if box.kind == "exchange" else f'["{title}"]'


def _mermaid_class(box: Box) -> str:
    if box.action is not None:
        return box.action
    if box.lit is not None:
        return "lit" if box.lit else "dim"
    return box.kind if box.reached else "unreached"


def _mermaid_arrow(arrow: Arrow) -> str:
    line = "-->" if arrow.kind == "binding" else "-.->"
    if not arrow.label:
        return line
    return f'{line}|"{"<br/>".join(map(_mermaid_text, arrow.label))}"|'


def _mermaid_text(text: str) -> str:
    """Return a text with what Mermaid or HTML would act on as numbered entities."""
    return "".join(
        c if c.isalnum() or c in " .,-_/:=·…⚠" else f"#{ord(c)};" for c in printable(text, 200)
    )


def _comment(text: str) -> str:
    return text.replace("%", "").replace("{", "(").replace("}", ")")


# --- DOT ---------------------------------------------------------------------------


def dot(drawing: Drawing) -> str:
    """Return a picture in Graphviz's language."""
    return "\n".join(_dot_lines(drawing)) + "\n"


def _dot_lines(drawing: Drawing) -> Iterator[str]:
    yield "digraph topology {"
    yield "    rankdir=LR"
    if drawing.route:
        yield f"    label={_dot_text([drawing.route])}"
    yield '    node [fontname="Helvetica" fontsize=11 style="filled,rounded" shape=box]'
    yield '    edge [fontname="Helvetica" fontsize=9]'
    for place, host in enumerate(drawing.hosts):
        ids = _ids(host, place)
        yield f"    subgraph cluster_{place} {{"
        yield f"        label={_dot_text([f'virtual host {printable(host.name, 200)}'])}"
        yield '        color="#bbbbbb"'
        for box in host.boxes.values():
            yield f"        {ids[box.id]} [{_dot_box(box)}]"
        for arrow in host.arrows:
            yield f"        {ids[arrow.source]} -> {ids[arrow.target]} [{_dot_arrow(arrow)}]"
        yield "    }"
    yield "}"


def _dot_box(box: Box) -> str:
    fill, line = ("#e3effa", "#2f6ea5") if box.kind == "exchange" else ("#fdf3e0", "#b7791f")
    font = "#222222"
    if not box.reached or box.lit is False:
        fill, line, font = "#eeeeee", "#aaaaaa", "#888888"
    if box.lit or box.action == "create":
        fill, line = "#d9f2e1", "#1f7a4d"
    elif box.action is not None:
        fill = "#fde6d3" if box.action == "recreate" else "#fbe2e2"
        line = _ACTION_LINES[box.action]
    width = 3 if box.lit else 1
    if box.warnings and box.lit is None:
        line, width = "#c53030", 2
    shape = "hexagon" if box.kind == "exchange" else "box"
    tooltip = f" tooltip={_dot_text(box.warnings)}" if box.warnings else ""
    style = "filled" if box.kind == "exchange" else "filled,rounded"
    return (
        f'label={_dot_text(_title(box))} shape={shape} style="{style}" fillcolor="{fill}"'
        f' color="{line}" fontcolor="{font}" penwidth={width}{tooltip}'
    )


def _dot_arrow(arrow: Arrow) -> str:
    colour = "#444444" if arrow.reached and arrow.lit is not False else "#bbbbbb"
    style = "solid" if arrow.kind == "binding" else "dashed"
    if arrow.action is not None:
        colour = _ACTION_LINES[arrow.action]
    if arrow.lit:
        colour = "#1f7a4d"
    width = 3 if arrow.lit else 1
    label = f"label={_dot_text(arrow.label)} " if arrow.label else ""
    return f'{label}style={style} color="{colour}" fontcolor="{colour}" penwidth={width}'


def _dot_text(lines: Iterable[str]) -> str:
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(escaped) + '"'
