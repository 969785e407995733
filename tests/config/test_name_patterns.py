"""Regular expressions of policies and permissions: what `re` says, in bounded time."""

from __future__ import annotations

import re
import time
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leveret.config.name_patterns import NamePattern, NamePatterns

PATTERNS = [
    "", "^$", "^everything$", ".*", "^a.*z$", r"^ha\.", r"^(?!amq\.).*", r"^(?!amq\.).*\..*x",
    "^(a|b|cd)$", r"(a|b)*c(d|e)+", r"^[a-z]+\.[0-9]+$", r".*\.retry\..*", r"a{2,3}b{1,}c?",
    r"(?i)^ORDER.*\.EU.*$", r"^[^.]+\.[^.]+$", r"\d+\w*\s?", r"\bfoo\b.*bar.*", r"(a+)+b",
    r"(?:x|y){2}z*y*", r"^(?=a.*b)a.*c.*$", r"\Aa.*b.*\Z", r"\D\W\S.*\..*", r"a|b|.*c.*d", "[]a]*b",
]  # fmt: skip
NAMES = st.text(st.sampled_from("abcdexyz.019_ -foéAEUO"), max_size=12) | st.sampled_from(
    ["everything", "order.paid.eu", "ORDER.X.eu", "ha.1", "amq.gen-x", "a.retry.b", "foo bar"]
)


def pattern_of(text: str) -> NamePattern:
    return NamePatterns().of(text)


@given(st.sampled_from(PATTERNS), NAMES)
def test_a_pattern_is_found_where_re_finds_it(pattern: str, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert pattern_of(pattern).matches(name) == bool(re.search(pattern, name))


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+b", "(a|a)*b", "(a*)*(a*)*b", "a?" * 60 + "a" * 60, "(a|a)" * 60 + "b", "(a|a){60}b"],
)
def test_a_pattern_that_would_take_re_for_ever_takes_a_moment(pattern: str) -> None:
    began = time.process_time()
    found = pattern_of(pattern)
    names = ["a" * (255 - n % 7) for n in range(500)]
    assert True not in [found.matches(name) for name in names] or pattern.startswith("a?")
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "pattern", [r"(a+)+\1", "(?<=a)b*c*", "(?>a+)b*", "(?i:a)b*c*", "a{1000}b{1000}c*d*", "a*+b*+"]
)
def test_what_cannot_be_told_is_left_undecided(pattern: str) -> None:
    assert pattern_of(pattern).matches("aab") is None


def test_one_choice_alone_is_left_to_re() -> None:
    assert pattern_of(r"^(.)\1+$").matches("aaa") is True
    assert pattern_of(r"(?<=a)b+").matches("ab") is True


def test_all_patterns_of_a_check_share_one_bound() -> None:
    patterns = NamePatterns()
    began = time.process_time()
    for n in range(200):
        pattern = patterns.of("(a|a)*" * 20 + str(n))
        for _ in range(50):
            pattern.matches("a" * 255)
    assert time.process_time() - began < 10
    assert patterns.of("^simple$").matches("simple") is None
