"""One virtual host: exchanges and queues made of their entries, `dead_letter: true` expanded."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from attrs import define, evolve, field

from leveret.config.arguments import (
    DEAD_LETTER_ARGUMENTS,
    argument_node,
    exchange_arguments,
    queue_arguments,
)
from leveret.config.entries import QueueEntry
from leveret.config.findings import MISSING, REFUSED
from leveret.config.merge import Merger
from leveret.config.message_schemas import message_schemas
from leveret.config.model import (
    ExchangeDeclaration,
    QueueDeclaration,
    VirtualHost,
)
from leveret.config.names import (
    MAX_NAME_BYTES,
    PREDECLARED_EXCHANGES,
    RESERVED_PREFIX,
    nearest,
)
from leveret.config.nodes import Node, ScalarNode
from leveret.config.refusals import queue_refusal, reworded
from leveret.config.source import quoted
from leveret.errors import PreconditionFailed
from leveret.exchanges import Exchange, ExchangeTypes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from leveret.config.entries import (
        DefaultsEntry,
        ExchangeDefaults,
        ExchangeEntry,
        LintEntry,
        Name,
    )
    from leveret.properties import FieldValue

__all__ = ["DEAD_LETTER_TRUE", "HostBuilder", "ignored_codes"]

#: Comparing a missing name with 50,000 others takes 10 ms: not for each of a thousand faults.
MAX_SEARCHES = 100

#: What makes an exchange, a queue and their binding.
DEAD_LETTER_TRUE = "dead_letter: true"

_T = TypeVar("_T")

_DLX = DEAD_LETTER_ARGUMENTS["exchange"]


@define(eq=False)
class HostBuilder:
    """A virtual host in the making.

    Declare exchanges and queues, `expand_dead_letters`, `check_targets`; then bind.
    """

    host: VirtualHost
    compatibility: str
    exchange_types: ExchangeTypes
    merger: Merger = field(factory=Merger)
    # name -> where it is declared; faulty ones too, so that nothing is reported for their sake
    exchange_nodes: dict[str, Node] = field(factory=dict)
    queue_nodes: dict[str, Node] = field(factory=dict)
    # (exchange, queue, where it is said) of each `dead_letter: true`
    dead_letter_pairs: list[tuple[str, str, Node]] = field(factory=list)
    # (where an exchange is named, the exchange, which key names it)
    _targets: list[tuple[Node, str, str]] = field(factory=list)
    # queue -> where its dead-letter routing key is given
    _dead_letter_places: dict[str, Node] = field(factory=dict)
    # (queue's name, its entry, what all queues share)
    _dead_letter_queues: list[tuple[str, QueueEntry, list[QueueEntry]]] = field(factory=list)
    # (queue's name, its entry, what all queues share) of each with `partitions`
    partitioned_queues: list[tuple[str, QueueEntry, list[QueueEntry]]] = field(factory=list)
    # partitioned queue -> its partitions
    partitions: dict[str, tuple[str, ...]] = field(factory=dict)
    _searches: int = 0  # how often the nearest of the names was looked for
    # name -> the exchange made, which knows what bindings it refuses
    _exchanges: dict[str, Exchange] = field(factory=dict)

    # --- what there is -------------------------------------------------------

    def exchange_type(self, name: str) -> str | None:
        """Return the type of an exchange of the file or of the broker; None if there is none."""
        declared = self.host.exchanges.get(name)
        return declared.type if declared else PREDECLARED_EXCHANGES.get(name)

    def exchange(self, name: str) -> Exchange | None:
        """Return an exchange that can be asked about bindings; None if it is faulty or missing."""
        if name not in self._exchanges and name in PREDECLARED_EXCHANGES:
            made = self.exchange_types.create(PREDECLARED_EXCHANGES[name], name)
            self._exchanges[name] = made
        return self._exchanges.get(name)

    def has_exchange(self, name: str) -> bool:
        """Tell whether an exchange is declared, even if with faults, or is the broker's own."""
        return name in self.exchange_nodes or name in PREDECLARED_EXCHANGES

    def exchange_names(self) -> list[str]:
        """Return every name that an exchange has."""
        return [*self.exchange_nodes, *filter(None, PREDECLARED_EXCHANGES)]

    def missing_exchange_help(self, name: str) -> str:
        """Return the remedy for the name of an exchange that does not exist."""
        return self._missing_help(name, self.exchange_names(), "exchanges")

    def missing_queue_help(self, name: str) -> str:
        """Return the remedy for the name of a queue that does not exist."""
        return self._missing_help(name, [*self.queue_nodes, *self.partitions], "queues")

    def check_exchange(self, node: Node, name: str) -> None:
        """Report the name of an exchange that does not exist."""
        if not self.has_exchange(name):
            help_ = self.missing_exchange_help(name)
            node.fault(f"exchange {quoted(name)} does not exist", help_, MISSING)

    def check_queue(self, node: Node, name: str, *, partitioned: bool = False) -> None:
        """Report the name of a queue that does not exist; of a partitioned one, if it may not be.

        What is published to a partitioned queue goes to the exchange of its name.
        """
        if name in self.partitions:
            if not partitioned:
                node.fault(
                    f"queue {quoted(name)} is partitioned, and only its exchange knows where a"
                    " message belongs",
                    f"Name the exchange {quoted(name)} where one can be named, or another queue.",
                )
        elif name not in self.queue_nodes:
            help_ = self.missing_queue_help(name)
            node.fault(f"queue {quoted(name)} does not exist", help_, MISSING)

    def _missing_help(self, name: str, known: Collection[str], section: str) -> str:
        self._searches += 1
        close = nearest(name, known) if self._searches <= MAX_SEARCHES else None
        if close:
            return f"Did you mean '{close}'? Otherwise declare it under '{section}'."
        return f"Declare it under '{section}', or correct the name."

    # --- exchanges -----------------------------------------------------------

    def declare_exchanges(
        self, entries: Mapping[Name, ExchangeEntry], defaults: Iterable[DefaultsEntry]
    ) -> None:
        """Declare a section of exchanges; the later of the `defaults` win."""
        shared = [entry.exchange for entry in defaults if entry.exchange is not None]
        for name, entry in entries.items():
            if self.merger.is_new("exchange", name, entry.node, entry):
                self.exchange_nodes[name] = entry.node
                self._declare_exchange(name, entry, [*shared, entry])

    def _declare_exchange(
        self, name: str, entry: ExchangeEntry, layers: list[ExchangeDefaults]
    ) -> None:
        faults_before = len(entry.node.source.faults)
        arguments: dict[str, FieldValue] = {}
        for layer in layers:
            arguments |= exchange_arguments(layer)
            self.note_target(argument_node(layer, "alternate-exchange"), "alternate")
        exchange_type = _given(layer.type for layer in layers)
        if exchange_type is None:
            if "type" not in entry.nodes:
                entry.node.fault(
                    f"exchange {quoted(name)} has no type",
                    f"Write '{name}: topic', or another of {', '.join(self.exchange_types.names)}.",
                )
            return
        declaration = self.host.exchanges[name] = ExchangeDeclaration(
            name,
            exchange_type,
            durable=_flag((layer.durable for layer in layers), default=True),
            auto_delete=_flag((layer.auto_delete for layer in layers), default=False),
            internal=_flag((layer.internal for layer in layers), default=False),
            arguments=arguments,
            position=entry.node.position,
            ignored=ignored_codes(*(layer.lint for layer in layers)),
            schemas=message_schemas(layers),
        )
        if len(entry.node.source.faults) == faults_before:
            self._check_exchange(declaration, entry, layers)

    def _check_exchange(
        self, exchange: ExchangeDeclaration, entry: ExchangeEntry, layers: list[ExchangeDefaults]
    ) -> None:
        name, known = exchange.name, self.exchange_types.names
        predeclared = PREDECLARED_EXCHANGES.get(name)
        if name.startswith(RESERVED_PREFIX) and predeclared != exchange.type:
            entry.node.fault(*_reserved("exchange", name, predeclared), REFUSED)
        if exchange.type not in self.exchange_types:
            close = nearest(exchange.type, known)
            types = f"The types are {', '.join(known)}."
            place = _given(layer.nodes.get("type") for layer in layers) or entry.node
            place.fault(
                f"unknown exchange type {quoted(exchange.type)}",
                f"Did you mean '{close}'? {types}" if close else types,
                REFUSED,
            )
            return
        try:
            self._exchanges[name] = self.exchange_types.create(
                exchange.type, name, arguments=exchange.arguments, virtual_host=self.host.name
            )
        except PreconditionFailed as error:
            refusal = reworded(error, "exchange")
            place = entry.nodes.get("arguments", entry.node)
            place.fault(refusal.message, refusal.remedy, REFUSED)

    # --- queues --------------------------------------------------------------

    def declare_queues(
        self, entries: Mapping[Name, QueueEntry], defaults: Iterable[DefaultsEntry]
    ) -> None:
        """Declare a section of queues; the later of the `defaults` win."""
        shared = [entry.queue for entry in defaults if entry.queue is not None]
        for name, entry in entries.items():
            if not self.merger.is_new("queue", name, entry.node, entry):
                continue
            if "partitions" in entry.nodes or "by" in entry.nodes:
                self.partitioned_queues.append((name, entry, shared))
                continue
            self.queue_nodes[name] = entry.node
            if name.startswith(RESERVED_PREFIX):
                entry.node.fault(*_reserved("queue", name, None), REFUSED)
            self.note_dead_letter(name, entry, shared)
            self.declare_queue(name, entry.node, [*shared, entry])

    def note_dead_letter(self, name: str, entry: QueueEntry, shared: list[QueueEntry]) -> None:
        """Remember a queue with `dead_letter: true`, for `expand_dead_letters`."""
        if _given(layer.dead_letter for layer in (*shared, entry)) is True:
            self._dead_letter_queues.append((name, entry, shared))

    def declare_queue(
        self, name: str, node: Node, layers: list[QueueEntry], family: str = ""
    ) -> None:
        """Declare one queue of what its layers say, the later first.

        `family` is the name by which `dead_letter: true` calls what it makes, if not the queue's.
        """
        if not any(layer.nodes for layer in layers):
            self.host.queues[name] = QueueDeclaration(name, position=node.position)
            return
        faults_before = len(node.source.faults)
        arguments: dict[str, FieldValue] = {}
        for layer in layers:
            if isinstance(layer.dead_letter, bool):
                for argument in DEAD_LETTER_ARGUMENTS.values():
                    arguments.pop(argument, None)
            if layer.dead_letter is True:
                arguments[_DLX] = f"{family or name}.dlx"
            arguments |= queue_arguments(layer)
            self.note_target(argument_node(layer, _DLX), "dead_letter")
            if place := argument_node(layer, "x-dead-letter-routing-key"):
                self._dead_letter_places[name] = place
        queue = QueueDeclaration(
            name,
            durable=_flag((layer.durable for layer in layers), default=True),
            exclusive=_flag((layer.exclusive for layer in layers), default=False),
            auto_delete=_flag((layer.auto_delete for layer in layers), default=False),
            arguments=arguments,
            position=node.position,
            ignored=ignored_codes(*(layer.lint for layer in layers)),
            schemas=message_schemas(layers),
        )
        self.host.queues[name] = queue
        if len(node.source.faults) > faults_before:
            return
        refusal = queue_refusal(queue, self.host.name, self.compatibility)
        if refusal is not None:
            places = (argument_node(layer, refusal.cause) for layer in reversed(layers))
            place = next((place for place in places if place is not None), node)
            place.fault(refusal.message, refusal.remedy, REFUSED)

    def expand_dead_letters(self) -> None:
        """Make what each `dead_letter: true` stands for: exchange, queue, a note for the binding.

        What the file declares itself under those names is kept as it is.
        """
        for name, entry, shared in self._dead_letter_queues:
            exchange, queue = f"{name}.dlx", f"{name}.dlq"
            node = entry.nodes.get("dead_letter", entry.node)
            if len(exchange.encode()) > MAX_NAME_BYTES:
                node.fault(
                    f"'dead_letter: true' makes {quoted(exchange)}, and that name is too long",
                    "Shorten the queue's name, or name an exchange: dead_letter: {exchange: …}.",
                )
                continue
            self._make_dead_letter_exchange(exchange, node)
            if queue not in self.queue_nodes:
                self.queue_nodes[queue] = node
                layers = [evolve(e, dead_letter=None) for e in shared]
                if entry.lint:
                    layers.append(QueueEntry(node=node, nodes=entry.nodes, lint=entry.lint))
                self.declare_queue(queue, node, layers)
                made = self.host.queues[queue]
                self.host.queues[queue] = evolve(made, origin=DEAD_LETTER_TRUE)
            self.dead_letter_pairs.append((exchange, queue, node))

    def add_exchange(self, exchange: ExchangeDeclaration, node: Node) -> None:
        """Add an exchange that a short form stands for."""
        name = exchange.name
        self.exchange_nodes[name] = node
        self.host.exchanges[name] = exchange
        self._exchanges[name] = self.exchange_types.create(
            exchange.type, name, arguments=exchange.arguments
        )

    def _make_dead_letter_exchange(self, name: str, node: Node) -> None:
        if name not in self.exchange_nodes:
            made = ExchangeDeclaration(
                name, "fanout", position=node.position, origin=DEAD_LETTER_TRUE
            )
            self.add_exchange(made, node)
        elif self.exchange_type(name) not in ("fanout", None):
            line = self.exchange_nodes[name].line + 1
            node.fault(
                f"'dead_letter: true' wants {quoted(name)} to be a fanout exchange;"
                f" line {line} declares it otherwise",
                f"Write dead_letter: {{exchange: {name}}} and bind a queue to it.",
            )

    # --- both ----------------------------------------------------------------

    def check_targets(self) -> None:
        """Report alternate and dead-letter exchanges that do not exist.

        RabbitMQ drops what is sent to a missing one without a word (S37, S109).
        """
        for node, name, key in self._targets:
            if not self.has_exchange(name):
                node.fault(
                    f"{key} names the exchange {quoted(name)}, which does not exist",
                    self.missing_exchange_help(name),
                    MISSING,
                )
        for name, queue in self.host.queues.items():
            target = queue.arguments.get("x-dead-letter-routing-key")
            if queue.arguments.get(_DLX) == "" and isinstance(target, str):
                self._check_dead_letter_queue(self._dead_letter_places.get(name), target)

    def _check_dead_letter_queue(self, place: Node | None, name: str) -> None:
        """Report a queue that dead letters should reach by its name, and that does not exist."""
        if place is not None and name in self.partitions:
            self.check_queue(place, name)
        elif place is not None and name not in self.queue_nodes:
            place.fault(
                f"dead_letter names the queue {quoted(name)}, which does not exist",
                self.missing_queue_help(name),
                MISSING,
            )

    def note_target(self, node: Node | None, key: str) -> None:
        """Remember that an exchange is named here, for `check_targets`."""
        if isinstance(node, ScalarNode) and not node.faulty:
            self._targets.append((node, node.text, key))


def _given(values: Iterable[_T | None]) -> _T | None:
    """Return the last value that was given."""
    found: _T | None = None
    for value in values:
        found = found if value is None else value
    return found


def ignored_codes(*entries: LintEntry | None) -> frozenset[str]:
    """Return the codes that any of some `lint` entries silences."""
    return frozenset(code for entry in entries if entry for code in entry.ignore or ())


def _flag(values: Iterable[bool | None], default: bool) -> bool:
    given = _given(values)
    return default if given is None else given


def _reserved(kind: str, name: str, predeclared: str | None) -> tuple[str, str]:
    if predeclared is not None:
        return (
            f"the broker's own exchange {quoted(name)} is of type {predeclared}",
            "Leave the declaration out: the exchange is always there.",
        )
    return (
        f"the {kind} name {quoted(name)} has the prefix 'amq.', which is the broker's own",
        "Choose another name.",
    )
