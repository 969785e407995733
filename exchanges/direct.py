"""The direct exchange: a binding takes the messages whose routing key equals its own (S55)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from leveret.exchanges.base import Envelope, Exchange, Verdict, taken_by
from leveret.exchanges.nearness import text_distance, text_hint

if TYPE_CHECKING:
    from collections.abc import Collection

    from leveret.routing import Binding


__all__ = ["DirectExchange"]


@define(eq=False)
class DirectExchange(Exchange):
    """Routes by equality of keys: one dict lookup a key, whatever the number of bindings."""

    type = "direct"

    # routing key -> {binding: None}
    _by_key: dict[str, dict[Binding, None]] = field(factory=dict, init=False, repr=False)

    def _compile(self, binding: Binding) -> None:
        self._by_key.setdefault(binding.routing_key, {})[binding] = None

    def _discard(self, binding: Binding) -> None:
        bindings = self._by_key[binding.routing_key]
        del bindings[binding]
        if not bindings:
            del self._by_key[binding.routing_key]

    def route(self, envelope: Envelope) -> Collection[Binding]:
        """Return the bindings with one of the message's keys."""
        keys = envelope.routing_keys
        if len(keys) == 1:
            return self._by_key.get(keys[0], ())
        return [binding for key in keys for binding in self._by_key.get(key, ())]

    def explain(self, binding: Binding, envelope: Envelope) -> Verdict:
        """Compare the keys."""
        keys = envelope.routing_keys
        wanted = binding.routing_key
        if wanted in keys:
            return taken_by(keys, wanted)
        nearest = min(keys, key=lambda key: text_distance(wanted, key))
        return Verdict(False, f"the routing key is {nearest!r}{text_hint(wanted, nearest)}")

    def distance(self, binding: Binding, envelope: Envelope) -> float:
        """Return the characters that differ."""
        return min(text_distance(binding.routing_key, key) for key in envelope.routing_keys)

    def check(self) -> None:
        """Assert that each binding stands under its key, and nothing else does."""
        Exchange.check(self)
        listed = [binding for bindings in self._by_key.values() for binding in bindings]
        assert len(listed) == len(self._bindings)
        assert all(binding in self._by_key[binding.routing_key] for binding in self._bindings)
        assert all(self._by_key.values())
