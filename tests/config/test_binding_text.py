"""The short form of a binding: read, written, and refused with the place of the fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leveret.config.binding_text import (
    MAX_TEXT,
    BindingTextError,
    _parse,
    format_binding,
    parse_binding,
)

if TYPE_CHECKING:
    from leveret.config.model import DestinationType

# What breaks grammars: the marks of this one, white space of many kinds, and letters.
WORDS = st.text(st.sampled_from("ab.*#[]\",'\\ ->\t\n=:é\xa0\u2028") | st.characters(), max_size=12)
KINDS: list[DestinationType | None] = ["queue", "exchange", None]


@pytest.mark.parametrize(
    ("text", "source", "keys", "kind", "destination"),
    [
        ("a -> b", "a", [""], None, "b"),
        ("a->b", "a", [""], None, "b"),
        ("  a  [ x ]  ->  b  ", "a", ["x"], None, "b"),
        ("a[x,y , z] -> b", "a", ["x", "y", "z"], None, "b"),
        (
            "a[order.created.#, order.*.paid] -> b",
            "a",
            ["order.created.#", "order.*.paid"],
            None,
            "b",
        ),
        ("a[#] -> exchange b", "a", ["#"], "exchange", "b"),
        ("a[#] -> queue b", "a", ["#"], "queue", "b"),
        ("a -> queue", "a", [""], None, "queue"),
        ("a -> exchange", "a", [""], None, "exchange"),
        ("a -> queue exchange", "a", [""], "queue", "exchange"),
        ("exchange -> queue queue", "exchange", [""], "queue", "queue"),
        ('a["x, y", "]", " ", "\'"] -> b', "a", ["x, y", "]", " ", "'"], None, "b"),
        ('a["say \\"hi\\" \\\\"] -> b', "a", ['say "hi" \\'], None, "b"),
        ('a[""] -> b', "a", [""], None, "b"),
        ('"two words"[x] -> exchange "[]"', "two words", ["x"], "exchange", "[]"),
        ("a[x->y, =>] -> b", "a", ["x->y", "=>"], None, "b"),
        ("a-b.c_d:e/f -> g", "a-b.c_d:e/f", [""], None, "g"),
        ("a\n[x,\n y]\n->\nb", "a", ["x", "y"], None, "b"),
    ],
)
def test_a_binding_is_read(
    text: str, source: str, keys: list[str], kind: str | None, destination: str
) -> None:
    binding = parse_binding(text)
    assert binding.source.text == source
    assert [key.text for key in binding.keys] == keys
    assert binding.destination_type == kind
    assert binding.destination.text == destination


@given(WORDS, st.lists(WORDS, min_size=1, max_size=4), WORDS, st.sampled_from(KINDS))
def test_what_is_written_is_read_back(
    source: str, keys: list[str], destination: str, kind: DestinationType | None
) -> None:
    text = format_binding(source, keys, destination, kind)
    binding = parse_binding(text)
    assert binding.source.text == source
    assert [key.text for key in binding.keys] == keys
    assert binding.destination.text == destination
    assert binding.destination_type == kind


@given(WORDS, st.lists(WORDS, min_size=1, max_size=4), WORDS)
def test_each_word_knows_where_it_stands(source: str, keys: list[str], destination: str) -> None:
    text = format_binding(source, keys, destination)
    binding = parse_binding(text)
    for word in (binding.source, binding.destination, *(binding.keys if "[" in text else ())):
        written = text[word.offset :]
        assert written.startswith((word.text, '"')) or word.text == ""


@given(st.text(st.sampled_from('ab[]," ->\\\n') | st.characters(), max_size=30))
def test_any_text_is_a_binding_or_an_error_with_a_place_in_it(text: str) -> None:
    binding = error = None
    try:
        binding = parse_binding(text)
    except BindingTextError as caught:
        error = caught
    if error is not None:
        assert 0 <= error.offset <= len(text)
        assert error.message
        assert error.remedy
    if binding is not None:
        keys = [key.text for key in binding.keys]
        source, destination = binding.source.text, binding.destination.text
        reread = parse_binding(format_binding(source, keys, destination, binding.destination_type))
        assert reread.source.text == source
        assert [key.text for key in reread.keys] == keys
        assert reread.destination.text == destination


def test_a_text_beyond_reason_is_refused_at_once() -> None:
    with pytest.raises(BindingTextError, match="more than 50000 characters"):
        parse_binding("a[" + "k," * MAX_TEXT)


@given(
    st.lists(
        st.sampled_from(
            ["a", "b.*", "#", "queue", "exchange", "->", " ", "[", "]", ",", "\t", "-", ">"]
        ),
        max_size=14,
    ).map("".join)
    | st.text(st.sampled_from("ab[],-> \t\n'\""), max_size=16)
)
def test_the_short_way_for_common_bindings_says_what_the_grammar_says(text: str) -> None:
    read: list[object] = []
    for way in (parse_binding, _parse):
        try:
            read.append(way(text))
        except BindingTextError as error:
            read.append((error.offset, error.message, error.remedy))
    assert read[0] == read[1]
