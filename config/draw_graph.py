"""What a picture of a topology shows: boxes and arrows by virtual host, before any layout.

Exchanges and queues are boxes. Bindings of one pair are one arrow with their keys; alternates and
dead letters are dashed arrows, whether an argument or a policy makes them.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Literal

from attrs import define, field

from leveret.config.names import PREDECLARED_EXCHANGES
from leveret.config.quantities import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leveret.config.diff import Action
    from leveret.config.findings import Finding
    from leveret.config.model import BindingDeclaration, Policy, QueueDeclaration, Topology
    from leveret.config.model import VirtualHost as Host
    from leveret.errors import Position
    from leveret.exchanges import RouteTrace

__all__ = [
    "Arrow",
    "Box",
    "BoxId",
    "Drawing",
    "HostDrawing",
    "Kind",
    "binding_label",
    "drawing_of",
    "label_of",
    "printable",
]

Kind = Literal["exchange", "queue"]
#: Kind and name.
BoxId = tuple[Kind, str]

#: More keys than this are counted on an arrow, and not named.
_MAX_KEYS = 4
#: A longer text is cut in its middle.
_MAX_TEXT = 34


@define(eq=False)
class Box:
    """An exchange or a queue, or several of them under one name."""

    kind: Kind
    name: str
    #: A second line: the exchange's type, the queue's settings.
    subtitle: str = ""
    #: Whether a message can come here: a queue by a binding or as a dead letter.
    reached: bool = True
    #: What the checker warns of, a line each.
    warnings: list[str] = field(factory=list)
    #: Whether it is on the route that is shown; None if no route is shown.
    lit: bool | None = None
    #: How many objects it stands for.
    members: int = 1
    #: What is done to it, where a difference is drawn; None for nothing.
    action: Action | None = None

    @property
    def id(self) -> BoxId:
        """What tells it from the others of its virtual host."""
        return self.kind, self.name


@define(eq=False)
class Arrow:
    """All bindings from one box to another, or an alternate, or dead letters."""

    source: BoxId
    target: BoxId
    kind: Literal["binding", "alternate", "dead-letter"] = "binding"
    label: list[str] = field(factory=list)
    reached: bool = True
    lit: bool | None = None
    #: How many bindings it stands for.
    members: int = 1
    #: What the checker warns of, a line each.
    warnings: list[str] = field(factory=list)
    #: What is done to its bindings, where a difference is drawn; None for nothing.
    action: Action | None = None


@define(eq=False)
class HostDrawing:
    """The boxes and arrows of one virtual host."""

    name: str
    boxes: dict[BoxId, Box] = field(factory=dict)
    arrows: list[Arrow] = field(factory=list)


@define(eq=False)
class Drawing:
    """A whole picture."""

    title: str
    hosts: list[HostDrawing]
    #: The route that is shown, in words; "" if none is.
    route: str = ""
    #: Whether it shows what is done to what is there.
    difference: bool = False

    @property
    def boxes(self) -> int:
        """How many boxes there are."""
        return sum(len(host.boxes) for host in self.hosts)

    @property
    def arrows(self) -> int:
        """How many arrows there are."""
        return sum(len(host.arrows) for host in self.hosts)


def drawing_of(
    topology: Topology, findings: Iterable[Finding] = (), route: RouteTrace | None = None
) -> Drawing:
    """Return the picture of a topology; `route` is one in the virtual host "/"."""
    marks = _marks(findings)
    hosts = []
    for host in topology.virtual_hosts.values():
        drawn = _Sketch(host, marks, _called(topology, host.name)).draw()
        if route is not None:
            _light(drawn, route if host.name == "/" else None)
        if drawn.boxes:
            hosts.append(drawn)
    return Drawing(topology.file, hosts, "" if route is None else _route_text(route))


def _called(topology: Topology, host: str) -> set[str]:
    """Return the queues that requests and expectations publish to by their name."""
    requests = topology.virtual_hosts[host].requests.values()
    called = {request.routing_key for request in requests if request.exchange == ""}
    return called | {
        expected.routing_key
        for expected in topology.expectations
        if expected.virtual_host == host and expected.exchange == ""
    }


def printable(text: str, limit: int = _MAX_TEXT) -> str:
    """Return a name or key as pictures show it: on one line, cut in the middle if it is long."""
    shown = text if text.isprintable() else "".join(map(_escaped, text))
    if len(shown) <= limit:
        return shown
    half = (limit - 1) // 2
    return f"{shown[: limit - 1 - half]}…{shown[-half:]}"


def _escaped(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


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
            self._box("exchange", exchange.name, exchange.type, exchange.position)
        for queue in self.host.queues.values():
            self._box("queue", queue.name, _settings(queue), queue.position)
        self._bindings()
        self._alternates()
        self._dead_letters()
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
            if not name or name not in PREDECLARED_EXCHANGES:
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
        for exchange in self.host.exchanges.values():
            name, by = exchange.arguments.get("alternate-exchange"), ""
            if name is None:
                name, by = self._by_policy("alternate-exchange", exchange.name, "exchanges")
            target = self._exchange(name) if isinstance(name, str) else None
            if target is not None:
                label = ["what no binding takes", *([f"by policy {by}"] if by else [])]
                source: BoxId = "exchange", exchange.name
                self.drawn.arrows.append(Arrow(source, target, "alternate", label))

    def _dead_letters(self) -> None:
        for queue in self.host.queues.values():
            name, by = queue.arguments.get("x-dead-letter-exchange"), ""
            if name is None:
                name, by = self._by_policy("dead-letter-exchange", queue.name, "queues")
            if not isinstance(name, str):
                continue
            key = queue.arguments.get("x-dead-letter-routing-key")
            if key is None:
                key, _ = self._by_policy("dead-letter-routing-key", queue.name, "queues")
            target: BoxId | None = self._exchange(name)
            label = ["dead letters", *([f"by policy {by}"] if by else [])]
            if name == "":  # to a queue by its name: the key given, or that of each message
                target = ("queue", key) if isinstance(key, str) else None
            elif isinstance(key, str):
                label.append(f"as {printable(key)}")
            if target is not None and target in self.drawn.boxes:
                source: BoxId = "queue", queue.name
                self.drawn.arrows.append(Arrow(source, target, "dead-letter", label))

    def _by_policy(self, key: str, name: str, kind: str) -> tuple[Any, str]:
        """Return what the policy that counts sets, and its name."""
        matching = [
            policy for policy in self.host.policies.values() if _applies(policy, name, kind)
        ]
        best = max(matching, key=lambda policy: policy.priority, default=None)
        if best is None or key not in best.definition:
            return None, ""
        return best.definition[key], printable(best.name)

    def _entries(self) -> list[BoxId]:
        """Return the boxes that something outside publishes to: exchanges, and queues called."""
        internal = {name for name, exchange in self.host.exchanges.items() if exchange.internal}
        entries: list[BoxId] = [
            box.id
            for box in self.drawn.boxes.values()
            if box.kind == "exchange" and box.name not in internal
        ]
        entries.extend(("queue", name) for name in self.called)
        return entries


def _applies(policy: Policy, name: str, kind: str) -> bool:
    if policy.apply_to not in ("all", kind) and not (
        kind == "queues" and policy.apply_to.endswith("_queues")
    ):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about spellings that a later Python will refuse
            return re.search(policy.pattern, name) is not None
    except (re.error, RecursionError, OverflowError):
        return False


def _settings(queue: QueueDeclaration) -> str:
    """Return what is worth a word about a queue."""
    arguments, words = queue.arguments, []
    queue_type = arguments.get("x-queue-type")
    if isinstance(queue_type, str) and queue_type != "classic":
        words.append(queue_type)
    if not queue.durable:
        words.append("transient")
    if queue.exclusive:
        words.append("exclusive")
    if isinstance(ttl := arguments.get("x-message-ttl"), int):
        words.append(f"ttl {format_duration(ttl)}")
    if isinstance(length := arguments.get("x-max-length"), int):
        words.append(f"max {length:,}")
    if isinstance(priority := arguments.get("x-max-priority"), int):
        words.append(f"priority {priority}")
    return " · ".join(words)


def binding_label(binding: BindingDeclaration, type_: str) -> str:
    """Return what a binding asks for, in a few words; "" for everything."""
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
    if type_ in ("fanout", "x-random"):
        return ""
    return printable(binding.routing_key) if binding.routing_key else '""'


def label_of(labels: list[str]) -> list[str]:
    """Return the lines on an arrow; more than a few are counted."""
    shown = [label for label in dict.fromkeys(labels) if label]
    if len(shown) > _MAX_KEYS:
        return [*shown[: _MAX_KEYS - 1], f"and {len(shown) - _MAX_KEYS + 1:,} more"]
    return shown


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


def _light(drawn: HostDrawing, route: RouteTrace | None) -> None:
    """Light what a message goes through; all else is dimmed."""
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


def _route_text(route: RouteTrace) -> str:
    reached = ", ".join(map(printable, (*route.queues, *route.possible))) or "no queue"
    exchange = printable(route.exchange) or "the default exchange"
    return f"{exchange}[{printable(route.routing_keys[0])}] reaches {reached}"
