"""Who waits for room in a full queue: publishers of the program's own, in the order they came.

RabbitMQ refuses what a full queue with `overflow: reject-publish` does not take (S96); waiting is
leveret's own, and only faces in process can do it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeAlias

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.queues.queue_base import QueueHost

    #: Tries again what waits; returns False where it has to wait on.
    Retry: TypeAlias = Callable[[], bool]

__all__ = ["Room"]


@define(eq=False)
class Room:
    """The line of those that wait. All operations are O(1), but for `leave`."""

    host: QueueHost
    _line: deque[Retry] = field(factory=deque, init=False)
    # Whoever is first in line is about to be asked.
    _asking: bool = field(default=False, init=False)

    def __bool__(self) -> bool:
        return bool(self._line)

    def wait(self, retry: Retry) -> None:
        """Stand at the end of the line; `retry` is called when there is room, once the turn ends.

        The first in line that does not fit keeps those behind it waiting: nobody is overtaken.
        """
        self._line.append(retry)

    def leave(self, retry: Retry) -> None:
        """Wait no longer; whoever was behind may have room."""
        if retry in self._line:
            self._line.remove(retry)
            self.made()

    def made(self) -> None:
        """Take note that there is room."""
        if self._line and not self._asking:
            self._asking = True
            self.host.soon(self._ask)

    def _ask(self) -> None:
        self._asking = False
        line = self._line
        while line:
            retry = line.popleft()
            if not retry():
                line.appendleft(retry)
                return
