"""What a message that a person wrote may hold: AMQP's types and ranges, field by field.

Shared by the lines of a messages file and by the options of `leveret explain`, so that both
refuse the same things with the same words.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from attrs import fields_dict, frozen

from leveret.errors import TopologyError
from leveret.properties import FieldValue, Properties

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "INTEGER_PROPERTIES",
    "PROPERTY_NAMES",
    "FieldFault",
    "header_faults",
    "header_value",
    "make_properties",
    "nearest",
    "property_fault",
    "short_string_fault",
    "surrogate_fault",
]

SHORT_STRING_BYTES = 255  # AMQP 0-9-1 section 4.2.5.3: the length is one octet
_INT64 = range(-(2**63), 2**63)  # the widest integer of a field table, type "l"

PROPERTY_NAMES = tuple(name for name in fields_dict(Properties) if name != "headers")
# name -> its least and greatest value; every other property is a short string
INTEGER_PROPERTIES = {
    "delivery_mode": (1, 2),
    "priority": (0, 255),
    "timestamp": (0, 2**64 - 1),
}


@frozen
class FieldFault:
    """What is wrong with the field at `path` (names from the outside in), and what to do.

    `at_name` says that the name is at fault, not the value.
    """

    path: tuple[str, ...]
    message: str
    remedy: str
    at_name: bool = False


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `Did you mean 'x'?` for the nearest known name, or a list of what is known."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"Did you mean '{close[0]}'?"
    return f"Known here: {', '.join(names)}." if names else ""


def header_value(text: str) -> FieldValue:
    """Return what `text` means as a YAML 1.2 value: null, a truth value, a number, text, a list.

    Quoted text is text, `[...]` a list and `{...}` a table; everything else is one plain scalar,
    so that a URL or a time needs no quotes.

    Raises:
        ValueError: a quote or bracket is not closed, or a number is beyond 64 bits.

    >>> [header_value(text) for text in ("5", "0x1f", "1.5", "true", "yes", "png", "", "'5'")]
    [5, 31, 1.5, True, 'yes', 'png', None, '5']
    >>> header_value("[audit, 7]")
    ['audit', 7]

    """
    from leveret.config.nodes import Node, ScalarNode, compose
    from leveret.config.resolve import field_value
    from leveret.config.source import Source

    source = Source("value", text)
    node: Node | None = ScalarNode(source, 0, 0, text, plain=True)
    try:
        if text[:1] in ("'", '"', "[", "{"):
            node = compose(source, {})
        value = None if node is None else field_value(node)
    except TopologyError as error:
        source.faults = list(error.faults)
        value = None
    if source.faults:
        raise ValueError(source.faults[0].message)
    return value


def short_string_fault(path: tuple[str, ...], value: object) -> FieldFault | None:
    """Return what keeps `value` from being a short string: text of at most 255 bytes."""
    if isinstance(value, str) and value.isascii() and len(value) <= SHORT_STRING_BYTES:
        return None
    if not isinstance(value, str):
        return FieldFault(
            path, f"'{path[-1]}' must be a string, not {_kind(value)}", "Write it in double quotes."
        )
    if (fault := _text_fault(path, value)) is not None:
        return fault
    size = len(value.encode())
    if size > SHORT_STRING_BYTES:
        return FieldFault(
            path,
            f"'{path[-1]}' is {size} bytes long, the most that AMQP carries is 255",
            "Shorten it.",
        )
    return None


def property_fault(path: tuple[str, ...], value: object) -> FieldFault | None:
    """Return what keeps `value` from being the property named last in `path`."""
    name = path[-1]
    if name == "headers":
        return FieldFault(
            path,
            "headers are not among the properties here",
            "Give them beside the properties, as headers.",
            True,
        )
    if name not in PROPERTY_NAMES:
        return FieldFault(path, f"unknown property '{name}'", nearest(name, PROPERTY_NAMES), True)
    if name not in INTEGER_PROPERTIES:
        return short_string_fault(path, value)
    low, high = INTEGER_PROPERTIES[name]
    if isinstance(value, bool) or not isinstance(value, int):
        return FieldFault(
            path,
            f"'{name}' must be a whole number, not {_kind(value)}",
            "Write a number, without quotes.",
        )
    if not low <= value <= high:
        return FieldFault(path, f"'{name}' is {value}", f"It goes from {low} to {high}.")
    return None


def make_properties(
    headers: dict[str, FieldValue] | None, values: Mapping[str, object]
) -> Properties:
    """Return the properties that `values` names, each found good by `property_fault`."""
    return Properties(headers=headers, **values)  # type: ignore[arg-type]


def header_faults(path: tuple[str, ...], value: object) -> Iterator[FieldFault]:
    """Yield what keeps a JSON `value` from being carried in a headers table."""
    if isinstance(value, str):
        if (fault := _text_fault(path, value)) is not None:
            yield fault
    elif isinstance(value, int) and value not in _INT64:
        yield FieldFault(path, f"{value} does not fit into AMQP's 64 bits", "Send it as a string.")
    elif isinstance(value, list):
        for item in value:
            yield from header_faults(path, item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if (fault := short_string_fault((*path, name), name)) is not None:
                yield fault
            yield from header_faults((*path, name), item)


def surrogate_fault(path: tuple[str, ...]) -> FieldFault:
    """Return the fault of text that is not Unicode: JSON can spell it, UTF-8 cannot carry it."""
    return FieldFault(
        path,
        f"'{path[-1]}' holds half of a surrogate pair",
        "Write the character itself, or both halves of the pair.",
    )


def _text_fault(path: tuple[str, ...], value: str) -> FieldFault | None:
    if value.isascii():
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return surrogate_fault(path)
    return None


_KINDS: dict[type, str] = {
    bool: "a truth value",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), type(value).__name__)
