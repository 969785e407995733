"""Where a stream keeps its messages: in chunks of their own, beside the groups of the journal.

What a stream appends in one turn becomes durable with all else of that turn, in the same commit,
but stands in rows of its own: a stream keeps its messages for long, and would hold up the groups,
whose messages mostly go soon. A row is part of one segment, so that retention deletes whole rows.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from leveret.queues.stream_log import CHUNK_BYTES, CHUNK_MESSAGES
from leveret.storage.records import decode_entries, encode_stream

if TYPE_CHECKING:
    from leveret.queues import AnyMessage
    from leveret.storage.journal import StoreJournal

__all__ = ["StreamChunk", "StreamLogStore", "chunks_of"]


@frozen
class StreamChunk:
    """Messages of one stream in a row, as they are written."""

    queue_id: int
    #: The offset of the first, and the one behind the last.
    first: int
    behind: int
    #: The first offset of the segment that they stand in.
    segment: int
    first_ms: int
    last_ms: int
    body_bytes: int
    #: Entries (`records.encode_stream`); empty where only the place was asked for.
    messages: bytes = b""

    @property
    def place(self) -> tuple[int, int, int, int, int, int, int]:
        """All but the messages."""
        return (
            self.queue_id,
            self.first,
            self.behind,
            self.segment,
            self.first_ms,
            self.last_ms,
            self.body_bytes,
        )


def chunks_of(
    queue_id: int, segment: int, first: int, messages: list[AnyMessage], times: list[int]
) -> list[StreamChunk]:
    """Return messages of one segment in a row as chunks of the size that a log reads at once."""
    chunks = []
    start = size = 0
    for index, message in enumerate(messages, 1):
        size += message.size
        if index - start >= CHUNK_MESSAGES or size >= CHUNK_BYTES or index == len(messages):
            part, came = messages[start:index], times[start:index]
            offset = first + start
            data = encode_stream(queue_id, offset, part, came)
            place = (queue_id, offset, first + index, segment, came[0], came[-1], size)
            chunks.append(StreamChunk(*place, data))
            start, size = index, 0
    return chunks


@define(eq=False)
class StreamLogStore:
    """A stream's side of the journal: its log's `StreamStore`. To append is O(1)."""

    journal: StoreJournal
    queue_id: int
    _durable_end: int
    # Segment, first offset, messages and times of what came since the last group was sealed.
    _news: list[tuple[int, int, list[AnyMessage], list[int]]] = field(factory=list, init=False)
    # (group, the offset behind its last message) of groups that may not be durable yet
    _sealed: deque[tuple[int, int]] = field(factory=deque, init=False)

    @property
    def durable_end(self) -> int:
        """The offset behind the last message that is on the disk."""
        sealed, durable = self._sealed, self.journal.durable_group
        while sealed and sealed[0][0] <= durable:
            self._durable_end = sealed.popleft()[1]
        return self._durable_end

    def append(self, segment: int, offset: int, time_ms: int, message: AnyMessage) -> None:
        """Note a message; `segment` is the first offset of the segment that it stands in."""
        journal, news = self.journal, self._news
        if not news:
            if not journal.has_news:
                journal.begin()
            journal.stream_news.append(self)
        if not news or news[-1][0] != segment:
            news.append((segment, offset, [], []))
        _, _, messages, times = news[-1]
        messages.append(message)
        times.append(time_ms)
        journal.appended += 1

    def seal(self) -> list[StreamChunk]:
        """Return what came since the last time, which is in the group that is being sealed."""
        chunks = [
            chunk
            for segment, first, messages, times in self._news
            for chunk in chunks_of(self.queue_id, segment, first, messages, times)
        ]
        self._sealed.append((self.journal.group, chunks[-1].behind))
        self._news = []
        return chunks

    def read(self, first: int, end: int) -> tuple[list[AnyMessage], list[int]]:
        """Return messages that are on the disk, and when each came; the last one's is `end - 1`.

        Raises:
            StorageError: they cannot be read.

        """
        messages: list[AnyMessage] = []
        times: list[int] = []
        for data in self.journal.read_stream(self.queue_id, first, end):
            for _, message, offset, time_ms, _, _ in decode_entries(data):
                if first <= offset < end:
                    messages.append(message)
                    times.append(time_ms or 0)
        return messages, times

    def truncate(self, first: int) -> None:
        """Note that all messages below this offset are gone."""
        self._drop(first)

    def forget(self) -> None:
        """Note that the stream is deleted."""
        self._drop(None)

    def _drop(self, first: int | None) -> None:
        journal = self.journal
        if not journal.has_news:
            journal.begin()
        journal.stream_drops[self.queue_id] = first
        journal.appended += 1
