"""Makes a `RouteTrace`: the same walk as routing, with a reason written beside every binding.

What is reached comes from the walk alone, so that an explanation cannot disagree with the route;
the reasons are asked for afterwards.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from leveret.exchanges.trace import Considered, RouteTrace, Visit
from leveret.exchanges.walk import Step, walk
from leveret.routing import Binding

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Mapping

    from leveret.exchanges.base import Envelope, Exchange

__all__ = ["NEAREST", "explain_route"]

#: Near misses kept for each exchange: enough to see a pattern, few enough to read.
NEAREST = 5


def explain_route(
    start: Exchange,
    exchanges: Mapping[str, Exchange],
    queues: Collection[str],
    envelope: Envelope,
) -> RouteTrace:
    """Trace one message from one exchange."""
    steps = list(walk(start, exchanges, envelope, draw=False))
    # exchange -> how it was first come to: (exchange before, binding or None for its alternate)
    entries: dict[str, tuple[str, Binding | None]] = {}
    # queue -> the last leg of the first path to it
    arrivals: dict[str, tuple[str, Binding]] = {}
    visits = []
    for step in steps:
        name = step.exchange.name
        known = {start.name, *entries}
        bindings = step.exchange.bindings if name else _implied(step.bindings, queues)
        visits.append(_visit(step, bindings, entries, known, envelope))
        for binding in step.bindings:
            if binding.destination_type == "exchange":
                entries.setdefault(binding.destination, (name, binding))
            elif binding.destination in queues:
                arrivals.setdefault(binding.destination, (name, binding))
        if step.alternate is not None:
            entries.setdefault(step.alternate, (name, None))
    certain = _certain_queues(start, steps)
    return RouteTrace(
        exchange=start.name,
        routing_keys=envelope.routing_keys,
        headers=dict(envelope.headers),
        visits=tuple(visits),
        queues=tuple(name for name in arrivals if name in certain),
        possible=tuple(name for name in arrivals if name not in certain),
        paths={name: _path(start.name, leg, entries) for name, leg in arrivals.items()},
    )


def _onward(step: Step) -> list[str]:
    """Return the exchanges that a step leads to, each once."""
    onward = [b.destination for b in step.bindings if b.destination_type == "exchange"]
    if step.alternate is not None:
        onward.append(step.alternate)
    return list(dict.fromkeys(onward))


def _implied(taken: Collection[Binding], queues: Collection[str]) -> Collection[Binding]:
    """Return the default exchange's bindings worth a look: those to queues that are there.

    If there are none, one to every queue, so that the name that was meant can be found.
    """
    present = [binding for binding in taken if binding.destination in queues]
    return present or [Binding("", name, name) for name in queues]


def _visit(
    step: Step,
    bindings: Collection[Binding],
    entries: Mapping[str, tuple[str, Binding | None]],
    known: Container[str],
    envelope: Envelope,
) -> Visit:
    exchange = step.exchange
    taken = dict.fromkeys(step.bindings)
    considered = tuple(
        Considered(
            binding=binding,
            matched=binding in taken,
            reason=exchange.explain(binding, envelope).reason,
            label=exchange.label(binding),
        )
        for binding in bindings
    )
    source, binding = entries.get(exchange.name, (None, None))
    return Visit(
        exchange=exchange.name,
        type=exchange.type,
        source=source,
        binding=binding,
        by_chance=exchange.by_chance and len(taken) > 1,
        note=exchange.note(envelope),
        considered=considered,
        nearest=_nearest(exchange, considered, envelope),
        alternate=step.alternate,
        cut=tuple(name for name in _onward(step) if name in known),
    )


def _nearest(
    exchange: Exchange, considered: tuple[Considered, ...], envelope: Envelope
) -> tuple[Considered, ...]:
    misses = [one for one in considered if not one.matched]
    return tuple(
        heapq.nsmallest(NEAREST, misses, key=lambda one: exchange.distance(one.binding, envelope))
    )


def _path(
    start: str,
    last: tuple[str, Binding | None],
    entries: Mapping[str, tuple[str, Binding | None]],
) -> tuple[tuple[str, Binding | None], ...]:
    path = [last]
    while (exchange := path[-1][0]) != start:
        path.append(entries[exchange])
    return tuple(reversed(path))


def _certain_queues(start: Exchange, steps: list[Step]) -> set[str]:
    """Return the queues that are reached whatever chance decides."""
    by_name = {step.exchange.name: step for step in steps}
    certain: set[str] = set()
    seen = {start.name}
    work = [by_name[start.name]]
    for step in work:
        if step.exchange.by_chance and len({_destination(b) for b in step.bindings}) > 1:
            continue
        certain.update(b.destination for b in step.bindings if b.destination_type == "queue")
        for name in _onward(step):
            if name not in seen and name in by_name:
                seen.add(name)
                work.append(by_name[name])
    return certain


def _destination(binding: Binding) -> tuple[str, str]:
    return binding.destination_type, binding.destination
