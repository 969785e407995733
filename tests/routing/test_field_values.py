"""Field values: which ones RabbitMQ finds equal, and how it prints them."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from leveret.routing import erlang_term, erlang_type
from leveret.routing.values import table_form, value_form

if TYPE_CHECKING:
    from leveret.properties import FieldValue

UTC = datetime.UTC
DIFFERENT: list[FieldValue] = [
    1,
    True,
    1.0,
    "1",
    Decimal(1),
    Decimal("1.0"),
    [1],
    [True],
    ["1"],
    {"a": 1},
    {"a": True},
    {"a": 1, "b": 2},
    {"b": 2, "a": 1},
    None,
    [],
    {},
    "",
    0,
    False,
    0.0,
    datetime.datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC),
]


def test_values_of_different_kinds_have_different_forms() -> None:
    assert len({value_form(value) for value in DIFFERENT}) == len(DIFFERENT)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("é", "é".encode()),
        ("a", bytearray(b"a")),
        ("\udcff", b"\xff"),
        (1 << 40, 1 << 40),
        ([1, "a", None], [1, b"a", None]),
        ({"a": [True]}, {"a": [True]}),
        (datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 1, tzinfo=UTC)),
        (datetime.datetime(2024, 1, 1), 1_704_067_200),
        (
            datetime.datetime(2024, 1, 1, 12, microsecond=5, tzinfo=UTC),
            datetime.datetime(
                2024, 1, 1, 13, tzinfo=datetime.timezone(datetime.timedelta(hours=1))
            ),
        ),
        (float("nan"), float("nan")),
    ],
)
def test_values_that_go_over_the_wire_alike_have_one_form(
    one: FieldValue, other: FieldValue
) -> None:
    assert value_form(one) == value_form(other)


def test_a_table_has_one_form_in_any_order() -> None:
    assert table_form({"a": 1, "b": 2}) == table_form({"b": 2, "a": 1})
    assert table_form(None) == table_form({}) == ()


@pytest.mark.parametrize("value", [{1, 2}, object(), 1j, Decimal("NaN"), Decimal("Infinity")])
def test_what_amqp_cannot_carry_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="a field table cannot hold"):
        value_form(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "type_name", "term"),
    [
        ("bad", "longstr", '<<"bad">>'),
        ("", "longstr", "<<>>"),
        ('a"b\\c\n', "longstr", r'<<"a\"b\\c\n">>'),
        ("é", "longstr", '<<"é"/utf8>>'),
        ("🐇", "longstr", "<<240,159,144,135>>"),
        (b"\x00\xff", "binary", "<<0,255>>"),
        (5, "signedint", "5"),
        (-(1 << 31), "signedint", "-2147483648"),
        (1 << 31, "long", "2147483648"),
        (True, "bool", "true"),
        (False, "bool", "false"),
        (1.5, "double", "1.5"),
        (None, "void", "undefined"),
        (Decimal("1.50"), "decimal", "{2,150}"),
        (datetime.datetime(1970, 1, 2, tzinfo=UTC), "timestamp", "86400"),
        ([1, "a"], "array", '[{signedint,1},{longstr,<<"a">>}]'),
        ({"k": None}, "table", '[{<<"k">>,void,undefined}]'),
    ],
)
def test_values_print_as_erlang_terms(value: FieldValue, type_name: str, term: str) -> None:
    assert erlang_type(value) == type_name
    assert erlang_term(value) == term
