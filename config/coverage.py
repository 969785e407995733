"""Which bindings are covered by others of the same destination, and which keys no binding takes.

A topic binding is covered when another pattern matches every key that it matches. To find the
others without comparing all with all, the patterns of a destination stand in a trie of words, and
a pattern that asks "who covers me?" walks it: at each of its words, a literal can be covered by the
same literal, by `*` or by `#`; a `*` by `*` or `#`; a `#` by `#` alone. The walk gives candidates,
few in practice, of which `TopicPattern.covers` decides.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from attrs import define, field

from leveret.errors import PreconditionFailed
from leveret.routing import HeadersMatch, KeySet, TakenKeys, TopicPattern, split_key
from leveret.routing.values import value_form

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from leveret.config.model import BindingDeclaration

__all__ = ["PatternSet", "covered_bindings", "shared_key", "topic_pattern", "untaken_key"]

#: Nodes visited for each pattern, on average. Patterns of many `#` could each lead through the
#: whole trie; then the questions that are left stay open. Ordinary ones visit ten to twenty.
MAX_VISITS = 40


def topic_pattern(key: str) -> TopicPattern:
    """Return the pattern of a binding key that was read before, without the parser's checks.

    >>> topic_pattern("order.*.#").words
    ('order', '*', '#')
    """
    return TopicPattern.of_words(split_key(key))


@define(eq=False)
class _Node:
    """One word of some patterns."""

    # word -> child; `*` and `#` are words like others here
    children: dict[str, _Node] = field(factory=dict)
    is_hash: bool = False  # the word that leads here is `#`
    pattern: TopicPattern | None = None  # the pattern that ends here


@define(eq=False)
class PatternSet:
    """Patterns, asked which of them cover another. Adding costs its words."""

    _root: _Node = field(factory=_Node)
    _count: int = field(default=0, init=False)
    visits: int = field(default=0, init=False)  # so far, for those who want to see the cost

    def add(self, pattern: TopicPattern) -> None:
        """Add a pattern."""
        node = self._root
        for word in pattern.words:
            child = node.children.get(word)
            if child is None:
                child = node.children[word] = _Node(is_hash=word == "#")
            node = child
        self._count += node.pattern is None
        node.pattern = pattern

    def covering(self, pattern: TopicPattern) -> Iterator[TopicPattern]:
        """Yield the others that cover a pattern."""
        for candidate in self._candidates(pattern.words):
            if candidate.words != pattern.words and candidate.covers(pattern):
                yield candidate

    def _candidates(self, words: tuple[str, ...]) -> Iterator[TopicPattern]:
        """Yield the patterns that might cover these words.

        A `*` beside a `#` only asks for one more word, wherever it stands in the gap. So it may
        take the place of any word here, of a `#` too: the others fall to the `#` beside it.
        """
        seen: set[tuple[int, int]] = set()
        work = [(self._root, 0)]
        last = len(words)
        while work and self.visits < MAX_VISITS * (self._count + 100):
            self.visits += 1
            node, i = work.pop()
            place = id(node), i
            if place in seen:
                continue
            seen.add(place)
            children = node.children
            if (child := children.get("#")) is not None:
                work.append((child, i))
            if i == last:
                if node.pattern is not None:
                    yield node.pattern
                continue
            if node.is_hash:
                work.append((node, i + 1))  # the `#` takes in one word more
            if (child := children.get("*")) is not None:
                work.append((child, i + 1))
            word = words[i]
            if word not in ("*", "#") and (child := children.get(word)) is not None:
                work.append((child, i + 1))


def covered_bindings(
    bindings: Sequence[BindingDeclaration], exchange_type: str
) -> Iterator[tuple[BindingDeclaration, BindingDeclaration]]:
    """Yield each binding that another of the same source and destination makes needless.

    All have one source, of the type given. Of two that say the same, the later one is yielded.
    """
    groups: dict[tuple[str, str], list[BindingDeclaration]] = {}
    for binding in bindings:
        end = binding.destination_type, binding.destination
        groups.setdefault(end, []).append(binding)
    for group in groups.values():
        if len(group) == 1:
            continue
        if exchange_type == "topic":
            yield from _covered_patterns(group)
        elif exchange_type in ("direct", "fanout", "x-message-deduplication"):
            yield from _covered_by_key(group, by_key=exchange_type == "direct")
        elif exchange_type == "headers":
            yield from _covered_headers(group)


def _covered_patterns(
    group: list[BindingDeclaration],
) -> Iterator[tuple[BindingDeclaration, BindingDeclaration]]:
    first: dict[str, BindingDeclaration] = {}  # key -> its first binding
    patterns = PatternSet()
    for binding in group:
        if first.setdefault(binding.routing_key, binding) is binding:
            patterns.add(topic_pattern(binding.routing_key))
    order = {key: place for place, key in enumerate(first)}
    for binding in group:
        same = first[binding.routing_key]
        if same is not binding:
            yield binding, same
            continue
        pattern = topic_pattern(binding.routing_key)
        place = order[binding.routing_key]
        for cover in patterns.covering(pattern):
            if order[str(cover)] < place or not pattern.covers(cover):
                yield binding, first[str(cover)]
                break


def _covered_by_key(
    group: list[BindingDeclaration], *, by_key: bool
) -> Iterator[tuple[BindingDeclaration, BindingDeclaration]]:
    first: dict[str, BindingDeclaration] = {}
    for binding in group:
        key = binding.routing_key if by_key else ""
        if first.setdefault(key, binding) is not binding:
            yield binding, first[key]


#: Comparing the headers of each pair is quadratic: a destination with more bindings is left out.
MAX_HEADERS_BINDINGS = 100


@define(eq=False)
class _Headers:
    """What a headers binding asks for: how, and (name, value or None for any value)."""

    wants_any: bool
    criteria: frozenset[tuple[str, object]]

    @classmethod
    def of(cls, binding: BindingDeclaration) -> _Headers:
        mode = HeadersMatch.compile(binding.arguments).mode
        with_x = mode.endswith("-with-x")
        return cls(
            mode.startswith("any"),
            frozenset(
                (name, None if value is None else value_form(value))
                for name, value in binding.arguments.items()
                if name != "x-match" and (with_x or not name.startswith("x-"))
            ),
        )

    def asks_for(self, criterion: tuple[str, object]) -> bool:
        """Say whether a message that meets all of this meets the criterion."""
        name, value = criterion
        if criterion in self.criteria:
            return True
        return value is None and any(name == known for known, _ in self.criteria)

    def covers(self, other: _Headers) -> bool:
        """Say whether every message that the other takes is taken by this one.

        >>> a, b = ("format", "png"), ("width", 640)
        >>> few, many = _Headers(False, frozenset([a])), _Headers(False, frozenset([a, b]))
        >>> few.covers(many), many.covers(few)
        (True, False)
        """
        if self.wants_any:
            if other.wants_any:
                # Each single thing that the other asks for must do here as well.
                return all(
                    criterion in self.criteria or (criterion[0], None) in self.criteria
                    for criterion in other.criteria
                )
            return any(other.asks_for(criterion) for criterion in self.criteria)
        if other.wants_any:
            return all(
                _Headers(False, frozenset([given])).asks_for(wanted)
                for given in other.criteria
                for wanted in self.criteria
            )
        return all(map(other.asks_for, self.criteria))


def _covered_headers(
    group: list[BindingDeclaration],
) -> Iterator[tuple[BindingDeclaration, BindingDeclaration]]:
    if len(group) > MAX_HEADERS_BINDINGS:
        return
    with suppress(PreconditionFailed):  # an x-match that is refused: another finding
        yield from _covered_among(group, [_Headers.of(binding) for binding in group])


def _covered_among(
    group: list[BindingDeclaration], asked: list[_Headers]
) -> Iterator[tuple[BindingDeclaration, BindingDeclaration]]:
    for i, one in enumerate(asked):
        if one.wants_any and not one.criteria:
            continue  # it takes nothing, which is another finding
        for j, other in enumerate(asked):
            if i != j and other.covers(one) and (j < i or not one.covers(other)):
                yield group[i], group[j]
                break


def untaken_key(patterns: Iterable[TopicPattern]) -> str | None:
    """Return a key that none of the patterns matches, near to what they match; None if all do.

    >>> untaken_key(map(topic_pattern, ["order.paid.#", "order.*.eu"]))
    'order.x'
    >>> untaken_key([topic_pattern("#")]) is None
    True
    """
    return KeySet.everything().without(TakenKeys.of((), patterns)).example()


def shared_key(
    one: Iterable[BindingDeclaration], other: Iterable[BindingDeclaration]
) -> str | None:
    """Return a key by which two queues, bound to one topic exchange, both get a message.

    None means that they can never both match.
    """
    others = [topic_pattern(binding.routing_key) for binding in other]
    for binding in one:
        pattern = topic_pattern(binding.routing_key)
        for with_pattern in others:
            key = pattern.common_example(with_pattern)
            if key is not None:
                return key
    return None
