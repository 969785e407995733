"""The server: its clients, their turns and output, their heartbeats, and the memory they fill."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from typing import TYPE_CHECKING

from leveret.errors import ConnectionForced
from leveret.server.addresses import bind_tcp, bind_unix
from leveret.server.admission import Admission
from leveret.server.commits import GroupCommits
from leveret.server.deadlines import Deadlines
from leveret.server.limits import ServerLimits
from leveret.server.listeners import Listeners, context_of
from leveret.server.logs import tell
from leveret.server.memory import MemoryAlarm, held_bytes
from leveret.server.outbox import LoopOutbox, put_outbox
from leveret.server.transport import ClientTransport

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from leveret.engine.broker import Broker
    from leveret.server.tls import TLS, LoginFrom
    from leveret.wire import ServerConnection

__all__ = ["Server"]

#: Memory is looked at after so many bytes of input, and once a second.
MEASURE_EVERY = 16 * 1024 * 1024

#: How often memory is looked at while publishers wait, in seconds.
MEASURE_RINGING_S = 0.1

SHUTDOWN = "broker forced connection closure with reason 'shutdown'"


class Server:
    """Serves a broker to AMQP clients in the running event loop.

    The broker belongs to that loop from the first `start` on: nothing else may use it from another
    thread, unless it holds `lock`. `virtual_host` is where every client ends up, whatever it asks
    for (None: where it asks for); `anonymous` offers the mechanism ANONYMOUS, as `guest`.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        limits: ServerLimits | None = None,
        virtual_host: str | None = None,
        anonymous: bool = False,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        self.broker = broker
        broker.keep_ages()
        self.limits = limits or ServerLimits()
        self.virtual_host = virtual_host
        self.anonymous = anonymous
        self.lock = lock or contextlib.nullcontext()
        self.loop: asyncio.AbstractEventLoop
        self.alarm = MemoryAlarm.of(self.limits.memory_bytes)
        self._shared = lock is not None
        self._thread = 0
        self._clients: dict[ServerConnection, ClientTransport] = {}
        self._accepted = 0
        self._listeners = Listeners(self._client, self.limits.handshake_s)
        self._deadlines: Deadlines
        self._commits: GroupCommits
        #: Why publishers are stopped: "memory", "disk".
        self.alarms: set[str] = set()
        #: Told when an alarm is set or cleared.
        self.on_alarm: Callable[[], object] = lambda: None
        self._failing = False
        self._admission: Admission
        self._with_output: list[ServerConnection] = []
        self._flush_due = False
        self._turn_ends = 0.0
        self._unmeasured = 0
        self._measuring: asyncio.TimerHandle | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._seconds = 0
        self._all_gone = asyncio.Event()

    @property
    def urls(self) -> list[str]:
        """Where it listens, as URLs in the order of `start`."""
        return self._listeners.urls

    @property
    def url(self) -> str:
        """The first address it listens on, as a URL."""
        return self.urls[0]

    @property
    def port(self) -> int:
        """The TCP port of the first address."""
        return int(self.url.rpartition(":")[2])

    # -- beginning and end

    async def start(
        self, host: str = "127.0.0.1", port: int = 5672, *, tls: TLS | None = None
    ) -> int:
        """Listen on an address, and on others when called again; return the port.

        Port 0 takes a free one. An empty host is every interface.

        Raises:
            OSError: the address cannot be listened on, or a file of `tls` cannot be read.
            RuntimeError: the broker is served already, by another server.

        """
        context = context_of(tls)
        self.begin()
        bound = bind_tcp(host, port)
        for sock in bound:
            await self._listeners.listen(self.loop, sock, tls, context)
        return int(bound[0].getsockname()[1])

    async def start_unix(self, path: str | Path) -> None:
        """Listen on a Unix socket. A socket file that nobody listens on is replaced.

        Raises:
            OSError: it cannot be listened on.
            RuntimeError: the broker is served already, by another server.

        """
        self.begin()
        await self._listeners.listen(self.loop, bind_unix(path), None, None)

    async def reload_tls(self) -> None:
        """Read certificates again, for connections from now on.

        Raises:
            OSError: a file cannot be read; everything stays as it was.

        """
        await self._listeners.reload_tls(self.loop)

    async def stop(self, reason: str = SHUTDOWN) -> None:
        """Stop listening, close every connection with 320, and wait until all are gone.

        A client that does not answer within `stop_grace_s` is dropped.
        """
        self._listeners.close()
        if self._ticking is None:  # it never began
            return
        with self.lock:
            for connection in list(self._clients):
                connection.close(ConnectionForced(reason))
        await self._commits.finish(self.limits.stop_grace_s)
        await self._wait_until_gone(self.limits.stop_grace_s)
        self.abort()
        await self._wait_until_gone(1)
        self._end()
        await asyncio.sleep(0)  # the loop closes the sockets

    def abort(self) -> None:
        """Drop every client at once."""
        for client in list(self._clients.values()):
            client.abort()

    async def _wait_until_gone(self, timeout_s: float) -> None:
        self._all_gone.clear()
        if self._clients:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_gone.wait(), timeout_s)

    def begin(self) -> None:
        """Keep the broker's deadlines, durability and memory; `start` does so as well.

        Raises:
            RuntimeError: the broker is served already, by another server.

        """
        if self._ticking is not None:
            return
        with self.lock:
            self.loop = asyncio.get_running_loop()
            self._thread = threading.get_ident()
            self._deadlines = Deadlines(self.loop, self.soon, self.lock)
            self._deadlines.keep(self.broker)
            self._commits = GroupCommits(self.loop, self.soon, self.lock, self._disk_failing)
            self._commits.keep(self.broker)
            self._admission = Admission(self.limits, self.loop.time)
            put_outbox(self.broker, LoopOutbox(self.soon, self.lock))
            self._ticking = self.loop.call_later(1, self._tick)

    def _end(self) -> None:
        if self._measuring is not None:
            self._measuring.cancel()
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
            with self.lock:
                self._deadlines.drop()
                self._commits.drop()
                put_outbox(self.broker, deque())

    def _client(self, login_from: LoginFrom) -> ClientTransport:
        self._accepted += 1
        return ClientTransport(self, self._accepted, login_from)

    # -- for whoever holds the lock

    def serve_instead(self, broker: Broker, reason: str = SHUTDOWN) -> None:
        """Serve another broker from now on; the clients of the one before are told 320 and dropped.

        Raises:
            RuntimeError: the broker is served already.

        """
        if broker.timers.on_earlier is not None:
            raise RuntimeError("the broker is served already")
        clients = list(self._clients.values())
        for client in clients:
            client.connection.close(ConnectionForced(reason))
        self._deadlines.drop()
        self._commits.drop()
        put_outbox(self.broker, deque())
        self.broker = broker
        self._deadlines.keep(broker)
        self._commits.keep(broker)
        put_outbox(broker, LoopOutbox(self.soon, self.lock))
        for client in clients:  # behind the turn that writes what was said
            self.soon(client.abort)

    # -- what its clients' transports tell

    def refusal(self, address: str) -> str:
        """Return why a client from an address may not connect; empty where it may."""
        if not self._listeners:
            return "the server is stopping"
        return self._admission.refusal(address, len(self._clients))

    def opened(self, client: ClientTransport) -> None:
        """Take note of a new client."""
        self._clients[client.connection] = client
        if self.alarms:
            client.connection.block(self._blocked_reason())
        tell(logging.DEBUG, "client connected", peer=client.peer)

    def logged_in(self, client: ClientTransport) -> None:
        """Take note that a client may work now."""
        self._admission.logged_in(client.address)
        connection = client.connection
        engine = connection.engine
        tell(
            logging.INFO,
            "client logged in",
            peer=client.peer,
            user=connection.user,
            virtual_host=engine.virtual_host.name if engine else None,
            product=connection.client_properties.get("product"),
            name=connection.client_properties.get("connection_name"),
        )

    def login_refused(self, client: ClientTransport) -> None:
        """Take note that a client gave a wrong name or password."""
        self._admission.login_refused(client.address)

    def gone(self, client: ClientTransport, *, polite: bool) -> None:
        """Take note that a client is gone; `polite` says that connection.close was exchanged."""
        connection = client.connection
        self._clients.pop(connection, None)
        reason = connection.reason or (None if polite else "client closed the socket unexpectedly")
        level = logging.WARNING if reason else logging.INFO
        tell(level, "client gone", peer=client.peer, user=connection.user or None, reason=reason)
        if not self._clients:
            self._all_gone.set()

    def has_output(self, connection: ServerConnection) -> None:
        """Take note that a connection has something to write at the end of the turn."""
        self._with_output.append(connection)
        if not self._flush_due:
            self._flush_due = True
            self.soon(self._flush)

    def received(self, size: int) -> None:
        """Count bytes of input, and look at the memory once in a while."""
        self._unmeasured += size
        if self._unmeasured > MEASURE_EVERY:
            self._measure()

    def soon(self, call: Callable[[], object]) -> None:
        """Have a call made in the next turn of the loop, from whichever thread."""
        if self._shared and threading.get_ident() != self._thread:
            self.loop.call_soon_threadsafe(call)
        else:
            self.loop.call_soon(call)

    def begin_turn(self) -> Callable[[], bool]:
        """Begin a client's turn; return what says whether it is over."""
        self._turn_ends = self.loop.time() + self.limits.turn_s
        return self._turn_over

    def _turn_over(self) -> bool:
        return self.loop.time() > self._turn_ends

    def _flush(self) -> None:
        with self.lock:
            self._flush_due = False
            waiting, self._with_output = deque(self._with_output), []
            try:
                while waiting:
                    client = self._clients.get(waiting.popleft())
                    if client is not None:
                        client.flush()
            finally:
                # where one fails, what the others have to write is not forgotten
                for connection in waiting:
                    self.has_output(connection)

    def _tick(self) -> None:
        self._ticking = self.loop.call_later(1, self._tick)
        self._seconds += 1
        with self.lock:
            for client in list(self._clients.values()):
                client.tick(self._seconds)
            self._measure()
            self._look_at_disk()

    # -- alarms

    def _measure(self) -> None:
        self._unmeasured = 0
        held = self._held_bytes()
        storage = self._commits.storage
        if storage is not None and held > self.alarm.high_bytes // 2:
            # Messages leave memory before publishers are stopped for it.
            storage.relieve(self.alarm.high_bytes // 2)
            held = self._held_bytes()
        if self.alarm.update(held):
            limit = self.alarm.high_bytes
            self._alarm("memory", self.alarm.ringing, held_bytes=held, limit_bytes=limit)
        if self.alarm.ringing and self._measuring is None:
            self._measuring = self.loop.call_later(MEASURE_RINGING_S, self._measure_again)

    def _held_bytes(self) -> int:
        kept = sum(connection.kept_bytes() for connection in self._clients)
        return held_bytes(self.broker) + kept

    def _measure_again(self) -> None:
        self._measuring = None
        with self.lock:
            self._measure()

    def _disk_failing(self, failing: bool) -> None:
        self._failing = failing
        self._look_at_disk()

    def _look_at_disk(self) -> None:
        """Stop publishers while the disk refuses to write, or has little space left."""
        storage = self._commits.storage
        free = storage.free_bytes() if storage is not None else None
        limit = self.limits.disk_free_bytes
        low = self._failing or (free is not None and free < limit)
        self._alarm("disk", low, free_bytes=free, limit_bytes=limit)

    def _alarm(self, name: str, ringing: bool, **facts: int | None) -> None:
        """Stop publishers at their next publish, or let them go on (S125)."""
        if ringing is (name in self.alarms):
            return
        tell(logging.WARNING, f"{name} alarm {'set' if ringing else 'cleared'}", **facts)
        self.alarms ^= {name}
        for connection, client in list(self._clients.items()):
            if self.alarms:
                connection.block(self._blocked_reason())
            else:
                connection.unblock()
                client.read_or_not()
        self.on_alarm()

    @property
    def is_own_thread(self) -> bool:
        """Whether the caller is the loop itself, for which nothing may wait."""
        return threading.get_ident() == self._thread

    def _blocked_reason(self) -> str:
        return "low on " + " & ".join(sorted(self.alarms, reverse=True))
