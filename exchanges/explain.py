"""Makes a `RouteTrace`: the same walk as routing, with a reason written beside every binding.

What is reached comes from the walk alone, so that an explanation cannot disagree with the route;
the reasons are asked for afterwards.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from attrs import define, field

from leveret.exchanges.trace import Considered, Leg, RouteTrace, Visit
from leveret.exchanges.walk import Step, onward, walk
from leveret.routing import Binding

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

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
    """Trace one message from one exchange; `queues` are the names of those that exist."""
    steps = walk(start, exchanges, envelope, draw=False)
    certain = _certain_queues(steps)
    tracer = _Tracer(start.name, queues, envelope)
    visits = tuple(map(tracer.visit, steps))
    return RouteTrace(
        exchange=start.name,
        routing_keys=envelope.routing_keys,
        headers=dict(envelope.headers),
        visits=visits,
        queues=tuple(name for name in tracer.arrivals if name in certain),
        possible=tuple(name for name in tracer.arrivals if name not in certain),
        paths={name: tracer.path(leg) for name, leg in tracer.arrivals.items()},
    )


@define(eq=False)
class _Tracer:
    """Turns the steps of a walk, taken in order, into visits."""

    start: str
    queues: Collection[str]
    envelope: Envelope
    # exchange -> the leg by which it was first come to
    entries: dict[str, Leg] = field(factory=dict, init=False)
    # queue -> the leg by which it was first come to
    arrivals: dict[str, Leg] = field(factory=dict, init=False)

    def visit(self, step: Step) -> Visit:
        exchange, taken, alternate = step
        matched = set(taken)
        bindings = exchange.bindings if exchange.name else self._implied(taken)
        considered = tuple(self._consider(exchange, one, one in matched) for one in bindings)
        source, binding = self.entries.get(exchange.name, (None, None))
        cut = tuple(name for name in dict.fromkeys(onward(step)) if self._is_known(name))
        self._follow(step)
        return Visit(
            exchange=exchange.name,
            type=exchange.type,
            source=source,
            binding=binding,
            by_chance=exchange.by_chance and len(matched) > 1,
            note=self._note(exchange),
            considered=considered,
            nearest=self._nearest(exchange, considered),
            alternate=alternate,
            cut=cut,
        )

    def _note(self, exchange: Exchange) -> str:
        notes = [exchange.note(self.envelope)]
        # What comes by a binding was looked at where it was published.
        if exchange.identifiers is not None and exchange.name == self.start:
            notes.append(exchange.identifiers.settings.explain(self.envelope.properties))
        return "; ".join(filter(None, notes))

    def path(self, last: Leg) -> tuple[Leg, ...]:
        """Return the legs from the start to what `last` leads to."""
        path = [last]
        while (exchange := path[-1][0]) != self.start:
            path.append(self.entries[exchange])
        return tuple(reversed(path))

    def _follow(self, step: Step) -> None:
        exchange, taken, alternate = step
        for binding in taken:
            if binding.destination_type == "exchange":
                self.entries.setdefault(binding.destination, (exchange.name, binding))
            elif binding.destination in self.queues:
                self.arrivals.setdefault(binding.destination, (exchange.name, binding))
        if alternate is not None:
            self.entries.setdefault(alternate, (exchange.name, None))

    def _is_known(self, exchange: str) -> bool:
        return exchange == self.start or exchange in self.entries

    def _implied(self, taken: Collection[Binding]) -> Collection[Binding]:
        """Return the default exchange's bindings worth a look: those to queues that exist.

        If there are none, one to every queue, so that the name that was meant can be found.
        """
        present = [binding for binding in taken if binding.destination in self.queues]
        return present or [Binding("", name, name) for name in self.queues]

    def _consider(self, exchange: Exchange, binding: Binding, matched: bool) -> Considered:
        verdict = exchange.explain(binding, self.envelope)
        return Considered(binding, matched, verdict.reason, exchange.label(binding))

    def _nearest(
        self, exchange: Exchange, considered: tuple[Considered, ...]
    ) -> tuple[Considered, ...]:
        def distance(one: Considered) -> float:
            return exchange.distance(one.binding, self.envelope)

        misses = [one for one in considered if not one.matched]
        return tuple(heapq.nsmallest(NEAREST, misses, key=distance))


def _certain_queues(steps: list[Step]) -> set[str]:
    """Return the queues that are reached whatever chance decides."""
    by_name = {step[0].name: step for step in steps}
    certain: set[str] = set()
    seen = {steps[0][0].name}
    work = [steps[0]]
    for step in work:
        exchange, bindings, _ = step
        if exchange.by_chance and len({(b.destination_type, b.destination) for b in bindings}) > 1:
            continue
        certain.update(b.destination for b in bindings if b.destination_type == "queue")
        for name in onward(step):
            if name not in seen and name in by_name:
                seen.add(name)
                work.append(by_name[name])
    return certain
