"""One client's socket: hands bytes to the connection's state machine and writes what it says.

A socket is not read while one of these holds: input is left over from a turn that was too long;
its client publishes and the memory alarm rings; its client does not read what it is sent.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from typing import TYPE_CHECKING, cast

from leveret.server.logs import tell
from leveret.server.tls import user_of
from leveret.wire import ServerConnection, State

if TYPE_CHECKING:
    from leveret.server.listener import Server
    from leveret.server.tls import LoginFrom

__all__ = ["ClientTransport"]

#: Output of less than this is joined into one write, as is more whose pieces are smaller than that
#: in the mean; other pieces are written one by one, since to copy them would cost more. So is
#: whatever has one of `LARGE_PIECE`.
JOIN_BELOW, JOIN_PIECES_BELOW, LARGE_PIECE = 256 * 1024, 4 * 1024, 32 * 1024

#: A client is given up after so many half heartbeat intervals without a byte: two whole ones.
SILENT_TICKS = 4


class ClientTransport(asyncio.Protocol):
    """An asyncio protocol around a `ServerConnection`.

    `number` counts the clients of a server; `login_from` says which name in a client's
    certificate is its user's.
    """

    def __init__(self, server: Server, number: int, login_from: LoginFrom = "common_name") -> None:
        self._server = server
        self._login_from: LoginFrom = login_from
        self._transport: asyncio.Transport | None = None
        self.connection: ServerConnection
        self.number = number
        #: The client's IP address; empty for a Unix socket.
        self.address = ""
        self.peer = "local socket"
        # Ends the connection: while it is being opened, and when it is being closed.
        self._deadline: asyncio.TimerHandle | None = None
        self._opened = False
        self._reading = True
        # The client reads nothing and asks for more.
        self._choked = False
        # What had been received when the last heartbeat was due, and how often nothing came.
        self._received_before = 0
        self._silent = 0

    @property
    def transport(self) -> asyncio.Transport | None:
        """The transport, while the client is there."""
        return self._transport

    # -- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a connection, if the server takes one more."""
        transport = cast("asyncio.Transport", transport)  # uvloop's is one without saying so
        server = self._server
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self.address = peer[0]
            self.peer = f"{peer[0]}:{peer[1]}"
        refusal = server.refusal(self.address)
        if refusal:
            tell(logging.WARNING, "client turned away", peer=self.peer, reason=refusal)
            transport.abort()
            return
        self._transport = transport
        limits = server.limits
        # asyncio tells of a drained buffer only where it told of a full one, so it has to call full
        # whatever is too much for deliveries to go on.
        low = limits.connection.output_low
        transport.set_write_buffer_limits(low, low // 2)
        self.connection = ServerConnection(
            server.broker,
            server.has_output,
            limits=limits.connection,
            loopback=not self.address or ipaddress.ip_address(self.address).is_loopback,
            external_user=user_of(transport.get_extra_info("peercert"), self._login_from),
            anonymous=server.anonymous,
            virtual_host=server.virtual_host,
        )
        self._end_after(limits.handshake_s)
        server.opened(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the client."""
        if self._transport is None:
            return
        server, connection = self._server, self.connection
        with server.lock:
            connection.receive(data, server.begin_turn())
            if not self._opened:
                self._see_handshake()
            if (
                not self._reading
                or connection.behind
                or connection.blocked
                or connection.unsent > connection.limits.output_stop
            ):
                self.read_or_not()
            server.received(len(data))

    def resume_writing(self) -> None:
        """Take note that the client has read what was waiting for it."""
        with self._server.lock:
            self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that the client is gone."""
        if self._transport is None:
            return
        self._transport = None
        self._forget_deadline()
        with self._server.lock:
            polite = self.connection.state is State.CLOSED
            self.connection.lost()
            self._server.gone(self, polite=polite)

    # -- what the server calls, and its timers

    def flush(self) -> None:
        """Write the connection's output; close the transport where the connection is finished."""
        transport, connection = self._transport, self.connection
        if transport is None:
            return
        out = connection.take_output()
        if out and not transport.is_closing():
            if len(out) == 1:
                transport.write(out[0])
            elif (
                connection.unsent < max(JOIN_BELOW, len(out) * JOIN_PIECES_BELOW)
                and max(map(len, out)) < LARGE_PIECE
            ):
                transport.write(b"".join(out))
            else:
                for piece in out:
                    transport.write(piece)
        connection.output_drained(transport.get_write_buffer_size())
        if self._choked:
            self.read_or_not()
        if connection.state in (State.CLOSING, State.CLOSED):
            self._see_end(transport)

    def read_or_not(self) -> None:
        """Read the socket, or leave it, by what holds now; go on with what is left of input."""
        transport, connection = self._transport, self.connection
        if transport is None:
            return
        if connection.behind:
            self._server.soon(self._go_on)
        limits = connection.limits
        if connection.unsent > limits.output_stop:
            self._choked = True
        elif connection.unsent <= limits.output_low:
            self._choked = False
        idle = connection.behind or connection.blocked or self._choked
        if connection.state is State.CLOSING:  # its connection.close-ok is to be heard
            idle = False
        if self._reading is idle and not transport.is_closing():
            self._reading = not idle
            if idle:
                transport.pause_reading()
            else:
                transport.resume_reading()

    def tick(self, second: int) -> None:
        """Heartbeat: write one and look for the client's, each twice in the agreed interval."""
        connection = self.connection
        interval_s = connection.heartbeat_s
        if not interval_s or (second + self.number) % max(interval_s // 2, 1):
            return
        connection.heartbeat()
        if connection.received != self._received_before or not self._reading:
            self._received_before = connection.received
            self._silent = 0
            return
        self._silent += 1
        if self._silent >= SILENT_TICKS:
            connection.reason = f"missed heartbeats from client, timeout: {interval_s}s"
            self.abort()

    def abort(self) -> None:
        """Drop the client without a word."""
        if self._transport is not None:
            self._transport.abort()

    # -- phases

    def _go_on(self) -> None:
        if self._transport is not None and self.connection.behind:
            self.data_received(b"")

    def _see_handshake(self) -> None:
        """Watch for the end of the handshake."""
        connection = self.connection
        if connection.state is State.RUNNING:
            self._opened = True
            self._forget_deadline()
            self._server.logged_in(self)
        elif connection.login_refused:
            self._opened = True
            self._server.login_refused(self)

    def _see_end(self, transport: asyncio.Transport) -> None:
        """Close behind the last byte; a client that does not play its part is given up."""
        if self.connection.finished:
            transport.close()
        if self._deadline is None:
            self._end_after(self._server.limits.closing_s)
        self.read_or_not()

    def _end_after(self, seconds: float) -> None:
        self._deadline = self._server.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        if not self._opened:
            self.connection.reason = f"handshake timeout in {self.connection.state.name.lower()}"
        self.abort()

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
