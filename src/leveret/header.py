"""Content headers as bytes: what is in them, and back.

A header is decoded only when somebody needs a property: from publish to deliver it is a slice of
what was received. Its flags word says whether a property is there that needs a look.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Any

from leveret.errors import FrameSyntaxError, InternalError
from leveret.fields import (
    decode_short_string,
    decode_table,
    encode_short_string,
    encode_table,
    flat_room,
    skip_table,
)
from leveret.properties import NO_PROPERTIES, Properties

if TYPE_CHECKING:
    from leveret.properties import FieldValue

__all__ = [
    "FIXED_SIZES",
    "FLAG_HEADERS",
    "FLAG_PRIORITY",
    "HEADER_BYTES",
    "LARGEST_KEPT",
    "decode_properties",
    "encode_header",
    "has_headers",
    "is_persistent",
    "is_plain",
    "plain_expiration",
    "property_mask",
    "with_headers",
    "with_long",
]

#: class id, weight, body size, flags (AMQP 0-9-1 section 4.2.6.1)
HEADER = Struct(">HHQH")

#: What stands in a header before its flags, in bytes.
HEADER_BYTES = 12

_U64 = Struct(">Q")
_I64 = Struct(">q")

#: The properties in the order of their flags, highest bit first: name and type.
_PROPERTIES = (
    ("content_type", "shortstr"),
    ("content_encoding", "shortstr"),
    ("headers", "table"),
    ("delivery_mode", "octet"),
    ("priority", "octet"),
    ("correlation_id", "shortstr"),
    ("reply_to", "shortstr"),
    ("expiration", "shortstr"),
    ("message_id", "shortstr"),
    ("timestamp", "timestamp"),
    ("type", "shortstr"),
    ("user_id", "shortstr"),
    ("app_id", "shortstr"),
    ("cluster_id", "shortstr"),
)

_FLAGS = {name: 1 << (15 - i) for i, (name, _) in enumerate(_PROPERTIES)}

FLAG_HEADERS = _FLAGS["headers"]
FLAG_DELIVERY_MODE = _FLAGS["delivery_mode"]
FLAG_PRIORITY = _FLAGS["priority"]
#: Properties that basic.publish checks.
FLAGS_CHECKED: int = _FLAGS["expiration"] | _FLAGS["reply_to"] | _FLAGS["user_id"]

# What `with_headers` has to go around: what stands before headers, and the expiration.
_AROUND_HEADERS: int = _FLAGS["content_type"] | _FLAGS["content_encoding"] | _FLAGS["expiration"]

#: Flags of what takes the same room in every header -> the size of that header's payload.
#: Messages with no more than these are plain.
FIXED_SIZES: dict[int, int] = {
    0: 14,
    FLAG_DELIVERY_MODE: 15,
    FLAG_PRIORITY: 15,
    FLAG_DELIVERY_MODE | FLAG_PRIORITY: 16,
}

# type -> the bytes it takes, or 0 for a short string, -1 for a table
_ROOM = {"shortstr": 0, "table": -1, "octet": 1, "timestamp": 8}

# In place of a room: the expiration, a property that needs a look.
_EXPIRATION, _NEEDS_LOOK = -2, -3

#: How many headers are remembered as checked, and the largest of them in bytes: publishers repeat
#: theirs, and what they do not repeat must not fill the memory.
HEADERS_KEPT = 4096
LARGEST_KEPT = 256

#: How many fields' names are remembered; publishers choose them.
FIELDS_KEPT = 4096

# name and type of a field in a headers table, as received -> its room, as of `flat_room`
_fields: dict[bytes, int] = {}
# flags and properties as received -> whether publishing needs no look at them
_checked: dict[bytes, bool] = {}
# flags -> what each property takes, as in `_ROOM`
_rooms: dict[bytes, tuple[int, ...]] = {}
# the same, with `_EXPIRATION` and `_NEEDS_LOOK`
_plain_rooms: dict[bytes, tuple[int, ...]] = {}


def plain_expiration(data: bytes, at: int, end: int) -> bytes | None:
    """Return the expiration, or nothing, of properties in a buffer that need no other look.

    None may be a mere don't know: `is_plain` decides.

    Measured: where values differ in each message (ids, traces), to walk over them in place takes
    a fifth of the general check; nothing is remembered of them, only the names of their fields.
    """
    rooms = _plain_rooms.get(data[at : at + 2])
    if rooms is None:
        rooms = _learn_rooms(data[at : at + 2])
    at += 2
    fields, expiration = _fields, b""
    try:
        for room in rooms:
            if room > 0:
                at += room
            elif room == 0:
                at += 1 + data[at]
            elif room == _EXPIRATION:
                expiration = data[at + 1 : at + 1 + data[at]]
                if not expiration:  # which is none that RabbitMQ takes
                    return None
                at += 1 + data[at]
            elif room == _NEEDS_LOOK:
                return None
            else:
                table_end = at + 4 + int.from_bytes(data[at : at + 4], "big")
                at += 4
                while at < table_end:
                    value_at = at + 2 + data[at]
                    size = fields.get(data[at:value_at])
                    if size is None:
                        size = _learn_field(data[at:value_at])
                    if size < 0:
                        size = 4 + int.from_bytes(data[value_at : value_at + 4], "big")
                    at = value_at + size
                if at != table_end:
                    return None
    except LookupError:  # the data ends, or `_learn_field`
        return None
    return expiration if at == end else None


def property_mask(properties: bytes) -> tuple[int, int]:
    """Return the bits of properties that are not values, as a mask, and what they are.

    Properties of the same size that have the same bits there have the same structure: sizes, and
    the names and types of headers. These must have neither expiration nor nested headers.
    """
    mask = bytearray(len(properties))
    mask[:2] = b"\xff\xff"
    at = 2
    for room in _plain_rooms[properties[:2]]:
        if room > 0:
            at += room
        elif room == 0:
            mask[at] = 0xFF
            at += 1 + properties[at]
        else:
            table_end = at + 4 + int.from_bytes(properties[at : at + 4], "big")
            value_at = at + 4
            while at < table_end:
                size = 0
                if value_at < table_end:
                    name_at = value_at
                    value_at += 2 + properties[value_at]
                    size = _fields[properties[name_at:value_at]]
                    if size < 0:
                        size = int.from_bytes(properties[value_at : value_at + 4], "big")
                        value_at += 4
                mask[at:value_at] = b"\xff" * (value_at - at)
                at = value_at = value_at + size
    number = int.from_bytes(mask, "big")
    return number, int.from_bytes(properties, "big") & number


def has_headers(header: bytes) -> bool:
    """Say whether a content header's payload has a headers table."""
    return header[12] & (FLAG_HEADERS >> 8) != 0


