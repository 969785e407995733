"""YAML nodes into the entries of the format, with every fault reported where it stands.

cattrs picks the hook for each annotation; the hooks are ours. They differ from cattrs' own in one
way: a value that does not fit is reported at its place and left out, so that one pass finds the
faults of the whole file.
"""

from __future__ import annotations

import re
from functools import cache
from keyword import iskeyword
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import attrs
from attrs import define, field
from cattrs import Converter

from leveret.config.arguments import FRIENDLY
from leveret.config.binding_text import BindingTextError, parse_binding
from leveret.config.entries import (
    BindingEntry,
    BindingLine,
    DeadLetterEntry,
    Entry,
    TopologyEntry,
)
from leveret.config.findings import DEFINED_TWICE
from leveret.config.names import nearest
from leveret.config.nodes import ListNode, MapNode, Node, ScalarNode
from leveret.config.resolve import describe, scalar_value
from leveret.config.source import quoted
from leveret.config.values import LEAVES, Hook, Unfit, choice_hook, read_name
from leveret.config.yaml_errors import quote_help

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["attribute_of", "canonical", "keys_of", "structure", "without_none"]

#: Keys by which RabbitMQ's definitions JSON is recognised.
_DEFINITIONS_KEYS = {"rabbit_version", "rabbitmq_version", "vhosts", "permissions", "parameters"}

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_COMMENT_AFTER = re.compile(r"\s+#")


def structure(root: Node) -> TopologyEntry:
    """Return a file's tree as entries; what does not fit is reported to its source and left out."""
    return _converter().structure(root, TopologyEntry)


@cache
def _converter() -> Converter:
    converter = Converter()
    for annotation, hook in LEAVES.items():
        converter.register_structure_hook(annotation, hook)
    for origin, factory in ((Literal, choice_hook), (list, _list_hook), (dict, _named_hook)):
        converter.register_structure_hook_factory(_has_origin(origin), factory)
    converter.register_structure_hook_factory(_is_entry, _EntryHook.of)
    converter.register_structure_hook(DeadLetterEntry | bool, _dead_letter_hook(converter))
    converter.register_structure_hook(BindingEntry | BindingLine, _binding_hook(converter))
    return converter


def _has_origin(origin: Any) -> Callable[[Any], bool]:
    return lambda annotation: get_origin(annotation) is origin


def _is_entry(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Entry)


def canonical(key: str) -> str:
    """Return a key in RabbitMQ's spelling: `applyTo` and `apply-to` are `apply_to`."""
    return _HUMP.sub("_", key).replace("-", "_").lower()


def keys_of(cls: type[Entry]) -> dict[str, Any]:
    """Return key -> annotation, without `None`, of a class of entries."""
    attrs.resolve_types(cls)
    return {
        one.name.removesuffix("_"): without_none(one.type)
        for one in attrs.fields(cls)
        if one.name not in ("node", "nodes")
    }


def attribute_of(key: str) -> str:
    """Return the attribute of an entry that holds a key: Python keeps some words for itself."""
    return f"{key}_" if iskeyword(key) else key


def _is_nothing(node: Node) -> bool:
    return isinstance(node, ScalarNode) and scalar_value(node) is None


def _read(hook: Hook, annotation: Any, node: Node, label: str) -> Any:
    """Return what a hook makes of a node, or None once its fault is reported."""
    if isinstance(node, ScalarNode) and node.faulty:
        return None
    try:
        return hook(node, annotation)
    except Unfit as unfit:
        node.fault(f"{label} {unfit.message}", unfit.remedy)
        return None


