"""A progress bar on stderr, for a person who waits for a long input."""

from __future__ import annotations

import sys

from attrs import define, field
from rich import progress
from rich.console import Console

__all__ = ["Progress"]

_LONG_INPUT_BYTES = 2 * 1024 * 1024  # read in under a second; below, a bar would only flicker
_STEP_BYTES = 64 * 1024  # a bar moved at every line would cost more than the lines


@define
class Progress:
    """Shows how far an input was read; `total_bytes` is None where nobody knows.

    Nothing is shown before 2 MiB were read, nor where stderr is no terminal.
    """

    total_bytes: int | None = None
    long_input_bytes: int = _LONG_INPUT_BYTES
    _done_bytes: int = field(default=0, init=False)
    _shown_bytes: int = field(default=0, init=False)
    _bar: progress.Progress | None = field(default=None, init=False)
    _task: progress.TaskID | None = field(default=None, init=False)

    def advance(self, size_bytes: int) -> None:
        """Count what was read."""
        self._done_bytes += size_bytes
        if self._done_bytes - self._shown_bytes < _STEP_BYTES:
            return
        self._shown_bytes = self._done_bytes
        if self._bar is None:
            if self._done_bytes < self.long_input_bytes or not sys.stderr.isatty():
                return
            self._start()
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done_bytes)

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _start(self) -> None:
        bar = progress.Progress(
            progress.TextColumn("publishing"),
            progress.BarColumn(),
            progress.DownloadColumn(),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            # What goes to stdout stays there, also where only stderr is a terminal.
            redirect_stdout=False,
        )
        self._task = bar.add_task("publishing", total=self.total_bytes)
        bar.start()
        self._bar = bar
