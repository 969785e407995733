"""The SQLite file of a data directory: its lock, its schema, one row a group."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from leveret.errors import LeveretError
from leveret.storage.journal import Group, Merge

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SCHEMA_VERSION", "Database", "StorageError"]

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE objects (kind TEXT, key TEXT, value BLOB, checksum INTEGER, PRIMARY KEY (kind, key));
CREATE TABLE groups (number INTEGER PRIMARY KEY, settled BLOB, returned BLOB, delivered BLOB,
    fates_checksum INTEGER, checksum INTEGER, messages BLOB);
"""

#: The statements that bring a file of one version to the next: version -> SQL.
MIGRATIONS: dict[int, str] = {}


_MESSAGES = "SELECT number, messages, checksum FROM groups"


class StorageError(LeveretError):
    """A data directory cannot be used; says which file, why, and what can be done."""


class Database:
    """An open data directory. One process has it at a time.

    Raises:
        StorageError: it is open elsewhere, from a newer version, or cannot be used.

    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)
        self.file = self.directory / "leveret.db"
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StorageError(f"cannot use {self.directory}: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise StorageError(
                f"{self.directory} is in use by another broker: stop it, or name another directory"
            ) from error
        try:
            self._open()
        except sqlite3.Error as error:
            os.close(self._lock)
            raise StorageError(f"cannot open {self.file}: {error}") from error
        except StorageError:
            os.close(self._lock)
            raise

    def _open(self) -> None:
        os.close(os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600))
        self._sql = sqlite3.connect(self.file, isolation_level=None, check_same_thread=False)
        version: int = self._sql.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            self._sql.close()
            raise StorageError(
                f"{self.file} was written by a newer leveret (format {version}; this one knows"
                f" {SCHEMA_VERSION}): use that version, or another directory"
            )
        # Reads of a group come while another is written, and wait for nothing.
        self._reading = sqlite3.connect(self.file, isolation_level=None, check_same_thread=False)
        self._sql.execute("PRAGMA auto_vacuum=INCREMENTAL")
        self._sql.execute("PRAGMA journal_mode=WAL")
        self._sql.execute("PRAGMA synchronous=FULL")
        self.is_new = version == 0
        if self.is_new:
            self._sql.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version={SCHEMA_VERSION};COMMIT")
        for old in range(version or SCHEMA_VERSION, SCHEMA_VERSION):
            self._sql.executescript(f"BEGIN;{MIGRATIONS[old]};PRAGMA user_version={old + 1};COMMIT")

    def close(self) -> None:
        """Close the files and let the directory go."""
        self._reading.close()
        self._sql.close()
        os.close(self._lock)

    def write(self, group: Group) -> None:
        """Write a group; when this returns, it is durable.

        Raises:
            StorageError: nothing of it was written; try again.

        """
        try:
            self._sql.execute("BEGIN IMMEDIATE")
            self._write(group)
            self._sql.execute("COMMIT")
        except sqlite3.Error as error:
            if self._sql.in_transaction:
                self._sql.execute("ROLLBACK")
            raise StorageError(
                f"cannot write to {self.file}: {error}; what waits is tried again"
            ) from error

    def _write(self, group: Group) -> None:
        for kind, key, value in group.objects:
            name = json.dumps(key)
            if value is None:
                self._sql.execute("DELETE FROM objects WHERE kind = ? AND key = ?", (kind, name))
            else:
                checksum = zlib.crc32(value, zlib.crc32(f"{kind} {name}".encode()))
                self._sql.execute(
                    "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)",
                    (kind, name, value, checksum),
                )
        fates = (group.settled, group.returned, group.delivered)
        if group.messages or any(fates):
            self._insert(group.number, fates, group.messages)
        if group.merge is not None:
            self._merge(group.merge)
        self._sql.execute("DELETE FROM groups WHERE number < ?", (group.oldest,))

    def _merge(self, merge: Merge) -> None:
        """Make groups in a row one; what they say of the fate of older messages is kept."""
        between = (merge.first, merge.last)
        rows = self._sql.execute(
            "SELECT settled, returned, delivered FROM groups"
            " WHERE number BETWEEN ? AND ? ORDER BY number",
            between,
        ).fetchall()
        self._sql.execute("DELETE FROM groups WHERE number BETWEEN ? AND ?", between)
        self._insert(merge.last, tuple(map(b"".join, zip(*rows, strict=True))), merge.messages)

    def _insert(self, number: int, fates: tuple[bytes, ...], messages: bytes) -> None:
        # The short columns come first: they are read without going over the messages.
        checksums = (_checksum(*fates), _checksum(messages))
        self._sql.execute(
            "INSERT INTO groups VALUES (?, ?, ?, ?, ?, ?, ?)",
            (number, *fates, *checksums, messages),
        )

    def objects(self) -> Iterator[tuple[str, tuple[str, ...], bytes]]:
        """Yield all objects.

        Raises:
            StorageError: one is damaged.

        """
        for row, kind, name, value, checksum in self._read(
            "SELECT rowid, kind, key, value, checksum FROM objects"
        ):
            if zlib.crc32(value, zlib.crc32(f"{kind} {name}".encode())) != checksum:
                raise self._damaged("objects", row)
            yield kind, tuple(json.loads(name)), value

    def fates(self) -> Iterator[Group]:
        """Yield all groups in order, without their messages.

        Raises:
            StorageError: one is damaged.

        """
        query = "SELECT number, settled, returned, delivered, fates_checksum FROM groups"
        for number, *fates, checksum in self._read(f"{query} ORDER BY number"):
            if _checksum(*fates) != checksum:
                raise self._damaged("groups", number)
            yield Group(number, b"", fates[0], fates[1], fates[2])

    def groups(self) -> Iterator[Group]:
        """Yield all groups in order, with nothing but their messages.

        Raises:
            StorageError: one is damaged.

        """
        return map(self._messages, self._read(f"{_MESSAGES} ORDER BY number"))

    def group(self, number: int) -> Group:
        """Return the messages of a group.

        Raises:
            StorageError: it is damaged, or not there.

        """
        for row in self._read(f"{_MESSAGES} WHERE number = ?", (number,)):
            return self._messages(row)
        raise self._damaged("groups", number)

    def _messages(self, row: tuple[int, bytes, int]) -> Group:
        number, messages, checksum = row
        if _checksum(messages) != checksum:
            raise self._damaged("groups", number)
        return Group(number, messages)

    def _read(self, query: str, values: tuple[int, ...] = ()) -> Iterator[tuple]:  # type: ignore[type-arg]
        try:
            yield from self._reading.execute(query, values)
        except sqlite3.Error as error:
            raise StorageError(f"cannot read {self.file}: {error}") from error

    def _damaged(self, table: str, row: int) -> StorageError:
        return StorageError(f"{self.file} is damaged: table {table}, row {row}")


def _checksum(*parts: bytes) -> int:
    value = 0
    for part in parts:
        value = zlib.crc32(part, zlib.crc32(len(part).to_bytes(8, "big"), value))
    return value
