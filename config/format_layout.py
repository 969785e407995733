"""Canonical spellings and order: what the format of topology files knows about a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args, get_origin

import attrs

from leveret.config.binding_text import BindingTextError, format_binding, parse_binding
from leveret.config.entries import (
    Age,
    BindingEntry,
    BindingLine,
    DeadLetterEntry,
    Duration,
    Entry,
    HostEntry,
    Size,
    TopologyEntry,
)
from leveret.config.format_tree import Alias, Collection, Item, Scalar
from leveret.config.structure import canonical, keys_of

if TYPE_CHECKING:
    from leveret.config.environment import Environment
    from leveret.config.format_tree import Comment, Document, Value

__all__ = ["SECTIONS_IN_ORDER", "lay_out"]

#: The sections of a topology, and of a virtual host, in the order in which they are written.
SECTIONS_IN_ORDER = (
    "version",
    "compatibility",
    "include",
    "defaults",
    "exchanges",
    "queues",
    "bindings",
    "policies",
    "operator_policies",
    "requests",
    "subscriptions",
    "alerts",
    "virtual_hosts",
    "users",
    "expect",
    "lint",
    "definitions",
)

#: What has two forms: a text or a map, a truth value or a map.
_BINDING = BindingEntry | BindingLine
_DEAD_LETTER = DeadLetterEntry | bool

#: Editors look for it in the comments on top.
_MODELINE = "yaml-language-server"


def lay_out(document: Document, environment: Environment) -> None:
    """Give a tree the canonical spellings, in place, and its sections their order.

    What an alias repeats, or a tag marks, is left as it is: it may be read in more than one way.
    """
    _take_preface(document)
    _Layout(environment).value(document.root, TopologyEntry)


@attrs.frozen(eq=False)
class _Layout:
    environment: Environment

    def value(self, value: Value | None, wanted: Any) -> None:
        """Spell a value in the way of what is wanted in its place."""
        if value is None or value.is_anchored:
            return
        if isinstance(value, Scalar):
            self.scalar(value, wanted)
        elif isinstance(value, Collection):
            self.collection(value, wanted)

    def scalar(self, value: Scalar, wanted: Any) -> None:
        if wanted in (Age, Duration, Size):
            value.role = "quantity"
        elif wanted == _BINDING:
            value.role = "binding"
            if not self.environment.may_hold(value.text):
                _respell_binding(value)

    def collection(self, collection: Collection, wanted: Any) -> None:
        if wanted == _BINDING:
            wanted = BindingEntry
        elif wanted == _DEAD_LETTER:
            wanted = DeadLetterEntry
        if get_origin(wanted) is dict:
            self.named(collection, get_args(wanted)[1])
        elif get_origin(wanted) is list:
            for item in collection.items:
                self.value(item.value, get_args(wanted)[0])
        elif isinstance(wanted, type) and issubclass(wanted, Entry) and collection.is_map:
            self.entry(collection, wanted)

    def named(self, collection: Collection, wanted: Any) -> None:
        for item in collection.items:
            if collection.is_map or isinstance(item.value, Collection):
                self.value(item.value, wanted)

    def entry(self, collection: Collection, wanted: Any) -> None:
        fields = keys_of(wanted)
        for item in collection.items:
            key = item.key
            if not isinstance(key, Scalar):
                continue
            name = key.text if key.text in fields else canonical(key.text)
            if name in fields:
                if not key.is_anchored:
                    key.text = key.written = name
                    key.style = ""
                self.value(item.value, fields[name])
        if issubclass(wanted, HostEntry):
            _put_in_order(collection)


def _respell_binding(value: Scalar) -> None:
    try:
        binding = parse_binding(value.text)
    except BindingTextError:
        return  # a value that is no text in YAML
    text = format_binding(
        binding.source.text,
        [key.text for key in binding.keys],
        binding.destination.text,
        binding.destination_type,
    )
    if text != value.text:
        value.text = value.written = text
        if not value.style:
            value.style = '"'  # which is left out again where nothing needs it


def _take_preface(document: Document) -> None:
    """Part the comments on top of a file from those of its first section.

    A blank line parts them; the line in which editors look for a schema stays on top in any case.
    """
    root = document.root
    if not isinstance(root, Collection) or not root.items:
        return
    leading, first = root.items[0].leading, root.items[0]
    blank = [*(comment.blank_before for comment in leading[1:]), first.blank_before]
    ends = [number + 1 for number, is_parted in enumerate(blank[: len(leading)]) if is_parted]
    if not ends and leading and _MODELINE in leading[0].text:
        ends = [1]
    if ends:
        document.preface = leading[: ends[-1]]
        first.leading = leading[ends[-1] :]


def _put_in_order(collection: Collection) -> None:
    rank = {name: number for number, name in enumerate(SECTIONS_IN_ORDER)}
    items = collection.items
    ranked = sorted(
        items, key=lambda item: rank.get(item.key.text, 99) if isinstance(item.key, Scalar) else 99
    )
    if ranked == items or any(map(_repeats, items)):
        return
    spaced = any(_first_line(item).blank_before for item in items[1:])
    opening = _first_line(items[0]).blank_before
    for item in ranked[1:]:
        _first_line(item).blank_before = spaced
    _first_line(ranked[0]).blank_before = opening
    collection.items = ranked


def _first_line(item: Item) -> Comment | Item:
    return item.leading[0] if item.leading else item


def _repeats(item: Item) -> bool:
    """Tell whether an item has an alias: what is anchored must come before it."""
    if isinstance(item.value, Collection):
        return any(map(_repeats, item.value.items))
    return isinstance(item.value, Alias) or isinstance(item.key, Alias)
