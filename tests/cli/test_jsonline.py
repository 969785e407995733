"""One line of JSON, with the offset of every fault."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leveret.cli.jsonline import JSONLineError, key_offset, parse_object, value_offset


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("hello", 0, "not JSON: expecting value"),
        ('{"exchange": "a"', 16, "not JSON: expecting ',' delimiter"),
        ('{"exchange": "a"} x', 18, "not JSON: extra data"),
        ("{'exchange': 'a'}", 1, "not JSON: expecting property name enclosed in double quotes"),
        ("  [1, 2]", 2, "a message must be a JSON object"),
        ("null", 0, "a message must be a JSON object"),
        ('{"a": 1, "a": 2}', 9, "'a' stands twice in one object"),
        ('{"x": {"b": 1, "b": 2}}', 15, "'b' stands twice in one object"),
        ('{"body": "NaN", "headers": {"n": NaN}}', 33, "NaN is not JSON"),
        ('{"n": -Infinity}', 6, "-Infinity is not JSON"),
        ('{"n": ' + "[" * 200_000, 0, "nested too deep"),
        ('{"n": ' + "9" * 5_000 + "}", 0, "not readable"),
    ],
)
def test_what_is_no_message_is_placed_and_named(text: str, offset: int, message: str) -> None:
    with pytest.raises(JSONLineError) as caught:
        parse_object(text)
    assert caught.value.offset == offset
    assert caught.value.message.startswith(message)
    assert caught.value.remedy


def test_a_value_and_its_name_are_found_by_path() -> None:
    text = ' { "exchange" : "orders", "headers": {"a": [1, {"x": 2}], "b": {"c" : 5}}}'
    for path, value in [
        (["exchange"], '"orders"'),
        (["headers", "a"], "[1,"),
        (["headers", "b", "c"], "5}"),
        ([], '{ "exchange"'),
        (["missing"], '{ "exchange"'),
        (["exchange", "deeper"], '"orders"'),
    ]:
        assert text[value_offset(text, path) :].startswith(value)
    assert text[key_offset(text, ["headers", "b", "c"]) :].startswith('"c" :')
    assert text[key_offset(text, ["exchange", "deeper"]) :].startswith('"orders"')


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60)
@given(document=st.dictionaries(st.text(), _JSON, min_size=1), spaced=st.booleans())
def test_every_member_is_found_where_it_stands(document: dict[str, object], spaced: bool) -> None:
    text = json.dumps(document, indent=1 if spaced else None)
    for name, value in document.items():
        found, _ = json.JSONDecoder().raw_decode(text, value_offset(text, [name]))
        assert found == value
        assert json.JSONDecoder().raw_decode(text, key_offset(text, [name]))[0] == name


@settings(max_examples=100)
@given(text=st.text())
def test_no_text_whatsoever_ends_in_anything_but_an_object_or_a_fault_within_it(text: str) -> None:
    error: JSONLineError | None = None
    try:
        assert isinstance(parse_object(text), dict)
    except JSONLineError as caught:
        error = caught
    assert error is None or 0 <= error.offset <= len(text)
