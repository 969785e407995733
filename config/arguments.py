"""Friendly names and the arguments they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leveret.config.entries import DeadLetterEntry, Entry, ExchangeDefaults, PolicyEntry, QueueEntry
from leveret.config.findings import REFUSED
from leveret.config.names import nearest
from leveret.config.nodes import MapNode, ScalarNode
from leveret.config.resolve import MAX_INTEGER, MIN_INTEGER, describe, integer_of, scalar_value
from leveret.config.source import quoted
from leveret.queues.policy_keys import IGNORED_POLICY_KEYS, POLICY_KEYS
from leveret.routing.erlang import erlang_term

if TYPE_CHECKING:
    from leveret.config.nodes import Node
    from leveret.properties import FieldValue

__all__ = [
    "DEAD_LETTER_ARGUMENTS",
    "EXCHANGE_ARGUMENTS",
    "FRIENDLY",
    "QUEUE_ARGUMENTS",
    "RAW_ARGUMENTS",
    "argument_node",
    "exchange_arguments",
    "policy_definition",
    "queue_arguments",
]

#: Key of a queue or exchange -> the argument that both know.
_DEDUPLICATION = {
    "deduplication": "x-message-deduplication",
    "deduplication_header": "x-deduplication-header",
    "cache_size": "x-cache-size",
    "cache_ttl": "x-cache-ttl",
}

#: Key of a queue -> argument of queue.declare.
QUEUE_ARGUMENTS = {
    "type": "x-queue-type",
    "ttl": "x-message-ttl",
    "expires": "x-expires",
    "max_length": "x-max-length",
    "max_bytes": "x-max-length-bytes",
    "overflow": "x-overflow",
    "max_priority": "x-max-priority",
    "delivery_limit": "x-delivery-limit",
    "single_active_consumer": "x-single-active-consumer",
    "consumer_timeout": "x-consumer-timeout",
    "visibility_timeout": "x-visibility-timeout",
    "max_age": "x-max-age",
    "max_segment_size": "x-stream-max-segment-size-bytes",
    **_DEDUPLICATION,
}

#: Key of `dead_letter` -> argument of queue.declare.
DEAD_LETTER_ARGUMENTS = {
    "exchange": "x-dead-letter-exchange",
    "routing_key": "x-dead-letter-routing-key",
    "strategy": "x-dead-letter-strategy",
}

#: Key of an exchange -> argument of exchange.declare.
EXCHANGE_ARGUMENTS = {
    "alternate": "alternate-exchange",
    "delayed_type": "x-delayed-type",
    **_DEDUPLICATION,
}

_INTEGER = "an integer"
_TEXT = "a text"
_FLAG = "true or false"

#: Argument -> what RabbitMQ wants in it. Others are passed on as YAML has them.
_WANTED = {
    "x-message-ttl": _INTEGER,
    "x-expires": _INTEGER,
    "x-max-length": _INTEGER,
    "x-max-length-bytes": _INTEGER,
    "x-max-priority": _INTEGER,
    "x-delivery-limit": _INTEGER,
    "x-consumer-timeout": _INTEGER,
    "x-visibility-timeout": _INTEGER,
    "x-stream-max-segment-size-bytes": _INTEGER,
    "x-max-age": _TEXT,
    "x-single-active-consumer": _FLAG,
    "x-overflow": _TEXT,
    "x-queue-type": _TEXT,
    "x-queue-mode": _TEXT,
    "x-dead-letter-exchange": _TEXT,
    "x-dead-letter-routing-key": _TEXT,
    "x-dead-letter-strategy": _TEXT,
    "alternate-exchange": _TEXT,
    "x-delayed-type": _TEXT,
    "x-message-deduplication": _FLAG,
    "x-deduplication-header": _TEXT,
    "x-cache-size": _INTEGER,
    "x-cache-ttl": _INTEGER,
    "x-cache-persistence": _TEXT,
}

#: Argument -> the type that RabbitMQ wants in it.
RAW_ARGUMENTS = {
    name: {_INTEGER: int, _TEXT: str, _FLAG: bool}[wanted] for name, wanted in _WANTED.items()
}

#: Policy key -> what RabbitMQ wants in it.
_WANTED_BY_POLICY = {
    name: _INTEGER if key.kind is int else _TEXT for name, key in POLICY_KEYS.items()
}

#: Argument -> how a queue writes it otherwise.
FRIENDLY = {
    **{argument: key for key, argument in QUEUE_ARGUMENTS.items()},
    **{argument: f"dead_letter.{key}" for key, argument in DEAD_LETTER_ARGUMENTS.items()},
    **{argument: key for key, argument in EXCHANGE_ARGUMENTS.items()},
}


def queue_arguments(entry: QueueEntry) -> dict[str, FieldValue]:
    """Return the arguments that a queue's keys stand for, with its raw ones.

    A friendly name beside its argument is reported, and so is a raw value of the wrong type.
    `dead_letter: true` is not among them: it makes objects as well.
    """
    friendly: dict[str, tuple[Node, FieldValue]] = {}  # argument -> (where, value)
    _collect(friendly, entry, QUEUE_ARGUMENTS)
    if isinstance(entry.dead_letter, DeadLetterEntry):
        _collect(friendly, entry.dead_letter, DEAD_LETTER_ARGUMENTS)
    return _merge(friendly, entry.nodes.get("arguments"), entry.arguments)


def exchange_arguments(entry: ExchangeDefaults) -> dict[str, FieldValue]:
    """Return the arguments that an exchange's keys stand for, with its raw ones."""
    friendly: dict[str, tuple[Node, FieldValue]] = {}  # argument -> (where, value)
    _collect(friendly, entry, EXCHANGE_ARGUMENTS)
    return _merge(friendly, entry.nodes.get("arguments"), entry.arguments)


