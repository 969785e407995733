"""The topic exchange: a binding's pattern of words takes the routing keys it matches (S40-S49)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from leveret.errors import PreconditionFailed
from leveret.exchanges.base import BindingLimits, Envelope, Exchange, Verdict, taken_by
from leveret.exchanges.nearness import pattern_distance
from leveret.routing import Binding, TopicPattern, TopicTrie

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["TopicExchange"]


@define(eq=False)
class TopicExchange(Exchange):
    """Routes through a trie of words; the cost follows the key, not the number of bindings."""

    type = "topic"

    _trie: TopicTrie[Binding] = field(factory=TopicTrie, init=False, repr=False)
    # binding -> its key, parsed
    _patterns: dict[Binding, TopicPattern] = field(factory=dict, init=False, repr=False)

    def validate_binding(self, binding: Binding, limits: BindingLimits) -> None:
        """Refuse more `#` words than the profile allows (S49)."""
        most = limits.topic_hash_words
        if most is None:
            return
        count = TopicPattern.parse(binding.routing_key).hash_count
        if count > most:
            raise PreconditionFailed(
                f"Topic binding key '{binding.routing_key}' uses {count} '#' wildcards,"
                f" at most {most} are allowed"
            )

    def _compile(self, binding: Binding) -> None:
        pattern = self._patterns[binding] = TopicPattern.parse(binding.routing_key)
        self._trie.insert(pattern, binding)

    def _discard(self, binding: Binding) -> None:
        self._trie.remove(self._patterns.pop(binding), binding)

    def route(self, envelope: Envelope) -> Collection[Binding]:
        """Return the bindings whose pattern matches one of the message's keys."""
        keys = envelope.routing_keys
        if len(keys) == 1:
            return self._trie.match(keys[0])
        return [binding for key in keys for binding in self._trie.match(key)]

    def explain(self, binding: Binding, envelope: Envelope) -> Verdict:
        """Name the first word that differs, for the key that comes nearest."""
        pattern = self._patterns[binding]
        keys = envelope.routing_keys
        for key in keys:
            if pattern.matches(key):
                return taken_by(keys, key)
        return Verdict(False, pattern.mismatch(self._nearest_key(binding, keys)))

    @staticmethod
    def _nearest_key(binding: Binding, keys: tuple[str, ...]) -> str:
        if len(keys) == 1:
            return keys[0]
        return min(keys, key=lambda key: pattern_distance(binding.routing_key, key))

    def distance(self, binding: Binding, envelope: Envelope) -> float:
        """Return the words that would have to change."""
        return min(pattern_distance(binding.routing_key, key) for key in envelope.routing_keys)

    def check(self) -> None:
        """Assert that the trie is sound and finds each binding by a key made for it."""
        Exchange.check(self)
        self._trie.check()
        assert self._patterns.keys() == self._bindings.keys()
        assert len(self._trie) == len(self._bindings)
        assert {binding: pattern for pattern, binding in self._trie.items()} == self._patterns
