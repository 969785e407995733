"""A data directory written anew with what is alive: how it is repaired, and made compact.

The new file is made beside the old one and takes its place in one step.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from attrs import frozen

from leveret.storage.directory import FILE_NAME, StorageError, locked, log_of
from leveret.storage.journal import numbers
from leveret.storage.records import entries_without
from leveret.storage.schema import insert_chunk, insert_group, insert_object, make_file
from leveret.storage.snapshot import Snapshot
from leveret.storage.survey import Survey, survey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Rewritten", "compact", "repair"]

#: About how large the groups of the new file are.
GROUP_BYTES = 1024 * 1024


@frozen
class Rewritten:
    """What became of a directory."""

    #: As it was; its damages are what could not be kept.
    before: Survey
    after_bytes: int
    #: Where the file is that was replaced; None where it was not kept.
    kept_as: Path | None


def repair(directory: Path, progress: Callable[[float], object] = lambda share: None) -> Rewritten:
    """Replace a damaged file by one with all that is whole, and keep the old one beside it.

    Where nothing is damaged, nothing is done.

    Raises:
        StorageError: a broker has the directory, or it cannot be read or written.

    """
    return _rewrite(directory, progress, is_repair=True)


def compact(directory: Path, progress: Callable[[float], object] = lambda share: None) -> Rewritten:
    """Replace a file by one that holds nothing but what is alive.

    Raises:
        StorageError: it is damaged; a broker has the directory; it cannot be read or written.

    """
    return _rewrite(directory, progress, is_repair=False)


def _rewrite(directory: Path, progress: Callable[[float], object], *, is_repair: bool) -> Rewritten:
    file = directory / FILE_NAME
    new = file.with_name(f"{FILE_NAME}.new")
    with locked(directory):
        with Snapshot(directory) as snapshot:
            before = survey(snapshot, lambda share: progress(share / 2))
            if bool(before.damages) != is_repair:
                if is_repair:
                    return Rewritten(before, before.file_bytes, None)
                raise StorageError(
                    f"{file} is damaged: 'leveret storage repair {directory}' comes first"
                )
            _write(snapshot, new, lambda share: progress(0.5 + share / 2))
            is_torn = snapshot.rows.is_torn
        if not is_torn:
            # SQLite takes what stands in the log into the file, and removes the log.
            with suppress(sqlite3.Error), closing(sqlite3.connect(file)) as sql:
                sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        kept_as = _replace(file, new, keeps=is_repair)
        return Rewritten(before, file.stat().st_size, kept_as)


def _write(snapshot: Snapshot, new: Path, progress: Callable[[float], object]) -> None:
    try:
        new.unlink(missing_ok=True)
        with closing(make_file(new)) as sql:
            sql.execute("BEGIN")
            for each in snapshot.objects:
                insert_object(sql, each.kind, each.name, each.value)
            last, behinds = 0, dict.fromkeys(snapshot.queues, 0)
            for last, messages in _groups(snapshot, behinds):
                insert_group(sql, last, (b"", b"", b""), messages)
                progress(last / max(snapshot.last, 1))
            insert_group(sql, max(last, snapshot.last) + 1, _fates(snapshot, behinds), b"")
            for chunk in snapshot.chunks():
                if chunk.queue_id in snapshot.queues:
                    insert_chunk(sql, chunk)
            sql.execute("COMMIT")
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise StorageError(f"cannot write {new}: {error}; nothing was changed") from error


def _groups(snapshot: Snapshot, behinds: dict[int, int]) -> Iterator[tuple[int, bytes]]:
    """Yield number and messages of the new groups; `behinds` gets the end of each queue."""
    parts: list[bytes] = []
    number = size = 0
    for group in snapshot.messages():
        messages = _in_order(snapshot, group.messages, behinds)
        if messages:
            parts.append(messages)
            number, size = group.number, size + len(messages)
        if size >= GROUP_BYTES:
            yield number, b"".join(parts)
            parts, size = [], 0
    if parts:
        yield number, b"".join(parts)


def _in_order(snapshot: Snapshot, data: bytes, behinds: dict[int, int]) -> bytes:
    """Return what is alive of a group; of damaged groups, nothing that was there before."""
    highest = dict(behinds)
    seen: set[tuple[int, int]] = set()

    def is_dead(queue_id: int, position: int) -> bool:
        if snapshot.is_dead(queue_id, position) or position < behinds[queue_id]:
            return True
        if (queue_id, position) in seen:
            return True
        seen.add((queue_id, position))
        highest[queue_id] = max(highest[queue_id], position + 1)
        return False

    messages, _ = entries_without(data, is_dead)
    behinds.update(highest)
    return messages


def _fates(snapshot: Snapshot, behinds: dict[int, int]) -> tuple[bytes, bytes, bytes]:
    """Return what has to be known of the messages that are left."""
    lacks = snapshot.lacks_fates or snapshot.rows.is_torn
    returned: list[int] = []
    delivered: list[int] = []
    for queue_id, behind in behinds.items():
        fate = snapshot.fates[queue_id]
        for position, deliveries in fate.returned.items():
            if position < behind and position not in fate.settled:
                returned += (queue_id, position, deliveries)
        # What is not known to be new comes back as redelivered.
        mark = max(fate.delivered, behind) if lacks else fate.delivered
        if mark:
            delivered += (queue_id, 0, mark)
    return b"", numbers(returned), numbers(delivered)


def _replace(file: Path, new: Path, *, keeps: bool) -> Path | None:
    """Put the new file into the place of the old one; return where that is kept."""
    log = log_of(file)
    kept_as = None
    if keeps:
        kept_as = _free_name(file)
        os.link(file, kept_as)
        if log.exists():
            os.link(log, log_of(kept_as))
    # A log that is left would be taken for that of the new file.
    log.unlink(missing_ok=True)
    file.with_name(f"{file.name}-shm").unlink(missing_ok=True)
    os.replace(new, file)
    descriptor = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return kept_as


def _free_name(file: Path) -> Path:
    number = 1
    while (name := file.with_name(f"{file.name}.damaged-{number}")).exists():
        number += 1
    return name
