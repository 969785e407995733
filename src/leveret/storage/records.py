"""Messages and their places in queues as bytes, and back."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, TypeAlias

from leveret.fields import decode_short_string, encode_short_string
from leveret.header import encode_header
from leveret.queues import EncodedMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from leveret.queues import AnyMessage, QueuedMessage

__all__ = ["StoredEntry", "StoredMessage", "decode_entries", "encode_entries"]

#: Flags, bytes of address (with the extra keys), header and body, expiration (-1: none); queue id,
#: position, when it expires (-1: never), delivery count; address, header and body follow.
_ENTRY = Struct(">BIIIqQQqI")
#: The flags: the message died; it has extra keys; it comes back redelivered; it is that of the
#: entry before, in another queue.
_DIED, _EXTRA_KEYS, _REDELIVERED, _SAME = 1, 2, 4, 8


#: Queue id, message, position, expires_at_ms, redelivered, delivery count.
StoredEntry: TypeAlias = "tuple[int, StoredMessage, int, int | None, bool, int]"


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


def encode_entries(entries: Iterable[tuple[QueuedMessage, bool]]) -> bytes:
    """Return entries of queues; a message whose entries follow each other is there once.

    Each entry comes with whether it is to come back redelivered.
    """
    # Measured: a message is encoded once, and this is a third of what durability costs the loop.
    parts: list[bytes] = []
    pack = _ENTRY.pack
    last: AnyMessage | None = None
    for entry, redelivered in entries:
        message = entry.message
        flags = _REDELIVERED if redelivered else 0
        expires = entry.expires_at_ms
        if message is last:
            flags |= _SAME
            address = header = body = b""
        else:
            last = message
            flags, address, header = _encoded(message, flags)
            body = message.body
        expiration = message.expiration_ms
        parts += (
            pack(
                flags,
                len(address),
                len(header),
                len(body),
                -1 if expiration is None else expiration,
                entry.queue.journal_id,
                entry.position,
                -1 if expires is None else expires,
                entry.delivery_count,
            ),
            address,
            header,
            body,
        )
    return b"".join(parts)


def _encoded(message: AnyMessage, flags: int) -> tuple[int, bytes, bytes]:
    """Return flags, address and header; a message from the wire or the store has its bytes."""
    if isinstance(message, EncodedMessage):
        address, header = message.address, message.header
    else:
        address = encode_short_string(message.exchange) + encode_short_string(message.routing_key)
        header = encode_header(message.properties, message.size)
    if message.died:
        flags |= _DIED
    if message.extra_keys:
        flags |= _EXTRA_KEYS
        address += b"".join(map(encode_short_string, message.extra_keys))
    return flags, address, header


def decode_entries(data: bytes) -> Iterator[StoredEntry]:
    """Yield the entries of `encode_entries`."""
    at = 0
    end = len(data)
    unpack, entry_size = _ENTRY.unpack_from, _ENTRY.size
    message: StoredMessage
    while at < end:
        (
            flags,
            address_size,
            header_size,
            size,
            expiration,
            queue_id,
            position,
            expires,
            deliveries,
        ) = unpack(data, at)
        at += entry_size
        if not flags & _SAME:
            header_at = at + address_size
            body_at = header_at + header_size
            address, header = data[at:header_at], data[header_at:body_at]
            at = body_at + size
            message = StoredMessage(
                address,
                header,
                data[body_at:at],
                None if expiration < 0 else expiration,
                flags & _DIED != 0,
            )
            if flags & _EXTRA_KEYS:
                _split_keys(message)
        yield (
            queue_id,
            message,
            position,
            None if expires < 0 else expires,
            flags & _REDELIVERED != 0,
            deliveries,
        )


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
