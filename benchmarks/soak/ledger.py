"""What a client did, line by line, in a file that survives the client's death.

| Line | Meaning |
|---|---|
| `sent PUBLISHER NUMBER` | is about to be handed to the library |
| `confirmed PUBLISHER NUMBER` | the broker has taken it: a confirm, or a transaction's commit |
| `undone PUBLISHER NUMBER` | its transaction was rolled back: nobody may receive it |
| `received QUEUE PUBLISHER NUMBER FLAG` | came from a queue; 1: it was redelivered |
| `rejected PUBLISHER NUMBER` | is about to be rejected, for its queue's dead-letter exchange |
| `asked NUMBER`, `answered NUMBER` | a request and its reply |
| `fault TEXT` | something that must not happen |
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Ledger"]


class Ledger:
    """A file of lines. Each is with the system when the call returns, so `kill -9` loses none."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
        self._lock = threading.Lock()

    def note(self, *words: object) -> None:
        """Write one line."""
        self.notes([words])

    def notes(self, lines: list[tuple[object, ...]]) -> None:
        """Write lines in one go."""
        text = "".join(f"{' '.join(map(str, words))}\n" for words in lines)
        with self._lock:
            os.write(self._file, text.encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)
