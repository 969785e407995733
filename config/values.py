"""Single values of a topology file: what each kind wants, and the help for what it is given."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from typing import Any, get_args

from leveret.config.entries import (
    Age,
    AgeLimit,
    Code,
    Count,
    CountLimit,
    Duration,
    ExchangeName,
    Flag,
    Key,
    Name,
    Number,
    PartitionKey,
    Ratio,
    Regex,
    Schema,
    Size,
    Table,
    Text,
)
from leveret.config.findings import RULES
from leveret.config.limits import Limit, parse_limit
from leveret.config.names import MAX_NAME_BYTES, nearest
from leveret.config.nodes import MapNode, Node, ScalarNode
from leveret.config.partition_key import HashedPart, parse_hashed_part
from leveret.config.quantities import (
    QuantityError,
    format_age,
    parse_count,
    parse_duration,
    parse_size,
)
from leveret.config.resolve import (
    MAX_INTEGER,
    MIN_INTEGER,
    describe,
    field_value,
    integer_of,
    scalar_value,
)
from leveret.config.source import quoted
from leveret.exchanges.consistent_hash import HASH_PROPERTIES

__all__ = ["LEAVES", "MAX_PATTERN", "Hook", "Unfit", "check_name", "choice_hook", "read_name"]

#: Node, annotation -> the value; raises `Unfit`.
Hook = Callable[[Node, Any], Any]

#: Compiling costs by the length; a pattern that lists names may still hold a few dozen.
MAX_PATTERN = 4000

#: Patterns that are sure to be right: of letters, `.`, `.*` and anchors. Others are compiled.
_PLAIN_PATTERN = re.compile(r"\^?(?:[A-Za-z0-9_-]|\\?\.\*?)*\$?")

_COMMENT = re.compile(r"\s*(#\S*)")


class Unfit(ValueError):
    """A value that its key cannot take; who reads the key adds its name and place."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


def check_name(text: str) -> str:
    """Return a name or key as it is.

    Raises:
        Unfit: it is longer than AMQP can carry.

    """
    if len(text) > MAX_NAME_BYTES // 4 and (size := len(text.encode())) > MAX_NAME_BYTES:
        raise Unfit(
            f"is {size} bytes long, and AMQP carries at most {MAX_NAME_BYTES}", "Shorten it."
        )
    return text


def read_name(node: Node, _: object = None) -> str:
    """Return the name of something; it must be there."""
    text = check_name(_text(node, "a name"))
    if not text:
        raise Unfit("is empty", "Write a name.")
    if "\n" in text or "\r" in text:
        raise Unfit("holds a line break", "Write the name on one line.")
    return text


def _text(node: Node, wanted: str) -> str:
    if not isinstance(node, ScalarNode) or (scalar_value(node) is None and not node.text):
        raise _unfit(node, wanted)
    if scalar_value(node) is None:
        raise Unfit(f"wants {wanted}, got nothing", f'For the text, write "{node.text}" in quotes.')
    return node.text


def _unfit(node: Node, wanted: str) -> Unfit:
    if isinstance(node, ScalarNode) and not node.text and node.plain:
        line = node.source.line(node.line)
        if comment := _COMMENT.match(line, node.column):
            return Unfit(
                f"wants {wanted}, got nothing: YAML takes '#' for the start of a comment",
                f'For the text, put it in double quotes: "{comment.group(1)}".',
            )
    return Unfit(f"wants {wanted}, got {describe(node)}", f"Write {wanted}, or leave it out.")


def _read_exchange_name(node: Node, _: object) -> str:
    return check_name(_text(node, "the name of an exchange"))


def _read_key(node: Node, _: object) -> str:
    return check_name(_text(node, "a routing key"))


def _read_text(node: Node, _: object) -> str:
    return _text(node, "a text")


def _read_flag(node: Node, _: object) -> bool:
    value = scalar_value(node) if isinstance(node, ScalarNode) else None
    if isinstance(value, bool):
        return value
    unfit = _unfit(node, "true or false")
    if value in ("true", "false"):
        unfit.remedy = "Write it without quotes."
    if isinstance(value, str) and value.lower() in {"yes", "no", "on", "off"}:
        unfit.remedy = "YAML 1.2 knows only true and false; write one of them."
    raise unfit


def _integer(node: Node, wanted: str, smallest: int | None = None) -> int:
    value = integer_of(node) if isinstance(node, ScalarNode) else None
    if value is None or (smallest is not None and value < smallest):
        unfit = _unfit(node, wanted)
        if isinstance(node, ScalarNode) and not node.plain and node.text.isdigit():
            unfit.remedy = "Write it without quotes."
        raise unfit
    if not MIN_INTEGER <= value <= MAX_INTEGER:
        raise Unfit("does not fit into AMQP's 64 bits", "Use a smaller number.")
    return value


def _read_number(node: Node, _: object) -> int:
    return _integer(node, "an integer")


def _read_count(node: Node, _: object) -> int:
    return _integer(node, "an integer of 0 or more", 0)


def _quantity(node: Node, parse: Callable[[str], int], wanted: str) -> int:
    if not isinstance(node, ScalarNode) or not isinstance(scalar_value(node), int | float | str):
        raise _unfit(node, wanted)
    try:
        value = parse(node.text)
    except QuantityError as error:
        raise Unfit(f"wants {wanted}; {quoted(node.text)} {error}", error.remedy) from None
    if value > MAX_INTEGER:
        raise Unfit("is more than AMQP's 64 bits hold", "Use a smaller value.")
    return value


