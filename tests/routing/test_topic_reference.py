"""Patterns and trie against a matcher too plain to be wrong (S40–S47)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leveret.routing import TopicPattern, TopicTrie

if TYPE_CHECKING:
    from collections.abc import Iterable


def reference_matches(pattern: str, key: str) -> bool:
    def match(wanted: list[str], given: list[str]) -> bool:
        if not wanted:
            return not given
        if wanted[0] == "#":
            return match(wanted[1:], given) or (given != [] and match(wanted, given[1:]))
        return given != [] and wanted[0] in ("*", given[0]) and match(wanted[1:], given[1:])

    return match(pattern.split(".") if pattern else [], key.split(".") if key else [])


def texts_up_to(length: int, words: Iterable[str]) -> list[str]:
    """Every text of so many words; twice the same text, such as "" for no word, counts once."""
    words = list(words)
    sequences = (itertools.product(words, repeat=n) for n in range(length + 1))
    return list(dict.fromkeys(".".join(each) for each in itertools.chain(*sequences)))


SMALL_PATTERNS = texts_up_to(3, "ab*#")
# The shapes that go wrong: empty words, and wildcards published as text (S43, S47).
SMALL_KEYS = [*texts_up_to(4, "ab"), ".", "..", "a.", ".b", "*", "a.#"]


def test_the_small_cases_are_as_many_as_they_should_be() -> None:
    assert len(SMALL_PATTERNS) == 85
    assert len(SMALL_KEYS) == len(set(SMALL_KEYS)) == 37
    assert len(SMALL_PATTERNS) * len(SMALL_KEYS) == 3_145


@pytest.mark.parametrize("pattern", SMALL_PATTERNS)
def test_each_small_pattern_matches_the_small_keys_that_it_should(pattern: str) -> None:
    parsed = TopicPattern.parse(pattern)
    trie: TopicTrie[str] = TopicTrie()
    trie.insert(parsed, "target")
    for key in SMALL_KEYS:
        expected = reference_matches(pattern, key)
        assert parsed.matches(key) == expected, key
        assert trie.match(key) == ["target"] * expected, key
        assert (parsed.mismatch(key) == "") == expected, key


def test_one_trie_with_every_small_pattern_finds_exactly_those_that_match() -> None:
    patterns = texts_up_to(3, ["a", "b", "", "*", "#"])
    trie: TopicTrie[str] = TopicTrie()
    for pattern in patterns:
        trie.insert(TopicPattern.parse(pattern), pattern)
    trie.check()
    for key in [*texts_up_to(4, ["a", "b", ""]), "*", "#", "a.*", "c.c.c.c.c"]:
        found = trie.match(key)
        assert len(found) == len(set(found))
        assert set(found) == {p for p in patterns if reference_matches(p, key)}


WORDS = st.sampled_from(["a", "b", "", "*", "#", "a*", "#.", "é", "\n"])
PATTERNS = st.lists(WORDS, max_size=7).map(".".join)
KEYS = st.lists(WORDS, max_size=9).map(".".join)


@settings(deadline=None)
@given(st.lists(PATTERNS, min_size=1, max_size=12), KEYS)
def test_pattern_trie_and_reference_agree(patterns: list[str], key: str) -> None:
    trie: TopicTrie[str] = TopicTrie()
    for pattern in patterns:
        trie.insert(TopicPattern.parse(pattern), pattern)
    expected = {pattern for pattern in patterns if reference_matches(pattern, key)}
    assert {p for p in patterns if TopicPattern.parse(p).matches(key)} == expected
    found = trie.match(key)
    assert sorted(found) == sorted(expected)
    assert {str(pattern) for pattern in trie.patterns_matching(key)} == expected


@settings(deadline=None)
@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_a_pattern_and_a_key(pattern: str, key: str) -> None:
    assert TopicPattern.parse(pattern).matches(key) == reference_matches(pattern, key)
