"""Messages and their places in queues as bytes, and back."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from leveret.fields import decode_short_string, encode_short_string
from leveret.header import encode_header
from leveret.queues import EncodedMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from leveret.queues import AnyMessage, QueuedMessage

__all__ = ["Place", "StoredMessage", "decode_messages", "encode_messages"]

#: Flags, bytes of the address with the extra keys, of header and body, expiration, places.
_MESSAGE = Struct(">BIIIqH")
#: Queue id, position, when it expires (-1: never), delivery count, whether redelivered.
_PLACE = Struct(">QQqIB")
_DIED = 1

#: What `decode_messages` tells of each place: queue id, position, expires_at_ms or None,
#: delivery count, redelivered.
Place = tuple[int, int, int | None, int, bool]


class StoredMessage(EncodedMessage):
    """A message as it was stored: its header is decoded when somebody asks for a property."""

    __slots__ = (
        "_body",
        "_header",
        "address",
        "died",
        "exchange",
        "expiration_ms",
        "extra_keys",
        "routing_key",
        "size",
    )
    is_plain = False

    def __init__(self, keys: tuple[str, ...], header: bytes, body: bytes) -> None:
        self.exchange, self.routing_key, *extra = keys
        self.extra_keys = tuple(extra)
        self._header = header
        self._body = body
        self.size = len(body)
        self.expiration_ms: int | None = None
        self.died = False

    @property
    def header(self) -> bytes:
        """The payload of the content header."""
        return self._header

    @property
    def body(self) -> bytes:
        """The body."""
        return self._body


def _message(message: AnyMessage, places: int) -> bytes:
    # A message from the wire, and one stored before, has its header as bytes already.
    if isinstance(message, EncodedMessage):
        header = message.header
    else:
        header = encode_header(message.properties, message.size)
    keys = (message.exchange, message.routing_key, *message.extra_keys)
    address = b"".join(map(encode_short_string, keys))
    expiration_ms = -1 if message.expiration_ms is None else message.expiration_ms
    flags = _DIED if message.died else 0
    body = message.body
    return (
        _MESSAGE.pack(flags, len(address), len(header), len(body), expiration_ms, places)
        + address
        + header
        + body
    )


def encode_messages(entries: Iterable[tuple[QueuedMessage, bool]]) -> bytes:
    """Return messages with their places; entries of one message that follow each other share it.

    Each entry comes with whether it is to come back redelivered.
    """
    parts: list[bytes] = []
    places: list[bytes] = []
    last: AnyMessage | None = None
    for entry, redelivered in entries:
        message = entry.message
        if message is not last or len(places) == 0xFFFF:
            if last is not None:
                parts.append(_message(last, len(places)))
                parts += places
                places = []
            last = message
        expires_at_ms = -1 if entry.expires_at_ms is None else entry.expires_at_ms
        places.append(
            _PLACE.pack(
                entry.queue.journal_id,
                entry.position,
                expires_at_ms,
                entry.delivery_count,
                redelivered,
            )
        )
    if last is not None:
        parts.append(_message(last, len(places)))
        parts += places
    return b"".join(parts)


def decode_messages(data: bytes) -> Iterator[tuple[StoredMessage, list[Place]]]:
    """Yield each message of `encode_messages` with its places."""
    at = 0
    while at < len(data):
        flags, address_size, header_size, size, expiration_ms, count = _MESSAGE.unpack_from(
            data, at
        )
        at += _MESSAGE.size
        header_at = at + address_size
        body_at = header_at + header_size
        keys = []
        while at < header_at:
            key, at = decode_short_string(data, at)
            keys.append(key)
        at = body_at + size
        message = StoredMessage(tuple(keys), data[header_at:body_at], data[body_at:at])
        message.died = flags & _DIED != 0
        message.expiration_ms = None if expiration_ms < 0 else expiration_ms
        places: list[Place] = []
        for _ in range(count):
            queue_id, position, expires, deliveries, redelivered = _PLACE.unpack_from(data, at)
            places.append(
                (queue_id, position, None if expires < 0 else expires, deliveries, redelivered != 0)
            )
            at += _PLACE.size
        yield message, places
