"""One message's route lit in a picture, all else dimmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leveret.config.draw_graph import printable

if TYPE_CHECKING:
    from leveret.config.draw_graph import BoxId, HostDrawing, Kind
    from leveret.exchanges import RouteTrace

__all__ = ["light", "route_text"]


def light(drawn: HostDrawing, route: RouteTrace | None) -> None:
    """Light what a message goes through; all else is dimmed, everything if it is not here."""
    boxes: set[BoxId] = set()
    taken: set[tuple[BoxId, BoxId]] = set()
    for visit in () if route is None else route.visits:
        here: BoxId = "exchange", visit.exchange
        boxes.add(here)
        for considered in visit.considered:
            if considered.matched:
                binding = considered.binding
                kind: Kind = "exchange" if binding.destination_type == "exchange" else "queue"
                boxes.add((kind, binding.destination))
                taken.add((here, (kind, binding.destination)))
        if visit.alternate is not None:
            taken.add((here, ("exchange", visit.alternate)))
    if route is not None:
        boxes |= {("queue", name) for name in route.queues}
    for box in drawn.boxes.values():
        box.lit = box.id in boxes
    for arrow in drawn.arrows:
        arrow.lit = (arrow.source, arrow.target) in taken and arrow.kind != "dead-letter"


def route_text(route: RouteTrace) -> str:
    """Return a route in a line, as the title of its picture."""
    reached = ", ".join(map(printable, (*route.queues, *route.possible))) or "no queue"
    exchange = printable(route.exchange) or "the default exchange"
    return f"{exchange}[{printable(route.routing_keys[0])}] reaches {reached}"
