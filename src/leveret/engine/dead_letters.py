"""Dead-lettering in a virtual host: from a queue a message died in to those it lands in.

Dead messages are put in line and sent on once the operation that killed them is through, one after
the other: a message that kills another by landing only makes the line longer. Most are sent at most
once (S109); a quorum queue may ask for at least once (S114), and then what finds no queue is held.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from attrs import define, field

from leveret.engine.delays import DelayedRoute, queues_of
from leveret.queues.dead_letter import DeadMessage, cycle, is_cycle, record_death

if TYPE_CHECKING:
    from leveret.engine.virtual_host import VirtualHost
    from leveret.queues import AnyMessage, Queue

__all__ = ["DeadLetters"]

#: After this, what an at-least-once queue could not place is tried again (RabbitMQ's
#: `dead_letter_worker_publisher_confirm_timeout`).
RETRY_MS = 180_000


@define(eq=False)
class DeadLetters:
    """The dead messages of one virtual host on their way, and those that cannot go on."""

    virtual_host: VirtualHost
    cycles: int = field(default=0, init=False)
    # queue -> (message as it died, reason), in order; at-least-once queues only
    _held: dict[Queue, deque[tuple[AnyMessage, str]]] = field(factory=dict, init=False)

    def add(self, queue: Queue, message: AnyMessage, reason: str) -> None:
        """Put a message that died in `queue` in line."""
        self.virtual_host.broker.work.append(partial(self._send, queue, message, reason))

    def held(self, queue: Queue) -> int:
        """Return how many dead messages a queue holds since they cannot be placed."""
        return len(self._held.get(queue, ()))

    def forget(self, queue: Queue) -> None:
        """Drop what a queue that is deleted holds."""
        self._held.pop(queue, None)

    def retry(self) -> None:
        """Try to place everything held: the topology changed, or time passed."""
        for queue in list(self._held):
            self.virtual_host.broker.work.append(partial(self._retry_queue, queue))

    def _retry_queue(self, queue: Queue) -> None:
        held = self._held.pop(queue, deque())
        while held:
            message, reason = held[0]
            if not self._place(queue, message, reason):
                self._held[queue] = held
                return
            held.popleft()

    def _send(self, queue: Queue, message: AnyMessage, reason: str) -> None:
        settings = queue.settings
        at_least_once = (
            settings.type == "quorum"
            and settings.dead_letter_strategy == "at-least-once"
            and settings.overflow == "reject-publish"
        )
        if not at_least_once:
            self._place(queue, message, reason)
        elif queue in self._held or not self._place(queue, message, reason):
            if queue not in self._held:
                self.virtual_host.call_at(self.virtual_host.now_ms() + RETRY_MS, self.retry)
            self._held.setdefault(queue, deque()).append((message, reason))

    def _place(self, queue: Queue, message: AnyMessage, reason: str) -> bool:
        """Send a dead message to its queues; say whether any took it."""
        host, settings = self.virtual_host, queue.settings
        exchange = host.exchanges.get(settings.dead_letter_exchange or "")
        if exchange is None:
            return False
        rules = host.broker.profile.deaths
        dead = record_death(
            message,
            queue.name,
            reason,
            host.now_ms(),
            rules,
            exchange=exchange.name,
            routing_key=settings.dead_letter_routing_key,
        )
        keys = (dead.routing_key, *dead.extra_keys)
        targets = host.router.remembered(exchange.name, keys[0]) if len(keys) == 1 else None
        if targets is None:
            targets = host.router.route_keys(exchange.name, keys, dead.properties)
        taken = not exchange.name and host.broker.replies.deliver(dead)
        # The history of a first death names but the queue it died in.
        first = isinstance(dead, DeadMessage)
        has_history = not first and (message.died or rules.trusts_client)
        if host.broker.events.active:
            names = [queue.name for queue in queues_of(targets)]
            host.emit(
                "message.dead_lettered",
                queue=queue.name,
                reason=reason,
                targets=names,
                message=message,
                dead=dead,
            )
        for target in targets:
            if isinstance(target, DelayedRoute):
                taken = target.publish(dead) or taken
            elif (has_history or target is queue) and is_cycle(dead, reason, target.name):
                self._report_cycle(dead, target.name)
            else:
                taken = target.publish(dead) or taken
        return taken

    def _report_cycle(self, message: AnyMessage, target: str) -> None:
        self.cycles += 1
        if self.virtual_host.broker.events.active:
            queues = list(cycle(message, target))
            self.virtual_host.emit("message.dead_letter_cycle", queues=queues, message=message)
