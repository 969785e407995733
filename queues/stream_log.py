"""The messages of a stream in the order in which they came: chunks, gathered into segments.

```
segments  [ chunk chunk chunk ][ chunk chunk ][ chunk tail ]◄─ append
            ▲ first_offset                               ▲ next_offset
```

A message has an offset, the number of messages before it, for ever. Nothing is taken out but whole
segments at the head, by age or size, as in RabbitMQ when a new one is begun. Readers share the
chunks: one that is on the disk leaves memory, and is there again while a reader stands in it.

Costs: `append` O(1); to find an offset or a time O(log segments + log chunks + log messages); a
dropped segment O(its chunks). In memory stay, beside the chunks that readers stand in and the last
`KEEP_CHUNKS`, some 200 bytes a chunk, that is for each 1,024 messages or 256 KiB.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol

from attrs import define, field

from leveret.queues.queue import MESSAGE_OVERHEAD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.queues.message import AnyMessage

__all__ = ["Chunk", "StreamLog", "StreamStore"]

#: A segment's size where none is set: RabbitMQ's.
SEGMENT_BYTES = 500_000_000
#: What a message counts in a segment beside its body: about what RabbitMQ's files hold for it.
MESSAGE_BYTES = 64
#: A chunk takes no more messages once it has so many, or so many bytes of bodies.
CHUNK_MESSAGES, CHUNK_BYTES = 1024, 256 * 1024
#: So many full chunks at the end stay in memory also where they are on the disk.
KEEP_CHUNKS = 4

_FIRST = attrgetter("first")


class StreamStore(Protocol):
    """Where a durable stream keeps its messages; what is appended becomes durable by itself."""

    @property
    def durable_end(self) -> int:
        """The offset behind the last message that is on the disk."""
        ...

    def append(self, segment: int, offset: int, time_ms: int, message: AnyMessage) -> None:
        """Note a message; `segment` is the first offset of the segment that it stands in."""
        ...

    def read(self, first: int, end: int) -> tuple[list[AnyMessage], list[int]]:
        """Return messages that are on the disk, and when each came; the last one's is `end - 1`."""
        ...

    def truncate(self, first: int) -> None:
        """Note that all messages below this offset are gone."""
        ...

    def forget(self) -> None:
        """Note that the stream is deleted."""
        ...


@define(eq=False)
class Chunk:
    """Messages in a row. `messages` and `times` are empty while they are on the disk alone."""

    first: int
    end: int
    body_bytes: int = 0
    first_ms: int = 0
    last_ms: int = 0
    messages: list[AnyMessage] = field(factory=list)
    #: When each came, in milliseconds; never one before the other.
    times: list[int] = field(factory=list)
    #: Its messages need not be in memory.
    cold: bool = False
    #: How many readers stand in it.
    readers: int = 0


@define(eq=False)
class Segment:
    """Chunks that are dropped together. `log_bytes` is what counts for retention."""

    first: int
    chunks: list[Chunk] = field(factory=list)
    log_bytes: int = 0

    @property
    def last_ms(self) -> int:
        """When the last message came."""
        return self.chunks[-1].last_ms


