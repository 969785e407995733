"""A message, and its place in one queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import Factory, define, evolve, field

from leveret.header import decode_properties, is_persistent
from leveret.properties import NO_PROPERTIES, Long

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leveret.properties import Properties
    from leveret.queues.consumers import Consumer
    from leveret.queues.queue import Queue

__all__ = ["AnyMessage", "EncodedMessage", "Message", "QueuedMessage"]


class AnyMessage:
    """What a publisher sent, however its parts are kept: as values here, as bytes on the wire.

    Shared by all queues it was routed to, so never changed. `size` is that of the body in bytes;
    `expiration_ms` is the `expiration` property, parsed; `extra_keys` are the routing keys that the
    CC and BCC headers added (BCC itself is gone from the headers by then); `died` says that its
    `x-death` header is the broker's own.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        exchange: str
        routing_key: str
        size: int
        expiration_ms: int | None
        extra_keys: tuple[str, ...]
        died: bool

        @property
        def properties(self) -> Properties:
            """The properties of the message."""
            ...

        @property
        def body(self) -> bytes:
            """The body of the message."""
            ...

        @property
        def is_persistent(self) -> bool:
            """Whether a durable queue keeps it through a restart."""
            ...

        #: Whether it has no property that publishing or routing by key needs to look at.
        is_plain: bool

    @property
    def priority(self) -> int:
        """The `priority` property; absent is 0 (S97)."""
        return self.properties.priority or 0

    def changed(self, **changes: Any) -> AnyMessage:
        """Return a copy with some of the fields of `Message` changed."""
        return self.with_changes(changes)

    def with_changes(self, changes: Mapping[str, Any]) -> AnyMessage:
        """Return a copy with some of the fields of `Message` changed."""
        fields: dict[str, Any] = {
            "exchange": self.exchange,
            "routing_key": self.routing_key,
            "properties": self.properties,
            "body": self.body,
            "expiration_ms": self.expiration_ms,
            "extra_keys": self.extra_keys,
            "died": self.died,
        }
        return Message(**(fields | dict(changes)))

    def with_header(self, name: str, value: int) -> AnyMessage:
        """Return a copy whose headers have `name` set to `value`."""
        headers = {**(self.properties.headers or {}), name: Long(value)}
        return self.changed(properties=evolve(self.properties, headers=headers))


class EncodedMessage(AnyMessage):
    """A message whose `header` is bytes, decoded when somebody first asks for a property."""

    __slots__ = ("_properties",)

    _properties: Properties
    #: Exchange and routing key as two short strings, as basic.deliver has them.
    address: bytes

    @property
    def header(self) -> bytes:
        """The payload of the content header."""
        raise NotImplementedError

    @property
    def properties(self) -> Properties:
        """The properties, decoded when first asked for."""
        try:
            return self._properties
        except AttributeError:
            self._properties = decode_properties(self.header)
            return self._properties

    @property
    def is_persistent(self) -> bool:
        """Whether a durable queue keeps it through a restart: delivery mode 2."""
        return is_persistent(self.header)


@define(eq=False, weakref_slot=False)
class Message(AnyMessage):
    """A message with its parts as values."""

    exchange: str
    routing_key: str
    properties: Properties
    body: bytes
    expiration_ms: int | None = None
    extra_keys: tuple[str, ...] = ()
    died: bool = False
    size: int = field(default=Factory(lambda self: len(self.body), takes_self=True))
    is_plain: bool = field(
        default=Factory(lambda self: self.properties is NO_PROPERTIES, takes_self=True)
    )

    @property
    def is_persistent(self) -> bool:
        """Whether a durable queue keeps it through a restart: delivery mode 2."""
        return self.properties.delivery_mode == 2


@define(eq=False, weakref_slot=False)
class QueuedMessage:
    """A message in one queue: ready there, or delivered and not yet acknowledged.

    `position` orders the queue: given at enqueue, kept through a requeue (S80).
    `delivery_count` counts the returns that a quorum queue's delivery limit counts (S87).
    """

    message: AnyMessage
    queue: Queue
    position: int
    expires_at_ms: int | None = None
    redelivered: bool = False
    delivery_count: int = 0
    # Who holds it while it is unacknowledged; None for basic.get.
    consumer: Consumer | None = None
    delivered_at_ms: int = 0
    # The group of the journal that it stands in; 0 where it stands in none.
    stored: int = 0

    def is_due(self, now_ms: int) -> bool:
        """Say whether its time to live is over."""
        return self.expires_at_ms is not None and self.expires_at_ms <= now_ms
