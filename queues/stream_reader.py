"""A consumer's place in a stream, and what it holds unsettled."""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from attrs import define, field

from leveret.queues.message import QueuedMessage
from leveret.queues.stream_message import with_offset

if TYPE_CHECKING:
    from leveret.queues.consumers import Consumer
    from leveret.queues.queue import Queue
    from leveret.queues.stream_groups import StreamGroup
    from leveret.queues.stream_log import Chunk, StreamLog

__all__ = ["StreamEntry", "StreamReader"]


@define(eq=False)
class StreamEntry(QueuedMessage):
    """A delivery from a stream; its position is the offset."""

    reader: StreamReader | None = None


@define(eq=False)
class StreamReader:
    """Where a consumer is: `offset` is that of the message it gets next, there yet or not.

    To take a message is O(1), and O(log n) with each chunk. A member of a group remembers what it
    holds, so that the group's stored offset follows acknowledgements in whatever order they come.
    """

    consumer: Consumer
    log: StreamLog
    offset: int
    group: StreamGroup | None = None
    _chunk: Chunk | None = field(default=None, init=False)
    # The offsets taken and not stored yet, in order; only for a member of a group.
    _held: deque[int] = field(factory=deque, init=False)
    # Those of them that were settled before one in front of them was.
    _settled: set[int] = field(factory=set, init=False)
    # Offsets to be taken once more, the smallest first.
    _returned: list[int] = field(factory=list, init=False)

    def take(self, queue: Queue) -> StreamEntry | None:
        """Take the next message, or None; what retention dropped is passed over.

        Raises:
            StorageError: a chunk cannot be read.

        """
        first = self.log.first_offset
        while self._returned:
            offset = heappop(self._returned)
            if offset >= first:
                self._stand_at(offset)
                return self._entry(queue, offset, redelivered=True)
            self.settle(offset)
        if self.offset < first:
            self.offset = first
        if self.offset >= self.log.next_offset:
            return None
        offset = self._stand_at(self.offset)
        group = self.group
        redelivered = group is not None and offset < group.delivered_end
        entry = self._entry(queue, offset, redelivered=redelivered)
        self.offset = offset + 1
        if group is not None:
            self._held.append(offset)
            group.delivered_end = max(group.delivered_end, offset + 1)
        return entry

    def _stand_at(self, offset: int) -> int:
        """Stand in the chunk of an offset; return it, or the next that there is."""
        chunk = self._chunk
        if chunk is None or not chunk.first <= offset < chunk.end:
            self.rest()
            chunk = self._chunk = self.log.enter(offset)
        return max(offset, chunk.first)

    def _entry(self, queue: Queue, offset: int, *, redelivered: bool) -> StreamEntry:
        chunk = self._chunk
        assert chunk is not None
        message = with_offset(chunk.messages[offset - chunk.first], offset)
        return StreamEntry(message, queue, offset, None, redelivered, reader=self)

    def rest(self) -> None:
        """Stand in no chunk, so that the log need not keep it in memory."""
        if self._chunk is not None:
            self.log.leave(self._chunk)
            self._chunk = None

    def settle(self, offset: int) -> int | None:
        """Take note that a message was handled; return the offset to store, if it is another."""
        held = self._held
        if not held:
            return None
        if held[0] != offset:
            self._settled.add(offset)
            return None
        held.popleft()
        settled = self._settled
        while held and held[0] in settled:
            offset = held.popleft()
            settled.remove(offset)
        return offset

    def give_back(self, offset: int) -> None:
        """Have a message taken once more, before those that were not yet."""
        heappush(self._returned, offset)

    def check(self) -> None:
        """Assert that what is remembered of what it holds agrees."""
        held = list(self._held)
        assert held == sorted(set(held))
        assert self._settled <= set(held[1:])
        assert set(self._returned) <= set(held) - self._settled
        assert not held or held[-1] < self.offset
