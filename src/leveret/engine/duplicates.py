"""Duplicates in a virtual host: messages that an exchange or a queue was given before are dropped.

Exchanges look when a client publishes: what comes by a binding, as a dead letter, or when a delay
is over was published once already, as LavinMQ has it. Unlike there, an identifier is remembered
once all queues took the message: a publisher whose message was refused, or found no queue, may
send it again, and it arrives. And the duplicate of a mandatory message is not returned: it was
routed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import define, field

from leveret.engine.delays import queues_of
from leveret.queues import DeduplicatingQueue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from leveret.deduplication import Identifiers
    from leveret.engine.delays import Target
    from leveret.engine.virtual_host import VirtualHost
    from leveret.properties import FieldValue
    from leveret.queues import AnyMessage, Queue

__all__ = ["Duplicates"]


@define(eq=False)
class Duplicates:
    """What the virtual host's exchanges were given before, and how that is kept."""

    virtual_host: VirtualHost
    # exchange that drops duplicates -> what it was given
    exchanges: dict[str, Identifiers] = field(factory=dict, init=False)

    def keep(self, kind: str, name: str, identifiers: Identifiers | None, durable: bool) -> None:
        """Know an object that was made: what it is given survives where it does (S39)."""
        if identifiers is None:
            return
        if kind == "exchange":
            self.exchanges[name] = identifiers
        if durable and identifiers.settings.persistent:
            identifiers.note = partial(self._note, kind, name)

    def forget(self, exchange: str, identifiers: Identifiers | None) -> None:
        """Forget an exchange that is deleted."""
        if identifiers is not None:
            self.exchanges.pop(exchange, None)
            identifiers.drop()

    def _note(
        self, kind: str, name: str, slot: int, value: Mapping[str, FieldValue] | None
    ) -> None:
        self.virtual_host.note("identifier", (kind, name, str(slot)), value)

    def restore(self, kind: str, name: str, slot: int, value: Mapping[str, Any]) -> None:
        """Take in what a journal kept for an object, which is there already."""
        if kind == "exchange":
            identifiers: Identifiers | None = self.exchanges.get(name)
        else:
            queue = self.virtual_host.queues[name]
            identifiers = queue.identifiers if isinstance(queue, DeduplicatingQueue) else None
        if identifiers is not None:
            identifiers.restore(slot, value)

    def deliver(self, message: AnyMessage, targets: tuple[Target, ...]) -> bool:
        """Hand a message to its queues unless it came before; say whether all took it."""
        identifiers = self.exchanges[message.exchange]
        identifier = identifiers.settings.identifier(message.properties)
        now_ms = self.virtual_host.now_ms()
        if identifier is not None and identifiers.has(identifier, now_ms):
            identifiers.duplicates += 1
            self.dropped(message, queues_of(targets))
            return True
        taken = True
        for target in targets:
            taken = target.publish(message) and taken
        if taken and identifier is not None:
            durable = message.is_persistent
            identifiers.add(identifier, message.properties, now_ms, durable=durable)
        return taken

    def dropped(self, message: AnyMessage, queues: Iterable[Queue]) -> None:
        """Tell of a duplicate, whose confirm has to wait until the original is durable."""
        host = self.virtual_host
        if host.broker.undurable():
            # Its own record brings the confirm behind those of the original.
            host.note("virtual_host", (), {})
        for queue in queues:
            host.emit("message.duplicate", message=message, queue=queue.name)
