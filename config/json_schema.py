"""A JSON Schema of the topology file, made from the tables that the loader reads it by.

Draft 7, which every editor knows: yaml-language-server promises no more. A schema sees one file and
no meaning, so it takes whatever the loader takes, and beyond that what depends on other objects, on
included files or on RabbitMQ's own rules; those are for `leveret check`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from leveret.config import entries
from leveret.config.arguments import (
    DEAD_LETTER_ARGUMENTS,
    EXCHANGE_ARGUMENTS,
    FRIENDLY,
    QUEUE_ARGUMENTS,
    RAW_ARGUMENTS,
)
from leveret.config.binding_text import BINDING_PATTERN, MAX_TEXT
from leveret.config.entries import Entry
from leveret.config.environment import VARIABLE
from leveret.config.findings import RULES
from leveret.config.key_help import key_help
from leveret.config.limits import LIMIT_PATTERN
from leveret.config.model import ALERT_METRICS, COMPATIBILITIES, VERSION
from leveret.config.names import MAX_NAME_BYTES
from leveret.config.partition_key import KEY_PATTERN
from leveret.config.partitions import MAX_PARTITIONS
from leveret.config.quantities import DURATION_UNITS_MS, SIZE_UNITS_BYTES
from leveret.config.resolve import MAX_INTEGER, MIN_INTEGER
from leveret.config.structure import canonical, keys_of
from leveret.config.subscriptions import MAX_CONCURRENCY
from leveret.config.values import MAX_PATTERN
from leveret.exchanges import ExchangeTypes
from leveret.queues.policy_keys import IGNORED_POLICY_KEYS, POLICY_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LEAF_SCHEMAS", "topology_schema"]

_Schema = dict[str, Any]

#: A text that the environment completes may be anything in the end.
_VARIABLE: _Schema = {"type": "string", "pattern": VARIABLE}

#: What YAML reads as a number or as true is a text all the same where one is wanted.
_TEXT_TYPES = ["string", "number", "boolean"]

#: RabbitMQ's own tags of users; others are allowed.
_TAGS = ("administrator", "monitoring", "policymaker", "management", "impersonator")

_TITLE = "A topology of RabbitMQ"
_ABOUT = (
    "What exists in a broker, how it is bound, and what should happen; read by leveret."
    " Whether it makes sense as a whole, 'leveret check' tells."
)


def topology_schema() -> dict[str, Any]:
    """Return what `leveret.config.schema` returns."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": _TITLE,
        "description": _ABOUT,
        **_entry(entries.TopologyEntry),
        "definitions": {
            **{_name(cls): _entry(cls) for cls in _ENTRIES},
            **{f"{_name(cls)}_item": _entry(cls, in_list=True) for cls in _named_entries()},
        },
    }


# --- entries


_ENTRIES: tuple[type[Entry], ...] = tuple(
    cls
    for name in entries.__all__
    if isinstance(cls := getattr(entries, name), type)
    and issubclass(cls, Entry)
    and cls not in (Entry, entries.TopologyEntry)
)


def _name(cls: type[Entry]) -> str:
    """Return what an entry is called among the definitions: `DeadLetterEntry` is `dead_letter`."""
    return canonical(cls.__name__.removesuffix("Entry"))


def _named_entries() -> list[type[Entry]]:
    """Return the entries that lists of objects may hold, each with its `name`."""
    found: dict[type[Entry], None] = {}
    for cls in (*_ENTRIES, entries.TopologyEntry):
        for annotation in keys_of(cls).values():
            named = annotation
            while get_origin(named) is dict:
                named = get_args(named)[1]
            if named is not annotation:
                found[named] = None
    return list(found)


def _is_entry(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Entry)


