"""What of RabbitMQ's definitions is left over, once a topology has said what it can."""

from __future__ import annotations

from typing import Any

from leveret.config.definitions import (
    SECTIONS,
    Definitions,
    Object,
    canonical_json,
    objects_by_identity,
)
from leveret.config.model import DefinitionsRest

__all__ = ["left_over"]


def left_over(definitions: Definitions, declared: Definitions) -> DefinitionsRest:
    """Return what must be added to `declared` to make `definitions` of it."""
    rest = DefinitionsRest()
    for name, value in definitions.items():
        if name not in SECTIONS:
            rest.keep[name] = value
    for section in SECTIONS:
        if section not in definitions:
            rest.omit[section] = "all"
            continue
        known = objects_by_identity(section, declared[section])
        kept: list[Any] = []
        fields: list[Any] = []
        left_out: list[set[str]] = []
        for identity, item in objects_by_identity(section, definitions[section]).items():
            said = known.get(identity)
            if said is None:
                kept.append(item)
                continue
            left_out.append(said.keys() - item.keys())
            if further := _further_fields(section, said, item):
                key = SECTIONS[section].key
                fields.append({name: said[name] for name in key} | further)
        if kept:
            rest.keep[section] = kept
        if fields:
            rest.fields[section] = fields
        if omitted := _omitted(section, left_out, kept):
            rest.omit[section] = omitted
    return rest


def _further_fields(section: str, said: Object, item: Object) -> Object:
    further = {}
    for name, value in item.items():
        present = said.get(name)
        if name in said and canonical_json(present) == canonical_json(value):
            continue
        if name in SECTIONS[section].key or (section == "users" and name == "password"):
            continue  # a password is said by its hash; RabbitMQ refuses both together
        if isinstance(present, dict) and isinstance(value, dict):
            value = {
                key: part
                for key, part in value.items()
                if key not in present or canonical_json(present[key]) != canonical_json(part)
            }
            if not value:  # it leaves out what has its default
                continue
        further[name] = value
    return further


def _omitted(section: str, left_out: list[set[str]], kept: list[Any]) -> list[Any]:
    """Return the fields that every object of a section leaves out."""
    if not left_out:
        return [name for name in SECTIONS[section].key if kept and name not in kept[0]]
    return sorted(set.intersection(*left_out))
