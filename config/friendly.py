"""Exchanges and queues in the words of the topology language: friendly names, units, sugar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leveret.config.arguments import DEAD_LETTER_ARGUMENTS, EXCHANGE_ARGUMENTS, QUEUE_ARGUMENTS
from leveret.config.model import ExchangeDeclaration, QueueDeclaration, VirtualHost
from leveret.config.quantities import SIZE_UNITS_BYTES, format_duration, parse_age
from leveret.config.yaml_text import Raw, grouped

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["dead_letter_sugar", "exchange_entry", "format_size", "queue_entry"]

_DURATIONS = {
    "x-message-ttl",
    "x-expires",
    "x-consumer-timeout",
    "x-visibility-timeout",
    "x-cache-ttl",
}
_COUNTS = {"x-max-length", "x-max-priority", "x-delivery-limit", "x-cache-size"}
_FLAGS = {"x-single-active-consumer", "x-message-deduplication"}
_TEXTS = {"alternate-exchange", "x-delayed-type", "x-deduplication-header"}
_CHOICES = {
    "x-overflow": ("drop-head", "reject-publish", "reject-publish-dlx"),
    "x-queue-type": ("classic", "quorum", "stream"),
    "x-dead-letter-strategy": ("at-most-once", "at-least-once"),
}
_NEGATIVE_ALLOWED = {"x-delivery-limit"}


def exchange_entry(exchange: ExchangeDeclaration) -> Any:
    """Return an exchange as its entry says it: its type alone, if there is no more to say."""
    entry: dict[str, Any] = {"type": exchange.type}
    if not exchange.durable:
        entry["durable"] = False
    for flag in ("auto_delete", "internal"):
        if getattr(exchange, flag):
            entry[flag] = True
    raw = dict(exchange.arguments)
    for key, argument in EXCHANGE_ARGUMENTS.items():
        friendly = _friendly(argument, raw.get(argument))
        if friendly is not None:
            entry[key] = friendly
            del raw[argument]
    if raw:
        entry["arguments"] = raw
    return exchange.type if len(entry) == 1 else entry


def queue_entry(queue: QueueDeclaration, dead_letter_true: bool) -> dict[str, Any]:
    """Return a queue as its entry says it, friendly names first, then raw arguments."""
    entry: dict[str, Any] = {}
    raw = dict(queue.arguments)
    for key, argument in QUEUE_ARGUMENTS.items():
        friendly = _friendly(argument, raw.get(argument))
        if friendly is not None:
            entry[key] = friendly
            del raw[argument]
    if not queue.durable:
        entry["durable"] = False
    if queue.auto_delete:
        entry["auto_delete"] = True
    if queue.exclusive:
        entry["exclusive"] = True
    dead_letter = {
        key: raw.pop(argument)
        for key, argument in DEAD_LETTER_ARGUMENTS.items()
        if argument in raw
        and (raw[argument] == "" or _friendly(argument, raw[argument]) is not None)
    }
    if dead_letter_true:
        entry["dead_letter"] = True
    elif dead_letter:
        entry["dead_letter"] = dead_letter
    if raw:
        entry["arguments"] = raw
    return entry


def _friendly(argument: str, value: Any) -> Any:
    """Return a raw argument's value as its friendly name takes it; None if that cannot be."""
    if argument == "x-max-age":
        age_ms = parse_age(value)
        return None if age_ms is None else Raw(format_duration(age_ms))
    if argument in _FLAGS:
        return value if isinstance(value, bool) else None
    if argument in _TEXTS or argument.startswith("x-dead-letter") or argument in _CHOICES:
        choices = _CHOICES.get(argument)
        fits = isinstance(value, str) and (choices is None or value in choices)
        return value if fits else None
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    if value < 0:
        return value if argument in _NEGATIVE_ALLOWED else None
    if argument in _DURATIONS:
        return Raw(format_duration(value))
    if argument in _COUNTS:
        return Raw(grouped(value))
    return Raw(format_size(value))


def format_size(size_bytes: int) -> str:
    """Return a size in the largest unit that says it exactly."""
    for unit in ("GiB", "GB", "MiB", "MB", "KiB"):
        if size_bytes and size_bytes % SIZE_UNITS_BYTES[unit] == 0:
            return f"{size_bytes // SIZE_UNITS_BYTES[unit]}{unit}"
    return grouped(size_bytes)


def dead_letter_sugar(host: VirtualHost, noted: Collection[str]) -> list[str]:
    """Return the queues of which `dead_letter: true` says all there is to say.

    `noted` has the names of objects that need a line of their own, for a comment.
    """
    bound = {
        (binding.source, binding.destination)
        for binding in host.bindings
        if binding.destination_type == "queue" and not binding.routing_key and not binding.arguments
    }
    sugared: list[str] = []
    for name, queue in host.queues.items():
        exchange, letters = f"{name}.dlx", f"{name}.dlq"
        if (
            queue.arguments.get("x-dead-letter-exchange") == exchange
            and not {"x-dead-letter-routing-key", "x-dead-letter-strategy"} & queue.arguments.keys()
            and host.exchanges.get(exchange) == ExchangeDeclaration(exchange, "fanout")
            and host.queues.get(letters) == QueueDeclaration(letters)
            and (exchange, letters) in bound
            and exchange not in noted
            and letters not in noted
        ):
            sugared.append(name)
    return sugared
