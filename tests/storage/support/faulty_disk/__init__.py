"""A disk that refuses, tears and forgets: a virtual file system under SQLite, by apsw.

Every call that SQLite makes is counted, and can be refused. What was written and not synced is
known, so that a power cut can be had at any call: each unsynced write is then there, not there, or
there in part.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw
from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

__all__ = ["Disk", "SqliteOn"]

#: What a disk writes whole, in bytes.
SECTOR = 512

_names = itertools.count()


@define
class _Image:
    """A file as it is on the disk, and what was written since the last sync, in order."""

    synced: bytearray
    #: offset, data; data None: cut off there
    unsynced: list[tuple[int, bytes | None]] = field(factory=list)

    def sync(self) -> None:
        for offset, data in self.unsynced:
            self.put(offset, data)
        self.unsynced.clear()

    def put(self, offset: int, data: bytes | None) -> None:
        if data is None:
            del self.synced[offset:]
        else:
            self.synced.extend(bytes(max(offset - len(self.synced), 0)))
            self.synced[offset : offset + len(data)] = data

    def after_power_cut(self, chance: Random) -> bytes:
        """Have some of what was not synced arrive, whole or in part; return what is there then."""
        for offset, data in self.unsynced:
            match chance.randrange(3):
                case 0:
                    self.put(offset, data)
                case 1 if data:
                    for at in range(0, len(data), SECTOR):
                        if chance.random() < 0.5:
                            self.put(offset + at, data[at : at + SECTOR])
        self.unsynced.clear()
        return bytes(self.synced)


class Disk(apsw.VFS):
    """Refuses the calls whose numbers are in `refused`, and after a power cut all of them."""

    def __init__(self) -> None:
        self.name = f"faulty-{next(_names)}"
        self.calls = 0
        self.refused: range = range(0)
        #: The error of refused calls; one that writes may write half before it.
        self.error: type[apsw.Error] = apsw.IOError
        #: The call at which the power goes.
        self.cut_at: int | None = None
        self.images: dict[str, _Image] = {}
        super().__init__(self.name, "")

    @property
    def is_cut(self) -> bool:
        """Whether the power is gone."""
        return self.cut_at is not None and self.calls >= self.cut_at

    def called(self) -> None:
        """Count a call of SQLite.

        Raises:
            apsw.Error: it is to fail.

        """
        self.calls += 1
        if self.is_cut:
            raise apsw.IOError("no power")
        if self.calls in self.refused:
            raise self.error("refused")

    def after_power_cut(self, directory: Path, chance: Random) -> None:
        """Write into a directory what is left."""
        directory.mkdir(mode=0o700)
        for path, image in self.images.items():
            (directory / Path(path).name).write_bytes(image.after_power_cut(chance))

    def xOpen(self, name: Any, flags: list[int]) -> _File:
        self.called()
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self.called()
        super().xDelete(filename, syncdir)
        self.images.pop(filename, None)


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        self.disk = disk
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        super().__init__("", name, flags)
        there = Path(path)
        self.image = disk.images.setdefault(path, _Image(bytearray(there.read_bytes())))

    def xRead(self, amount: int, offset: int) -> bytes:
        self.disk.called()
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:
        data = bytes(data)
        try:
            self.disk.called()
        except apsw.Error:
            if not self.disk.is_cut:
                self._write(data[: len(data) // 2], offset)
            raise
        self._write(data, offset)

    def _write(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self.image.unsynced.append((offset, data))

    def xTruncate(self, newsize: int) -> None:
        self.disk.called()
        super().xTruncate(newsize)
        self.image.unsynced.append((newsize, None))

    def xSync(self, flags: int) -> None:
        # What is read back comes from memory as long as the process lives: nothing else to do.
        self.disk.called()
        self.image.sync()


@define
class SqliteOn:
    """Stands in for the module `sqlite3`, on a disk of its own."""

    disk: Disk
    Error = sqlite3.Error

    def connect(self, file: Path, **_: object) -> _Connection:
        """Open a database, as `sqlite3.connect` does."""
        with _translated():
            return _Connection(apsw.Connection(str(file), vfs=self.disk.name))


@define
class _Connection:
    database: apsw.Connection

    def execute(self, statement: str, values: Sequence[Any] = ()) -> _Rows:
        with _translated():
            return _Rows(self.database.execute(statement, tuple(values)))

    executescript = execute

    @property
    def in_transaction(self) -> bool:
        return self.database.in_transaction

    def close(self) -> None:
        with contextlib.suppress(apsw.Error):  # sqlite3 says nothing of it
            self.database.close(force=True)


@define
class _Rows:
    cursor: apsw.Cursor

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        with _translated():
            yield from self.cursor

    def fetchall(self) -> list[tuple[Any, ...]]:
        return list(self)

    def fetchone(self) -> tuple[Any, ...] | None:
        with _translated():
            return self.cursor.fetchone()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        raise sqlite3.OperationalError(str(error)) from error
