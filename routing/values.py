"""AMQP field values in a comparable, hashable form, equal where RabbitMQ finds the values equal.

RabbitMQ compares values as Erlang terms: a string is its bytes, `true` is no number, an integer
is no float, an array compares item by item, a nested table also by the order of its fields. Python
would say `1 == True == 1.0`, so each form carries its kind. Widths of integers and floats do not
count, Python does not have them.
"""

from __future__ import annotations

import calendar
import datetime
import decimal
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from leveret.properties import FieldTable, FieldValue

__all__ = ["Form", "decimal_parts", "table_form", "timestamp_seconds", "value_form"]

#: (kind, what tells values of that kind apart).
Form: TypeAlias = "tuple[str, Hashable]"


def value_form(value: FieldValue) -> Form:
    """Return the form of one value; `str` and `bytes` with the same text have the same.

    Raises:
        TypeError: AMQP has no such value.

    """
    for cls in type(value).__mro__:
        if (make := _FORMS.get(cls)) is not None:
            return make(value)
    raise TypeError(f"a field table cannot hold a {type(value).__name__}: {value!r}")


def table_form(table: FieldTable | None) -> tuple[tuple[str, Form], ...]:
    """Return the form of a whole arguments or headers table, whose order does not count (S32).

    No table and an empty one have the same form.
    """
    return tuple(sorted((name, value_form(value)) for name, value in (table or {}).items()))


def decimal_parts(value: decimal.Decimal) -> tuple[int, int]:
    """Return (scale, unscaled integer), as AMQP carries a decimal: 1.50 is (2, 150).

    Raises:
        TypeError: the value is infinite or not a number.

    """
    if not value.is_finite():
        raise TypeError(f"a field table cannot hold the decimal {value}")
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    scale = max(-exponent, 0)
    return scale, int(value.scaleb(scale))


def timestamp_seconds(value: datetime.datetime) -> int:
    """Return whole seconds since the Unix epoch; a naive time is UTC, as pika takes it."""
    return calendar.timegm(value.utctimetuple())


def _array_form(value: list[FieldValue]) -> Form:
    return "array", tuple(map(value_form, value))


def _nested_table_form(value: Mapping[str, FieldValue]) -> Form:
    return "table", tuple((name, value_form(item)) for name, item in value.items())


# The kinds are RabbitMQ's names; `Any`, since each maker knows its own type only.
_FORMS: dict[type, Callable[[Any], Form]] = {
    bool: lambda value: ("bool", value),
    int: lambda value: ("integer", value),
    # A NaN equals not even itself; as text it does, so that what was bound can be unbound.
    float: lambda value: ("float", value if value == value else "nan"),
    decimal.Decimal: lambda value: ("decimal", decimal_parts(value)),
    str: lambda value: ("longstr", value),
    bytes: lambda value: ("longstr", value.decode("utf-8", "surrogateescape")),
    bytearray: lambda value: ("longstr", value.decode("utf-8", "surrogateescape")),
    # RabbitMQ holds a timestamp as the number of its seconds, and compares it as such (seen live).
    datetime.datetime: lambda value: ("integer", timestamp_seconds(value)),
    list: _array_form,
    dict: _nested_table_form,
    type(None): lambda _: ("void", None),
}
