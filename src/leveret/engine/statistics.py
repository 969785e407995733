"""What a broker can tell about itself at one moment: frozen figures, counted since it was made.

Rates are the caller's to work out from two readings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field, frozen

if TYPE_CHECKING:
    from leveret.queues import ConsumerStatistics, QueueStatistics

__all__ = [
    "BrokerStatistics",
    "ChannelStatistics",
    "ExchangeStatistics",
    "Unroutable",
    "UnroutableLog",
    "VirtualHostStatistics",
]

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


@frozen
class ExchangeStatistics:
    """An exchange's figures. `published` counts messages that clients published to it."""

    name: str
    type: str
    bindings: int
    published: int
    routed: int
    unroutable: int


@frozen
class ChannelStatistics:
    """A channel's figures; `unconfirmed` counts published messages not yet answered."""

    number: int
    user: str
    unacked: int
    unconfirmed: int
    prefetch: int
    global_prefetch: int
    confirms: bool
    transactional: bool
    consumers: tuple[ConsumerStatistics, ...]


@frozen
class VirtualHostStatistics:
    """A virtual host's figures."""

    name: str
    ready: int
    unacked: int
    bytes: int
    published: int
    routed: int
    unroutable: tuple[Unroutable, ...]
    dead_letter_cycles: int
    exchanges: tuple[ExchangeStatistics, ...]
    queues: tuple[QueueStatistics, ...]


@frozen
class BrokerStatistics:
    """A broker's figures: the sums over its virtual hosts, and each of those."""

    ready: int
    unacked: int
    bytes: int
    published: int
    routed: int
    connections: int
    channels: tuple[ChannelStatistics, ...]
    virtual_hosts: tuple[VirtualHostStatistics, ...]