def _entry(cls: type[Entry], *, in_list: bool = False) -> _Schema:
    """Return the schema of an entry's map; `in_list`, that of an item that says its name too."""
    # The properties of an item are those of the entry: one place says what they are.
    own = "#" if cls is entries.TopologyEntry else f"#/definitions/{_name(cls)}"
    properties: dict[str, _Schema] = {"name": _NAME} if in_list else {}
    dependencies: dict[str, _Schema] = {}
    for key, annotation in keys_of(cls).items():
        reference = {"$ref": f"{own}/properties/{key}"}
        properties[key] = reference if in_list else _key(cls, key, annotation)
        spellings = _spellings(key)
        for other in spellings[1:]:
            properties[other] = {**reference, "doNotSuggest": True}
            before = spellings[: spellings.index(other)]
            dependencies[other] = {"properties": dict.fromkeys(before, False)}
    for key, argument in _ARGUMENTS.get(cls, {}).items():
        twice = {"properties": {"arguments": {"properties": {argument: False}}}}
        dependencies[key] = {**dependencies.get(key, {}), **twice}
    if cls is entries.QueueEntry:
        for key, other in (("partitions", "by"), ("by", "partitions")):
            dependencies[key] = {"required": [other]}
    required = (*(("name",) if in_list else ()), *cls.REQUIRED)
    made: _Schema = {
        "type": "object" if required or cls is entries.TopologyEntry else ["object", "null"],
        "properties": properties,
        "additionalProperties": False,
    }
    if dependencies:
        made["dependencies"] = dependencies
    if plain := [key for key in required if len(_spellings(key)) == 1]:
        made["required"] = plain
    anyhow = [
        {"anyOf": [{"required": [one]} for one in _spellings(key)]}
        for key in required
        if key not in plain
    ]
    if cls is entries.ExpectEntry:
        anyhow.append(_one_of(["publish", "expires"]))
    if cls is entries.AlertEntry:
        anyhow.append(_one_of(ALERT_METRICS))
    if anyhow:
        made["allOf"] = anyhow
    return made


def _one_of(keys: Iterable[str]) -> _Schema:
    spellings = ({"anyOf": [{"required": [one]} for one in _spellings(key)]} for key in keys)
    return {"oneOf": list(spellings)}


#: Entry -> its keys that stand for arguments: one beside its argument is an error.
_ARGUMENTS: dict[type[Entry], dict[str, str]] = {
    entries.ExchangeDefaults: EXCHANGE_ARGUMENTS,
    entries.ExchangeEntry: EXCHANGE_ARGUMENTS,
    entries.QueueEntry: QUEUE_ARGUMENTS,
}


def _spellings(key: str) -> list[str]:
    """Return the ways to write a key that docs/topology.md tells of, the canonical one first."""
    if "_" not in key:
        return [key]
    first, *rest = key.split("_")
    return [key, key.replace("_", "-"), first + "".join(word.title() for word in rest)]


def _key(cls: type[Entry], key: str, annotation: Any) -> _Schema:
    made = _special(cls, key) or _value(annotation)
    return {**_described(key_help(cls, key)), **made}


def _described(text: str) -> _Schema:
    plain = text.replace("`", "")
    return {"description": plain} | ({"markdownDescription": text} if text != plain else {})


def _special(cls: type[Entry], key: str) -> _Schema | None:
    """Return what a key takes where its annotation does not say it, but `assemble.py` does."""
    match key:
        case "version":
            return {"anyOf": [{"const": VERSION}, _VARIABLE]}
        case "compatibility":
            # Without quotes, YAML makes a number of it.
            return _choice([*COMPATIBILITIES, *map(float, COMPATIBILITIES)])
        case "type" if issubclass(cls, entries.ExchangeDefaults):
            return _choice(ExchangeTypes.installed().names)
        case "source":
            return _NAME  # the default exchange takes no bindings
        case "attempts" | "prefetch":
            return {**_COUNT, "minimum": 1}
        case "concurrency":
            return {**_COUNT, "minimum": 1, "maximum": MAX_CONCURRENCY}
        case "partitions":
            return {**_COUNT, "minimum": 1, "maximum": MAX_PARTITIONS}
        case "factor":
            return {**_RATIO, "minimum": 1}
        case "jitter":
            return {**_RATIO, "maximum": 1}
        case "tags":
            return _list({"anyOf": [{"enum": list(_TAGS)}, _NAME]})
        case "arguments" if cls in _ARGUMENTS:
            return _table(_raw_arguments())
        case "definition":
            return _definition()
    return None


