r"""Values written as YAML that means the same to every parser, as a person would write it.

Plain where no parser could take the text for anything else, in double quotes otherwise; `${` is
broken up, so that no text is taken for a variable.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "MAX_KEY",
    "MAX_WIDTH",
    "Raw",
    "block",
    "double_quoted",
    "flow",
    "grouped",
    "is_read_otherwise",
    "scalar",
]

#: A map or list that is longer than this is written one entry to a line.
MAX_WIDTH = 100

#: YAML takes no longer text for a key without a '?' before it (section 7.4.2).
MAX_KEY = 1000

_PLAIN = re.compile(r"(?:[A-Za-z_]|/(?=\Z|[A-Za-z]))(?:[\w./*-]| (?=[\w./*-]))*", re.ASCII)
#: What some parser of YAML 1.1 or 1.2 takes for a truth value or for nothing.
_CONSTANTS_OF_1_1 = {"yes", "no", "on", "off", "y", "n"}
_CONSTANTS = {"null", "true", "false", *_CONSTANTS_OF_1_1}
#: Numbers to the base of 60, and dates.
_NUMBER_OF_1_1 = re.compile(r"[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.[\d_]*)?|\d{4}-\d\d?-\d\d?.*")
#: An item of a block list: no brackets, colons and number signs where they would mean something.
_PLAIN_ITEM = re.compile(r"[A-Za-z_][\x20-\x7e]*[\x21-\x39\x3b-\x7e]")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


class Raw(str):
    """Text that is YAML already: `1h`, `10_000`."""

    __slots__ = ()


def scalar(value: Any, *, item: bool = False) -> str:
    r"""Return a text, number, truth value or nothing; `item` if it is an item of a block list.

    >>> [scalar(value) for value in ("orders.eu", "yes", "4.2", "^a$", "", None, True, 1.5)]
    ['orders.eu', '"yes"', '"4.2"', '"^a$"', '""', 'null', 'true', '1.5']
    >>> print(scalar("a[b, #] -> c", item=True), scalar("a[b] -> c", item=True))
    "a[b, #] -> c" a[b] -> c
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value}".replace("inf", ".inf").replace("nan", ".nan")
    if not isinstance(value, str):
        return repr(value)
    if isinstance(value, Raw):
        return str(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _CONSTANTS:
        return value
    if item and _is_plain_item(value):
        return value
    if _reads_best_in_single_quotes(value):
        return f"'{value}'"
    return double_quoted(value)


def double_quoted(text: str) -> str:
    """Return a text in double quotes, whatever it holds."""
    return '"' + "".join(map(_escaped, text)).replace("${", "\\x24{") + '"'


def is_read_otherwise(text: str) -> bool:
    """Tell whether a parser of YAML 1.1 would take a text of YAML 1.2 for something else.

    >>> list(filter(is_read_otherwise, ("on", "1:30", "2026-11-24", "order", "10_000")))
    ['on', '1:30', '2026-11-24']
    """
    return text.lower() in _CONSTANTS_OF_1_1 or _NUMBER_OF_1_1.fullmatch(text) is not None


def _reads_best_in_single_quotes(text: str) -> bool:
    if not ("\\" in text or '"' in text) or "'" in text or "${" in text:
        return False
    return text.isascii() and text.isprintable()


def _is_plain_item(text: str) -> bool:
    return (
        _PLAIN_ITEM.fullmatch(text) is not None
        and not any(mark in text for mark in (" #", ": ", "${"))
        and text.lower() not in _CONSTANTS
    )


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def grouped(number: int) -> str:
    """Return an integer with its digits in groups, where the language reads them so.

    >>> grouped(9000), grouped(100000)
    ('9000', '100_000')
    """
    return f"{number:_}" if number >= 10_000 else str(number)


def flow(value: Any) -> str:
    """Return a value on one line.

    >>> flow({"name": "q", "arguments": {"x": [1, "a: b"]}})
    '{name: q, arguments: {x: [1, "a: b"]}}'
    """
    if isinstance(value, dict):
        entries = (f"{_flow_key(key)}: {flow(part)}" for key, part in value.items())
        return "{" + ", ".join(entries) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def _flow_key(key: str) -> str:
    return scalar(key) if len(key) <= MAX_KEY // 10 else f"? {scalar(key)} "


def block(value: Any, indent: int) -> Iterator[str]:
    """Yield the lines of a map or list in block style; what fits on a line stays on one."""
    pad = " " * indent
    if isinstance(value, dict) and value:
        for key, part in value.items():
            name = scalar(key)
            lead = f"{pad}{name}:" if len(name) <= MAX_KEY else f"{pad}? {name}\n{pad}:"
            yield from _entry(lead, part, indent + 2)
    elif isinstance(value, list | tuple) and value:
        for part in value:
            first, *rest = _entry(f"{pad}-", part, indent + 2)
            if rest and first == f"{pad}-":  # the map or list begins behind its '-'
                first, *rest = f"{pad}- {rest[0].lstrip(' ')}", *rest[1:]
            yield first
            yield from rest
    else:
        yield f"{pad}{flow(value)}"


def _entry(lead: str, value: Any, indent: int) -> Iterator[str]:
    line = f"{lead} {flow(value)}"
    if len(line) <= MAX_WIDTH or not isinstance(value, dict | list | tuple) or not value:
        yield line
        return
    yield lead
    yield from block(value, indent)
