"""Frames one at a time: whatever does not take the hot path of input (`connection.py`)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from leveret.errors import (
    ChannelClosedByBroker,
    ChannelError,
    CommandInvalid,
    FrameError,
    NotAllowed,
    ResourceError,
    UnexpectedFrame,
)
from leveret.fields import decode_short_string
from leveret.wire.channel import WireChannel
from leveret.wire.connection_base import State
from leveret.wire.content import Address, LargeMessage
from leveret.wire.dispatch import HANDLERS
from leveret.wire.frames import FRAME_BODY, FRAME_HEADERS, FRAME_HEARTBEAT, FRAME_METHOD
from leveret.wire.methods import PUBLISH, cannot_decode, decode_method
from leveret.wire.opening import ConnectionMethods
from leveret.wire.texts import describe_frame

if TYPE_CHECKING:
    from leveret.wire.methods import MethodCall

__all__ = ["SingleFrames"]

_PUBLISH_IDS = (60, 40, "basic.publish")
_NOT_A_METHOD = "expected method frame, got non method frame instead"
#: What a client does for each message; every other answer says that all before it is durable.
_PROMISE_NOTHING = frozenset(
    {"basic.get", "basic.ack", "basic.nack", "basic.reject", "basic.recover-async"}
)
_SECOND_OPEN = "second 'channel.open' seen"

#: How many different (exchange, routing key) pairs a connection remembers decoded.
_ADDRESSES_KEPT = 4096

#: Messages up to this many bytes do not count as unfinished: all channels together hold little.
_SMALL_MESSAGE = 64 * 1024

#: Parts of a body below this are put together as they come: each by itself takes 40 bytes more.
_SMALL_PART = 4096


class _Content:
    """A basic.publish whose header and body come frame by frame."""

    __slots__ = ("header", "kept", "method", "parts", "remaining", "size")

    def __init__(self, method: bytes) -> None:
        self.method = method
        self.header: bytes | None = None
        self.size = 0
        self.remaining = 0
        self.parts: list[bytes | bytearray] = []
        #: The bytes of header and parts.
        self.kept = 0

    def keep(self, part: bytes) -> None:
        """Keep a part of the body."""
        self.kept += len(part)
        if len(part) >= _SMALL_PART:
            self.parts.append(part)
        elif self.parts and isinstance(last := self.parts[-1], bytearray):
            last += part
        elif part:
            self.parts.append(bytearray(part))


class SingleFrames(ConnectionMethods):
    """What each kind of frame does."""

    def _frame(self, kind: int, number: int, payload: bytes) -> None:
        if self.state is State.CLOSING and (number or kind != FRAME_METHOD):
            return
        if not _is_known(kind, payload):
            raise FrameError(f"{describe_frame(kind, payload)}: unknown_frame")
        if number == 0 and kind == FRAME_METHOD:
            self._connection_method(payload)
        elif number == 0 and kind == FRAME_HEARTBEAT:
            return
        elif number and kind != FRAME_HEARTBEAT and self.state is State.RUNNING:
            self._channel_frame(kind, number, payload)
        else:
            raise UnexpectedFrame(describe_frame(kind, payload))

    def _channel_frame(self, kind: int, number: int, payload: bytes) -> None:
        channel = self.channels.get(number)
        if channel is None:
            self._frame_of_no_channel(kind, number, payload)
        elif channel.content is not None:
            if channel.content.header is None:
                self._content_header(channel, channel.content, kind, payload)
            else:
                self._content_body(channel, channel.content, kind, payload)
        elif kind != FRAME_METHOD:
            raise UnexpectedFrame(_NOT_A_METHOD)
        elif payload.startswith(PUBLISH):
            self._learn_address(payload[4:])
            channel.content = _Content(payload[4:])
        elif channel.closing:
            self._closing_channel_method(channel, decode_method(payload))
        else:
            self._channel_method(channel, decode_method(payload))

    def _frame_of_no_channel(self, kind: int, number: int, payload: bytes) -> None:
        if len(self.channels) >= self.channel_max:
            raise NotAllowed(
                f"number of channels opened ({len(self.channels)}) has reached the negotiated"
                f" channel_max ({self.channel_max})"
            )
        if kind != FRAME_METHOD:
            raise UnexpectedFrame(_NOT_A_METHOD)
        call = decode_method(payload)
        if call.name != "channel.open":
            raise ChannelError("expected 'channel.open'").at(*call.ids, call.name)
        self._open_channel(number)

    def _closing_channel_method(self, channel: WireChannel, call: MethodCall) -> None:
        """Drop what was sent before the client knew that its channel is closed (S123)."""
        if call.name == "channel.close-ok":
            del self.channels[channel.number]
            if channel in self.confirming:
                self.confirming.remove(channel)
        elif call.name == "channel.close":  # both sides close at once
            channel.send("channel.close-ok")
        elif call.name == "channel.open":
            raise ChannelError(_SECOND_OPEN).at(*call.ids, call.name)

    def _open_channel(self, number: int) -> None:
        assert self.engine is not None
        channel = WireChannel(self, number)
        channel.engine = self.engine.channel(number, channel)
        channel.engine.coalesce_confirms = True
        if self._paused:
            channel.engine.pause()
        self.channels[number] = channel
        channel.send("channel.open-ok")

    def _channel_method(self, channel: WireChannel, call: MethodCall) -> None:
        handler = HANDLERS.get(call.name)
        if handler is None:
            if call.name == "channel.open":
                raise ChannelError(_SECOND_OPEN).at(*call.ids, call.name)
            raise CommandInvalid("unimplemented method").at(*call.ids, call.name)
        before = len(self.out)
        with suppress(ChannelClosedByBroker):  # the channel's listener told the client
            handler(channel, call)
        if self.broker.journal is not None and call.name not in _PROMISE_NOTHING:
            self.promise(before)

    def _content_header(
        self, channel: WireChannel, content: _Content, kind: int, payload: bytes
    ) -> None:
        if kind != FRAME_HEADERS or payload[2:4] != b"\0\0":
            raise UnexpectedFrame(
                "expected content header for class 60, got non content header frame instead"
            ).at(*_PUBLISH_IDS)
        class_id = int.from_bytes(payload[:2], "big")
        if class_id != 60:
            raise UnexpectedFrame(
                f"expected content header for class 60, got one for class {class_id} instead"
            ).at(*_PUBLISH_IDS)
        content.header = payload
        content.kept = len(payload)
        content.size = content.remaining = int.from_bytes(payload[4:12], "big")
        if content.size + content.kept > _SMALL_MESSAGE:
            self._check_unfinished()
        self._content_complete(channel, content)

    def _check_unfinished(self) -> None:
        """Refuse more unfinished messages than a client has a use for.

        Raises:
            ResourceError: all channels' together are too large.

        """
        largest = self.broker.profile.max_message_bytes
        contents = [c.content for c in self.channels.values() if c.content is not None]
        expected = sum(c.size for c in contents if c.size <= largest)
        headers = sum(len(c.header) for c in contents if c.header is not None)
        if expected + headers > self.limits.unfinished_max:
            raise ResourceError(
                f"unfinished messages of more than {self.limits.unfinished_max} bytes"
            )

    def _content_body(
        self, channel: WireChannel, content: _Content, kind: int, payload: bytes
    ) -> None:
        content.remaining -= len(payload)
        if kind != FRAME_BODY or content.remaining < 0:
            raise UnexpectedFrame("expected content body, got non content body frame instead").at(
                *_PUBLISH_IDS
            )
        # A body over the limit is refused when it is complete; until then it is not kept.
        if content.size <= self.broker.profile.max_message_bytes and not channel.closing:
            content.keep(payload)
        self._content_complete(channel, content)

    def _content_complete(self, channel: WireChannel, content: _Content) -> None:
        if content.remaining or content.header is None:
            return
        channel.content = None
        if channel.closing:
            return
        fields = content.method
        address = self._addresses.get(fields) or self._learn_address(fields)
        body = b"".join(content.parts)  # one that came in a single frame is not copied
        message = LargeMessage(
            address.exchange, address.routing_key, address.key, content.header, content.size, body
        )
        with suppress(ChannelClosedByBroker):  # the channel's listener told the client
            channel.engine.publish(message, address.mandatory, address.immediate)

    def _learn_address(self, fields: bytes) -> Address:
        """Decode basic.publish's fields behind its ids, and remember them."""
        try:
            exchange, at = decode_short_string(fields, 2)
            routing_key, at = decode_short_string(fields, at)
            if at + 1 != len(fields):
                raise IndexError("bytes missing or left over")
        except IndexError:
            raise cannot_decode(fields).at(*_PUBLISH_IDS) from None
        if len(self._addresses) >= _ADDRESSES_KEPT:
            self._forget_addresses()
        known = self._addresses[fields] = Address(
            exchange, routing_key, fields[2:at], fields[at] & 1 != 0, fields[at] & 2 != 0
        )
        return known


def _is_known(kind: int, payload: bytes) -> bool:
    """Say whether a frame is of a type that there is, and long enough for it."""
    match kind:
        case 1:  # a method has its ids
            return len(payload) >= 4
        case 2:  # a content header has class, weight and body size
            return len(payload) >= 12
        case 3:
            return True
        case _:
            return kind == FRAME_HEARTBEAT and not payload
