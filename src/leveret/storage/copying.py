"""Backups of a data directory, made while a broker serves it, and back."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from leveret.storage.directory import FILE_NAME, StorageError, make_empty
from leveret.storage.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["copy_directory"]

#: How many pages are copied between two words of progress: 4 MiB.
STEP_PAGES = 1024


def copy_directory(
    source: Path, target: Path, progress: Callable[[float], object] = lambda share: None
) -> None:
    """Copy what a directory holds at this moment to a new one, or one with nothing in it.

    A broker may go on writing to the source: that is not in the copy.

    Raises:
        StorageError: the source cannot be read, the target is not empty or cannot be written.

    """
    with Snapshot(source) as snapshot:
        if snapshot.rows.sql is None or snapshot.damages:
            raise StorageError(
                f"{snapshot.file} is damaged: 'leveret storage check {source}' says where"
            )
        make_empty(target)
        # It has its name once it is whole.
        part = target / f"{FILE_NAME}.part"
        try:
            part.touch(mode=0o600)
            with closing(sqlite3.connect(part)) as copy:
                copy.execute("PRAGMA synchronous=FULL")
                snapshot.rows.sql.backup(
                    copy,
                    pages=STEP_PAGES,
                    progress=lambda _, left, total: progress(1 - left / max(total, 1)),
                    sleep=0,
                )
                # Then it is one file; a broker that is started with it has a log again.
                copy.execute("PRAGMA journal_mode=DELETE")
            os.replace(part, target / FILE_NAME)
        except (OSError, sqlite3.Error) as error:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise StorageError(f"cannot write {target / FILE_NAME}: {error}") from error
