"""Messages of a queue that left memory: which they are, and how they come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from leveret.queues import QueuedMessage
from leveret.storage.records import decode_entries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leveret.queues import Queue, QueuedRun
    from leveret.storage.queue_log import QueueLog

__all__ = ["StoredRun", "runs_of"]

#: A run ends with a group, once it has so many messages: each group is read once or twice in all.
RUN_MESSAGES = 1024


@define(eq=False)
class StoredRun:
    """Messages in a row. Beside a few ranges of positions it keeps what no group tells."""

    log: QueueLog
    queue: Queue
    count: int = 0
    body_bytes: int = 0
    #: group -> how many of the messages stand in it
    groups: dict[int, int] = field(factory=dict)
    #: first position -> the one behind the last, ascending
    ranges: dict[int, int] = field(factory=dict)
    #: position -> redelivered, delivery count; only where one of them says something
    states: dict[int, tuple[bool, int]] = field(factory=dict)
    _last_first: int = field(default=-1, init=False)

    def add(self, item: QueuedMessage | QueuedRun, number: int) -> None:
        """Take in the messages behind the last, which stand in a group of that number."""
        first = item.position
        if isinstance(item, QueuedMessage):
            count, size = 1, item.message.size
            if item.redelivered or item.delivery_count:
                self.states[first] = (item.redelivered, item.delivery_count)
        else:
            count, size = len(item), item.body_bytes
        self.count += count
        self.groups[number] = self.groups.get(number, 0) + count
        self.body_bytes += size
        if self.ranges.get(self._last_first) == first:
            self.ranges[self._last_first] = first + count
        else:
            self.ranges[first] = first + count
            self._last_first = first

    def read(self) -> list[QueuedMessage]:
        """Return copies, in order.

        Raises:
            StorageError: a group cannot be read.

        """
        found: dict[int, QueuedMessage] = {}
        wanted = {p for first, behind in self.ranges.items() for p in range(first, behind)}
        queue_id, plain = self.log.queue_id, (False, 0)
        for number in self.groups:
            data = self.log.journal.read(number).messages
            for owner, message, position, expires_at_ms, _, _ in decode_entries(data):
                if owner == queue_id and position in wanted:
                    redelivered, deliveries = self.states.get(position, plain)
                    entry = QueuedMessage(
                        message, self.queue, position, expires_at_ms, redelivered, deliveries
                    )
                    entry.stored = number
                    found[position] = entry
        return [found[position] for position in sorted(found)]

    def bring_back(self) -> list[QueuedMessage]:
        """Return the messages, in order, which are the journal's as before; the run is used up.

        Raises:
            StorageError: a group cannot be read; the run stays.

        """
        journal = self.log.journal
        entries = self.read()
        for entry in entries:
            journal.live[entry.stored][entry] = None
        journal.count_paged(self.groups, -1)
        return entries

    def forget(self, *, settled: bool) -> None:
        """Let go of the messages; `settled` says that the journal has to note it."""
        journal = self.log.journal
        if settled:
            for first, behind in self.ranges.items():
                journal.settle(self.log.queue_id, first, behind)
        journal.count_paged(self.groups, -1)


def runs_of(
    log: QueueLog, items: Sequence[QueuedMessage | QueuedRun]
) -> tuple[list[StoredRun], int]:
    """Make runs of what is durable, from the first on; return them, and how many items it is.

    A queue that has messages of which no copy is on the disk keeps all behind the first of them.
    """
    journal = log.journal
    runs: list[StoredRun] = []
    taken = 0
    for item in items:
        number = log.let_go(item)
        if not number:
            break
        if not runs or (runs[-1].count >= RUN_MESSAGES and number not in runs[-1].groups):
            runs.append(StoredRun(log, item.queue))
        runs[-1].add(item, number)
        taken += 1
    for run in runs:
        journal.count_paged(run.groups, 1)
    return runs, taken
