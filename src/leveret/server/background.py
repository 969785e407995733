"""A server in a thread of its own: what `Broker.serve` returns."""

from __future__ import annotations

import asyncio
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from leveret.server.listener import SHUTDOWN, Server
from leveret.server.locking import share
from leveret.server.turn_lock import TurnLock

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractContextManager
    from pathlib import Path

    from leveret.engine.broker import Broker
    from leveret.server.limits import ServerLimits
    from leveret.server.tls import TLS

__all__ = ["RunningServer", "keep_in_thread", "serve_in_thread"]


class RunningServer:
    """A broker served by a thread, until `close`. It is a context manager that closes."""

    def __init__(
        self,
        server: Server,
        lock: AbstractContextManager[object],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._server = server
        self._loop = loop
        self._ending = ExitStack()
        # Takes the lock off the broker's calls; there is nothing to take off before it is on.
        self._unshare: Callable[[], object] = lambda: None
        #: Held for each turn of the server. Hold it around several calls that belong together,
        #: or to look at what has no method (`broker.virtual_hosts`): not for long, and not while
        #: the server is closed.
        self.lock = lock

    @property
    def url(self) -> str:
        """Where it listens, such as amqp://127.0.0.1:5672."""
        return self._server.url

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        return self._server.port

    @property
    def server(self) -> Server:
        """The server itself, which belongs to the thread: hold `lock` to look at it."""
        return self._server

    def serve_instead(self, broker: Broker, reason: str = SHUTDOWN) -> None:
        """Serve another broker from now on; the clients of the one before are told 320 and dropped.

        Raises:
            RuntimeError: the broker is served already.

        """
        with self.lock:
            self._server.serve_instead(broker, reason)
            self._unshare()
            self._unshare = share(broker, self.lock)

    def listen(
        self,
        port: int,
        host: str,
        *,
        tls: TLS | None = None,
        unix_socket: str | Path | None = None,
    ) -> None:
        """Listen on an address, beside those listened on already; port 0 takes a free one.

        Raises:
            OSError: the address cannot be listened on.

        """

        async def start() -> None:
            await self._server.start(host, port, tls=tls)
            if unix_socket is not None:
                await self._server.start_unix(unix_socket)

        self.wait_for(start())

    def wait_for(self, work: Coroutine[object, object, object]) -> None:
        """Have the server's thread do something, and wait until it is done."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """Say goodbye to every client (320, as RabbitMQ does) and end the thread.

        The broker lives on, with everything in it, and is no longer thread-safe.

        Raises:
            RuntimeError: called by the thread itself, from a callback.

        """
        if threading.current_thread().name == _thread_name(self._server):
            raise RuntimeError("a callback cannot close the server that called it")
        self._ending.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def serve_in_thread(
    broker: Broker,
    host: str,
    port: int,
    *,
    tls: TLS | None = None,
    unix_socket: str | Path | None = None,
    limits: ServerLimits | None = None,
    virtual_host: str | None = None,
    server_type: type[Server] = Server,
) -> RunningServer:
    """Serve a broker in a new thread; return when it listens.

    Raises:
        OSError: the address cannot be listened on.
        RuntimeError: the broker is served already.

    """
    running = keep_in_thread(
        broker, limits=limits, virtual_host=virtual_host, server_type=server_type
    )
    try:
        running.listen(port, host, tls=tls, unix_socket=unix_socket)
    except BaseException:
        running.close()
        raise
    return running


def keep_in_thread(
    broker: Broker,
    *,
    limits: ServerLimits | None = None,
    virtual_host: str | None = None,
    server_type: type[Server] = Server,
) -> RunningServer:
    """Keep a broker's time and durability in a new thread; `listen` has it serve clients too.

    Raises:
        RuntimeError: the broker is served already.

    """
    lock = TurnLock()
    server = server_type(broker, limits=limits, virtual_host=virtual_host, lock=lock)
    loop = asyncio.new_event_loop()
    running = RunningServer(server, lock, loop)
    thread = threading.Thread(target=_run, args=(loop,), name=_thread_name(server), daemon=True)

    async def begin() -> None:
        server.begin()

    def end_loop() -> None:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()

    with ExitStack() as ending:
        thread.start()
        ending.callback(end_loop)
        ending.callback(lambda: running._unshare())
        ending.callback(lambda: running.wait_for(server.stop()))
        running.wait_for(begin())
        running._unshare = share(broker, lock)
        running._ending = ending.pop_all()
    return running


def _thread_name(server: Server) -> str:
    return f"leveret-server-{id(server):x}"


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()
