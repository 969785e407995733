"""The rows of a file that nobody may change: by SQLite, or past what is torn, page by page."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import define, field

from leveret.storage.directory import log_of
from leveret.storage.pages import Pages
from leveret.storage.schema import prepare
from leveret.storage.write_ahead import damaged_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from leveret.storage.pages import Cell

    #: Row id, values, whether they are as they were written.
    Row: TypeAlias = tuple[int, Sequence[Any], bool]
    #: Says of a row id and values whether they are as they were written.
    IsWhole: TypeAlias = Callable[[int, Sequence[Any]], bool]

__all__ = ["Rows"]

_COLUMNS = {
    "objects": ("kind", "key", "value", "checksum"),
    "groups": (
        "number",
        "settled",
        "returned",
        "delivered",
        "fates_checksum",
        "checksums",
        "messages",
    ),
    "chunks": (
        "number",
        "queue",
        "first",
        "behind",
        "segment",
        "first_ms",
        "last_ms",
        "body_bytes",
        "checksum",
        "checksums",
        "messages",
    ),
}
_TABLES = (
    "SELECT tables.name, columns.name, columns.type, columns.pk"
    " FROM sqlite_schema AS tables JOIN pragma_table_info(tables.name) AS columns"
    " WHERE tables.type = 'table' ORDER BY tables.name, columns.cid"
)
#: How many faults of one file SQLite names.
_MOST_FAULTS = 20
#: What reading a torn file may raise.
_UNREADABLE = (sqlite3.Error, OverflowError, MemoryError)


@define(eq=False)
class Rows:
    """A file at one moment. `damaged` is told what is wrong with it as a whole."""

    file: Path
    damaged: Callable[[str], object]
    #: Whether rows have to be read from pages.
    is_torn: bool = field(default=False, init=False)
    #: Within one transaction; None where SQLite cannot open the file.
    sql: sqlite3.Connection | None = field(default=None, init=False)

    def open(self) -> int:
        """Open the file and return its format version.

        Raises:
            OSError: the system does not let it be read.

        """
        # SQLite's own words would not tell that a file may not be read.
        self.file.open("rb").close()
        try:
            self.sql = _connected(self.file)
            version: int
            (version,) = self.sql.execute("PRAGMA user_version").fetchone()
            self.sql.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.Error as error:
            self.close()
            self._tear(error)
            with closing(Pages(self.file)) as pages:
                return int.from_bytes(pages.page(1)[60:64], "big")
        return version

    def close(self) -> None:
        """Let go of the file."""
        if self.sql is not None:
            self.sql.close()
            self.sql = None

    def verify(self) -> None:
        """Look at the file as a whole; where there is a fault, rows come from pages."""
        if (frame := damaged_frame(log_of(self.file))) is not None:
            self.is_torn = True
            name = log_of(self.file).name
            self.damaged(f"{name}: frame {frame} is damaged, and SQLite reads none behind it")
        if self.sql is None:
            return
        try:
            answers = self.sql.execute(f"PRAGMA integrity_check({_MOST_FAULTS})").fetchall()
        except sqlite3.Error as error:
            self._tear(error)
            return
        for (answer,) in answers:
            if answer != "ok":
                self.is_torn = True
                for line in answer.splitlines():
                    if not line.startswith("***"):
                        self.damaged(f"SQLite: {line}")

    def compare_schema(self) -> None:
        """Find tables that are not those of the present version."""
        if self.sql is None or self.is_torn:
            return
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
            prepare(fresh, 0)
            expected = fresh.execute(_TABLES).fetchall()
        if self.sql.execute(_TABLES).fetchall() != expected:
            self.is_torn = True
            self.damaged("its tables are not those of this format")

    def read(self, table: str, columns: Sequence[str], is_whole: IsWhole) -> Iterator[Row]:
        """Yield the rows of a table in the order of their ids."""
        last: int | None = None
        if not self.is_torn and self.sql is not None:
            try:
                for row, *values in self.sql.execute(_query(table, columns)):
                    yield row, values, is_whole(row, values)
                    last = row
                return
            except _UNREADABLE as error:
                self._tear(error)
        with closing(Pages(self.file)) as pages:
            yield from self._read_pages(pages, table, columns, is_whole, last)

    def _read_pages(
        self,
        pages: Pages,
        table: str,
        columns: Sequence[str],
        is_whole: IsWhole,
        last: int | None,
    ) -> Iterator[Row]:
        cells: defaultdict[int, list[Cell]] = defaultdict(list)
        for row, cell in pages.cells(len(_COLUMNS[table])):
            cells[row].append(cell)
        for row in self._ids(table):
            cells[row] += ()
        for row in sorted(cells):
            if last is not None and row <= last:
                continue
            values: Sequence[Any] = [None] * len(columns)
            is_first = True
            for candidate in self._candidates(pages, table, row, cells[row], columns):
                if is_first or is_whole(row, candidate):
                    is_first, values = False, candidate
                if is_whole(row, values):
                    break
            yield row, values, is_whole(row, values)

    def _candidates(
        self, pages: Pages, table: str, row: int, cells: list[Cell], columns: Sequence[str]
    ) -> Iterator[Sequence[Any]]:
        """Yield what may be the values of a row, as SQLite finds them and as pages have them."""
        for _, *values in self._select(_query(table, columns, f"rowid = {row}")):
            yield values
        for cell in cells:
            if (found := pages.values(cell)) is not None:
                named = dict(zip(_COLUMNS[table], found, strict=True))
                yield [named[column] for column in columns]

    def _ids(self, table: str) -> list[int]:
        return [row for (row,) in self._select(f"SELECT rowid FROM {table} ORDER BY rowid")]

    def _select(self, query: str) -> Iterator[tuple[Any, ...]]:
        """Yield rows as far as SQLite gets in a file that is known to be torn."""
        if self.sql is None:
            return
        try:
            yield from self.sql.execute(query)
        except _UNREADABLE:
            return

    def _tear(self, error: BaseException) -> None:
        self.is_torn = True
        self.damaged(f"SQLite: {error}")


def _connected(file: Path) -> sqlite3.Connection:
    """Open a file without ever changing it, at one moment."""
    try:
        sql = _begun(file, "mode=ro")
    except sqlite3.OperationalError:
        log = log_of(file)
        if log.exists() and log.stat().st_size:
            raise
        # Where a directory cannot be written to, SQLite has to know that nobody does.
        sql = _begun(file, "mode=ro&immutable=1")
    sql.text_factory = _text
    return sql


def _begun(file: Path, how: str) -> sqlite3.Connection:
    sql = sqlite3.connect(
        f"{file.absolute().as_uri()}?{how}", uri=True, isolation_level=None, timeout=60
    )
    try:
        sql.execute("BEGIN")
        sql.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error:
        sql.close()
        raise
    return sql


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _query(table: str, columns: Sequence[str], where: str = "true") -> str:
    return f"SELECT rowid, {', '.join(columns)} FROM {table} WHERE {where} ORDER BY rowid"
