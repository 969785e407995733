"""A file of messages, or standard input, read with a progress bar."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from leveret.cli.messages import BadLine, WrittenMessage, read_messages
from leveret.cli.topologies import CannotRead

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MESSAGES_FILE", "opened_messages", "read_items"]

#: A readable file of messages, or - for standard input.
MESSAGES_FILE = click.Path(
    exists=True, dir_okay=False, readable=True, allow_dash=True, path_type=Path
)


@contextlib.contextmanager
def opened_messages(messages: Path) -> Iterator[tuple[IO[bytes], str]]:
    """Open the messages; yield the stream and what faults call it."""
    if messages == Path("-"):
        yield sys.stdin.buffer, "<stdin>"
        return
    try:
        stream = messages.open("rb")
    except OSError as error:
        raise CannotRead(str(messages), error) from error
    with stream:
        yield stream, str(messages)


def read_items(
    stream: IO[bytes], name: str, *, with_bar: bool
) -> Iterator[WrittenMessage | BadLine]:
    """Yield what stands on each line that is not blank, with a progress bar on a long input.

    `with_bar=False` leaves the bar out: routes that scroll by show the progress themselves.
    """
    from leveret.cli.progress import Progress

    progress = Progress(_size(stream))
    try:
        for size, item in read_messages(stream, name):
            if with_bar:
                progress.advance(size)
            if item is not None:
                yield item
    except OSError as error:
        raise CannotRead(name, error) from error
    finally:
        progress.stop()


def _size(stream: IO[bytes]) -> int | None:
    """Return the size of a regular file in bytes; None for a pipe or a terminal."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
