"""One client's connection: its state, its output, and its end."""

from __future__ import annotations

import enum
from collections import deque
from typing import TYPE_CHECKING, Any

from leveret.errors import ConnectionClosedByBroker, ConnectionForced
from leveret.wire.frames import HEARTBEAT, OVERHEAD, method_frame
from leveret.wire.limits import Limits
from leveret.wire.texts import short_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.engine.broker import Broker
    from leveret.engine.connection import Connection
    from leveret.errors import AMQPError
    from leveret.wire.channel import WireChannel
    from leveret.wire.content import Address

__all__ = ["NO_PUBLISH", "ConnectionBase", "State"]

#: What no input starts with, whatever a client sends: before the first basic.publish.
NO_PUBLISH: tuple[()] = ()


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


class ConnectionBase:
    """What all the parts of a connection share. Its arguments are those of `ServerConnection`."""

    def __init__(
        self,
        broker: Broker,
        wake: Callable[[Any], None],
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
        #: What is remembered of addresses for the consumers of all channels.
        self.addresses_known = 0
        # Channels in confirm mode, whose confirms are written once a turn.
        self.confirming: list[WireChannel] = []
        self.wake = wake
        self._loopback = loopback
        self._external_user = external_user
        self._anonymous = anonymous
        self._virtual_host = virtual_host
        self._rest = b""
        # How much more makes a message of that, where this is known.
        self._lacks = 0
        # Where a frame was broken, nothing behind it can be read.
        self._deaf = False
        #: Frames not taken yet, in order; whoever adds the first calls `wake`.
        self.out: list[bytes] = []
        # What in `out` promises durability: how many pieces stand before it, and the group that
        # has to be durable before it leaves; in order.
        self._held: deque[tuple[int, int]] = deque()
        self.output_high = self.limits.output_high
        self.output_pieces = self.limits.output_pieces
        #: The largest body that goes in one frame.
        self.body_max = self.frame_max - OVERHEAD
        self._paused = False
        # How many channels were let go on after a pause.
        self._resumed = 0
        self._frame_limit = self.limits.handshake_frame_max
        # The last basic.publish as a frame, its channel, and what it said.
        self._last_publish: bytes | tuple[()] = NO_PUBLISH
        self._last_channel: WireChannel
        self._last_address: Address
        # basic.publish as a whole frame -> what it says; those that can stand in a run with it
        self._last_publishes: dict[bytes, Address]
        # size of properties -> mask and value of what is not a value in them; None where unknown
        self._masks: dict[int, tuple[int, int] | None] = {}
        # basic.publish's fields as received -> what they say
        self._addresses: dict[bytes, Address] = {}

    # -- output

    def write(self, data: bytes) -> None:
        """Put bytes in line for the client."""
        if not self.out:
            self.wake(self)
        self.out.append(data)
        self.unsent += len(data)
        if self.unsent > self.output_high or len(self.out) > self.output_pieces:
            self.pause()

    def write_at(self, place: int, data: bytes) -> None:
        """Put bytes in line before what was written since `out` had so many pieces."""
        self.write(data)
        self.out.insert(place, self.out.pop())

    def pause(self) -> None:
        """Stop deliveries until the client has read some of what waits for it."""
        if not self._paused:
            self._paused = True
            for channel in self.channels.values():
                if not channel.closing:
                    channel.engine.pause()

    def take_output(self) -> list[bytes]:
        """Return what is to be written, in order, and forget it."""
        if not self._held:
            out, self.out = self.out, []
            return out
        count = self._held[0][0]
        out, self.out = self.out[:count], self.out[count:]
        self._held = deque((before - count, group) for before, group in self._held)
        return out

    def promise(self, before: int) -> None:
        """Hold what was written since `out` had so many pieces until all done so far is durable.

        What is written behind it waits too.
        """
        group = self.broker.undurable()
        if group and len(self.out) > before:
            if not self._held:
                self.broker.await_durable(self)
            self._held.append((before, group))

    def release(self, group: int) -> bool:
        """Let go of what waited for the groups up to this one; say whether something waits on."""
        if self._held:
            while self._held and self._held[0][1] <= group:
                self._held.popleft()
            self.wake(self)
        return bool(self._held)

    def output_drained(self, unsent: int = 0) -> None:
        """Take note that the transport holds only `unsent` bytes any more."""
        if self._held:
            unsent += sum(map(len, self.out))
        self.unsent = unsent
        if self._paused and unsent <= self.limits.output_low:
            self._paused = False
            self._resume()

    def _resume(self) -> None:
        """Let channels deliver, one after the other, until they have to pause again.

        The next time begins behind the last, or the first channel would leave the others nothing.
        """
        channels = list(self.channels.values())
        first = self._resumed % len(channels) if channels else 0
        for channel in (*channels[first:], *channels[:first]):
            if self._paused:
                return
            self._resumed += 1
            if not channel.closing:
                channel.engine.resume()

    def kept_bytes(self) -> int:
        """Return what waits for the client, and what has come of messages that are not whole."""
        kept = self.unsent
        for channel in self.channels.values():
            if channel.content is not None:
                kept += channel.content.kept
        return kept

    @property
    def finished(self) -> bool:
        """Whether the transport is to be closed once the output is written."""
        return self.state is State.CLOSED and not self._held

    def heartbeat(self) -> None:
        """Write a heartbeat, so that the client knows the connection lives."""
        if self.state is not State.RUNNING:
            return
        if not self._held:
            self.write(HEARTBEAT)
            return
        self.out.insert(self._held[0][0], HEARTBEAT)  # a disk that is slow is no reason to part
        self._held = deque((before + 1, group) for before, group in self._held)
        self.wake(self)

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
        self._last_publish = NO_PUBLISH
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
        self._forget_addresses()
        self._last_publish = NO_PUBLISH

    def _forget_addresses(self) -> None:
        self._addresses.clear()
        for channel in self.channels.values():
            channel.publishes.clear()

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
