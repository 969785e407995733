"""The trie as a container: a set of pairs, pruned, and never slower than its promise."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from leveret.routing import TopicPattern, TopicTrie
from leveret.routing.trie import _Node

PATTERNS = (
    st.lists(st.sampled_from(["a", "b", "", "*", "#"]), max_size=4)
    .map(".".join)
    .map(TopicPattern.parse)
)
KEYS = st.lists(st.sampled_from(["a", "b", "c", "", "*", "#"]), max_size=5).map(".".join)
# Enough of them that one pattern outgrows a tuple of targets.
TARGETS = st.integers(0, 11)


class TrieAgainstASetOfPairs(RuleBasedStateMachine):
    """Random inserts and removes, checked after each, with matching beside a plain search."""

    def __init__(self) -> None:
        super().__init__()
        self.trie: TopicTrie[int] = TopicTrie()
        self.pairs: set[tuple[TopicPattern, int]] = set()

    @rule(pattern=PATTERNS, number=TARGETS)
    def insert(self, pattern: TopicPattern, number: int) -> None:
        assert self.trie.insert(pattern, number) == ((pattern, number) not in self.pairs)
        self.pairs.add((pattern, number))

    @rule(pattern=PATTERNS)
    def insert_many_targets(self, pattern: TopicPattern) -> None:
        for number in range(12):
            self.trie.insert(pattern, number)
            self.pairs.add((pattern, number))

    @rule(pattern=PATTERNS, number=TARGETS)
    def remove(self, pattern: TopicPattern, number: int) -> None:
        if (pattern, number) in self.pairs:
            self.trie.remove(pattern, number)
            self.pairs.remove((pattern, number))
        else:
            with pytest.raises(KeyError):
                self.trie.remove(pattern, number)

    @rule(data=st.data())
    def remove_one_that_is_there(self, data: st.DataObject) -> None:
        if self.pairs:
            pairs = sorted(self.pairs, key=lambda pair: (str(pair[0]), pair[1]))
            pair = data.draw(st.sampled_from(pairs))
            self.trie.remove(*pair)
            self.pairs.remove(pair)

    @rule(key=KEYS)
    def match(self, key: str) -> None:
        found = self.trie.match(key)
        assert found == self.trie.match(key)
        assert len(found) == len(set(found))
        assert set(found) == {target for pattern, target in self.pairs if pattern.matches(key)}

    @invariant()
    def holds_exactly_the_pairs(self) -> None:
        self.trie.check()
        assert len(self.trie) == len(self.pairs)
        assert set(self.trie.items()) == self.pairs
        assert all(pair in self.trie for pair in self.pairs)


TestTrieAgainstASetOfPairs = TrieAgainstASetOfPairs.TestCase
TestTrieAgainstASetOfPairs.settings = settings(max_examples=40, deadline=None)


@settings(deadline=None)
@given(st.lists(st.tuples(PATTERNS, TARGETS), unique=True, max_size=30))
def test_an_emptied_trie_keeps_no_node(pairs: list[tuple[TopicPattern, int]]) -> None:
    trie: TopicTrie[int] = TopicTrie()
    for pattern, target in pairs:
        trie.insert(pattern, target)
    for pattern, target in reversed(pairs):
        trie.remove(pattern, target)
        trie.check()
    assert len(trie) == 0
    assert list(trie.items()) == []
    assert nodes(trie) == [trie._root]


def test_one_target_under_many_patterns_is_found_once() -> None:
    trie: TopicTrie[str] = TopicTrie()
    for text in ("a.b", "a.*", "*.b", "a.#", "#.b", "#", "#.#", "*.*"):
        trie.insert(TopicPattern.parse(text), "queue")
    assert trie.match("a.b") == ["queue"]
    trie.remove(TopicPattern.parse("#"), "queue")
    assert trie.match("a.b") == ["queue"]
    assert trie.match("x") == ["queue"]  # through #.#
    assert (TopicPattern.parse("#"), "queue") not in trie


def test_many_targets_under_one_pattern_are_found_in_the_order_they_came() -> None:
    trie: TopicTrie[int] = TopicTrie()
    for target in range(1_000):
        trie.insert(TopicPattern.parse("a.*"), target)
    assert trie.match("a.b") == list(range(1_000))


def test_removing_what_was_never_inserted_changes_nothing() -> None:
    trie: TopicTrie[str] = TopicTrie()
    trie.insert(TopicPattern.parse("a.*.b"), "queue")
    for text, target in (("a.*", "queue"), ("a.*.b", "other"), ("a.*.b.#", "queue"), ("x", "y")):
        with pytest.raises(KeyError):
            trie.remove(TopicPattern.parse(text), target)
        trie.check()
    assert len(trie) == 1


def nodes(trie: TopicTrie[Any]) -> list[_Node[Any]]:
    found: list[_Node[Any]] = []
    waiting = [trie._root]
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting += [child for _, child in node.children()]
    return found


class CountedNode(_Node[str]):
    """A node that counts how often a word is looked up in any of its kind."""

    lookups = 0
    words_of_key = 0

    def get(self, word: str, default: Any = None) -> Any:
        CountedNode.lookups += 1
        return super().get(word, default)

    def __contains__(self, word: object) -> bool:
        CountedNode.lookups += 1
        return super().__contains__(word)

    def keys(self) -> Any:
        # Asked for only to compare with all words of the key.
        CountedNode.lookups += CountedNode.words_of_key
        return super().keys()


def lookups(trie: TopicTrie[str], key: str) -> int:
    """Count the words looked up while matching, by a copy of the trie with counting nodes."""

    def copy(node: _Node[str]) -> CountedNode:
        counted = CountedNode(
            node.hashes,
            None if node.star is None else copy(node.star),
            None if node.hash is None else copy(node.hash),
            node.targets,
        )
        counted.update((word, copy(child)) for word, child in node.items())
        return counted

    counting: TopicTrie[str] = TopicTrie()
    counting._literals, counting._root = trie._literals, copy(trie._root)
    CountedNode.lookups, CountedNode.words_of_key = 0, key.count(".") + 1
    assert counting.match(key) == trie.match(key)
    return CountedNode.lookups


@pytest.mark.parametrize(
    "pattern",
    [
        ".".join(["#", "a"] * 20),
        ".".join(["#", "a"] * 20) + ".b",
        ".".join(["#", "*"] * 20) + ".b",
        ".".join(["#", "*", "a"] * 15) + ".b",
        ".".join(["#", "#", "a"] * 15) + ".b",
        ".".join(["*", "#"] * 20) + ".#.b",
    ],
)
@pytest.mark.parametrize("length", [30, 60, 120])
def test_an_adversarial_pattern_costs_at_most_one_look_for_each_node_and_word(
    pattern: str, length: int
) -> None:
    trie: TopicTrie[str] = TopicTrie()
    trie.insert(TopicPattern.parse(pattern), "queue")
    key = ".".join("a" * length)
    looked = lookups(trie, key)
    assert looked <= len(nodes(trie)) * (length + 1)
    assert trie.match(key) == ["queue"] * TopicPattern.parse(pattern).matches(key)


def test_many_adversarial_patterns_together_stay_within_nodes_times_words() -> None:
    trie: TopicTrie[str] = TopicTrie()
    for bits in range(256):
        words = [("a" if bits >> i & 1 else "*") for i in range(8)]
        trie.insert(TopicPattern.parse("#." + ".#.".join(words) + ".b"), str(bits))
    key = ".".join("a" * 60)
    assert lookups(trie, key) <= len(nodes(trie)) * 61
    assert len(trie.match(key + ".b")) == 256


def test_matching_costs_by_the_words_of_the_key_not_by_the_number_of_patterns() -> None:
    costs = []
    for count in (10, 10_000):
        trie: TopicTrie[str] = TopicTrie()
        for number in range(count):
            trie.insert(TopicPattern.of_words(("order", str(number), "*")), f"one {number}")
            trie.insert(TopicPattern.of_words(("order", "*", str(number))), f"two {number}")
        costs.append(lookups(trie, "order.7.9"))
    assert costs[0] == costs[1] <= 6
