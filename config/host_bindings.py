"""The bindings of one virtual host, made of their entries and checked against what is declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from attrs import define, field

from leveret.config.entries import BindingLine
from leveret.config.findings import DEFINED_TWICE, MALFORMED, MISSING, REFUSED
from leveret.config.host import DEAD_LETTER_TRUE, HostBuilder
from leveret.config.model import BindingDeclaration, DestinationType
from leveret.config.names import MAX_NAME_BYTES
from leveret.config.nodes import MapNode, Node, ScalarNode
from leveret.config.partitions import PARTITION_WEIGHT
from leveret.config.refusals import BINDING_LIMITS, reworded
from leveret.config.source import quoted
from leveret.errors import PreconditionFailed
from leveret.exchanges import BindingLimits, DelayedExchange
from leveret.routing import Binding

if TYPE_CHECKING:
    from leveret.config.entries import BindingEntry, LintEntry
    from leveret.properties import FieldValue

__all__ = ["HostBindings"]


class _Place(NamedTuple):
    """A node, or a character of its text."""

    node: Node
    offset: int = 0

    def fault(self, message: str, remedy: str, code: str = MALFORMED) -> None:
        if isinstance(self.node, ScalarNode):
            self.node.fault_at(self.offset, message, remedy, code)
        else:
            self.node.fault(message, remedy, code)


@define(eq=False)
class HostBindings:
    """The bindings of a virtual host whose exchanges and queues are all declared."""

    host: HostBuilder
    _limits: BindingLimits = field(init=False)
    _first: dict[Binding, Node] = field(factory=dict, init=False)  # binding -> where it stands

    def __attrs_post_init__(self) -> None:
        self._limits = BINDING_LIMITS.get(self.host.compatibility, BindingLimits())

    def add(self, entry: BindingLine | BindingEntry) -> None:
        """Add the binding or bindings of one entry; what is wrong with it is reported."""
        if isinstance(entry, BindingLine):
            self._add_line(entry)
        else:
            self._add_map(entry)

    def add_partitions(self) -> None:
        """Add the bindings of each partitioned queue, of the exchange of its name to its parts."""
        for name, queues in self.host.partitions.items():
            declared = self.host.host.exchanges.get(name)
            for queue in queues if declared is not None else ():
                node = self.host.queue_nodes[queue]
                origin = declared.origin if declared is not None else ""
                binding = Binding(name, queue, PARTITION_WEIGHT)
                self._bind(binding, {}, _Place(node), origin=origin)

    def add_dead_letters(self) -> None:
        """Add the binding that each `dead_letter: true` stands for, unless it is there."""
        for exchange, queue, node in self.host.dead_letter_pairs:
            binding = Binding(exchange, queue)
            if binding not in self._first:
                self._bind(binding, {}, _Place(node), origin=DEAD_LETTER_TRUE)

    def _add_line(self, line: BindingLine) -> None:
        node, text = line.node, line.text
        source, target = text.source, text.destination
        kind = self._kind(target.text, text.destination_type)
        checked = self._check_source(source.text, _Place(node, source.offset))
        checked &= self._check_destination(target.text, kind, _Place(node, target.offset))
        for key, offset in text.keys:
            place = _Place(node, offset)
            if not _is_too_long(key, place) and checked:
                binding = Binding(source.text, target.text, key, kind or "queue")
                self._bind(binding, {}, place)

    def _add_map(self, entry: BindingEntry) -> None:
        arguments = self._arguments(entry)
        source, target = entry.source, entry.destination
        kind = self._kind(target, entry.destination_type)
        checked = source is not None and self._check_source(source, _Place(entry.nodes["source"]))
        if target is not None and (kind is not None or "destination_type" not in entry.nodes):
            place = _Place(entry.nodes["destination"])
            checked &= self._check_destination(target, kind, place)
        if not checked or source is None or target is None:
            return
        exchange = self.host.exchange(source)
        if isinstance(exchange, DelayedExchange):
            exchange = exchange.underlying
        if entry.match is not None and exchange is not None and exchange.by_routing_key:
            entry.nodes["match"].fault(
                f"'match' asks for headers, and {quoted(source)} is a {exchange.type} exchange",
                "Use 'routing_key', or make the source a headers exchange.",
            )
            return
        if "routing_key" not in entry.nodes or entry.routing_key is not None:
            binding = Binding(source, target, entry.routing_key or "", kind or "queue", arguments)
            self._bind(binding, arguments, _Place(entry.node), _Place(_x_match(entry)), entry.lint)

    def _kind(self, target: str | None, kind: DestinationType | None) -> DestinationType | None:
        """Return what a destination is: a partitioned queue is reached through its exchange."""
        return "exchange" if target in self.host.partitions else kind

    def _arguments(self, entry: BindingEntry) -> dict[str, FieldValue]:
        match: dict[str, FieldValue] = entry.match or {}
        node = entry.nodes.get("arguments")
        for key, _ in node.pairs if isinstance(node, MapNode) else ():
            if key.text in match:
                key.fault(
                    f"{quoted(key.text)} is given in 'match' and in 'arguments'",
                    "Keep one of the two.",
                )
        return {**match, **(entry.arguments or {})}

    def _check_source(self, name: str, place: _Place) -> bool:
        if name == "":
            place.fault(
                "the default exchange takes no bindings",
                'Leave this one out: every queue is reached through "" by its own name.',
            )
        elif not self.host.has_exchange(name):
            help_ = self.host.missing_exchange_help(name)
            place.fault(f"exchange {quoted(name)} does not exist", help_, MISSING)
        else:
            return True
        return False

    def _check_destination(self, name: str, kind: DestinationType | None, place: _Place) -> bool:
        is_exchange = name != "" and self.host.has_exchange(name)
        if is_exchange if kind == "exchange" else name in self.host.queue_nodes:
            return True
        if kind == "exchange":
            help_ = self.host.missing_exchange_help(name)
            place.fault(f"exchange {quoted(name)} does not exist", help_, MISSING)
        elif is_exchange:
            in_line = isinstance(place.node, ScalarNode) and "->" in place.node.text
            say = f"-> exchange {name}" if in_line else "destination_type: exchange"
            message = f"there is no queue {quoted(name)}, but an exchange of that name"
            place.fault(message, f"If the exchange is meant, say so: {say}.", MISSING)
        else:
            help_ = self.host.missing_queue_help(name)
            place.fault(f"queue {quoted(name)} does not exist", help_, MISSING)
        return False

    def _bind(
        self,
        binding: Binding,
        arguments: dict[str, FieldValue],
        place: _Place,
        arguments_place: _Place | None = None,
        lint: LintEntry | None = None,
        origin: str = "",
    ) -> None:
        if (first := self._first.get(binding)) is not None:
            if first.source is place.node.source:  # of two files, each may say it
                message = f"this binding is there already, on line {first.line + 1}"
                place.fault(message, "Remove one of the two.", DEFINED_TWICE)
            return
        self._first[binding] = place.node
        exchange = self.host.exchange(binding.source)
        if exchange is not None:
            try:
                exchange.validate_binding(binding, self._limits)
            except PreconditionFailed as error:
                refusal = reworded(error, "binding")
                at = arguments_place if arguments_place and "x-match" in error.text else place
                at.fault(refusal.message, refusal.remedy, REFUSED)
        self.host.host.bindings.append(
            BindingDeclaration(
                binding.source,
                binding.destination,
                binding.destination_type,
                binding.routing_key,
                arguments,
                place.node.position,
                frozenset(lint.ignore or ()) if lint else frozenset(),
                origin,
            )
        )


def _x_match(entry: BindingEntry) -> Node:
    """Return where a binding says `x-match`, or where it stands itself."""
    for name in ("match", "arguments"):
        node = entry.nodes.get(name)
        for key, value in node.pairs if isinstance(node, MapNode) else ():
            if key.text == "x-match":
                return value
    return entry.node


def _is_too_long(key: str, place: _Place) -> bool:
    if len(key) <= MAX_NAME_BYTES // 4 or (size := len(key.encode())) <= MAX_NAME_BYTES:
        return False
    place.fault(
        f"this key is {size} bytes long, and AMQP carries at most {MAX_NAME_BYTES}", "Shorten it."
    )
    return True
