"""Durations and sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leveret.config.quantities import (
    DURATION_UNITS_MS,
    SIZE_UNITS_BYTES,
    QuantityError,
    format_duration,
    parse_duration,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("0", 0),
        ("250", 250),
        ("10_000", 10_000),
        ("500ms", 500),
        ("30s", 30_000),
        ("5m", 300_000),
        ("1h", 3_600_000),
        ("2d", 172_800_000),
        ("1_000 s", 1_000_000),
    ],
)
def test_a_duration_is_read(text: str, ms: int) -> None:
    assert parse_duration(text) == ms


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512", 512),
        ("512B", 512),
        ("10KiB", 10_240),
        ("10MiB", 10_485_760),
        ("1GB", 1_000_000_000),
        ("1kB", 1000),
        ("2 TiB", 2 * 2**40),
    ],
)
def test_a_size_is_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "s", "1.5h", "-1s", "1h30m", "1__0", "_1", "1_", "٣s", "1" * 50]
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(QuantityError) as caught:
        parse_duration(text)
    assert caught.value.remedy == "Write a duration such as 500ms, 30s, 5m, 1h or 2d."


@pytest.mark.parametrize("text", ["1S", "1 sec", "3w"])
def test_an_unknown_unit_is_named(text: str) -> None:
    with pytest.raises(QuantityError, match="has the unknown unit") as caught:
        parse_duration(text)
    assert caught.value.remedy == "The units are ms, s, m, h, d."


@given(st.integers(0, 10**15))
def test_a_duration_written_is_read_back(ms: int) -> None:
    assert parse_duration(format_duration(ms)) == ms
    assert parse_duration(str(ms)) == ms
    assert parse_duration(f"{ms:_}") == ms


@given(st.integers(0, 10**6), st.sampled_from(sorted(DURATION_UNITS_MS)))
def test_every_unit_of_time_counts_milliseconds(number: int, unit: str) -> None:
    assert parse_duration(f"{number}{unit}") == number * DURATION_UNITS_MS[unit]


@given(st.integers(0, 10**6), st.sampled_from(sorted(SIZE_UNITS_BYTES)))
def test_every_unit_of_size_counts_bytes(number: int, unit: str) -> None:
    assert parse_size(f"{number}{unit}") == number * SIZE_UNITS_BYTES[unit]
