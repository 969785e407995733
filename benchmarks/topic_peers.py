"""The peers for topic routing: kombu's topic exchange, and one regular expression per binding.

Both try every binding for every key. Both are given all their expressions compiled before the
clock starts.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from attrs import define, field

from benchmarks.kombu_memory import AVAILABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["RegexTable", "kombu_lookup"]


@cache
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.UNICODE)


def _expression(pattern: str) -> str:
    """Write a topic pattern as a regular expression, `#` meaning any number of words, none too."""
    words = pattern.split(".")
    text = r"\.".join({"*": r"[^\.]+"}.get(word, word) for word in words)
    return f"^{text}$".replace(r"#\.", r"(?:.*\.)?").replace(r"\.#", r"(?:\..*)?")


@define
class RegexTable:
    """What somebody writes in ten lines: a list of compiled expressions, tried in order."""

    bindings: Iterable[tuple[str, str]]
    _table: list[tuple[Callable[[str], object], str]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._table = [
            (_compiled(_expression(pattern)).match, queue) for pattern, queue in self.bindings
        ]

    def match(self, key: str) -> list[str]:
        """Return the queues whose binding takes the key."""
        return [queue for matches, queue in self._table if matches(key)]


def kombu_lookup(bindings: Iterable[tuple[str, str]]) -> Callable[[str], set[str]] | None:
    """Return kombu's way from key to queues over these bindings; None where it is not installed."""
    if not AVAILABLE:
        return None
    exchange: Any = import_module("kombu.transport.virtual.exchange").TopicExchange(None)
    table = [exchange.prepare_bind(queue, "events", key, {}) for key, queue in bindings]
    for _, expression, _ in table:
        exchange._compiled[expression] = _compiled(expression)

    def lookup(key: str) -> set[str]:
        found: set[str] = exchange.lookup(table, "events", key, None)
        return found

    return lookup
