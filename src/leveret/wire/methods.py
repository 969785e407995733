"""AMQP's methods as bytes: one table of their fields, one decoder, one encoder.

Everything but the hot path goes through here. The table is that of AMQP 0-9-1 with RabbitMQ's
extensions (basic.nack, confirm, exchange.bind, consumer cancel, blocked, update-secret).
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError
from typing import Any

from attrs import define, frozen

from leveret.errors import CommandInvalid, FrameError, FrameSyntaxError
from leveret.fields import (
    decode_short_string,
    decode_table,
    encode_short_string,
    encode_table,
)
from leveret.wire.texts import as_octets

__all__ = ["METHODS", "MethodCall", "MethodSpec", "cannot_decode", "decode_method", "encode_method"]

#: Class id and method id of the methods that are met by their bytes.
PUBLISH = b"\x00\x3c\x00\x28"
ACK = b"\x00\x3c\x00\x50"

_U16, _U32, _U64 = Struct(">H"), Struct(">I"), Struct(">Q")

# class.method -> (class id, method id, fields). A field is "name:type".
_METHODS: dict[str, tuple[int, int, str]] = {
    "connection.start": (
        10,
        10,
        "version_major:octet version_minor:octet server_properties:table mechanisms:longstr"
        " locales:longstr",
    ),
    "connection.start-ok": (
        10,
        11,
        "client_properties:table mechanism:shortstr response:longstr locale:shortstr",
    ),
    "connection.secure": (10, 20, "challenge:longstr"),
    "connection.secure-ok": (10, 21, "response:longstr"),
    "connection.tune": (10, 30, "channel_max:short frame_max:long heartbeat:short"),
    "connection.tune-ok": (10, 31, "channel_max:short frame_max:long heartbeat:short"),
    "connection.open": (10, 40, "virtual_host:shortstr capabilities:shortstr insist:bit"),
    "connection.open-ok": (10, 41, "known_hosts:shortstr"),
    "connection.close": (
        10,
        50,
        "reply_code:short reply_text:shortstr class_id:short method_id:short",
    ),
    "connection.close-ok": (10, 51, ""),
    "connection.blocked": (10, 60, "reason:shortstr"),
    "connection.unblocked": (10, 61, ""),
    "connection.update-secret": (10, 70, "new_secret:longstr reason:shortstr"),
    "connection.update-secret-ok": (10, 71, ""),
    "channel.open": (20, 10, "out_of_band:shortstr"),
    "channel.open-ok": (20, 11, "channel_id:longstr"),
    "channel.flow": (20, 20, "active:bit"),
    "channel.flow-ok": (20, 21, "active:bit"),
    "channel.close": (
        20,
        40,
        "reply_code:short reply_text:shortstr class_id:short method_id:short",
    ),
    "channel.close-ok": (20, 41, ""),
    "access.request": (
        30,
        10,
        "realm:shortstr exclusive:bit passive:bit active:bit write:bit read:bit",
    ),
    "access.request-ok": (30, 11, "ticket:short"),
    "exchange.declare": (
        40,
        10,
        "ticket:short exchange:shortstr type:shortstr passive:bit durable:bit auto_delete:bit"
        " internal:bit nowait:bit arguments:table",
    ),
    "exchange.declare-ok": (40, 11, ""),
    "exchange.delete": (40, 20, "ticket:short exchange:shortstr if_unused:bit nowait:bit"),
    "exchange.delete-ok": (40, 21, ""),
    "exchange.bind": (
        40,
        30,
        "ticket:short destination:shortstr source:shortstr routing_key:shortstr nowait:bit"
        " arguments:table",
    ),
    "exchange.bind-ok": (40, 31, ""),
    "exchange.unbind": (
        40,
        40,
        "ticket:short destination:shortstr source:shortstr routing_key:shortstr nowait:bit"
        " arguments:table",
    ),
    "exchange.unbind-ok": (40, 51, ""),
    "queue.declare": (
        50,
        10,
        "ticket:short queue:shortstr passive:bit durable:bit exclusive:bit auto_delete:bit"
        " nowait:bit arguments:table",
    ),
    "queue.declare-ok": (50, 11, "queue:shortstr message_count:long consumer_count:long"),
    "queue.bind": (
        50,
        20,
        "ticket:short queue:shortstr exchange:shortstr routing_key:shortstr nowait:bit"
        " arguments:table",
    ),
    "queue.bind-ok": (50, 21, ""),
    "queue.purge": (50, 30, "ticket:short queue:shortstr nowait:bit"),
    "queue.purge-ok": (50, 31, "message_count:long"),
    "queue.delete": (
        50,
        40,
        "ticket:short queue:shortstr if_unused:bit if_empty:bit nowait:bit",
    ),
    "queue.delete-ok": (50, 41, "message_count:long"),
    "queue.unbind": (
        50,
        50,
        "ticket:short queue:shortstr exchange:shortstr routing_key:shortstr arguments:table",
    ),
    "queue.unbind-ok": (50, 51, ""),
    "basic.qos": (60, 10, "prefetch_size:long prefetch_count:short global_qos:bit"),
    "basic.qos-ok": (60, 11, ""),
    "basic.consume": (
        60,
        20,
        "ticket:short queue:shortstr consumer_tag:shortstr no_local:bit no_ack:bit exclusive:bit"
        " nowait:bit arguments:table",
    ),
    "basic.consume-ok": (60, 21, "consumer_tag:shortstr"),
    "basic.cancel": (60, 30, "consumer_tag:shortstr nowait:bit"),
    "basic.cancel-ok": (60, 31, "consumer_tag:shortstr"),
    "basic.publish": (
        60,
        40,
        "ticket:short exchange:shortstr routing_key:shortstr mandatory:bit immediate:bit",
    ),
    "basic.return": (
        60,
        50,
        "reply_code:short reply_text:shortstr exchange:shortstr routing_key:shortstr",
    ),
    "basic.deliver": (
        60,
        60,
        "consumer_tag:shortstr delivery_tag:longlong redelivered:bit exchange:shortstr"
        " routing_key:shortstr",
    ),
    "basic.get": (60, 70, "ticket:short queue:shortstr no_ack:bit"),
    "basic.get-ok": (
        60,
        71,
        "delivery_tag:longlong redelivered:bit exchange:shortstr routing_key:shortstr"
        " message_count:long",
    ),
    "basic.get-empty": (60, 72, "cluster_id:shortstr"),
    "basic.ack": (60, 80, "delivery_tag:longlong multiple:bit"),
    "basic.reject": (60, 90, "delivery_tag:longlong requeue:bit"),
    "basic.recover-async": (60, 100, "requeue:bit"),
    "basic.recover": (60, 110, "requeue:bit"),
    "basic.recover-ok": (60, 111, ""),
    "basic.nack": (60, 120, "delivery_tag:longlong multiple:bit requeue:bit"),
    "confirm.select": (85, 10, "nowait:bit"),
    "confirm.select-ok": (85, 11, ""),
    "tx.select": (90, 10, ""),
    "tx.select-ok": (90, 11, ""),
    "tx.commit": (90, 20, ""),
    "tx.commit-ok": (90, 21, ""),
    "tx.rollback": (90, 30, ""),
    "tx.rollback-ok": (90, 31, ""),
}


@frozen
class MethodSpec:
    """A method's ids and fields (name, type), in order."""

    name: str
    class_id: int
    method_id: int
    fields: tuple[tuple[str, str], ...]


