"""A topology as boxes and arrows.

Exchanges and queues are boxes. Bindings of one pair are one arrow with their keys; alternates and
dead letters are dashed arrows, whether an argument or a policy makes them. The default exchange is
there if something is known to go through it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from attrs import define, field

from leveret.config.draw_graph import Arrow, Box, Drawing, HostDrawing, label_of, printable
from leveret.config.draw_route import light, route_text
from leveret.config.friendly import format_size
from leveret.config.names import PREDECLARED_EXCHANGES
from leveret.config.quantities import format_duration
from leveret.config.view import HostView

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from leveret.config.draw_graph import BoxId, Kind
    from leveret.config.findings import Finding
    from leveret.config.model import BindingDeclaration, QueueDeclaration, Topology
    from leveret.config.model import VirtualHost as Host
    from leveret.errors import Position
    from leveret.exchanges import RouteTrace
    from leveret.queues.settings import QueueSettings

__all__ = ["binding_label", "drawing_of"]


def drawing_of(
    topology: Topology, findings: Iterable[Finding] = (), route: RouteTrace | None = None
) -> Drawing:
    """Return the picture of a topology; `route` is one in the virtual host "/"."""
    marks = _marks(findings)
    hosts = []
    for host in topology.virtual_hosts.values():
        here = route if host.name == "/" else None
        called = _called(topology, host.name)
        if here is not None and not here.exchange:
            called.update(here.queues)
        view = HostView(host, topology.compatibility)
        drawn = _Sketch(host, marks, called, view).draw()
        if route is not None:
            light(drawn, here)
        if drawn.boxes:
            hosts.append(drawn)
    return Drawing(topology.file, hosts, "" if route is None else route_text(route))


def _called(topology: Topology, host: str) -> set[str]:
    """Return the queues that requests and expectations publish to by their name."""
    requests = topology.virtual_hosts[host].requests.values()
    called = {request.routing_key for request in requests if request.exchange == ""}
    return called | {
        expected.routing_key
        for expected in topology.expectations
        if expected.virtual_host == host and expected.exchange == ""
    }


def _marks(findings: Iterable[Finding]) -> dict[Position, list[str]]:
    """Return place -> what is found there."""
    marks: defaultdict[Position, list[str]] = defaultdict(list)
    for finding in findings:
        if finding.severity != "note":
            marks[finding.position].append(f"{finding.code}: {finding.message}")
    return marks


@define(eq=False)
class _Sketch:
    host: Host
    marks: dict[Position, list[str]]
    called: set[str]  # the queues that something publishes to by their name
    view: HostView
    drawn: HostDrawing = field(init=False)
    # place -> how many exchanges and queues stand there: `dead_letter: true` makes two at one
    standing: Counter[Position] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.drawn = HostDrawing(self.host.name)
        places = [exchange.position for exchange in self.host.exchanges.values()]
        places += [queue.position for queue in self.host.queues.values()]
        self.standing = Counter(place for place in places if place is not None)

    def draw(self) -> HostDrawing:
        for exchange in self.host.exchanges.values():
            types = dict.fromkeys((exchange.type, exchange.routes_as))
            self._box("exchange", exchange.name, " · ".join(types), exchange.position)
        for queue in self.host.queues.values():
            settings = " · ".join(_settings(queue, self.view.settings[queue.name]))
            self._box("queue", queue.name, settings, queue.position)
        self._bindings()
        self._alternates()
        self._dead_letters()
        self._calls()
        _mark_unreached(self.drawn, self._entries())
        return self.drawn

    def _box(self, kind: Kind, name: str, subtitle: str, position: Position | None) -> None:
        marks = dict.fromkeys(() if position is None else self.marks.get(position, ()))
        if position is not None and self.standing[position] > 1:
            marks = {mark: None for mark in marks if f"'{name}'" in mark}
        box = Box(kind, name, subtitle, warnings=list(marks))
        self.drawn.boxes[box.id] = box

    def _exchange(self, name: str) -> BoxId | None:
        """Return the box of an exchange, made now if it is the broker's own; None if missing."""
        if ("exchange", name) not in self.drawn.boxes:
            if name not in PREDECLARED_EXCHANGES:
                return None
            self._box("exchange", name, PREDECLARED_EXCHANGES[name], None)
        return "exchange", name

    def _bindings(self) -> None:
        pairs: defaultdict[tuple[BoxId, BoxId], list[BindingDeclaration]] = defaultdict(list)
        for binding in self.host.bindings:
            source = self._exchange(binding.source)
            target: BoxId | None = "queue", binding.destination
            if binding.destination_type == "exchange":
                target = self._exchange(binding.destination)
            if source is not None and target is not None and target in self.drawn.boxes:
                pairs[source, target].append(binding)
        for (source, target), bindings in pairs.items():
            type_ = self.drawn.boxes[source].subtitle
            label = label_of([binding_label(binding, type_) for binding in bindings])
            marks = [
                mark
                for binding in bindings
                if binding.position is not None and binding.position not in self.standing
                for mark in self.marks.get(binding.position, ())
            ]
            self.drawn.arrows.append(
                Arrow(
                    source,
                    target,
                    label=label,
                    members=len(bindings),
                    warnings=list(dict.fromkeys(marks)),
                )
            )

    def _alternates(self) -> None:
        for name, alternate in self.view.alternates.items():
            source: BoxId = "exchange", name
            target = self._exchange(alternate)
            if target is None or source not in self.drawn.boxes:
                continue
            label = ["what no binding takes"]
            if "alternate-exchange" not in self.view.exchanges[name].arguments:
                label += self._by_policy("exchange", name, "alternate-exchange")
            self.drawn.arrows.append(Arrow(source, target, "alternate", label))

    def _dead_letters(self) -> None:
        for name, settings in self.view.settings.items():
            exchange, key = settings.dead_letter_exchange, settings.dead_letter_routing_key
            if exchange is None:
                continue
            label = ["dead letters"]
            if "x-dead-letter-exchange" not in self.host.queues[name].arguments:
                label += self._by_policy(settings.type, name, "dead-letter-exchange")
            if exchange and key is not None:
                label.append(f"as {printable(key)}")
            targets = [self._exchange(exchange)] if exchange else self._by_name(name, key)
            for target in targets:
                if target is not None and target in self.drawn.boxes:
                    source: BoxId = "queue", name
                    self.drawn.arrows.append(Arrow(source, target, "dead-letter", label))

    def _by_name(self, queue: str, key: str | None) -> list[BoxId | None]:
        """Return where the default exchange takes a queue's dead letters.

        Without a key they keep the one by which they came, where a binding says which that is.
        """
        if key is not None:
            return [("queue", key)]
        keys = dict.fromkeys(
            binding.routing_key
            for binding in self.view.to_queue.get(queue, ())
            if binding.routing_key in self.host.queues
        )
        return [("queue", name) for name in keys] or [self._exchange("")]

    def _by_policy(self, kind: str, name: str, key: str) -> list[str]:
        policies = self.view.policies_of(kind, name)
        return [f"by policy {printable(one.name)}" for one in policies if key in one.definition]

    def _calls(self) -> None:
        for name in sorted(self.called & self.host.queues.keys()):
            source = self._exchange("")
            if source is not None:
                self.drawn.arrows.append(Arrow(source, ("queue", name)))

    def _entries(self) -> list[BoxId]:
        """Return the boxes that something outside publishes to: exchanges, and queues called."""
        internal = {name for name, exchange in self.host.exchanges.items() if exchange.internal}
        return [
            box.id
            for box in self.drawn.boxes.values()
            if box.kind == "exchange" and box.name not in internal
        ]


