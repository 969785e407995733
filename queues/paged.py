"""Ready messages of which most stand on the disk: a front and a tail in memory, runs in between.

```
pop ◄─ front (FIFO or returned first) ◄─ run, run, run (on disk) ◄─ tail ◄─ push
```

A queue gets this in place of its plain order when it is paged out for the first time. A run is
read as a whole when the front is used up, so that each message is read once.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from attrs import define, field

from leveret.queues.run import QueuedRun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence, Set

    from leveret.queues.message import QueuedMessage
    from leveret.queues.ready import FifoReady, ReturnsFirstReady

    Item: TypeAlias = QueuedMessage | QueuedRun

__all__ = ["MessagePager", "PagedReady", "PagedRun"]


class PagedRun(Protocol):
    """Messages of one queue in a row that left memory."""

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    @property
    def body_bytes(self) -> int:
        """The bytes of their bodies."""
        ...

    def read(self) -> list[QueuedMessage]:
        """Return copies, in order; the run stays as it is."""
        ...

    def bring_back(self) -> list[QueuedMessage]:
        """Return the messages, in order; the run is used up."""
        ...

    def forget(self, *, settled: bool) -> None:
        """Let go of the messages; `settled` says that the journal has to note it."""
        ...


class MessagePager(Protocol):
    """What puts messages of a queue where they take no memory."""

    def page_out(self, entries: Sequence[Item]) -> tuple[list[PagedRun], int]:
        """Take as many of these from the first on as can be; return how many items it took."""
        ...


@define(eq=False)
class PagedReady:
    """Ready messages, partly on the disk. Costs are those of `front`, and now and then a run's."""

    front: FifoReady | ReturnsFirstReady
    paged_count: int = field(default=0, init=False)
    paged_bytes: int = field(default=0, init=False)
    _runs: deque[PagedRun] = field(factory=deque, init=False)
    # Empty where there is no run.
    _tail: deque[Item] = field(factory=deque, init=False)

    def __len__(self) -> int:
        return len(self.front) + self.paged_count + sum(1 for _ in self._in_tail())

    def __iter__(self) -> Iterator[QueuedMessage]:
        """Iterate in delivery order; what is on the disk is read, and stays there."""
        yield from self.front
        for run in self._runs:
            yield from run.read()
        yield from self._in_tail()

    def in_memory(self) -> Iterator[QueuedMessage]:
        """Iterate over what is not on the disk."""
        yield from self.front
        yield from self._in_tail()

    def _in_tail(self) -> Iterator[QueuedMessage]:
        for item in self._tail:
            if isinstance(item, QueuedRun):
                yield from item.entries()
            else:
                yield item

    def push(self, entry: QueuedMessage) -> None:
        """Add a message that was never delivered."""
        if self._runs:
            self._tail.append(entry)
        else:
            self.front.push(entry)

    def put_back(self, entry: QueuedMessage) -> None:
        """Add a message that comes back."""
        self.front.put_back(entry)

    def pop(self) -> QueuedMessage | None:
        """Remove and return the head, or None."""
        entry = self.front.pop()
        if entry is None and self._runs:
            self._refill()
            entry = self.front.pop()
        return entry

    def peek(self) -> QueuedMessage | None:
        """Return the head, or None."""
        entry = self.front.peek()
        if entry is None and self._runs:
            self._refill()
            entry = self.front.peek()
        return entry

    def oldest(self) -> int | None:
        """Return the smallest position, or None."""
        return self.front.oldest() if self.peek() is not None else None

    def remove(self, positions: Set[int]) -> list[QueuedMessage]:
        """Take out and return the messages at these positions; what stands before is read."""
        removed = self.front.remove(positions)
        while self._runs and len(removed) < len(positions):
            self._refill()
            removed += self.front.remove(positions)
        return removed

    def _refill(self) -> None:
        run = self._runs.popleft()
        self.paged_count -= run.count
        self.paged_bytes -= run.body_bytes
        self._push_all(run.bring_back())
        if not self._runs:
            tail, self._tail = self._tail, deque()
            self._push_all(tail)

    def _push_all(self, items: Iterable[Item]) -> None:
        # A front that gave runs away takes them back.
        push = cast("Callable[[Item], None]", self.front.push)
        for item in items:
            push(item)

    def page_out(self, keep: int, pager: MessagePager) -> None:
        """Let what stands behind the first `keep` messages leave memory, as far as it can."""
        entries: list[Item] = list(self._tail) if self._runs else [*self.front.cut(keep)]
        runs, taken = pager.page_out(entries)
        self._runs += runs
        self.paged_count += sum(run.count for run in runs)
        self.paged_bytes += sum(run.body_bytes for run in runs)
        if self._runs:
            self._tail = deque(entries[taken:])
        else:
            self._push_all(entries)

    def forget_runs(self, *, settled: bool) -> None:
        """Let go of all that is on the disk."""
        for run in self._runs:
            run.forget(settled=settled)
        self._runs.clear()
        self.paged_count = self.paged_bytes = 0

    def clear(self) -> None:
        """Forget all messages in memory; `forget_runs` goes before it."""
        assert not self._runs
        self.front.clear()
        self._tail.clear()

    def check(self) -> None:
        """Assert the invariants."""
        self.front.check()
        assert not self._tail or self._runs
        assert self.paged_count == sum(run.count for run in self._runs)
        assert self.paged_bytes == sum(run.body_bytes for run in self._runs)
        for run in self._runs:
            found = run.read()
            assert run.count == len(found) > 0
            assert run.body_bytes == sum(entry.message.size for entry in found)
