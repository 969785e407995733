"""Topic routing: keys never seen before, at three numbers of bindings, and keys that repeat."""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING

from attrs import frozen

from benchmarks.measure import Comparison, Goal, Scale, Section, Side, interleave, ratios
from benchmarks.topic_peers import RegexTable, kombu_lookup
from benchmarks.topic_workload import bindings, new_keys
from leveret.exchanges import DefaultExchange, Router, TopicExchange
from leveret.routing import Binding, TopicPattern, TopicTrie

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from benchmarks.measure import Figure

__all__ = ["never_seen_keys", "repeated_keys"]

_ROUTER, _TRIE, _KOMBU, _REGEX = "leveret router", "leveret trie alone", "kombu", "regex each"
#: What one message may cost a peer: it tries every binding, at about a third of a microsecond.
_PEER_TRIALS = 2_000_000


@frozen
class _Contender:
    """A way from routing key to queues, over `binding_count` bindings."""

    name: str
    binding_count: int
    lookup: Callable[[str], Collection[str]]
    tries_all: bool

    @property
    def label(self) -> str:
        return f"{self.name}, {self.binding_count:,} bindings"

    def messages(self, full: int) -> int:
        """Return how many messages to time: few for one that tries every binding."""
        return min(full, max(_PEER_TRIALS // self.binding_count, 5)) if self.tries_all else full


def _router(pairs: list[tuple[str, str]]) -> Router[str]:
    exchange = TopicExchange("events")
    for key, queue in pairs:
        exchange.bind(Binding("events", queue, key))
    return Router(
        {"": DefaultExchange(), "events": exchange},
        {queue: queue for _, queue in pairs},
        random.Random(1),
    )


def _trie(pairs: list[tuple[str, str]]) -> TopicTrie[str]:
    trie: TopicTrie[str] = TopicTrie()
    for key, queue in pairs:
        trie.insert(TopicPattern.parse(key), queue)
    return trie


def _contenders(count: int) -> list[_Contender]:
    pairs = bindings(count)
    router = _router(pairs)
    found = [
        _Contender(_ROUTER, count, lambda key: router.route("events", key), False),
        _Contender(_TRIE, count, _trie(pairs).match, False),
        _Contender(_REGEX, count, RegexTable(pairs).match, True),
    ]
    kombu = kombu_lookup(pairs)
    if kombu is not None:
        found.append(_Contender(_KOMBU, count, kombu, True))
    _check_agreement(found, count)
    return found


def _check_agreement(contenders: list[_Contender], binding_count: int) -> None:
    """See that all find the same queues: a fast wrong answer is no figure."""
    for key in new_keys(10, binding_count, random.Random(2)):
        answers = {frozenset(contender.lookup(key)) for contender in contenders}
        if len(answers) != 1:
            raise AssertionError(f"the contenders disagree about {key!r}: {answers}")


def _side(contender: _Contender, keys: Callable[[int], list[str]], full: int) -> Side:
    count = contender.messages(full)

    def prepare() -> Callable[[], object]:
        lookup, chosen = contender.lookup, keys(count)

        def call() -> None:
            for key in chosen:
                lookup(key)

        return call

    return Side(contender.label, count, prepare)


def never_seen_keys(scale: Scale) -> Section:
    sizes = sorted({scale.count(size) for size in (10, 1_000, 100_000)})
    contenders = {size: _contenders(size) for size in sizes}
    rng = random.Random(3)
    sides = [
        _side(contender, partial(new_keys, binding_count=size, random=rng), scale.count(100_000))
        for size in sizes
        for contender in contenders[size]
    ]
    figures = interleave(sides, scale.rounds)
    return Section(
        "Topic routing, keys never seen before",
        "message",
        "From exchange name and routing key to queues; no key comes twice, so that no cache helps.",
        tuple(figures.values()),
        tuple(_never_seen_comparisons(contenders, figures, scale)),
    )


def _never_seen_comparisons(
    contenders: dict[int, list[_Contender]], figures: dict[str, Figure], scale: Scale
) -> Iterator[Comparison]:
    few, many = min(contenders), max(contenders)
    at_few = {c.name: figures[c.label] for c in contenders[few]}
    at_many = {c.name: figures[c.label] for c in contenders[many]}
    for name in (_ROUTER, _TRIE):
        yield Comparison(
            f"{name}: cost at {many:,} bindings over cost at {few:,}",
            ratios(at_many[name], at_few[name]),
            scale.goal(Goal(at_most=3)),
        )
    for peer in (_KOMBU, _REGEX):
        if peer in at_many:
            yield Comparison(
                f"{_ROUTER} faster than {peer}, {many:,} bindings",
                ratios(at_many[peer], at_many[_ROUTER]),
                scale.goal(Goal(at_least=1_000)),
            )


def repeated_keys(scale: Scale) -> Section:
    size = scale.count(1_000)
    contenders = _contenders(size)
    chosen = new_keys(100, size, random.Random(4))
    full = scale.count(500_000)

    def keys(count: int) -> list[str]:
        return (chosen * (count // len(chosen) + 1))[:count]

    figures = interleave([_side(c, keys, full) for c in contenders], scale.rounds)
    by_name = {c.name: figures[c.label] for c in contenders}
    comparisons = [
        Comparison(
            f"{_ROUTER}, messages a second",
            tuple(1e9 / ns for ns in by_name[_ROUTER].cpu_ns),
            scale.goal(Goal(at_least=1_500_000)),
            "/s",
        )
    ]
    comparisons += [
        Comparison(f"{_ROUTER} faster than {peer}", ratios(by_name[peer], by_name[_ROUTER]))
        for peer in (_KOMBU, _REGEX)
        if peer in by_name
    ]
    return Section(
        "Topic routing, keys that repeat",
        "message",
        f"100 keys in turn, {size:,} bindings.",
        tuple(figures.values()),
        comparisons,
    )
