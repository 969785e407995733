"""The route of a message: from exchange and routing key to the queues reached, fast.

Where a result depends on nothing but these two, it is remembered by them until anything in the
topology changes, so that a key seen before costs one lookup. The memory is bounded: keys are
chosen by publishers, who may never repeat one. Everything else is walked (`walk.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from attrs import define, field

from leveret.exchanges.base import Envelope, Exchange, Random
from leveret.exchanges.walk import routing_keys, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from leveret.exchanges.trace import RouteTrace
    from leveret.properties import Properties

__all__ = ["DEFAULT_CACHE_SIZE", "Router"]

T = TypeVar("T")

#: Routes remembered. With keys of the greatest length, 255 bytes, this is about 5 MB.
DEFAULT_CACHE_SIZE = 10_000


@define(eq=False)
class Router(Generic[T]):
    """Finds the queues for a message among exchanges and queues owned, and changed, by the caller.

    The caller calls `invalidate()` after every change of an exchange, a binding, an alternate
    exchange or a queue. `T` is what the caller keeps under a queue's name. An exchange that holds
    a message back is a place it goes to like a queue: `held_by` gives what stands for it.
    """

    # name -> exchange; "" is the default exchange and always there
    _exchanges: Mapping[str, Exchange]
    # name -> queue
    _queues: Mapping[str, T]
    _random: Random
    #: How many routes to remember; 0 remembers none.
    cache_size: int = DEFAULT_CACHE_SIZE
    #: What holds messages back for an exchange, given its name; None leaves them out.
    held_by: Callable[[str], T] | None = None
    # exchange -> {routing key -> queues}; only routes that depend on nothing else. Two lookups by
    # strings, whose hashes are kept, take two thirds of the time of one by a pair of them.
    _cache: dict[str, dict[str, tuple[T, ...]]] = field(factory=dict, init=False, repr=False)
    _remembered: int = field(default=0, init=False)
    # identities of a remembered route's queues -> the route
    _same: dict[tuple[int, ...], tuple[T, ...]] = field(factory=dict, init=False, repr=False)

    def route(
        self, exchange: str, routing_key: str, properties: Properties | None = None
    ) -> tuple[T, ...]:
        """Return the queues that the message goes to, each once (S33); none if it is unroutable.

        Their order is that of the walk, the nearest exchange's first, and within one exchange
        that of its answer: the same for the same topology.

        Raises:
            KeyError: there is no such exchange (what that means is the caller's to say: S26).
            PreconditionFailed: CC or BCC is not an array (S56).

        """
        headers = None if properties is None else properties.headers
        if headers and ("CC" in headers or "BCC" in headers):
            return self._find(exchange, routing_keys(routing_key, properties), properties)[0]
        try:
            return self._cache[exchange][routing_key]
        except KeyError:
            pass
        return self._learn(exchange, routing_key, properties)

    def remembered(self, exchange: str, routing_key: str) -> tuple[T, ...] | None:
        """Return the route of a message by exchange and routing key alone, if it is remembered.

        None says that `route` has to be asked, with the properties that may decide.
        """
        try:
            return self._cache[exchange][routing_key]
        except KeyError:
            return None

    def remembered_each(
        self, exchange: str, routing_keys: Iterable[str]
    ) -> list[tuple[T, ...]] | None:
        """Do as `remembered` for each key; None where one of them is not remembered."""
        try:
            return [*map(self._cache[exchange].__getitem__, routing_keys)]
        except KeyError:
            return None

    def route_keys(
        self, exchange: str, keys: tuple[str, ...], properties: Properties | None = None
    ) -> tuple[T, ...]:
        """Return the queues for a message routed by these keys, whatever its CC and BCC say.

        This is for a message that dies: what it is routed by was decided when it was published,
        or by its queue.

        Raises:
            KeyError: there is no such exchange.

        """
        if len(keys) > 1:
            return self._find(exchange, keys, properties)[0]
        try:
            return self._cache[exchange][keys[0]]
        except KeyError:
            pass
        return self._learn(exchange, keys[0], properties)

    def invalidate(self) -> None:
        """Forget every route: something in the topology changed."""
        self._cache.clear()
        self._same.clear()
        self._remembered = 0

    def explain(
        self, exchange: str, routing_key: str, properties: Properties | None = None
    ) -> RouteTrace:
        """Say where the message would go and why, binding by binding; nothing is changed or drawn.

        Raises:
            KeyError: there is no such exchange.
            PreconditionFailed: CC or BCC is not an array (S56).

        """
        from leveret.exchanges.explain import explain_route

        envelope = Envelope(routing_keys(routing_key, properties), properties, self._random)
        return explain_route(self._exchanges[exchange], self._exchanges, self._queues, envelope)

    def _learn(
        self, exchange: str, routing_key: str, properties: Properties | None
    ) -> tuple[T, ...]:
        """Find a route that is not remembered, and remember it if it depends on nothing else."""
        found, memorable = self._find(exchange, (routing_key,), properties)
        if not memorable or not self.cache_size:
            return found
        # Dropping all costs less bookkeeping on each hit than knowing which one is old.
        if self._remembered >= self.cache_size:
            self.invalidate()
        # Equal routes are one object, so that a look tells whether many are the same.
        found = self._same.setdefault(tuple(map(id, found)), found)
        self._cache.setdefault(exchange, {})[routing_key] = found
        self._remembered += 1
        return found

    def _find(
        self, exchange: str, keys: tuple[str, ...], properties: Properties | None
    ) -> tuple[tuple[T, ...], bool]:
        """Walk; return the queues, and whether exchange and routing keys alone decided."""
        queues = self._queues
        if not exchange:
            return tuple(queues[key] for key in dict.fromkeys(keys) if key in queues), True
        memorable = True
        # queue name -> queue
        reached: dict[str, T] = {}
        held: list[T] = []
        envelope = Envelope(keys, properties, self._random)
        for visited, bindings, _ in walk(self._exchanges[exchange], self._exchanges, envelope):
            memorable = memorable and visited.by_routing_key
            if visited.delays and self.held_by is not None and visited.held_ms(envelope):
                held.append(self.held_by(visited.name))
            for binding in bindings:
                name = binding.destination
                if binding.destination_type == "queue" and name in queues:
                    reached[name] = queues[name]
        return (*reached.values(), *held), memorable

    def check(self) -> None:
        """Assert that each remembered route is the one that would be found now."""
        assert self._remembered == sum(map(len, self._cache.values())) <= self.cache_size
        for exchange, routes in self._cache.items():
            for routing_key, found in routes.items():
                assert self._find(exchange, (routing_key,), None) == (found, True)
