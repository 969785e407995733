"""Ready messages by position, some of them in runs (`run.py`)."""

from __future__ import annotations

from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, cast

from attrs import define

from leveret.queues.ready import FifoReady
from leveret.queues.run import QueuedRun

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    from leveret.queues.message import QueuedMessage

__all__ = ["FifoRuns"]


@define(eq=False)
class FifoRuns(FifoReady):
    """A `FifoReady` that holds runs too. All costs are the same; a run counts as one."""

    @classmethod
    def of(cls, ready: FifoReady) -> FifoRuns:
        """Return one with the messages of another."""
        made = cls()
        made._fresh, made._returned = ready._fresh, ready._returned
        return made

    @property
    def _mixed(self) -> deque[QueuedMessage | QueuedRun]:
        return cast("deque[QueuedMessage | QueuedRun]", self._fresh)

    def __len__(self) -> int:
        """Return how many messages there are. O(runs and messages)."""
        fresh = (len(e) if isinstance(e, QueuedRun) else 1 for e in self._mixed)
        return len(self._returned) + sum(fresh)

    def __iter__(self) -> Iterator[QueuedMessage]:
        fresh = (e.entries() if isinstance(e, QueuedRun) else (e,) for e in self._mixed)
        yield from self._returned.values()
        yield from chain.from_iterable(fresh)

    def cut(self, keep: int) -> list[QueuedMessage]:
        """Remove and return what was never delivered, but for the first `keep` messages or more.

        A run is one of what is returned, which `push` takes back.
        """
        rest: deque[QueuedMessage | QueuedRun] = deque()
        mixed = self._mixed
        kept = sum(len(e) if isinstance(e, QueuedRun) else 1 for e in mixed)
        while mixed:
            last = mixed[-1]
            kept -= len(last) if isinstance(last, QueuedRun) else 1
            if kept < keep:
                break
            rest.appendleft(mixed.pop())
        return cast("list[QueuedMessage]", list(rest))

    def remove(self, positions: Set[int]) -> list[QueuedMessage]:
        """Take out and return the messages at these positions; their runs are parted."""
        mixed = self._mixed
        if positions and any(isinstance(item, QueuedRun) for item in mixed):
            first, last = min(positions), max(positions)
            parted: list[QueuedMessage | QueuedRun] = []
            for item in mixed:
                if isinstance(item, QueuedRun) and first - len(item) < item.position <= last:
                    parted += item.entries()
                else:
                    parted.append(item)
            mixed.clear()
            mixed.extend(parted)
        return super().remove(positions)

    def push_run(self, run: QueuedRun) -> None:
        """Add messages that were never delivered."""
        self._mixed.append(run)

    def pop(self) -> QueuedMessage | None:
        """Remove and return the head, or None."""
        if self.peek() is None:
            return None
        return self._returned.popitem(0)[1] if self._returned else self._fresh.popleft()

    def peek(self) -> QueuedMessage | None:
        """Return the head, or None; a run's first message stands alone from then on."""
        if self._returned:
            return self._returned.peekitem(0)[1]
        mixed = self._mixed
        if not mixed:
            return None
        head = mixed[0]
        if not isinstance(head, QueuedRun):
            return head
        (entry,) = head.take(1).entries()
        if not len(head):
            mixed.popleft()
        mixed.appendleft(entry)
        return entry

    def head_run(self) -> QueuedRun | None:
        """Return the run at the head, or None where a message of its own is there, or none."""
        if self._returned or not self._fresh:
            return None
        head = self._mixed[0]
        return head if isinstance(head, QueuedRun) else None

    def part_head(self) -> None:
        """Make each message of the run at the head stand alone."""
        head = self._mixed.popleft()
        assert isinstance(head, QueuedRun)
        self._fresh.extendleft(reversed(head.entries()))

    def take_run(self, head: QueuedRun, count: int) -> QueuedRun:
        """Remove and return the first `count` messages of the run at the head."""
        if count < len(head):
            return head.take(count)
        self._fresh.popleft()
        return head
