"""Durations and sizes: `30s`, `500ms`, `10MiB`, and bare integers for milliseconds and bytes."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lark import Lark, Token

__all__ = [
    "DURATION_UNITS_MS",
    "SIZE_UNITS_BYTES",
    "QuantityError",
    "format_age",
    "format_duration",
    "format_size",
    "parse_age",
    "parse_count",
    "parse_duration",
    "parse_size",
]

#: Unit -> milliseconds.
DURATION_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

#: Unit -> bytes.
SIZE_UNITS_BYTES = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}

#: `x-max-age` in what has a unit of the same length here; RabbitMQ knows M(onths) and Y(ears), too.
_AGE = re.compile(r"[1-9][0-9]{0,12}[Dhms]", re.ASCII)

#: Digits of the largest number that AMQP can carry, 2**63 - 1.
_MAX_DIGITS = 19


class QuantityError(ValueError):
    """The text is no quantity; `remedy` says how to write one."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


@lru_cache(maxsize=1024)
def parse_duration(text: str) -> int:
    """Return milliseconds for `500ms`, `30s`, `5m`, `1h`, `2d` or a bare number of milliseconds.

    Raises:
        QuantityError: the text is none of these.

    >>> parse_duration("30s"), parse_duration("10_000")
    (30000, 10000)

    """
    return _parse(text, DURATION_UNITS_MS, "a duration", "500ms, 30s, 5m, 1h or 2d")


@lru_cache(maxsize=1024)
def parse_size(text: str) -> int:
    """Return bytes for `10KiB`, `10MiB`, `1GB` or a bare number of bytes.

    Raises:
        QuantityError: the text is none of these.

    >>> parse_size("10 KiB")
    10240

    """
    return _parse(text, SIZE_UNITS_BYTES, "a size", "10KiB, 10MiB or 1GB")


def parse_count(text: str) -> int:
    """Return a bare number, digits perhaps grouped.

    Raises:
        QuantityError: the text is none.

    >>> parse_count("10_000")
    10000

    """
    return _parse(text, {}, "a number", "1000 or 10_000")


def format_age(ms: int) -> str | None:
    """Return a duration as RabbitMQ's `x-max-age` has it; None if it is not in whole seconds.

    >>> format_age(604_800_000), format_age(500)
    ('7D', None)
    """
    if ms <= 0 or ms % 1000:
        return None
    return format_duration(ms).replace("d", "D")


def parse_age(text: object) -> int | None:
    """Return the milliseconds of an `x-max-age` in days or less; None for anything else.

    >>> parse_age("7D"), parse_age("1Y")
    (604800000, None)
    """
    if not isinstance(text, str) or not _AGE.fullmatch(text):
        return None
    return parse_duration(text.replace("D", "d"))


def format_duration(ms: int) -> str:
    """Return a duration in the largest unit that says it exactly.

    >>> format_duration(5_400_000), format_duration(0)
    ('90m', '0ms')
    """
    for unit, unit_ms in reversed(DURATION_UNITS_MS.items()):
        if ms and ms % unit_ms == 0:
            return f"{ms // unit_ms}{unit}"
    return f"{ms}ms"


def format_size(size_bytes: int) -> str:
    """Return a size in the largest unit that says it exactly.

    >>> format_size(10_485_760), format_size(1_500)
    ('10MiB', '1,500 bytes')
    """
    for unit, unit_bytes in reversed(SIZE_UNITS_BYTES.items()):
        if unit_bytes > 1000 and size_bytes and size_bytes % unit_bytes == 0:
            return f"{size_bytes // unit_bytes}{unit}"
    return f"{size_bytes:,} byte{'' if size_bytes == 1 else 's'}"


def _parse(text: str, units: Mapping[str, int], what: str, examples: str) -> int:
    from lark import UnexpectedInput

    remedy = f"Write {what} such as {examples}."
    if len(text) > 2 * _MAX_DIGITS:
        raise QuantityError(f"is no {what.split()[1]}", remedy)
    try:
        parts: list[Token] = _parser().parse(text)  # type: ignore[assignment] # Flat gives a list
    except UnexpectedInput:
        raise QuantityError(f"is not {what}", remedy) from None
    number = int(parts[0])
    if len(parts) == 1:
        return number
    unit = str(parts[1])
    if unit not in units:
        if not units:
            raise QuantityError("has a unit", remedy)
        known = ", ".join(units)
        raise QuantityError(f"has the unknown unit '{unit}'", f"The units are {known}.")
    return number * units[unit]


@cache
def _parser() -> Lark:
    # Lark takes longer to import than the rest of leveret; nothing but a topology needs it.
    from lark import Lark, Transformer

    class Flat(Transformer["Token", list[object]]):
        def start(self, parts: list[object]) -> list[object]:
            return parts

    grammar = files("leveret.config").joinpath("quantity.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", maybe_placeholders=False, transformer=Flat())
