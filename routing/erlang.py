"""Field values as RabbitMQ prints them in its error texts: as Erlang terms."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from leveret.properties import SizedInt
from leveret.routing.values import decimal_parts, timestamp_seconds

if TYPE_CHECKING:
    from leveret.properties import FieldValue

__all__ = ["erlang_term", "erlang_type"]

_ESCAPES: Final = str.maketrans(
    {
        "\b": r"\b",
        "\t": r"\t",
        "\n": r"\n",
        "\v": r"\v",
        "\f": r"\f",
        "\r": r"\r",
        "\x1b": r"\e",
        '"': r"\"",
        "\\": r"\\",
    }
)


def erlang_type(value: FieldValue) -> str:
    """Return RabbitMQ's name for the type of a value, as clients for Python encode it.

    >>> erlang_type(5), erlang_type(1 << 40), erlang_type("x")
    ('signedint', 'long', 'longstr')
    """
    match value:
        case None:
            return "void"
        case bool():
            return "bool"
        case SizedInt():
            return value.field_type
        case int():
            return "signedint" if -(1 << 31) <= value < 1 << 31 else "long"
        case float():
            return "double"
        case decimal.Decimal():
            return "decimal"
        case str():
            return "longstr"
        case bytes() | bytearray():
            return "binary"
        case datetime.datetime():
            return "timestamp"
        case list():
            return "array"
        case _:
            return "table"


def erlang_term(value: FieldValue) -> str:
    """Return the value as Erlang's `~tp` prints it.

    >>> erlang_term("bad"), erlang_term([1, True])
    ('<<"bad">>', '[{signedint,1},{bool,true}]')
    """
    match value:
        case None:
            return "undefined"
        case bool():
            return "true" if value else "false"
        case decimal.Decimal():
            scale, unscaled = decimal_parts(value)
            return f"{{{scale},{unscaled}}}"
        case str():
            return _binary(value.encode("utf-8", "surrogateescape"))
        case bytes() | bytearray():
            return _binary(bytes(value))
        case datetime.datetime():
            return str(timestamp_seconds(value))
        case list():
            return "[" + ",".join(f"{{{erlang_type(v)},{erlang_term(v)}}}" for v in value) + "]"
        case Mapping():
            fields = (
                f"{{{erlang_term(k)},{erlang_type(v)},{erlang_term(v)}}}" for k, v in value.items()
            )
            return "[" + ",".join(fields) + "]"
        case SizedInt():
            return str(int(value))
        case _:
            return repr(value)


def _binary(data: bytes) -> str:
    """Print text as text where all of it is printable Latin-1, anything else as numbers."""
    text = data.decode("utf-8", "replace")
    printable = text.translate(_ESCAPES)
    if not data:
        return "<<>>"
    if all(" " <= c <= "~" or "\xa0" <= c <= "\xff" for c in printable):
        return f'<<"{printable}">>' if text.isascii() else f'<<"{printable}"/utf8>>'
    return f"<<{','.join(map(str, data))}>>"
