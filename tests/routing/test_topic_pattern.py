"""Topic patterns, statement by statement (S40–S49), in the pattern alone and in a trie."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leveret.routing import MAX_KEY_BYTES, PatternError, TopicPattern, TopicTrie, check_key

# (statement, pattern, keys that match, keys that do not)
CASES = [
    ("S40", "", [""], [".", "a", "*", "#"]),
    ("S40", ".", ["."], ["", "..", "a", "a.", ".a"]),
    ("S41", "#", ["", ".", "a", "a.b.c", "a..b"], []),
    ("S41", "#.#", ["", ".", "a", "a.b.c"], []),
    ("S41", "*", ["a", "*", "#"], ["", ".", "a.b"]),
    ("S42", "a.#", ["a", "a.b", "a.b.c", "a."], ["", "b", "ab", "b.a"]),
    ("S42", "#.a", ["a", "b.a", "c.b.a", ".a"], ["", "a.b", "ba"]),
    ("S43", "*.b", [".b", "a.b"], ["b", "a.b.", "a.a.b"]),
    ("S43", "a.*", ["a.", "a.b"], ["a", "a.b.c", "a.."]),
    ("S43", "*.*", [".", "a.", ".b", "a.b"], ["", "a", ".."]),
    ("S44", "*", ["a"], ["a.b"]),
    ("S45", "a.#.z", ["a.z", "a.b.z", "a.b.c.z", "a.z.z"], ["a", "z", "a.z.b", "b.a.z"]),
    ("S45", "#.b.#", ["b", "a.b", "b.c", "a.b.c", "a.a.b.c.c"], ["", "a", "a.c", "bb"]),
    ("S45", "a.#.b.#.c", ["a.b.c", "a.x.b.y.c", "a.b.b.c"], ["a.c", "a.x.c", "a.b", "b.c"]),
    ("S45", "#.*", ["a", "a.b", "."], [""]),
    ("S45", "*.#.*", ["a.b", "a.b.c", "."], ["", "a"]),
    ("S46", "a*", ["a*"], ["a", "ab", "a.b"]),
    ("S46", "simply#carrots", ["simply#carrots"], ["simplycarrots", "simply.carrots"]),
    ("S46", "**.##", ["**.##"], ["a.b", "*.#"]),
    ("S47", "a.b", ["a.b"], ["a.*", "a.#", "*.b", "#"]),
    ("S47", "a.*", ["a.*", "a.#"], ["#", "*"]),
    ("S47", "#", ["*", "#", "a.#.*"], []),
    ("S47", "*.#.x", ["#.x", "*.*.x"], ["#", "*"]),
    ("S48", "Order.Größe", ["Order.Größe"], ["order.Größe", "Order.Große", "Order.Gro\u0308ße"]),
    ("S48", "a.*.🐇", ["a.\n.🐇", "a.\0.🐇"], ["a.🐇"]),
    ("S48", "\udcff.*", ["\udcff.a"], ["ÿ.a"]),
]


@pytest.mark.parametrize(("statement", "pattern", "yes", "no"), CASES)
def test_a_pattern_matches_as_its_statement_says(
    statement: str, pattern: str, yes: list[str], no: list[str]
) -> None:
    parsed = TopicPattern.parse(pattern)
    trie: TopicTrie[str] = TopicTrie()
    trie.insert(parsed, statement)
    for key in yes:
        assert parsed.matches(key), key
        assert trie.match(key) == [statement], key
        assert parsed.mismatch(key) == ""
    for key in no:
        assert not parsed.matches(key), key
        assert trie.match(key) == [], key
        assert parsed.mismatch(key) != ""


def test_s48_a_key_has_at_most_255_bytes_however_many_characters() -> None:
    for text in ("x" * 255, "é" * 127, "\udcff" * 255):
        assert check_key(text) == text
        assert TopicPattern.parse(text).matches(text)
    for text, length in (("x" * 256, 256), ("é" * 128, 256), ("a" + "🐇" * 64, 257)):
        with pytest.raises(PatternError, match=f"takes {length} bytes and AMQP allows 255"):
            check_key(text)
        with pytest.raises(ValueError, match="shorten it"):
            TopicPattern.parse(text)
    assert MAX_KEY_BYTES == 255


def test_s48_text_without_a_utf_8_form_is_no_key() -> None:
    with pytest.raises(PatternError, match="has no UTF-8 form"):
        TopicPattern.parse("\ud800")


@pytest.mark.parametrize(
    ("text", "count"), [("", 0), ("a.*", 0), ("a#", 0), ("#", 1), ("#.a.#", 2), ("#.#.#.#", 4)]
)
def test_s49_a_pattern_counts_its_hash_words(text: str, count: int) -> None:
    assert TopicPattern.parse(text).hash_count == count


@settings(deadline=None)
@given(st.text(max_size=60))
def test_a_pattern_prints_as_it_was_written(text: str) -> None:
    pattern = TopicPattern.parse(text)
    assert str(pattern) == text
    assert pattern.words == (tuple(text.split(".")) if text else ())
    assert TopicPattern.of_words(pattern.words) == pattern


def test_patterns_are_values() -> None:
    one, other = TopicPattern.parse("a.*"), TopicPattern.of_words(["a", "*"])
    assert one == other
    assert hash(one) == hash(other)
    assert one != TopicPattern.parse("a.#")
    assert TopicPattern.parse("a.*") is one
    with pytest.raises(AttributeError):
        one.words = ()  # type: ignore[misc]


@pytest.mark.parametrize(
    ("pattern", "key", "reason"),
    [
        ("order.created", "order.paid", "word 2 is 'paid', the pattern wants 'created'"),
        ("order.*.eu", "order.paid.us", "word 3 is 'us', the pattern wants 'eu'"),
        ("order.created", "order", "the key ends after 1 word, the pattern wants more: 'created'"),
        ("a.*.*", "a.b", "the key ends after 2 words, the pattern wants more: '*'"),
        ("a.b", "", "the key is empty, the pattern wants more: 'a.b'"),
        ("order.paid", "order.paid.eu", "the key has words left over from word 3: 'eu'"),
        ("*", "a.b.c", "the key has words left over from word 2: 'b.c'"),
        ("", "a", "the key has words left over from word 1: 'a'"),
        ("order.#.eu", "order.a.b.us", "word 4 is 'us', the pattern wants 'eu'"),
        ("#.created", "order.paid", "word 2 is 'paid', the pattern wants 'created'"),
        ("#.a.b", "x.a", "the key ends after 2 words, the pattern wants more: 'b'"),
        ("a.#.z", "b.z", "word 1 is 'b', the pattern wants 'a'"),
        ("#.a.#.b", "x.a.y", "word 3 is 'y', the pattern wants 'b'"),
        ("#.a", "", "the key is empty, the pattern wants more: 'a'"),
        ("a.b", "a.it's", "word 2 is \"it's\", the pattern wants 'b'"),
    ],
)
def test_a_mismatch_names_what_differs(pattern: str, key: str, reason: str) -> None:
    assert TopicPattern.parse(pattern).mismatch(key) == reason


def test_an_adversarial_pattern_is_matched_and_explained_in_steps_that_grow_as_a_product() -> None:
    class CountingKey(str):
        """A key whose words count how often they are compared."""

        compared = 0

        def split(self, *_args: object) -> list[str]:
            return [CountingWord(word) for word in str.split(self, ".")]

    class CountingWord(str):
        def __eq__(self, other: object) -> bool:
            CountingKey.compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    pattern = TopicPattern.parse(".".join(["#", "a"] * 30) + ".b")
    key = CountingKey(".".join("a" * 120))
    assert not pattern.matches(key)
    assert CountingKey.compared <= len(pattern.words) * 120
    assert pattern.mismatch(".".join("a" * 120)).startswith("word 120 is 'a', the pattern wants")


def test_lark_is_imported_only_when_the_first_pattern_is_parsed() -> None:
    program = (
        "import sys, leveret.routing as r; print('lark' in sys.modules);"
        "r.TopicPattern.parse('a.*'); print('lark' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["False", "True"]
