"""Messages and their places in queues as bytes, and back."""

from __future__ import annotations

from itertools import groupby
from struct import Struct
from typing import TYPE_CHECKING, TypeAlias, cast

from leveret.fields import decode_short_string, encode_short_string
from leveret.header import encode_header
from leveret.queues import EncodedMessage, QueuedMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from leveret.queues import AnyMessage, MessageRun
    from leveret.storage.queue_log import LoggedRun, QueueLog

__all__ = [
    "StoredEntry",
    "StoredMessage",
    "decode_entries",
    "encode_entries",
    "encode_stream",
    "entries_within",
    "entries_without",
]

#: Flags, bytes of address (with the extra keys), header and body, expiration (-1: none); queue id,
#: position, when it expires (-1: never), delivery count; address, header and body follow.
_ENTRY = Struct(">BIIIqQQqI")
#: The flags: the message died; it has extra keys; it comes back redelivered; it is that of the
#: entry before, in another queue; in place of header and body it has their frames, as on the wire.
_DIED, _EXTRA_KEYS, _REDELIVERED, _SAME, _FRAMES = 1, 2, 4, 8, 16


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

    # Read-only is what all messages are; others set these when they are made.
    @property
    def exchange(self) -> str:  # type: ignore[override]
        """The exchange it was published to."""
        return decode_short_string(self.address, 0)[0]

    @property
    def routing_key(self) -> str:  # type: ignore[override]
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


def encode_entries(entries: Iterable[QueuedMessage | LoggedRun]) -> tuple[bytes, int]:
    """Return entries of queues and how many messages they are.

    A message whose entries follow each other is there once. One that is with a consumer, or was,
    comes back redelivered.
    """
    # Measured: this is a third of what durability costs the loop.
    parts: list[bytes] = []
    pack = _ENTRY.pack
    last: AnyMessage | None = None
    count = 0
    for run, alike in groupby(entries, _run_of):
        if run is not None:
            count += _add_runs(parts, [*cast("Iterable[LoggedRun]", alike)])
            continue
        for entry in cast("Iterable[QueuedMessage]", alike):
            count += 1
            message, log = entry.message, cast("QueueLog", entry.queue.journal)
            flags = _REDELIVERED if entry.redelivered or entry.position <= log.mark else 0
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
                    log.queue_id,
                    entry.position,
                    -1 if expires is None else expires,
                    entry.delivery_count,
                ),
                address,
                header,
                body,
            )
    return b"".join(parts), count


def encode_stream(
    queue_id: int, first: int, messages: Iterable[AnyMessage], times: Iterable[int]
) -> bytes:
    """Return messages of a stream in a row, from an offset on, as entries.

    When a message came, in milliseconds, stands in the place of when it expires.
    """
    parts: list[bytes] = []
    pack = _ENTRY.pack
    for offset, (message, time_ms) in enumerate(zip(messages, times, strict=True), first):
        flags, address, header = _encoded(message, 0)
        expiration = message.expiration_ms
        expiration = -1 if expiration is None else expiration
        sizes = (len(address), len(header), message.size)
        parts += (
            pack(flags, *sizes, expiration, queue_id, offset, time_ms, 0),
            address,
            header,
            message.body,
        )
    return b"".join(parts)


def _run_of(entry: QueuedMessage | LoggedRun) -> MessageRun | None:
    return None if isinstance(entry, QueuedMessage) else entry.run


def _add_runs(parts: list[bytes], logged: Sequence[LoggedRun]) -> int:
    """Add what is alive of one run in several queues; return how many messages it is."""
    count = 0
    pack = _ENTRY.pack
    run = logged[0].run
    for index, content in enumerate(run.contents):
        address = run.address(index)
        is_new = True
        for each in logged:
            position = each.position + index
            if each.gone.firsts and position in each.gone:
                continue
            count += 1
            flags = _FRAMES | (_REDELIVERED if position <= each.log.mark else 0)
            queue_id = each.log.queue_id
            if is_new:
                is_new = False
                parts += (
                    pack(flags, len(address), 0, len(content), -1, queue_id, position, -1, 0),
                    address,
                    content,
                )
            else:
                parts.append(pack(flags | _SAME, 0, 0, 0, -1, queue_id, position, -1, 0))
    return count


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
    message = StoredMessage(b"\0\0", b"", b"")  # never the first one's
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
        if flags & _FRAMES and not flags & _SAME:
            content_at = at + address_size
            message = _from_frames(data[at:content_at], data[content_at : content_at + size])
            at = content_at + size
        elif not flags & _SAME:
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


def _from_frames(address: bytes, content: bytes) -> StoredMessage:
    """Return a message that stands there as its header frame and body frame."""
    header_behind = 7 + int.from_bytes(content[3:7], "big")
    return StoredMessage(address, content[7:header_behind], content[header_behind + 8 : -1])


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


def entries_within(
    data: bytes, is_whole: Callable[[int, int], bool]
) -> tuple[bytes, dict[int, int], bool]:
    """Return what can be told of damaged entries: `is_whole` says it of bytes from one to another.

    Returns:
        The entries that are whole; how many of which queue are not; whether there may have been
        more behind them, which cannot be found.

    """
    parts: list[bytes] = []
    # queue id -> messages
    lost: dict[int, int] = {}
    at, end = 0, len(data)
    is_kept = False
    # Behind a damaged length, what is found is believed only if it ends where all ends.
    sure: tuple[list[bytes], dict[int, int]] | None = None
    while at + _ENTRY.size <= end:
        flags, *sizes, _, queue_id, _, _, _ = _ENTRY.unpack_from(data, at)
        behind = at + _ENTRY.size + sum(sizes)
        if not is_whole(at, at + _ENTRY.size):
            sure = sure or ([*parts], {**lost})
            if flags >= 2 * _FRAMES or (flags & _SAME and any(sizes)):
                break
        if behind > end:
            break
        # One in a further queue has its message in the entry before.
        if not flags & _SAME:
            is_kept = is_whole(at, behind)
        if is_kept and is_whole(at, behind):
            parts.append(data[at:behind])
        else:
            lost[queue_id] = lost.get(queue_id, 0) + 1
        at = behind
    if at != end and sure is not None:
        parts, lost = sure
    return b"".join(parts), lost, at != end


def entries_without(data: bytes, is_dead: Callable[[int, int], bool]) -> tuple[bytes, int]:
    """Return entries without those that are dead, by queue id and position; and their number."""
    parts: list[bytes] = []
    count = 0
    at, end = 0, len(data)
    # What the message is that the next entries may be of, and whether it was written.
    message: tuple[int, int, int, int, int, bytes] | None = None
    is_written = False
    while at < end:
        flags, address, header, size, expiration, *place = _ENTRY.unpack_from(data, at)
        content_at = at + _ENTRY.size
        at = content_at + address + header + size
        if not flags & _SAME:
            content = data[content_at:at]
            message = (flags & ~_REDELIVERED, address, header, size, expiration, content)
            is_written = False
        if is_dead(place[0], place[1]):
            continue
        count += 1
        if is_written:
            parts.append(_ENTRY.pack(flags, 0, 0, 0, expiration, *place))
        else:
            assert message is not None
            is_written = True
            kind, *sizes, content = message
            parts += (_ENTRY.pack(kind | flags & _REDELIVERED, *sizes, *place), content)
    return b"".join(parts), count
