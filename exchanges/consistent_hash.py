"""The consistent-hash exchange `x-consistent-hash`: each message to one of the destinations.

What is hashed is the routing key, or a header (exchange argument `hash-header`), or a property
(`hash-property`). Messages with the same value go to the same destination as long as the bindings
stay, and when a destination comes or goes only its share moves. The key of a binding is the
destination's weight. Rules and texts are those of RabbitMQ's plugin
(`rabbit_exchange_type_consistent_hash.erl`); which destination a value falls to is not the same as
there, since RabbitMQ's choice follows from Erlang's random numbers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attrs import define, field

from leveret.errors import PreconditionFailed
from leveret.exchanges.base import BindingLimits, Envelope, Exchange, Verdict
from leveret.routing import Binding, HashRing, erlang_term, erlang_type

if TYPE_CHECKING:
    from collections.abc import Collection

    from leveret.properties import FieldValue

__all__ = ["HASH_PROPERTIES", "MAX_WEIGHT", "ConsistentHashExchange"]

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
#: The properties that can be hashed.
HASH_PROPERTIES = ("correlation_id", "message_id", "timestamp")
#: What a message without the header or property counts as: all such go to one destination.
_ABSENT = "undefined"
#: Weights are paid for in points on the ring, a hundred each: this one takes a second or two and
#: a hundred megabytes. RabbitMQ has no such limit and warns of "many thousands".
MAX_WEIGHT = 10_000


@define(eq=False)
class ConsistentHashExchange(Exchange):
    """Routes to one destination, found on a hash ring; O(log n) in the points of the ring.

    A destination stands on the ring once, with the weight of its oldest binding. (RabbitMQ drops a
    destination from the ring when any of several bindings goes; here the next oldest steps in.)
    """

    type = "x-consistent-hash"
    by_routing_key = False

    #: What is hashed in place of the routing key: a header's name, or a property's.
    hash_header: str | None = field(default=None, init=False)
    hash_property: str | None = field(default=None, init=False)
    _ring: HashRing = field(factory=HashRing, init=False, repr=False)
    # node of the ring -> its bindings, the oldest first: {binding: None}
    _by_node: dict[str, dict[Binding, None]] = field(factory=dict, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        Exchange.__attrs_post_init__(self)
        header, by_property = map(self.arguments.get, ("hash-header", "hash-property"))
        self.hash_header = header if isinstance(header, str) else None
        self.hash_property = by_property if isinstance(by_property, str) else None

    def validate_arguments(self, virtual_host: str = "/") -> None:
        """Refuse an unknown property, both sources at once, and names that are not strings."""
        Exchange.validate_arguments(self, virtual_host)
        for argument in ("hash-header", "hash-property"):
            name = self.arguments.get(argument, "")
            if not isinstance(name, str):
                raise PreconditionFailed(
                    f"invalid type '{erlang_type(name)}' for arg '{argument}'"
                    f" in exchange '{self.name}' in vhost '{virtual_host}'"
                )
        if self.hash_property is None:
            return
        if self.hash_header is not None:
            raise PreconditionFailed("hash-header and hash-property are mutually exclusive")
        if self.hash_property not in HASH_PROPERTIES:
            raise PreconditionFailed(f"Unsupported property: {self.hash_property}")

    def validate_binding(self, binding: Binding, limits: BindingLimits) -> None:
        """Refuse a key that is not a whole number from 1 to `MAX_WEIGHT`."""
        key = binding.routing_key
        if not _INTEGER.fullmatch(key):
            raise PreconditionFailed(f"The binding key must be an integer: {erlang_term(key)}")
        if int(key) < 1:
            raise PreconditionFailed("The binding key must be greater than 0")
        if int(key) > MAX_WEIGHT:
            raise PreconditionFailed(f"The binding key must not be greater than {MAX_WEIGHT}")

    def _compile(self, binding: Binding) -> None:
        node = _node(binding)
        bindings = self._by_node.setdefault(node, {})
        bindings[binding] = None
        if len(bindings) == 1:
            self._ring.add(node, int(binding.routing_key))

    def _discard(self, binding: Binding) -> None:
        node = _node(binding)
        bindings = self._by_node[node]
        oldest = next(iter(bindings))
        del bindings[binding]
        if binding != oldest:
            return
        self._ring.remove(node)
        if bindings:
            self._ring.add(node, int(next(iter(bindings)).routing_key))
        else:
            del self._by_node[node]

    def route(self, envelope: Envelope) -> Collection[Binding]:
        """Return the binding of the destination on which the hashed value falls."""
        node = self._ring.node_for(self._hashed(envelope))
        if node is None:
            return ()
        return (next(iter(self._by_node[node])),)

    def explain(self, binding: Binding, envelope: Envelope) -> Verdict:
        """Say which destination the value fell to."""
        (chosen,) = self.route(envelope)
        if binding == chosen:
            return Verdict(True)
        if _node(binding) == _node(chosen):
            return Verdict(False, "an older binding of the same destination stands on the ring")
        return Verdict(False, f"the hash falls to {chosen.destination!r}")

    def label(self, binding: Binding) -> str:
        """Show the weight."""
        return f"weight {binding.routing_key}"

    def note(self, envelope: Envelope) -> str:
        """Say what was hashed."""
        hashed = repr(self._hashed(envelope))
        if self.hash_header is not None:
            return f"by the hash of header {self.hash_header!r}: {hashed}"
        if self.hash_property is not None:
            return f"by the hash of property {self.hash_property}: {hashed}"
        return f"by the hash of routing key {hashed}"

    def _hashed(self, envelope: Envelope) -> str:
        if self.hash_header is not None:
            return _text(envelope.headers.get(self.hash_header))
        if self.hash_property is not None:
            return _text(getattr(envelope.properties, self.hash_property, None))
        # Keys from CC and BCC are not hashed: one message goes to one destination.
        return envelope.routing_keys[0]

    def check(self) -> None:
        """Assert that each binding stands under its node, and each node on the ring."""
        Exchange.check(self)
        self._ring.check()
        assert len(self._ring) == len(self._by_node)
        assert all(node in self._ring for node in self._by_node)
        listed = [binding for bindings in self._by_node.values() for binding in bindings]
        assert len(listed) == len(self._bindings)
        assert all(binding in self._by_node[_node(binding)] for binding in self._bindings)


def _node(binding: Binding) -> str:
    return f"{binding.destination_type} {binding.destination}"


def _text(value: FieldValue) -> str:
    if value is None:
        return _ABSENT
    return value if isinstance(value, str) else erlang_term(value)
