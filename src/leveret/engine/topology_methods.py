"""The methods of a channel that change the topology: exchange.* and queue.*, with pika's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leveret.engine import methods
from leveret.engine.channel_base import (
    MAX_SHORT_STRING,
    ChannelBase,
    amqp_method,
    random_name,
    strip_name,
)
from leveret.engine.methods import QueueDeclareOk, QueueDeleteOk, QueuePurgeOk
from leveret.engine.replies import PSEUDO_QUEUE
from leveret.engine.virtual_host_queues import check_server_named
from leveret.errors import AccessRefused, FrameSyntaxError, NotFound, PreconditionFailed
from leveret.routing import Binding
from leveret.routing.erlang import erlang_type

if TYPE_CHECKING:
    from leveret.properties import FieldTable, FieldValue
    from leveret.queues import Queue

__all__ = ["TopologyMethods"]


def _not_the_default(*names: str) -> None:
    if "" in names:
        raise AccessRefused("operation not permitted on the default exchange")


def _short(**texts: str) -> None:
    """Refuse what does not fit an AMQP short string: on the wire it could not even be sent."""
    for name, text in texts.items():
        size = len(text.encode("utf-8", "surrogateescape"))
        if size > MAX_SHORT_STRING:
            raise FrameSyntaxError(
                f"{name} has {size} bytes; AMQP allows at most {MAX_SHORT_STRING}: {text[:40]!r}…"
            )


class TopologyMethods(ChannelBase):
    """Declaring, binding, purging, deleting."""

    __slots__ = ()

    @amqp_method(methods.EXCHANGE_DECLARE)
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
        """Make an exchange, or check that an equivalent one is there (S1, S5).

        `passive` only checks that one of that name exists (S7).

        Raises:
            PreconditionFailed: unknown type, refused argument, or not equivalent.
            NotFound: passive, and there is none.
            AccessRefused: a reserved name (S11), the default exchange (S23), or no permission.

        """
        _short(exchange=exchange, type=exchange_type)
        name = strip_name(exchange)
        host = self._host
        if passive:
            _not_the_default(name)
            host.exchange(name)
            return
        host.check_exchange_type(exchange_type)
        _not_the_default(name)
        self.allow("configure", name, "exchange")
        arguments = arguments or {}
        alternate = arguments.get("alternate-exchange")
        if isinstance(alternate, str) and name not in host.exchanges:
            self.allow("read", name, "exchange")
            self.allow("write", alternate, "exchange")
        host.declare_exchange(
            name,
            exchange_type,
            durable=durable,
            auto_delete=auto_delete,
            internal=internal,
            arguments=arguments,
        )

    @amqp_method(methods.EXCHANGE_DELETE)
    def exchange_delete(self, exchange: str, if_unused: bool = False) -> None:
        """Delete an exchange with its bindings; fine where there is none (S28).

        Raises:
            PreconditionFailed: `if_unused`, and it has bindings as source (S31).
            AccessRefused: one of the broker's own (S23, S25), or no permission.

        """
        name = strip_name(exchange)
        _not_the_default(name)
        if not name.startswith("amq."):
            self.allow("configure", name, "exchange")
        self._host.delete_exchange(name, if_unused=if_unused)

    @amqp_method(methods.EXCHANGE_BIND)
    def exchange_bind(
        self,
        destination: str,
        source: str,
        routing_key: str = "",
        arguments: FieldTable | None = None,
    ) -> None:
        """Have what exchange `source` routes go to exchange `destination` too.

        Raises:
            NotFound: one of them does not exist.
            PreconditionFailed: the source's type refuses the binding (S49, S54).
            AccessRefused: the default exchange (S23), or no permission.

        """
        binding = self._binding(source, destination, "exchange", routing_key, arguments)
        self._host.bind(binding, self.connection)

    @amqp_method(methods.EXCHANGE_UNBIND)
    def exchange_unbind(
        self,
        destination: str,
        source: str,
        routing_key: str = "",
        arguments: FieldTable | None = None,
    ) -> None:
        """Remove a binding between exchanges; fine where there is none (S28).

        Raises:
            AccessRefused: the default exchange (S23), or no permission.

        """
        binding = self._binding(source, destination, "exchange", routing_key, arguments)
        self._host.unbind(binding, self.connection)

    @amqp_method(methods.QUEUE_DECLARE)
    def queue_declare(
        self,
        queue: str = "",
        passive: bool = False,
        durable: bool = False,
        exclusive: bool = False,
        auto_delete: bool = False,
        arguments: FieldTable | None = None,
    ) -> QueueDeclareOk:
        """Make a queue, or check that an equivalent one is there (S1–S4).

        An empty name has the broker make one (S12); `passive` only checks that one exists (S6).

        Raises:
            PreconditionFailed: a refused argument (S13–S19), or not equivalent.
            NotFound: passive, and there is none.
            ResourceLocked: it is another connection's (S8).
            AccessRefused: a reserved name (S11), or no permission.

        """
        _short(queue=queue)
        name = strip_name(queue)
        if name.startswith(PSEUDO_QUEUE):
            return self._declare_reply_queue(name)
        if passive:
            found = self._host.queue(name)
            self._host.check_exclusive(found, self.connection)
            found.touch()
        else:
            found = self._declare(name, durable, exclusive, auto_delete, arguments or {})
        self._last_queue = found.name
        return QueueDeclareOk(found.name, found.ready_count, len(found.consumers))

    def _declare_reply_queue(self, name: str) -> QueueDeclareOk:
        """Say whether a client waits for direct replies (S118)."""
        if not self.connection.broker.replies.exists(name):
            raise NotFound(f"no {self._host.describe('queue', name)}")
        return QueueDeclareOk(name, 0, 1)

    def _declare(
        self,
        name: str,
        durable: bool,
        exclusive: bool,
        auto_delete: bool,
        arguments: FieldTable,
    ) -> Queue:
        host = self._host
        if not name:
            check_server_named(arguments)
            name = random_name("amq.gen", self.connection.broker.random)
        elif name.startswith("amq.") and name not in host.queues:
            raise AccessRefused(f"queue name '{name}' contains reserved prefix 'amq.*'")
        self.allow("configure", name)
        if "x-dead-letter-exchange" in arguments and name not in host.queues:
            self._check_dead_letter_exchange(name, arguments["x-dead-letter-exchange"])
        return host.declare_queue(
            name,
            durable=durable,
            owner=self.connection if exclusive else None,
            auto_delete=auto_delete,
            arguments=arguments,
        )

    def _check_dead_letter_exchange(self, queue: str, target: FieldValue) -> None:
        if not isinstance(target, str):
            raise PreconditionFailed(
                f"invalid type '{erlang_type(target)}' for arg 'x-dead-letter-exchange' in"
                f" {self._host.describe('queue', queue)}"
            )
        self.allow("read", queue)
        self.allow("write", target, "exchange")

    @amqp_method(methods.QUEUE_BIND)
    def queue_bind(
        self,
        queue: str,
        exchange: str,
        routing_key: str | None = None,
        arguments: FieldTable | None = None,
    ) -> None:
        """Have what an exchange routes by this binding go to a queue; twice is once (S32).

        Without a routing key the queue's name is the key, as in pika.

        Raises:
            NotFound: queue or exchange does not exist.
            PreconditionFailed: the exchange's type refuses the binding (S49, S54).
            ResourceLocked: the queue is another connection's (S8).
            AccessRefused: the default exchange (S23), or no permission.

        """
        binding = self._queue_binding(queue, exchange, routing_key, arguments)
        self._host.bind(binding, self.connection)

    @amqp_method(methods.QUEUE_UNBIND)
    def queue_unbind(
        self,
        queue: str,
        exchange: str,
        routing_key: str | None = None,
        arguments: FieldTable | None = None,
    ) -> None:
        """Remove a binding, named by the same five parts (S32); fine where there is none (S28).

        Raises:
            ResourceLocked: the queue is another connection's (S8).
            AccessRefused: the default exchange (S23), or no permission.

        """
        binding = self._queue_binding(queue, exchange, routing_key, arguments)
        self._host.unbind(binding, self.connection)

    def _queue_binding(
        self, queue: str, exchange: str, routing_key: str | None, arguments: FieldTable | None
    ) -> Binding:
        name = self.expand_queue_name(queue)
        profile = self.connection.broker.profile
        if profile.reply_queues_are_volatile and name.startswith(PSEUDO_QUEUE):
            raise AccessRefused("cannot bind or unbind to a volatile (direct reply-to) queue")
        if routing_key is None or not (routing_key or queue):
            routing_key = name
        return self._binding(exchange, name, "queue", routing_key, arguments)

    def _binding(
        self,
        source: str,
        destination: str,
        kind: str,
        routing_key: str,
        arguments: FieldTable | None,
    ) -> Binding:
        """Return the binding meant, if the user may add or remove it."""
        _short(source=source, destination=destination, routing_key=routing_key)
        source, destination = strip_name(source), strip_name(destination)
        self.allow("write", destination, kind)
        _not_the_default(source, *([destination] if kind == "exchange" else []))
        self.allow("read", source, "exchange")
        exchange = self._host.exchanges.get(source)
        if exchange is not None and exchange.type == "topic":
            self.allow_topic("read", source, routing_key)
        is_queue = kind == "queue"
        return Binding(
            source, destination, routing_key, "queue" if is_queue else "exchange", arguments or {}
        )

    @amqp_method(methods.QUEUE_PURGE)
    def queue_purge(self, queue: str) -> QueuePurgeOk:
        """Drop all ready messages; unacknowledged ones stay (S115).

        Raises:
            NotFound: there is no such queue.
            ResourceLocked: it is another connection's (S8).

        """
        name = self.expand_queue_name(queue)
        self.allow("read", name)
        return QueuePurgeOk(self.find_queue(name).purge())

    @amqp_method(methods.QUEUE_DELETE)
    def queue_delete(
        self, queue: str, if_unused: bool = False, if_empty: bool = False
    ) -> QueueDeleteOk:
        """Delete a queue with its bindings and messages; fine where there is none (S28).

        Raises:
            PreconditionFailed: `if_unused` or `if_empty`, and it is not (S29).
            NotImplementedByBroker: one of these flags on a quorum queue (S30).
            ResourceLocked: it is another connection's (S8).

        """
        name = self.expand_queue_name(strip_name(queue))
        self.allow("configure", name)
        found = self._host.queues.get(name)
        if found is None:
            return QueueDeleteOk(0)
        self._host.check_exclusive(found, self.connection)
        return QueueDeleteOk(self._host.delete_queue(found, if_unused=if_unused, if_empty=if_empty))
