"""The measures that order near misses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leveret.exchanges.nearness import pattern_distance, text_distance, text_hint
from leveret.routing import TopicPattern

WORDS = st.lists(st.sampled_from(("a", "b", "ab", "*", "#", "")), max_size=5).map(".".join)


@given(WORDS, WORDS)
def test_a_pattern_is_at_distance_0_exactly_from_what_it_matches(pattern: str, key: str) -> None:
    assert (pattern_distance(pattern, key) == 0) == TopicPattern.parse(pattern).matches(key)


@given(st.text("ab", max_size=5), st.text("ab", max_size=5))
def test_texts_are_at_distance_0_exactly_from_themselves(one: str, two: str) -> None:
    assert (text_distance(one, two) == 0) == (one == two)
    assert text_distance(one, two) == text_distance(two, one) <= max(len(one), len(two))


@pytest.mark.parametrize(
    ("key", "nearer", "farther"),
    [
        ("order.created.eu", "order.create.eu", "invoice.paid"),
        ("order.created.eu", "order.*.us", "#.packed.#.now"),
        ("order.created", "order.created.*", "order.created.*.*"),
        ("order.created", "order.created.eu", "order"[::-1]),
    ],
)
def test_what_looks_nearer_is_nearer(key: str, nearer: str, farther: str) -> None:
    assert pattern_distance(nearer, key) < pattern_distance(farther, key)


def test_what_is_easily_overlooked_is_pointed_out() -> None:
    assert text_hint("Order", "order") == " (only upper and lower case differ)"
    assert text_hint("order", " order") == " (only spaces around it differ)"
    assert text_hint("order", "odrer") == ""
