"""One client's connection, without I/O: bytes in, calls to the engine; events in, bytes out.

```
receive(data) ─► frames ─► methods ─► engine ─► answers, deliveries ─► take_output()
```

The states are those of AMQP 0-9-1 section 2.2.4. The hot path is basic.publish with its content in
one buffer: three frames met in a fixed order, taken as slices, nothing decoded.
"""

from __future__ import annotations

import enum
from contextlib import suppress
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Any

from leveret.errors import (
    ChannelClosedByBroker,
    ChannelError,
    CommandInvalid,
    ConnectionClosedByBroker,
    ConnectionForced,
    FrameError,
    NotAllowed,
    ResourceError,
    UnexpectedFrame,
)
from leveret.fields import decode_short_string
from leveret.header import FIXED_SIZES, is_plain
from leveret.wire.channel import WireChannel
from leveret.wire.content import LargeMessage, WireMessage
from leveret.wire.dispatch import HANDLERS
from leveret.wire.frames import (
    FRAME_BODY,
    FRAME_HEADER,
    FRAME_HEADERS,
    FRAME_HEARTBEAT,
    FRAME_METHOD,
    HEARTBEAT,
    OVERHEAD,
    PROTOCOL_HEADER,
    PROTOCOL_HEADER_0_9,
    method_frame,
)
from leveret.wire.handshake import authenticate, mechanisms, server_properties
from leveret.wire.limits import Limits
from leveret.wire.methods import MethodCall, cannot_decode, decode_method
from leveret.wire.texts import describe_frame, short_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.engine.broker import Broker
    from leveret.engine.connection import Connection
    from leveret.errors import AMQPError

__all__ = ["ServerConnection", "State"]

_PUBLISH = b"\x00\x3c\x00\x28"
_ACK = b"\x00\x3c\x00\x50"
_CLOSE = b"\x00\x0a\x00\x32"
_CLOSE_OK = b"\x00\x0a\x00\x33"

_PUBLISH_IDS = (60, 40, "basic.publish")
_NOT_A_METHOD = "expected method frame, got non method frame instead"
_SECOND_OPEN = "second 'channel.open' seen"

#: What no input starts with, whatever a client sends: before the first basic.publish.
_NO_PUBLISH: tuple[()] = ()

#: The frame header of a content header, then class id and weight in one, body size and flags.
_CONTENT_HEADER = Struct(">BHIIQH")

#: Class 60, weight 0.
_BASIC_CONTENT = 60 << 16

#: How many different (exchange, routing key) pairs a connection remembers decoded.
_ADDRESSES_KEPT = 4096

#: How many bytes of input are worked off before the first look at the clock (some fifty small
#: messages), and before any: each look lets twice as much pass, since what comes is mostly cheap.
_SLICE_BYTES, _SLICE_BYTES_MAX = 4096, 16384

#: Bodies of at most this many bytes do not count as unfinished: all channels together hold little.
_SMALL_BODY = 64 * 1024


class State(enum.Enum):
    """Where a connection stands."""

    PROTOCOL_HEADER = enum.auto()
    START = enum.auto()
    TUNE = enum.auto()
    OPEN = enum.auto()
    RUNNING = enum.auto()
    #: connection.close was sent; only connection.close-ok is awaited.
    CLOSING = enum.auto()
    CLOSED = enum.auto()


#: The states as RabbitMQ calls them.
_STATE_NAMES = {
    State.START: "starting",
    State.TUNE: "tuning",
    State.OPEN: "opening",
    State.RUNNING: "running",
}


class _Content:
    """A basic.publish whose header and body come frame by frame."""

    __slots__ = ("header", "method", "parts", "remaining", "size")

    def __init__(self, method: bytes) -> None:
        self.method = method
        self.header: bytes | None = None
        self.size = 0
        self.remaining = 0
        self.parts: list[bytes] = []