# --- values


def _integer(least: int, *patterns: str) -> _Schema:
    return {
        "type": ["integer", "string"],
        "minimum": least,
        "maximum": MAX_INTEGER,
        "pattern": _any_of(*patterns, VARIABLE),
    }


def _any_of(*patterns: str) -> str:
    return "|".join(patterns)


def _quantity_pattern(units: Iterable[str]) -> str:
    return f" *[0-9]+(?:_[0-9]+)* *(?:{'|'.join(units)})? *$"


def _quantity(units: Iterable[str]) -> _Schema:
    return _integer(0, f"^{_quantity_pattern(units)}")


def _limit(pattern: str) -> _Schema:
    return {"type": "string", "pattern": _any_of(LIMIT_PATTERN + pattern, VARIABLE)}


def _text(least: int, most: int, characters: str = r"[\s\S]") -> _Schema:
    return {
        "type": _TEXT_TYPES,
        "pattern": _any_of(f"^{characters}{{{least},{most}}}$", VARIABLE),
    }


def _choice(values: Iterable[Any]) -> _Schema:
    return {"anyOf": [{"enum": list(values)}, _VARIABLE]}


def _list(item: _Schema) -> _Schema:
    return {"type": ["array", "null"], "items": item}


def _table(known: dict[str, _Schema] | None = None) -> _Schema:
    made: _Schema = {"type": ["object", "null"], "propertyNames": {"maxLength": MAX_NAME_BYTES}}
    return {**made, "properties": known} if known else made


#: `10_000`, which is text to YAML 1.2; digits alone would be a number in quotes.
_GROUPED = "^[-+]?[0-9]+(?:_[0-9]+)+$"

_NAME = _text(1, MAX_NAME_BYTES, r"[^\r\n]")
_NUMBER = _integer(MIN_INTEGER, _GROUPED)
_COUNT = _integer(0, _GROUPED)
_RATIO: _Schema = {"type": ["number", "string"], "minimum": 0, "pattern": VARIABLE}
_FLAG: _Schema = {"type": ["boolean", "string"], "pattern": VARIABLE}

#: Annotation -> what it takes. The keys are those of `values.LEAVES`; a test compares them.
LEAF_SCHEMAS: dict[Any, _Schema] = {
    entries.Name: _NAME,
    entries.ExchangeName: _text(0, MAX_NAME_BYTES),
    entries.Key: _text(0, MAX_NAME_BYTES),
    entries.Text: {"type": _TEXT_TYPES},
    entries.Regex: _text(0, MAX_PATTERN),
    entries.Duration: _quantity(DURATION_UNITS_MS),
    entries.Size: _quantity(SIZE_UNITS_BYTES),
    entries.Count: _COUNT,
    entries.Number: _NUMBER,
    entries.Flag: _FLAG,
    entries.Ratio: _RATIO,
    entries.PartitionKey: {"type": "string", "pattern": _any_of(KEY_PATTERN, VARIABLE)},
    # Streams count whole seconds, and are told no bare number.
    entries.Age: {
        "type": "string",
        "pattern": _any_of(f"^{_quantity_pattern(DURATION_UNITS_MS)}", VARIABLE),
    },
    entries.CountLimit: _limit(" *[0-9]+(?:_[0-9]+)* *$"),
    entries.AgeLimit: _limit(_quantity_pattern(DURATION_UNITS_MS)),
    entries.Schema: {"type": ["object", *_TEXT_TYPES]},
    entries.Table: _table(),
    entries.Code: _choice(rule.code for rule in RULES.values() if rule.severity != "error"),
}

