"""A message as a consumer of a stream gets it: with its offset among its headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leveret.header import with_long
from leveret.properties import Long
from leveret.queues.message import EncodedMessage, Message

if TYPE_CHECKING:
    from leveret.queues.message import AnyMessage

__all__ = ["OFFSET_HEADER", "with_offset"]

OFFSET_HEADER = "x-stream-offset"
_NAME = bytes((len(OFFSET_HEADER),)) + OFFSET_HEADER.encode()


class _OffsetMessage(EncodedMessage):
    """A message whose header has one field more; its body is the other's."""

    __slots__ = ("_header", "_message", "address", "died", "expiration_ms", "extra_keys", "size")
    is_plain = False

    def __init__(self, message: EncodedMessage, header: bytes) -> None:
        self._message = message
        self._header = header
        self.address = message.address
        self.size = message.size
        self.expiration_ms = message.expiration_ms
        self.extra_keys = message.extra_keys
        self.died = message.died

    # Read-only is what all messages are; others set these when they are made.
    @property
    def exchange(self) -> str:  # type: ignore[override]
        """The exchange it was published to."""
        return self._message.exchange

    @property
    def routing_key(self) -> str:  # type: ignore[override]
        """The routing key."""
        return self._message.routing_key

    @property
    def header(self) -> bytes:
        """The payload of the content header."""
        return self._header

    @property
    def body(self) -> bytes:
        """The body."""
        return self._message.body


def with_offset(message: AnyMessage, offset: int) -> AnyMessage:
    """Return a copy of a message whose headers tell its offset."""
    if isinstance(message, EncodedMessage):
        # Measured: to decode and encode the headers would take most of what a delivery takes.
        header = with_long(message.header, _NAME, offset)
        if header is not None:
            return _OffsetMessage(message, header)
    properties = message.properties
    headers = {**(properties.headers or {}), OFFSET_HEADER: Long(offset)}
    return Message(
        message.exchange,
        message.routing_key,
        properties.replaced(headers, properties.expiration),
        message.body,
        message.expiration_ms,
        message.extra_keys,
        message.died,
        message.size,
        False,
    )
