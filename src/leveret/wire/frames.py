"""Frames: how methods, content headers and bodies are wrapped (AMQP 0-9-1 section 4.2.3)."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from leveret.wire.methods import encode_method

if TYPE_CHECKING:
    from typing import Any

__all__ = ["FRAME_END", "FRAME_HEADER", "HEARTBEAT", "body_frames", "frame", "method_frame"]

FRAME_METHOD, FRAME_HEADERS, FRAME_BODY, FRAME_HEARTBEAT = 1, 2, 3, 8

#: type, channel, payload size
FRAME_HEADER = Struct(">BHI")

FRAME_END = b"\xce"

#: What a frame has beside its payload, in bytes.
OVERHEAD = 8

HEARTBEAT = FRAME_HEADER.pack(FRAME_HEARTBEAT, 0, 0) + FRAME_END

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"

#: AMQP 0-9, which RabbitMQ takes for 0-9-1.
PROTOCOL_HEADER_0_9 = b"AMQP\x01\x01\x00\x09"


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """Return one frame."""
    return FRAME_HEADER.pack(kind, channel, len(payload)) + payload + FRAME_END


def method_frame(channel: int, name: str, **values: Any) -> bytes:
    """Return the frame of a method; fields not given are empty, zero or False."""
    return frame(FRAME_METHOD, channel, encode_method(name, **values))


def body_frames(channel: int, body: bytes, frame_max: int) -> list[bytes]:
    """Return the pieces of a body's frames, none of which is larger than `frame_max` bytes.

    A body that fits one frame is not copied: its piece is the body itself.
    """
    if not body:
        return []
    room = frame_max - OVERHEAD if frame_max else len(body)
    if len(body) <= room:
        return [FRAME_HEADER.pack(FRAME_BODY, channel, len(body)), body, FRAME_END]
    view = memoryview(body)
    pieces: list[bytes] = []
    for at in range(0, len(body), room):
        part = view[at : at + room]
        pieces += (FRAME_HEADER.pack(FRAME_BODY, channel, len(part)), bytes(part), FRAME_END)
    return pieces
