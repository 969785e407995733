"""The 14 properties of AMQP's `basic` class, all optional (AMQP 0-9-1 section 1.8)."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Mapping
from typing import TypeAlias

from attrs import define

__all__ = [
    "NO_PROPERTIES",
    "Byte",
    "FieldTable",
    "FieldValue",
    "Long",
    "Properties",
    "Short",
    "SizedInt",
    "UnsignedByte",
    "UnsignedInt",
    "UnsignedShort",
]

#: A value in a headers or arguments table, as AMQP clients for Python represent it.
FieldValue: TypeAlias = (
    bool
    | int
    | float
    | decimal.Decimal
    | str
    | bytes
    | bytearray
    | datetime.datetime
    | list["FieldValue"]
    | dict[str, "FieldValue"]
    | None
)
FieldTable: TypeAlias = Mapping[str, FieldValue]


class SizedInt(int):
    """An integer in a table that travels in another width than its value would get.

    A plain int travels as `signedint` (32 bits), or as `long` (64 bits) where that is too small;
    what a client sent in another width keeps it. `field_type` is RabbitMQ's name for the width.
    """

    field_type = ""


class Byte(SizedInt):
    """8 bits, signed."""

    field_type = "byte"


class UnsignedByte(SizedInt):
    """8 bits, unsigned."""

    field_type = "unsignedbyte"


class Short(SizedInt):
    """16 bits, signed."""

    field_type = "short"


class UnsignedShort(SizedInt):
    """16 bits, unsigned."""

    field_type = "unsignedshort"


class UnsignedInt(SizedInt):
    """32 bits, unsigned."""

    field_type = "unsignedint"


class Long(SizedInt):
    """64 bits, signed."""

    field_type = "long"


@define(unsafe_hash=False)
class Properties:
    """The properties of a message; `None` means absent, as on the wire.

    A message is shared by every queue it is routed to, so neither its properties nor their headers
    are to be changed once it was published: `attrs.evolve` makes a changed copy. (Python cannot
    enforce that cheaply: a frozen class of 14 fields takes five times as long to make.)

    `expiration` is a decimal string of milliseconds, `timestamp` is in seconds since the Unix
    epoch, `delivery_mode` is 1 (transient) or 2 (persistent), `priority` is 0 to 255.
    """

    content_type: str | None = None
    content_encoding: str | None = None
    headers: dict[str, FieldValue] | None = None
    delivery_mode: int | None = None
    priority: int | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    expiration: str | None = None
    message_id: str | None = None
    timestamp: int | None = None
    type: str | None = None
    user_id: str | None = None
    app_id: str | None = None
    cluster_id: str | None = None

    def replaced(self, headers: dict[str, FieldValue] | None, expiration: str | None) -> Properties:
        """Return a copy with other headers and expiration: what every dead letter needs.

        Measured: `attrs.evolve` takes ten times as long, since it looks at each field by name.
        """
        return Properties(
            self.content_type,
            self.content_encoding,
            headers,
            self.delivery_mode,
            self.priority,
            self.correlation_id,
            self.reply_to,
            expiration,
            self.message_id,
            self.timestamp,
            self.type,
            self.user_id,
            self.app_id,
            self.cluster_id,
        )


#: What a message published without properties has.
NO_PROPERTIES = Properties()
