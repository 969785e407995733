"""What the engine appends, gathered into groups, and which groups still hold something.

The store is a log of groups. Settling a message that stands in an earlier group adds a record to
the present one; a message settled within its own group is never written. The oldest groups are
dropped once nothing in them is alive; where a few messages hold up many dead ones, groups in a row
become one. So a queue's messages are in order from group to group; within one they may not be.
"""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING, TypeAlias

from attrs import define, field, frozen

from leveret.fields import encode_table
from leveret.storage.queue_log import LoggedRun, QueueLog
from leveret.storage.records import encode_entries
from leveret.storage.stream_store import StreamLogStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from leveret.properties import FieldValue
    from leveret.queues import QueuedMessage
    from leveret.storage.stream_store import StreamChunk

    Entries: TypeAlias = dict[QueuedMessage | LoggedRun, None]

__all__ = ["Group", "Merge", "StoreJournal"]

#: Below this many bytes nothing is written again to save space.
COMPACT_FROM = 8 * 1024 * 1024
#: How many bytes are written again with one group at most, beyond one old group.
COMPACT_STEP = 256 * 1024
#: How often, in groups, it is reckoned whether to merge old ones.
COMPACT_EVERY = 64


@frozen
class Merge:
    """Groups in a row that become one, the last, with what is alive of their messages."""

    first: int
    last: int
    messages: bytes


@frozen
class Group:
    """One group commit: all of it becomes durable, or nothing."""

    number: int
    #: Entries (`records.encode_entries`).
    messages: bytes = b""
    #: Messages of earlier groups that are gone: queue id, first position, the one behind the last.
    settled: bytes = b""
    #: Messages of earlier groups that came back: queue id, position, delivery count.
    returned: bytes = b""
    #: Messages that were with a consumer: queue id, first position, the one behind the last.
    delivered: bytes = b""
    #: (kind, key, value as a table, or None where the object is gone)
    objects: tuple[tuple[str, tuple[str, ...], bytes | None], ...] = ()
    #: Groups below this number hold nothing any more.
    oldest: int = 0
    merge: Merge | None = None
    #: What streams appended.
    chunks: tuple[StreamChunk, ...] = ()
    #: (queue id, first offset that is left of a stream; None where the stream is gone)
    dropped: tuple[tuple[int, int | None], ...] = ()


