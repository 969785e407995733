"""`covers`, `overlaps` and examples: enumerated where small, decided by automata where not."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leveret.routing import TopicPattern, TopicTrie
from leveret.routing.automaton import Automaton


def texts_up_to(length: int, words: list[str]) -> list[str]:
    sequences = (itertools.product(words, repeat=n) for n in range(length + 1))
    return list(dict.fromkeys(".".join(each) for each in itertools.chain(*sequences)))


PATTERNS = [TopicPattern.parse(text) for text in texts_up_to(3, ["a", "", "*", "#"])]
#: "x" is the word that no pattern names. A key that tells two patterns of three words apart needs
#: at most five: the literals of both, with a word between.
KEYS = texts_up_to(5, ["a", "", "x"])
#: pattern -> the keys that it matches
LANGUAGE = {p: frozenset(key for key in KEYS if p.matches(key)) for p in PATTERNS}


@pytest.mark.parametrize("one", PATTERNS, ids=lambda pattern: repr(str(pattern)))
def test_covering_and_overlapping_are_what_enumeration_says(one: TopicPattern) -> None:
    for other in PATTERNS:
        assert one.covers(other) == (LANGUAGE[other] <= LANGUAGE[one]), str(other)
        shared = LANGUAGE[one] & LANGUAGE[other]
        assert one.overlaps(other) == bool(shared), str(other)
        example = one.common_example(other)
        assert example is None or (one.matches(example) and other.matches(example))


@pytest.mark.parametrize(
    ("one", "other", "covers", "overlaps"),
    [
        ("#", "a.b", True, True),
        ("a.b", "#", False, True),
        ("*", "a", True, True),
        ("*", "", False, False),
        ("a.*", "*.b", False, True),
        ("a.#", "a", True, True),
        ("a.#", "#.a", False, True),
        ("*.#", "#.*", True, True),
        ("#.*", "*.#", True, True),
        ("#.a.#", "b.a.c", True, True),
        ("a.#.z", "a.*.*", False, True),
        ("a", "b", False, False),
        ("a.#.*.b", "a.*.#.b", True, True),
        ("#.a.*.#", "#.a.#.b.#", True, True),
        ("#.a.b.#", "#.a.#.b.#", False, True),
    ],
)
def test_examples_of_covering_and_overlapping(
    one: str, other: str, covers: bool, overlaps: bool
) -> None:
    assert TopicPattern.parse(one).covers(TopicPattern.parse(other)) == covers
    assert TopicPattern.parse(one).overlaps(TopicPattern.parse(other)) == overlaps


def test_s40_a_single_empty_word_is_no_key_and_so_decides_nothing() -> None:
    ends_empty, two_or_more = TopicPattern.parse("#."), TopicPattern.parse("*.#.")
    assert two_or_more.covers(ends_empty)
    assert not ends_empty.overlaps(TopicPattern.parse("*"))
    assert ends_empty.example() == "x."
    assert TopicPattern.parse(".*.#").covers(TopicPattern.parse(".#"))
    assert not TopicPattern.parse(".#").overlaps(TopicPattern.parse("*"))
    assert not TopicPattern.parse("*.#.").covers(TopicPattern.parse("#..#"))


def covers_by_product(cover: TopicPattern, other: TopicPattern) -> bool:
    """Search all of `other`'s automaton beside `cover`'s, determinised: slow, and plainly right."""
    automaton = Automaton.of(cover.words)
    accepting = 1 << len(cover.words)
    waiting = [(0, automaton.start(), "none")]  # state of other, states of cover, words so far
    seen = set(waiting)
    while waiting:
        j, states, so_far = waiting.pop()
        if j == len(other.words):
            if not states & accepting and so_far != "one empty":
                return False
            continue
        wanted = other.words[j]
        word = "a word of neither" if wanted in ("*", "#") else wanted
        after = "one empty" if so_far == "none" and word == "" else "a key"
        moves = [(j + (wanted != "#"), automaton.step(states, word), after)]
        if wanted == "#":
            moves.append((j + 1, states, so_far))
        waiting += [move for move in moves if move not in seen]
        seen.update(moves)
    return True


LONGER = st.lists(st.sampled_from(["a", "b", "", "*", "#", "#"]), max_size=9)
LONGER_PATTERNS = LONGER.map(".".join).map(TopicPattern.parse)


@st.composite
def refined(draw: st.DrawFn, pattern: TopicPattern) -> TopicPattern:
    """Draw a pattern that the given one nearly covers: wildcards filled, a word changed."""
    words: list[str] = []
    for word in pattern.words:
        words += draw(LONGER)[:3] if word == "#" else [word]
    changed = draw(st.lists(st.tuples(st.integers(0, 9), st.sampled_from("ab*#")), max_size=1))
    for place, word in changed:
        words[place : place + 1] = [word]
    return TopicPattern.parse(".".join(words))


@settings(deadline=None)
@given(LONGER_PATTERNS, st.data())
def test_covering_agrees_with_the_product_of_automata(
    cover: TopicPattern, data: st.DataObject
) -> None:
    other = data.draw(refined(cover) | LONGER_PATTERNS)
    assert cover.covers(other) == covers_by_product(cover, other)


@settings(deadline=None)
@given(LONGER_PATTERNS, LONGER_PATTERNS, LONGER_PATTERNS)
def test_covering_is_an_order_and_overlapping_follows_from_it(
    one: TopicPattern, two: TopicPattern, three: TopicPattern
) -> None:
    assert one.covers(one)
    assert TopicPattern.parse("#").covers(one)
    assert one.overlaps(two) == two.overlaps(one)
    if one.covers(two):
        assert one.overlaps(two)
        assert one.matches(two.example())
        if two.covers(three):
            assert one.covers(three)
        if two.overlaps(three):
            assert one.overlaps(three)


@settings(deadline=None)
@given(LONGER_PATTERNS, LONGER_PATTERNS)
def test_a_common_example_is_a_key_that_both_match(one: TopicPattern, two: TopicPattern) -> None:
    assert one.matches(one.example())
    key = one.common_example(two)
    assert one.overlaps(two) == (key is not None)
    if key is not None:
        assert one.matches(key)
        assert two.matches(key)


def test_patterns_whose_common_keys_are_too_long_for_amqp_do_not_overlap() -> None:
    begins, ends = TopicPattern.parse("a" * 200 + ".#"), TopicPattern.parse("#." + "b" * 200)
    assert not begins.overlaps(ends)
    assert begins.overlaps(TopicPattern.parse("#." + "b" * 54))
    # Only empty words make this one short enough.
    stars = TopicPattern.parse("b" * 100 + ".#." + ".".join("*" * 70))
    key = stars.common_example(TopicPattern.parse("#." + ".".join("*" * 74) + ".#." + "c" * 10))
    assert key is not None
    assert len(key) <= 255


@pytest.mark.parametrize(
    ("cover", "other", "covers"),
    [
        ("#.a" + ".*" * 60, ".".join(["#.a"] * 60) + ".#", False),
        ("#.a" + ".*" * 40 + ".#", ".".join(["#.a.*.a"] * 30), True),
        (".".join(["#.a"] * 60), ".".join(["#.a"] * 60), True),
        (".".join(["#.a"] * 60), ".".join(["#.a"] * 59), False),
        (".".join(["*.#"] * 60), ".".join(["#.*"] * 60), True),
        ("#.a" + ".*" * 20 + ".#.b" + ".*" * 20, ".".join(["#.a.*.b"] * 30), False),
    ],
)
def test_adversarial_patterns_are_compared_at_once(cover: str, other: str, covers: bool) -> None:
    """A determinised product of some of these has about 2**60 states and would never end."""
    assert TopicPattern.parse(cover).covers(TopicPattern.parse(other)) == covers
    assert TopicPattern.parse(cover).overlaps(TopicPattern.parse(cover))


@settings(deadline=None)
@given(st.lists(LONGER_PATTERNS, max_size=6), LONGER_PATTERNS)
def test_a_covering_pattern_is_found_for_every_key_of_what_it_covers(
    patterns: list[TopicPattern], other: TopicPattern
) -> None:
    trie: TopicTrie[TopicPattern] = TopicTrie()
    for pattern in patterns:
        trie.insert(pattern, pattern)
    found = trie.match(other.example())
    assert {pattern for pattern in patterns if pattern.covers(other)} <= set(found)
