"""The `definitions` section of a topology file: what it may hold, checked.

It carries what RabbitMQ's definitions hold and no other section can say, so that a file that was
imported can be exported without loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leveret.config.definitions import SECTIONS
from leveret.config.environment import Substituted
from leveret.config.model import DefinitionsRest
from leveret.config.nodes import ListNode, MapNode, Node, ScalarNode
from leveret.config.resolve import describe, scalar_value
from leveret.config.source import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.config.entries import DefinitionsEntry
    from leveret.config.host import HostBuilder

__all__ = ["definitions_rest", "note_kept_objects"]


def definitions_rest(entry: DefinitionsEntry | None) -> DefinitionsRest:
    """Return what the section holds; what cannot be part of definitions is reported."""
    if entry is None:
        return DefinitionsRest()
    for part, only_sections in (("keep", False), ("fields", True)):
        for name, node in _pairs(entry.nodes.get(part)):
            if name.text in SECTIONS:
                _check_objects(name.text, node)
            elif only_sections:
                _unknown_section(name)
    for name, node in _pairs(entry.nodes.get("omit")):
        if name.text not in SECTIONS:
            _unknown_section(name)
        elif not isinstance(node, ListNode) and _text(node) != "all":
            node.fault(
                f"'omit' wants a list of fields, got {describe(node)}",
                "Write the fields that are left out, as [vhost, type], or 'all' for the section.",
            )
    keep, fields, omit = (
        _as_written(entry.nodes.get(part), getattr(entry, part) or {})
        for part in ("keep", "fields", "omit")
    )
    return DefinitionsRest(keep, fields, omit)


def _as_written(node: Node | None, value: Any) -> Any:
    """Return a value whose texts know how they were written: settings of plugins hold secrets."""
    if isinstance(node, MapNode) and isinstance(value, dict):
        return {key.text: _as_written(part, value.get(key.text)) for key, part in node.pairs}
    if isinstance(node, ListNode) and isinstance(value, list):
        return [_as_written(*pair) for pair in zip(node.items, value, strict=True)]
    if isinstance(node, ScalarNode) and node.written and isinstance(value, str):
        return Substituted(value, node.written)
    return value


def note_kept_objects(entry: DefinitionsEntry | None, builder: HostBuilder) -> None:
    """Let the rest of the file name exchanges and queues that are kept for RabbitMQ alone."""
    if entry is None:
        return
    known = (("exchanges", builder.exchange_nodes), ("queues", builder.queue_nodes))
    for name, node in _pairs(entry.nodes.get("keep")):
        for section, nodes in known:
            if name.text == section:
                for kept in _names(node, builder.host.name):
                    nodes.setdefault(kept.text, kept)


def _names(node: Node, host: str) -> Iterator[ScalarNode]:
    for item in node.items if isinstance(node, ListNode) else ():
        values = {key.text: value for key, value in _pairs(item)}
        name = values.get("name")
        if isinstance(name, ScalarNode) and _text(values.get("vhost"), "/") == host:
            yield name


def _check_objects(section: str, node: Node) -> None:
    if not isinstance(node, ListNode):
        node.fault(
            f"'{section}' wants a list of objects, got {describe(node)}",
            "Begin each object with '- '.",
        )
        return
    for item in node.items:
        if not isinstance(item, MapNode):
            item.fault(
                f"a {SECTIONS[section].singular} wants a map, got {describe(item)}",
                "Write it as RabbitMQ's definitions have it, {name: …}.",
            )


def _unknown_section(name: ScalarNode) -> None:
    name.fault(
        f"RabbitMQ's definitions have no section {quoted(name.text)}",
        f"The sections are {', '.join(SECTIONS)}.",
    )


def _pairs(node: Node | None) -> list[tuple[ScalarNode, Node]]:
    return node.pairs if isinstance(node, MapNode) else []


def _text(node: Node | None, default: str = "") -> str:
    if isinstance(node, ScalarNode) and scalar_value(node) is not None:
        return node.text
    return default
