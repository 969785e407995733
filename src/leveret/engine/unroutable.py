"""The messages that reached no queue, told apart by exchange and routing key."""

from __future__ import annotations

from attrs import define, field, frozen

__all__ = ["Unroutable", "UnroutableLog"]

#: How many different (exchange, routing key) pairs are told apart; the oldest go first. Keys are
#: chosen by publishers, who may never repeat one.
UNROUTABLE_KEPT = 1000


@frozen
class Unroutable:
    """Messages that reached no queue: where they were published, how many, when last."""

    exchange: str
    routing_key: str
    count: int
    last_seen_ms: int


@define(eq=False)
class UnroutableLog:
    """Unroutable messages by exchange and routing key, in bounded memory."""

    kept: int = UNROUTABLE_KEPT
    total: int = field(default=0, init=False)
    # (exchange, routing key) -> what was seen, least recently seen first
    _seen: dict[tuple[str, str], Unroutable] = field(factory=dict, init=False)
    # exchange -> messages
    by_exchange: dict[str, int] = field(factory=dict, init=False)

    def add(self, exchange: str, routing_key: str, now_ms: int) -> None:
        """Count one message."""
        self.total += 1
        self.by_exchange[exchange] = self.by_exchange.get(exchange, 0) + 1
        before = self._seen.pop((exchange, routing_key), None)
        count = before.count + 1 if before else 1
        self._seen[exchange, routing_key] = Unroutable(exchange, routing_key, count, now_ms)
        if len(self._seen) > self.kept:
            del self._seen[next(iter(self._seen))]

    def entries(self) -> tuple[Unroutable, ...]:
        """Return what was seen, least recently seen first."""
        return tuple(self._seen.values())
