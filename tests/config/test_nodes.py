"""YAML to nodes: what plain values mean, where nodes stand, and the bounds on what is read."""

from __future__ import annotations

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from leveret.config.nodes import (
    MAX_ALIASED_NODES,
    MAX_DEPTH,
    ListNode,
    MapNode,
    Node,
    ScalarNode,
    compose,
)
from leveret.config.resolve import field_value, integer_of, scalar_value
from leveret.config.source import Source
from leveret.errors import TopologyError


def read(text: str, loader: object = None) -> Node:
    source = Source("t.yaml", text)
    node = compose(source, {}, loader)
    assert node is not None
    assert source.faults == []
    return node


def scalar(text: str) -> ScalarNode:
    node = read(f"[{text}]")
    assert isinstance(node, ListNode)
    (item,) = node.items
    assert isinstance(item, ScalarNode)
    return item


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("~", None),
        ("null", None),
        ("Null", None),
        ("nULL", "nULL"),
        ("true", True),
        ("FALSE", False),
        ("tRue", "tRue"),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("Off", "Off"),
        ("y", "y"),
        ("0", 0),
        ("-12", -12),
        ("+3", 3),
        ("0777", 777),
        ("0o777", 511),
        ("0x1F", 31),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("190:20:30", "190:20:30"),
        ("1.5", 1.5),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1.5e3", -1500.0),
        ("1e3", 1000.0),
        ("1.2.3", "1.2.3"),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        (".", "."),
        ("2001-12-14", "2001-12-14"),
        ("=", "="),
        ("'1'", "1"),
        ('"true"', "true"),
        ("''", ""),
        ("!!str 1", "1"),
        ("!!int '1'", 1),
        ("! 1", "1"),
        ("9" * 60, "9" * 60),
    ],
)
def test_a_value_means_what_yaml_1_2_says(text: str, value: object) -> None:
    found = scalar_value(scalar(text))
    assert found == value
    assert type(found) is type(value)


def test_not_a_number_is_a_number() -> None:
    found = scalar_value(scalar(".nan"))
    assert isinstance(found, float)
    assert math.isnan(found)


@pytest.mark.parametrize(
    ("text", "value"),
    [("10_000", 10_000), ("-1_0", -10), ("0x10", 16), ("1__0", None), ("'5'", None), ("5.0", None)],
)
def test_where_an_integer_is_wanted_its_digits_may_be_grouped(text: str, value: int | None) -> None:
    assert integer_of(scalar(text)) == value


@given(st.text())
def test_quoted_text_stays_text(text: str) -> None:
    node = ScalarNode(Source("t.yaml", ""), 0, 0, text, plain=False)
    assert scalar_value(node) == text


@given(st.text(max_size=30))
def test_any_plain_text_has_a_meaning(text: str) -> None:
    node = ScalarNode(Source("t.yaml", ""), 0, 0, text, plain=True)
    value = scalar_value(node)
    assert value is None or isinstance(value, bool | int | float | str)


def flat(node: Node) -> list[tuple[int, int, str]]:
    """Every node in order: line, column, text or kind."""
    if isinstance(node, ScalarNode):
        return [(node.line, node.column, node.text)]
    here = [(node.line, node.column, type(node).__name__)]
    if isinstance(node, ListNode):
        return here + [place for item in node.items for place in flat(item)]
    assert isinstance(node, MapNode)
    return here + [place for pair in node.pairs for part in pair for place in flat(part)]


def test_nodes_stand_where_they_are_written() -> None:
    assert flat(read("a: [b, 'c']\né:\n  - d\n")) == [
        (0, 0, "MapNode"),
        (0, 0, "a"),
        (0, 3, "ListNode"),
        (0, 4, "b"),
        (0, 7, "c"),
        (1, 0, "é"),
        (2, 2, "ListNode"),
        (2, 4, "d"),
    ]


def test_libyaml_and_the_parser_in_python_agree() -> None:
    text = (
        "a: [b, 'c', \"d\\te\"]\nf: {g: h, ? i : j}\nk: |\n  l\n  m\n"
        "'n': >\n  o\n  p\nq: &x 1\nr: *x\n"
    )
    assert flat(read(text)) == flat(read(text, yaml.SafeLoader))


@pytest.mark.parametrize(
    ("text", "offset", "column"),
    [
        ("[abc]", 1, 2),
        ("['abc']", 1, 3),
        ('["abc"]', 2, 4),
        ('["a\\tbc"]', 2, None),  # an escape
        ("['it''s']", 3, None),
        ("[a\n  b]", 2, None),  # folded
    ],
)
def test_a_character_of_a_text_has_a_column_where_the_file_spells_it(
    text: str, offset: int, column: int | None
) -> None:
    node = read(text)
    assert isinstance(node, ListNode)
    (item,) = node.items
    assert isinstance(item, ScalarNode)
    assert item.column_of(offset) == column


def test_nesting_has_a_bound() -> None:
    read("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    with pytest.raises(TopologyError, match="nested more than 64 deep"):
        read("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))


def test_nesting_through_aliases_has_the_same_bound() -> None:
    half = "[" * 40 + "]" * 40
    with pytest.raises(TopologyError, match="nests lists and maps more than 64 deep"):
        read(f"- &a {half}\n- {'[' * 40}*a{']' * 40}\n")


def test_what_aliases_unfold_to_has_a_bound() -> None:
    lines = ["- &a0 [" + ", ".join("x" * 10) + "]"]
    lines += [f"- &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 4)]
    read("\n".join(lines[:3]))
    with pytest.raises(TopologyError, match="aliases repeat more than 10,025 values"):
        read("\n".join(lines))
    assert MAX_ALIASED_NODES == 10_000


def test_a_larger_file_may_repeat_more() -> None:
    lines = [f"- &a [{', '.join('x' * 100)}]", *["- *a  # once more" + "." * 900] * 200]
    read("\n".join(lines))


def test_an_aliased_fault_is_reported_once() -> None:
    source = Source("t.yaml", "- &a 99999999999999999999\n- *a\n- *a\n")
    node = compose(source, {})
    assert node is not None
    field_value(node)
    assert len(source.faults) == 1
