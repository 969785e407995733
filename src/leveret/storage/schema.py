"""The schema of a data directory's file, its version, and the checksums of its rows."""

from __future__ import annotations

import sqlite3
import struct
import zlib
from typing import TYPE_CHECKING

from leveret.storage.directory import StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from leveret.storage.stream_store import StreamChunk

__all__ = [
    "BLOCK_BYTES",
    "SCHEMA_VERSION",
    "damaged_blocks",
    "fates_are_whole",
    "insert_chunk",
    "insert_group",
    "insert_object",
    "make_file",
    "messages_are_whole",
    "object_is_whole",
    "place_checksum",
    "prepare",
    "refuse_newer",
    "refuse_older",
]

SCHEMA_VERSION = 2

_CHUNKS = """
CREATE TABLE chunks (number INTEGER PRIMARY KEY, queue INTEGER, first INTEGER, behind INTEGER,
    segment INTEGER, first_ms INTEGER, last_ms INTEGER, body_bytes INTEGER, checksum INTEGER,
    checksums BLOB, messages BLOB);
CREATE UNIQUE INDEX chunk_places ON chunks (queue, first);
"""

_SCHEMA = (
    """
CREATE TABLE objects (kind TEXT, key TEXT, value BLOB, checksum INTEGER, PRIMARY KEY (kind, key));
CREATE TABLE groups (number INTEGER PRIMARY KEY, settled BLOB, returned BLOB, delivered BLOB,
    fates_checksum INTEGER, checksums BLOB, messages BLOB);
"""
    + _CHUNKS
)

#: The statements that bring a file of one version to the next: version -> SQL.
MIGRATIONS: dict[int, str] = {1: _CHUNKS}

#: Messages have a checksum for each so many bytes, so that what is damaged is known closely.
BLOCK_BYTES = 16 * 1024


def make_file(file: Path) -> sqlite3.Connection:
    """Make a file for a data directory that is not in use yet, and return it open."""
    sql = sqlite3.connect(file, isolation_level=None)
    file.chmod(0o600)
    sql.execute("PRAGMA auto_vacuum=INCREMENTAL")
    sql.execute("PRAGMA synchronous=FULL")
    prepare(sql, 0)
    return sql


def refuse_newer(file: Path, version: int) -> None:
    """Raise a StorageError for a file whose version is not known yet."""
    if version > SCHEMA_VERSION:
        raise StorageError(
            f"{file} was written by a newer leveret (format {version}; this one knows"
            f" {SCHEMA_VERSION}): use that version, or another directory"
        )


def refuse_older(file: Path, version: int) -> None:
    """Raise a StorageError for a file that a broker has to bring to the present first."""
    if version < SCHEMA_VERSION:
        raise StorageError(
            f"{file} has an older format ({version}; now {SCHEMA_VERSION}): a broker that"
            " is started with it brings it to the present one"
        )


def prepare(sql: sqlite3.Connection, version: int) -> None:
    """Bring a file from a version, 0 for a new one, to the present."""
    if version == 0:
        sql.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version={SCHEMA_VERSION};COMMIT")
        return
    for old in range(version, SCHEMA_VERSION):
        sql.executescript(f"BEGIN;{MIGRATIONS[old]};PRAGMA user_version={old + 1};COMMIT")


def insert_object(sql: sqlite3.Connection, kind: str, name: str, value: bytes) -> None:
    """Write an object, whose name is its key as JSON, in the place of an earlier one."""
    sql.execute(
        "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)",
        (kind, name, value, _object_checksum(kind, name, value)),
    )


def insert_group(
    sql: sqlite3.Connection, number: int, fates: Sequence[bytes], messages: bytes
) -> None:
    """Write a group: what it settled, returned and delivered, and its messages."""
    # The short columns come first: they are read without going over the messages.
    checksums = (_fates_checksum(number, fates), _messages_checksums(number, messages))
    sql.execute(
        "INSERT INTO groups VALUES (?, ?, ?, ?, ?, ?, ?)", (number, *fates, *checksums, messages)
    )


def insert_chunk(sql: sqlite3.Connection, chunk: StreamChunk) -> None:
    """Write messages of a stream."""
    checksums = (place_checksum(chunk.place), _messages_checksums(0, chunk.messages))
    sql.execute(
        "INSERT INTO chunks (queue, first, behind, segment, first_ms, last_ms, body_bytes,"
        " checksum, checksums, messages) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*chunk.place, *checksums, chunk.messages),
    )


def place_checksum(place: Sequence[object]) -> int | None:
    """Return the checksum of what a chunk says of itself; None where that cannot be right."""
    numbers = [value for value in place if isinstance(value, int) and 0 <= value < 1 << 63]
    if len(numbers) < len(place):
        return None
    return zlib.crc32(struct.pack(f">{len(numbers)}q", *numbers))


def object_is_whole(kind: object, name: object, value: object, checksum: object) -> bool:
    """Say whether an object is as it was written."""
    return (
        isinstance(kind, str)
        and isinstance(name, str)
        and isinstance(value, bytes)
        and _object_checksum(kind, name, value) == checksum
    )


def fates_are_whole(number: int, fates: Sequence[object], checksum: object) -> bool:
    """Say whether what a group says of earlier messages is as it was written."""
    parts = [fate for fate in fates if isinstance(fate, bytes)]
    return len(parts) == len(fates) and _fates_checksum(number, parts) == checksum


def messages_are_whole(number: int, messages: object, checksums: object) -> bool:
    """Say whether a group's messages are as they were written."""
    return isinstance(messages, bytes) and _messages_checksums(number, messages) == checksums


def damaged_blocks(number: int, messages: bytes, checksums: bytes) -> set[int]:
    """Return which blocks of a group's messages are not as they were written, or are too many."""
    found = _messages_checksums(number, messages)
    blocks = range(len(found) // 4)
    return {at for at in blocks if found[4 * at : 4 * at + 4] != checksums[4 * at : 4 * at + 4]}


def _object_checksum(kind: str, name: str, value: bytes) -> int:
    return zlib.crc32(value, zlib.crc32(f"{kind} {name}".encode(errors="replace")))


def _fates_checksum(number: int, fates: Sequence[bytes]) -> int:
    value = number & 0xFFFFFFFF
    for part in fates:
        value = zlib.crc32(part, zlib.crc32(len(part).to_bytes(8, "big"), value))
    return value


def _messages_checksums(number: int, messages: bytes) -> bytes:
    """Return 4 bytes for each block; they say which group and which block of it that is."""
    view = memoryview(messages)
    return b"".join(
        zlib.crc32(view[at : at + BLOCK_BYTES], (number + at) & 0xFFFFFFFF).to_bytes(4, "big")
        for at in range(0, len(messages), BLOCK_BYTES)
    )
