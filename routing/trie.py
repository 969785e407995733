"""Which targets a routing key leads to, found without looking at every pattern.

Patterns without wildcards need no trie: a dictionary finds them by the whole key. The others
stand in a trie, one level a word. A node has its literal children in a dictionary, and `*` and `#`
apart from them, so that a key's own "*" or "#" meets them as any other word does (S47).

`match` walks from (root, first word). At a node with a `*` child, two ways lead on; at a node
with a `#` child, one for each word at which the `#` may stop. A trie has one path to each node, so
with a single `#` behind it a walk meets (node, word) once; behind a second `#` many splits of the
words lead to the same place, and the walk remembers from which word on a `#` was left already.
Thus it visits a node at most once for each word, whatever the patterns.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

from attrs import define, field

from leveret.routing.keys import split_key
from leveret.routing.pattern import TopicPattern

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["TopicTrie"]

T = TypeVar("T")

_Targets: TypeAlias = tuple[T, ...] | dict[T, None]

#: Up to so many targets of one pattern are kept in a tuple, which is small and quick to read;
#: more are kept in a dictionary, so that adding one to many stays cheap.
_TUPLE_TARGETS: Final = 8


@define(eq=False)
class _Node(dict[str, "_Node[T]"], Generic[T]):
    """One word of some patterns: literal word -> child, with wildcards' children beside.

    It *is* the dictionary, since one object less on the way of every word is what a large trie
    gains most from. So an empty node is false: compare with `None`.
    """

    hashes: int = 0  # how many `#` lead here, this node included
    star: _Node[T] | None = None
    hash: _Node[T] | None = None
    targets: _Targets[T] = ()  # of the pattern that ends here

    def is_useless(self) -> bool:
        return not (self or self.targets) and self.star is None and self.hash is None

    def child(self, word: str) -> _Node[T] | None:
        if word == "*":
            return self.star
        if word == "#":
            return self.hash
        return self.get(word)

    def make_child(self, word: str) -> _Node[T]:
        child = self.child(word)
        if child is None:
            child = _Node(self.hashes + (word == "#"))
            if word == "*":
                self.star = child
            elif word == "#":
                self.hash = child
            else:
                # One string for a word wherever it stands stays in the processor's cache.
                self[sys.intern(word)] = child
        return child

    def drop_child(self, word: str) -> None:
        if word == "*":
            self.star = None
        elif word == "#":
            self.hash = None
        else:
            del self[word]

    def children(self) -> Iterator[tuple[str, _Node[T]]]:
        yield from self.items()
        if self.star is not None:
            yield "*", self.star
        if self.hash is not None:
            yield "#", self.hash


@define(eq=False)
class TopicTrie(Generic[T]):
    """A set of (pattern, target) pairs; targets are hashable.

    With w words in a pattern or key: `insert` and `remove` cost O(w). `match` costs O(w) for each
    way that wildcards lead the key through the trie, never more than O(w) for each node, and does
    not depend on the number of patterns otherwise. In a large trie a pair takes some 250 bytes.

    >>> trie = TopicTrie()
    >>> trie.insert(TopicPattern.parse("order.*"), "billing")
    True
    >>> trie.insert(TopicPattern.parse("#.paid"), "accounts")
    True
    >>> trie.match("order.paid")
    ['billing', 'accounts']
    """

    # whole key -> targets of the pattern that is this key, without wildcards
    _literals: dict[str, _Targets[T]] = field(factory=dict, init=False)
    _root: _Node[T] = field(factory=_Node, init=False)
    _pairs: int = field(default=0, init=False)

    def insert(self, pattern: TopicPattern, target: T) -> bool:
        """Add a pair; False when it was there already, which changes nothing."""
        if pattern.is_literal:
            targets = self._literals.get(str(pattern), ())
            if target in targets:
                return False
            self._literals[str(pattern)] = _with(targets, target)
        else:
            node = self._root
            for word in pattern.words:
                node = node.make_child(word)
            if target in node.targets:
                return False
            node.targets = _with(node.targets, target)
        self._pairs += 1
        return True

    def remove(self, pattern: TopicPattern, target: T) -> None:
        """Take a pair out, and the nodes that only it needed.

        Raises:
            KeyError: the pair is not there.

        """
        if pattern.is_literal:
            key = str(pattern)
            remaining = _without(self._literals.get(key, ()), target)
            if remaining:
                self._literals[key] = remaining
            else:
                del self._literals[key]
        else:
            path = self._path(pattern)
            path[-1].targets = _without(path[-1].targets, target)
            for word in reversed(pattern.words):
                if not path.pop().is_useless():
                    break
                path[-1].drop_child(word)
        self._pairs -= 1

    def match(self, key: str) -> list[T]:
        """Return the targets of all patterns that match the key, each once.

        The order depends only on what was inserted and removed, and in which order.
        """
        literals = self._literals
        found = [*literals[key]] if key in literals else []
        sources = 1 if found else 0
        words = key.split(".") if key else []
        last = len(words)
        node, i = self._root, 0
        waiting: list[tuple[_Node[T], int]] = []  # other ways to go on: node, index of next word
        reached: dict[int, int] = {}  # id of a second `#` -> the first word it may take in
        while True:
            if (tail := node.hash) is not None:
                if (
                    tail.hashes == 1
                    and tail.star is None
                    and tail.hash is None
                    and (not tail or tail.keys().isdisjoint(words))
                ):
                    # Most often nothing leads on from a `#`; this much is quickest done here.
                    if tail.targets:
                        found += tail.targets
                        sources += 1
                else:
                    sources += _take_in(tail, words, i, reached, waiting, found)
            if i < last:
                star = node.star
                child = node.get(words[i])
                if child is not None:
                    i += 1
                    if star is not None:
                        waiting.append((star, i))
                    node = child
                    continue
                if star is not None:
                    i += 1
                    node = star
                    continue
            elif node.targets:
                found += node.targets
                sources += 1
            if not waiting:
                # Only two patterns can give one target twice, and most often they do not.
                if sources < 2 or len(set(found)) == len(found):
                    return found
                return list(dict.fromkeys(found))
            node, i = waiting.pop()

    def items(self) -> Iterator[tuple[TopicPattern, T]]:
        """Yield every pair: first the patterns without wildcards, then down the trie."""
        for key, targets in self._literals.items():
            pattern = TopicPattern.of_words(split_key(key))
            for target in targets:
                yield pattern, target
        waiting: list[tuple[_Node[T], tuple[str, ...]]] = [(self._root, ())]
        while waiting:
            node, words = waiting.pop()
            pattern = TopicPattern.of_words(words)
            for target in node.targets:
                yield pattern, target
            waiting.extend((child, (*words, word)) for word, child in node.children())

    def patterns_matching(self, key: str) -> list[TopicPattern]:
        """Return the patterns that match the key; costs by the number of pairs, for explaining."""
        patterns = dict.fromkeys(pattern for pattern, _ in self.items())
        return [pattern for pattern in patterns if pattern.matches(key)]

    def __contains__(self, pair: tuple[TopicPattern, T]) -> bool:
        pattern, target = pair
        if pattern.is_literal:
            return target in self._literals.get(str(pattern), ())
        node = self._root
        for word in pattern.words:
            child = node.child(word)
            if child is None:
                return False
            node = child
        return target in node.targets

    def __len__(self) -> int:
        """Return the number of pairs."""
        return self._pairs

    def check(self) -> None:
        """Assert that no node is useless, each is where its word says, and the count is right."""
        assert self._pairs == sum(1 for _ in self.items())
        for key, targets in self._literals.items():
            _check_targets(targets)
            assert targets
            assert TopicPattern.of_words(split_key(key)).is_literal
        assert not self._root.targets  # the pattern without words is a literal
        waiting = [(self._root, 0)]  # node, `#` words on the way to it
        while waiting:
            node, hashes = waiting.pop()
            assert node is self._root or not node.is_useless()
            assert "*" not in node
            assert "#" not in node
            assert node.hashes == hashes
            _check_targets(node.targets)
            for word, child in node.children():
                waiting.append((child, hashes + (word == "#")))

    def _path(self, pattern: TopicPattern) -> list[_Node[T]]:
        path = [self._root]
        for word in pattern.words:
            child = path[-1].child(word)
            if child is None:
                raise KeyError(str(pattern))
            path.append(child)
        return path


def _take_in(
    tail: _Node[T],
    words: list[str],
    i: int,
    reached: dict[int, int],
    waiting: list[tuple[_Node[T], int]],
    found: list[T],
) -> int:
    """Let the `#` at `tail` take in none or more words from word `i` on.

    Targets of patterns that end here go to `found`, the ways on to `waiting`. Returns how many
    nodes gave targets.
    """
    sources = 0
    node: _Node[T] | None = tail
    while node is not None:
        stop, seen = len(words), False
        if node.hashes > 1:
            seen = id(node) in reached
            stop = reached.get(id(node), stop)
            if seen and stop <= i:
                break
            reached[id(node)] = i
        if node.targets and not seen:
            found += node.targets
            sources += 1
        star = node.star
        if star is not None:
            waiting += [(star, j) for j in range(i + 1, stop + 1)]
        if node:
            waiting += [(node[words[j]], j + 1) for j in range(i, stop) if words[j] in node]
        node = node.hash
    return sources


def _with(targets: _Targets[T], target: T) -> _Targets[T]:
    if isinstance(targets, dict):
        targets[target] = None
        return targets
    if len(targets) < _TUPLE_TARGETS:
        return (*targets, target)
    return dict.fromkeys((*targets, target))


def _without(targets: _Targets[T], target: T) -> _Targets[T]:
    if target not in targets:
        raise KeyError(target)
    if isinstance(targets, dict):
        del targets[target]
        return targets if len(targets) > _TUPLE_TARGETS else tuple(targets)
    return tuple(kept for kept in targets if kept != target)


def _check_targets(targets: _Targets[T]) -> None:
    assert isinstance(targets, dict) == (len(targets) > _TUPLE_TARGETS)
    assert len(set(targets)) == len(targets)
