"""The broker that people use in process: the engine with a clock, a source of chance, and a file.

`Broker` is not thread-safe: one thread, or one event loop, uses it; while `serve` lasts, any may.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Self

from leveret import engine
from leveret.clock import ManualClock, SystemClock
from leveret.engine.broker import DEFAULT_CONSUMER_TIMEOUT_MS
from leveret.engine.profile import PROFILES
from leveret.exchanges import ExchangeTypes

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path

    from leveret.clock import Clock
    from leveret.config import Topology
    from leveret.engine.channel import Channel
    from leveret.engine.connection import Connection
    from leveret.engine.methods import GetOk, QueueDeclareOk, QueueDeleteOk, QueuePurgeOk
    from leveret.engine.requests import Requests
    from leveret.exchanges import RouteTrace
    from leveret.properties import FieldTable, Properties
    from leveret.server import ServerLimits
    from leveret.server.background import RunningServer
    from leveret.server.tls import TLS
    from leveret.storage import Recovery, Storage

__all__ = ["Broker"]


class Broker(engine.Broker):
    """A RabbitMQ-compatible broker in this process.

    `profile` is the RabbitMQ version to behave like: "3.10", "3.13", "4.2" or "4.3". On a
    `ManualClock` time stands still until the test advances it; in real time, the default, what is
    due is done when `run_due` is called. `seed` makes what chance decides repeatable.
    `consumer_timeout_ms` is how long a delivery may stay unacknowledged; None is for ever.
    `data` is a directory where durable objects and persistent messages survive the process: what
    was done is there after `flush`, and confirms come then; `close` flushes and lets go of it.

    The methods named as in pika (`queue_declare`, `basic_publish`, …) use channels of the broker's
    own: a refused call raises, and the next one finds a working channel.

    >>> broker = Broker(clock=ManualClock())
    >>> broker.queue_declare("greetings").message_count
    0
    >>> broker.basic_publish("", "greetings", b"hello")
    >>> method, properties, body = broker.basic_get("greetings")
    >>> body
    b'hello'
    """

    def __init__(
        self,
        profile: str = "4.2",
        clock: Clock | None = None,
        seed: int | None = None,
        consumer_timeout_ms: int | None = DEFAULT_CONSUMER_TIMEOUT_MS,
        data: str | os.PathLike[str] | None = None,
    ) -> None:
        if profile not in PROFILES:
            known = ", ".join(PROFILES)
            raise ValueError(f"there is no profile {profile!r}; it takes one of {known}")
        super().__init__(
            clock or SystemClock(),
            random.Random(seed),
            PROFILES[profile],
            consumer_timeout_ms,
            ExchangeTypes.installed(),
        )
        # virtual host -> the connection that channel() opens channels on
        self._connections: dict[str, Connection] = {}
        self._for_topology: Channel | None = None
        self._for_messages: Channel | None = None
        if isinstance(clock, ManualClock):
            # looked up when called: a served broker has them hold a lock
            clock.attach(lambda: self.next_deadline_ms(), lambda: self.run_due())
        #: What keeps the broker's directory; None without one.
        self.storage: Storage | None = None
        if data is not None:
            self.open_data(data)

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        profile: str | None = None,
        clock: Clock | None = None,
        seed: int | None = None,
        data: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Make a broker and declare in it what a topology file says.

        The profile is the file's `compatibility` where none is given.

        Raises:
            TopologyError: the file has faults, all of which the error lists, or declares
                something that the broker refuses.

        """
        from leveret.config import load

        return cls.from_topology(load(path), profile=profile, clock=clock, seed=seed, data=data)

    @classmethod
    def from_topology(
        cls,
        topology: Topology,
        *,
        profile: str | None = None,
        clock: Clock | None = None,
        seed: int | None = None,
        data: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Make a broker and declare a topology in it.

        Raises:
            TopologyError: it declares something that the broker refuses.

        """
        from leveret.declare import declare

        broker = cls(profile or topology.compatibility, clock, seed, data=data)
        try:
            declare(topology, broker)
            broker.flush()
        except BaseException:
            broker.close()
            raise
        return broker

    # -- durability

    def open_data(
        self,
        directory: str | os.PathLike[str],
        *,
        memory_bytes: int | None = None,
        progress: Callable[[float], object] = lambda share: None,
    ) -> Recovery:
        """Bring back what a directory kept, and keep there what is durable from now on.

        The broker is new: it has declared nothing yet. While messages take more than
        `memory_bytes`, those of long queues leave memory until they are next (None lets all stay).
        `progress` is told how much of a long recovery is done, from 0 to 1.

        Raises:
            StorageError: the directory cannot be used, or is damaged.

        """
        from leveret.storage import Storage

        self.storage = Storage.open(self, directory, memory_bytes, progress)
        return self.storage.recovery

    def flush(self) -> None:
        """Make all that was done so far durable and give its confirms; without `data`, do nothing.

        Raises:
            StorageError: it cannot be written now; nothing is lost, and calling again tries again.

        """
        if self.storage is not None:
            self.storage.flush()

    def close(self) -> None:
        """Make all durable and let the data directory go; nothing is kept from here on.

        Raises:
            StorageError: see `flush`; the directory is let go all the same.

        """
        storage, self.storage = self.storage, None
        if storage is not None:
            storage.close()

    # -- channels and routes

    def channel(self, virtual_host: str = "/") -> Channel:
        """Open a channel, as `guest`, on a connection that such channels share.

        Raises:
            NotAllowed: there is no such virtual host.

        """
        connection = self._connections.get(virtual_host)
        if connection is None or not connection.is_open:
            connection = self._connections[virtual_host] = self.connect(virtual_host)
        return connection.channel()

    def requests(self, virtual_host: str = "/", reply_queue: str | None = None) -> Requests:
        """Return what makes calls and waits for their replies, on a channel of its own.

        Over direct reply-to, or over an exclusive queue named `reply_queue` ("" has the broker
        make the name).

        >>> broker = Broker(clock=ManualClock())
        >>> _ = broker.queue_declare("quotes")
        >>> def serve(channel, method, properties, body):
        ...     channel.basic_publish("", properties.reply_to, b"42", properties)
        >>> _ = broker.channel().basic_consume("quotes", serve, auto_ack=True)
        >>> broker.requests().call("", "quotes", b"sku 7", timeout_ms=2000).result().body
        b'42'
        """
        from leveret.engine.requests import Requests

        return Requests(self.channel(virtual_host), reply_queue)

    def explain(
        self,
        exchange: str,
        routing_key: str,
        properties: Properties | None = None,
        virtual_host: str = "/",
    ) -> RouteTrace:
        """Say where a message would go, and why it would not go elsewhere; publish nothing.

        Raises:
            NotFound: there is no such exchange.
            KeyError: there is no such virtual host.

        """
        host = self.virtual_hosts[virtual_host]
        host.exchange(exchange)
        return host.router.explain(exchange, routing_key, properties)

    def serve(
        self,
        port: int = 5672,
        host: str = "127.0.0.1",
        *,
        tls: TLS | None = None,
        unix_socket: str | Path | None = None,
        limits: ServerLimits | None = None,
        virtual_host: str | None = None,
    ) -> RunningServer:
        """Serve the broker to AMQP clients from a thread of its own; port 0 takes a free one.

        Until the returned server is closed (it is a context manager), the broker, and the
        connections and channels made from it, may be used by any thread: each call holds a lock
        that the server holds for each of its turns. Callbacks are called by the server's
        thread, one after the other: keep them short. `virtual_host` is where every client ends
        up, whatever it asks for.

        >>> broker = Broker()
        >>> with broker.serve(port=0) as server:
        ...     server.url  # doctest: +ELLIPSIS
        'amqp://127.0.0.1:...'

        Raises:
            OSError: the address cannot be listened on.
            RuntimeError: the broker is served already.

        """
        from leveret.server.background import serve_in_thread

        return serve_in_thread(
            self,
            host,
            port,
            tls=tls,
            unix_socket=unix_socket,
            limits=limits,
            virtual_host=virtual_host,
        )

    # -- conveniences on channels of the broker's own

    @property
    def _topology(self) -> Channel:
        if self._for_topology is None or self._for_topology.closed:
            self._for_topology = self.channel()
        return self._for_topology

    @property
    def _own_messages(self) -> Channel:
        if self._for_messages is None or self._for_messages.closed:
            self._for_messages = self.channel()
        return self._for_messages

    def exchange_declare(
        self,
        exchange: str,
        exchange_type: str = "direct",
        passive: bool = False,
        durable: bool = False,
        auto_delete: bool = False,
        internal: bool = False,
        arguments: FieldTable | None = None,
    ) -> None:
        """See `Channel.exchange_declare`."""
        self._topology.exchange_declare(
            exchange, exchange_type, passive, durable, auto_delete, internal, arguments
        )

    def exchange_delete(self, exchange: str, if_unused: bool = False) -> None:
        """See `Channel.exchange_delete`."""
        self._topology.exchange_delete(exchange, if_unused)

    def exchange_bind(
        self,
        destination: str,
        source: str,
        routing_key: str = "",
        arguments: FieldTable | None = None,
    ) -> None:
        """See `Channel.exchange_bind`."""
        self._topology.exchange_bind(destination, source, routing_key, arguments)

    def exchange_unbind(
        self,
        destination: str,
        source: str,
        routing_key: str = "",
        arguments: FieldTable | None = None,
    ) -> None:
        """See `Channel.exchange_unbind`."""
        self._topology.exchange_unbind(destination, source, routing_key, arguments)

    def queue_declare(
        self,
        queue: str = "",
        passive: bool = False,
        durable: bool = True,
        exclusive: bool = False,
        auto_delete: bool = False,
        arguments: FieldTable | None = None,
    ) -> QueueDeclareOk:
        """See `Channel.queue_declare`; here a queue is durable unless said otherwise."""
        return self._topology.queue_declare(
            queue, passive, durable, exclusive, auto_delete, arguments
        )

    def queue_bind(
        self,
        queue: str,
        exchange: str,
        routing_key: str | None = None,
        arguments: FieldTable | None = None,
    ) -> None:
        """See `Channel.queue_bind`."""
        self._topology.queue_bind(queue, exchange, routing_key, arguments)

    def queue_unbind(
        self,
        queue: str,
        exchange: str,
        routing_key: str | None = None,
        arguments: FieldTable | None = None,
    ) -> None:
        """See `Channel.queue_unbind`."""
        self._topology.queue_unbind(queue, exchange, routing_key, arguments)

    def queue_purge(self, queue: str) -> QueuePurgeOk:
        """See `Channel.queue_purge`."""
        return self._topology.queue_purge(queue)

    def queue_delete(
        self, queue: str, if_unused: bool = False, if_empty: bool = False
    ) -> QueueDeleteOk:
        """See `Channel.queue_delete`."""
        return self._topology.queue_delete(queue, if_unused, if_empty)

    def basic_publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes | str = b"",
        properties: Properties | None = None,
    ) -> None:
        """See `Channel.basic_publish`; for `mandatory`, open a channel to hear of returns."""
        self._topology.basic_publish(exchange, routing_key, body, properties)

    def basic_get(
        self, queue: str, auto_ack: bool = False
    ) -> tuple[GetOk, Properties, bytes] | tuple[None, None, None]:
        """See `Channel.basic_get`; its delivery tags are for this broker's ack, nack and reject."""
        return self._own_messages.basic_get(queue, auto_ack)

    def basic_ack(self, delivery_tag: int = 0, multiple: bool = False) -> None:
        """See `Channel.basic_ack`."""
        self._own_messages.basic_ack(delivery_tag, multiple)

    def basic_nack(
        self, delivery_tag: int = 0, multiple: bool = False, requeue: bool = True
    ) -> None:
        """See `Channel.basic_nack`."""
        self._own_messages.basic_nack(delivery_tag, multiple, requeue)

    def basic_reject(self, delivery_tag: int = 0, requeue: bool = True) -> None:
        """See `Channel.basic_reject`."""
        self._own_messages.basic_reject(delivery_tag, requeue)