def _settings(queue: QueueDeclaration, settings: QueueSettings) -> Iterator[str]:
    """Yield what is worth a word about a queue, whether by argument or policy."""
    if settings.type != "classic":
        yield settings.type
    if not queue.durable:
        yield "transient"
    if queue.exclusive:
        yield "exclusive"
    if settings.message_ttl_ms is not None:
        yield f"ttl {format_duration(settings.message_ttl_ms)}"
    if settings.expires_ms is not None:
        yield f"expires {format_duration(settings.expires_ms)}"
    if settings.max_length is not None:
        yield f"max {settings.max_length:,}"
    if settings.max_length_bytes is not None:
        yield f"max {format_size(settings.max_length_bytes)}"
    if settings.max_priority is not None:
        yield f"priority {settings.max_priority}"
    if settings.single_active_consumer:
        yield "one consumer"


def binding_label(binding: BindingDeclaration, type_: str) -> str:
    """Return what a binding asks for, in a few words; "" for everything.

    `type_` is that of its exchange, or ends with what a delayed exchange routes as: `… · topic`.
    """
    type_ = type_.rpartition(" · ")[2]
    if type_ == "headers":
        wanted = ", ".join(
            f"{name}={value!s}"
            for name, value in binding.arguments.items()
            if not name.startswith("x-")
        )
        how = "any of " if str(binding.arguments.get("x-match", "all")).startswith("any") else ""
        return printable(f"{how}{wanted}")
    if type_ == "x-consistent-hash":
        return f"weight {printable(binding.routing_key)}"
    if type_ in ("fanout", "x-random", "x-message-deduplication"):
        return ""
    return printable(binding.routing_key) if binding.routing_key else '""'


def _mark_unreached(drawn: HostDrawing, entries: list[BoxId]) -> None:
    """Follow the arrows from the entries; what is not come to cannot be reached."""
    leading: defaultdict[BoxId, list[Arrow]] = defaultdict(list)
    for arrow in drawn.arrows:
        leading[arrow.source].append(arrow)
    reached: set[BoxId] = set()
    waiting = [entry for entry in entries if entry in drawn.boxes]
    while waiting:
        here = waiting.pop()
        if here not in reached:
            reached.add(here)
            waiting.extend(arrow.target for arrow in leading[here])
    for box in drawn.boxes.values():
        box.reached = box.id in reached
    for arrow in drawn.arrows:
        arrow.reached = arrow.source in reached
