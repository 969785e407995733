"""What a YAML value means by YAML 1.2's core schema (section 10.3), whatever libyaml thinks.

So `on`, `no` and `1:30` are strings, `0777` is the number 777 and `0o777` is 511.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from leveret.config.nodes import CORE_TAG, ListNode, MapNode, ScalarNode
from leveret.config.source import quoted

if TYPE_CHECKING:
    from leveret.config.nodes import Node
    from leveret.properties import FieldValue

__all__ = ["MAX_INTEGER", "MIN_INTEGER", "describe", "field_value", "integer_of", "scalar_value"]

#: What AMQP's long-long-int can carry.
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1

_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_GROUPED = re.compile(r"[-+]?[0-9]+(?:_[0-9]+)*")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")

#: Longer runs of digits are no number that AMQP can carry, and Python is slow to read them.
_MAX_DIGITS = 40


def scalar_value(node: ScalarNode) -> bool | int | float | str | None:
    """Return what a scalar means: quoted ones are strings, plain ones by their spelling."""
    text = node.text
    if node.tag in ("!", CORE_TAG + "str") or not (node.plain or node.tag):
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if len(text) > _MAX_DIGITS or not (text[0].isdigit() or text[0] in "+-."):
        return text
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _NO_NUMBER.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text


def integer_of(node: ScalarNode) -> int | None:
    """Return an integer where one is wanted, with `10_000` read as people mean it."""
    text = node.text
    if not node.plain or len(text) > _MAX_DIGITS:
        return None
    if _GROUPED.fullmatch(text):
        return int(text)
    return _integer(text) if _INTEGER.fullmatch(text) else None


def _integer(text: str) -> int:
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    return int(text, base)


def field_value(node: Node) -> FieldValue:
    """Return a node as a value of an AMQP table; what no table can carry is reported.

    Bounded by the depth and size that `compose` allows.
    """
    if isinstance(node, MapNode):
        return {key.text: field_value(value) for key, value in node.pairs}
    if isinstance(node, ListNode):
        return [field_value(item) for item in node.items]
    assert isinstance(node, ScalarNode)
    value = None if node.faulty else scalar_value(node)
    if isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
        node.fault(
            f"{quoted(node.text)} does not fit into AMQP's 64 bits",
            "Use a smaller number, or put it in quotes to send it as text.",
        )
        return None
    return value


def describe(node: Node) -> str:
    """Return what a node is, as in "got a list"."""
    if isinstance(node, MapNode):
        return "a map"
    if isinstance(node, ListNode):
        return "a list"
    assert isinstance(node, ScalarNode)
    value = scalar_value(node)
    if value is None:
        return "nothing"
    if not node.text:
        return "an empty text"
    return quoted(node.text) if node.plain else f"the text {quoted(node.text)}"
