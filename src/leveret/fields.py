"""Field tables and their values, as AMQP 0-9-1 and RabbitMQ encode them.

RabbitMQ's field types, not those of the specification's grammar (it swapped some letters): `t`
bool, `b B s u I i l` integers of 8 to 64 bits, `f d` floats, `D` decimal, `S` longstr, `A` array,
`T` timestamp, `F` table, `V` void, `x` bytes. An integer keeps the width it came in, so that what
goes out is what came in; but `L`, which py-amqp writes, is read as `l`, and goes out as that.
"""

from __future__ import annotations

import datetime
import decimal
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING

from leveret.errors import FrameSyntaxError
from leveret.properties import (
    Byte,
    Long,
    Short,
    SizedInt,
    UnsignedByte,
    UnsignedInt,
    UnsignedShort,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.properties import FieldTable, FieldValue

__all__ = [
    "FarTimestamp",
    "Single",
    "decode_short_string",
    "decode_table",
    "encode_short_string",
    "encode_table",
    "skip_table",
]

#: How deep tables and arrays may nest: no client has a use for more, and it bounds recursion.
MAX_DEPTH = 32

_I8, _U8 = Struct(">b"), Struct(">B")
_I16, _U16 = Struct(">h"), Struct(">H")
_I32, _U32 = Struct(">i"), Struct(">I")
_I64, _U64 = Struct(">q"), Struct(">Q")
_F32, _F64 = Struct(">f"), Struct(">d")


class Single(float):
    """A float that came in 32 bits and goes out in 32 bits."""

    __slots__ = ()


class FarTimestamp(SizedInt):
    """A timestamp, in seconds since the epoch, beyond the last year that a `datetime` has."""

    field_type = "timestamp"


# letter -> (struct, what makes the value)
_FIXED: dict[int, tuple[Struct, Callable[..., FieldValue]]] = {
    ord("t"): (_U8, bool),
    ord("b"): (_I8, Byte),
    ord("B"): (_U8, UnsignedByte),
    ord("s"): (_I16, Short),
    ord("u"): (_U16, UnsignedShort),
    ord("I"): (_I32, int),
    ord("i"): (_U32, UnsignedInt),
    ord("f"): (_F32, Single),
    ord("d"): (_F64, float),
}

# class -> (letter, struct)
_SIZED: dict[type[SizedInt], tuple[bytes, Struct]] = {
    Byte: (b"b", _I8),
    UnsignedByte: (b"B", _U8),
    Short: (b"s", _I16),
    UnsignedShort: (b"u", _U16),
    UnsignedInt: (b"i", _U32),
    Long: (b"l", _I64),
    FarTimestamp: (b"T", _U64),
}

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_LAST_SECOND = 253_402_300_799

_TABLE = ord("F")
_NESTED = b"FA"

# letter -> the bytes that a value takes behind it; -4 where its size stands there in 4 bytes
_ROOM = {
    **{letter: struct.size for letter, (struct, _) in _FIXED.items()},
    **dict.fromkeys(b"lLT", 8),
    ord("D"): 5,
    ord("V"): 0,
    **dict.fromkeys(b"SxFA", -4),
}


def decode_short_string(data: bytes, at: int) -> tuple[str, int]:
    """Return the short string at an offset, and the offset behind it.

    Bytes that are not UTF-8 become surrogates, and encode to themselves again.

    Raises:
        IndexError: the data ends before the string does.

    """
    end = at + 1 + data[at]
    if end > len(data):
        raise IndexError("short string")
    return data[at + 1 : end].decode("utf-8", "surrogateescape"), end


def encode_short_string(text: str) -> bytes:
    """Return the encoding of a short string, of at most 255 bytes.

    Raises:
        ValueError: it has more.

    """
    data = text.encode("utf-8", "surrogateescape")
    return bytes((len(data),)) + data


def _decode_text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def decode_table(data: bytes, at: int = 0) -> tuple[dict[str, FieldValue], int]:
    """Return the table at an offset (its 4 bytes of length first), and the offset behind it.

    Raises:
        FrameSyntaxError: the bytes are not a table.

    """
    try:
        return _decode_table(data, at, 0)
    except (StructError, IndexError, OverflowError, ValueError):
        raise FrameSyntaxError("a table cannot be decoded") from None


def _decode_table(data: bytes, at: int, depth: int) -> tuple[dict[str, FieldValue], int]:
    (size,) = _U32.unpack_from(data, at)
    at += 4
    end = at + size
    if end > len(data) or depth > MAX_DEPTH:
        raise IndexError("table")
    table: dict[str, FieldValue] = {}
    while at < end:
        name, at = decode_short_string(data, at)
        table[name], at = _decode_value(data, at, depth)
    if at != end:
        raise IndexError("table")
    return table, end


def _decode_value(data: bytes, at: int, depth: int) -> tuple[FieldValue, int]:
    kind = data[at]
    at += 1
    fixed = _FIXED.get(kind)
    if fixed is not None:
        struct, make = fixed
        return make(struct.unpack_from(data, at)[0]), at + struct.size
    match chr(kind):
        case "S" | "x" as letter:
            (size,) = _U32.unpack_from(data, at)
            end = at + 4 + size
            if end > len(data):
                raise IndexError("string")
            text = data[at + 4 : end]
            return (_decode_text(text) if letter == "S" else text), end
        case "l" | "L":
            (value,) = _I64.unpack_from(data, at)
            narrow = -(2**31) <= value < 2**31
            return (Long(value) if narrow else value), at + 8
        case "F":
            return _decode_table(data, at, depth + 1)
        case "A":
            return _decode_array(data, at, depth + 1)
        case "T":
            (seconds,) = _U64.unpack_from(data, at)
            return _time(seconds), at + 8
        case "D":
            scale = data[at]
            (unscaled,) = _I32.unpack_from(data, at + 1)
            return decimal.Decimal(unscaled).scaleb(-scale), at + 5
        case "V":
            return None, at
        case _:
            raise ValueError("unknown field type")


def _decode_array(data: bytes, at: int, depth: int) -> tuple[list[FieldValue], int]:
    (size,) = _U32.unpack_from(data, at)
    at += 4
    end = at + size
    if end > len(data) or depth > MAX_DEPTH:
        raise IndexError("array")
    values: list[FieldValue] = []
    while at < end:
        value, at = _decode_value(data, at, depth)
        values.append(value)
    if at != end:
        raise IndexError("array")
    return values, end


def flat_room(kind: int) -> int | None:
    """Return the bytes that a field of a type takes, -1 where they stand before it in 4 bytes.

    None is for types that hold others, and for those that there are not.
    """
    return None if kind in _NESTED else _ROOM.get(kind)


def skip_table(data: bytes, at: int) -> int:
    """Return the offset behind the table at an offset, having checked that it can be decoded.

    Raises:
        IndexError: the data ends before the table does.
        FrameSyntaxError: the bytes are not a table.

    """
    return _skip(data, at, 0, named=True)


def _skip(data: bytes, at: int, depth: int, *, named: bool) -> int:
    end = at + 4 + int.from_bytes(data[at : at + 4], "big")
    at += 4
    if end > len(data) or depth > MAX_DEPTH:
        raise FrameSyntaxError("a table or array that does not end, or is too deep")
    while at < end:
        if named:
            at += 1 + data[at]
        kind = data[at]
        room = _ROOM.get(kind)
        if room is None:
            raise FrameSyntaxError("unknown field type")
        if room >= 0:
            at += 1 + room
        elif kind in _NESTED:
            at = _skip(data, at + 1, depth + 1, named=kind == _TABLE)
        else:
            at += 5 + int.from_bytes(data[at + 1 : at + 5], "big")
    if at != end:
        raise FrameSyntaxError("a table or array whose size lies")
    return end


def encode_table(table: FieldTable | None) -> bytes:
    """Return the encoding of a table, its 4 bytes of length first.

    Raises:
        ValueError: a name is too long, or a number fits no field type.
        TypeError: a value is of a type that no field type holds.

    """
    if not table:
        return b"\0\0\0\0"
    data = b"".join(encode_short_string(k) + _encode_value(v) for k, v in table.items())
    return _U32.pack(len(data)) + data


def _encode_value(value: FieldValue) -> bytes:
    match value:
        case None:
            return b"V"
        case bool():
            return b"t\1" if value else b"t\0"
        case SizedInt():
            letter, struct = _SIZED[type(value)]
            return letter + struct.pack(value)
        case int():
            if -(2**31) <= value < 2**31:
                return b"I" + _I32.pack(value)
            if -(2**63) <= value < 2**63:
                return b"l" + _I64.pack(value)
            raise ValueError(f"{value} does not fit 64 bits")
        case str():
            data = value.encode("utf-8", "surrogateescape")
            return b"S" + _U32.pack(len(data)) + data
        case bytes() | bytearray():
            return b"x" + _U32.pack(len(value)) + bytes(value)
        case Single():
            return b"f" + _F32.pack(value)
        case float():
            return b"d" + _F64.pack(value)
        case datetime.datetime():
            return b"T" + _U64.pack(_seconds(value))
        case decimal.Decimal():
            return _encode_decimal(value)
        case list() | tuple():
            data = b"".join(map(_encode_value, value))
            return b"A" + _U32.pack(len(data)) + data
        case dict():
            return b"F" + encode_table(value)
        case _:
            raise TypeError(f"{type(value).__name__} is not a field value")


def _time(seconds: int) -> FieldValue:
    if seconds > _LAST_SECOND:
        return FarTimestamp(seconds)
    return _EPOCH + datetime.timedelta(seconds=seconds)


def _seconds(time: datetime.datetime) -> int:
    if time.tzinfo is None:
        time = time.replace(tzinfo=datetime.UTC)
    return int(time.timestamp())


def _encode_decimal(value: decimal.Decimal) -> bytes:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise ValueError(f"{value} is not a number")
    scale = max(-exponent, 0)
    return b"D" + _U8.pack(scale) + _I32.pack(int(value.scaleb(scale)))