@define(eq=False)
class StreamLog:
    """The log. The sizes are parameters, so that tests can make them small."""

    segment_bytes: int = SEGMENT_BYTES
    chunk_messages: int = field(factory=lambda: CHUNK_MESSAGES)
    chunk_bytes: int = field(factory=lambda: CHUNK_BYTES)
    keep_chunks: int = field(factory=lambda: KEEP_CHUNKS)
    store: StreamStore | None = None
    #: The offset that the next message gets.
    next_offset: int = field(default=0, init=False)
    count: int = field(default=0, init=False)
    body_bytes: int = field(default=0, init=False)
    #: The messages in memory.
    held_count: int = field(default=0, init=False)
    held_bytes: int = field(default=0, init=False)
    segments: list[Segment] = field(factory=list, init=False)
    # The chunk that is appended to; None where the next message begins one.
    _tail: Chunk | None = field(default=None, init=False)
    # Chunks in memory that are full, oldest first.
    _hot: deque[Chunk] = field(factory=deque, init=False)
    _last_ms: int = field(default=0, init=False)
    _log_bytes: int = field(default=0, init=False)

    @property
    def first_offset(self) -> int:
        """The offset of the first message that is there; `next_offset` where none is."""
        if not self.segments:
            return self.next_offset
        segment = self.segments[0]
        return segment.chunks[0].first if segment.chunks else segment.first

    @property
    def memory_bytes(self) -> int:
        """What the messages in memory are worth, each with what it costs beside its body."""
        return self.held_bytes + self.held_count * MESSAGE_OVERHEAD

    # -- appending

    @property
    def is_full(self) -> bool:
        """Whether the last segment takes no more: `begin_segment` is due, and then `retain`."""
        return not self.segments or self.segments[-1].log_bytes >= self.segment_bytes

    def begin_segment(self) -> None:
        """Begin a segment with the next message, which comes at once."""
        self._close_tail()
        self.segments.append(Segment(self.next_offset))

    def append(self, message: AnyMessage, now_ms: int) -> None:
        """Take a message. A clock that goes back does not move the times in the log back."""
        last_ms = self._last_ms
        if now_ms > last_ms:
            self._last_ms = last_ms = now_ms
        offset, size = self.next_offset, message.size
        segment = self.segments[-1]
        chunk = self._tail
        if chunk is None:
            chunk = self._tail = Chunk(offset, offset, 0, last_ms)
            segment.chunks.append(chunk)
        chunk.messages.append(message)
        chunk.times.append(last_ms)
        chunk.last_ms = last_ms
        chunk.body_bytes += size
        self.next_offset = chunk.end = offset + 1
        logged = size + MESSAGE_BYTES
        segment.log_bytes += logged
        self._log_bytes += logged
        self.count += 1
        self.body_bytes += size
        self.held_count += 1
        self.held_bytes += size
        if self.store is not None:
            self.store.append(segment.first, offset, last_ms, message)
        if len(chunk.messages) >= self.chunk_messages or chunk.body_bytes >= self.chunk_bytes:
            self._close_tail()

    def _close_tail(self) -> None:
        if self._tail is not None:
            if self.store is not None:
                self._hot.append(self._tail)
                self.evict(self.keep_chunks)
            self._tail = None

    def restore(
        self, segment: int, first: int, end: int, first_ms: int, last_ms: int, body_bytes: int
    ) -> None:
        """Take in messages that a store has, behind all others; they stay there."""
        if not self.segments or self.segments[-1].first != segment:
            self.segments.append(Segment(segment))
        there, count = self.segments[-1], end - first
        there.log_bytes += body_bytes + count * MESSAGE_BYTES
        self._log_bytes += body_bytes + count * MESSAGE_BYTES
        last = there.chunks[-1] if there.chunks else None
        if (
            last is None
            or last.end != first
            or last.end - last.first + count > self.chunk_messages
            or last.body_bytes + body_bytes > self.chunk_bytes
        ):
            last = Chunk(first, first, 0, first_ms, last_ms, cold=True)
            there.chunks.append(last)
        last.end, last.last_ms = end, last_ms
        last.body_bytes += body_bytes
        self.next_offset = end
        self._last_ms = last_ms
        self.count += count
        self.body_bytes += body_bytes

    # -- memory

    def evict(self, keep: int) -> None:
        """Let full chunks that are on the disk leave memory, but for the last `keep`."""
        store, hot = self.store, self._hot
        if store is None:
            return
        while len(hot) > keep and hot[0].end <= store.durable_end:
            chunk = hot.popleft()
            chunk.cold = True
            self._leave(chunk)

    def evict_all(self) -> None:
        """Let all that is on the disk leave memory, but for what readers stand in."""
        self._close_tail()
        self.evict(0)

    def _leave(self, chunk: Chunk) -> None:
        if chunk.cold and not chunk.readers and chunk.messages:
            self.held_count -= len(chunk.messages)
            self.held_bytes -= chunk.body_bytes
            chunk.messages, chunk.times = [], []

    def enter(self, offset: int) -> Chunk:
        """Return the chunk of an offset between first and next, in memory until `leave`.

        Where a damaged file was repaired offsets may be missing; then it is the chunk behind them.

        Raises:
            StorageError: it cannot be read.

        """
        segments = self.segments
        at = bisect_right(segments, offset, key=_FIRST) - 1
        chunks = segments[at].chunks
        behind = bisect_right(chunks, offset, key=_FIRST)
        chunk = chunks[max(behind - 1, 0)]
        if offset >= chunk.end:
            chunk = chunks[behind] if behind < len(chunks) else segments[at + 1].chunks[0]
        self._load(chunk)
        chunk.readers += 1
        return chunk

    def leave(self, chunk: Chunk) -> None:
        """Take note that a reader no longer stands in a chunk."""
        chunk.readers -= 1
        if chunk.first >= self.first_offset:
            self._leave(chunk)

    def _load(self, chunk: Chunk) -> None:
        if not chunk.messages:
            assert self.store is not None
            messages, times = self.store.read(chunk.first, chunk.end)
            assert len(messages) == chunk.end - chunk.first
            chunk.messages, chunk.times = messages, times
            self.held_count += len(chunk.messages)
            self.held_bytes += chunk.body_bytes

    # -- looking for a place

    def offset_at(self, time_ms: int) -> int:
        """Return the offset of the first message that came at a time or later; else the next.

        Raises:
            StorageError: a chunk cannot be read.

        """
        segments = self.segments
        at = bisect_left(segments, time_ms, key=attrgetter("last_ms"))
        if at == len(segments):
            return self.next_offset
        chunks = segments[at].chunks
        chunk = chunks[bisect_left(chunks, time_ms, key=attrgetter("last_ms"))]
        if chunk.first_ms >= time_ms:
            return chunk.first
        chunk = self.enter(chunk.first)
        offset = chunk.first + bisect_left(chunk.times, time_ms)
        self.leave(chunk)
        return offset

    def __iter__(self) -> Iterator[tuple[int, AnyMessage]]:
        """Yield offset and message of each; what is on the disk is read, chunk by chunk."""
        offset = self.first_offset
        while offset < self.next_offset:
            chunk = self.enter(offset)
            yield from enumerate(chunk.messages, chunk.first)
            offset = chunk.end
            self.leave(chunk)

    # -- retention

    def retain(self, max_bytes: int | None, max_age_ms: int | None, now_ms: int) -> int:
        """Drop segments at the head, never the last: see `_is_over`; return how many messages."""
        dropped = 0
        while len(self.segments) > 1 and self._is_over(max_bytes, max_age_ms, now_ms):
            segment = self.segments.pop(0)
            self._log_bytes -= segment.log_bytes
            for chunk in segment.chunks:
                dropped += chunk.end - chunk.first
                self.body_bytes -= chunk.body_bytes
                if chunk.messages:
                    self.held_count -= len(chunk.messages)
                    self.held_bytes -= chunk.body_bytes
                if self._hot and self._hot[0] is chunk:
                    self._hot.popleft()
        self.count -= dropped
        if dropped and self.store is not None:
            self.store.truncate(self.first_offset)
        return dropped

    def _is_over(self, max_bytes: int | None, max_age_ms: int | None, now_ms: int) -> bool:
        """Say whether all segments are too large, or the first one's last message is too old."""
        if max_bytes is not None and self._log_bytes > max_bytes:
            return True
        return max_age_ms is not None and self.segments[0].last_ms < now_ms - max_age_ms

    def check(self) -> None:
        """Assert the invariants."""
        chunks = [chunk for segment in self.segments for chunk in segment.chunks]
        assert all(segment.chunks[0].first >= segment.first for segment in self.segments)
        assert all(chunk.end <= then.first for chunk, then in pairwise(chunks))
        assert not chunks or chunks[0].first == self.first_offset
        assert not chunks or chunks[-1].end == self.next_offset
        assert self.count == sum(chunk.end - chunk.first for chunk in chunks)
        assert self.body_bytes == sum(chunk.body_bytes for chunk in chunks)
        assert self._log_bytes == sum(segment.log_bytes for segment in self.segments)
        assert self._log_bytes == self.body_bytes + self.count * MESSAGE_BYTES
        held = [chunk for chunk in chunks if chunk.messages]
        assert self.held_count == sum(len(chunk.messages) for chunk in held)
        assert self.held_bytes == sum(chunk.body_bytes for chunk in held)
        for chunk in held:
            assert len(chunk.messages) == len(chunk.times) == chunk.end - chunk.first
            assert chunk.body_bytes == sum(message.size for message in chunk.messages)
            assert chunk.times == sorted(chunk.times)
            assert [chunk.first_ms, chunk.last_ms] == [chunk.times[0], chunk.times[-1]]
        for chunk in chunks:
            assert chunk.readers >= 0
            assert chunk.messages or chunk.cold
        times = [time for chunk in chunks for time in (chunk.first_ms, chunk.last_ms)]
        assert times == sorted(times)
