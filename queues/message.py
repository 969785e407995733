"""A message, and its place in one queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, evolve

if TYPE_CHECKING:
    from leveret.properties import Properties
    from leveret.queues.consumers import Consumer
    from leveret.queues.queue import Queue

__all__ = ["Message", "QueuedMessage"]


@define(eq=False, weakref_slot=False)
class Message:
    """What a publisher sent. Shared by all queues it was routed to, so never changed.

    `expiration_ms` is the `expiration` property, parsed; `extra_keys` are the routing keys that
    the CC and BCC headers added (BCC itself is gone from the headers by then); `died` says that
    its `x-death` header is the broker's own.
    """

    exchange: str
    routing_key: str
    properties: Properties
    body: bytes
    expiration_ms: int | None = None
    extra_keys: tuple[str, ...] = ()
    died: bool = False

    @property
    def priority(self) -> int:
        """The `priority` property; absent is 0 (S97)."""
        return self.properties.priority or 0

    def with_header(self, name: str, value: int) -> Message:
        """Return a copy whose headers have `name` set to `value`."""
        headers = {**(self.properties.headers or {}), name: value}
        return evolve(self, properties=evolve(self.properties, headers=headers))


@define(eq=False, weakref_slot=False)
class QueuedMessage:
    """A message in one queue: ready there, or delivered and not yet acknowledged.

    `position` orders the queue: given at enqueue, kept through a requeue (S80).
    `delivery_count` counts the returns that a quorum queue's delivery limit counts (S87).
    """

    message: Message
    queue: Queue
    position: int
    expires_at_ms: int | None = None
    redelivered: bool = False
    delivery_count: int = 0
    # Who holds it while it is unacknowledged; None for basic.get.
    consumer: Consumer | None = None
    delivered_at_ms: int = 0
