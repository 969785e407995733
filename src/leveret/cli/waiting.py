"""A progress bar on stderr for work that takes longer than a second."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Self

from attrs import define, field

if TYPE_CHECKING:
    from types import TracebackType

    from rich import progress

__all__ = ["PATIENCE_S", "Waiting"]

#: Who waits less than this needs no bar.
PATIENCE_S = 1.0


@define(eq=False)
class Waiting:
    """Shows how much of a task is done, from the first second on, where stderr is a terminal.

    Used as a context; `tell` may be called as often as it pleases. Until it is, the bar only shows
    that something goes on.
    """

    what: str
    patience_s: float = PATIENCE_S
    _done: float = field(default=0.0, init=False)
    _bar: progress.Progress | None = field(default=None, init=False)
    _task: progress.TaskID | None = field(default=None, init=False)
    _timer: threading.Timer | None = field(default=None, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False)

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._timer = threading.Timer(self.patience_s, self._start)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        with self._lock:
            if self._bar is not None:
                self._bar.stop()
                self._bar = None

    def tell(self, done: float) -> None:
        """Say how much is done, from 0 to 1."""
        self._done = done
        bar, task = self._bar, self._task
        if bar is not None and task is not None:
            bar.update(task, total=1.0, completed=done)

    def _start(self) -> None:
        from rich import progress
        from rich.console import Console

        with self._lock:
            if self._timer is None:
                return  # it was done in the meantime
            bar = progress.Progress(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                progress.TaskProgressColumn(),
                progress.TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
                redirect_stdout=False,
            )
            self._task = bar.add_task(self.what, total=1.0 if self._done else None)
            bar.update(self._task, completed=self._done)
            bar.start()
            self._bar = bar
