"""A file of messages to publish, one JSON object a line; a bad line is a fault, the rest is read.

A line looks like this; only `exchange` must be there:

```json
{"exchange": "orders", "routing_key": "order.paid.eu", "headers": {"total": 5},
 "properties": {"priority": 5}, "body": {"id": 7}}
```

A `body` that is a string is sent as it stands, in UTF-8; any other JSON value is sent as its
JSON text.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from attrs import frozen

from leveret.cli.fields import (
    FieldFault,
    header_faults,
    make_properties,
    nearest,
    property_fault,
    short_string_fault,
    surrogate_fault,
)
from leveret.cli.jsonline import JSONLineError, key_offset, parse_object, value_offset
from leveret.errors import Fault, Position

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from leveret.properties import FieldValue, Properties

__all__ = ["MESSAGE_FIELDS", "BadLine", "WrittenMessage", "read_messages"]

MESSAGE_FIELDS = ("exchange", "routing_key", "headers", "properties", "body")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@frozen
class WrittenMessage:
    """One message of the file, ready to be published; `text` is the line it stood on."""

    file: str
    line: int
    text: str
    exchange: str
    routing_key: str
    properties: Properties
    body: bytes

    def fault(self, message: str, remedy: str, path: tuple[str, ...] = ()) -> Fault:
        """Return a fault of this message, placed at the field with this path."""
        offset = value_offset(self.text, path)
        return Fault(Position(self.file, self.line, offset + 1), message, remedy, self.text)


@frozen
class BadLine:
    """A line that holds no message, with every fault found on it."""

    faults: tuple[Fault, ...]


def read_messages(
    lines: Iterable[bytes], file: str
) -> Iterator[tuple[int, WrittenMessage | BadLine | None]]:
    """Yield for each line its size in bytes and the message on it; None for a blank line.

    `file` is what positions call the file. Nothing is raised for what a line holds.
    """
    for number, line in enumerate(lines, start=1):
        yield len(line), _read_line(line, file, number)


def _read_line(line: bytes, file: str, number: int) -> WrittenMessage | BadLine | None:
    if number == 1:
        line = line.removeprefix(_BYTE_ORDER_MARK)
    try:
        text = line.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        column = len(line[: error.start].decode()) + 1
        fault = Fault(
            Position(file, number, column),
            f"byte 0x{line[error.start]:02x} is not UTF-8",
            "Save the file as UTF-8; bytes that are no text cannot stand here.",
        )
        return BadLine((fault,))
    if not text.strip():
        return None
    try:
        document = parse_object(text)
    except JSONLineError as error:
        position = Position(file, number, error.offset + 1)
        return BadLine((Fault(position, error.message, error.remedy, text),))
    faults = list(_faults(document))
    body = b""
    try:
        body = _body(document.get("body", ""))
    except UnicodeEncodeError:
        faults.append(surrogate_fault(("body",)))
    if faults:
        return BadLine(tuple(_placed(fault, text, file, number) for fault in faults))
    return _message(document, body, text, file, number)


def _faults(document: dict[str, object]) -> Iterator[FieldFault]:
    for name in document:
        if name not in MESSAGE_FIELDS:
            yield FieldFault(
                (name,), f"unknown field '{name}'", nearest(name, MESSAGE_FIELDS), at_name=True
            )
    if "exchange" not in document:
        yield FieldFault(
            (),
            "'exchange' is missing",
            'Name one; "" is the default exchange, whose routing keys are names of queues.',
        )
    for name in ("exchange", "routing_key"):
        if name in document and (fault := short_string_fault((name,), document[name])):
            yield fault
    yield from _table_faults(document, "headers")
    yield from _table_faults(document, "properties")


def _table_faults(document: dict[str, object], table: str) -> Iterator[FieldFault]:
    members = document.get(table, {})
    if not isinstance(members, dict):
        yield FieldFault((table,), f"'{table}' must be an object", 'Write {"name": value}.')
    elif table == "headers":
        yield from header_faults((table,), members)
    else:
        for name, value in members.items():
            if (fault := property_fault((table, name), value)) is not None:
                yield fault


def _placed(fault: FieldFault, text: str, file: str, number: int) -> Fault:
    offset = (key_offset if fault.at_name else value_offset)(text, fault.path)
    return Fault(Position(file, number, offset + 1), fault.message, fault.remedy, text)


def _message(
    document: dict[str, object], body: bytes, text: str, file: str, number: int
) -> WrittenMessage:
    # The casts are safe: _faults found nothing to say about these fields.
    named = cast("dict[str, str]", document)
    headers = cast("dict[str, FieldValue] | None", document.get("headers"))
    properties = cast("dict[str, object]", document.get("properties", {}))
    return WrittenMessage(
        file=file,
        line=number,
        text=text,
        exchange=named["exchange"],
        routing_key=named.get("routing_key", ""),
        properties=make_properties(headers, properties),
        body=body,
    )


def _body(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode()
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
