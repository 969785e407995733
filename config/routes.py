"""A virtual host's exchanges, bound as the file says, asked where messages go: no broker needed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from attrs import define, field

from leveret.config.names import PREDECLARED_EXCHANGES
from leveret.errors import PreconditionFailed
from leveret.exchanges import (
    BindingLimits,
    DefaultExchange,
    Envelope,
    Exchange,
    ExchangeTypes,
    Router,
)
from leveret.exchanges.walk import Step, routing_keys, walk
from leveret.properties import Properties
from leveret.routing import Binding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leveret.config.model import VirtualHost
    from leveret.exchanges import RouteTrace
    from leveret.properties import FieldValue

__all__ = ["Routes"]


class _NoChance:
    """Where chance would decide; nothing here asks it, since every choice is followed."""

    def randrange(self, stop: int, /) -> int:
        return stop - 1


@define(eq=False)
class Routes:
    """The routes of one virtual host. A binding to nothing that exists leads nowhere."""

    # name -> exchange; "" is the default exchange
    exchanges: dict[str, Exchange]
    # name -> itself: all that a router needs to know of a queue
    queues: dict[str, str]
    # exchange -> what it costs to look for its bindings, by each word of a key and apart from that
    _slow: dict[str, tuple[int, int]] = field(factory=dict)
    #: What routing came to so far: bindings looked at, about, and exchanges visited.
    work: int = field(default=0, init=False)
    _router: Router[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._router = Router(self.exchanges, self.queues, _NoChance())

    @classmethod
    def of(cls, host: VirtualHost, alternates: Mapping[str, str]) -> Routes:
        """Bind the exchanges of a virtual host; `alternates` maps exchanges to their alternates."""
        exchanges: dict[str, Exchange] = {"": DefaultExchange()}
        types = ExchangeTypes.installed()
        for name, kind in PREDECLARED_EXCHANGES.items():
            if name:
                exchanges[name] = types.create(kind, name)
        for declared in host.exchanges.values():
            with suppress(PreconditionFailed):  # reported where it is declared
                exchanges[declared.name] = types.create(
                    declared.type,
                    declared.name,
                    internal=declared.internal,
                    arguments=declared.arguments,
                )
        for name, alternate in alternates.items():
            if name in exchanges:
                exchanges[name].alternate = alternate
        slow: dict[str, tuple[int, int]] = {}
        for one in host.bindings:
            exchange = exchanges.get(one.source)
            if exchange is None or not exchange.name:
                continue
            binding = Binding(
                one.source, one.destination, one.routing_key, one.destination_type, one.arguments
            )
            with suppress(PreconditionFailed):
                exchange.validate_binding(binding, BindingLimits())
                exchange.bind(binding)
                _count_slow(slow, exchange, one.routing_key)
        return cls(exchanges, {name: name for name in host.queues}, slow)

    def reached(
        self, exchange: str, keys: tuple[str, ...], headers: Mapping[str, FieldValue] | None = None
    ) -> list[str]:
        """Return the queues that a message may go to, also those that only chance chooses."""
        if exchange not in self.exchanges:
            return []
        if not exchange:
            return [key for key in dict.fromkeys(keys) if key in self.queues]
        properties = Properties(headers=dict(headers)) if headers else None
        envelope = Envelope(keys, properties, _NoChance())
        found: dict[str, None] = {}
        for visited, bindings, _ in self._steps(exchange, envelope):
            self.work += 1 + len(bindings) + self._cost_of(visited, keys)
            for binding in bindings:
                if binding.destination_type == "queue" and binding.destination in self.queues:
                    found[binding.destination] = None
        return list(found)

    def _cost_of(self, exchange: Exchange, keys: tuple[str, ...]) -> int:
        by_word, at_once = self._slow.get(exchange.name, (0, 0))
        return by_word * sum(key.count(".") + 1 for key in keys) + at_once // 4

    def published(
        self, exchange: str, key: str, headers: Mapping[str, FieldValue]
    ) -> tuple[list[str], str]:
        """Return the queues that a published message may go to, or why RabbitMQ would refuse it."""
        made = self.exchanges.get(exchange)
        if made is None:
            return [], f"NOT_FOUND - no exchange '{exchange}'"
        if made.internal:
            return [], f"ACCESS_REFUSED - cannot publish to internal exchange '{exchange}'"
        try:
            keys = routing_keys(key, Properties(headers=dict(headers)))
        except PreconditionFailed as error:
            return [], error.reply_text
        return self.reached(exchange, keys, headers), ""

    def explain(self, exchange: str, key: str, headers: Mapping[str, FieldValue]) -> RouteTrace:
        """Return the route of a message that is not refused, with the reasons."""
        return self._router.explain(exchange, key, Properties(headers=dict(headers)))

    def _steps(self, exchange: str, envelope: Envelope) -> list[Step]:
        return walk(self.exchanges[exchange], self.exchanges, envelope, draw=False)


def _count_slow(slow: dict[str, tuple[int, int]], exchange: Exchange, key: str) -> None:
    """Count a binding that may be looked at in vain: others are found by what they ask for."""
    many_hashes = exchange.routes_as == "topic" and key.count("#") > 2
    many_stars = exchange.routes_as == "topic" and key.count("*") > 3
    if many_hashes or many_stars or exchange.routes_as == "headers":
        by_word, at_once = slow.get(exchange.name, (0, 0))
        slow[exchange.name] = by_word + many_hashes, at_once + (not many_hashes)
