"""Header matching, statement by statement (S50–S54)."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leveret.errors import PreconditionFailed
from leveret.routing import HeadersMatch

if TYPE_CHECKING:
    from leveret.properties import FieldTable, FieldValue

# (statement, arguments, headers that match, headers that do not)
CASES: list[
    tuple[str, dict[str, FieldValue] | None, list[FieldTable | None], list[FieldTable | None]]
] = [
    ("S50", None, [None, {}, {"a": 1}], []),
    ("S50", {}, [None, {}, {"a": 1}], []),
    ("S50", {"x-match": "all"}, [None, {}, {"a": 1}], []),
    ("S50", {"x-match": "any"}, [], [None, {}, {"a": 1}]),
    ("S50", {"x-match": "any", "x-other": 1}, [], [None, {"x-other": 1}]),
    ("S50", {"a": 1, "b": 2}, [{"a": 1, "b": 2, "c": 3}], [{"a": 1}, {"a": 1, "b": 3}, {}]),
    ("S50", {"x-match": "all", "a": 1}, [{"a": 1}], [{"a": 2}, {"b": 1}, None]),
    ("S50", {"x-match": "any", "a": 1, "b": 2}, [{"a": 1}, {"b": 2, "a": 9}], [{"a": 2}, None]),
    ("S51", {"x-match": "all", "x-a": 1, "b": 2}, [{"b": 2}], [{"x-a": 1}]),
    ("S51", {"x-match": "any", "x-a": 1, "b": 2}, [{"b": 2}], [{"x-a": 1}]),
    ("S51", {"x-match": "all-with-x", "x-a": 1, "b": 2}, [{"x-a": 1, "b": 2}], [{"b": 2}]),
    ("S51", {"x-match": "any-with-x", "x-a": 1, "b": 2}, [{"x-a": 1}, {"b": 2}], [{"x-a": 2}]),
    ("S51", {"x-match": "any-with-x"}, [], [{"x-match": "any-with-x"}]),
    ("S51", {"x-match": "all-with-x"}, [None, {"x-match": "other"}], []),
    ("S52", {"a": None}, [{"a": 1}, {"a": None}, {"a": ""}], [{}, {"b": 1}, None]),
    ("S52", {"x-match": "any", "a": None, "b": 1}, [{"a": 7}, {"b": 1}], [{"b": 2}, None]),
    ("S53", {"a": 1}, [{"a": 1}], [{"a": True}, {"a": 1.0}, {"a": "1"}, {"a": None}]),
    ("S53", {"a": True}, [{"a": True}], [{"a": 1}, {"a": "true"}, {"a": False}]),
    ("S53", {"a": 1.0}, [{"a": 1.0}], [{"a": 1}, {"a": True}]),
    ("S53", {"a": "é"}, [{"a": "é"}, {"a": "é".encode()}], [{"a": "E"}, {"a": ["é"]}]),
    ("S53", {"a": b"1"}, [{"a": "1"}, {"a": b"1"}], [{"a": 1}]),
    ("S53", {"a": [1, "x"]}, [{"a": [1, b"x"]}], [{"a": [True, "x"]}, {"a": ["x", 1]}, {"a": 1}]),
    ("S53", {"a": {"b": {"c": 1}}}, [{"a": {"b": {"c": 1}}}], [{"a": {"b": {"c": 1.0}}}]),
    ("S53", {"a": Decimal("1.5")}, [{"a": Decimal("1.5")}], [{"a": Decimal("1.50")}, {"a": 1.5}]),
    (
        "S53",
        {"a": datetime.datetime(2024, 1, 1)},
        [{"a": datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)}],
        [{"a": datetime.datetime(2024, 1, 2)}, {"a": "2024-01-01"}],
    ),
]


@pytest.mark.parametrize(("statement", "arguments", "yes", "no"), CASES)
def test_headers_match_as_the_statement_says(
    statement: str,
    arguments: dict[str, FieldValue] | None,
    yes: list[FieldTable | None],
    no: list[FieldTable | None],
) -> None:
    compiled = HeadersMatch.compile(arguments)
    for headers in yes:
        assert compiled.matches(headers), (statement, headers)
        assert compiled.mismatch(headers) == ""
    for headers in no:
        assert not compiled.matches(headers), (statement, headers)
        assert compiled.mismatch(headers) != ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("bad", 'field value <<"bad">>; expected all, any, all-with-x, or any-with-x'),
        ("", "field value <<>>; expected all, any, all-with-x, or any-with-x"),
        ("ALL", 'field value <<"ALL">>; expected all, any, all-with-x, or any-with-x'),
        (23, "field type signedint (value 23); expected longstr"),
        (True, "field type bool (value true); expected longstr"),
        (None, "field type void (value undefined); expected longstr"),
        (["all"], 'field type array (value [{longstr,<<"all">>}]); expected longstr'),
    ],
)
def test_s54_another_x_match_is_refused_in_rabbitmqs_words(value: FieldValue, text: str) -> None:
    with pytest.raises(PreconditionFailed) as refusal:
        HeadersMatch.compile({"x-match": value})
    assert refusal.value.reply_text == f"PRECONDITION_FAILED - Invalid x-match {text}"


@pytest.mark.parametrize("mode", ["all", "any", "all-with-x", "any-with-x"])
def test_s54_the_four_modes_are_known(mode: str) -> None:
    assert HeadersMatch.compile({"x-match": mode}).mode == mode
    assert HeadersMatch.compile(None).mode == "all"


@pytest.mark.parametrize(
    ("arguments", "headers", "reason"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, "header 'b' is missing, the binding wants 2"),
        ({"a": 1}, {"a": "1"}, "header 'a' is '1', the binding wants 1"),
        ({"a": None}, None, "header 'a' is missing, the binding wants any value"),
        ({"x-match": "any"}, {"a": 1}, "x-match is 'any' and the binding names no header"),
        (
            {"x-match": "any", "a": 1, "b": None},
            {"a": True},
            "none of the headers matches: header 'a' is True, the binding wants 1; "
            "header 'b' is missing, the binding wants any value",
        ),
    ],
)
def test_a_mismatch_names_the_header_and_both_values(
    arguments: FieldTable, headers: FieldTable | None, reason: str
) -> None:
    assert HeadersMatch.compile(arguments).mismatch(headers) == reason


NAMES = st.sampled_from(["a", "b", "x-c", "x-match"])
VALUES: st.SearchStrategy[FieldValue] = st.sampled_from([None, 1, True, 1.0, "1", b"1", "", [1]])
MODES = st.sampled_from([None, "all", "any", "all-with-x", "any-with-x"])


def same(one: FieldValue, other: FieldValue) -> bool:
    """Compare as RabbitMQ does, for the few values of this test."""
    if isinstance(one, bytes):
        one = one.decode()
    if isinstance(other, bytes):
        other = other.decode()
    return type(one) is type(other) and one == other


@settings(deadline=None)
@given(MODES, st.dictionaries(NAMES, VALUES), st.dictionaries(NAMES, VALUES) | st.none())
def test_compiled_matching_agrees_with_the_rules_read_aloud(
    mode: str | None, arguments: dict[str, FieldValue], headers: dict[str, FieldValue] | None
) -> None:
    arguments.pop("x-match", None)
    if mode is not None:
        arguments["x-match"] = mode
    named = [
        name
        for name in arguments
        if name != "x-match" and (not name.startswith("x-") or str(mode).endswith("-with-x"))
    ]
    given_headers = headers or {}
    matched = [
        name in given_headers
        and (arguments[name] is None or same(arguments[name], given_headers[name]))
        for name in named
    ]
    expected = any(matched) if str(mode).startswith("any") else all(matched)
    compiled = HeadersMatch.compile(arguments)
    assert compiled.matches(headers) == expected
    assert (compiled.mismatch(headers) == "") == expected
