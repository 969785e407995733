"""The SQLite file of a data directory: its lock, its schema, one row a group."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from leveret.storage.directory import FILE_NAME, StorageError, log_of, take_lock
from leveret.storage.journal import Group, Merge
from leveret.storage.schema import (
    fates_are_whole,
    insert_chunk,
    insert_group,
    insert_object,
    messages_are_whole,
    object_is_whole,
    place_checksum,
    prepare,
    refuse_newer,
)
from leveret.storage.stream_store import StreamChunk
from leveret.storage.write_ahead import damaged_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Database"]

_PLACES = "SELECT number, queue, first, behind, segment, first_ms, last_ms, body_bytes, checksum"
_CHUNKS_WITH = (
    "SELECT number, messages, checksums FROM chunks WHERE queue = ?1 AND first < ?3"
    " AND first >= (SELECT max(first) FROM chunks WHERE queue = ?1 AND first <= ?2)"
    " ORDER BY first"
)
_ANYTHING = "SELECT EXISTS (SELECT 1 FROM objects) OR EXISTS (SELECT 1 FROM groups)"
_MESSAGES = "SELECT number, messages, checksums FROM groups"


#: With so many free pages (8 MiB), if they are more than those in use, space is given back,
#: so many pages (256 KiB) with a group.
VACUUM_FROM_PAGES, VACUUM_PAGES = 2048, 64


class Database:
    """An open data directory. One process has it at a time.

    Raises:
        StorageError: it is open elsewhere, from a newer version, or cannot be used.

    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)
        self.file = self.directory / FILE_NAME
        self._lock = take_lock(self.directory)
        self._connections: list[sqlite3.Connection] = []
        try:
            self._open()
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise StorageError(f"cannot open {self.file}: {error}; {self._help()}") from error
        except StorageError:
            self.close()
            raise

    def _open(self) -> None:
        os.close(os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600))
        log = log_of(self.file)
        if (frame := damaged_frame(log)) is not None:
            raise StorageError(f"{log} is damaged: frame {frame}; {self._help()}")
        self._sql = self._connected()
        version: int = self._sql.execute("PRAGMA user_version").fetchone()[0]
        refuse_newer(self.file, version)
        # Reads of a group come while another is written, and wait for nothing.
        self._reading = self._connected()
        self._sql.execute("PRAGMA auto_vacuum=INCREMENTAL")
        # Some builds of SQLite write zeros over all that is deleted: all is written twice.
        self._sql.execute("PRAGMA secure_delete=FAST")
        self._sql.execute("PRAGMA journal_mode=WAL")
        self._sql.execute("PRAGMA synchronous=FULL")
        prepare(self._sql, version)
        # Tables alone are as good as none: a crash came before what a broker begins with.
        self.is_new = not self._sql.execute(_ANYTHING).fetchone()[0]

    def _connected(self) -> sqlite3.Connection:
        sql = sqlite3.connect(self.file, isolation_level=None, check_same_thread=False)
        self._connections.append(sql)
        return sql

    def close(self) -> None:
        """Close the files and let the directory go."""
        while self._connections:
            self._connections.pop().close()
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
                insert_object(self._sql, kind, name, value)
        fates = (group.settled, group.returned, group.delivered)
        if group.messages or any(fates):
            insert_group(self._sql, group.number, fates, group.messages)
        for chunk in group.chunks:
            insert_chunk(self._sql, chunk)
        for queue_id, first in group.dropped:
            if first is None:
                self._sql.execute("DELETE FROM chunks WHERE queue = ?", (queue_id,))
            else:
                places = (queue_id, first)
                self._sql.execute("DELETE FROM chunks WHERE queue = ? AND first < ?", places)
        if group.merge is not None:
            self._merge(group.merge)
        self._sql.execute("DELETE FROM groups WHERE number < ?", (group.oldest,))
        self._give_back()

    def _give_back(self) -> None:
        """Make the file shorter by some pages, where more of it is free than in use."""
        ((free,),) = self._sql.execute("PRAGMA freelist_count")
        ((pages,),) = self._sql.execute("PRAGMA page_count")
        if free >= VACUUM_FROM_PAGES and free * 2 > pages:
            # A call gives back one page: Python asks a statement without columns for one row.
            for _ in range(VACUUM_PAGES):
                self._sql.execute("PRAGMA incremental_vacuum(1)")

    def _merge(self, merge: Merge) -> None:
        """Make groups in a row one; what they say of the fate of older messages is kept."""
        between = (merge.first, merge.last)
        rows = self._sql.execute(
            "SELECT settled, returned, delivered FROM groups"
            " WHERE number BETWEEN ? AND ? ORDER BY number",
            between,
        ).fetchall()
        self._sql.execute("DELETE FROM groups WHERE number BETWEEN ? AND ?", between)
        fates = tuple(map(b"".join, zip(*rows, strict=True)))
        insert_group(self._sql, merge.last, fates, merge.messages)

    def objects(self) -> Iterator[tuple[str, tuple[str, ...], bytes]]:
        """Yield all objects.

        Raises:
            StorageError: one is damaged.

        """
        for row, kind, name, value, checksum in self._read(
            "SELECT rowid, kind, key, value, checksum FROM objects"
        ):
            if not object_is_whole(kind, name, value, checksum):
                raise self._damaged("objects", row)
            yield kind, tuple(json.loads(name)), value

    def fates(self) -> Iterator[Group]:
        """Yield all groups in order, without their messages.

        Raises:
            StorageError: one is damaged.

        """
        query = "SELECT number, settled, returned, delivered, fates_checksum FROM groups"
        for number, *fates, checksum in self._read(f"{query} ORDER BY number"):
            if not fates_are_whole(number, fates, checksum):
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

    def chunks(self) -> Iterator[StreamChunk]:
        """Yield the chunks of all streams, each stream's in order, without their messages.

        Raises:
            StorageError: one is damaged.

        """
        for row, *place, checksum in self._read(f"{_PLACES} FROM chunks ORDER BY queue, first"):
            if place_checksum(place) != checksum:
                raise self._damaged("chunks", row)
            yield StreamChunk(*place)

    def chunks_with(self, queue_id: int, first: int, end: int) -> Iterator[bytes]:
        """Yield the messages of a stream's chunks that hold these offsets, in order.

        Raises:
            StorageError: one is damaged.

        """
        places = (queue_id, first, end)
        for row, messages, checksums in self._read(_CHUNKS_WITH, places):
            if not messages_are_whole(0, messages, checksums):
                raise self._damaged("chunks", row)
            yield messages

    def _messages(self, row: tuple[int, bytes, bytes]) -> Group:
        number, messages, checksums = row
        if not messages_are_whole(number, messages, checksums):
            raise self._damaged("groups", number)
        return Group(number, messages)

    def _read(self, query: str, values: tuple[int, ...] = ()) -> Iterator[tuple]:  # type: ignore[type-arg]
        try:
            yield from self._reading.execute(query, values)
        except sqlite3.Error as error:
            raise StorageError(f"cannot read {self.file}: {error}; {self._help()}") from error

    def _damaged(self, table: str, row: int) -> StorageError:
        return StorageError(f"{self.file} is damaged: table {table}, row {row}; {self._help()}")

    def _help(self) -> str:
        return (
            f"'leveret storage check {self.directory}' says what is damaged,"
            f" 'leveret storage repair {self.directory}' keeps all that is whole"
        )
