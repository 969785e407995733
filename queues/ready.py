"""The messages of a queue that wait for a consumer, in delivery order.

Three orders, one interface: by position (`FifoReady`), by priority and then position
(`PriorityReady`), and, as quorum queues have it, returned ones first in the order of their
return (`ReturnsFirstReady`).

Fresh messages arrive in the order of their positions, so a deque holds them. Whatever was taken
out had a smaller position than what still waits, so returned messages, few as a rule, are kept
sorted in front of the deque (S80): the plain path never pays for order.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from attrs import define, field
from sortedcontainers import SortedDict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.queues.message import QueuedMessage

__all__ = ["FifoReady", "PriorityReady", "Ready", "ReturnsFirstReady"]


class Ready(Protocol):
    """What a queue needs of its ready messages."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[QueuedMessage]:
        """Iterate in delivery order."""
        ...

    def push(self, entry: QueuedMessage) -> None:
        """Add a message that was never delivered; its position is the largest so far."""
        ...

    def put_back(self, entry: QueuedMessage) -> None:
        """Add a message that comes back, where it stood before."""
        ...

    def pop(self) -> QueuedMessage | None:
        """Remove and return the head, or None."""
        ...

    def peek(self) -> QueuedMessage | None:
        """Return the head, or None."""
        ...

    def clear(self) -> None:
        """Forget all messages."""
        ...

    def check(self) -> None:
        """Assert the invariants."""
        ...


@define(eq=False)
class FifoReady:
    """Ready messages by position.

    push, pop without returned messages and peek are O(1); put_back, and pop of a returned
    message, are O(log r) in the number r of returned messages.
    """

    _fresh: deque[QueuedMessage] = field(factory=deque, init=False)
    # position -> message that was delivered before and came back
    _returned: SortedDict[int, QueuedMessage] = field(factory=SortedDict, init=False)

    def __len__(self) -> int:
        return len(self._fresh) + len(self._returned)

    def __iter__(self) -> Iterator[QueuedMessage]:
        yield from self._returned.values()
        yield from self._fresh

    def push(self, entry: QueuedMessage) -> None:
        """Add a message that was never delivered."""
        self._fresh.append(entry)

    def put_back(self, entry: QueuedMessage) -> None:
        """Add a message that comes back, at its own position."""
        self._returned[entry.position] = entry

    def pop(self) -> QueuedMessage | None:
        """Remove and return the head, or None."""
        if self._returned:
            return self._returned.popitem(0)[1]
        return self._fresh.popleft() if self._fresh else None

    def peek(self) -> QueuedMessage | None:
        """Return the head, or None."""
        if self._returned:
            return self._returned.peekitem(0)[1]
        return self._fresh[0] if self._fresh else None

    def clear(self) -> None:
        """Forget all messages."""
        self._fresh.clear()
        self._returned.clear()

    def check(self) -> None:
        """Assert that positions grow from head to tail."""
        positions = [entry.position for entry in self]
        assert positions == sorted(set(positions)), "positions are not strictly growing"
        assert all(key == entry.position for key, entry in self._returned.items())


@define(eq=False)
class PriorityReady:
    """Ready messages by priority, highest first, then by position (S97).

    `max_priority` caps the priority of each message. A lane exists while it has messages, so
    every operation costs O(log p) in the number p of priorities in use beside that of its lane.
    """

    max_priority: int
    # minus priority -> its messages
    _lanes: SortedDict[int, FifoReady] = field(factory=SortedDict, init=False)
    _size: int = field(default=0, init=False)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[QueuedMessage]:
        for lane in self._lanes.values():
            yield from lane

    def _lane(self, entry: QueuedMessage) -> FifoReady:
        key = -min(entry.message.properties.priority or 0, self.max_priority)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = FifoReady()
        self._size += 1
        return lane

    def push(self, entry: QueuedMessage) -> None:
        """Add a message that was never delivered."""
        self._lane(entry).push(entry)

    def put_back(self, entry: QueuedMessage) -> None:
        """Add a message that comes back, at its own position within its priority."""
        self._lane(entry).put_back(entry)

    def pop(self) -> QueuedMessage | None:
        """Remove and return the head, or None."""
        if not self._size:
            return None
        self._size -= 1
        lane = self._lanes.peekitem(0)[1]
        entry = lane.pop()
        if not lane:
            self._lanes.popitem(0)
        return entry

    def peek(self) -> QueuedMessage | None:
        """Return the head, or None."""
        return self._lanes.peekitem(0)[1].peek() if self._size else None

    def heads(self) -> list[QueuedMessage]:
        """Return the first message of each priority, highest first."""
        return [head for lane in self._lanes.values() if (head := lane.peek()) is not None]

    def pop_head(self, head: QueuedMessage) -> None:
        """Remove one of the `heads`."""
        key = -min(head.message.priority, self.max_priority)
        lane = self._lanes[key]
        lane.pop()
        self._size -= 1
        if not lane:
            del self._lanes[key]

    def clear(self) -> None:
        """Forget all messages."""
        self._lanes.clear()
        self._size = 0

    def check(self) -> None:
        """Assert that no lane is empty, that each is in order and that the size is theirs."""
        assert self._size == sum(len(lane) for lane in self._lanes.values())
        for key, lane in self._lanes.items():
            assert len(lane) > 0, "an empty lane was kept"
            assert all(min(e.message.priority, self.max_priority) == -key for e in lane)
            lane.check()


@define(eq=False)
class ReturnsFirstReady:
    """Ready messages as a quorum queue orders them: returned ones first, in order of return."""

    _fresh: deque[QueuedMessage] = field(factory=deque, init=False)
    _returned: deque[QueuedMessage] = field(factory=deque, init=False)

    def __len__(self) -> int:
        return len(self._fresh) + len(self._returned)

    def __iter__(self) -> Iterator[QueuedMessage]:
        yield from self._returned
        yield from self._fresh

    def push(self, entry: QueuedMessage) -> None:
        """Add a message that was never delivered."""
        self._fresh.append(entry)

    def put_back(self, entry: QueuedMessage) -> None:
        """Add a message that comes back, behind those that came back before it."""
        self._returned.append(entry)

    def pop(self) -> QueuedMessage | None:
        """Remove and return the head, or None."""
        lane = self._returned or self._fresh
        return lane.popleft() if lane else None

    def peek(self) -> QueuedMessage | None:
        """Return the head, or None."""
        lane = self._returned or self._fresh
        return lane[0] if lane else None

    def clear(self) -> None:
        """Forget all messages."""
        self._fresh.clear()
        self._returned.clear()

    def check(self) -> None:
        """Assert that no message stands twice; some versions put returned ones at the back."""
        positions = [entry.position for entry in self]
        assert len(positions) == len(set(positions))
