"""One client's socket: hands bytes to the connection's state machine and writes what it says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from leveret.wire import ServerConnection

if TYPE_CHECKING:
    from leveret.server.listener import Server

__all__ = ["ClientTransport"]

#: Output of less than this is joined into one write; the pieces of more are written one by one.
JOIN_BELOW = 256 * 1024


class ClientTransport(asyncio.Protocol):
    """An asyncio protocol around a `ServerConnection`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._blocked = False
        self.connection: ServerConnection
        self.peer = ""
        # What had been received when the last heartbeat was due, and how often nothing came.
        self._received_before = 0
        self._silent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        limits = self._server.limits
        # asyncio tells of a drained buffer only where it told of a full one, so it has to call full
        # whatever is too much for deliveries to go on.
        transport.set_write_buffer_limits(limits.output_low, limits.output_low // 2)
        peer = transport.get_extra_info("peername")
        self.peer = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "local socket"
        loopback = not isinstance(peer, tuple) or _is_loopback(peer[0])
        self.connection = ServerConnection(
            self._server.broker,
            self._server.has_output,
            limits=limits,
            loopback=loopback,
            virtual_host=self._server.virtual_host,
        )
        self._server.opened(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the client."""
        self.connection.receive(data)
        self._server.turn_done()

    def flush(self) -> None:
        """Write the connection's output; close the transport where the connection is finished."""
        transport, connection = self._transport, self.connection
        if transport is None:
            return
        out = connection.take_output()
        if out and not transport.is_closing():
            if len(out) == 1:
                transport.write(out[0])
            elif connection.unsent < JOIN_BELOW:
                transport.write(b"".join(out))
            else:
                for piece in out:
                    transport.write(piece)
        connection.output_drained(transport.get_write_buffer_size())
        if connection.finished:
            transport.close()

    def resume_writing(self) -> None:
        """Take note that the client has read what was waiting for it."""
        if self._transport is not None:
            self.connection.output_drained(self._transport.get_write_buffer_size())
            self._server.turn_done()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that the client is gone."""
        self._transport = None
        self.connection.lost()
        self._server.gone(self)
        self._server.turn_done()

    def tick(self) -> None:
        """Send a heartbeat, and give up a client that sent nothing for two intervals."""
        connection = self.connection
        if connection.received != self._received_before:
            self._received_before = connection.received
            self._silent = 0
        else:
            self._silent += 1
        connection.heartbeat()
        if self._silent >= 4 and self._transport is not None:
            self._transport.abort()

    def abort(self) -> None:
        """Drop the client without a word."""
        if self._transport is not None:
            self._transport.abort()


def _is_loopback(host: str) -> bool:
    return host.startswith("127.") or host in ("::1", "::ffff:127.0.0.1")
