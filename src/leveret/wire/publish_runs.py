"""The hot path of input: basic.publish with its content, three frames met in a fixed order."""

from __future__ import annotations

from contextlib import suppress
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING

from leveret.errors import ChannelClosedByBroker, InternalError
from leveret.header import (
    FIXED_SIZES,
    FLAG_HEADERS,
    LARGEST_KEPT,
    is_plain,
    plain_expiration,
    property_mask,
)
from leveret.wire.content import WireMessage, WireRun
from leveret.wire.frames import OVERHEAD
from leveret.wire.single_frames import SingleFrames

if TYPE_CHECKING:
    from leveret.wire.channel import WireChannel

__all__ = ["PublishRuns"]

#: Frame type and channel, size, then class id and weight in one, body size and flags.
_CONTENT_HEADER = Struct(">3sIIQH")

#: Frame type and channel, size.
_BODY = Struct(">3sI")

#: Class 60, weight 0.
_BASIC_CONTENT = 60 << 16

#: One or two messages are cheaper alone than as a run, but where they are all that came: those at
#: the edges of a stream go with it.
_SHORTEST_RUN, _STREAM_BYTES = 3, 2048

#: A header larger than this is not waited for: it counts as unfinished, as single frames do.
_LARGEST_AWAITED = 4096

#: Of a headers table, in the first octet of flags.
_HEADERS = FLAG_HEADERS >> 8

#: For how many sizes of properties their structure is remembered.
_MASKS_KEPT = 256