class ServerConnection:
    """The server's side of one connection.

    `wake` is called with the connection when it has output after having had none. `loopback` says
    that the client is on this machine (`guest` may then log in); `external_user` is the name in
    its certificate. After each `receive`, and whenever `wake` says so, take the output; when
    `finished` is True, close the transport behind it.
    """

    def __init__(
        self,
        broker: Broker,
        wake: Callable[[ServerConnection], None],
        *,
        limits: Limits | None = None,
        loopback: bool = True,
        external_user: str | None = None,
        anonymous: bool = False,
        virtual_host: str | None = None,
    ) -> None:
        self.broker = broker
        self.limits = limits or Limits()
        self.state = State.PROTOCOL_HEADER
        self.frame_max = self.limits.frame_max
        self.channel_max = self.limits.channel_max
        self.heartbeat_s = 0
        self.user = ""
        self.client_properties: dict[str, Any] = {}
        #: Why the client was sent away, for the log; empty while it was not.
        self.reason = ""
        self.login_refused = False
        #: The turn was over before all that was received was worked off: call `receive(b"")`.
        self.behind = False
        #: Why publishers are to stop, and whether this client is one: it must not be read (S125).
        self.blocking = ""
        self.blocked = False
        self.unsent = 0
        self.received = 0
        self.engine: Connection | None = None
        self.channels: dict[int, WireChannel] = {}
        # Channels in confirm mode, whose confirms are written once a turn.
        self.confirming: list[WireChannel] = []
        self.wake = wake
        self._loopback = loopback
        self._external_user = external_user
        self._anonymous = anonymous
        self._virtual_host = virtual_host
        self._rest = b""
        # Where a frame was broken, nothing behind it can be read.
        self._deaf = False
        #: Frames not taken yet, in order; whoever adds the first calls `wake`.
        self.out: list[bytes] = []
        self.output_high = self.limits.output_high
        #: The largest body that goes in one frame.
        self.body_max = self.frame_max - OVERHEAD
        self._paused = False
        self._frame_limit = self.limits.handshake_frame_max
        # The last basic.publish as a frame, its channel, and what it said.
        self._last_publish: bytes | tuple[()] = _NO_PUBLISH
        self._last_channel: WireChannel
        self._last_address: tuple[str, str, bytes, int]
        # basic.publish's fields as received -> exchange, routing key, address, flags
        self._addresses: dict[bytes, tuple[str, str, bytes, int]] = {}

    # -- output

    def write(self, data: bytes) -> None:
        """Put bytes in line for the client."""
        if not self.out:
            self.wake(self)
        self.out.append(data)
        self.unsent += len(data)
        if self.unsent > self.output_high:
            self.pause()

    def pause(self) -> None:
        """Stop deliveries until the client has read some of what waits for it."""
        if not self._paused:
            self._paused = True
            for channel in self.channels.values():
                if not channel.closing:
                    channel.engine.pause()

    def take_output(self) -> list[bytes]:
        """Return what is to be written, in order, and forget it."""
        out, self.out = self.out, []
        return out

    def output_drained(self, unsent: int = 0) -> None:
        """Take note that the transport holds only `unsent` bytes any more."""
        self.unsent = unsent
        if self._paused and unsent <= self.limits.output_low:
            self._paused = False
            for channel in list(self.channels.values()):
                if not channel.closing:
                    channel.engine.resume()

    @property
    def finished(self) -> bool:
        """Whether the transport is to be closed once the output is written."""
        return self.state is State.CLOSED

    def heartbeat(self) -> None:
        """Write a heartbeat, so that the client knows the connection lives."""
        if self.state is State.RUNNING:
            self.write(HEARTBEAT)

    # -- the end

    def lost(self) -> None:
        """Take note that the transport is gone."""
        self.state = State.CLOSED
        if self.engine is not None:
            self.engine.close()

    def close(self, error: ConnectionClosedByBroker) -> None:
        """Tell the client that the broker closes the connection, and why."""
        if self.state in (State.CLOSING, State.CLOSED):
            return
        self.reason = str(error)
        if self.state in (State.PROTOCOL_HEADER, State.START, State.TUNE):
            # RabbitMQ says nothing to a client that it does not know yet.
            self._finish()
            return
        self._say_closed(error)
        if self.engine is not None:
            self.engine.terminate(error)
        self.broker.settle()

    def _ended(self, error: AMQPError | None) -> None:
        """Take note that the engine ended the connection, and tell a client that did not ask."""
        if self.state is State.RUNNING:
            if not isinstance(error, ConnectionClosedByBroker):
                error = ConnectionForced("the connection was closed by the broker")
            self.reason = str(error)
            self._say_closed(error)

    def _say_closed(self, error: ConnectionClosedByBroker) -> None:
        self.state = State.CLOSING
        self._last_publish = _NO_PUBLISH
        self.channels.clear()
        self.confirming.clear()
        self._send(
            "connection.close",
            reply_code=error.reply_code,
            reply_text=short_text(error.reply_text if error.text else error.reply_name),
            class_id=error.class_id,
            method_id=error.method_id,
        )

    def block(self, reason: str) -> None:
        """Stop the client at its next publish, which still passes (S125)."""
        self.blocking = reason
        self._addresses.clear()
        self._last_publish = _NO_PUBLISH

    def unblock(self) -> None:
        """Let the client publish again."""
        self.blocking = ""
        if self.blocked:
            self.blocked = False
            if self.state is State.RUNNING and self._capable("connection.blocked"):
                self._send("connection.unblocked")

    def _block_publisher(self) -> None:
        self.blocked = True
        if self._capable("connection.blocked"):
            self._send("connection.blocked", reason=self.blocking)

    def _capable(self, capability: str) -> bool:
        capabilities = self.client_properties.get("capabilities")
        return isinstance(capabilities, dict) and capabilities.get(capability) is True

    def _finish(self) -> None:
        self.state = State.CLOSED
        if not self.out:
            self.wake(self)

    def _send(self, name: str, **values: Any) -> None:
        self.write(method_frame(0, name, **values))

    # -- input

    def receive(self, data: bytes, turn_over: Callable[[], bool] | None = None) -> None:
        """Take bytes from the client and do what they say.

        Where `turn_over` says so in the midst of it, the rest is put off: `behind` is then True.
        """
        self.received += len(data)
        if self._deaf:
            return
        if self._rest:
            data = self._rest + data
            self._rest = b""
        at = 0
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

    def _unfinished(self) -> bool:
        """Say whether a message has begun to come in and is not whole."""
        return any(channel.content is not None for channel in self.channels.values())

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
                        behind = self._publish_again(data, at, end, stop)
                        if behind > at:
                            at = behind
                            continue
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
                            if payload.startswith(_PUBLISH):
                                self._learn_publish(channel, data[at : payload_end + 1])
                                behind = self._publish_again(data, at, end, stop)
                                if behind > at:
                                    at = behind
                                    continue
                            elif size == 13 and payload.startswith(_ACK):
                                self._ack(channel, payload)
                                at = payload_end + 1
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

    def _learn_publish(self, channel: WireChannel, frame: bytes) -> None:
        """Remember a basic.publish, since the next one is likely the same."""
        fields = frame[11:-1]
        self._last_address = self._addresses.get(fields) or self._learn_address(fields)
        self._last_publish = frame
        self._last_channel = channel

    def _publish_again(self, data: bytes, at: int, end: int, stop: int) -> int:
        """Publish, as last time, each message whose content is whole and in one body frame or none.

        Only those that begin before `stop`.

        Returns the offset behind the last of them; `at` where it is to go the general way.
        """
        channel = self._last_channel
        if channel.closing or channel.content is not None:
            return at
        publish = channel.engine.publish
        exchange, routing_key, address, flags = self._last_address
        mandatory, immediate = flags & 1 != 0, flags & 2 != 0
        number = channel.number
        method = self._last_publish
        method_size = len(method)
        frame_limit, fixed_sizes = self._frame_limit, FIXED_SIZES
        unpack_header, unpack = _CONTENT_HEADER.unpack_from, FRAME_HEADER.unpack_from
        while at < stop and data.startswith(method, at):
            header_at = at + method_size
            try:
                kind, header_number, header_size, class_id, size, flags_word = unpack_header(
                    data, header_at
                )
            except StructError:  # the buffer ends here
                return at
            body_at = behind = header_at + header_size + OVERHEAD
            if (
                kind != FRAME_HEADERS
                or header_number != number
                or class_id != _BASIC_CONTENT
                or body_at > end
                or size > frame_limit
            ):
                return at
            if size:
                behind = body_at + size + OVERHEAD
                if behind > end:
                    return at
                kind, body_number, body_size = unpack(data, body_at)
                if kind != FRAME_BODY or body_number != number or body_size != size:
                    return at
            if data[body_at - 1] != 0xCE or data[behind - 1] != 0xCE:
                return at
            plain = fixed_sizes.get(flags_word) == header_size or is_plain(
                data[header_at + 19 : body_at - 1]
            )
            message = WireMessage(
                exchange,
                routing_key,
                address,
                number,
                size,
                data[header_at:behind],
                header_size,
                plain,
            )
            at = behind
            try:
                publish(message, mandatory, immediate)
            except ChannelClosedByBroker:
                return at  # the channel's listener told the client
        return at

    def _ack(self, channel: WireChannel, payload: bytes) -> None:
        with suppress(ChannelClosedByBroker):  # the channel's listener told the client
            channel.engine.basic_ack(int.from_bytes(payload[4:12], "big"), payload[12] & 1 == 1)

    def _learn_address(self, fields: bytes) -> tuple[str, str, bytes, int]:
        """Decode basic.publish's fields behind its ids, and remember them."""
        try:
            exchange, at = decode_short_string(fields, 2)
            routing_key, at = decode_short_string(fields, at)
            if at + 1 != len(fields):
                raise IndexError("bytes missing or left over")
        except IndexError:
            raise cannot_decode(fields).at(*_PUBLISH_IDS) from None
        if len(self._addresses) >= _ADDRESSES_KEPT:
            self._addresses.clear()
        known = self._addresses[fields] = (exchange, routing_key, fields[2:at], fields[at])
        return known

    # -- frames, the general way

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
        elif payload.startswith(_PUBLISH):
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
            raise ChannelError("expected 'channel.open'").at(*_ids(call), call.name)
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
            raise ChannelError(_SECOND_OPEN).at(*_ids(call), call.name)

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
                raise ChannelError(_SECOND_OPEN).at(*_ids(call), call.name)
            raise CommandInvalid("unimplemented method").at(*_ids(call), call.name)
        with suppress(ChannelClosedByBroker):  # the channel's listener told the client
            handler(channel, call)

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
        content.size = content.remaining = int.from_bytes(payload[4:12], "big")
        if content.size > _SMALL_BODY:
            self._check_unfinished()
        self._content_complete(channel, content)

    def _check_unfinished(self) -> None:
        """Refuse more unfinished bodies than a client has a use for.

        Raises:
            ResourceError: all channels' together are too large.

        """
        largest = self.broker.profile.max_message_bytes
        sizes = [c.content.size for c in self.channels.values() if c.content is not None]
        if sum(size for size in sizes if size <= largest) > self.limits.unfinished_max:
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
            content.parts.append(payload)
        self._content_complete(channel, content)

    def _content_complete(self, channel: WireChannel, content: _Content) -> None:
        if content.remaining or content.header is None:
            return
        channel.content = None
        if channel.closing:
            return
        fields = content.method
        exchange, routing_key, address, flags = self._addresses.get(fields) or self._learn_address(
            fields
        )
        body = content.parts[0] if len(content.parts) == 1 else b"".join(content.parts)
        message = LargeMessage(exchange, routing_key, address, content.header, content.size, body)
        with suppress(ChannelClosedByBroker):  # the channel's listener told the client
            channel.engine.publish(message, bool(flags & 1), bool(flags & 2))

    # -- the connection's own methods

    def _protocol_header(self, header: bytes) -> None:
        if header not in (PROTOCOL_HEADER, PROTOCOL_HEADER_0_9):
            self.reason = f"bad protocol header {header!r}"
            self.write(PROTOCOL_HEADER)
            self._finish()
            return
        self.state = State.START
        self._send(
            "connection.start",
            version_major=0,
            version_minor=9,
            server_properties=server_properties(self.broker),
            mechanisms=self._mechanisms().encode(),
            locales=b"en_US",
        )

    def _mechanisms(self) -> str:
        return mechanisms(external=self._external_user is not None, anonymous=self._anonymous)

    def _connection_method(self, payload: bytes) -> None:
        if self.state is State.CLOSING:
            # The client may not know yet; only these two say anything any more.
            if payload.startswith(_CLOSE):
                self._client_closes()
            elif payload.startswith(_CLOSE_OK):
                self._finish()
            return
        call = decode_method(payload)
        awaited = _CONNECTION_METHODS.get(call.name)
        if awaited is None or awaited[0] is not self.state:
            raise ChannelError(
                f"unexpected method in connection state {_STATE_NAMES[self.state]}"
            ).at(*_ids(call), call.name)
        awaited[1](self, call)

    def _update_secret(self, call: MethodCall) -> None:
        self._send("connection.update-secret-ok")

    def _client_closes(self, call: MethodCall | None = None) -> None:
        self.state = State.CLOSING
        if self.engine is not None:
            self.engine.close()
        self.channels.clear()
        self.confirming.clear()
        self._send("connection.close-ok")
        self._finish()

    def _start_ok(self, call: MethodCall) -> None:
        self.client_properties = call.client_properties
        mechanism = call.mechanism
        if mechanism not in self._mechanisms().split():
            raise CommandInvalid(f"unknown authentication mechanism '{mechanism}'")
        user = authenticate(
            self.broker, mechanism, call.response, external_user=self._external_user
        )
        if user == "guest" and not self._loopback:
            user = None
            self.reason = "user 'guest' can only connect via localhost"
        if user is None:
            self._refuse_login(mechanism)
            return
        self.user = user
        self.state = State.TUNE
        self._frame_limit = self.limits.frame_max
        self._send(
            "connection.tune",
            channel_max=self.limits.channel_max,
            frame_max=self.limits.frame_max,
            heartbeat=self.limits.heartbeat_s,
        )

    def _refuse_login(self, mechanism: str) -> None:
        """Send a client away whose login is refused, with the reason where it reads one (S120)."""
        self.login_refused = True
        self.reason = self.reason or f"login refused using mechanism {mechanism}"
        if self._capable("authentication_failure_close"):
            self._send(
                "connection.close",
                reply_code=403,
                reply_text="ACCESS_REFUSED - Login was refused using authentication mechanism"
                f" {mechanism}. For details see the broker logfile.",
            )
            self.state = State.CLOSING
        else:
            self._finish()

    def _tune_ok(self, call: MethodCall) -> None:
        # From here on an error is told: RabbitMQ has its text for these, and then drops the client.
        self.state = State.OPEN
        limits = self.limits
        frame_max = _negotiated(
            "frame_max", call.frame_max, self.broker.profile.frame_min_bytes, limits.frame_max
        )
        self.channel_max = _negotiated("channel_max", call.channel_max, 1, limits.channel_max)
        self.frame_max = frame_max
        self.body_max = frame_max - OVERHEAD
        # RabbitMQ tolerates a frame up to 8 bytes over the limit (S122): payloads of `frame_max`.
        self._frame_limit = frame_max
        self.heartbeat_s = call.heartbeat

    def _open(self, call: MethodCall) -> None:
        self.engine = self.broker.connect(self._virtual_host or call.virtual_host, self.user)
        self.engine.on_closed = self._ended
        self.engine.cancel_notify = self._capable("consumer_cancel_notify")
        self.state = State.RUNNING
        self._send("connection.open-ok")


#: Method -> the state in which it is awaited, and what it does (AMQP 0-9-1 section 2.2.4).
_CONNECTION_METHODS: dict[str, tuple[State, Callable[[ServerConnection, MethodCall], None]]] = {
    "connection.start-ok": (State.START, ServerConnection._start_ok),
    "connection.tune-ok": (State.TUNE, ServerConnection._tune_ok),
    "connection.open": (State.OPEN, ServerConnection._open),
    "connection.update-secret": (State.RUNNING, ServerConnection._update_secret),
    "connection.close": (State.RUNNING, ServerConnection._client_closes),
}


def _ids(call: MethodCall) -> tuple[int, int]:
    return call.spec.class_id, call.spec.method_id


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


def _negotiated(name: str, asked: int, least: int, most: int) -> int:
    """Return a limit that the client asks for (S122); 0 would be none.

    Raises:
        NotAllowed: it is not within what the server grants.

    """
    if asked and asked < least:
        text = f"negotiated {name} = {asked} is lower than the minimum allowed value ({least})"
    elif asked == 0 or asked > most:
        text = f"negotiated {name} = {asked} is higher than the maximum allowed value ({most})"
    else:
        return asked
    raise NotAllowed(text).at(10, 30, "connection.tune")
