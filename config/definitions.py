"""RabbitMQ's definitions: their sections, what tells their objects apart, what fields default to.

This is the table that reading (`definitions_in.py`), writing (`definitions_out.py`) and comparing
(`diff.py`) share. Definitions are JSON: a map of sections, each a list of objects.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "OPERATOR_POLICY",
    "SECTIONS",
    "Definitions",
    "Identity",
    "Object",
    "Section",
    "canonical_json",
    "default_of",
    "identity_of",
    "is_definitions",
    "objects_by_identity",
]

#: One object of a section: field -> JSON value.
Object: TypeAlias = dict[str, Any]
#: A whole file: section -> its objects; and single values, such as `rabbit_version`.
Definitions: TypeAlias = dict[str, Any]
#: What tells an object from the others of its section.
Identity: TypeAlias = tuple[str, ...]

#: The component of the parameters that are operator policies.
OPERATOR_POLICY = "operator_policy"


@frozen
class Section:
    """One section: the fields that name an object, and what the others are if left out."""

    singular: str
    key: tuple[str, ...]
    # field -> its value where it is left out
    defaults: dict[str, Any] = field(factory=dict)


#: Section -> its form, in the order in which RabbitMQ writes them.
SECTIONS = {
    "users": Section("user", ("name",), {"tags": [], "limits": {}}),
    "vhosts": Section(
        "virtual host", ("name",), {"limits": [], "metadata": {"description": "", "tags": []}}
    ),
    "permissions": Section("permission", ("user", "vhost"), {"vhost": "/"}),
    "topic_permissions": Section("topic permission", ("user", "vhost", "exchange"), {"vhost": "/"}),
    "parameters": Section("parameter", ("vhost", "component", "name"), {"vhost": "/"}),
    "global_parameters": Section("global parameter", ("name",)),
    "policies": Section(
        "policy", ("vhost", "name"), {"vhost": "/", "apply-to": "all", "priority": 0}
    ),
    "queues": Section(
        "queue",
        ("vhost", "name"),
        {"vhost": "/", "durable": True, "auto_delete": False, "arguments": {}},
    ),
    "exchanges": Section(
        "exchange",
        ("vhost", "name"),
        {"vhost": "/", "durable": True, "auto_delete": False, "internal": False, "arguments": {}},
    ),
    "bindings": Section(
        "binding",
        ("vhost", "source", "destination_type", "destination", "routing_key", "arguments"),
        {"vhost": "/", "destination_type": "queue", "routing_key": "", "arguments": {}},
    ),
}

_TELLING = {"rabbit_version", "rabbitmq_version", "vhosts", "permissions", "global_parameters"}


_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def is_definitions(value: object) -> bool:
    """Tell RabbitMQ's definitions from another JSON value, such as a topology written as JSON."""
    if not isinstance(value, dict):
        return False
    if _TELLING & value.keys():
        return True
    return any(
        isinstance(item, dict) and ("vhost" in item or "durable" in item)
        for section in SECTIONS
        if isinstance(value.get(section), list)
        for item in value[section][:1]
    )


def canonical_json(value: object) -> str:
    """Return a JSON value as text that is the same for equal values; `1`, `1.0`, `true` differ."""
    return "{}" if value == {} else _encode(value)


def default_of(section: str, name: str, item: Mapping[str, Any]) -> Any:
    """Return what a field of an object is if it is left out; None where it must be there."""
    if section == "queues" and name == "type":
        arguments = item.get("arguments")
        queue_type = arguments.get("x-queue-type") if isinstance(arguments, dict) else None
        return queue_type if isinstance(queue_type, str) else "classic"
    return SECTIONS[section].defaults.get(name)


def identity_of(section: str, item: Mapping[str, Any]) -> Identity:
    """Return what tells an object from the others of its section; fields left out by default.

    Some versions of RabbitMQ write an empty table as `[]`.
    """
    return tuple(
        part if isinstance(part, str) else canonical_json(part or {})
        for name in SECTIONS[section].key
        for part in (item.get(name, default_of(section, name, item)),)
    )


def objects_by_identity(section: str, items: Iterable[Object]) -> dict[Identity, Object]:
    """Return the objects of a section by what tells them apart; the last of several wins."""
    return {identity_of(section, item): item for item in items}
