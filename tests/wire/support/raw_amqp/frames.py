"""Frames made with pika's codec, and received ones as lines of text that a test can compare."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pika
from attrs import frozen
from pika import frame as pika_frame
from pika import spec

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "HEARTBEAT",
    "PROTOCOL_HEADER",
    "Frame",
    "body",
    "content",
    "frame",
    "header",
    "lines",
    "method",
    "raw_header",
    "split",
]

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
HEARTBEAT = b"\x08\x00\x00\x00\x00\x00\x00\xce"

METHOD, HEADER, BODY = 1, 2, 3


@frozen
class Frame:
    """A frame as it came: its type, its channel, its payload."""

    kind: int
    channel: int
    payload: bytes

    @property
    def data(self) -> bytes:
        """The frame's bytes."""
        return frame(self.kind, self.channel, self.payload)

    def __str__(self) -> str:
        if self.kind == METHOD:
            return f"{self.channel} {_method_text(self.payload)}"
        if self.kind == HEADER:
            return f"{self.channel} header {_header_text(self.payload)}".rstrip()
        if self.kind == BODY:
            return f"{self.channel} body {_short(self.payload)}"
        return f"{self.channel} heartbeat" if self.data == HEARTBEAT else f"? {self.data!r}"


def _method_text(payload: bytes) -> str:
    decoded = spec.methods[int.from_bytes(payload[:4], "big")]()
    decoded.decode(payload, 4)
    return " ".join((_dashed(decoded.NAME), *_fields(decoded)))


def _dashed(name: str) -> str:
    kind, _, method_name = name.partition(".")
    return f"{kind.lower()}.{re.sub(r'(?<=[a-z])(?=[A-Z])', '-', method_name).lower()}"


def _fields(decoded: Any) -> Iterable[str]:
    for name, value in vars(decoded).items():
        yield f"{name}={value!r}"


def _header_text(payload: bytes) -> str:
    properties = pika.BasicProperties()
    properties.decode(payload[12:])
    size = int.from_bytes(payload[4:12], "big")
    fields = (f"{k}={v!r}" for k, v in vars(properties).items() if v is not None)
    return " ".join((str(size), *fields))


def _short(data: bytes) -> str:
    return repr(data) if len(data) <= 40 else f"{data[:8]!r}… {len(data)}"


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """Return a frame's bytes."""
    return (
        kind.to_bytes(1, "big")
        + channel.to_bytes(2, "big")
        + len(payload).to_bytes(4, "big")
        + payload
        + b"\xce"
    )


def method(channel: int, call: Any) -> bytes:
    """Return the frame of one of pika's methods."""
    return bytes(pika_frame.Method(channel, call).marshal())


def header(channel: int, size: int, **properties: Any) -> bytes:
    """Return a content header's frame."""
    made = pika.BasicProperties(**properties)
    return bytes(pika_frame.Header(channel, size, made).marshal())


def raw_header(channel: int, size: int, flags: int = 0, properties: bytes = b"") -> bytes:
    """Return a content header's frame with the bytes of its properties as given."""
    payload = b"\0\x3c\0\0" + size.to_bytes(8, "big") + flags.to_bytes(2, "big") + properties
    return frame(HEADER, channel, payload)


def body(channel: int, data: bytes) -> bytes:
    """Return a body frame."""
    return frame(BODY, channel, data)


def content(
    channel: int,
    data: bytes,
    exchange: str = "",
    routing_key: str = "",
    *,
    mandatory: bool = False,
    immediate: bool = False,
    frame_max: int = 131_072,
    **properties: Any,
) -> bytes:
    """Return the frames of basic.publish with its content."""
    call = spec.Basic.Publish(
        exchange=exchange, routing_key=routing_key, mandatory=mandatory, immediate=immediate
    )
    room = frame_max - 8
    parts = [data[at : at + room] for at in range(0, len(data), room)]
    return b"".join(
        (
            method(channel, call),
            header(channel, len(data), **properties),
            *(body(channel, part) for part in parts),
        )
    )


def split(data: bytes) -> tuple[list[Frame], bytes]:
    """Return the whole frames in some bytes, and what is left: partial, or no frame at all."""
    found = []
    at = 0
    while len(data) - at >= 8:
        if data[at : at + 4] == b"AMQP":
            break
        size = int.from_bytes(data[at + 3 : at + 7], "big")
        end = at + 8 + size
        if end > len(data) or data[end - 1] != 0xCE:
            break
        found.append(
            Frame(data[at], int.from_bytes(data[at + 1 : at + 3], "big"), data[at + 7 : end - 1])
        )
        at = end
    return found, data[at:]


def lines(frames: Iterable[Frame]) -> list[str]:
    """Return frames as text, one line each."""
    return [str(each) for each in frames]