@define
class _EntryHook:
    """The hook that reads a map into an entry; it never fails, faulty keys are None."""

    cls: type[Entry]
    readers: dict[str, tuple[Any, Hook]] = field(factory=dict)  # key -> (annotation, its hook)

    @classmethod
    def of(cls, wanted: type[Entry], converter: Converter) -> _EntryHook:
        readers = {
            key: (annotation, converter.get_structure_hook(annotation))
            for key, annotation in keys_of(wanted).items()
        }
        return cls(wanted, readers)

    def __call__(self, node: Node, _: object) -> Entry:
        return self.read(node, node)

    def read(self, node: Node, place: Node) -> Entry:
        """Return the entry that a node says, named at `place`."""
        cls, readers = self.cls, self.readers
        pairs = _pairs(node, cls)
        values: dict[str, Any] = {}
        nodes: dict[str, Node] = {}
        for key, value in pairs:
            name = key.text if key.text in readers else canonical(key.text)
            if name not in readers:
                _unknown_key(cls, key, name, list(readers))
            elif name in nodes:
                key.fault(
                    f"{quoted(key.text)} gives '{name}' a second time", "Keep one spelling of it."
                )
            else:
                nodes[name] = value
                annotation, hook = readers[name]
                values[attribute_of(name)] = _read(hook, annotation, value, name)
        for name in cls.REQUIRED:
            if pairs is not _NOT_A_MAP and name not in nodes:
                node.fault(f"{cls.CALLED} needs '{name}'", f"Add '{name}: …'.")
        return cls(node=place, nodes=nodes, **values)


#: Stands for the pairs of what is no map: nothing is missing from it.
_NOT_A_MAP: list[tuple[ScalarNode, Node]] = []


def _pairs(node: Node, cls: type[Entry]) -> list[tuple[ScalarNode, Node]]:
    if isinstance(node, MapNode):
        return node.pairs
    if _is_nothing(node):
        return []
    if cls.SHORT_FOR and isinstance(node, ScalarNode) and not node.faulty:
        key = ScalarNode(node.source, node.line, node.column, cls.SHORT_FOR, plain=True)
        return [(key, node)]
    if isinstance(node, ScalarNode) and node.faulty:
        return _NOT_A_MAP
    node.fault(
        f"{cls.CALLED} wants a map, got {describe(node)}",
        "Write 'key: value' lines below it, or {key: value} behind it.",
    )
    return _NOT_A_MAP


def without_none(annotation: Any) -> Any:
    """Return `T` of `T | None`, and `A | B` of `A | B | None`."""
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    kept = [part for part in get_args(annotation) if part is not type(None)]
    wanted = kept[0]
    for part in kept[1:]:
        wanted = wanted | part
    return wanted


def _unknown_key(cls: type[Entry], key: ScalarNode, name: str, known: list[str]) -> None:
    if cls is TopologyEntry and name in _DEFINITIONS_KEYS:
        remedy = "These are RabbitMQ's definitions; 'leveret import' makes a topology file of them."
    elif name.startswith("x_") and "arguments" in known:
        remedy = f"Put it under 'arguments': {{{key.text}: …}}."
        if (friendly := FRIENDLY.get(key.text)) in known:
            remedy = f"Write '{friendly}', or put it under 'arguments'."
    elif close := nearest(name, known):
        remedy = f"Did you mean '{close}'?"
    else:
        remedy = f"The keys are {', '.join(known)}."
    key.fault(f"{cls.CALLED} has no key {quoted(key.text)}", remedy)


def _list_hook(annotation: Any, converter: Converter) -> Hook:
    (wanted,) = get_args(annotation)
    hook = converter.get_structure_hook(wanted)

    def read(node: Node, _: object) -> list[Any]:
        if _is_nothing(node):
            return []
        if not isinstance(node, ListNode):
            raise Unfit(f"wants a list, got {describe(node)}", "Begin each item with '- '.")
        found = (_read(hook, wanted, item, "this item") for item in node.items)
        return [item for item in found if item is not None]

    return read


