"""The listener: accepts clients, writes their output once a turn, and keeps the broker's time."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from leveret.errors import ConnectionForced
from leveret.server.transport import ClientTransport
from leveret.wire import Limits

if TYPE_CHECKING:
    import ssl

    from leveret.engine.broker import Broker
    from leveret.wire import ServerConnection

__all__ = ["Server"]

log = logging.getLogger("leveret.server")

#: How long a client may take to answer connection.close when the server stops, in seconds.
STOP_GRACE_S = 2.0


class Server:
    """Serves a broker to AMQP clients in the running event loop.

    The broker belongs to that loop from `start` on: nothing else may use it from another thread.
    """

    def __init__(
        self, broker: Broker, *, limits: Limits | None = None, virtual_host: str | None = None
    ) -> None:
        self.broker = broker
        self.limits = limits or Limits()
        #: Where every client ends up, whatever virtual host it asks for; None: where it asks for.
        self.virtual_host = virtual_host
        self._clients: dict[ServerConnection, ClientTransport] = {}
        self._with_output: list[ServerConnection] = []
        self._listeners: list[asyncio.Server] = []
        self._flush_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms: int | None = None
        self._heartbeats: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop
        self._all_gone = asyncio.Event()

    async def start(
        self,
        host: str = "127.0.0.1",
        port: int = 5672,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> int:
        """Listen on an address; port 0 takes a free one. Returns the port.

        Raises:
            OSError: the address cannot be listened on.

        """
        self._loop = asyncio.get_running_loop()
        listener = await self._loop.create_server(
            lambda: ClientTransport(self), host, port, ssl=tls
        )
        self._listeners.append(listener)
        if self._heartbeats is None:
            self._heartbeats = self._loop.create_task(self._send_heartbeats())
        self._keep_time()
        return int(listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close every connection with 320 and stop listening."""
        for listener in self._listeners:
            listener.close()
        reason = "broker forced connection closure with reason 'shutdown'"
        for connection in list(self._clients):
            connection.close(ConnectionForced(reason))
        self.turn_done()
        if self._clients:
            self._all_gone.clear()
            try:
                await asyncio.wait_for(self._all_gone.wait(), STOP_GRACE_S)
            except TimeoutError:
                for client in list(self._clients.values()):
                    client.abort()
        if self._heartbeats is not None:
            self._heartbeats.cancel()
        if self._timer is not None:
            self._timer.cancel()

    # -- what its clients' transports tell

    def opened(self, client: ClientTransport) -> None:
        """Take note of a new client."""
        self._clients[client.connection] = client

    def gone(self, client: ClientTransport) -> None:
        """Take note that a client is gone."""
        self._clients.pop(client.connection, None)
        if client.connection.reason:
            log.info("%s: %s", client.peer, client.connection.reason)
        if not self._clients:
            self._all_gone.set()

    def has_output(self, connection: ServerConnection) -> None:
        """Take note that a connection has something to write at the end of the turn."""
        self._with_output.append(connection)
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def turn_done(self) -> None:
        """See that what the last turn set a deadline for is done in time."""
        if self.broker.next_deadline_ms() != self._timer_ms:
            self._keep_time()

    def _flush(self) -> None:
        self._flush_due = False
        waiting, self._with_output = self._with_output, []
        for connection in waiting:
            client = self._clients.get(connection)
            if client is not None:
                client.flush()

    # -- time

    def _keep_time(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_ms = self.broker.next_deadline_ms()
        if self._timer_ms is not None:
            delay_ms = max(self._timer_ms - self.broker.clock.now_ms(), 0)
            self._timer = self._loop.call_later(delay_ms / 1000, self._run_due)

    def _run_due(self) -> None:
        self.broker.run_due()
        self._keep_time()

    async def _send_heartbeats(self) -> None:
        """Tick every connection twice in its heartbeat interval."""
        elapsed_s = 0
        while True:
            await asyncio.sleep(1)
            elapsed_s += 1
            for connection, client in list(self._clients.items()):
                interval_s = connection.heartbeat_s
                if interval_s and elapsed_s % max(interval_s // 2, 1) == 0:
                    client.tick()
