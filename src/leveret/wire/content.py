"""A message kept in the bytes it came in.

A header is decoded only when somebody needs a property: from publish to deliver it is a slice of
what was received. Its flags word says whether a property is there that needs a look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define

from leveret.header import FLAG_DELIVERY_MODE, FLAG_PRIORITY, is_persistent, is_plain
from leveret.queues import EncodedMessage, MessageRun

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from leveret.queues import AnyMessage

__all__ = ["Address", "LargeMessage", "WireMessage", "WireRun"]


@define(eq=False)
class Address:
    """What a basic.publish says, decoded once.

    `key` is exchange and routing key as two short strings, as basic.deliver has them too.
    """

    exchange: str
    routing_key: str
    key: bytes
    mandatory: bool
    immediate: bool


_DELIVERY_MODE = FLAG_DELIVERY_MODE >> 8
#: The flags, of the first octet, of what stands before delivery mode in a header.
_BEFORE_DELIVERY_MODE = 0xE0


class WireMessage(EncodedMessage):
    """A message in the bytes it came in.

    `address` is exchange and routing key as two short strings, as basic.publish and basic.deliver
    both have them. `content` is its header frame and body frame as received on channel number
    `channel`, and `header_size` the bytes of its header's payload. `is_plain` says that publishing
    needs no look at its properties.
    """

    __slots__ = (
        "address",
        "channel",
        "content",
        "exchange",
        "header_size",
        "is_plain",
        "routing_key",
        "size",
    )

    # What a message has only once it was changed, and then it is no WireMessage any more.
    expiration_ms: int | None = None
    extra_keys = ()
    died = False

    def __init__(
        self,
        exchange: str,
        routing_key: str,
        address: bytes,
        channel: int,
        size: int,
        content: bytes,
        header_size: int,
        is_plain: bool,
    ) -> None:
        self.exchange = exchange
        self.routing_key = routing_key
        self.address = address
        self.channel = channel
        self.size = size
        self.content = content
        self.header_size = header_size
        self.is_plain = is_plain

    def with_changes(self, changes: Mapping[str, Any]) -> AnyMessage:
        """Return a copy with some of the fields of `Message` changed."""
        if changes.keys() == {"expiration_ms"} and self.content:
            return ExpiringMessage(self, changes["expiration_ms"])
        return super().with_changes(changes)

    @property
    def header(self) -> bytes:
        """The payload of the content header."""
        return self.content[7 : 7 + self.header_size]

    @property
    def body(self) -> bytes:
        """The body."""
        # header frame, then one body frame: 7 bytes before each payload, 1 behind
        start = self.header_size + 15
        return self.content[start : start + self.size]

    @property
    def is_persistent(self) -> bool:
        """Whether a durable queue keeps it through a restart: delivery mode 2."""
        # Measured: most messages have nothing before delivery mode; to decode it in place takes a
        # fifth of the general way.
        flags = self.content[19]
        if not flags & _BEFORE_DELIVERY_MODE:
            return flags & _DELIVERY_MODE != 0 and self.content[21] == 2
        return is_persistent(self.header)

    @property
    def priority(self) -> int:
        """The `priority` property; absent is 0 (S97)."""
        flags = self.content[19]
        if not flags & (FLAG_PRIORITY >> 8):
            return 0
        if not flags & _BEFORE_DELIVERY_MODE:
            return self.content[22 if flags & _DELIVERY_MODE else 21]
        return self.properties.priority or 0


class ExpiringMessage(WireMessage):
    """A message whose `expiration` was read; all else is as it came."""

    __slots__ = ("expiration_ms",)

    def __init__(self, message: WireMessage, expiration_ms: int) -> None:
        super().__init__(
            message.exchange,
            message.routing_key,
            message.address,
            message.channel,
            message.size,
            message.content,
            message.header_size,
            False,
        )
        self.expiration_ms = expiration_ms


class LargeMessage(WireMessage):
    """A message whose body came in several frames, or is too large to be copied once more."""

    __slots__ = ("_body", "_header")

    def __init__(
        self,
        exchange: str,
        routing_key: str,
        address: bytes,
        header: bytes,
        size: int,
        body: bytes,
    ) -> None:
        super().__init__(
            exchange, routing_key, address, 0, size, b"", len(header), is_plain(header[12:])
        )
        self._header = header
        self._body = body

    @property
    def header(self) -> bytes:
        """The payload of the content header."""
        return self._header

    @property
    def body(self) -> bytes:
        """The body."""
        return self._body

    @property
    def is_persistent(self) -> bool:
        """Whether a durable queue keeps it through a restart: delivery mode 2."""
        return is_persistent(self._header)

    @property
    def priority(self) -> int:
        """The `priority` property; absent is 0 (S97)."""
        return self.properties.priority or 0


class WireRun(MessageRun):
    """Messages in the bytes they came in, published on channel number `channel`.

    `contents` are their header and body frames, as in `WireMessage`. `addresses` has one for each,
    or only one where it is that of all.
    """

    __slots__ = ("addresses", "channel", "contents", "exchange", "expiration", "sizes")

    def __init__(
        self,
        channel: int,
        contents: list[bytes],
        sizes: list[int],
        addresses: list[Address],
        expiration: bytes = b"",
    ) -> None:
        self.exchange = addresses[0].exchange
        self.channel = channel
        self.contents = contents
        self.sizes = sizes
        self.addresses = addresses
        self.expiration = expiration

    @property
    def is_persistent(self) -> bool | None:
        """Whether a durable queue keeps them through a restart; None where it keeps some."""
        # Measured: the messages of a run mostly have their flags and delivery mode in common.
        starts = {content[19:22] for content in self.contents}
        if any(start[0] & _BEFORE_DELIVERY_MODE for start in starts):
            found = {is_persistent(content[7:]) for content in self.contents}
        else:
            found = {start[0] & _DELIVERY_MODE != 0 and start[2] == 2 for start in starts}
        return found.pop() if len(found) == 1 else None

    def address(self, index: int) -> bytes:
        """Return exchange and routing key of one of the messages as two short strings."""
        return self.addresses[index if len(self.addresses) > 1 else 0].key

    def message(self, index: int) -> WireMessage:
        """Return one of the messages as an object of its own."""
        address = self.addresses[index if len(self.addresses) > 1 else 0]
        content = self.contents[index]
        return WireMessage(
            address.exchange,
            address.routing_key,
            address.key,
            self.channel,
            self.sizes[index],
            content,
            int.from_bytes(content[3:7], "big"),
            not self.expiration,
        )

    def routing_keys(self) -> Sequence[str]:
        """Return the routing key of each message, or a single one where all have the same."""
        return [address.routing_key for address in self.addresses]

    def pick(self, indexes: Sequence[int]) -> WireRun:
        """Return a run of some of the messages, in this order."""
        addresses = self.addresses
        if len(addresses) > 1:
            addresses = [addresses[index] for index in indexes]
        contents = [self.contents[index] for index in indexes]
        sizes = [self.sizes[index] for index in indexes]
        return WireRun(self.channel, contents, sizes, addresses, self.expiration)
