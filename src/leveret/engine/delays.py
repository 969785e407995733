"""Messages held back until a time, by `x-delayed-message` exchanges, delayed publishes and retries.

A held message has left its publisher and is in no queue yet. When it is due it goes through its
exchange, as if it were published then, or straight into one queue. A persistent one is noted in
the journal beside all else that the same turn did, so that it is held and what caused it is done,
or neither.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

from attrs import define, evolve, field, frozen

from leveret.exchanges import requested_delay_ms
from leveret.exchanges.delayed import DELAY_HEADER
from leveret.header import decode_properties, encode_header
from leveret.queues import AnyMessage, EncodedMessage, Message
from leveret.queues.queue import MESSAGE_OVERHEAD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from leveret.engine.virtual_host import VirtualHost
    from leveret.properties import FieldValue
    from leveret.queues import Queue

    #: Where a route ends: in a queue, or held back by an exchange.
    Target: TypeAlias = "Queue | DelayedRoute"

__all__ = ["DelayedRoute", "Delays", "HeldMessage", "Target", "queues_of"]

#: A queue that is full when a message for it is due is tried again after this many milliseconds.
FULL_RETRY_MS = 1000
#: Ids are noted as used by so many at once, so that most messages cost one record.
ID_BLOCK = 1000


@frozen(eq=False)
class HeldMessage:
    """A message that waits until `due_ms`. Its id is never another one's, restarts or not.

    It goes to `queue`, or, where that is None, through `exchange`.
    """

    id: int
    message: AnyMessage
    due_ms: int
    queue: str | None
    exchange: str

    @classmethod
    def of(cls, held_id: int, fields: Mapping[str, Any]) -> Self:
        """Return the message that a journal kept as `value`."""
        message = Message(
            fields["exchange"],
            fields["routing_key"],
            decode_properties(fields["header"]),
            fields["body"],
            fields["expiration_ms"],
            tuple(fields["extra_keys"]),
            fields["died"],
        )
        return cls(held_id, message, fields["due_ms"], fields["queue"], fields["through"])

    def value(self) -> dict[str, FieldValue]:
        """Return what has to be known to hold it again, as a journal keeps it."""
        message = self.message
        if isinstance(message, EncodedMessage):
            header = message.header
        else:
            header = encode_header(message.properties, message.size)
        return {
            "due_ms": self.due_ms,
            "queue": self.queue,
            "through": self.exchange,
            "exchange": message.exchange,
            "routing_key": message.routing_key,
            "header": header,
            "body": message.body,
            "expiration_ms": message.expiration_ms,
            "extra_keys": [*message.extra_keys],
            "died": message.died,
        }


@frozen(eq=False)
class DelayedRoute:
    """Where a message goes that an exchange holds back; publishing to it is to hold the message."""

    #: Of the exchange.
    name: str
    delays: Delays
    deleted: ClassVar[bool] = False

    def publish(self, message: AnyMessage) -> bool:
        """Hold a message for as long as its header says."""
        delay_ms = requested_delay_ms(message.properties.headers or {}) or 0
        due_ms = self.delays.virtual_host.now_ms() + delay_ms
        self.delays.hold(message, due_ms, exchange=self.name)
        return True

    def publish_again(self, message: AnyMessage) -> bool:
        """Hold a message that was held before, or died."""
        return self.publish(message)


def queues_of(targets: Iterable[Target]) -> list[Queue]:
    """Return the queues among the ends of a route."""
    return [target for target in targets if not isinstance(target, DelayedRoute)]


@define(eq=False)
class Delays:
    """The held messages of one virtual host. Holding and cancelling cost O(log n)."""

    virtual_host: VirtualHost
    # id -> (message, what cancels its timer), in the order of holding
    _held: dict[int, tuple[HeldMessage, tuple[int, int]]] = field(factory=dict, init=False)
    # exchange -> how many go through it
    by_exchange: dict[str, int] = field(factory=dict, init=False)
    #: The bodies together.
    body_bytes: int = field(default=0, init=False)
    _next_id: int = field(default=1, init=False)
    # Ids from this on are not noted as used.
    _unnoted_id: int = field(default=1, init=False)

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[HeldMessage]:
        """Yield the messages that are held, those due first first; O(n log n)."""
        held = [held for held, _ in self._held.values()]
        return iter(sorted(held, key=lambda each: (each.due_ms, each.id)))

    @property
    def memory_bytes(self) -> int:
        """What the messages are worth, each with what it costs beside its body."""
        return self.body_bytes + len(self._held) * MESSAGE_OVERHEAD

    def hold(
        self,
        message: AnyMessage,
        due_ms: int,
        *,
        queue: str | None = None,
        exchange: str | None = None,
    ) -> int:
        """Hold a message until `due_ms` (of the broker's clock); return its id for `cancel`.

        Then it goes straight to `queue`, or through `exchange`, by default its own.
        """
        through = message.exchange if exchange is None else exchange
        held = HeldMessage(self._new_id(), message, due_ms, queue, through)
        self._keep(held)
        return held.id

    def cancel(self, held_id: int) -> bool:
        """Drop a message that is held; say whether it was there still."""
        if held_id not in self._held:
            return False
        held = self._take(held_id)
        if self.virtual_host.broker.events.active:
            self.virtual_host.emit("message.delay_cancelled", message=held.message, id=held_id)
        return True

    def clear(self) -> None:
        """Drop all: the virtual host is deleted."""
        for held_id in list(self._held):
            self._take(held_id)
        if self._unnoted_id > 1:
            self.virtual_host.note("held_ids", (), None)

    def restore_ids(self, unnoted_id: int) -> None:
        """Go on with ids from here on: those below may have been used."""
        self._next_id = self._unnoted_id = unnoted_id

    def restore(self, held: HeldMessage) -> None:
        """Hold a message again, under its id, that a journal kept."""
        self._add(held)
        self._next_id = max(self._next_id, held.id + 1)
        self._unnoted_id = max(self._unnoted_id, self._next_id)

    def _new_id(self) -> int:
        held_id = self._next_id
        self._next_id = held_id + 1
        if held_id >= self._unnoted_id:
            self._unnoted_id = held_id + ID_BLOCK
            self.virtual_host.note("held_ids", (), {"below": self._unnoted_id})
        return held_id

    def _keep(self, held: HeldMessage) -> None:
        self._add(held)
        host = self.virtual_host
        if held.message.is_persistent and host.broker.journal is not None:
            host.note("held_message", (str(held.id),), held.value())
        if host.broker.events.active:
            host.emit(
                "message.delayed",
                message=held.message,
                exchange=held.exchange,
                queue=held.queue,
                due_ms=held.due_ms,
                id=held.id,
            )

    def _add(self, held: HeldMessage) -> None:
        timers = self.virtual_host.broker.timers
        timer = timers.call_at(held.due_ms, partial(self._due, held.id))
        self._held[held.id] = (held, timer)
        self.body_bytes += held.message.size
        if held.queue is None:
            self.by_exchange[held.exchange] = self.by_exchange.get(held.exchange, 0) + 1

    def _take(self, held_id: int) -> HeldMessage:
        held, timer = self._held.pop(held_id)
        host = self.virtual_host
        host.broker.timers.cancel(timer)
        self.body_bytes -= held.message.size
        if held.queue is None:
            left = self.by_exchange[held.exchange] - 1
            if left:
                self.by_exchange[held.exchange] = left
            else:
                del self.by_exchange[held.exchange]
        if held.message.is_persistent:
            host.note("held_message", (str(held_id),), None)
        return held

    def _due(self, held_id: int) -> None:
        held, _ = self._held[held_id]
        if held.queue is not None:
            self._send_to_queue(held, held.queue)
        else:
            self._publish(self._take(held_id))

    def _send_to_queue(self, held: HeldMessage, name: str) -> None:
        host = self.virtual_host
        queue = host.queues.get(name)
        if queue is None:
            self._tell_released(held, held.message, [])
            self._unroutable(self._take(held.id).message)
            return
        self._tell_released(held, held.message, [name])
        taken = queue.publish_again(held.message)
        if taken or queue.settings.overflow == "reject-publish-dlx":
            self._take(held.id)
            return
        # Nobody is there to be told that the queue is full.
        self._tell_refused(held.message, queue)
        self._take(held.id)
        self._keep(evolve(held, due_ms=host.now_ms() + FULL_RETRY_MS))

    def _publish(self, held: HeldMessage) -> None:
        """Route a message as it is now, as a publish would be."""
        host, message = self.virtual_host, held.message
        exchange = host.exchanges.get(held.exchange)
        if exchange is None:
            self._tell_released(held, message, [])
            self._unroutable(message)
            return
        if exchange.delays:
            message = _delay_over(message)
        keys = (message.routing_key, *message.extra_keys)
        targets = host.router.route_keys(held.exchange, keys, message.properties)
        self._tell_released(held, message, [queue.name for queue in queues_of(targets)])
        taken = not held.exchange and host.broker.replies.deliver(message)
        for target in targets:
            if not target.publish(message) and not isinstance(target, DelayedRoute):
                self._tell_refused(message, target)
        if not (targets or taken):
            self._unroutable(message)

    def _tell_released(self, held: HeldMessage, message: AnyMessage, targets: list[str]) -> None:
        if self.virtual_host.broker.events.active:
            self.virtual_host.emit(
                "message.delay_over",
                message=held.message,
                released=message,
                targets=targets,
                id=held.id,
            )

    def _tell_refused(self, message: AnyMessage, queue: Queue) -> None:
        if self.virtual_host.broker.events.active:
            self.virtual_host.emit("message.refused", message=message, queue=queue.name)

    def _unroutable(self, message: AnyMessage) -> None:
        host = self.virtual_host
        host.unroutable.add(message.exchange, message.routing_key, host.now_ms())
        if host.broker.events.active:
            host.emit("message.unroutable", message=message)

    def check(self) -> None:
        """Assert that counts agree with the messages."""
        held = [held for held, _ in self._held.values()]
        assert self.body_bytes == sum(each.message.size for each in held)
        through = [each.exchange for each in held if each.queue is None]
        assert self.by_exchange == {name: through.count(name) for name in set(through)}
        assert all(each.id < self._next_id <= self._unnoted_id for each in held)


def _delay_over(message: AnyMessage) -> AnyMessage:
    """Return a message whose header says that its delay is over: what it was, below zero.

    So no other exchange on its way holds it again, and a consumer can tell (RabbitMQ's plugin).
    """
    headers = message.properties.headers or {}
    delay_ms = requested_delay_ms(headers)
    if delay_ms is None or delay_ms <= 0:
        return message
    changed = evolve(message.properties, headers={**headers, DELAY_HEADER: -delay_ms})
    return message.changed(properties=changed)
