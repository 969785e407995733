"""The log of a stream against a plain list, in memory and with all but its end on the disk."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import define, field
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from leveret.properties import NO_PROPERTIES
from leveret.queues import AnyMessage, Message
from leveret.queues.stream_log import MESSAGE_BYTES, Chunk, StreamLog


def message(number: int, size: int) -> Message:
    return Message("", "s", NO_PROPERTIES, b"%d" % number + bytes(size))


@define
class Disk:
    """A store in which messages are durable when a test says so."""

    durable_end: int = 0
    # offset -> (message, when it came)
    kept: dict[int, tuple[AnyMessage, int]] = field(factory=dict)
    reads: int = 0

    def append(self, segment: int, offset: int, time_ms: int, message: AnyMessage) -> None:
        self.kept[offset] = message, time_ms

    def read(self, first: int, end: int) -> tuple[list[AnyMessage], list[int]]:
        assert end <= self.durable_end
        self.reads += 1
        found = [self.kept[offset] for offset in range(first, end)]
        return [each for each, _ in found], [time_ms for _, time_ms in found]

    def truncate(self, first: int) -> None:
        for offset in [offset for offset in self.kept if offset < first]:
            del self.kept[offset]

    def forget(self) -> None:
        self.kept.clear()


class LogMachine(RuleBasedStateMachine):
    """Appends, drops, looks for places and reads, beside a dictionary that does the same."""

    @initialize(
        stored=st.booleans(),
        segment_bytes=st.integers(0, 600),
        chunk_messages=st.integers(1, 4),
        keep_chunks=st.integers(0, 2),
    )
    def begin(
        self, stored: bool, segment_bytes: int, chunk_messages: int, keep_chunks: int
    ) -> None:
        self.disk = Disk() if stored else None
        self.log = StreamLog(segment_bytes, chunk_messages, 100, keep_chunks, self.disk)
        self.now_ms = 1000
        # offset -> (message, when it came)
        self.model: dict[int, tuple[AnyMessage, int]] = {}
        # the first offset of each segment -> what counts of it
        self.segments: dict[int, int] = {}
        # chunk that somebody reads -> the offset that was asked for
        self.read: list[tuple[Chunk, int]] = []

    @rule(size=st.integers(0, 120), later_ms=st.integers(-5, 40))
    def append(self, size: int, later_ms: int) -> None:
        offset = self.log.next_offset
        last_ms = max((time_ms for _, time_ms in self.model.values()), default=0)
        self.now_ms += later_ms
        if self.log.is_full:
            self.log.begin_segment()
            self.segments[offset] = 0
        new = message(offset, size)
        self.log.append(new, self.now_ms)
        self.model[offset] = new, max(self.now_ms, last_ms)
        self.segments[max(self.segments)] += new.size + MESSAGE_BYTES

    @rule(max_bytes=st.none() | st.integers(0, 900), max_age_ms=st.none() | st.integers(0, 90))
    def retain(self, max_bytes: int | None, max_age_ms: int | None) -> None:
        before = len(self.model)
        dropped = self.log.retain(max_bytes, max_age_ms, self.now_ms)
        while len(self.segments) > 1:
            first, second, *_ = sorted(self.segments)
            last_ms = self.model[second - 1][1]
            over = max_bytes is not None and sum(self.segments.values()) > max_bytes
            old = max_age_ms is not None and last_ms < self.now_ms - max_age_ms
            if not over and not old:
                break
            del self.segments[first]
            for offset in range(first, second):
                del self.model[offset]
        assert dropped == before - len(self.model)

    @precondition(lambda self: self.disk is not None)
    @rule(share=st.floats(0, 1))
    def write(self, share: float) -> None:
        assert self.disk is not None
        behind = self.log.next_offset - self.disk.durable_end
        self.disk.durable_end += int(behind * share)

    @rule(keep=st.integers(0, 3))
    def evict(self, keep: int) -> None:
        self.log.evict(keep)

    @rule()
    def evict_all(self) -> None:
        if self.disk is not None:
            self.disk.durable_end = self.log.next_offset
        self.log.evict_all()
        if self.disk is not None and not self.read:
            assert self.log.held_count == 0

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def enter(self, data: Any) -> None:
        offset = data.draw(st.sampled_from(sorted(self.model)))
        chunk = self.log.enter(offset)
        self.read.append((chunk, offset))
        assert chunk.messages[offset - chunk.first] is self.model[offset][0]

    @precondition(lambda self: self.read)
    @rule(data=st.data())
    def leave(self, data: Any) -> None:
        chunk, offset = self.read.pop(data.draw(st.integers(0, len(self.read) - 1)))
        if offset in self.model:
            assert chunk.messages[offset - chunk.first] is self.model[offset][0]
        self.log.leave(chunk)

    @rule(back_ms=st.integers(-10, 200))
    def offset_at(self, back_ms: int) -> None:
        time_ms = self.now_ms - back_ms
        found = [offset for offset, (_, came_ms) in self.model.items() if came_ms >= time_ms]
        assert self.log.offset_at(time_ms) == min(found, default=self.log.next_offset)

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "log"):
            return
        self.log.check()
        assert [segment.first for segment in self.log.segments] == sorted(self.segments)
        assert self.log.first_offset == min(self.model, default=self.log.next_offset)
        expected = [(offset, each) for offset, (each, _) in sorted(self.model.items())]
        assert list(self.log) == expected
        if self.disk is not None:
            assert sorted(self.disk.kept) == sorted(self.model)


TestLog = LogMachine.TestCase


def test_readers_share_what_is_read_back() -> None:
    disk = Disk()
    log = StreamLog(chunk_messages=10, keep_chunks=0, store=disk)
    for number in range(100):
        if log.is_full:
            log.begin_segment()
        log.append(message(number, 0), 0)
    disk.durable_end = 100
    log.evict_all()
    assert log.held_count == 0
    first, second = log.enter(42), log.enter(45)
    assert first is second
    assert (disk.reads, log.held_count) == (1, 10)
    log.leave(first)
    assert log.held_count == 10
    log.leave(second)
    assert log.held_count == 0


@pytest.mark.parametrize("durable_end", [0, 30, 95])
def test_what_is_not_on_the_disk_stays_in_memory(durable_end: int) -> None:
    disk = Disk(durable_end)
    log = StreamLog(chunk_messages=10, keep_chunks=0, store=disk)
    for number in range(100):
        if log.is_full:
            log.begin_segment()
        log.append(message(number, 0), 0)
    log.evict_all()
    assert log.held_count == 100 - durable_end // 10 * 10
