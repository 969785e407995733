"""The hot path of input: basic.publish with its content, three frames met in a fixed order."""

from __future__ import annotations

from contextlib import suppress
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING

from leveret.errors import ChannelClosedByBroker, InternalError
from leveret.header import FIXED_SIZES, is_plain, plain_expiration
from leveret.wire.connection_base import NO_PUBLISH
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


class PublishRuns(SingleFrames):
    """Reads messages out of a buffer, as many at a time as can be published together."""

    def _learn_publish(self, channel: WireChannel, frame: bytes) -> None:
        """Remember a basic.publish, since the next one is likely the same, or one seen before."""
        fields = frame[11:-1]
        address = self._addresses.get(fields) or self._learn_address(fields)
        channel.publishes[frame] = address
        self._last_publish = frame
        self._last_channel = channel
        self._last_address = address

    def _publish_again(self, data: bytes, at: int, stop: int) -> int:
        """Publish, as last time, each message whose content is whole and in one body frame or none.

        Only those that begin before `stop`; the run ends where a message is of another channel or
        exchange, or needs a look at its properties. Returns the offset behind what was published;
        `at` where the first is to go the general way.

        Measured: a stream repeats itself, so what stands before the body is first compared, as
        bytes, with the message before; where sizes or keys differ, a message costs twice that, and
        a third of what it does frame by frame.
        """
        channel = self._last_channel
        if channel.closing or channel.content is not None:
            return at
        method, address = self._last_publish, self._last_address
        assert isinstance(method, bytes)
        method_size, end, frame_limit = len(method), len(data), self._frame_limit
        fixed_sizes, publishes = FIXED_SIZES, channel.publishes
        header_head, body_head = channel.header_head, channel.body_head
        unpack_header, unpack_body = _CONTENT_HEADER.unpack_from, _BODY.unpack_from
        contents: list[bytes] = []
        sizes: list[int] = []
        addresses = [address]
        mixed, usual, expiration = False, not address.immediate, b""
        # What the message before had up to its flags, and between its properties and its body.
        shape: bytes | tuple[()] = NO_PUBLISH
        joint, span, shape_size, fixed = b"", 0, 0, False
        header_at = behind = body_at = at
        size = -1
        while at < stop:
            if data.startswith(shape, at):
                behind = at + span
                header_at, body_at, size = at + method_size, behind - shape_size - 8, shape_size
                if (
                    behind > end
                    or data[behind - 1] != 0xCE
                    or not data.startswith(joint, body_at - 1)
                ):
                    break
            else:
                if not data.startswith(method, at):
                    frame = data[at : at + OVERHEAD + int.from_bytes(data[at + 5 : at + 7], "big")]
                    other = publishes.get(frame)
                    if other is None or not contents or not other.goes_with(address):
                        break
                    if not mixed:
                        mixed, addresses = True, addresses * len(contents)
                    method, address, method_size = frame, other, len(frame)
                    shape, size = NO_PUBLISH, -1
                header_at = at + method_size
                size_before = size
                try:
                    head, header_size, class_id, size, flags = unpack_header(data, header_at)
                    body_at = behind = header_at + header_size + OVERHEAD
                    if size:
                        behind = body_at + size + OVERHEAD
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
                    or data[behind - 1] != 0xCE
                ):
                    break
                fixed = fixed_sizes.get(flags) == header_size
                if size == size_before and size > 0:
                    shape, joint = data[at : header_at + 21], data[body_at - 1 : body_at + 7]
                    span, shape_size = behind - at, size
            found = b"" if fixed else plain_expiration(data, header_at + 19, body_at - 1)
            if found is None:
                try:
                    usual = usual and is_plain(data[header_at + 19 : body_at - 1])
                except InternalError:
                    if not contents:
                        raise
                    break
                found = b""
            if not usual:
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
            self._last_publish, self._last_address = method, address
            run = WireRun(channel.number, contents, sizes, addresses, expiration)
            self._publish(channel, run, len(sizes) >= _SHORTEST_RUN or end >= _STREAM_BYTES)
        return at

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
        if end < body_at or (size and end < body_at + _BODY.size):
            return bool(header_size <= self._frame_limit)
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
        message = WireMessage(
            address.exchange,
            address.routing_key,
            address.key,
            channel.number,
            int.from_bytes(data[header_at + 11 : header_at + 19], "big"),
            data[header_at:behind],
            int.from_bytes(data[header_at + 3 : header_at + 7], "big"),
            False,
        )
        with suppress(ChannelClosedByBroker):  # the channel's listener told the client
            channel.engine.publish(message, address.mandatory, address.immediate)
        return behind