def _specs() -> dict[str, MethodSpec]:
    return {
        name: MethodSpec(
            name,
            class_id,
            method_id,
            tuple((f.split(":")[0], f.split(":")[1]) for f in fields.split()),
        )
        for name, (class_id, method_id, fields) in _METHODS.items()
    }


#: Name -> method.
METHODS = _specs()
_BY_ID = {(s.class_id, s.method_id): s for s in METHODS.values()}


@define
class MethodCall:
    """A method as received: its specification and the values of its fields."""

    spec: MethodSpec
    values: dict[str, Any]

    @property
    def name(self) -> str:
        """The method's name, such as `queue.declare`."""
        return self.spec.name

    @property
    def ids(self) -> tuple[int, int]:
        """The method's class id and method id."""
        return self.spec.class_id, self.spec.method_id

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name) from None


def decode_method(payload: bytes) -> MethodCall:
    """Return the method in a method frame's payload.

    Raises:
        CommandInvalid: there is no such method (S123).
        FrameError: its fields cannot be decoded.

    """
    ids = (int.from_bytes(payload[:2], "big"), int.from_bytes(payload[2:4], "big"))
    found = _BY_ID.get(ids)
    if found is None:
        raise CommandInvalid("unimplemented method").at(*ids, f"{ids[0]}.{ids[1]}")
    try:
        values = _decode_fields(found, payload)
    except (IndexError, StructError, FrameSyntaxError):
        raise cannot_decode(payload[4:]).at(*ids, found.name) from None
    return MethodCall(found, values)


def cannot_decode(fields: bytes) -> FrameError:
    """Return the error for a method whose fields, in bytes, are not what they are to be."""
    # No more than a reply text holds is worth printing.
    return FrameError(f"cannot decode {as_octets(fields[:130])}")


def _decode_fields(method: MethodSpec, data: bytes) -> dict[str, Any]:
    at = 4
    bit = 0
    values: dict[str, Any] = {}
    for name, kind in method.fields:
        if kind == "bit":
            values[name] = bool(data[at] >> bit & 1)
            bit += 1
            continue
        if bit:
            at += 1
            bit = 0
        match kind:
            case "octet":
                values[name], at = data[at], at + 1
            case "short":
                values[name], at = _U16.unpack_from(data, at)[0], at + 2
            case "long":
                values[name], at = _U32.unpack_from(data, at)[0], at + 4
            case "longlong":
                values[name], at = _U64.unpack_from(data, at)[0], at + 8
            case "shortstr":
                values[name], at = decode_short_string(data, at)
            case "longstr":
                end = at + 4 + _U32.unpack_from(data, at)[0]
                if end > len(data):
                    raise IndexError(name)
                values[name], at = data[at + 4 : end], end
            case _:
                values[name], at = decode_table(data, at)
    if at + (bit > 0) != len(data):
        raise IndexError("bytes left over")
    return values


def encode_method(name: str, **values: Any) -> bytes:
    """Return the payload of a method frame; fields not given are empty, zero or False."""
    method = METHODS[name]
    parts = [_U16.pack(method.class_id), _U16.pack(method.method_id)]
    bits = shift = 0
    for field, kind in method.fields:
        value = values.pop(field, None)
        if kind == "bit":
            bits |= bool(value) << shift
            shift += 1
            continue
        if shift:
            parts.append(bytes((bits,)))
            bits = shift = 0
        parts.append(_encode_field(kind, value))
    if shift:
        parts.append(bytes((bits,)))
    assert not values, f"{name} has no {', '.join(values)}"
    return b"".join(parts)


def _encode_field(kind: str, value: Any) -> bytes:
    match kind:
        case "octet":
            return bytes((value or 0,))
        case "short":
            return _U16.pack(value or 0)
        case "long":
            return _U32.pack(value or 0)
        case "longlong":
            return _U64.pack(value or 0)
        case "shortstr":
            return encode_short_string(value or "")
        case "longstr":
            data = value or b""
            return _U32.pack(len(data)) + data
        case _:
            return encode_table(value)