def argument_node(entry: Entry, argument: str) -> Node | None:
    """Return where an entry gives an argument, by its friendly name or raw; None if it does not."""
    raw = entry.nodes.get("arguments")
    if isinstance(raw, MapNode):
        for written, value in raw.pairs:
            if written.text == argument:
                return value
    key = FRIENDLY.get(argument, argument)
    dead_letter: object = getattr(entry, "dead_letter", None)
    if key.startswith("dead_letter."):
        if not isinstance(dead_letter, DeadLetterEntry):
            return None
        return dead_letter.nodes.get(key.removeprefix("dead_letter."))
    return entry.nodes.get(key)


def policy_definition(entry: PolicyEntry) -> dict[str, FieldValue]:
    """Return a policy's definition, with integers where RabbitMQ wants them.

    A key that RabbitMQ would not know is reported, and so is a value of the wrong type.
    """
    node = entry.nodes.get("definition")
    if node is None or entry.definition is None:
        return {}
    if not entry.definition:
        node.fault(
            "the definition is empty, and RabbitMQ refuses such a policy",
            "Write what it sets: {max-length: 1000}.",
        )
    if not isinstance(node, MapNode):
        return {}
    for key, _ in node.pairs:
        if key.text in _WANTED_BY_POLICY or key.text.startswith(IGNORED_POLICY_KEYS):
            continue
        raw = QUEUE_ARGUMENTS.get(key.text, key.text).removeprefix("x-").replace("_", "-")
        known = sorted(_WANTED_BY_POLICY)
        close = raw if raw in known else nearest(raw, known)
        remedy = f"Did you mean '{close}'?" if close else f"The keys are {', '.join(known)}."
        key.fault(f"a policy cannot set {quoted(key.text)}", remedy)
    definition = _typed(node, entry.definition, _WANTED_BY_POLICY)
    for key, value in node.pairs:
        wanted = POLICY_KEYS.get(key.text)
        if wanted and key.text in definition and not wanted.accepts(definition[key.text]):
            value.fault(
                "RabbitMQ refuses this policy: Validation failed:"
                f" {erlang_term(definition[key.text])} is not a valid {wanted.called}",
                "Correct the value, or leave the key out.",
                REFUSED,
            )
    return definition


def _collect(
    into: dict[str, tuple[Node, FieldValue]], entry: Any, arguments: dict[str, str]
) -> None:
    for key, argument in arguments.items():
        value = getattr(entry, key)
        if value is not None:
            into[argument] = entry.nodes[key], value


def _merge(
    friendly: dict[str, tuple[Node, FieldValue]],
    node: Node | None,
    raw: dict[str, FieldValue] | None,
) -> dict[str, FieldValue]:
    if isinstance(node, MapNode):
        for key, _ in node.pairs:
            if key.text in friendly:
                line = friendly[key.text][0].line + 1
                key.fault(
                    f"{quoted(key.text)} is given twice: line {line} says it as"
                    f" '{FRIENDLY[key.text]}'",
                    "Keep one of the two.",
                )
    arguments = {argument: value for argument, (_, value) in friendly.items()}
    return arguments | (_typed(node, raw, _WANTED) if raw else {})


def _typed(
    node: Node | None, values: dict[str, FieldValue], wanted_by_key: dict[str, str]
) -> dict[str, FieldValue]:
    if not isinstance(node, MapNode):
        return values
    typed = dict(values)
    for key, value in node.pairs:
        wanted = wanted_by_key.get(key.text)
        if wanted is not None:
            fitting = _as_wanted(key.text, value, wanted)
            if fitting is None:
                del typed[key.text]
            else:
                typed[key.text] = fitting
    return typed


def _as_wanted(name: str, node: Node, wanted: str) -> FieldValue:
    """Return a value of the type that RabbitMQ wants, or None once it is reported."""
    if isinstance(node, ScalarNode):
        if node.faulty:
            return None
        value: FieldValue = integer_of(node) if wanted is _INTEGER else scalar_value(node)
        if wanted is _TEXT and value is not None:
            return node.text
        if wanted is _FLAG and isinstance(value, bool):
            return value
        if wanted is _INTEGER and isinstance(value, int) and MIN_INTEGER <= value <= MAX_INTEGER:
            return value
    remedy = f"Write {wanted}."
    if wanted is _INTEGER and (friendly := FRIENDLY.get(name)):
        remedy = f"Write the bare number, or use '{friendly}', which reads units."
    node.fault(f"{name} wants {wanted}, got {describe(node)}", remedy)
    return None
