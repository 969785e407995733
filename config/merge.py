"""The parts of a topology that are spread over files: the same said twice, alike or differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from attrs import define, field

from leveret.config.entries import Entry
from leveret.config.findings import DEFINED_TWICE
from leveret.config.source import quoted

if TYPE_CHECKING:
    from leveret.config.nodes import Node

__all__ = ["Merger", "alike"]

#: What an entry knows beside what it says, or says to the checker alone.
_NOT_COMPARED = ("node", "nodes", "lint")


@define(eq=False)
class Merger:
    """What was said so far in one scope, and where."""

    # (kind, name) -> (where it is said first, what it says)
    _first: dict[tuple[str, str], tuple[Node, Any]] = field(factory=dict)

    def is_new(self, kind: str, name: str, node: Node, value: Any) -> bool:
        """Say whether something is said for the first time; report it if it was, differently.

        Files that are merged may say the same; one file may not, since there it is a slip.
        """
        first, known = self._first.setdefault((kind, name), (node, value))
        if first is node:
            return True
        called = f"{kind} {quoted(name)}" if name else f"'{kind}'"
        if first.source is node.source:
            node.fault(
                f"{called} is defined twice; the first is on line {first.line + 1}",
                "Keep one of the two, or give them different names."
                if name
                else "Keep one of the two.",
                DEFINED_TWICE,
            )
        elif not alike(known, value):
            node.fault(
                f"{called} is defined differently at {first.position}",
                "Keep one of the two, or make them say the same.",
                DEFINED_TWICE,
            )
        return False


def alike(one: Any, other: Any) -> bool:
    """Say whether two entries, or values of entries, say the same.

    >>> alike({"a": [1]}, {"a": [1]}), alike(1, True)
    (True, False)
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, Entry):
        names = [attribute.name for attribute in attrs.fields(type(one))]
        return all(
            alike(getattr(one, name), getattr(other, name))
            for name in names
            if name not in _NOT_COMPARED
        )
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other)
