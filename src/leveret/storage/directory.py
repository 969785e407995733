"""A data directory: the files in it, its lock, and the error that says why it cannot be used."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from leveret.errors import LeveretError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["FILE_NAME", "StorageError", "locked", "log_of", "make_empty", "take_lock"]

#: The database within a data directory.
FILE_NAME = "leveret.db"
_LOCK_NAME = "lock"


class StorageError(LeveretError):
    """A data directory cannot be used; says which file, why, and what can be done."""


def log_of(file: Path) -> Path:
    """Return where SQLite has the write-ahead log of a file."""
    return file.with_name(f"{file.name}-wal")


def take_lock(directory: Path) -> int:
    """Make a directory if need be and lock it; return the descriptor, whose closing unlocks it.

    Raises:
        StorageError: another process has it, or it cannot be used.

    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(directory / _LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StorageError(f"cannot use {directory}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise StorageError(
            f"{directory} is in use by another broker: stop it, or name another directory"
        ) from error
    return lock


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep brokers out of a directory that is there.

    Raises:
        StorageError: a broker has it, or there is no database in it.

    """
    if not (directory / FILE_NAME).is_file():
        raise StorageError(f"{directory} is no data directory: there is no {FILE_NAME} in it")
    lock = take_lock(directory)
    try:
        yield
    finally:
        os.close(lock)


def make_empty(directory: Path) -> None:
    """Make a directory for its owner alone, or take one with nothing in it.

    Raises:
        StorageError: there is something in it, or it cannot be made.

    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise StorageError(f"{directory} is not empty: name a directory that is not there yet")
        directory.chmod(0o700)
    except OSError as error:
        raise StorageError(f"cannot use {directory}: {error.strerror}") from error