def _named_hook(annotation: Any, converter: Converter) -> Hook:
    """Return the hook for objects by name: a map, or a list of names or of maps with a `name`."""
    _, wanted = get_args(annotation)
    hook = converter.get_structure_hook(wanted)

    def read(node: Node, _: object) -> dict[str, Any]:
        named: dict[str, Any] = {}
        places: dict[str, Node] = {}  # name -> where it stands first
        for key, value in _named_pairs(node):
            name = _read(read_name, None, key, "this name")
            if name is None:
                continue
            if places.setdefault(name, key) is not key:
                line = places[name].line + 1
                key.fault(
                    f"{quoted(name)} is defined twice; the first is on line {line}",
                    "Keep one of the two, or give them different names.",
                    DEFINED_TWICE,
                )
                continue
            if isinstance(hook, _EntryHook):  # made of every node, so that its name is known
                named[name] = hook.read(value, key)
            else:
                named[name] = _read(hook, wanted, value, quoted(name))
        return named

    return read


def _named_pairs(node: Node) -> list[tuple[Node, Node]]:
    if _is_nothing(node):
        return []
    if isinstance(node, MapNode):
        return list(node.pairs)
    if not isinstance(node, ListNode):
        raise Unfit(
            f"wants a map or a list of names, got {describe(node)}",
            "Write 'name: {…}' lines below it, or '- name' lines.",
        )
    return [pair for item in node.items if (pair := _named_item(item)) is not None]


def _named_item(item: Node) -> tuple[Node, Node] | None:
    """Return name and definition of an item: `- orders`, or `- {name: orders, …}`."""
    if not isinstance(item, MapNode):
        nothing = ScalarNode(item.source, item.line, item.column, "", plain=True)
        return item, nothing
    rest = MapNode(item.source, item.line, item.column)
    name: Node | None = None
    for key, value in item.pairs:
        if key.text == "name":
            name = value
        else:
            rest.pairs.append((key, value))
    if name is None:
        item.fault("this item has no 'name'", "Write '- name: …', or make the list a map.")
        return None
    return name, rest


def _dead_letter_hook(converter: Converter) -> Hook:
    entry_hook = converter.get_structure_hook(DeadLetterEntry)

    def read(node: Node, _: object) -> Any:
        if isinstance(node, MapNode):
            return entry_hook(node, DeadLetterEntry)
        value = scalar_value(node) if isinstance(node, ScalarNode) else None
        if isinstance(value, bool):
            return value
        remedy = "Write 'dead_letter: true', or {exchange: …, routing_key: …}."
        if isinstance(value, str) and value:
            remedy = f"For an exchange, write dead_letter: {{exchange: {value}}}."
        raise Unfit(f"wants true or a map, got {describe(node)}", remedy)

    return read


def _binding_hook(converter: Converter) -> Hook:
    entry_hook = converter.get_structure_hook(BindingEntry)

    def read(node: Node, _: object) -> BindingEntry | BindingLine | None:
        if isinstance(node, MapNode):
            if _is_binding_cut_by_colon(node):
                node.fault(
                    "YAML takes this binding for a map because of its ': '",
                    quote_help(node.source.line(node.line)),
                )
                return None
            return entry_hook(node, BindingEntry)  # type: ignore[no-any-return]
        if not isinstance(node, ScalarNode) or _is_nothing(node):
            raise Unfit(
                f"wants a binding, got {describe(node)}",
                "Write source[key] -> destination, or {source: …, destination: …}.",
            )
        try:
            return BindingLine(node, parse_binding(node.text))
        except BindingTextError as error:
            _bad_binding(node, error)
            return None

    return read


def _is_binding_cut_by_colon(node: MapNode) -> bool:
    key, value = node.pairs[0] if node.pairs else (None, None)
    if key is None or canonical(key.text) in attrs.fields_dict(BindingEntry):
        return False
    texts = key.text + (value.text if isinstance(value, ScalarNode) else "")
    return "->" in texts or "[" in key.text


def _bad_binding(node: ScalarNode, error: BindingTextError) -> None:
    start = node.column_of(0)
    line = node.source.line(node.line)
    if node.plain and start is not None and _COMMENT_AFTER.match(line, start + len(node.text)):
        column = line.index("#", start + len(node.text))
        node.source.report(
            node.line,
            column,
            "YAML cuts this binding here: ' #' begins a comment",
            quote_help(line),
        )
        return
    node.fault_at(error.offset, error.message, error.remedy)
