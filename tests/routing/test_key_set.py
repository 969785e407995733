"""Sets of routing keys and headers that several bindings want, held against enumeration."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leveret.routing import HeadersMatch, KeySet, TakenKeys, TopicPattern, headers_example
from leveret.routing.intersection import simplify

if TYPE_CHECKING:
    from leveret.properties import FieldValue


def texts_up_to(length: int, words: list[str]) -> list[str]:
    sequences = (itertools.product(words, repeat=n) for n in range(length + 1))
    return list(dict.fromkeys(".".join(each) for each in itertools.chain(*sequences)))


PATTERNS = [TopicPattern.parse(text) for text in texts_up_to(3, ["a", "", "*", "#"])]
KEYS = texts_up_to(5, ["a", "", "x"])


@functools.cache
def language(pattern: TopicPattern) -> frozenset[str]:
    return frozenset(key for key in KEYS if pattern.matches(key))


WORDS = st.sampled_from(["a", "b", "", "*", "#", "#"])
TEXTS = st.lists(WORDS, max_size=5).map(".".join)
#: A key that tells patterns of five words apart may need more words than can be enumerated; one
#: of four is seldom missed.
SMALL = texts_up_to(4, ["a", "b", "", "x"])


@pytest.mark.parametrize("one", PATTERNS, ids=lambda pattern: repr(str(pattern)))
def test_an_intersection_matches_what_both_match(one: TopicPattern) -> None:
    for other in PATTERNS:
        found = one.intersection(other)
        assert found is not None
        matched = frozenset[str]().union(*map(language, found))
        assert matched == language(one) & language(other), str(other)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("order.#", "#.paid", ["order.#.paid"]),
        ("order.*.#", "#.paid", ["order.#.paid"]),
        ("*.#.eu", "order.#.*", ["order.#.eu"]),
        ("a.#", "#.a", ["a", "a.#.a"]),
        ("#.a.#", "#.b.#", ["#.a.#.b.#", "#.b.#.a.#"]),
        ("order.*", "order.#", ["order.*"]),
        ("a.*", "*.b", ["a.b"]),
        ("a", "b", []),
        ("*", "*.*", []),
        ("#.", "#", ["#."]),
    ],
)
def test_examples_of_intersections(one: str, other: str, both: list[str]) -> None:
    found = TopicPattern.parse(one).intersection(TopicPattern.parse(other))
    assert found is not None
    assert [str(pattern) for pattern in found] == both


def test_an_intersection_that_nobody_would_read_is_left_open() -> None:
    one = TopicPattern.parse(".".join(["#"] + [f"a{n}.#" for n in range(8)]))
    other = TopicPattern.parse(".".join(["#"] + [f"b{n}.#" for n in range(8)]))
    assert one.intersection(other) is None
    long = TopicPattern.parse("b" + ".*" * 59 + ".#")
    assert long.intersection(TopicPattern.parse("#" + ".a" * 60)) is None


@given(st.lists(TEXTS, max_size=6))
def test_fewer_patterns_match_the_same_keys(texts: list[str]) -> None:
    patterns = [TopicPattern.parse(text) for text in texts]
    fewer = [TopicPattern.of_words(words) for words in simplify(one.words for one in patterns)]
    assert len(fewer) <= len(patterns)
    for key in SMALL:
        assert any(one.matches(key) for one in patterns) == any(one.matches(key) for one in fewer)


def key_set(texts: list[str], keys: list[str]) -> KeySet:
    return KeySet.of(keys, [TopicPattern.parse(text) for text in texts])


LISTS = st.lists(TEXTS, max_size=3)


@given(LISTS, LISTS, LISTS, LISTS, LISTS)
@settings(max_examples=200)
def test_sets_are_met_and_diminished_key_by_key(
    ones: list[str], others: list[str], keys: list[str], taken_texts: list[str], taken: list[str]
) -> None:
    one, other = key_set(ones, keys), key_set(others, taken)
    less = TakenKeys.of(keys[:1], map(TopicPattern.parse, taken_texts))
    both = (one & other).without(less)
    assert both.exact
    for key in SMALL:
        assert (key in both) == (key in one and key in other and key not in less)


@given(LISTS, LISTS, LISTS)
@settings(max_examples=200)
def test_an_example_is_found_exactly_where_there_is_a_key(
    texts: list[str], taken_texts: list[str], taken_keys: list[str]
) -> None:
    taken = TakenKeys.of(taken_keys, map(TopicPattern.parse, taken_texts))
    found = key_set(texts, []).without(taken)
    example = found.example()
    if example is not None:
        assert example in found
        assert not found.is_empty()
    else:
        assert found.is_empty()
        assert not any(key in found for key in SMALL)


def test_wildcards_in_a_published_key_are_plain_text() -> None:
    """S47: a direct exchange's key `a.*` is that key alone."""
    single = KeySet.of(["a.*"])
    assert (single & KeySet.of(patterns=[TopicPattern.parse("a.b")])).is_empty()
    assert (single & KeySet.of(patterns=[TopicPattern.parse("a.*")])).example() == "a.*"


def test_a_set_too_large_to_be_met_is_not_exact_and_loses_nothing() -> None:
    many = KeySet.of(patterns=[TopicPattern.parse(f"a.{n}.#") for n in range(1_000)])
    few = KeySet.of(patterns=[TopicPattern.parse(f"#.{n}") for n in range(10)])
    both = many & few
    assert not both.exact
    assert "a.7.3" in both


def test_a_key_that_amqp_cannot_carry_is_no_example() -> None:
    long = KeySet.of(patterns=[TopicPattern.of_words(("*", "a" * 254))])
    found = long.without(TakenKeys.of([], [TopicPattern.of_words(("b",))]))
    assert found.example() is None


VALUES = st.sampled_from([1, "1", None, True])
ARGUMENTS = st.fixed_dictionaries(
    {"x-match": st.sampled_from(["all", "any", "all-with-x", "any-with-x"])},
    optional={"a": VALUES, "b": VALUES, "x-c": VALUES},
)
ABSENT = object()
HEADERS = [
    {name: value for name, value in zip(("a", "b", "x-c"), each, strict=True) if value != "absent"}
    for each in itertools.product([1, "1", True, 2, "absent"], repeat=3)
]


@given(
    st.lists(st.lists(ARGUMENTS, min_size=1, max_size=2), max_size=3),
    st.lists(ARGUMENTS, max_size=2),
)
@settings(max_examples=300)
def test_headers_are_found_exactly_where_some_message_would_do(
    groups: list[list[dict[str, FieldValue]]], others: list[dict[str, FieldValue]]
) -> None:
    passes = [[HeadersMatch.compile(one) for one in group] for group in groups]
    misses = [HeadersMatch.compile(one) for one in others]
    found = headers_example(passes, misses)
    assert found.is_certain

    def does(headers: dict[str, FieldValue]) -> bool:
        return all(any(one.matches(headers) for one in group) for group in passes) and not any(
            one.matches(headers) for one in misses
        )

    if found.headers is None:
        assert not any(map(does, HEADERS))  # type: ignore[arg-type] # of narrower values
    else:
        assert does(found.headers)


def test_headers_with_too_many_choices_are_left_open() -> None:
    either = HeadersMatch.compile({"x-match": "any", "a": 1, "b": 2})
    impossible = [HeadersMatch.compile({"a": n}) for n in (1, 2)]
    passes = [*([either] for _ in range(12)), *([one] for one in impossible)]
    assert not headers_example(passes).is_certain
