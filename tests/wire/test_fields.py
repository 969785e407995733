"""Field tables: every type there and back, in the width it came in, as another codec reads them."""

from __future__ import annotations

import datetime
import decimal
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import data as pika_data

from leveret.errors import FrameSyntaxError
from leveret.fields import (
    MAX_DEPTH,
    FarTimestamp,
    Single,
    decode_short_string,
    decode_table,
    encode_short_string,
    encode_table,
    skip_table,
)
from leveret.properties import (
    Byte,
    Long,
    Short,
    UnsignedByte,
    UnsignedInt,
    UnsignedShort,
)

if TYPE_CHECKING:
    from leveret.properties import FieldValue

UTC = datetime.UTC
LAST = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

#: Each type as RabbitMQ writes it: letter, bytes behind it, value.
EVERY_TYPE: list[tuple[bytes, bytes, Any]] = [
    (b"t", b"\x01", True),
    (b"t", b"\x00", False),
    (b"b", b"\xff", Byte(-1)),
    (b"B", b"\xff", UnsignedByte(255)),
    (b"s", b"\xff\xfe", Short(-2)),
    (b"u", b"\xff\xfe", UnsignedShort(65_534)),
    (b"I", b"\xff\xff\xff\xfe", -2),
    (b"i", b"\xff\xff\xff\xfe", UnsignedInt(2**32 - 2)),
    (b"l", b"\0\0\0\0\0\0\0\x05", Long(5)),
    (b"l", b"\x80\0\0\0\0\0\0\0", -(2**63)),
    (b"f", b"\x3f\xc0\0\0", Single(1.5)),
    (b"d", b"\x3f\xf8\0\0\0\0\0\0", 1.5),
    (b"D", b"\x02\0\0\x01\x2c", decimal.Decimal("3.00")),
    (b"D", b"\x00\xff\xff\xff\xff", decimal.Decimal(-1)),
    (b"S", b"\0\0\0\x02\xc3\xa9", "é"),
    (b"S", b"\0\0\0\x01\xff", "\udcff"),
    (b"x", b"\0\0\0\x02\0\xff", b"\0\xff"),
    (b"A", b"\0\0\0\x04t\x01Vt\x00"[:4] + b"t\x01V" + b"V", [True, None, None]),
    (b"T", b"\0\0\0\0\x5e\x0b\xe1\0", datetime.datetime(2020, 1, 1, tzinfo=UTC)),
    (b"T", b"\0\0\0\x3a\xff\xf4\x41\x7f", LAST),
    (b"T", b"\0\0\0\x3a\xff\xf4\x41\x80", FarTimestamp(253_402_300_800)),
    (b"T", b"\xff" * 8, FarTimestamp(2**64 - 1)),
    (b"F", b"\0\0\0\x04\x01at\x01", {"a": True}),
    (b"V", b"", None),
]


def table_of(letter: bytes, data: bytes) -> bytes:
    """Return a table with one field, `k`, of a type."""
    field = b"\x01k" + letter + data
    return len(field).to_bytes(4, "big") + field


@pytest.mark.parametrize(
    ("letter", "data", "value"), EVERY_TYPE, ids=lambda x: repr(x)[:20] if x else "-"
)
def test_a_value_of_each_type_goes_out_as_it_came_in(
    letter: bytes, data: bytes, value: FieldValue
) -> None:
    encoded = table_of(letter, data)
    table, end = decode_table(encoded)
    assert (table, end) == ({"k": value}, len(encoded))
    assert type(table["k"]) is type(value)
    assert encode_table(table) == encoded
    assert skip_table(encoded, 0) == len(encoded)


def test_a_long_as_py_amqp_writes_it_is_read_and_goes_out_as_rabbitmq_writes_it() -> None:
    eight_bytes = b"\0\0\0\x1f\x40\0\0\0"
    encoded = table_of(b"L", eight_bytes)
    assert decode_table(encoded) == ({"k": 134_217_728_000}, len(encoded))
    assert skip_table(encoded, 0) == len(encoded)
    assert encode_table({"k": 134_217_728_000}) == table_of(b"l", eight_bytes)


def sized(make: type[int], low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high).map(make)


SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    sized(Byte, -(2**7), 2**7 - 1),
    sized(UnsignedByte, 0, 2**8 - 1),
    sized(Short, -(2**15), 2**15 - 1),
    sized(UnsignedShort, 0, 2**16 - 1),
    st.integers(-(2**63), 2**63 - 1),
    sized(UnsignedInt, 0, 2**32 - 1),
    sized(Long, -(2**31), 2**31 - 1),
    st.floats(allow_nan=False),
    st.floats(allow_nan=False, width=32).map(Single),
    st.text(max_size=20),
    st.binary(max_size=20).map(lambda data: data.decode("utf-8", "surrogateescape")),
    st.binary(max_size=20),
    st.builds(
        lambda digits, scale: decimal.Decimal(digits).scaleb(-scale),
        st.integers(-(2**31), 2**31 - 1),
        st.integers(0, 20),
    ),
    st.datetimes(min_value=datetime.datetime(1970, 1, 1), timezones=st.just(UTC)).map(
        lambda time: time.replace(microsecond=0)
    ),
)
NAMES = st.one_of(
    st.text(max_size=8),
    st.binary(max_size=8).map(lambda data: data.decode("utf-8", "surrogateescape")),
).filter(lambda name: len(name.encode("utf-8", "surrogateescape")) <= 255)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
TABLES = st.dictionaries(NAMES, VALUES, max_size=6)


def types_in(value: Any) -> Any:
    """Return a value with the types of all its parts, which equal numbers do not show."""
    if isinstance(value, dict):
        return {name: types_in(part) for name, part in value.items()}
    if isinstance(value, list):
        return [types_in(part) for part in value]
    return type(value)


@given(TABLES)
def test_a_table_comes_back_with_its_values_and_their_widths(table: dict[str, Any]) -> None:
    encoded = encode_table(table)
    decoded, end = decode_table(encoded)
    assert (decoded, types_in(decoded)) == (table, types_in(table))
    assert end == len(encoded) == skip_table(encoded, 0)
    assert encode_table(decoded) == encoded


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(2**63), 2**63 - 1)
            | st.text(max_size=9)
            | st.binary(max_size=9),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text(max_size=5), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        max_size=5,
    )
)
def test_pika_reads_and_writes_the_same_tables(table: dict[str, Any]) -> None:
    pieces: list[bytes] = []
    pika_data.encode_table(pieces, table)
    assert decode_table(b"".join(pieces))[0] == table
    assert pika_data.decode_table(encode_table(table), 0)[0] == table


@given(st.binary(max_size=255))
def test_any_short_string_comes_back(data: bytes) -> None:
    encoded = bytes((len(data),)) + data
    text, end = decode_short_string(encoded, 0)
    assert (encode_short_string(text), end) == (encoded, len(encoded))


def test_a_short_string_has_no_more_than_255_bytes() -> None:
    with pytest.raises(ValueError, match="bytes must be in range"):
        encode_short_string("x" * 256)


def decodes(data: bytes) -> bool:
    try:
        decode_table(data)
    except FrameSyntaxError:
        return False
    return True


def skips(data: bytes) -> bool:
    try:
        skip_table(data, 0)
    except (FrameSyntaxError, IndexError):
        return False
    return True


@given(
    TABLES.map(encode_table),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=3),
    st.integers(0, 3),
)
def test_what_can_be_skipped_can_be_decoded_and_nothing_else(
    encoded: bytes, changes: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(encoded)
    for at, byte in changes:
        data[at % len(data)] = byte
    broken = bytes(data[: len(data) - cut])
    assert skips(broken) == decodes(broken)


@pytest.mark.parametrize("wrap", [lambda v: {"a": v}, lambda v: [v]], ids=["tables", "arrays"])
def test_nesting_has_a_limit_so_that_recursion_has_one(wrap: Any) -> None:
    value: Any = True
    for _ in range(MAX_DEPTH):
        value = wrap(value)
    assert decodes(encode_table({"v": value}))
    assert skips(encode_table({"v": value}))
    assert not decodes(encode_table({"v": wrap(value)}))
    assert not skips(encode_table({"v": wrap(value)}))


@pytest.mark.parametrize(
    ("value", "error"),
    [(2**63, ValueError), (object(), TypeError), (decimal.Decimal("NaN"), ValueError)],
)
def test_a_value_that_fits_no_type_is_refused(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        encode_table({"k": value})


def test_a_number_that_is_none_comes_back_as_such() -> None:
    (value,) = decode_table(encode_table({"k": math.nan}))[0].values()
    assert isinstance(value, float)
    assert math.isnan(value)
