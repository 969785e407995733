"""A client that speaks in frames: to leveret's state machine in memory, or to a server."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from typing import TYPE_CHECKING, Any, Protocol

from attrs import define, field
from pika import spec

from leveret.wire import Limits, ServerConnection
from raw_amqp.frames import PROTOCOL_HEADER, Frame, lines, method, split

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.engine.broker import Broker

__all__ = ["CLIENT_PROPERTIES", "InMemoryPeer", "Peer", "SocketPeer", "start_ok"]

#: What clients say they can do: all of it.
CLIENT_PROPERTIES: dict[str, Any] = {
    "product": "raw_amqp",
    "capabilities": {
        "authentication_failure_close": True,
        "basic.nack": True,
        "connection.blocked": True,
        "consumer_cancel_notify": True,
        "publisher_confirms": True,
    },
}

#: How long a server may take to send what is waited for, and to send what is not, in seconds.
PATIENCE_S = 5.0
GRACE_S = 0.02


class Peer(Protocol):
    """A client's side of one connection."""

    @property
    def dropped(self) -> bool:
        """Whether the server closed the transport."""
        ...

    def send(self, *data: bytes) -> None:
        """Send bytes."""
        ...

    def frames(self) -> list[Frame]:
        """Return what was received since the last look."""
        ...


def start_ok(
    mechanism: str = "PLAIN",
    response: bytes = b"\0guest\0guest",
    properties: dict[str, Any] | None = None,
) -> bytes:
    """Return connection.start-ok."""
    call = spec.Connection.StartOk(
        client_properties=CLIENT_PROPERTIES if properties is None else properties,
        mechanism=mechanism,
        response=response.decode("latin-1"),
    )
    return method(0, call)


class _Talk:
    """What both kinds of client do alike."""

    def login(
        self: Any,
        virtual_host: str = "/",
        frame_max: int = 131_072,
        heartbeat: int = 0,
        channel_max: int = 2047,
        properties: dict[str, Any] | None = None,
        response: bytes = b"\0guest\0guest",
        channels: tuple[int, ...] = (),
    ) -> Any:
        """Go from nothing to an open connection with these channels; return the peer."""
        tune_ok = spec.Connection.TuneOk(channel_max, frame_max, heartbeat)
        for data, answers in (
            (PROTOCOL_HEADER, 1),
            (start_ok(properties=properties, response=response), 1),
            (method(0, tune_ok) + method(0, spec.Connection.Open(virtual_host)), 1),
        ):
            self.send(data)
            self.expect(answers)
        for number in channels:
            self.send(method(number, spec.Channel.Open()))
            self.expect(1)
        return self

    def call(self: Any, channel: int, call: Any) -> list[str]:
        """Send a method; return the lines received."""
        self.send(method(channel, call))
        return lines(self.frames())

    def lines(self: Any) -> list[str]:
        """Return what was received since the last look, as text."""
        return lines(self.frames())


@define(eq=False, slots=False)
class InMemoryPeer(_Talk):
    """A client of a `ServerConnection`, without any socket."""

    broker: Broker
    limits: Limits | None = None
    options: dict[str, Any] = field(factory=dict)
    #: How many bytes at a time the server receives; 0 is all.
    piece_bytes: int = 0
    connection: ServerConnection = field(init=False)
    received: bytearray = field(factory=bytearray, init=False)
    wakes: int = field(default=0, init=False)
    _rest: bytes = field(default=b"", init=False)

    def __attrs_post_init__(self) -> None:
        self.connection = ServerConnection(
            self.broker, self._woken, limits=self.limits, **self.options
        )

    def _woken(self, connection: ServerConnection) -> None:
        self.wakes += 1

    @property
    def dropped(self) -> bool:
        """Whether the server closes the transport."""
        return self.connection.finished

    def send(self, *data: bytes) -> None:
        """Send bytes, all at once or in pieces; what comes behind the end is lost."""
        whole = b"".join(data)
        size = self.piece_bytes or len(whole)
        for at in range(0, len(whole), size or 1):
            if not self.dropped:
                self.connection.receive(whole[at : at + size])

    def output(self) -> bytes:
        """Return the bytes received since the last look."""
        data = b"".join(self.connection.take_output())
        self.connection.output_drained()
        self.received += data
        return data

    def frames(self) -> list[Frame]:
        """Return what was received since the last look."""
        return self._look()

    def _look(self) -> list[Frame]:
        found, self._rest = split(self._rest + self.output())
        return found

    def expect(self, count: int) -> list[Frame]:
        """Return what was received since the last look: so many frames."""
        found = self._look()
        assert len(found) == count, lines(found)
        return found

    def lost(self) -> None:
        """Go without a word."""
        self.connection.lost()


@define(eq=False, slots=False)
class SocketPeer(_Talk):
    """A client of a server on this machine; waits for as many frames as it is told will come."""

    port: int
    #: How many frames the next look waits for.
    how_many: Callable[[], int] = field(default=lambda: 1)
    dropped: bool = field(default=False, init=False)
    _socket: socket.socket = field(init=False)
    _rest: bytes = field(default=b"", init=False)

    def __attrs_post_init__(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, *data: bytes) -> None:
        """Send bytes; a server that is gone hears nothing."""
        with contextlib.suppress(OSError):
            self._socket.sendall(b"".join(data))

    def frames(self) -> list[Frame]:
        """Return what comes: as many frames as were said to come, and what comes at once behind."""
        return self.expect(self.how_many())

    def expect(self, count: int) -> list[Frame]:
        """Wait for so many frames, and a moment for more; return what came."""
        found: list[Frame] = []
        deadline = time.monotonic() + PATIENCE_S
        while not self.dropped:
            wait_s = deadline - time.monotonic() if len(found) < count else GRACE_S
            if wait_s <= 0 or not select.select([self._socket], [], [], wait_s)[0]:
                break
            more, self._rest = split(self._rest + self._read())
            found += more
        return found

    def _read(self) -> bytes:
        try:
            data = self._socket.recv(1 << 20)
        except OSError:
            data = b""
        self.dropped = self.dropped or not data
        return data

    def lost(self) -> None:
        """Go without a word."""
        self._socket.close()
