"""Pattern algebra over the bindings of an exchange, held against the plain definition."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leveret.config import BindingDeclaration, loads
from leveret.config.coverage import (
    PatternSet,
    covered_bindings,
    shared_key,
    topic_pattern,
    untaken_key,
)
from leveret.config.loader import check_file
from leveret.routing import HeadersMatch, TopicPattern

if TYPE_CHECKING:
    from pathlib import Path

WORDS = st.sampled_from(["a", "b", "", "*", "#", "#"])
KEYS = st.lists(WORDS, max_size=5).map(".".join)


@given(st.lists(KEYS, min_size=1, max_size=8, unique=True), KEYS)
def test_the_trie_finds_every_pattern_that_covers_another(keys: list[str], key: str) -> None:
    patterns = PatternSet()
    for one in keys:
        patterns.add(topic_pattern(one))
    pattern = topic_pattern(key)
    wanted = {one for one in keys if one != key and topic_pattern(one).covers(pattern)}
    assert {str(found) for found in patterns.covering(pattern)} == wanted


@given(KEYS)
def test_a_pattern_read_without_the_parser_is_the_same(key: str) -> None:
    assert topic_pattern(key).words == TopicPattern.parse(key).words


@given(st.lists(KEYS, min_size=1, max_size=7))
def test_taking_covered_bindings_away_changes_no_route(keys: list[str]) -> None:
    bindings = [BindingDeclaration("x", "q", "queue", key) for key in keys]
    covered = [id(binding) for binding, _ in covered_bindings(bindings, "topic")]
    kept = [one for one in bindings if id(one) not in covered]
    assert kept
    for words in itertools.chain.from_iterable(
        itertools.product(["a", "b", "", "z"], repeat=n) for n in range(5)
    ):
        if words == ("",):
            continue
        key = ".".join(words)
        before = any(topic_pattern(one.routing_key).matches(key) for one in bindings)
        assert before == any(topic_pattern(one.routing_key).matches(key) for one in kept)


VALUES = st.sampled_from([1, "1", None, True])
ARGUMENTS = st.fixed_dictionaries(
    {"x-match": st.sampled_from(["all", "any", "all-with-x", "any-with-x"])},
    optional={"a": VALUES, "b": VALUES, "x-c": VALUES},
)
HEADERS = [
    {name: value for name, value in zip("ab", pair, strict=True) if value != "absent"}
    | ({} if extra == "absent" else {"x-c": extra})
    for pair in itertools.product([1, "1", True, 2, "absent"], repeat=2)
    for extra in (1, "1", True, 2, "absent")
]


@given(st.lists(ARGUMENTS, min_size=1, max_size=4))
def test_headers_bindings_are_covered_exactly_where_no_message_tells_them_apart(
    arguments: list[dict[str, object]],
) -> None:
    bindings = [
        BindingDeclaration("x", "q", "queue", "", dict(one))  # type: ignore[arg-type]
        for one in arguments
    ]
    taken = [
        {
            n
            for n, headers in enumerate(HEADERS)
            if HeadersMatch.compile(one.arguments).matches(headers)  # type: ignore[arg-type]
        }
        for one in bindings
    ]
    covered = {id(binding) for binding, _ in covered_bindings(bindings, "headers")}
    for i, binding in enumerate(bindings):
        is_covered = bool(taken[i]) and any(
            taken[i] <= other and (taken[i] != other or j < i)
            for j, other in enumerate(taken)
            if j != i
        )
        assert (id(binding) in covered) == is_covered


@given(st.lists(KEYS, min_size=1, max_size=6))
def test_a_key_that_no_binding_takes_is_found_if_there_is_one(keys: list[str]) -> None:
    patterns = [topic_pattern(key) for key in keys]
    key = untaken_key(patterns)
    if key is not None:
        assert not any(pattern.matches(key) for pattern in patterns)
    else:
        for words in itertools.chain.from_iterable(
            itertools.product(["a", "", "z"], repeat=n) for n in range(6)
        ):
            if words != ("",):
                assert any(pattern.matches(".".join(words)) for pattern in patterns)


@pytest.mark.parametrize(
    ("keys", "example"),
    [
        (["order.created.#", "order.*.paid"], "order.x"),
        (["order.created"], "order.x"),
        (["x", "*.x"], "xx"),
        (["*.#"], ""),
        (["", "*", "*.*.#"], None),
        (["#"], None),
        (["#.eu"], "x"),
    ],
)
def test_the_example_of_an_untaken_key_is_near_to_what_is_taken(
    keys: list[str], example: str | None
) -> None:
    assert untaken_key(map(topic_pattern, keys)) == example


def test_two_queues_that_can_never_both_match_share_no_key() -> None:
    one, two = ([BindingDeclaration("x", "q", "queue", key)] for key in ("a.*", "*.b.#"))
    three = [BindingDeclaration("x", "q", "queue", "b.#")]
    assert shared_key(one, two) == "a.b"
    assert shared_key(one, three) is None


def pattern_sets(count: int) -> dict[str, list[str]]:
    regions = ["eu", "us", "apac", "*"]
    return {
        "literals": [f"order.{n}.paid" for n in range(count)],
        "wildcards": [f"order.*.{n}.#" for n in range(count)],
        "mixed": [
            f"{'*' if n % 7 == 0 else f'shop{n % 50}'}.{n}.{regions[n % 4]}.#" for n in range(count)
        ],
        "hashes": [f"#.{n}.#" for n in range(count)],
        "all covered": ["#", *(f"a.{n}" for n in range(count - 1))],
    }


@pytest.mark.parametrize("kind", list(pattern_sets(1)))
def test_covered_bindings_cost_by_their_number_not_by_its_square(kind: str) -> None:
    """A pattern visits about as many nodes of the trie at 20,000 bindings as at 1,000."""
    visits = {}
    for count in (1_000, 20_000):
        patterns = PatternSet()
        made = [topic_pattern(key) for key in pattern_sets(count)[kind]]
        for pattern in made:
            patterns.add(pattern)
        covered = sum(next(patterns.covering(pattern), None) is not None for pattern in made)
        visits[count] = patterns.visits / count
        assert covered == (count - 1 if kind == "all covered" else 0)
    assert visits[20_000] < 2 * visits[1_000] + 1
    assert visits[20_000] < 50


def test_hostile_patterns_are_given_up_on_in_time() -> None:
    keys = [".".join(["#", f"{n % 7}"] * 20) + f".{n}" for n in range(3_000)]
    bindings = [BindingDeclaration("x", "q", "queue", key) for key in keys]
    began = time.process_time()
    list(covered_bindings(bindings, "topic"))
    assert time.process_time() - began < 10


def test_twenty_thousand_bindings_are_checked_within_five_seconds(tmp_path: Path) -> None:
    keys = pattern_sets(20_000)["mixed"]
    queues = [f"  q{n}: {{max_length: 5}}" for n in range(500)]
    bindings = [f'  - "orders[{key}] -> q{n % 500}"' for n, key in enumerate(keys)]
    file = tmp_path / "large.yaml"
    file.write_text(
        "\n".join(["exchanges: {orders: topic}", "queues:", *queues, "bindings:", *bindings])
    )
    began = time.process_time()
    topology, found = check_file(file, notes=True)
    assert time.process_time() - began < 5
    assert topology is not None
    assert len(topology.virtual_hosts["/"].bindings) == 20_000
    assert {finding.code for finding in found} <= {"L03", "L04", "L09"}


def test_the_example_of_the_documentation() -> None:
    topology = loads("exchanges: {x: topic}\nqueues: [q]\nbindings: ['x[a.#] -> q', 'x[a.b] -> q']")
    assert [finding.code for finding in topology.check()] == ["L03"]
