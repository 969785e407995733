"""One client's connection, without I/O: bytes in, calls to the engine; events in, bytes out.

```
receive(data) ─► frames ─► methods ─► engine ─► answers, deliveries ─► take_output()
```

Its parts stand in files of their own: state and output (`connection_base`), opening and closing
(`opening`), frames one at a time (`single_frames`), messages many at a time (`publish_runs`). Here
is the loop over the frames of a buffer.
"""

from __future__ import annotations

from contextlib import suppress
from struct import Struct
from typing import TYPE_CHECKING

from leveret.errors import ChannelClosedByBroker, ConnectionClosedByBroker, FrameError
from leveret.wire.connection_base import State
from leveret.wire.frames import (
    FRAME_HEADER,
    FRAME_METHOD,
    OVERHEAD,
)
from leveret.wire.methods import ACK, PUBLISH
from leveret.wire.publish_runs import PublishRuns
from leveret.wire.texts import describe_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.wire.channel import WireChannel

__all__ = ["ServerConnection", "State"]

#: basic.ack's delivery tag and bits, and the end of its frame; the whole frame's size.
_ACK_FIELDS, _ACK_BYTES = Struct(">QBB"), 21

#: How many bytes of input are worked off before the first look at the clock (some fifty small
#: messages), and before any: each look lets twice as much pass, since what comes is mostly cheap.
_SLICE_BYTES, _SLICE_BYTES_MAX = 4096, 16384


class ServerConnection(PublishRuns):
    """The server's side of one connection.

    `wake` is called with the connection when it has output after having had none. `loopback` says
    that the client is on this machine (`guest` may then log in); `external_user` is the name in
    its certificate. After each `receive`, and whenever `wake` says so, take the output; when
    `finished` is True, close the transport behind it.
    """

    def receive(self, data: bytes, turn_over: Callable[[], bool] | None = None) -> None:
        """Take bytes from the client and do what they say.

        Where `turn_over` says so in the midst of it, the rest is put off: `behind` is then True.
        """
        self.received += len(data)
        if self._deaf:
            return
        at = 0
        if self._rest:
            data, at = self._join(data)
        if self.state is State.PROTOCOL_HEADER:
            if len(data) < 8:
                self._rest = data
                return
            self._protocol_header(data[:8])
            at = 8
        self.behind = False
        if turn_over is None:
            at = self._frames(data, at, len(data))
        else:
            at = self._slices(data, at, turn_over)
        if self.state is not State.CLOSED:
            self._rest = data[at:] if at else data
        for channel in self.confirming:
            channel.engine.flush_confirms()
        if self.blocking and self._addresses and not self.blocked and not self._unfinished():
            self._block_publisher()

    def _join(self, data: bytes) -> tuple[bytes, int]:
        """Put what was left over before what came; return both and the offset to go on at.

        Measured: with bodies of 64 KiB, to join only the message that was cut in two, and not all
        that came behind it, saves a tenth of all time.
        """
        rest, lacks, self._rest, self._lacks = self._rest, self._lacks, b"", 0
        if not 0 < lacks < len(data):
            return rest + data, 0
        message = rest + data[:lacks]
        at = self._frames(message, 0, len(message))
        if at == len(message):
            return data, lacks
        return message[at:] + data[lacks:], 0

    def _unfinished(self) -> bool:
        """Say whether a message has begun to come in and is not whole."""
        return self._rest[7:11] == PUBLISH or any(
            channel.content is not None for channel in self.channels.values()
        )

    def _slices(self, data: bytes, at: int, turn_over: Callable[[], bool]) -> int:
        """Do as `_frames`, until the turn is over."""
        size = _SLICE_BYTES
        while True:
            stop = at + size
            size = min(2 * size, _SLICE_BYTES_MAX)
            at = self._frames(data, at, stop)
            if at < stop:
                return at
            if turn_over():
                self.behind = self.state is not State.CLOSED
                return at

    def _frames(self, data: bytes, at: int, stop: int) -> int:
        """Do what the whole frames in `data` that begin before `stop` say.

        Returns the offset of the first frame that is partial, or begins at or behind `stop`.

        Measured: publishers send the same basic.publish again and again, so the last one's frame
        is compared as bytes before anything is unpacked; and a publish or ack costs a third of
        what it does when its frames go one by one through the general way.
        """
        end = len(data)
        unpack = FRAME_HEADER.unpack_from
        last = min(end - OVERHEAD, stop - 1)
        while True:
            try:
                while at <= last and self.state is not State.CLOSED:
                    if data.startswith(self._last_publish, at):
                        behind = self._publish_again(data, at, stop)
                        if behind > at:
                            at = behind
                            continue
                        if self._is_begun(data, at):
                            return at
                    kind, number, size = unpack(data, at)
                    if size > self._frame_limit:
                        raise self._out_of_step(
                            kind, b"", f"{{frame_too_large,{size},{self._frame_limit - OVERHEAD}}}"
                        )
                    payload_end = at + 7 + size
                    if payload_end >= end:
                        break
                    if data[payload_end] != 0xCE:
                        raise self._out_of_step(
                            kind,
                            data[at + 7 : payload_end],
                            f"{{invalid_frame_end_marker,{data[payload_end]}}}",
                        )
                    payload = data[at + 7 : payload_end]
                    if kind == FRAME_METHOD:
                        channel = self.channels.get(number)
                        if channel is not None and not channel.closing and channel.content is None:
                            if payload.startswith(PUBLISH):
                                self._learn_publish(channel, data[at : payload_end + 1])
                                behind = self._publish_again(data, at, stop)
                                if behind > at:
                                    at = behind
                                    continue
                                if self._is_begun(data, at):
                                    return at
                            elif size == 13 and payload.startswith(ACK):
                                at = self._acks(channel, data, at, stop)
                                continue
                    self._frame(kind, number, payload)
                    at = payload_end + 1
                return at
            except ConnectionClosedByBroker as error:
                self.close(error)
                if self._deaf:
                    return end
                # What follows is read on, though nothing is done any more: the client's close-ok
                # is to be found behind whatever it had sent before. Of a run of publishes, `at` is
                # the first; those that were done are read, and dropped, once more.
                at += OVERHEAD + int.from_bytes(data[at + 3 : at + 7], "big")

    def _out_of_step(self, kind: int, payload: bytes, why: str) -> FrameError:
        """Read nothing any more: where the next frame begins is not known."""
        self._deaf = True
        return FrameError(f"{describe_frame(kind, payload)}: {why}")

    def _acks(self, channel: WireChannel, data: bytes, at: int, stop: int) -> int:
        """Do what basic.ack at `at` says, and those behind it that go on with the next tag.

        Returns the offset behind the last of them. Measured: clients that acknowledge one by one
        send many at a time, and each costs a quarter of what it does alone.
        """
        frame, unpack = data[at : at + 11], _ACK_FIELDS.unpack_from
        first_tag, multiple, _ = unpack(data, at + 11)
        at += _ACK_BYTES
        count = 1
        if not multiple & 1:
            last = min(len(data) - _ACK_BYTES, stop - 1)
            while at <= last and data.startswith(frame, at):
                if unpack(data, at + 11) != (first_tag + count, 0, 0xCE):
                    break
                count += 1
                at += _ACK_BYTES
        with suppress(ChannelClosedByBroker):  # the channel's listener told the client
            if count == 1:
                channel.engine.basic_ack(first_tag, multiple & 1 == 1)
            else:
                channel.engine.ack_each(first_tag, count)
        return at
