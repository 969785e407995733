"""A bar on stderr that counts messages, for a person who waits for many."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["Counting"]

#: Fewer messages are there before a bar could be read.
FEW_MESSAGES = 1000


@define
class Counting:
    """Counts messages; `total` is None where nobody knows how many come.

    Nothing is shown before a thousand, where stderr is no terminal, nor where the messages
    themselves scroll by (`hidden`).
    """

    verb: str
    total: int | None = None
    hidden: bool = False
    few: int = FEW_MESSAGES
    done: int = field(default=0, init=False)
    _bar: Progress | None = field(default=None, init=False)
    _task: TaskID | None = field(default=None, init=False)

    def advance(self) -> None:
        """Count one message."""
        self.done += 1
        if self.done % self.few or self.hidden or not sys.stderr.isatty():
            return
        if self._bar is None:
            self._start()
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self.done)

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _start(self) -> None:
        from rich import progress
        from rich.console import Console

        self._bar = progress.Progress(
            progress.TextColumn(self.verb),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
        )
        self._task = self._bar.add_task(self.verb, total=self.total)
        self._bar.start()
