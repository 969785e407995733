"""The ways between exchanges and queues, and what a message must be like to go along them.

All bindings from one exchange to one destination are one way; an alternate exchange is another, for
what no binding takes. A message goes along several ways one after the other when its key is in the
set of each, and its headers pass a headers binding of each. Chance, and exchange types that a
plug-in adds, say nothing of either: there keys are tried on the exchanges themselves.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from attrs import define, evolve, field, frozen

from leveret.config.coverage import topic_pattern
from leveret.config.explain_parts import Chance, Example
from leveret.errors import PreconditionFailed
from leveret.exchanges import ExchangeTypes
from leveret.routing import Binding, HeadersMatch, KeySet, TakenKeys, headers_example

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from leveret.config.model import BindingDeclaration, DestinationType
    from leveret.config.view import HostView
    from leveret.exchanges import Exchange

__all__ = ["Passage", "Way", "Ways"]

_CHANCES: dict[str, Chance] = {
    "direct": "",
    "fanout": "",
    "topic": "",
    "headers": "",
    "x-consistent-hash": "hash",
    "x-random": "random",
    "x-message-deduplication": "",
}
#: Types that need not have a binding to say what it asks for.
_LABELLED_BY_KEY = {*_CHANCES} - {"headers"}
#: Pairs of patterns met in one explanation; past it, sets of keys are larger than they should be.
_MAX_PAIRS = 20_000
#: Keys tried where only their hash decides.
_MAX_HASHES = 64


@frozen
class Way:
    """The bindings from one exchange to one destination, or the step to its alternate."""

    source: str
    destination_type: DestinationType
    destination: str
    #: In the order of the file; none for an alternate, and for the default exchange.
    bindings: tuple[BindingDeclaration, ...]
    keys: KeySet
    as_alternate: bool = False
    #: Of these one must be passed; None if headers do not matter.
    passes: tuple[HeadersMatch, ...] | None = None
    #: Of these none may be passed.
    misses: tuple[HeadersMatch, ...] = ()
    chance: Chance = ""


@frozen
class Passage:
    """What a message must be like to go along some ways."""

    keys: KeySet
    passes: tuple[tuple[HeadersMatch, ...], ...] = ()
    misses: tuple[HeadersMatch, ...] = ()
    chances: frozenset[str] = frozenset()
    #: Where `keys` holds more than it should: the sets that a key must be in.
    parts: tuple[KeySet, ...] = ()

    def is_closed(self) -> bool:
        """Say whether it is certain that no message is like that."""
        if self.keys.is_empty():
            return True
        if not (self.passes or self.misses):
            return False
        found = headers_example(self.passes, self.misses)
        return found.headers is None and found.is_certain


@define(eq=False)
class Ways:
    """The ways of one virtual host. Each is made when it is first asked for."""

    view: HostView
    _pairs: int = 0
    # exchange -> (destination type, destination) -> bindings
    _onward: dict[str, dict[tuple[DestinationType, str], list[BindingDeclaration]]] = field(
        factory=dict
    )
    # (destination type, destination) -> exchanges whose bindings lead there, in order
    _before: dict[tuple[DestinationType, str], list[str]] = field(factory=dict)
    # exchange -> those whose alternate it is
    _alternate_of: dict[str, list[str]] = field(factory=dict)
    _taken: dict[str, TakenKeys] = field(factory=dict)
    # exchange type -> an exchange that says what a binding asks for
    _labelling: dict[str, Exchange] = field(factory=dict)
    # (source, destination type, destination) -> way
    _made: dict[tuple[str, DestinationType, str], Way] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        for binding in self.view.host.bindings:
            if binding.source not in self.view.exchanges or not binding.source:
                continue
            end = binding.destination_type, binding.destination
            ends = self._onward.setdefault(binding.source, {})
            if end not in ends:
                self._before.setdefault(end, []).append(binding.source)
            ends.setdefault(end, []).append(binding)
        for name, alternate in self.view.alternates.items():
            self._alternate_of.setdefault(alternate, []).append(name)

    def into(self, kind: DestinationType, name: str) -> Iterator[Way]:
        """Yield the ways that end at an exchange or a queue, but not the default exchange's."""
        for source in self._before.get((kind, name), ()):
            yield self._way(source, kind, name)
        if kind == "exchange" and name:
            for source in self._alternate_of.get(name, ()):
                yield self.to_alternate(source, name)

    def out_of(self, exchange: str) -> Iterator[Way]:
        """Yield the ways of an exchange's bindings to what exists."""
        for kind, name in self._onward.get(exchange, {}):
            known = self.view.exchanges if kind == "exchange" else self.view.host.queues
            if name in known:
                yield self._way(exchange, kind, name)

    def by_name(self, queue: str) -> Way:
        """Return the way from the default exchange to a queue (S24)."""
        return Way("", "queue", queue, (), KeySet.of([queue]))

    def to_alternate(self, exchange: str, alternate: str) -> Way:
        """Return the way of what no binding of an exchange takes."""
        keys, misses = self.untaken(exchange)
        chance = self.chance(exchange)
        return Way(exchange, "exchange", alternate, (), keys, True, None, misses, chance)

    def untaken(self, exchange: str) -> tuple[KeySet, tuple[HeadersMatch, ...]]:
        """Return the keys that no binding of an exchange takes, and the headers to be missed."""
        bindings = self.view.from_exchange.get(exchange, []) if exchange else []
        kind = self.view.exchanges[exchange].routes_as
        if not bindings:
            return KeySet.everything(), ()
        if kind == "headers":
            return KeySet.everything(), tuple(_compiled(bindings))
        if kind in ("direct", "topic"):
            if exchange not in self._taken:
                self._taken[exchange] = _taken_keys(bindings, kind)
            return KeySet.everything().without(self._taken[exchange]), ()
        if kind in _CHANCES:
            return KeySet(), ()
        return evolve(KeySet.everything(), exact=False), ()

    def chance(self, exchange: str) -> Chance:
        """Say what chooses among the bindings of an exchange."""
        return _CHANCES.get(self.view.exchanges[exchange].routes_as, "plug-in")

    def along(self, passage: Passage, way: Way) -> Passage:
        """Return what a message must be like to go along a way, and a passage before or after."""
        passes = () if way.passes is None else (way.passes,)
        chances = frozenset((way.chance,) if way.chance else ())
        return self.both(passage, Passage(way.keys, passes, way.misses, chances))

    def both(self, one: Passage, other: Passage) -> Passage:
        """Return what a message must be like to go along both."""
        keys = self.meet(one.keys, other.keys)
        parts = (*one.parts, *other.parts)
        if not keys.exact:
            parts = (*parts, *(part for part in (one.keys, other.keys) if part.exact))
        return Passage(
            keys,
            (*one.passes, *other.passes),
            (*one.misses, *other.misses),
            one.chances | other.chances,
            parts,
        )

    def meet(self, one: KeySet, other: KeySet) -> KeySet:
        """Return the keys that are in both, or more where that has become too much work."""
        pairs = len(one.patterns) * len(other.patterns)
        pairs += len(one.keys) * len(other.patterns) + len(other.keys) * len(one.patterns)
        if one.is_everything:
            return other
        if other.is_everything:
            return one
        if self._pairs + pairs > _MAX_PAIRS:
            fewer = min(one, other, key=lambda keys: len(keys.patterns) + len(keys.keys))
            return evolve(fewer, exact=False)
        self._pairs += pairs
        return one & other

    def incoming(self, queue: str) -> KeySet:
        """Return the keys of messages that may be in a queue, and perhaps more.

        Its name counts where a message comes by it alone, or as a dead letter: anybody may publish
        by the name of a queue, but it is not what keeps others from being understood.
        """
        ways = list(self.into("queue", queue))
        by_name = not ways or any(
            not exchange and key == queue for exchange, key in self.view.dead_letter_targets
        )
        return KeySet.of(
            [*(key for way in ways for key in way.keys.keys), *([queue] if by_name else [])],
            (pattern for way in ways for pattern in way.keys.patterns),
        )

    def example(self, exchange: str, passage: Passage, *queues: str) -> Example | None:
        """Return a message to an exchange that reaches the queues, if one is found."""
        key = passage.keys.example()
        headers = headers_example(passage.passes, passage.misses).headers
        if key is None or headers is None or ("random" in passage.chances and len(queues) > 1):
            return None
        if not all(key in part for part in passage.parts):
            return None
        if not passage.chances:
            return Example(exchange, key, headers)
        for tried in (key, *map(str, range(1, _MAX_HASHES))):
            if tried in passage.keys:
                reached = self.view.routes.reached(exchange, (tried,), headers)
                if all(queue in reached for queue in queues):
                    return Example(exchange, tried, headers)
        return None

    def _way(self, source: str, kind: DestinationType, name: str) -> Way:
        known = self._made.get((source, kind, name))
        if known is None:
            bindings = self._onward[source][kind, name]
            known = self._made[source, kind, name] = self._make(source, kind, name, bindings)
        return known

    def _make(
        self, source: str, kind: DestinationType, name: str, bindings: list[BindingDeclaration]
    ) -> Way:
        type_, chance = self.view.exchanges[source].routes_as, self.chance(source)
        passes: tuple[HeadersMatch, ...] | None = None
        keys = KeySet.everything()
        if type_ == "headers":
            passes = tuple(_compiled(bindings))
        elif type_ == "direct":
            keys = KeySet.of(binding.routing_key for binding in bindings)
        elif type_ == "topic":
            keys = KeySet.of(patterns=[topic_pattern(one.routing_key) for one in bindings])
        return Way(source, kind, name, tuple(bindings), keys, False, passes, (), chance)

    def labels(self, bindings: Iterable[BindingDeclaration]) -> tuple[str, ...]:
        """Return what bindings ask for, as a route trace shows it, each once."""
        return tuple(dict.fromkeys(map(self.label, bindings)))

    def label(self, binding: BindingDeclaration) -> str:
        """Return what a binding asks for, as a route trace shows it."""
        made = Binding(
            binding.source,
            binding.destination,
            binding.routing_key,
            binding.destination_type,
            binding.arguments,
        )
        kind = self.view.exchanges[binding.source].routes_as
        if kind not in self._labelling:
            self._labelling[kind] = ExchangeTypes.installed().create(kind, "")
        exchange = self._labelling[kind]
        if kind not in _LABELLED_BY_KEY:
            try:
                exchange.bind(made)
            except PreconditionFailed:
                return repr(binding.routing_key)
        return exchange.label(made)


def _compiled(bindings: Iterable[BindingDeclaration]) -> Iterator[HeadersMatch]:
    for binding in bindings:
        with suppress(PreconditionFailed):  # the exchange has no such binding either
            yield HeadersMatch.compile(binding.arguments)


def _taken_keys(bindings: Iterable[BindingDeclaration], kind: str) -> TakenKeys:
    keys = dict.fromkeys(binding.routing_key for binding in bindings)
    if kind == "direct":
        return TakenKeys.of(keys)
    return TakenKeys.of((), map(topic_pattern, keys))