def _read_duration(node: Node, _: object) -> int:
    return _quantity(node, parse_duration, "a duration such as 30s")


def _read_size(node: Node, _: object) -> int:
    return _quantity(node, parse_size, "a size such as 10MiB")


def _read_ratio(node: Node, _: object) -> float:
    value = scalar_value(node) if isinstance(node, ScalarNode) and node.plain else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise _unfit(node, "a number such as 1.5")
    return float(value)


def _read_age(node: Node, _: object) -> str:
    wanted = "a duration such as 7d"
    age = format_age(_quantity(node, parse_duration, wanted))
    if age is None or (isinstance(node, ScalarNode) and node.text.strip().isdigit()):
        raise Unfit(f"wants {wanted}, in whole seconds; got {describe(node)}", "Write 30s or 7d.")
    return age


def _limit(node: Node, parse: Callable[[str], int], example: str) -> Limit:
    wanted = f"a limit such as {example}"
    if not isinstance(node, ScalarNode) or not isinstance(scalar_value(node), int | float | str):
        raise _unfit(node, wanted)
    try:
        limit = parse_limit(node.text, parse)
    except QuantityError as error:
        raise Unfit(f"wants {wanted}; {quoted(node.text)} {error}", error.remedy) from None
    if limit is None:
        raise Unfit(
            f"wants {wanted}, got {describe(node)}",
            f'Begin with >, >=, <, <= or ==, in quotes: "{example}".',
        )
    if limit.value > MAX_INTEGER:
        raise Unfit("is more than 64 bits hold", "Use a smaller value.")
    return limit


def _read_count_limit(node: Node, _: object) -> Limit:
    return _limit(node, parse_count, "> 1000")


def _read_age_limit(node: Node, _: object) -> Limit:
    return _limit(node, parse_duration, "> 10m")


def _read_partition_key(node: Node, _: object) -> HashedPart:
    part = parse_hashed_part(_text(node, "the part of a message that decides"))
    if part is None:
        properties = f"{', '.join(HASH_PROPERTIES[:-1])} or {HASH_PROPERTIES[-1]}"
        raise Unfit(
            f"wants the part of a message that decides, got {describe(node)}",
            f"Write 'routing_key', 'header NAME' or 'property NAME', which is {properties}.",
        )
    return part


def _read_regex(node: Node, _: object) -> str:
    pattern = _text(node, "a regular expression")
    if len(pattern) > MAX_PATTERN:
        raise Unfit(
            f"is {len(pattern)} characters long; {MAX_PATTERN} are allowed",
            "Split it into several policies or permissions.",
        )
    if _PLAIN_PATTERN.fullmatch(pattern):
        return pattern
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about spellings that a later Python will refuse
            re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise Unfit(
            f"is no regular expression: {error}", "Escape what is meant literally with '\\'."
        ) from None
    return pattern


def _read_table(node: Node, _: object) -> Any:
    if isinstance(node, ScalarNode) and node.plain and not node.text:
        return {}
    if not isinstance(node, MapNode):
        raise _unfit(node, "a map of names and values")
    for key, _value in node.pairs:
        try:
            check_name(key.text)
        except Unfit as unfit:
            key.fault(f"the name {quoted(key.text)} {unfit.message}", unfit.remedy)
    return field_value(node)


def _read_schema(node: Node, _: object) -> object:
    if isinstance(node, MapNode):
        return field_value(node)
    return _text(node, "the path of a JSON Schema, or a map that is one")


def _read_code(node: Node, _: object) -> str:
    code = _text(node, "the code of a warning")
    rule = RULES.get(code)
    if rule is not None and rule.severity != "error":
        return code
    close = next((one.code for one in RULES.values() if one.name == code.lower()), code.upper())
    if RULES.get(close, rule) is None:
        raise Unfit(f"is {quoted(code)}, which is no code", "Write a code such as L07.")
    if RULES[close].severity == "error":
        raise Unfit(f"is {close}, and an error cannot be silenced", "Mend what it is about.")
    raise Unfit(f"is {quoted(code)}, which is no code", f"Did you mean '{close}'?")


def choice_hook(annotation: Any) -> Hook:
    """Return the hook for a `Literal` of texts."""
    choices: tuple[str, ...] = get_args(annotation)
    wanted = f"{', '.join(choices[:-1])} or {choices[-1]}"

    def read(node: Node, _: object) -> str:
        if isinstance(node, ScalarNode) and node.text in choices:
            return node.text
        unfit = _unfit(node, wanted)
        if isinstance(node, ScalarNode) and (close := nearest(node.text, choices)):
            unfit.remedy = f"Did you mean '{close}'?"
        raise unfit

    return read


#: Annotation -> hook.
LEAVES: dict[Any, Hook] = {
    Name: read_name,
    ExchangeName: _read_exchange_name,
    Key: _read_key,
    Text: _read_text,
    Regex: _read_regex,
    Duration: _read_duration,
    Size: _read_size,
    Count: _read_count,
    Number: _read_number,
    Ratio: _read_ratio,
    Age: _read_age,
    PartitionKey: _read_partition_key,
    CountLimit: _read_count_limit,
    AgeLimit: _read_age_limit,
    Flag: _read_flag,
    Schema: _read_schema,
    Table: _read_table,
    Code: _read_code,
}