_BINDING_LINE: _Schema = {
    "type": "string",
    "maxLength": MAX_TEXT,
    "pattern": _any_of(BINDING_PATTERN, VARIABLE),
}


def _value(annotation: Any) -> _Schema:
    """Return the schema of what the loader reads by an annotation of `entries.py`."""
    if _is_entry(annotation):
        return _short(annotation, {"$ref": f"#/definitions/{_name(annotation)}"})
    if annotation == entries.BindingEntry | entries.BindingLine:
        return {"anyOf": [_BINDING_LINE, _value(entries.BindingEntry)]}
    if annotation == entries.DeadLetterEntry | bool:
        held = _entry(entries.DeadLetterEntry)
        return {"anyOf": [{"type": "boolean"}, {**held, "type": "object"}, _VARIABLE]}
    origin = get_origin(annotation)
    if origin is Literal:
        return _choice(get_args(annotation))
    if origin is list:
        return _list(_value(get_args(annotation)[0]))
    if origin is dict:
        return _named(get_args(annotation)[1])
    return LEAF_SCHEMAS[annotation]


def _short(cls: type[Entry], map_: _Schema) -> _Schema:
    if not cls.SHORT_FOR:
        return map_
    short = _key(cls, cls.SHORT_FOR, keys_of(cls)[cls.SHORT_FOR])
    return {"anyOf": [short, map_]}


def _named(annotation: Any) -> _Schema:
    """Return what takes objects by name: a map, or a list of names or of maps with a `name`."""
    value = _value(annotation)
    if _is_entry(annotation):
        item: _Schema = {"$ref": f"#/definitions/{_name(annotation)}_item"}
    else:
        item = {
            "type": "object",
            "properties": {"name": _NAME},
            "required": ["name"],
            "additionalProperties": value["additionalProperties"],
        }
    bare = not (_is_entry(annotation) and annotation.REQUIRED)
    return {
        "type": ["object", "array", "null"],
        "propertyNames": {"pattern": _KEY_NAME},
        "additionalProperties": value,
        "items": {"anyOf": [_NAME, item]} if bare else item,
    }


#: A name that is a key: variables are not read there.
_KEY_NAME = rf"^(?![\s\S]*{VARIABLE})[^\r\n]{{1,{MAX_NAME_BYTES}}}$"


# --- what RabbitMQ takes under its own names

_WANTED: dict[type, _Schema] = {int: _NUMBER, str: {"type": _TEXT_TYPES}, bool: _FLAG}


def _raw_arguments() -> dict[str, _Schema]:
    """Return argument -> what it takes, for the arguments that the loader looks at."""
    return {
        argument: {**_argument_help(argument), **_WANTED[kind]}
        for argument, kind in RAW_ARGUMENTS.items()
    }


def _argument_help(argument: str) -> _Schema:
    for cls, table in (
        (entries.QueueEntry, QUEUE_ARGUMENTS),
        (entries.DeadLetterEntry, DEAD_LETTER_ARGUMENTS),
        (entries.ExchangeEntry, EXCHANGE_ARGUMENTS),
    ):
        for key, its_argument in table.items():
            if its_argument == argument:
                return _described(key_help(cls, key))
    return {}


def _definition() -> _Schema:
    """Return what a policy's definition takes: RabbitMQ refuses keys that it does not know."""
    known: dict[str, _Schema] = {}
    for name, key in POLICY_KEYS.items():
        argument = name if name in FRIENDLY else f"x-{name}"
        help_ = _argument_help(argument) or _described(key.called)
        takes = _choice(key.allowed) if key.allowed else _WANTED[key.kind]
        known[name] = {**help_, **takes}
    return {
        **_table(known),
        "type": "object",
        "minProperties": 1,
        "patternProperties": {f"^(?:{'|'.join(IGNORED_POLICY_KEYS)})": True},
        "additionalProperties": False,
    }