def with_headers(header: bytes, table: bytes) -> bytes:
    """Return a content header's payload, which had no headers, with these, and no expiration."""
    flags = int.from_bytes(header[12:14], "big")
    at = HEADER.size
    if not flags & _AROUND_HEADERS:
        flags |= FLAG_HEADERS
        return b"".join((header[:12], flags.to_bytes(2, "big"), table, header[at:]))
    parts = [b"", table]
    start = at
    for name, kind in _PROPERTIES:
        if name == "headers":
            parts[0] = header[HEADER.size : at]
            start = at
        if flags & _FLAGS[name]:
            room = _ROOM[kind] or 1 + header[at]
            if name == "expiration":
                parts.append(header[start:at])
                start = at + room
            at += room
    parts.append(header[start:])
    flags = (flags | FLAG_HEADERS) & ~_FLAGS["expiration"]
    return header[:12] + flags.to_bytes(2, "big") + b"".join(parts)


def with_long(header: bytes, name: bytes, value: int) -> bytes | None:
    """Return a content header's payload with one more field among its headers, of 64 bits.

    `name` is a short string's encoding. None where the name stands in there already.
    """
    if name in header:
        return None
    flags = int.from_bytes(header[12:14], "big")
    at = HEADER.size
    for flag in (_FLAGS["content_type"], _FLAGS["content_encoding"]):
        if flags & flag:
            at += 1 + header[at]
    entry = name + b"l" + _I64.pack(value)
    if flags & FLAG_HEADERS:
        size = int.from_bytes(header[at : at + 4], "big")
        behind = at + 4 + size
        table = (size + len(entry)).to_bytes(4, "big") + header[at + 4 : behind]
        return header[:at] + table + entry + header[behind:]
    start = header[:12] + (flags | FLAG_HEADERS).to_bytes(2, "big") + header[14:at]
    return start + len(entry).to_bytes(4, "big") + entry + header[at:]


