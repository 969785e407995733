"""A client on a bare socket, which may misbehave, and a wait without sleeping."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any, Self

from leveret.header import encode_header
from leveret.properties import NO_PROPERTIES, Properties
from leveret.wire.frames import (
    FRAME_BODY,
    FRAME_HEADERS,
    FRAME_METHOD,
    PROTOCOL_HEADER,
    frame,
    method_frame,
)
from leveret.wire.methods import decode_method

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.server.background import RunningServer
    from leveret.wire.methods import MethodCall

__all__ = ["TIMEOUT_S", "RawClient", "eventually", "log_in_at_once", "published"]

#: No wait in these tests is longer; what passes takes milliseconds, or seconds on a loaded machine.
TIMEOUT_S = 30.0


class RawClient:
    """A client on a bare socket, which sends what it is told, and reads when it is told."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(TIMEOUT_S)
        if (
            sock.family != socket.AF_UNIX
        ):  # else each small write waits 40 ms for an acknowledgement
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.sock.sendall(data)

    def call(self, name: str, channel: int = 1, **values: Any) -> MethodCall:
        """Send a method and return the next one."""
        self.send(method_frame(channel, name, **values))
        return self.method()

    def read_frame(self) -> tuple[int, int, bytes]:
        """Return type, channel and payload of the next frame.

        Raises:
            EOFError: the server closed the socket.

        """
        head = self._take(7)
        payload = self._take(int.from_bytes(head[3:7], "big") + 1)
        return head[0], int.from_bytes(head[1:3], "big"), payload[:-1]

    def method(self) -> MethodCall:
        """Return the next method; content and heartbeats are passed over."""
        while True:
            kind, _, payload = self.read_frame()
            if kind == FRAME_METHOD:
                return decode_method(payload)

    def until(self, name: str) -> MethodCall:
        """Return the next method of that name."""
        while (call := self.method()).name != name:
            pass
        return call

    def is_closed(self) -> bool:
        """Wait until the server closes the socket."""
        try:
            while self.sock.recv(65536):
                pass
        except ConnectionError:
            pass
        return True

    def _take(self, size: int) -> bytes:
        while len(self._rest) < size:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self._rest += data
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def log_in(
        self,
        mechanism: str = "PLAIN",
        response: bytes = b"\0guest\0guest",
        *,
        heartbeat: int = 0,
        virtual_host: str = "/",
        **capabilities: bool,
    ) -> Self:
        """Open the connection and channel 1; `_` in a capability's name stands for a dot."""
        self.send(PROTOCOL_HEADER)
        assert self.method().name == "connection.start"
        named = {name.replace("__", "."): value for name, value in capabilities.items()}
        tune = self.call(
            "connection.start-ok",
            0,
            client_properties={"capabilities": named},
            mechanism=mechanism,
            response=response,
            locale="en_US",
        )
        assert tune.name == "connection.tune", tune.values
        self.send(
            method_frame(
                0,
                "connection.tune-ok",
                channel_max=tune.channel_max,
                frame_max=tune.frame_max,
                heartbeat=heartbeat,
            )
        )
        opened = self.call("connection.open", 0, virtual_host=virtual_host)
        assert opened.name == "connection.open-ok", opened.values
        assert self.call("channel.open").name == "channel.open-ok"
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()


def log_in_at_once() -> bytes:
    """Return what opens a connection, as `guest`, without waiting for an answer in between."""
    start_ok = {"client_properties": {}, "mechanism": "PLAIN", "response": b"\0guest\0guest"}
    return b"".join(
        (
            PROTOCOL_HEADER,
            method_frame(0, "connection.start-ok", **start_ok),
            method_frame(0, "connection.tune-ok", channel_max=2047, frame_max=131_072),
            method_frame(0, "connection.open", virtual_host="/"),
        )
    )


def published(
    routing_key: str,
    body: bytes = b"",
    exchange: str = "",
    channel: int = 1,
    properties: Properties = NO_PROPERTIES,
) -> bytes:
    """Return a basic.publish with its content."""
    return b"".join(
        (
            method_frame(channel, "basic.publish", exchange=exchange, routing_key=routing_key),
            frame(FRAME_HEADERS, channel, encode_header(properties, len(body))),
            *(
                frame(FRAME_BODY, channel, body[at : at + 100_000])
                for at in range(0, len(body), 100_000)
            ),
        )
    )


def eventually(condition: Callable[[], bool], server: RunningServer) -> None:
    """Wait until a condition holds, looked at after each of the server's turns."""
    held = threading.Event()
    loop = server._server.loop

    def look() -> None:
        with server.lock:
            if condition():
                held.set()
        if not held.is_set():
            loop.call_later(0.005, look)

    loop.call_soon_threadsafe(look)
    assert held.wait(TIMEOUT_S)