class PublishRuns(SingleFrames):
    """Reads messages out of a buffer, as many at a time as can be published together."""

    def _learn_publish(self, channel: WireChannel, frame: bytes) -> None:
        """Remember a basic.publish, since the next one is likely the same, or one seen before."""
        fields = frame[11:-1]
        address = self._addresses.get(fields) or self._learn_address(fields)
        group = (address.exchange, address.mandatory, address.immediate)
        self._last_publishes = channel.publishes.setdefault(group, {})
        self._last_publishes[frame] = address
        self._last_publish = frame
        self._last_channel = channel
        self._last_address = address

    def _publish_again(self, data: bytes, at: int, stop: int) -> int:
        """Publish, as last time, each message whose content is whole and in one body frame or none.

        Only those that begin before `stop`; the run ends where a message is of another channel or
        exchange, or needs a look at its properties. Returns the offset behind what was published;
        `at` where the first is to go the general way.

        Measured: a stream repeats itself, so what stands before the properties is first compared,
        as bytes, with the message before; where sizes or keys differ, a message costs two or three
        times that, and a third of what it does frame by frame.
        """
        channel, address, method = self._last_channel, self._last_address, self._last_publish
        if channel.closing or channel.content is not None:
            return at
        assert isinstance(method, bytes)
        method_size, end, frame_limit = len(method), len(data), self._frame_limit
        fixed_sizes, publishes = FIXED_SIZES, self._last_publishes
        header_head, body_head = channel.header_head, channel.body_head
        unpack_header, unpack_body = _CONTENT_HEADER.unpack_from, _BODY.unpack_from
        contents: list[bytes] = []
        sizes: list[int] = []
        addresses, mixed, expiration = [address], False, b""
        # A message before, up to its flags; what stood between its properties and its body; its
        # size, with its body's, and whether its properties need no look, whatever they are.
        shape, joint, span, shape_size, shape_fixed = b"", b"", 0, 0, False
        header_at = behind = at
        size = -1
        while at < stop:
            if shape and data.startswith(shape, at):
                behind, size, fixed = at + span, shape_size, shape_fixed
                header_at, body_at = at + method_size, behind - size - OVERHEAD
                if behind > end or not data.startswith(joint, body_at - 1):
                    break
            else:
                if not data.startswith(method, at):
                    frame = data[at : at + method_size]
                    other = publishes.get(frame)
                    if other is None:
                        method_size = OVERHEAD + int.from_bytes(data[at + 5 : at + 7], "big")
                        frame = data[at : at + method_size]
                        other = publishes.get(frame)
                        if other is None or not contents:
                            break
                    if not mixed:
                        mixed, addresses = True, addresses * len(contents)
                    method, address, shape, size = frame, other, b"", -1
                header_at, size_before = at + method_size, size
                try:
                    head, header_size, class_id, size, flags = unpack_header(data, header_at)
                    body_at = behind = header_at + header_size + OVERHEAD
                    if size:
                        behind += size + OVERHEAD
                        if behind > end or unpack_body(data, body_at) != (body_head, size):
                            break
                except StructError:  # the buffer ends here
                    break
                if (
                    head != header_head
                    or class_id != _BASIC_CONTENT
                    or behind > end
                    or size > frame_limit
                    or data[body_at - 1] != 0xCE
                ):
                    break
                fixed = fixed_sizes.get(flags) == header_size
                if size == size_before and size > 0:
                    shape, joint = data[at : header_at + 21], data[body_at - 1 : body_at + 7]
                    span, shape_size, shape_fixed = behind - at, size, fixed
            if data[behind - 1] != 0xCE:
                break
            found = b"" if fixed else self._expiration(data, header_at + 19, body_at - 1)
            if found is None or address.immediate:
                if not contents:
                    return self._publish_one(data, header_at, behind)
                break
            if found != expiration:
                if contents:
                    break
                expiration = found
            contents.append(data[header_at:behind])
            sizes.append(size)
            if mixed:
                addresses.append(address)
            at = behind
        if contents:
            run = WireRun(channel.number, contents, sizes, addresses, expiration)
            self._publish(channel, run, len(sizes) >= _SHORTEST_RUN or end >= _STREAM_BYTES)
        return at

    def _expiration(self, data: bytes, at: int, end: int) -> bytes | None:
        """Return the expiration, or nothing, of properties that need no other look, else None.

        Measured: a stream repeats the headers that its messages have, and their sizes, so those
        seen before, but for their values, are told by one operation on large integers; to walk over
        a table of three takes four times as long.
        """
        tables = data[at] & _HEADERS
        known = self._masks.get(end - at) if tables else None
        if known is not None and int.from_bytes(data[at:end], "big") & known[0] == known[1]:
            return b""
        found = plain_expiration(data, at, end)
        if found is None:
            try:
                return b"" if is_plain(data[at:end]) else None
            except InternalError:
                return None
        if tables and not found and end - at <= LARGEST_KEPT:
            if len(self._masks) >= _MASKS_KEPT:
                self._masks.clear()
            # Where sizes alternate, what is learnt does not last: then every other time is enough.
            first = end - at in self._masks and known is None
            self._masks[end - at] = property_mask(data[at:end]) if first else None
        return found

    def _is_begun(self, data: bytes, at: int) -> bool:
        """Say whether the last publish's like stands at `at`, whole but for what is still to come.

        Such a message waits for the rest: it would cost ten times as much frame by frame. One with
        its body in several frames does not.
        """
        channel, end = self._last_channel, len(data)
        if (
            channel.closing
            or channel.content is not None
            or not data.startswith(self._last_publish, at)
        ):
            return False
        header_at = at + len(self._last_publish)
        if end < header_at + _CONTENT_HEADER.size:
            return data.startswith(channel.header_head[: end - header_at], header_at)
        head, header_size, class_id, size, _ = _CONTENT_HEADER.unpack_from(data, header_at)
        body_at = header_at + header_size + OVERHEAD
        if head != channel.header_head or class_id != _BASIC_CONTENT or size > self._frame_limit:
            return False
        self._lacks = body_at + size + OVERHEAD - end if size else 0
        if end < body_at or (size and end < body_at + _BODY.size):
            return bool(header_size <= _LARGEST_AWAITED)
        if not size or end >= body_at + size + OVERHEAD:
            return False
        return _BODY.unpack_from(data, body_at) == (channel.body_head, size)

    def _publish(self, channel: WireChannel, run: WireRun, together: bool) -> None:
        mandatory = run.addresses[0].mandatory
        with suppress(ChannelClosedByBroker):  # the channel's listener told the client
            if together:
                channel.engine.publish_run(run, mandatory)
                return
            for index in range(len(run)):
                channel.engine.publish(run.message(index), mandatory)

    def _publish_one(self, data: bytes, header_at: int, behind: int) -> int:
        """Publish one message whose properties need a look; return the offset behind it."""
        channel, address = self._last_channel, self._last_address
        header_size = int.from_bytes(data[header_at + 3 : header_at + 7], "big")
        is_plain(data[header_at + 19 : header_at + 7 + header_size])  # or it says what is wrong
        message = WireMessage(
            address.exchange,
            address.routing_key,
            address.key,
            channel.number,
            int.from_bytes(data[header_at + 11 : header_at + 19], "big"),
            data[header_at:behind],
            header_size,
            False,
        )
        with suppress(ChannelClosedByBroker):  # the channel's listener told the client
            channel.engine.publish(message, address.mandatory, address.immediate)
        return behind