def _learn_rooms(flags: bytes) -> tuple[int, ...]:
    """Return the rooms of the properties that flags say are there, and remember them."""
    number = int.from_bytes(flags, "big")
    rooms = [
        _EXPIRATION if name == "expiration" else _ROOM[kind]
        for name, kind in _PROPERTIES
        if number & _FLAGS[name]
    ]
    if number & (_FLAGS["reply_to"] | _FLAGS["user_id"] | 3):
        rooms = [_NEEDS_LOOK]
    known = _plain_rooms[flags] = tuple(rooms)
    return known


def _learn_field(field: bytes) -> int:
    """Return the room of a field that needs no look, and remember it.

    Raises:
        LookupError: it needs one.

    """
    room = flat_room(field[-1])
    if room is None or field[1:-1] in (b"CC", b"BCC"):
        raise LookupError
    if len(_fields) >= FIELDS_KEPT:
        _fields.clear()
    _fields[field] = room
    return room


def is_plain(properties: bytes) -> bool:
    """Say whether publishing needs no look at properties, given as flags and what follows them.

    A headers table is plain where it has neither CC nor BCC; those are looked for by their bytes,
    since decoding a table costs more than all the rest of a publish.

    Raises:
        InternalError: they cannot be decoded, which nobody must find out later, when the message
            waits in queues of others; RabbitMQ has no words for it either.

    """
    known = _checked.get(properties)
    if known is None:
        known = _check(properties)
        if len(properties) <= LARGEST_KEPT:
            if len(_checked) >= HEADERS_KEPT:
                _checked.clear()
            _checked[properties] = known
    return known


def _check(properties: bytes) -> bool:
    flags = int.from_bytes(properties[:2], "big")
    rooms = _rooms.get(properties[:2])
    if rooms is None:
        rooms = tuple(_ROOM[kind] for name, kind in _PROPERTIES if flags & _FLAGS[name])
        _rooms[properties[:2]] = rooms
    at = 2
    try:
        for room in rooms:
            if room > 0:
                at += room
            elif room == 0:
                at += 1 + properties[at]
            else:
                at = skip_table(properties, at)
    except (IndexError, FrameSyntaxError):
        at = -1
    if at != len(properties) or flags & 1:
        raise InternalError("")
    return not flags & FLAGS_CHECKED and not (flags & FLAG_HEADERS and b"CC" in properties)


def decode_properties(header: bytes) -> Properties:
    """Return the properties of a content header's payload.

    Raises:
        FrameSyntaxError: they cannot be decoded.

    """
    flags = int.from_bytes(header[12:14], "big")
    if not flags:
        return NO_PROPERTIES
    if flags & 1:
        raise FrameSyntaxError("a content header with more than 14 properties")
    at = HEADER.size
    values: dict[str, Any] = {}
    try:
        for name, kind in _PROPERTIES:
            if flags & _FLAGS[name]:
                values[name], at = _decode(kind, header, at)
    except (IndexError, StructError):
        raise FrameSyntaxError("a content header cannot be decoded") from None
    if at != len(header):
        raise FrameSyntaxError("a content header with bytes left over")
    return Properties(**values)


def _decode(kind: str, data: bytes, at: int) -> tuple[FieldValue, int]:
    match kind:
        case "shortstr":
            return decode_short_string(data, at)
        case "octet":
            return data[at], at + 1
        case "table":
            return decode_table(data, at)
        case _:
            return _U64.unpack_from(data, at)[0], at + 8


def encode_header(properties: Properties, body_size: int) -> bytes:
    """Return the payload of a content header.

    Raises:
        ValueError: a value does not fit its field.

    """
    flags = 0
    parts = []
    for name, kind in _PROPERTIES:
        value = getattr(properties, name)
        if value is None:
            continue
        flags |= _FLAGS[name]
        match kind:
            case "shortstr":
                parts.append(encode_short_string(value))
            case "octet":
                parts.append(bytes((value,)))
            case "table":
                parts.append(encode_table(value))
            case _:
                parts.append(_U64.pack(value))
    return HEADER.pack(60, 0, body_size, flags) + b"".join(parts)


def is_persistent(header: bytes) -> bool:
    """Say whether a content header's payload has delivery mode 2; nothing else is decoded."""
    flags = int.from_bytes(header[12:14], "big")
    if not flags & FLAG_DELIVERY_MODE:
        return False
    at = HEADER.size
    for flag in (_FLAGS["content_type"], _FLAGS["content_encoding"]):
        if flags & flag:
            at += 1 + header[at]
    if flags & FLAG_HEADERS:
        at += 4 + int.from_bytes(header[at : at + 4], "big")
    return header[at] == 2
