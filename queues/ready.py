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
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from attrs import Factory, define, field
from sortedcontainers import SortedDict

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

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

    def oldest(self) -> int | None:
        """Return the smallest position, or None."""
        ...

    def remove(self, positions: Set[int]) -> list[QueuedMessage]:
        """Take out and return the messages at these positions; all others keep their places."""
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
    message, are O(log r) in the number r of returned messages. remove is O(1) for each at the head,
    O(n) for those further on, however many they are.
    """

    _fresh: deque[QueuedMessage] = field(factory=deque, init=False)
    # position -> message that was delivered before and came back
    _returned: SortedDict[int, QueuedMessage] = field(factory=SortedDict, init=False)

    def __len__(self) -> int:
        return len(self._fresh) + len(self._returned)

    def __iter__(self) -> Iterator[QueuedMessage]:
        yield from self._returned.values()
        yield from self._fresh

    @property
    def is_empty(self) -> bool:
        """Whether there is no message."""
        return not self._fresh and not self._returned

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

    def cut(self, keep: int) -> list[QueuedMessage]:
        """Remove and return what was never delivered, but for the first `keep` of it."""
        rest = list(islice(self._fresh, keep, None))
        for _ in rest:
            self._fresh.pop()
        return rest

    def oldest(self) -> int | None:
        """Return the smallest position, or None."""
        if self._returned:
            return self._returned.peekitem(0)[0]
        return self._fresh[0].position if self._fresh else None

    def remove(self, positions: Set[int]) -> list[QueuedMessage]:
        """Take out and return the messages at these positions."""
        returned = [position for position in self._returned if position in positions]
        removed = [self._returned.pop(position) for position in returned]
        return removed + _remove(self._fresh, positions, len(positions) - len(removed))

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

    `max_priority` caps the priority of each message, and is at most 255. Lanes stand in a list by
    priority, made on first use and kept; a bit for each that has messages finds the highest in one
    step. Measured: to make and drop a lane whenever it runs empty took three times as long as all
    the rest of publish, get and ack.
    """

    max_priority: int
    # priority -> its messages; None where there never were any
    _lanes: list[FifoReady | None] = field(
        default=Factory(lambda self: [None] * (self.max_priority + 1), takes_self=True), init=False
    )
    # bit n is set while the lane of priority n has messages
    _occupied: int = field(default=0, init=False)
    _size: int = field(default=0, init=False)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[QueuedMessage]:
        for lane in reversed(self._lanes):
            if lane is not None:
                yield from lane

    def _enter(self, entry: QueuedMessage) -> FifoReady:
        priority = min(entry.message.priority, self.max_priority)
        self._occupied |= 1 << priority
        self._size += 1
        lane = self._lanes[priority]
        if lane is None:
            lane = self._lanes[priority] = FifoReady()
        return lane

    def _highest(self) -> FifoReady:
        lane = self._lanes[self._occupied.bit_length() - 1]
        assert lane is not None
        return lane

    def push(self, entry: QueuedMessage) -> None:
        """Add a message that was never delivered."""
        self._enter(entry).push(entry)

    def put_back(self, entry: QueuedMessage) -> None:
        """Add a message that comes back, at its own position within its priority."""
        self._enter(entry).put_back(entry)

    def pop(self) -> QueuedMessage | None:
        """Remove and return the head, or None."""
        return self._pop(self._occupied.bit_length() - 1) if self._size else None

    def _pop(self, priority: int) -> QueuedMessage | None:
        lane = self._lanes[priority]
        assert lane is not None
        entry = lane.pop()
        self._size -= 1
        if lane.is_empty:
            self._occupied ^= 1 << priority
        return entry

    def peek(self) -> QueuedMessage | None:
        """Return the head, or None."""
        return self._highest().peek() if self._size else None

    def heads(self) -> list[QueuedMessage]:
        """Return the first message of each priority, highest first."""
        lanes = [lane for lane in reversed(self._lanes) if lane is not None]
        return [head for lane in lanes if (head := lane.peek()) is not None]

    def pop_head(self, head: QueuedMessage) -> None:
        """Remove one of the `heads`."""
        self._pop(min(head.message.priority, self.max_priority))

    def oldest(self) -> int | None:
        """Return the smallest position, or None."""
        firsts = (lane.oldest() for lane in self._lanes if lane is not None)
        return min((first for first in firsts if first is not None), default=None)

    def remove(self, positions: Set[int]) -> list[QueuedMessage]:
        """Take out and return the messages at these positions."""
        removed: list[QueuedMessage] = []
        for priority, lane in enumerate(self._lanes):
            if lane is not None and not lane.is_empty:
                removed += lane.remove(positions)
                if lane.is_empty:
                    self._occupied ^= 1 << priority
        self._size -= len(removed)
        return removed

    def clear(self) -> None:
        """Forget all messages."""
        self._lanes = [None] * (self.max_priority + 1)
        self._occupied = self._size = 0

    def check(self) -> None:
        """Assert that each lane is in order, and that bits and size are those of the lanes."""
        lanes = {n: lane for n, lane in enumerate(self._lanes) if lane is not None}
        assert self._size == sum(len(lane) for lane in lanes.values())
        assert self._occupied == sum(1 << n for n, lane in lanes.items() if len(lane))
        for priority, lane in lanes.items():
            assert lane.is_empty == (len(lane) == 0)
            assert all(min(e.message.priority, self.max_priority) == priority for e in lane)
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

    def cut(self, keep: int) -> list[QueuedMessage]:
        """Remove and return what was never delivered, but for the first `keep` of it."""
        rest = list(islice(self._fresh, keep, None))
        for _ in rest:
            self._fresh.pop()
        return rest

    def oldest(self) -> int | None:
        """Return the smallest position, or None, but for what came back and stands at the back."""
        firsts = [entry.position for entry in self._returned]
        if self._fresh:
            firsts.append(self._fresh[0].position)
        return min(firsts, default=None)

    def remove(self, positions: Set[int]) -> list[QueuedMessage]:
        """Take out and return the messages at these positions."""
        removed = _remove(self._returned, positions, len(positions))
        return removed + _remove(self._fresh, positions, len(positions) - len(removed))

    def clear(self) -> None:
        """Forget all messages."""
        self._fresh.clear()
        self._returned.clear()

    def check(self) -> None:
        """Assert that no message stands twice; some versions put returned ones at the back."""
        positions = [entry.position for entry in self]
        assert len(positions) == len(set(positions))


def _remove(lane: deque[QueuedMessage], positions: Set[int], most: int) -> list[QueuedMessage]:
    """Take the messages at these positions out of a lane, which holds at most `most` of them."""
    removed: list[QueuedMessage] = []
    while lane and lane[0].position in positions:
        removed.append(lane.popleft())
    if len(removed) < most:
        removed += [entry for entry in lane if entry.position in positions]
        kept = [entry for entry in lane if entry.position not in positions]
        lane.clear()
        lane.extend(kept)
    return removed
