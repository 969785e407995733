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

#: Flags, bytes of the address with the extra keys, of header and body, expiration, places; then
#: come the places, the address, the header and the body.
_MESSAGE = Struct(">BIIIqH")
#: Queue id, position, when it expires (-1: never), delivery count, whether redelivered.
_PLACE = Struct(">QQqIB")
_DIED, _EXTRA_KEYS = 1, 2

#: What `decode_messages` tells of each place: queue id, position, expires_at_ms or None,
#: delivery count, redelivered.
Place = tuple[int, int, int | None, int, bool]


class StoredMessage(EncodedMessage):
    """A message as it was stored; what nobody asks for stays undecoded.

    `address` is exchange and routing key as two short strings, as basic.deliver has them.
    """

    __slots__ = ("_body", "_header", "address", "died", "expiration_ms", "extra_keys", "size")
    is_plain = False

    def __init__(
        self,
        address: bytes,
        header: bytes,
        body: bytes,
        expiration_ms: int | None = None,
        died: bool = False,
        extra_keys: tuple[str, ...] = (),
    ) -> None:
        self.address = address
        self._header = header
        self._body = body
        self.size = len(body)
        self.expiration_ms = expiration_ms
        self.died = died
        self.extra_keys = extra_keys

    @property
    def exchange(self) -> str:
        """The exchange it was published to."""
        return decode_short_string(self.address, 0)[0]

    @property
    def routing_key(self) -> str:
        """The routing key."""
        return decode_short_string(self.address, 1 + self.address[0])[0]

    @property
    def header(self) -> bytes:
        """The payload of the content header."""
        return self._header

    @property
    def body(self) -> bytes:
        """The body."""
        return self._body


def encode_messages(entries: Iterable[tuple[QueuedMessage, bool]]) -> bytes:
    """Return messages with their places; entries of one message that follow each other share it.

    Each entry comes with whether it is to come back redelivered.
    """
    parts: list[bytes] = []
    places: list[Place] = []
    last: AnyMessage | None = None
    for entry, redelivered in entries:
        message = entry.message
        if message is not last or len(places) == 0xFFFF:
            if last is not None:
                _add_message(parts, last, places)
                places = []
            last = message
        places.append(
            (
                entry.queue.journal_id,
                entry.position,
                entry.expires_at_ms,
                entry.delivery_count,
                redelivered,
            )
        )
    if last is not None:
        _add_message(parts, last, places)
    return b"".join(parts)


def _add_message(parts: list[bytes], message: AnyMessage, places: list[Place]) -> None:
    # A message from the wire, and one stored before, has its bytes already.
    if isinstance(message, EncodedMessage):
        address, header = message.address, message.header
    else:
        address = encode_short_string(message.exchange) + encode_short_string(message.routing_key)
        header = encode_header(message.properties, message.size)
    flags = _DIED if message.died else 0
    if message.extra_keys:
        flags |= _EXTRA_KEYS
        address += b"".join(map(encode_short_string, message.extra_keys))
    body = message.body
    expiration_ms = -1 if message.expiration_ms is None else message.expiration_ms
    parts.append(
        _MESSAGE.pack(flags, len(address), len(header), len(body), expiration_ms, len(places))
    )
    for queue_id, position, expires_at_ms, deliveries, redelivered in places:
        expires = -1 if expires_at_ms is None else expires_at_ms
        parts.append(_PLACE.pack(queue_id, position, expires, deliveries, redelivered))
    parts += (address, header, body)


def decode_messages(data: bytes) -> Iterator[tuple[StoredMessage, list[Place]]]:
    """Yield each message of `encode_messages` with its places."""
    at = 0
    end = len(data)
    while at < end:
        flags, address_size, header_size, size, expiration_ms, count = _MESSAGE.unpack_from(
            data, at
        )
        at += _MESSAGE.size
        places: list[Place] = []
        for _ in range(count):
            queue_id, position, expires, deliveries, redelivered = _PLACE.unpack_from(data, at)
            places.append(
                (queue_id, position, None if expires < 0 else expires, deliveries, redelivered != 0)
            )
            at += _PLACE.size
        header_at = at + address_size
        body_at = header_at + header_size
        message = StoredMessage(
            data[at:header_at],
            data[header_at:body_at],
            data[body_at : body_at + size],
            None if expiration_ms < 0 else expiration_ms,
            flags & _DIED != 0,
        )
        if flags & _EXTRA_KEYS:
            _split_keys(message)
        at = body_at + size
        yield message, places


def _split_keys(message: StoredMessage) -> None:
    """Take what stands behind exchange and routing key out of the address."""
    address = message.address
    keys_at = at = 2 + address[0] + address[1 + address[0]]
    keys = []
    while at < len(address):
        key, at = decode_short_string(address, at)
        keys.append(key)
    message.address = address[:keys_at]
    message.extra_keys = tuple(keys)
