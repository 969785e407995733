"""The bindings of one virtual host, made of their entries and checked against what is declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from leveret.config.entries import BindingLine
from leveret.config.host import HostBuilder
from leveret.config.model import BindingDeclaration, DestinationType
from leveret.config.names import MAX_NAME_BYTES
from leveret.config.nodes import MapNode, ScalarNode
from leveret.config.refusals import BINDING_LIMITS, reworded
from leveret.config.source import quoted
from leveret.errors import PreconditionFailed
from leveret.exchanges import BindingLimits
from leveret.routing import Binding

if TYPE_CHECKING:
    from leveret.config.entries import BindingEntry
    from leveret.config.nodes import Node
    from leveret.properties import FieldValue

__all__ = ["HostBindings"]


@define(eq=False)
class HostBindings:
    """The bindings of a virtual host whose exchanges and queues are all declared."""

    host: HostBuilder
    _limits: BindingLimits = field(init=False)
    _first: dict[Binding, int] = field(factory=dict, init=False)  # binding -> its line, from 0

    def __attrs_post_init__(self) -> None:
        self._limits = BINDING_LIMITS.get(self.host.compatibility, BindingLimits())

    def add(self, entry: BindingLine | BindingEntry) -> None:
        """Add the binding or bindings of one entry; what is wrong with it is reported."""
        if isinstance(entry, BindingLine):
            self._add_line(entry)
        else:
            self._add_map(entry)

    def add_dead_letters(self) -> None:
        """Add the binding that each `dead_letter: true` stands for, unless it is there."""
        for exchange, queue, node in self.host.dead_letter_pairs:
            if Binding(exchange, queue) not in self._first:
                self._bind(node, 0, exchange, queue, "queue", "", {})

    def _add_line(self, line: BindingLine) -> None:
        node, text = line.node, line.text
        source, destination = text.source, text.destination
        kind = text.destination_type
        checked = self._check_source(node, source.offset, source.text)
        checked &= self._check_destination(node, destination.offset, destination.text, kind)
        for key in text.keys:
            if len(key.text) > MAX_NAME_BYTES // 4 and _too_long(node, key.offset, key.text):
                continue
            if checked:
                self._bind(
                    node, key.offset, source.text, destination.text, kind or "queue", key.text, {}
                )

    def _add_map(self, entry: BindingEntry) -> None:
        arguments = self._arguments(entry)
        if entry.source is None or entry.destination is None:
            return
        kind = entry.destination_type
        checked = self._check_source(entry.nodes["source"], 0, entry.source)
        checked &= self._check_destination(entry.nodes["destination"], 0, entry.destination, kind)
        if not checked or ("routing_key" in entry.nodes and entry.routing_key is None):
            return
        place = entry.node
        source = self.host.exchange_type(entry.source)
        if entry.match is not None and source != "headers":
            entry.nodes["match"].fault(
                f"'match' asks for headers, and {quoted(entry.source)} is a {source} exchange",
                "Use 'routing_key', or make the source a headers exchange.",
            )
            return
        self._bind(
            place,
            0,
            entry.source,
            entry.destination,
            kind or "queue",
            entry.routing_key or "",
            arguments,
        )

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

    def _check_source(self, node: Node, offset: int, name: str) -> bool:
        if name == "":
            _fault(
                node,
                offset,
                "the default exchange takes no bindings",
                'Leave this one out: every queue is reached through "" by its own name.',
            )
            return False
        if self.host.has_exchange(name):
            return True
        _fault(
            node,
            offset,
            f"exchange {quoted(name)} does not exist",
            self.host.missing_exchange_help(name),
        )
        return False

    def _check_destination(
        self, node: Node, offset: int, name: str, kind: DestinationType | None
    ) -> bool:
        if kind == "exchange":
            if name and self.host.has_exchange(name):
                return True
            help_ = self.host.missing_exchange_help(name)
            _fault(node, offset, f"exchange {quoted(name)} does not exist", help_)
            return False
        if name in self.host.queue_nodes:
            return True
        if name and self.host.has_exchange(name):
            remedy = "Say that it is one: {…, destination_type: exchange}."
            if isinstance(node, ScalarNode) and "->" in node.text:
                remedy = f"Say that it is one: -> exchange {name}."
            message = f"there is no queue {quoted(name)}, but an exchange of that name"
            _fault(node, offset, message, remedy)
            return False
        help_ = self.host.missing_queue_help(name)
        _fault(node, offset, f"queue {quoted(name)} does not exist", help_)
        return False

    def _bind(
        self,
        node: Node,
        offset: int,
        source: str,
        destination: str,
        kind: DestinationType,
        routing_key: str,
        arguments: dict[str, FieldValue],
    ) -> None:
        binding = Binding(source, destination, routing_key, kind, arguments)
        if (first := self._first.get(binding)) is not None:
            message = f"this binding is there already, on line {first + 1}"
            _fault(node, offset, message, "Remove one of the two.")
            return
        self._first[binding] = node.line
        exchange = self.host.exchange(source)
        if exchange is not None:
            try:
                exchange.validate_binding(binding, self._limits)
            except PreconditionFailed as error:
                refusal = reworded(error, "binding")
                _fault(node, offset, refusal.message, refusal.remedy)
        self.host.host.bindings.append(
            BindingDeclaration(source, destination, kind, routing_key, arguments, node.position)
        )


def _fault(node: Node, offset: int, message: str, remedy: str) -> None:
    if isinstance(node, ScalarNode):
        node.fault_at(offset, message, remedy)
    else:
        node.fault(message, remedy)


def _too_long(node: ScalarNode, offset: int, key: str) -> bool:
    size = len(key.encode())
    if size <= MAX_NAME_BYTES:
        return False
    node.fault_at(
        offset,
        f"this key is {size} bytes long, and AMQP carries at most {MAX_NAME_BYTES}",
        "Shorten it.",
    )
    return True
