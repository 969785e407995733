"""Sets of routing keys, as bindings describe them: met, diminished, and asked for an example.

A message passes several exchanges when its key is in the set of each; an alternate exchange gets
the keys that no binding takes. So a set is what some patterns match, and some single keys, less
what others take. Whether anything is left is decided, not sampled:

A key in the set can be rewritten, and stays in it, so that each word that a wildcard of its pattern
took becomes a word that nobody names: what would take the new key by a wildcard took the old one.
Then only the number of such words at each `#` is free, and past the number of `*` in any pattern
taken away, one more changes nothing. That leaves few keys to try.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final, Self

from attrs import define, field, frozen

from leveret.routing.intersection import simplify
from leveret.routing.keys import MAX_KEY_BYTES, key_bytes, split_key
from leveret.routing.pattern import TopicPattern
from leveret.routing.trie import TopicTrie

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

__all__ = ["KeySet", "TakenKeys"]

#: Pairs of patterns met in one intersection; past it, the smaller side stands for both.
_MAX_PAIRS: Final = 1_000
#: Keys tried to find an example, and patterns they are made from.
_MAX_TRIES: Final = 2_000
#: Keys and patterns near to which an example is looked for.
_MOST_NEAR: Final = 20
#: More patterns than this are not compared with each other.
_MAX_SIMPLIFIED: Final = 12


@define(eq=False)
class TakenKeys:
    """The keys that some bindings take, asked key by key. Made of n patterns, it costs their words.

    >>> "order.paid" in TakenKeys.of(["a"], [TopicPattern.parse("order.*")])
    True
    """

    # key -> None, in order
    keys: dict[str, None]
    _trie: TopicTrie[int] = field(factory=TopicTrie)
    #: Every word that a key or pattern names.
    named: set[str] = field(factory=set)
    #: The most `*` of one pattern.
    stars: int = 0
    #: Some of the patterns.
    _first: list[TopicPattern] = field(factory=list)

    @classmethod
    def of(cls, keys: Iterable[str], patterns: Iterable[TopicPattern] = ()) -> Self:
        """Make one of single keys and of patterns."""
        made = cls(dict.fromkeys(keys))
        for key in made.keys:
            made.named.update(split_key(key))
        for pattern in patterns:
            made._trie.insert(pattern, 0)
            made.named.update(pattern.words)
            made.stars = max(made.stars, pattern.words.count("*"))
            if len(made._first) < _MOST_NEAR:
                made._first.append(pattern)
        return made

    def near(self) -> Iterator[str]:
        """Yield keys that differ from some that are taken in one word, or in their end.

        Such an example tells more than any key that is not taken.
        """
        stranger = _stranger(self.named)
        for key in itertools.islice(self.keys, _MOST_NEAR):
            yield key + stranger
        for pattern in self._first:
            words = [stranger if word == "*" else word for word in pattern.words if word != "#"]
            for i in range(len(words) - 1, -1, -1):
                yield ".".join([*words[:i], stranger])
                yield ".".join([*words, stranger])

    def __contains__(self, key: str) -> bool:
        return key in self.keys or bool(self._trie.match(key))


@frozen
class KeySet:
    """Single keys, and the keys that patterns match, without those that are taken.

    >>> paid = KeySet.of(patterns=[TopicPattern.parse("order.*.paid")])
    >>> eu = KeySet.of(["order.1.paid", "x"], [TopicPattern.parse("*.eu.#")])
    >>> (paid & eu).keys, (paid & eu).patterns
    (('order.1.paid', 'order.eu.paid'), ())
    >>> paid.without(TakenKeys.of([], [TopicPattern.parse("order.#")])).is_empty()
    True
    """

    keys: tuple[str, ...] = ()
    patterns: tuple[TopicPattern, ...] = ()
    taken: tuple[TakenKeys, ...] = field(default=(), eq=False, repr=False)
    #: False where finding out was too much work: then it may hold more keys than it should.
    exact: bool = True

    @classmethod
    def of(cls, keys: Iterable[str] = (), patterns: Iterable[TopicPattern] = ()) -> Self:
        """Return the set of some keys and of those that patterns match."""
        wild: dict[TopicPattern, None] = {}
        single = dict.fromkeys(keys)
        for pattern in patterns:
            if pattern.is_literal:
                single[str(pattern)] = None
            else:
                wild[pattern] = None
        return cls(tuple(single), tuple(wild))

    @classmethod
    def everything(cls) -> Self:
        """Return the set of all keys."""
        return cls.of(patterns=[TopicPattern.of_words(("#",))])

    @property
    def is_everything(self) -> bool:
        """Whether it plainly holds every key."""
        return not self.taken and any(pattern.words == ("#",) for pattern in self.patterns)

    def __contains__(self, key: str) -> bool:
        return self._describes(key) and self._is_free(key)

    def __and__(self, other: KeySet) -> KeySet:
        """Return the keys that are in both. Costs patterns times patterns, up to a limit."""
        taken = tuple(dict.fromkeys((*self.taken, *other.taken)))
        keys = [key for key in self.keys if other._describes(key)]
        keys += [key for key in other.keys if self._describes(key)]
        patterns, whole = _met(self.patterns, other.patterns)
        found = KeySet.of(dict.fromkeys(keys), patterns)
        return KeySet(
            found.keys, found.patterns, taken, self.exact and other.exact and whole
        )._simplified()

    def without(self, taken: TakenKeys) -> KeySet:
        """Return the keys that are not among those taken."""
        return KeySet(self.keys, self.patterns, (*self.taken, taken), self.exact)

    def example(self) -> str | None:
        """Return a short key of the set; None if none was found."""
        return self._search()[0]

    def is_empty(self) -> bool:
        """Say whether it is certain that no key is in the set."""
        key, whole = self._search()
        return key is None and whole

    def _describes(self, key: str) -> bool:
        return key in self.keys or any(pattern.matches(key) for pattern in self.patterns)

    def _is_free(self, key: str) -> bool:
        return not any(key in taken for taken in self.taken)

    def _search(self) -> tuple[str | None, bool]:
        """Return a key, and if there is none, whether all have been tried that could be one."""
        if not self.taken:
            for pattern in self.patterns:
                if (key := pattern.common_example(pattern)) is not None:
                    return key, True
        for key in self.keys:
            if self._is_free(key):
                return key, True
        tries = 0
        whole = True
        for pattern in self.patterns:
            for key in self._near():
                if pattern.matches(key) and self._is_free(key):
                    return key, True
            keys, all_of_them = self._candidates(pattern)
            whole = whole and all_of_them
            for key in keys:
                tries += 1
                if self._is_free(key):
                    return key, True
            if tries > _MAX_TRIES:
                return None, False
        return None, whole

    def _near(self) -> Iterator[str]:
        for taken in self.taken:
            yield from (key for key in taken.near() if key_bytes(key) <= MAX_KEY_BYTES)

    def _candidates(self, pattern: TopicPattern) -> tuple[Iterator[str], bool]:
        """Return keys of which one is free if any key of the pattern is; False if not all of them.

        Keys that AMQP could not carry are left out.
        """
        named = set(pattern.words).union(*(taken.named for taken in self.taken))
        stranger = _stranger(named)
        hashes = pattern.hash_count
        longest = enough = max(taken.stars for taken in self.taken) + 1
        while (longest + 1) ** hashes > _MAX_TRIES:
            longest -= 1
        lengths = sorted(itertools.product(range(longest + 1), repeat=hashes), key=sum)
        keys = [_filled(pattern.words, stranger, each) for each in lengths]
        short = [key for key in keys if key_bytes(key) <= MAX_KEY_BYTES]
        whole = longest == enough or not hashes
        # Where each word is empty there may be but one, and "" has none (S40).
        return filter(pattern.matches, short), whole and len(short) == len(keys)

    def _simplified(self) -> KeySet:
        if not 1 < len(self.patterns) + len(self.keys) <= _MAX_SIMPLIFIED:
            return self
        patterns = tuple(map(TopicPattern.of_words, simplify(one.words for one in self.patterns)))
        keys = tuple(key for key in self.keys if not any(one.matches(key) for one in patterns))
        return KeySet(keys, patterns, self.taken, self.exact)


def _stranger(named: Collection[str]) -> str:
    """Return a word that nobody names."""
    return next(word for n in itertools.count(1) if (word := "x" * n) not in named)


def _filled(words: tuple[str, ...], stranger: str, lengths: tuple[int, ...]) -> str:
    """Return the key of a pattern with a word for each `*`, and that many for each `#`."""
    runs = iter(lengths)
    found: list[str] = []
    for word in words:
        if word == "#":
            found += [stranger] * next(runs, 0)
        else:
            found.append(stranger if word == "*" else word)
    return ".".join(found)


def _met(
    ones: tuple[TopicPattern, ...], others: tuple[TopicPattern, ...]
) -> tuple[list[TopicPattern], bool]:
    """Return patterns for what is in both, and whether they hold no more than that."""
    if not ones or not others:
        return [], True
    if len(ones) * len(others) > _MAX_PAIRS:
        return list(ones if len(ones) < len(others) else others), False
    found: dict[TopicPattern, None] = {}
    whole = True
    for one, other in itertools.product(ones, others):
        met = one.intersection(other)
        whole = whole and met is not None
        found.update(dict.fromkeys((one,) if met is None else met))
    return list(found), whole
