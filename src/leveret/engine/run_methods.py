"""Publishing and delivering by the run: what is the same for all its messages is done once.

For a client nothing differs. Where anything asks for a look at each message (a transaction, a
queue with limits, a route that is not remembered, rights that depend on the key), each goes the
way of `publish`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, cast

from leveret.engine.consuming import ConsumeMethods
from leveret.engine.publishing import PublishMethods, parse_expiration
from leveret.errors import PreconditionFailed

if TYPE_CHECKING:
    from leveret.queues import Consumer, MessageRun, Queue, QueuedRun

__all__ = ["RunMethods"]


class RunMethods(PublishMethods, ConsumeMethods):
    """Runs in and out of a channel."""

    __slots__ = ()

    #: False for a channel that follows each message: it then meets no run.
    takes_runs: ClassVar[bool] = True

    # -- in

    def publish_run(self, run: MessageRun, mandatory: bool = False) -> None:
        """Publish messages, as so many calls of `publish` would; that says what may be refused."""
        routed = self._route_run(run)
        if routed is None:
            for index in range(len(run)):
                self.publish(run.message(index), mandatory)
            return
        host, count = self._host, len(run)
        journal = host.broker.journal
        appended = 0 if journal is None else journal.appended
        host.published[run.exchange] += count
        expiration_ms = _expiration_ms(run)
        for targets, part in routed:
            for queue in targets:
                queue.publish_run(part, expiration_ms)
        if self._publish_seq:
            if journal is not None and journal.appended != appended:
                self.hold_confirms(journal.group, count, taken=True)
            else:
                self._confirmed.extend(range(self._publish_seq, self._publish_seq + count))
            self._publish_seq += count
            if not self.coalesce_confirms:
                self.flush_confirms()
        broker = host.broker
        if broker.work or broker.outbox:
            broker.settle()

    def _route_run(self, run: MessageRun) -> list[tuple[tuple[Queue, ...], MessageRun]] | None:
        """Return the queues and what goes to them; None where each message needs a look."""
        exchange = run.exchange
        if (
            self.closed
            or not self.takes_runs
            or self._tx is not None
            or exchange not in self._access.publishable
            or max(run.sizes) > self._max_body_bytes
        ):
            return None
        try:
            _expiration_ms(run)
        except PreconditionFailed:
            return None
        keys = run.routing_keys()
        # What is remembered depends on keys alone: it ends in queues, and nothing is held back.
        remembered = self._host.router.remembered_each(exchange, keys)
        routes = cast("list[tuple[Queue, ...]] | None", remembered)
        if routes is None:
            routes = [self._known_route(exchange, key) for key in keys]
        first = routes[0]
        if routes.count(first) == len(routes):
            if not first or not all(queue.takes_run(run) for queue in first):
                return None
            return [(first, run)]
        return self._by_queue(run, routes)

    def _known_route(self, exchange: str, routing_key: str) -> tuple[Queue, ...]:
        """Return a route that depends on exchange and routing key alone; else none."""
        router = self._host.router
        known = router.remembered(exchange, routing_key)
        if known is None:
            with suppress(KeyError):  # the exchange is gone, which `publish` will say
                router.route(exchange, routing_key)
            known = router.remembered(exchange, routing_key)
        return cast("tuple[Queue, ...]", known or ())

    def _by_queue(
        self, run: MessageRun, routes: list[tuple[Queue, ...]]
    ) -> list[tuple[tuple[Queue, ...], MessageRun]] | None:
        """Part a run by queues. Each gets its messages in order, one queue after the other."""
        # queue -> the indexes of its messages
        indexes: dict[Queue, list[int]] = {}
        for index, targets in enumerate(routes):
            if not targets:
                return None
            for queue in targets:
                indexes.setdefault(queue, []).append(index)
        if not all(queue.takes_run(run) for queue in indexes):
            return None
        return [((queue,), run.pick(its)) for queue, its in indexes.items()]

    # -- out: what queues call

    def room(self, count: int) -> int:
        """Return how many of `count` deliveries the channel takes now (S75)."""
        if not self.takes_runs:
            return 1
        if self._global_prefetch:
            return min(count, self._global_prefetch - self._held)
        return count

    def receive_run(self, consumer: Consumer, queued: QueuedRun) -> None:
        """Take deliveries in a row from a queue and tell the client."""
        if not self.takes_runs or self.visibility_timeout_ms(queued.queue, consumer) is not None:
            for entry in queued.entries():
                self.receive(consumer, entry)
            return
        count = len(queued)
        tag = self._next_tag
        self._next_tag = tag + count
        if not consumer.no_ack:
            queued.first_tag = tag
            queued.consumer = consumer
            queued.delivered_at_ms = self._now_ms()
            consumer.unacked += count
            self._held += count
            self._held_runs.append(queued)
            if self._timeout_check_ms is None or queued.queue.settings.watches_deliveries:
                self.watch(queued)
        self.listener.delivered_run(consumer.tag, tag, queued)


def _expiration_ms(run: MessageRun) -> int | None:
    text = run.expiration
    return parse_expiration(text.decode("utf-8", "surrogateescape")) if text else None
