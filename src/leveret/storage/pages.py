"""Rows of a torn SQLite file, read from its pages where SQLite itself gives up.

SQLite finds rows through pages that lead to others: one that is torn hides all behind it. Here each
page is looked at by itself (https://sqlite.org/fileformat2.html). Which ones are in use, and are no
part of a long value, the file says in pages of its own (section 1.8), so that neither what was
deleted nor the body of a message can pass for a row. Whether a row is whole, its checksum says.
"""

from __future__ import annotations

from struct import error as StructError
from struct import unpack_from
from typing import TYPE_CHECKING, TypeAlias

from attrs import define, field

from leveret.storage.directory import log_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

__all__ = ["Cell", "Pages"]

#: Page, offset of the cell in it.
Cell: TypeAlias = "tuple[int, int]"
Value: TypeAlias = "int | float | str | bytes | None"

_TABLE_LEAF = 0x0D
#: What a pointer map says of a page (section 1.8): the root of a tree, or a page further down.
_OF_A_TREE = (1, 5)
#: The bytes of an integer, by its serial type (section 2.1).
_INTEGER_BYTES = (0, 1, 2, 3, 4, 6, 8)
_DEFAULT_PAGE_BYTES = 4096


@define(eq=False)
class Pages:
    """The pages of a file, with what stands in its write-ahead log. Costs are O(1) a page."""

    file: Path
    page_bytes: int = field(default=_DEFAULT_PAGE_BYTES, init=False)
    count: int = field(default=0, init=False)
    _main: BinaryIO = field(init=False)
    _log: BinaryIO | None = field(default=None, init=False)
    # page -> where it stands in the log
    _newer: dict[int, int] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._main = self.file.open("rb")
        log = log_of(self.file)
        if log.exists():
            self._log = log.open("rb")
        size = int.from_bytes(self._main.read(18)[16:], "big")
        size = 65536 if size == 1 else size
        if 512 <= size <= 65536 and size & (size - 1) == 0:
            self.page_bytes = size
        self.count = self.file.stat().st_size // self.page_bytes
        if self._log is not None:
            self._read_log(log.stat().st_size)

    def close(self) -> None:
        """Close the files."""
        self._main.close()
        if self._log is not None:
            self._log.close()

    def _read_log(self, size: int) -> None:
        """Find the newest committed form of each page in the log (section 4.1)."""
        assert self._log is not None
        salts = self._log.read(32)[16:24]
        pending: dict[int, int] = {}
        for at in range(32, size - 23 - self.page_bytes, 24 + self.page_bytes):
            self._log.seek(at)
            page, pages_then, found = unpack_from(">II8s", self._log.read(24))
            # What is left of an earlier log is elsewhere; one frame may be damaged.
            if found != salts:
                continue
            pending[page] = at + 24
            if pages_then:
                self._newer |= pending
                pending = {}
                self.count = max(self.count, pages_then)

    def page(self, number: int) -> bytes:
        """Return a page, counted from 1; empty, or too short, where the file ends before it."""
        at = self._newer.get(number)
        if at is not None and self._log is not None:
            self._log.seek(at)
            return self._log.read(self.page_bytes)
        self._main.seek((number - 1) * self.page_bytes)
        return self._main.read(self.page_bytes)

    def cells(self, columns: int) -> Iterator[tuple[int, Cell]]:
        """Yield row id and cell of what may be a row of so many columns, page by page."""
        for number in range(3, self.count + 1):
            if self._is_of_a_tree(number):
                data = self.page(number)
                if len(data) == self.page_bytes and data[0] == _TABLE_LEAF:
                    yield from self._cells_of(number, data, columns)

    def _is_of_a_tree(self, number: int) -> bool:
        mapped = self.page_bytes // 5
        at = (number - 2) // (mapped + 1) * (mapped + 1) + 2
        offset = 5 * (number - at - 1)
        return number != at and self.page(at)[offset : offset + 1] in map(_byte, _OF_A_TREE)

    def _cells_of(self, number: int, data: bytes, columns: int) -> Iterator[tuple[int, Cell]]:
        for index in range(int.from_bytes(data[3:5], "big")):
            try:
                (at,) = unpack_from(">H", data, 8 + 2 * index)
                _, behind = _varint(data, at)
                row, behind = _varint(data, behind)
                types, _ = _types(data[behind:])
            except (IndexError, StructError):
                continue
            if len(types) == columns:
                yield (row ^ 1 << 63) - (1 << 63), (number, at)

    def values(self, cell: Cell) -> list[Value] | None:
        """Return the values of a row; None where they cannot be read."""
        number, at = cell
        try:
            data = self.page(number)
            size, at = _varint(data, at)
            _, at = _varint(data, at)
            return _values(self._payload(data, at, size))
        except (IndexError, StructError, UnicodeDecodeError):
            return None

    def _payload(self, data: bytes, at: int, size: int) -> bytes:
        """Return a row, which goes on in further pages where it is long (section 1.6)."""
        usable = self.page_bytes
        local = size
        if size > usable - 35:
            least = (usable - 12) * 32 // 255 - 23
            local = least + (size - least) % (usable - 4)
            if local > usable - 35:
                local = least
        parts = [data[at : at + local]]
        left = size - local
        if left:
            (further,) = unpack_from(">I", data, at + local)
            # A chain that is torn may lead in a circle.
            for _ in range(left // (usable - 4) + 1):
                part = self.page(further) if further else b""
                parts.append(part[4 : 4 + left])
                left -= len(parts[-1])
                if left == 0 or len(part) < usable:
                    break
                further = int.from_bytes(part[:4], "big")
        if left:
            raise IndexError("the row ends too early")
        return b"".join(parts)


def _byte(value: int) -> bytes:
    return bytes((value,))


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return an integer of 1 to 9 bytes, and where it ends (section 1.6)."""
    value = 0
    for index in range(8):
        byte = data[at + index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + index + 1
    return value << 8 | data[at + 8], at + 9


def _types(payload: bytes) -> tuple[list[int], int]:
    """Return the serial types of a row, and where its values begin (section 2.1)."""
    end, at = _varint(payload, 0)
    types = []
    while at < end:
        kind, at = _varint(payload, at)
        types.append(kind)
    return types, at


def _values(payload: bytes) -> list[Value]:
    types, at = _types(payload)
    values: list[Value] = []
    for kind in types:
        value: Value = None
        if kind >= 12:
            size = (kind - 12) // 2
            if at + size > len(payload):
                raise IndexError("the value ends too early")
            value = payload[at : at + size]
            if kind % 2:
                value = value.decode()
        elif kind in (8, 9):
            size, value = 0, kind - 8
        elif kind < len(_INTEGER_BYTES):
            size = _INTEGER_BYTES[kind]
            if size:
                value = int.from_bytes(payload[at : at + size], "big", signed=True)
        else:  # a float, or nothing that is in use: in none of our tables
            raise IndexError("no value of this table")
        values.append(value)
        at += size
    return values