@define(eq=False)
class StoreJournal:
    """The engine's `Journal`. `seal` ends a group; whoever owns the store writes it."""

    group: int = 1
    appended: int = 0
    #: Whether something was appended, or delivered, since the last group.
    has_news: bool = field(default=False, init=False)
    #: The last group that is on the disk.
    durable_group: int = field(default=0, init=False)
    #: Called when the first record of a group is appended.
    on_news: Callable[[], object] | None = field(default=None, init=False)
    #: The messages of the group being gathered.
    current: Entries = field(factory=dict, init=False)
    #: group -> its messages that are alive; oldest first
    live: dict[int, Entries] = field(factory=dict, init=False)
    #: group -> how many more are alive, and not in memory; none are 0
    paged: dict[int, int] = field(factory=dict, init=False)
    #: group -> how many more of its messages are alive than it has entries: those of runs
    in_runs: dict[int, int] = field(factory=dict, init=False)
    #: group -> (bytes, messages) as written
    sizes: dict[int, tuple[int, int]] = field(factory=dict, init=False)
    #: group that others were merged into -> the group that is written with it; forgotten later on
    merged_in: dict[int, int] = field(factory=dict, init=False)
    #: queue id, first position and the one behind the last, in a row
    settled: list[int] = field(factory=list, init=False)
    returned: list[int] = field(factory=list, init=False)
    marked: list[QueueLog] = field(factory=list, init=False)
    #: Streams that appended something.
    stream_news: list[StreamLogStore] = field(factory=list, init=False)
    #: queue id -> the first offset that is left of a stream; None where the stream is gone
    stream_drops: dict[int, int | None] = field(factory=dict, init=False)
    # (kind, key) -> value, None where it is gone
    _objects: dict[tuple[str, tuple[str, ...]], bytes | None] = field(factory=dict, init=False)
    _queues_gone: bool = field(default=False, init=False)

    def changed(
        self, kind: str, key: tuple[str, ...], value: Mapping[str, FieldValue] | None
    ) -> None:
        """Note an object as it is now, or with None that it is gone."""
        # Put behind what was noted before: an object made anew may rest on one made since.
        self._objects.pop((kind, key), None)
        self._objects[kind, key] = None if value is None else encode_table(value)
        if not self.has_news:
            self.begin()
        self.appended += 1
        if kind == "queue" and value is None:
            self._queues_gone = True

    def queue_journal(self, queue_id: int) -> QueueLog:
        """Return where a durable queue notes its messages."""
        return QueueLog(self, queue_id)

    def stream_store(self, queue_id: int, durable_end: int) -> StreamLogStore:
        """Return where a stream keeps its messages, those below `durable_end` already."""
        return StreamLogStore(self, queue_id, durable_end)

    def read_stream(self, queue_id: int, first: int, end: int) -> Iterator[bytes]:
        """Return chunks of a stream that hold these offsets, in order.

        Raises:
            StorageError: one cannot be read.

        """
        raise NotImplementedError

    def read(self, number: int) -> Group:
        """Return a group as it was written.

        Raises:
            StorageError: it cannot be read.

        """
        raise NotImplementedError

    def settle(self, queue_id: int, first: int, behind: int) -> None:
        """Note that messages of earlier groups are gone, those of these positions."""
        settled = self.settled
        # Acknowledged in order, a run of messages takes one record.
        if settled and settled[-1] == first and settled[-3] == queue_id:
            settled[-1] = behind
        else:
            settled += (queue_id, first, behind)

    def is_durable(self, number: int) -> bool:
        """Say whether all that stands in a group by now is on the disk."""
        return self.merged_in.get(number, number) <= self.durable_group

    def count_paged(self, groups: Mapping[int, int], sign: int) -> None:
        """Take note that messages of some groups left memory (1), or are back or gone (-1)."""
        for number, count in groups.items():
            left = self.paged.get(number, 0) + sign * count
            if left:
                self.paged[number] = left
            else:
                del self.paged[number]

    def entries_of(self, number: int) -> Entries:
        """Return the entries of a group that are alive and in memory."""
        return self.current if number == self.group else self.live.get(number, {})

    def count_in_runs(self, number: int, count: int) -> None:
        """Take note of messages that are alive in a group beside its entries, or are not."""
        left = self.in_runs.get(number, 0) + count
        if left:
            self.in_runs[number] = left
        else:
            self.in_runs.pop(number, None)

    def begin(self) -> None:
        """Take note that the group being gathered holds something from now on."""
        self.has_news = True
        if self.on_news is not None:
            self.on_news()

    def seal(self) -> Group:
        """End the group being gathered, and begin the next."""
        if self._queues_gone:
            self._forget_deleted_queues()
        merge = self._merge() if self.group % COMPACT_EVERY == 0 else None
        messages, count = encode_entries(self.current)
        marks: list[int] = []
        for log in self.marked:
            marks += (log.queue_id, log.noted + 1, log.mark + 1)
            log.noted = log.mark
        number = self.group
        if self.current or self.settled or self.returned or marks:
            self.live[number] = self.current
            self.sizes[number] = (len(messages), count)
        objects = tuple((kind, key, value) for (kind, key), value in self._objects.items())
        group = Group(
            number,
            messages,
            numbers(self.settled),
            numbers(self.returned),
            numbers(marks),
            objects,
            self._drop_oldest(),
            merge,
            tuple(chunk for store in self.stream_news for chunk in store.seal()),
            tuple(self.stream_drops.items()),
        )
        self.group += 1
        self.current, self.settled, self.returned, self.marked = {}, [], [], []
        self.stream_news, self.stream_drops = [], {}
        self._objects = {}
        self.has_news = False
        return group

    def _drop_oldest(self) -> int:
        for number in list(self.live):
            if self.live[number] or number in self.paged or number == self.group:
                return number
            del self.live[number], self.sizes[number]
        return self.group

    def _forget_deleted_queues(self) -> None:
        self._queues_gone = False
        for entries in (self.current, *self.live.values()):
            for entry in [entry for entry in entries if entry.queue.deleted]:
                del entries[entry]
                if isinstance(entry, LoggedRun):
                    self.count_in_runs(entry.stored, 1 - entry.alive)

    def _merge(self) -> Merge | None:
        """Take together the oldest groups that are mostly dead, where most of the log is."""
        total = sum(size for size, _ in self.sizes.values())
        alive = sum(
            size * (self._alive(number) + self.paged.get(number, 0)) // max(count, 1)
            for number, (size, count) in self.sizes.items()
        )
        if total < COMPACT_FROM or alive * 2 > total:
            return None
        numbers: list[int] = []
        merged: Entries = {}
        moved = 0
        for number, entries in self.live.items():
            if number in self.paged or moved > COMPACT_STEP:
                if numbers:
                    break
                continue
            size, count = self.sizes[number]
            alive = self._alive(number)
            if numbers or alive * 2 <= count:
                numbers.append(number)
                merged |= entries
                moved += size * alive // max(count, 1)
        if not numbers:
            return None
        messages, count = encode_entries(merged)
        last = numbers[-1]
        for entry in merged:
            entry.stored = last
        self.in_runs = {n: more for n, more in self.in_runs.items() if n not in numbers}
        self.count_in_runs(last, count - len(merged))
        gone = set(numbers[:-1])
        self.live = {n: entries for n, entries in self.live.items() if n not in gone}
        self.sizes = {n: sizes for n, sizes in self.sizes.items() if n not in gone}
        still = {n: group for n, group in self.merged_in.items() if group > self.durable_group}
        self.merged_in = still | {last: self.group}
        self.live[last] = merged
        self.sizes[last] = (len(messages), count)
        return Merge(numbers[0], last, messages)

    def _alive(self, number: int) -> int:
        return len(self.live[number]) + self.in_runs.get(number, 0)

    def check(self) -> None:
        """Assert that each living message stands in the group that it names."""
        for number, entries in (*self.live.items(), (self.group, self.current)):
            assert all(entry.stored == number or entry.queue.deleted for entry in entries)
            runs = [entry for entry in entries if isinstance(entry, LoggedRun)]
            assert self.in_runs.get(number, 0) == sum(run.alive - 1 for run in runs)
        assert list(self.live) == sorted(self.live) == list(self.sizes)


def numbers(values: list[int]) -> bytes:
    """Return integers as 8 bytes each."""
    return pack(f">{len(values)}Q", *values)
