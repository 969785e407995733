"""Pictures of large topologies: a part of one, or names gathered into groups."""

from __future__ import annotations

import re
from collections import defaultdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from attrs import evolve

from leveret.config.draw_graph import Arrow, Box, BoxId, Drawing, HostDrawing, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "MAX_ARROWS",
    "MAX_BOXES",
    "TooLargeToDrawError",
    "check_size",
    "grouped",
    "is_too_large",
    "only",
]

#: Beyond these nobody finds anything in a picture; Mermaid stops at 500 arrows too.
MAX_BOXES = 250
MAX_ARROWS = 500

_STEM = re.compile(r"[._:/-]|(?<=[^\W\d])(?=\d)")


class TooLargeToDrawError(ValueError):
    """A topology has more objects than a picture can show; the text says what to draw instead."""


def is_too_large(drawing: Drawing) -> bool:
    """Tell whether there is more in a picture than anybody could read."""
    return drawing.boxes > MAX_BOXES or drawing.arrows > MAX_ARROWS


def check_size(drawing: Drawing, *, is_grouped: bool = False) -> None:
    """Let a picture pass that can be read.

    Raises:
        TooLargeToDrawError: there is too much in it.

    """
    if not is_too_large(drawing):
        return
    bindings = sum(
        arrow.members for host in drawing.hosts for arrow in host.arrows if arrow.kind == "binding"
    )
    if drawing.difference:
        raise TooLargeToDrawError(
            f"{_objects(drawing):,} exchanges and queues that change are no picture that anybody"
            " could read. Read the difference as text."
        )
    busiest = sorted(_degrees(drawing).items(), key=lambda item: (-item[1], item[0]))[:3]
    names = ", ".join(f"'{name}' ({number:,})" for name, number in busiest)
    instead = "a part of it with --only NAME, such as --only '" + (busiest[0][0] if busiest else "")
    raise TooLargeToDrawError(
        f"{_objects(drawing):,} exchanges and queues with {bindings:,} bindings are no picture that"
        f" anybody could read. Draw {instead}'"
        + ("" if is_grouped else ", or names that begin alike as one box with --group")
        + f". The most arrows are at {names}."
    )


def only(drawing: Drawing, patterns: Iterable[str]) -> Drawing:
    """Return the boxes whose names match one of the patterns, `*` and `?`, and their neighbours."""
    patterns = tuple(patterns)
    hosts = []
    for host in drawing.hosts:
        wanted = {
            box.id
            for box in host.boxes.values()
            if any(fnmatchcase(box.name, pattern) for pattern in patterns)
        }
        arrows = [arrow for arrow in host.arrows if {arrow.source, arrow.target} & wanted]
        near = wanted | {end for arrow in arrows for end in (arrow.source, arrow.target)}
        boxes = {id_: box for id_, box in host.boxes.items() if id_ in near}
        if boxes:
            hosts.append(HostDrawing(host.name, boxes, arrows))
    return evolve(drawing, hosts=hosts)


def grouped(drawing: Drawing) -> Drawing:
    """Return a picture in which names that begin alike are one box, with how many it stands for.

    A name begins with what stands before its first dot, dash, underscore, colon, slash or digit.
    """
    return evolve(drawing, hosts=[_grouped_host(host) for host in drawing.hosts])


def _grouped_host(host: HostDrawing) -> HostDrawing:
    alike: defaultdict[tuple[Kind, str], list[Box]] = defaultdict(list)
    for box in host.boxes.values():
        alike[box.kind, _STEM.split(box.name, maxsplit=1)[0] or box.name].append(box)
    result = HostDrawing(host.name)
    place: dict[BoxId, BoxId] = {}
    for (kind, stem), boxes in alike.items():
        together = boxes[0] if len(boxes) == 1 else _together(kind, stem, boxes)
        result.boxes[together.id] = together
        place.update((box.id, together.id) for box in boxes)
    arrows: dict[tuple[BoxId, BoxId, str], list[Arrow]] = defaultdict(list)
    for arrow in host.arrows:
        arrows[place[arrow.source], place[arrow.target], arrow.kind].append(arrow)
    for (source, target, _), members in arrows.items():
        result.arrows.append(_merged(source, target, members))
    return result


def _together(kind: Kind, stem: str, boxes: list[Box]) -> Box:
    return Box(
        kind,
        f"{stem}*",
        f"{len(boxes):,} {kind}s",
        any(box.reached for box in boxes),
        [warning for box in boxes for warning in box.warnings],
        None if boxes[0].lit is None else any(box.lit for box in boxes),
        len(boxes),
    )


def _merged(source: BoxId, target: BoxId, members: list[Arrow]) -> Arrow:
    first = members[0]
    if len(members) == 1:
        return evolve(first, source=source, target=target)
    number = sum(arrow.members for arrow in members)
    label = [f"{number:,} bindings"] if first.kind == "binding" else first.label[:1]
    lit = None if first.lit is None else any(arrow.lit for arrow in members)
    reached = any(arrow.reached for arrow in members)
    warnings = [warning for arrow in members for warning in arrow.warnings]
    return Arrow(source, target, first.kind, label, reached, lit, number, warnings)


def _degrees(drawing: Drawing) -> dict[str, int]:
    degrees: defaultdict[str, int] = defaultdict(int)
    for host in drawing.hosts:
        for arrow in host.arrows:
            for _, name in (arrow.source, arrow.target):
                degrees[name] += arrow.members
    return degrees


def _objects(drawing: Drawing) -> int:
    return sum(box.members for host in drawing.hosts for box in host.boxes.values())
